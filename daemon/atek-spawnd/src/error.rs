//! What a caller gets instead of a result.

use crate::credentials::CredentialError;
use crate::files::FileError;
use crate::manager::SystemdError;
use crate::origin::OriginError;
use crate::packages::PackageError;
use crate::put_back::PutBackError;
use crate::snapshots::SnapshotError;
use atek_api::spec::SpecError;

/// The D-Bus errors; the text is for a person.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "cloud.atek.Spawn1.Error")]
pub(crate) enum Error {
    #[zbus(error)]
    ZBus(zbus::Error),
    /// The request makes no sense.
    InvalidSpec(String),
    /// Something is in use, or there already.
    Busy(String),
    /// Something is not there.
    NotFound(String),
    /// The request makes sense and is not granted.
    Refused(String),
    /// The system did not do it.
    Failed(String),
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl From<SpecError> for Error {
    fn from(error: SpecError) -> Self {
        Self::InvalidSpec(error.to_string())
    }
}

impl From<SystemdError> for Error {
    fn from(error: SystemdError) -> Self {
        match error {
            SystemdError::Running(_) => Self::Busy(error.to_string()),
            SystemdError::Bus(_)
            | SystemdError::TooOld(_)
            | SystemdError::SliceNotMade(_)
            | SystemdError::SignalsClosed
            | SystemdError::JobTimeout { .. } => Self::Failed(chain(&error)),
        }
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::Failed(chain(&error))
    }
}

impl From<OriginError> for Error {
    fn from(error: OriginError) -> Self {
        match error {
            OriginError::Other { .. } => Self::Refused(error.to_string()),
            OriginError::Read(..) | OriginError::File(_) => Self::Failed(chain(&error)),
        }
    }
}

impl From<CredentialError> for Error {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::NoToken(_) => Self::NotFound(error.to_string()),
            CredentialError::OddToken(_) => Self::Refused(error.to_string()),
            CredentialError::ReadToken(..)
            | CredentialError::Encode(_)
            | CredentialError::File(_) => Self::Failed(chain(&error)),
        }
    }
}

impl From<PackageError> for Error {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::JobExists(_) | PackageError::VersionExists { .. } => {
                Self::Busy(error.to_string())
            }
            PackageError::NoJob(_)
            | PackageError::NoPackage(_)
            | PackageError::NoVersion { .. } => Self::NotFound(error.to_string()),
            PackageError::NotOurs(_) | PackageError::Seal(_) => Self::Refused(chain(&error)),
            PackageError::File(_) => Self::Failed(chain(&error)),
        }
    }
}

impl From<PutBackError> for Error {
    fn from(error: PutBackError) -> Self {
        match error {
            PutBackError::Snapshot(error) => error.into(),
            PutBackError::File(error) => error.into(),
            PutBackError::Missing(_) => Self::NotFound(error.to_string()),
            PutBackError::TooDeep(_) | PutBackError::NoState => Self::Refused(error.to_string()),
        }
    }
}

impl From<SnapshotError> for Error {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Missing(_) => Self::NotFound(error.to_string()),
            SnapshotError::NoRoom { .. } | SnapshotError::Filled => Self::Failed(error.to_string()),
            SnapshotError::Copy(_) | SnapshotError::File(_) => Self::Failed(chain(&error)),
        }
    }
}
