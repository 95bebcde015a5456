//! Why an operation on a service was refused or failed.
//!
//! The texts that begin with a capital are the original host's: its clients show them.

use super::folder::FolderError;
use crate::database::DatabaseError;
use crate::packages::PackageError;
use crate::random::RandomError;
use crate::spawn::SpawnError;
use atek_api::ids::{InvalidId, ServiceId, ServiceKey};
use atek_api::permission::Permissions;
use atek_api::spec::SpecError;

/// The host is going down.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the host is shutting down")]
pub struct ShuttingDown;

/// Something that long operations on one service have in common.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such service; the original's text.
    #[error("Service not found with id={0}")]
    NotFound(String),
    /// A core service belongs to the host; the original's text for the same.
    #[error("Service not found with id={0}")]
    Core(ServiceId),
    /// Another operation on it is under way.
    #[error("{id} is busy ({operation}), try again when that is done")]
    Busy {
        /// The service.
        id: ServiceId,
        /// `install`, `update`, `configure`, `uninstall`.
        operation: &'static str,
    },
    /// See [`ShuttingDown`].
    #[error(transparent)]
    ShuttingDown(#[from] ShuttingDown),
}

/// Why a service does not run although somebody asked for it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// See [`Refused`].
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot run on this host.
    #[error("{id} cannot run: {reason}")]
    Unavailable {
        /// The service.
        id: ServiceId,
        /// In words.
        reason: String,
    },
    /// It was started, and does not listen.
    #[error("{id} does not run: {reason}")]
    Failed {
        /// The service.
        id: ServiceId,
        /// In words: `exit code 3`, `did not listen on its socket within 30 s`, …
        reason: String,
    },
    /// Somebody stopped it meanwhile.
    #[error("{id} was stopped while it was starting")]
    Stopped {
        /// The service.
        id: ServiceId,
    },
    /// The caller's patience ended first; it may still come up.
    #[error("{id} is still starting after {waited_secs} s")]
    Patience {
        /// The service.
        id: ServiceId,
        /// Seconds.
        waited_secs: u64,
    },
    /// The wish could not be stored.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a service was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// See [`Refused`].
    #[error(transparent)]
    Refused(#[from] Refused),
    /// atek-spawnd could not stop the unit.
    #[error("cannot stop {id}: {reason}")]
    Failed {
        /// The service.
        id: ServiceId,
        /// In words.
        reason: String,
    },
    /// The wish could not be stored.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a service was not installed. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The intent could not be written down.
    #[error(transparent)]
    Journal(#[from] atek_files::FileError),
    /// The source is not a URL that can be installed from.
    #[error("{0}")]
    Source(String),
    /// The wanted version is not a semver range.
    #[error("{0:?} is not a version range, for example ^1.2 or 1.0.0")]
    Range(String),
    /// The wanted id is not one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The wanted id is in use; the original's text.
    #[error("App already exists under the ID: {0}")]
    IdTaken(String),
    /// The configuration cannot be an environment, or a limit is out of range.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The data that was to be adopted is not there.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// More was granted than the manifest asks for.
    #[error("the package does not ask for every permission that was granted to it")]
    Grant,
    /// A folder of this machine that cannot be installed from.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no room to fetch and build anything.
    #[error("{}", crate::chain::DISK_FULL)]
    DiskFull,
    /// The package could not be fetched or built.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The tag was moved since somebody looked at it.
    #[error(
        "{tag} is not what was shown any more (commit {shown} then, {now} now), look at it again before it is installed"
    )]
    Moved {
        /// The tag.
        tag: String,
        /// The commit that was shown, shortened.
        shown: String,
        /// The commit that it names now, shortened.
        now: String,
    },
    /// The package could not be put in place.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The record could not be stored.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// See [`RandomError`].
    #[error(transparent)]
    Random(#[from] RandomError),
    /// See [`ShuttingDown`].
    #[error(transparent)]
    ShuttingDown(#[from] ShuttingDown),
}

/// Why kept data cannot be used or removed.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// There is none, or it is not the caller's.
    #[error("there is no kept data with the key {0} any more")]
    NotFound(String),
    /// See [`Refused`].
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not be written down whose it is.
    #[error(transparent)]
    Journal(#[from] atek_files::FileError),
    /// It could not be removed.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// Why what a user owns was not handed over, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    /// See [`Refused`].
    #[error(transparent)]
    Refused(#[from] Refused),
    /// See [`StopError`].
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The intent could not be written down, or the kept data not be handed over.
    #[error(transparent)]
    Kept(#[from] atek_files::FileError),
    /// The record could not be stored.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a service was not removed.
#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    /// See [`Refused`].
    #[error(transparent)]
    Refused(#[from] Refused),
    /// See [`StopError`].
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The intent could not be written down.
    #[error(transparent)]
    Journal(#[from] atek_files::FileError),
    /// The record could not be removed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a service was not updated. The version before still is the installed one.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// See [`Refused`].
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A folder has no versions; the original's text.
    #[error("Could not find HEAD.")]
    NotVersioned,
    /// The new version does not work; the old one was put back.
    #[error("{id} {new} does not run ({reason}); {old} was put back")]
    RolledBack {
        /// The service.
        id: ServiceId,
        /// The tag that failed.
        new: String,
        /// The tag that is installed.
        old: String,
        /// In words.
        reason: String,
    },
    /// The new version asks for permissions that were not granted.
    #[error(
        "{id} {new} asks for more permissions than {old} has; look at them and grant them first"
    )]
    Permissions {
        /// The service.
        id: ServiceId,
        /// The new tag.
        new: String,
        /// The installed tag.
        old: String,
        /// Everything that the new version asks for.
        asks: Box<Permissions>,
        /// What of that was not granted.
        growth: Box<Permissions>,
    },
    /// The package could not be fetched, built, or used.
    #[error(transparent)]
    Package(#[from] InstallError),
    /// The old version could not be stopped.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The intent could not be written down.
    #[error(transparent)]
    Journal(#[from] atek_files::FileError),
    /// The record could not be stored.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a service was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// See [`Refused`].
    #[error(transparent)]
    Refused(#[from] Refused),
    /// As at install.
    #[error(transparent)]
    Invalid(#[from] InstallError),
    /// See [`StopError`].
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The change was stored, and the service does not come up again.
    #[error("the change was stored, but {0}")]
    Start(#[source] Box<StartError>),
    /// The record could not be stored.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A core service that did not come up.
#[derive(Debug)]
pub struct CoreFailure {
    /// Which.
    pub key: ServiceKey,
    /// Why.
    pub error: StartError,
}
