//! What can go wrong with a repository, and how people are told.

use crate::text::{clean_line, size};
use crate::tree::TreeError;
use atek_api::package::{Failure, FailureCode};
use atek_api::version::explain_tags;
use git2::{ErrorClass, ErrorCode};
use std::path::PathBuf;

/// Why a release could not be found, fetched or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitError {
    #[error("a folder is not a git source")]
    NotGit,
    #[error("cannot ask the repository for its tags")]
    List(#[source] git2::Error),
    #[error("cannot start the proxy of the fetch")]
    Bridge(#[source] std::io::Error),
    /// The host that leads into the home or to this machine.
    #[error("{0} has no public address")]
    PrivateAddress(String),
    #[error("a token is sent over https alone")]
    TokenInTheClear,
    /// Why.
    #[error("the certificate of the server is not trusted: {0}")]
    Certificate(String),
    #[error("the server does not take the token")]
    TokenRefused,
    /// The server that another one led to.
    #[error("a token is not sent to {0}")]
    TokenElsewhere(String),
    #[error("cannot open the repository {}", .0.display())]
    Open(PathBuf, #[source] git2::Error),
    #[error("the repository has more than {0} tags")]
    TooManyTags(usize),
    /// All tags there are.
    #[error("no release")]
    NoRelease(Vec<String>),
    /// The wanted versions, and the newest releases there are.
    #[error("no release matches {0}")]
    NoMatch(String, Vec<String>),
    #[error("every matching release was rolled back")]
    Refused,
    #[error("cannot fetch")]
    Fetch(#[source] git2::Error),
    #[error("the repository sends more than {0} bytes")]
    FetchBytes(u64),
    #[error("the repository sends more than {0} objects")]
    FetchObjects(u64),
    #[error("the tag {tag} leads to a {kind}, not to a commit")]
    NotACommit { tag: String, kind: &'static str },
    #[error("cannot read object {id} of the repository")]
    Read {
        id: String,
        #[source]
        source: git2::Error,
    },
    /// The name with its control characters escaped.
    #[error("a package may not have a file of the name \"{0}\"{help}", help = name_help(.0))]
    Name(String),
    #[error("{path:?} in the repository has the mode {mode:o}")]
    Mode { path: String, mode: i32 },
    #[error("the folders of the repository are nested more than {0} deep")]
    Depth(usize),
    #[error("the file {path:?} has {bytes} bytes")]
    FileBytes { path: String, bytes: u64, max: u64 },
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("cannot write {path:?}")]
    Write {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

impl GitError {
    /// Whether the server says that there is nothing at this URL.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::List(error) if error.message().contains("status code: 404"))
    }

    /// As the installer is told.
    pub(super) fn failure(&self, source: &str) -> Failure {
        use FailureCode as Code;
        // The original's words, where it had some.
        let (code, message) = match self {
            Self::NotGit => (
                Code::BadRequest,
                format!("{source} is a folder that runs in place, there is nothing to fetch"),
            ),
            Self::List(error) | Self::Fetch(error) => remote_failure(error, source),
            Self::Bridge(error) => (Code::Internal, format!("{self}: {error}")),
            Self::PrivateAddress(_)
            | Self::TokenInTheClear
            | Self::Certificate(_)
            | Self::TokenRefused
            | Self::TokenElsewhere(_) => self.access_failure(source),
            Self::Open(_, error) => open_failure(error, source),
            Self::TooManyTags(_) => (Code::TooBig, format!("{source}: {self}")),
            Self::NoRelease(tags) => (
                Code::NoRelease,
                format!(
                    "No release (git tag) has been set for {source}{}",
                    explain_tags(tags)
                ),
            ),
            Self::NoMatch(wanted, newest) => {
                let there = match newest.as_slice() {
                    [] => String::new(),
                    newest => format!("; the newest are {}", newest.join(", ")),
                };
                (
                    Code::NoMatchingRelease,
                    format!(
                        "No release (git tag) available for {source} which matches the desired version of {wanted}{there}"
                    ),
                )
            }
            Self::Refused => (
                Code::Refused,
                format!(
                    "{source} has no release in the desired version that was not already tried and rolled back"
                ),
            ),
            Self::FetchBytes(max) => (
                Code::TooBig,
                format!(
                    "{source} sends more than {}, which is the most that is fetched",
                    size(*max)
                ),
            ),
            Self::FetchObjects(_) => (Code::TooBig, format!("{source}: {self}")),
            Self::NotACommit { .. } => (
                Code::TagNotACommit,
                format!("{self}; set the tag on a commit"),
            ),
            Self::Read { source: error, .. } => match error.class() {
                ErrorClass::NoMemory => (
                    Code::TooBig,
                    format!("{source} has an object that is too large"),
                ),
                _ => (
                    Code::BrokenRepository,
                    format!("{source} is damaged: {self}: {}", words(error)),
                ),
            },
            Self::Name(_) | Self::Mode { .. } => (Code::BadPath, self.to_string()),
            Self::Depth(_) => (Code::TooBig, self.to_string()),
            Self::FileBytes { path, bytes, max } => (
                Code::TooBig,
                format!(
                    "the file {path:?} has {}, at most {} are admitted",
                    size(*bytes),
                    size(*max)
                ),
            ),
            Self::Tree(error) => tree_failure(error),
            Self::Write { source: error, .. } => (Code::Internal, format!("{self}: {error}")),
        };
        Failure { code, message }
    }

    /// The failures of asking the server at all: its address, its certificate, the access token.
    fn access_failure(&self, source: &str) -> (FailureCode, String) {
        use FailureCode as Code;
        match self {
            Self::PrivateAddress(host) => (
                Code::PrivateAddress,
                format!(
                    "{source} cannot be installed by you: {host} is in the home network or on this \
                     machine, and only an administrator may install from there"
                ),
            ),
            Self::TokenInTheClear => (
                Code::BadRequest,
                format!(
                    "{source} is not asked with an access token: it would be sent so that others \
                     can read it. Give the https:// address of the repository"
                ),
            ),
            Self::Certificate(why) => (Code::Certificate, not_verified(source, &clean_line(why))),
            Self::TokenRefused => (
                Code::TokenRefused,
                format!(
                    "{source} does not take the access token: it may have ended, or may not read \
                     this repository. Make a new one at the git host, and give it"
                ),
            ),
            Self::TokenElsewhere(host) => (
                Code::Redirected,
                format!(
                    "{source} leads to {}, which is not given its access token: install from \
                     there, if you trust it",
                    clean_line(host)
                ),
            ),
            other => (Code::Internal, other.to_string()),
        }
    }
}

/// What helps against a name that is refused.
fn name_help(name: &str) -> &'static str {
    if name.ends_with("Icon\\r") {
        ": it has a carriage return, and macOS made it for the picture of a folder. Remove it: git rm \"*Icon?\""
    } else if name.contains('\\') {
        ": it has a control character. Rename the file in the repository"
    } else {
        ""
    }
}

/// A tree that is too big, or has what a package may not have.
pub(crate) fn tree_failure(error: &TreeError) -> (FailureCode, String) {
    let code = match error {
        TreeError::Bytes(_) | TreeError::Files(_) => FailureCode::TooBig,
        TreeError::Link { .. } | TreeError::Special(_) | TreeError::Name(_) => FailureCode::BadPath,
        TreeError::Inspect { .. } => FailureCode::Internal,
    };
    let message = match error {
        TreeError::Bytes(max) => format!("the package has more than {} of files", size(*max)),
        TreeError::Files(max) => format!("the package has more than {max} files"),
        TreeError::Inspect { source, .. } => format!("{error}: {source}"),
        other => other.to_string(),
    };
    (code, message)
}

fn not_verified(source: &str, why: &str) -> String {
    format!(
        "the identity of {source} cannot be verified: {why}. If its certificate is of an authority of \
         your own, an administrator adds that one (atek authorities --add FILE)"
    )
}

/// libgit2's words. They may name a URL that the server sent, so they are cleaned.
fn words(error: &git2::Error) -> String {
    clean_line(error.message())
}

fn open_failure(error: &git2::Error, source: &str) -> (FailureCode, String) {
    match error.code() {
        ErrorCode::NotFound => (
            FailureCode::RepositoryNotFound,
            format!("Failed to install app. Is it a Git repo? There is none at {source}"),
        ),
        _ => (
            FailureCode::BrokenRepository,
            format!(
                "Failed to install app. Is it a Git repo? Cannot open {source}: {}",
                words(error)
            ),
        ),
    }
}

fn remote_failure(error: &git2::Error, source: &str) -> (FailureCode, String) {
    let code = remote_code(error);
    let detail = match code {
        FailureCode::RepositoryNotFound => {
            format!(
                "{source} does not exist or is not public; a private one is read with an access token"
            )
        }
        FailureCode::NotARepository if is_illegible(error) && is_https(source) => format!(
            "{source} answers, but not as a git repository, or with answers that have neither \
             Content-Length nor chunks: over https such cannot be read, have it served in HTTP/1.1"
        ),
        FailureCode::NotARepository => format!("{source} answers, but not as a git repository"),
        FailureCode::Unreachable => format!("{source} cannot be reached: {}", words(error)),
        FailureCode::Certificate => {
            let why = words(error);
            return (code, not_verified(source, &why));
        }
        FailureCode::Redirected => {
            let why = words(error);
            return (
                code,
                format!("{source} leads elsewhere in a way that is not followed: {why}"),
            );
        }
        FailureCode::TooBig => {
            return (
                code,
                format!("{source} has an object that needs too much memory"),
            );
        }
        FailureCode::Internal => {
            return (
                code,
                format!("cannot store what {source} sends: {}", words(error)),
            );
        }
        _ => {
            return (
                code,
                format!("{source} sends damaged data: {}", words(error)),
            );
        }
    };
    (
        code,
        format!("Failed to install app. Is it a Git repo? {detail}"),
    )
}

/// Whether there was an answer, and libgit2 found nothing of git in it.
pub(super) fn is_illegible(error: &git2::Error) -> bool {
    remote_code(error) == FailureCode::NotARepository && !error.message().contains("status code")
}

fn is_https(source: &str) -> bool {
    source.starts_with("https://")
}

/// libgit2 has one class for most of what can happen on a network; the rest is in
/// its words. A version with other words makes the message less precise, not wrong.
fn remote_code(error: &git2::Error) -> FailureCode {
    let words = error.message();
    let says = |part: &str| words.contains(part);
    match (error.code(), error.class()) {
        (ErrorCode::Auth, _) => FailureCode::RepositoryNotFound,
        (ErrorCode::Certificate, _) => FailureCode::Certificate,
        (_, ErrorClass::NoMemory) => FailureCode::TooBig,
        (_, ErrorClass::Ssl) if says("certificate") || says("verif") => FailureCode::Certificate,
        (_, ErrorClass::Ssl) => FailureCode::Unreachable,
        _ if says("SSL error") => FailureCode::Unreachable,
        _ if says("redirect") => FailureCode::Redirected,
        _ if says("status code: 404") || says("status code: 410") || says("status code: 403") => {
            FailureCode::RepositoryNotFound
        }
        _ if says("status code: 4") => FailureCode::NotARepository,
        _ if says("status code") => FailureCode::Unreachable,
        _ if says("resolve address") || says("failed to connect") || says("timed out") => {
            FailureCode::Unreachable
        }
        (_, ErrorClass::Os) if says("connect") || says("socket") || says("unexpected EOF") => {
            FailureCode::Unreachable
        }
        (_, ErrorClass::Os | ErrorClass::Filesystem) => FailureCode::Internal,
        (_, ErrorClass::Http) => FailureCode::NotARepository,
        _ if says("could not read refs") => FailureCode::NotARepository,
        _ if says("content-type") || says("pkt") || says("Content-Type") => {
            FailureCode::NotARepository
        }
        (_, ErrorClass::Net) if says("EOF") || says("reset") || says("disconnect") => {
            FailureCode::Unreachable
        }
        _ => FailureCode::BrokenRepository,
    }
}
