//! What may go wrong, for the process that asked and for a person.

use crate::disk::DiskError;
use crate::folder::FolderError;
use crate::server::ServerError;
use crate::store::Store;
use atek_api::backup::{Failure, FailureCode};
use rustic_core::RusticError;
use std::io;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Request(String),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the recovery words or the password do not fit the backup on this target")]
    Password,
    #[error("there is no room on the target: remove other files from it, or keep fewer backups")]
    NoRoom,
    #[error("there is no room on this machine for what is to be restored")]
    NoRoomHere,
    #[error("there is no {0}")]
    Missing(String),
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    #[error("not everything can be read: {0}")]
    Source(String),
    #[error("the target does not work: {0}")]
    Target(String),
    #[error("not everything can be restored: {0}")]
    Destination(String),
    #[error("cannot {operation}")]
    Local {
        operation: &'static str,
        source: io::Error,
    },
    #[error("{0}")]
    Engine(String),
}

impl Error {
    /// An error of rustic_core while it used a target.
    pub(crate) fn of(store: &dyn Store, error: Box<RusticError>) -> Self {
        if error.is_incorrect_password() {
            return Self::Password;
        }
        match store.take_trouble() {
            Some((io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _)) => Self::NoRoom,
            // It was listed a moment ago, or is named by what was.
            Some((io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof, text)) => {
                Self::Damaged(text)
            }
            Some((_, text)) => Self::Target(text),
            None => Self::engine(error),
        }
    }

    /// An error of rustic_core that no target had a part in.
    #[expect(clippy::boxed_local, reason = "rustic_core boxes its errors")]
    pub(crate) fn engine(error: Box<RusticError>) -> Self {
        Self::Engine(error.display_log())
    }

    /// An error of a file of this machine.
    pub(crate) fn local(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Local { operation, source }
    }

    /// For the process that asked.
    pub(crate) fn failure(&self) -> Failure {
        let code = match self {
            Self::Request(_) => FailureCode::Request,
            Self::Folder(FolderError::NoTarget(_) | FolderError::NoFolder(_)) => {
                FailureCode::NoTarget
            }
            Self::Folder(FolderError::NoBackup(_)) => FailureCode::NoBackup,
            Self::Folder(FolderError::Busy(_)) => FailureCode::Busy,
            Self::Folder(FolderError::Io { source, .. })
                if source.kind() == io::ErrorKind::StorageFull =>
            {
                FailureCode::NoRoom
            }
            Self::Disk(DiskError::Gone) => FailureCode::NoTarget,
            Self::Disk(DiskError::InUse) => FailureCode::Busy,
            Self::Disk(_) | Self::Folder(FolderError::Io { .. }) | Self::Target(_) => {
                FailureCode::Target
            }
            Self::Server(error) => match error {
                ServerError::NoBackup(_) => FailureCode::NoBackup,
                ServerError::NoFolder(_)
                | ServerError::NotAFolder(_)
                | ServerError::NoBucket(_) => FailureCode::NoTarget,
                ServerError::Login(_) => FailureCode::Login,
                ServerError::UnknownKey(_) | ServerError::OtherKey(_) => FailureCode::HostKey,
                ServerError::Certificates(_) | ServerError::Unusable(_) => FailureCode::Target,
            },
            Self::Password => FailureCode::Password,
            Self::NoRoom => FailureCode::NoRoom,
            Self::Missing(_) => FailureCode::Missing,
            Self::Damaged(_) | Self::Engine(_) => FailureCode::Damaged,
            Self::Source(_) => FailureCode::Source,
            Self::Local { .. } | Self::Destination(_) | Self::NoRoomHere => {
                FailureCode::Destination
            }
        };
        let mut message = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        let host_key = match self {
            Self::Server(ServerError::UnknownKey(shown) | ServerError::OtherKey(shown)) => {
                Some(shown.clone())
            }
            _ => None,
        };
        Failure {
            code,
            message,
            host_key,
        }
    }
}
