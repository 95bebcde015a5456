//! Why atek-spawnd did not do something.

use zbus::fdo;

/// The prefix of the helper's own errors.
const PREFIX: &str = "cloud.atek.Spawn1.Error.";

/// Why atek-spawnd did not do something.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// What was asked is not valid; the message says what.
    #[error("cannot {operation}: {message}")]
    Invalid {
        /// What was to be done.
        operation: String,
        /// For a person.
        message: String,
    },
    /// Something else holds what this needs.
    #[error("cannot {operation} now: {message}")]
    Busy {
        /// What was to be done.
        operation: String,
        /// For a person.
        message: String,
    },
    /// There is no such unit, job or folder.
    #[error("cannot {operation}: {message}")]
    NotFound {
        /// What was to be done.
        operation: String,
        /// For a person.
        message: String,
    },
    /// It may not be done.
    #[error("may not {operation}: {message}")]
    Refused {
        /// What was to be done.
        operation: String,
        /// For a person.
        message: String,
    },
    /// It was tried, and failed.
    #[error("cannot {operation}: {message}")]
    Failed {
        /// What was to be done.
        operation: String,
        /// For a person.
        message: String,
    },
    /// systemd's start job did not end well.
    #[error("cannot {operation}: systemd's job ended with {result:?}")]
    Job {
        /// What was to be done.
        operation: String,
        /// `failed`, `canceled`, `timeout`, `dependency`, …
        result: String,
    },
    /// No answer.
    #[error("cannot {operation}: atek-spawnd did not answer within {waited_secs} s")]
    Timeout {
        /// What was to be done.
        operation: String,
        /// Seconds.
        waited_secs: u64,
    },
    /// The helper cannot be reached.
    #[error("cannot {operation}: atek-spawnd cannot be reached")]
    Unreachable {
        /// What was to be done.
        operation: String,
        /// The cause.
        #[source]
        source: zbus::Error,
    },
    /// The request cannot be written as JSON.
    #[error("cannot {operation}: the request cannot be expressed")]
    Express {
        /// What was to be done.
        operation: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

impl SpawnError {
    pub(super) fn of(operation: &str, error: zbus::Error) -> Self {
        let operation = operation.to_owned();
        let zbus::Error::MethodError(name, message, _) = &error else {
            return Self::Unreachable {
                operation,
                source: error,
            };
        };
        let message = message
            .clone()
            .unwrap_or_else(|| "no reason given".to_owned());
        match name.as_str().strip_prefix(PREFIX) {
            Some("InvalidSpec") => Self::Invalid { operation, message },
            Some("Busy") => Self::Busy { operation, message },
            Some("NotFound") => Self::NotFound { operation, message },
            Some("Refused") => Self::Refused { operation, message },
            Some(_) => Self::Failed { operation, message },
            None => Self::Unreachable {
                operation,
                source: error,
            },
        }
    }

    /// For what is done when there is nothing left to do it to.
    pub(super) fn none_is_fine<T: Default>(self) -> Result<T, Self> {
        match self {
            Self::NotFound { .. } => Ok(T::default()),
            error => Err(error),
        }
    }

    /// Whether the helper was lost, rather than said no.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => match source {
                zbus::Error::InputOutput(_) | zbus::Error::Connection(..) => true,
                zbus::Error::FDO(error) => matches!(
                    **error,
                    fdo::Error::NoReply(_)
                        | fdo::Error::Disconnected(_)
                        | fdo::Error::NameHasNoOwner(_)
                        | fdo::Error::ServiceUnknown(_)
                        | fdo::Error::SpawnChildExited(_)
                ),
                _ => false,
            },
            _ => false,
        }
    }
}
