//! What can go wrong, the exit code of each, and what the person can do about it.

use crate::text::clean;
use atek_api::jsonrpc::{RpcError, code};
use atek_rpc::body::BoxError;
use atek_rpc::client::CallError;
use atek_rpc::pool::{Endpoint, SendError};
use http::StatusCode;
use std::io;
use std::path::PathBuf;

/// Exit codes, documented in `atek help`.
pub(crate) mod exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const NO_SERVICE: u8 = 3;
    pub(crate) const NOT_RUNNING: u8 = 4;
    pub(crate) const UNREACHABLE: u8 = 69;
    /// As shells count a process that SIGINT ended.
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// Why a command did not do what it was asked for. (A [`CallError`] is large, hence the boxes.)
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The flags are well-formed but make no sense together or here.
    #[error("{0}")]
    Usage(String),
    #[error("no service has the id {id}")]
    NoService { id: String, nearest: Vec<String> },
    #[error("no user has the name {name}")]
    NoUser { name: String, nearest: Vec<String> },
    #[error("no database has the id or alias {name}")]
    NoDatabase { name: String },
    #[error("{name} may be any of {}", candidates.join(", "))]
    AmbiguousDatabase {
        name: String,
        candidates: Vec<String>,
    },
    /// A service is in a state other than running; the state has been printed.
    #[error("the service is not running")]
    NotRunning,
    /// The system lacks something without which no service starts; what has been printed.
    #[error("no service can start on this system")]
    UnusableSystem,
    /// The host was asked to do something about a service and could not.
    #[error("cannot {action} {id}")]
    Service {
        action: &'static str,
        id: String,
        #[source]
        source: Box<CallError>,
    },
    /// The host was asked for something else and could not.
    #[error("cannot {action}")]
    Call {
        action: String,
        #[source]
        source: Box<CallError>,
    },
    /// A catalogue's folder cannot be used.
    #[error("the catalogue cannot be used")]
    Catalogue(#[from] atek_catalogue::folder::FolderError),
    /// Recipes failed their check; why has been printed.
    #[error("{failed} of {all} recipes failed their check")]
    Check { failed: usize, all: usize },
    /// A log that is followed has no end of its own.
    #[error("the host ended the log")]
    LogEnded,
    /// A body ended before its end.
    #[error("cannot {action}")]
    Stream {
        action: String,
        #[source]
        source: BoxError,
    },
    /// A job of the host ended in failure.
    #[error("cannot {action}")]
    Job {
        action: String,
        #[source]
        source: JobError,
    },
    #[error("cannot {action} {}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot understand {}", path.display())]
    BadFile {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{0} is not JSON")]
    BadJson(&'static str, #[source] serde_json::Error),
    #[error("the host's answer to {method} cannot be understood")]
    BadAnswer {
        method: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot read the answer from the terminal")]
    Prompt(#[source] io::Error),
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    #[error("cannot execute {}", path.display())]
    Exec {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The person said no, or pressed Ctrl-C.
    #[error("{0}")]
    Interrupted(&'static str),
    /// Some of several things failed; each has been reported.
    #[error("{failed} of {total} failed")]
    Several {
        failed: usize,
        total: usize,
        exit: u8,
    },
}

/// A job's own account of its failure, with foreign text made harmless.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct JobError(pub(crate) String);

impl Failure {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => exit::USAGE,
            Failure::NoService { .. } => exit::NO_SERVICE,
            Failure::NotRunning => exit::NOT_RUNNING,
            Failure::Service { source, .. } | Failure::Call { source, .. }
                if unreachable(source) =>
            {
                exit::UNREACHABLE
            }
            Failure::Stream { .. } | Failure::LogEnded => exit::UNREACHABLE,
            Failure::Interrupted(_) => exit::INTERRUPTED,
            Failure::Several { exit, .. } => *exit,
            Failure::NoUser { .. }
            | Failure::NoDatabase { .. }
            | Failure::AmbiguousDatabase { .. }
            | Failure::Service { .. }
            | Failure::Call { .. }
            | Failure::Job { .. }
            | Failure::File { .. }
            | Failure::BadFile { .. }
            | Failure::BadJson(..)
            | Failure::BadAnswer { .. }
            | Failure::Prompt(_)
            | Failure::Output(_)
            | Failure::UnusableSystem
            | Failure::Catalogue(_)
            | Failure::Check { .. }
            | Failure::Exec { .. } => exit::FAILED,
        }
    }

    /// Whether there is nothing to say: the reader is gone, or has been told already.
    pub(crate) fn is_silent(&self) -> bool {
        match self {
            Failure::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Failure::NotRunning => true,
            _ => false,
        }
    }

    /// Why the host refused, as a word for programs.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Failure::Service { source, .. } | Failure::Call { source, .. } => match &**source {
                CallError::Rpc(error) => error.reason(),
                _ => None,
            },
            _ => None,
        }
    }

    /// What the host adds to its refusal, for programs.
    pub(crate) fn data(&self) -> Option<&serde_json::Value> {
        match self {
            Failure::Service { source, .. } | Failure::Call { source, .. } => match &**source {
                CallError::Rpc(error) => error.data.as_ref(),
                _ => None,
            },
            _ => None,
        }
    }

    /// What to do next, where there is something.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Failure::NoService { nearest, .. } if nearest.is_empty() => {
                Some("list the services with: atek ls".to_owned())
            }
            Failure::NoUser { nearest, .. } if nearest.is_empty() => {
                Some("list the users with: atek users".to_owned())
            }
            Failure::NoService { nearest, .. } | Failure::NoUser { nearest, .. } => {
                Some(format!("did you mean {}?", nearest.join(" or ")))
            }
            Failure::NoDatabase { .. } => Some("list the databases with: atek db ls".to_owned()),
            Failure::AmbiguousDatabase { .. } => Some("give more digits of its id".to_owned()),
            Failure::Service { source, action, id } => {
                call_hint(source).or_else(|| match *action {
                    "start" | "restart" => Some(format!("see what it printed: atek logs {id}")),
                    _ => None,
                })
            }
            Failure::Call { source, .. } => call_hint(source),
            Failure::Stream { .. } | Failure::LogEnded => Some(BROKEN.to_owned()),
            Failure::BadAnswer { .. } => Some(
                "the host and this program may be of different versions: atek --version".to_owned(),
            ),
            Failure::Exec { .. } => Some("on an installed box: systemctl start atekd".to_owned()),
            Failure::Usage(_)
            | Failure::NotRunning
            | Failure::UnusableSystem
            | Failure::Catalogue(_)
            | Failure::Check { .. }
            | Failure::Job { .. }
            | Failure::File { .. }
            | Failure::BadFile { .. }
            | Failure::BadJson(..)
            | Failure::Prompt(_)
            | Failure::Output(_)
            | Failure::Interrupted(_)
            | Failure::Several { .. } => None,
        }
    }

    /// The whole account: this error and its causes. A failed build's has several lines.
    pub(crate) fn account(&self) -> String {
        let mut text = self.to_string();
        if let Failure::Service { source, .. } | Failure::Call { source, .. } = self
            && let CallError::Rpc(error) = &**source
        {
            // Its number is for programs.
            return clean::block(&format!("{text}: {}", error.message));
        }
        let mut cause = std::error::Error::source(self);
        let mut shown = text.clone();
        while let Some(error) = cause {
            let next = error.to_string();
            // Transparent wrappers repeat their cause word by word.
            if next != shown {
                text = format!("{text}: {next}");
            }
            shown = next;
            cause = error.source();
        }
        clean::block(&text)
    }
}

