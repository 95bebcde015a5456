//! How the host finds out whether an app that listens is also well.

use serde::Serialize;

/// The field `healthcheck`: a path, or an object with a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(untagged)]
pub enum Healthcheck {
    /// A path that the app answers with a status below 400. As [`super::Export::path`].
    Path(String),
    /// A program that ends with exit code 0.
    Command {
        /// The program and its arguments, taken literally; at least one. A program with a slash is
        /// a file of the package, one without is looked for in `PATH`.
        command: Vec<String>,
    },
}

impl Healthcheck {
    /// The command; none of a path.
    #[must_use]
    pub fn command(&self) -> Option<&[String]> {
        match self {
            Self::Path(_) => None,
            Self::Command { command } => Some(command),
        }
    }
}
