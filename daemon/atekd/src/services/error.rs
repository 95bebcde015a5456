//! Why an operation on a service was refused or failed.
//!
//! The texts that begin with a capital are the original host's: its clients show them.

use super::package_folder::FolderError;
use super::retained_data::RetainedData;
use crate::database::DatabaseError;
use crate::packages::PackageError;
use crate::spawn::SpawnError;
use atek_api::ids::{InvalidId, ServiceId, ServiceKey};
use atek_api::permission::{LanPort, Permissions};
use atek_api::signer::Signer;
use atek_api::spec::{Limits, SpecError};
use atek_host_model::random::RandomError;

/// An operation on a service was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// There is no such service.
    #[error("Service not found with id={0}")]
    NotFound(String),
    /// A core service belongs to the host; the original's text for the same.
    #[error("Service not found with id={0}")]
    IsCore(ServiceId),
    /// Another operation on the service is under way.
    #[error("{id} is busy ({operation}), try again when that is done")]
    Busy {
        /// The service.
        id: ServiceId,
        /// `install`, `update`, `configure`, `uninstall`, `remove`.
        operation: &'static str,
    },
    /// The host is shutting down.
    #[error("the host is shutting down")]
    ShuttingDown,

    /// The service cannot run on this host.
    #[error("{id} cannot run: {reason}")]
    Unavailable {
        /// The service.
        id: ServiceId,
        /// For a person.
        reason: String,
    },
    /// The service was started and is not ready.
    #[error("{id} does not run: {reason}")]
    NotRunning {
        /// The service.
        id: ServiceId,
        /// For a person, such as `exit code 3` or `did not listen on its socket within 30 s`.
        reason: String,
    },
    /// Another command stopped the service.
    #[error("{id} was stopped while it was starting")]
    StoppedMeanwhile {
        /// The service.
        id: ServiceId,
    },
    /// The caller's deadline passed; the service may still become ready.
    #[error("{id} is still starting after {waited_secs} s")]
    StillStarting {
        /// The service.
        id: ServiceId,
        /// Seconds.
        waited_secs: u64,
    },
    /// atek-spawnd could not stop the unit.
    #[error("cannot stop {id}: its unit could not be stopped, see `journalctl -u atek-spawnd`")]
    StopFailed {
        /// The service.
        id: ServiceId,
    },
    /// A change was stored, and the service does not run with it.
    #[error("the change was stored, but {0}")]
    StoredNotRunning(Box<OperationError>),

    /// The source is not a URL that can be installed from.
    #[error("{0}")]
    Source(String),
    /// The wanted version is not a semver range.
    #[error("{0:?} is not a version range, for example ^1.2 or 1.0.0")]
    Range(String),
    /// The wanted id is not a valid one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The wanted id is in use; the original's text.
    #[error("App already exists under the ID: {0}")]
    IdTaken(String),
    /// A port of the home's network leads elsewhere already.
    #[error(
        "the port {port} of your home's network is in use by {by}; choose another one, or end that first"
    )]
    PortTaken {
        /// The port.
        port: LanPort,
        /// The id of an app, or "this box itself".
        by: String,
    },
    /// The configuration cannot be an environment, or a limit is out of range.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A folder of this machine cannot be installed from.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no room to fetch and build anything.
    #[error("{}", crate::error_chain::DISK_FULL)]
    DiskFull,
    /// The package could not be fetched or built.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The tag names another commit than the one that was shown.
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
    /// There is no retained data with this key, or it belongs to another user.
    #[error("there is no kept data with the key {0} any more")]
    NoRetainedData(ServiceKey),
    /// The install does not say what to do about data that it could take over.
    #[error(
        "data of {} that was uninstalled before is kept: choose whether to use it or to start without it",
        .0.first().map_or("the app", |data| data.id.as_str())
    )]
    DataUndecided(Vec<RetainedData>),

    /// A folder has no versions; the original's text.
    #[error("Could not find HEAD.")]
    NotVersioned,
    /// A tag names another commit than it did when it was first seen.
    #[error(
        "the tag {tag} was moved: it named commit {then} and now names {now}. A release must not change after it was published; ask its author, or install another version"
    )]
    TagMoved {
        /// The tag.
        tag: String,
        /// The commit before, shortened.
        then: String,
        /// The commit now, shortened.
        now: String,
    },
    /// A tag was signed when it was first fetched.
    #[error(
        "the tag {tag} was signed with {then} when this box first saw it, and is not any more. A release must not change after it was published; ask its author, or install another version"
    )]
    TagUnsigned {
        /// The tag.
        tag: String,
        /// The key of then, for a person.
        then: String,
    },
    /// A tag was signed with another key when it was first fetched.
    #[error(
        "the tag {tag} was signed with {then} when this box first saw it, and is now signed with {signer}. Ask its author whether the key was changed; if so, `atek update {id} --to {tag} --signer {}` accepts it",
        .signer.fingerprint
    )]
    TagResigned {
        /// The service.
        id: ServiceId,
        /// The tag.
        tag: String,
        /// The key of then, for a person.
        then: String,
        /// The key of now.
        signer: Box<Signer>,
    },
    /// The releases of an app were signed, and this one is not.
    #[error(
        "{id} {new} was refused: {how}, and the installed version is signed. Someone else may have published it; ask its author"
    )]
    NotSigned {
        /// The service.
        id: ServiceId,
        /// The new tag.
        new: String,
        /// What is wrong with its signature.
        how: String,
    },
    /// A release is signed with another key than those before.
    #[error(
        "{id} {new} was refused: it is signed with {signer}, and the installed version with {pinned}. Ask its author whether the key was changed; if so, `atek update {id} --to {new} --signer {}` accepts it",
        .signer.fingerprint
    )]
    OtherSigner {
        /// The service.
        id: ServiceId,
        /// The new tag.
        new: String,
        /// The key before, for a person.
        pinned: String,
        /// The key of the new version.
        signer: Box<Signer>,
    },
    /// A decision about updates is out of range.
    #[error("{0}")]
    Updates(String),
    /// There is no version to go back to.
    #[error("{id} has no earlier version on this box to go back to")]
    NothingBefore {
        /// The service.
        id: ServiceId,
    },
    /// There is no snapshot of this name.
    #[error("{id} has no snapshot {name}; `atek snapshot {id} --list` shows those there are")]
    NoSnapshot {
        /// The service.
        id: ServiceId,
        /// What was asked for.
        name: String,
    },
    /// There are as many snapshots as a service may have.
    #[error("{id} has {count} snapshots already; remove one before another is made")]
    TooManySnapshots {
        /// The service.
        id: ServiceId,
        /// How many there are.
        count: usize,
    },
    /// The new version does not work; the version before was put back.
    #[error("{id} {new} does not run ({reason}); {old} was put back with its data")]
    RolledBack {
        /// The service.
        id: ServiceId,
        /// The tag that failed.
        new: String,
        /// The tag that is installed.
        old: String,
        /// For a person.
        reason: String,
        /// The lines of the log that tell more.
        log: Vec<String>,
    },
    /// The new version asks for permissions that were not granted.
    #[error(
        "{id} {new} asks for more permissions than {old} has; look at them and grant them first"
    )]
    AsksForMore {
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

    /// A new version asks for higher limits than it has.
    #[error(
        "{id} {new} asks for more of the box than {old} has: it wants to {}; allow that, or update without it",
        .limits.describe().join(", and to ")
    )]
    AsksForHigherLimits {
        /// The service.
        id: ServiceId,
        /// The new tag.
        new: String,
        /// The installed tag.
        old: String,
        /// The limits that are higher.
        limits: Box<Limits>,
    },

    /// A backup does not have what an app is made of.
    #[error("the app cannot be made from this backup: {0}")]
    NotInBackup(String),

    /// The intent, or a note about retained data, could not be written.
    #[error(transparent)]
    Intent(#[from] atek_files::FileError),
    /// atek-spawnd could not do its part.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The record could not be stored.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// There is no randomness for a key.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl OperationError {
    /// The word by which a program tells this error from others, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::NotFound(_) | Self::IsCore(_) => Some("not-found"),
            Self::Busy { .. } => Some("busy"),
            Self::IdTaken(_) => Some("id-taken"),
            Self::PortTaken { .. } => Some("port-taken"),
            Self::Moved { .. } | Self::TagMoved { .. } => Some("moved"),
            Self::NotSigned { .. } | Self::TagUnsigned { .. } => Some("not-signed"),
            Self::OtherSigner { .. } | Self::TagResigned { .. } => Some("other-signer"),
            Self::RolledBack { .. } => Some("rolled-back"),
            Self::NoSnapshot { .. } => Some("no-snapshot"),
            Self::NotInBackup(_) => Some("not-in-backup"),
            Self::DataUndecided(_) => Some("retained-data"),
            Self::Package(PackageError::Failed(failure)) => Some(failure.code.as_str()),
            _ => None,
        }
    }

    /// Whether the host failed, not the caller or the service.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(
            self,
            Self::ShuttingDown
                | Self::Intent(_)
                | Self::Spawn(_)
                | Self::Database(_)
                | Self::Random(_)
        )
    }
}

/// A core service that did not start.
#[derive(Debug)]
pub struct CoreFailure {
    /// The service.
    pub key: ServiceKey,
    /// Why it does not run.
    pub error: OperationError,
}
