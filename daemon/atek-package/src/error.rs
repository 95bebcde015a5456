//! Why a job failed.

use crate::child::ChildError;
use crate::memory::Want;
use crate::plan::Step;
use crate::text::size;
use crate::tool::MissingTool;
use crate::tree::TreeError;
use atek_api::manifest::ManifestError;
use atek_api::package::{EntryError, Failure, FailureCode};

/// Why the job stopped a child.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The reader of the result is gone.
    Abandoned,
    /// The staging folder grew too large.
    Tree(TreeError),
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// The `git` child told.
    #[error("the fetch failed")]
    Git(Failure),
    /// The `git` child told nothing, or was ended.
    #[error("the fetch did not end well")]
    GitChild(#[source] ChildError<Stop>),
    #[error("the fetch crashed: {0}")]
    GitCrash(String),
    #[error("the fetch crashed: {0}")]
    ImageCrash(String),
    #[error("cannot {doing} in the staging folder")]
    Staging {
        doing: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A recipe cannot be used.
    #[error("the recipe cannot be used: {0}")]
    Recipe(String),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error("package.json is wrong: {0}")]
    PackageJson(String),
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// npm or what it ran ended with an error; some lines of its output.
    #[error("{} failed ({how})", step.command())]
    Step {
        step: Step,
        how: String,
        output: String,
    },
    /// The kernel ended npm or what it ran.
    #[error("{} ran out of memory", step.command())]
    StepMemory {
        step: Step,
        want: Want,
        output: String,
    },
    /// The build needs a program that is not installed.
    #[error("{} failed: {tool}", step.command())]
    StepTool {
        step: Step,
        tool: MissingTool,
        output: String,
    },
    #[error("{} did not end well", step.command())]
    StepChild {
        step: Step,
        output: String,
        #[source]
        source: ChildError<Stop>,
    },
}

impl JobError {
    /// As the installer is told.
    pub(crate) fn failure(&self, source: &str) -> Failure {
        or_disk_full(self.plain_failure(source))
    }

    fn plain_failure(&self, source: &str) -> Failure {
        let (code, message) = match self {
            Self::Git(failure) => return failure.clone(),
            Self::GitChild(error) => git_child_failure(error, source),
            Self::GitCrash(_) | Self::ImageCrash(_) => {
                (FailureCode::BrokenRepository, format!("{source}: {self}"))
            }
            Self::Staging { source: error, .. } => {
                (FailureCode::Internal, format!("{self}: {error}"))
            }
            Self::Recipe(_) | Self::Manifest(_) | Self::PackageJson(_) => {
                (FailureCode::BadManifest, self.to_string())
            }
            Self::Entry(EntryError::PackageJson(_)) => (FailureCode::BadManifest, self.to_string()),
            Self::Entry(_) => (FailureCode::NoEntry, self.to_string()),
            Self::Tree(error) => crate::git::tree_failure(error),
            Self::Step { step, output, .. } => (step.failure_code(), format!("{self}{output}")),
            Self::StepTool { output, .. } => (FailureCode::MissingTool, format!("{self}{output}")),
            Self::StepMemory { step, want, output } => match want {
                Want::Machine => (
                    FailureCode::Internal,
                    format!(
                        "{self}: this machine has none left, stop an app and try again{output}"
                    ),
                ),
                Want::Limit(Some(max)) => (
                    step.failure_code(),
                    format!("{self}: a build may use {}{output}", size(*max)),
                ),
                Want::Limit(None) => (step.failure_code(), format!("{self}{output}")),
            },
            Self::StepChild {
                step,
                output,
                source,
            } => step_child_failure(step, output, source),
        };
        Failure { code, message }
    }
}

/// A failure of this machine or of a build that names a full disk, in words that say what helps. It
/// is not the release's fault, so that may be tried again.
fn or_disk_full(failure: Failure) -> Failure {
    let of_this_machine = matches!(
        failure.code,
        FailureCode::Internal | FailureCode::NpmFailed | FailureCode::BuildFailed
    );
    let signs = ["No space left on device", "ENOSPC", "Disk quota exceeded"];
    if !of_this_machine || !signs.iter().any(|sign| failure.message.contains(sign)) {
        return failure;
    }
    Failure {
        code: FailureCode::DiskFull,
        message: format!(
            "the disk of this box is full: uninstall an app that is not needed, or delete files, and try again\n{}",
            failure.message
        ),
    }
}