/// The hint for a conversation that ended early.
const BROKEN: &str = "the host may have restarted, see: journalctl -u atekd";

/// Whether the host could not be reached at all, or is not up yet.
fn unreachable(error: &CallError) -> bool {
    match error {
        CallError::Send(_) | CallError::Body { .. } => true,
        CallError::Rpc(error) => is_starting(error),
        CallError::Status { .. } | CallError::Malformed { .. } | CallError::Unexpressible(_) => {
            false
        }
    }
}

/// The host answers before its own APIs are there: core services come first.
fn is_starting(error: &RpcError) -> bool {
    error.code == code::METHOD_NOT_FOUND && error.message.starts_with("No service available")
}

fn call_hint(error: &CallError) -> Option<String> {
    let text = match error {
        CallError::Send(SendError::Connect { endpoint, source }) => match (endpoint, source.kind())
        {
            (Endpoint::Unix(_) | Endpoint::Owned(..), io::ErrorKind::PermissionDenied) => {
                "run this as root, or join the group atek: sudo usermod -aG atek $USER, then sign in again"
            }
            (
                Endpoint::Unix(_) | Endpoint::Owned(..),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused,
            ) => "atekd is not running, start it with: systemctl start atekd",
            (Endpoint::Unix(_) | Endpoint::Owned(..) | Endpoint::Service(..), _) => {
                "see how the host is doing: systemctl status atekd"
            }
            (Endpoint::Tcp(..), io::ErrorKind::ConnectionRefused) => {
                "no host listens there, start it with: systemctl start atekd (or atek run)"
            }
            (Endpoint::Tcp(..), _) => "check the address, and that this machine reaches it",
        },
        CallError::Send(
            SendError::Untrusted { .. } | SendError::Broken { .. } | SendError::Closed { .. },
        )
        | CallError::Body { .. } => BROKEN,
        CallError::Status { status, .. } if *status == StatusCode::UNAUTHORIZED => {
            "the token is not one of this host's: check --token-file or --configDir"
        }
        CallError::Status { status, .. } if *status == StatusCode::TOO_MANY_REQUESTS => {
            "wait a moment and try again"
        }
        CallError::Rpc(error) if is_starting(error) && error.message.contains("adb-api") => {
            "the database service does not run, see: atek status core.adb"
        }
        CallError::Rpc(error) if is_starting(error) => {
            "the host is still starting, try again in a moment or see: systemctl status atekd"
        }
        CallError::Rpc(error) if error.reason() == Some("has-files") => {
            "if that is the right disk, agree with --yes"
        }
        CallError::Rpc(error) if error.code == code::METHOD_NOT_FOUND => {
            "the host does not know this command, it may be older than this program"
        }
        CallError::Rpc(_)
        | CallError::Status { .. }
        | CallError::Malformed { .. }
        | CallError::Unexpressible(_) => return None,
    };
    Some(text.to_owned())
}