fn git_child_failure(error: &ChildError<Stop>, source: &str) -> (FailureCode, String) {
    match error {
        ChildError::Deadline(secs) => (
            FailureCode::Timeout,
            format!(
                "{source} could not be fetched within {secs} s: its server or the network is slow, try again later"
            ),
        ),
        ChildError::Stalled(secs) => (
            FailureCode::Timeout,
            format!("{source} did not answer for {secs} s"),
        ),
        other => common_failure(other, "git"),
    }
}

fn step_child_failure(
    step: &Step,
    output: &str,
    error: &ChildError<Stop>,
) -> (FailureCode, String) {
    let command = &step.command();
    match error {
        ChildError::Deadline(secs) => (
            FailureCode::Timeout,
            format!("{command} was not finished within {secs} s{output}"),
        ),
        ChildError::Start { source, .. } if source.kind() == std::io::ErrorKind::NotFound => (
            FailureCode::Internal,
            "the package needs npm, which is not installed on this machine".to_owned(),
        ),
        ChildError::Stopped(Stop::Tree(error)) => {
            let (code, message) = crate::git::tree_failure(error);
            (code, format!("{command} was stopped: {message}"))
        }
        other => common_failure(other, command),
    }
}

fn common_failure(error: &ChildError<Stop>, command: &str) -> (FailureCode, String) {
    match error {
        ChildError::Stopped(Stop::Tree(error)) => crate::git::tree_failure(error),
        ChildError::Stopped(Stop::Abandoned) => (
            FailureCode::Internal,
            "the host does not wait for the result any more".to_owned(),
        ),
        ChildError::Start { source, .. } | ChildError::Watch(source) => (
            FailureCode::Internal,
            format!("{command}: {error}: {source}"),
        ),
        ChildError::Deadline(_) | ChildError::Stalled(_) => {
            (FailureCode::Timeout, format!("{command}: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_and_no_release_is_blamed_for_it() {
        let failure = |code, message: &str| {
            or_disk_full(Failure {
                code,
                message: message.to_owned(),
            })
        };
        let full = "cannot store what it sends: No space left on device";
        for (code, message, expected) in [
            (FailureCode::Internal, full, FailureCode::DiskFull),
            (
                FailureCode::NpmFailed,
                "npm error code ENOSPC",
                FailureCode::DiskFull,
            ),
            (
                FailureCode::BuildFailed,
                "error TS2304",
                FailureCode::BuildFailed,
            ),
            // A server's words say nothing about this disk.
            (
                FailureCode::BrokenRepository,
                full,
                FailureCode::BrokenRepository,
            ),
        ] {
            let told = failure(code, message);
            assert_eq!(told.code, expected, "{message}");
            assert!(told.message.ends_with(message), "{}", told.message);
        }
        assert!(FailureCode::DiskFull.is_temporary());
    }

    #[test]
    fn a_build_without_memory_was_said_to_have_failed_without_a_reason() {
        let failure = |want| {
            let step = Step::Build(None);
            let output = "\nkilled".to_owned();
            JobError::StepMemory { step, want, output }.failure("https://example.org/app")
        };
        for (want, code, message) in [
            (
                Want::Limit(Some(1 << 30)),
                FailureCode::BuildFailed,
                "npm run build ran out of memory: a build may use 1.0 GiB\nkilled",
            ),
            (
                Want::Limit(None),
                FailureCode::BuildFailed,
                "npm run build ran out of memory\nkilled",
            ),
            (
                Want::Machine,
                FailureCode::Internal,
                "npm run build ran out of memory: this machine has none left, stop an app and try again\nkilled",
            ),
        ] {
            let failure = failure(want);
            assert_eq!((failure.code, failure.message.as_str()), (code, message));
        }
    }
}
