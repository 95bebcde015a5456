//! Backups: what atekd and `atek-backup` say to each other, and what both know of a backup.
//!
//! atekd writes one [`Request`] a line; each is answered by lines of [`Event::Progress`] and one
//! last line. The first request is [`Request::Open`]. The end of the requests ends the job.
//!
//! A *run* is one backup of the box. It has a *part* for each thing that is copied at one moment
//! (the state of a service, a package, the host's own files), and is whole when its manifest was
//! stored, which is the last thing.

mod disks;
mod guests;
mod names;
pub mod schedule;
mod server;

pub use disks::{Disk, DiskContents, DiskId, DiskRefusal, Holds, InvalidDiskId};
pub use guests::{
    BackupGuest, GUESTS_PATH, GuestName, InvalidGuestName, InviteGuest, InvitedGuest,
};
pub use names::{BackupNameError, Part, RunId};
pub use server::{
    Bucket, HostKey, InvalidHostKey, InvalidServerUrl, Protocol, ServerLogin, ServerUrl,
};

use crate::ids::{DbId, ServiceId, ServiceKey, UserKey};
use crate::secret::Secret;
use crate::services::ServiceSettings;
use crate::spec::{PackageVersion, RelativePath};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// The API of backups.
pub const API: &str = "atek.cloud/backups-api";

/// The only folder that Atek makes and changes on a target.
pub const TARGET_FOLDER: &str = "atek-backup";

/// Bytes of the longest line in either direction: a manifest with the records of all services.
pub const MAX_LINE: usize = 16 << 20;

/// Where backups are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "BackupTarget"))]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Target {
    /// The folder [`TARGET_FOLDER`] in a folder of this machine: a disk that is mounted there.
    Folder {
        /// Absolute.
        #[cfg_attr(test, ts(type = "string"))]
        path: PathBuf,
    },
    /// The folder [`TARGET_FOLDER`] on a disk, which is mounted while a backup or restore runs, and
    /// may be unplugged at any other time.
    Disk {
        /// The id of its file system.
        id: DiskId,
        /// What people know it by; the box fills it in.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[cfg_attr(test, ts(optional, as = "Option<String>"))]
        name: String,
    },
    /// The folder [`TARGET_FOLDER`] in a folder of another machine.
    #[serde(rename_all = "camelCase")]
    Server {
        /// Where it is.
        url: ServerUrl,
        /// The key by which an SFTP server is known again; a person saw it and agreed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        host_key: Option<HostKey>,
    },
}

impl Target {
    /// Whether both are the same place.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Disk { id, .. }, Self::Disk { id: other, .. }) => id == other,
            (Self::Server { url, .. }, Self::Server { url: other, .. }) => url == other,
            _ => self == other,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder { path } => write!(f, "{}", path.join(TARGET_FOLDER).display()),
            Self::Disk { id, name } if name.is_empty() => write!(f, "the disk {id}"),
            Self::Disk { id, name } => write!(f, "the disk {name} ({id})"),
            Self::Server { url, .. } => write!(f, "{url}/{TARGET_FOLDER}"),
        }
    }
}

/// A place where backups may be: what is mounted where disks of people are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct BackupPlace {
    /// The folder.
    pub path: String,
    /// Whether there are backups of a box.
    pub has_backup: bool,
    /// Bytes that are free.
    pub free: u64,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// What `places` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BackupPlaces {
    /// Those with backups first.
    pub places: Vec<BackupPlace>,
    /// Disks that are plugged in and not mounted; those with backups first, then those that can
    /// keep some.
    #[serde(default)]
    pub disks: Vec<Disk>,
}

/// How many runs are kept; a run that one of the rules wants stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retention {
    /// Hours of which the last run is kept.
    pub hourly: u32,
    /// Days of which the last run is kept.
    pub daily: u32,
    /// Weeks of which the last run is kept.
    pub weekly: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            hourly: 24,
            daily: 7,
            weekly: 8,
        }
    }
}

/// What a person decided about backups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct BackupSettings {
    /// None: there are no backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// How often.
    pub schedule: schedule::Schedule,
    /// How many are kept.
    pub retention: Retention,
}

/// Parameters of `configure`. What is missing stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackupChanges {
    /// Where backups are kept from now on. Those elsewhere stay there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// A person agreed that backups are put beside the other files of a disk. Without it, only a
    /// disk that is empty or has backups becomes a target.
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub beside_files: bool,
    /// What the new target, a server, asks for: the user's password there, or of an SFTP server a
    /// private key of SSH. Without it, what is known stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_password: Option<Secret>,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<schedule::Schedule>,
    /// How many are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// How backups are doing. Times are RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct BackupStatus {
    /// See [`BackupSettings`].
    pub settings: BackupSettings,
    /// What is being done: `backup`, `restore` or `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// How far that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<BackupProgress>,
    /// When the last whole run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<String>,
    /// When files were last restored from the target and compared with what was stored, all the
    /// same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_proven: Option<String>,
    /// How many files that were.
    pub proven_files: u32,
    /// When everything on the target was last read and found whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_checked: Option<String>,
    /// Why the last run failed; none after a whole one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Whether backups are missing: two intervals have passed without one.
    pub missed: bool,
    /// When the next one begins by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The longest time that an app was paused in the last run, in milliseconds.
    pub longest_pause_ms: u64,
}

/// How far a piece of work is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct BackupProgress {
    /// Parts that are done.
    pub step: usize,
    /// All parts.
    pub steps: usize,
    /// Bytes of this part that are done.
    pub done: u64,
    /// Bytes of this part, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// What describes a run, for a restore of the whole box.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manifest {
    /// Version of this structure.
    pub format: u32,
    /// Version of Atek.
    pub atek: String,
    /// The box's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its time zone, an IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What is installed, with its parts.
    pub services: Vec<StoredService>,
    /// The databases; none in backups of old.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<StoredDatabase>,
    /// The users; none in backups of old.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<StoredUser>,
}

/// A database in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct StoredDatabase {
    /// Its id.
    pub id: DbId,
    /// What it was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The key of its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserKey>,
    /// The key of the app that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
}

/// A user in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct StoredUser {
    /// The user's key.
    pub key: UserKey,
    /// The user's name.
    pub username: String,
}

/// The databases and users of a backup, as `people` tells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct StoredPeople {
    /// The backup.
    pub run: RunId,
    /// Its users.
    pub users: Vec<StoredUser>,
    /// Its databases.
    pub databases: Vec<StoredDatabase>,
    /// Keys of users and ids of databases that are not here any more.
    pub gone: Vec<String>,
}

/// The parameter of `restoreDatabase`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreDatabase {
    /// Its id.
    pub database: DbId,
    /// The backup; by default the last one that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub run: Option<String>,
    /// Whether it becomes a new database beside the present one.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub copy: bool,
}

/// What `restoreDatabase` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RestoredDatabase {
    /// The backup.
    pub run: RunId,
    /// Its id, of a copy a new one.
    pub database: DbId,
    /// Records that it has.
    pub records: u64,
}

/// The parameter of `restoreUser`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreUser {
    /// The user's name, or key.
    pub user: String,
    /// The backup; by default the last one that has the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub run: Option<String>,
}

/// What `restoreUser` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RestoredUser {
    /// The backup.
    pub run: RunId,
    /// The user's name.
    pub username: String,
    /// Apps that are here again.
    pub apps: Vec<ServiceId>,
    /// How many databases are here again.
    pub databases: usize,
    /// How many keys are here again.
    #[serde(default)]
    pub keys: usize,
    /// What is not, for a person.
    pub problems: Vec<String>,
}

/// A service in a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredService {
    /// Its key.
    pub key: ServiceKey,
    /// Its id at that time.
    pub id: ServiceId,
    /// The version of its package at that time; none of a core service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<PackageVersion>,
    /// Its record; none of a core service, and in backups of old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<ServiceSettings>>,
}

/// An app in a backup, as `apps` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct StoredApp {
    /// Its key.
    pub key: ServiceKey,
    /// Its id at that time.
    pub id: ServiceId,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its owner's name, if that user is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its version at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its id now; none: it is not installed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<ServiceId>,
    /// Why it cannot be brought back or copied from this backup, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// The apps of a backup, as `apps` tells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StoredApps {
    /// The backup.
    pub run: RunId,
    /// Its apps.
    pub apps: Vec<StoredApp>,
}

/// The entries of a folder in a backup, as `files` tells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StoredFiles {
    /// The backup.
    pub run: RunId,
    /// At most [`MAX_FILES`].
    pub files: Vec<Entry>,
    /// Whether there are more.
    pub more: bool,
}

/// The parameter of `restoreFile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreFile {
    /// The app.
    pub id: String,
    /// The file or folder among its files.
    #[cfg_attr(test, ts(type = "string"))]
    pub path: RelativePath,
    /// The backup; by default the last one that has the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub run: Option<String>,
    /// Whether it is put beside the present one, instead of in its place.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub beside: bool,
}

/// What `restoreFile` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RestoredFile {
    /// The backup.
    pub run: RunId,
    /// Where it is among the app's files.
    pub path: String,
}

/// The parameter of `restoreApp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreApp {
    /// The app's key, or its id at the time of the backup.
    pub app: String,
    /// The id that it gets; by default the one that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub id: Option<String>,
    /// The backup; by default the last one that has the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub run: Option<String>,
}

/// What `restoreApp` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RestoredApp {
    /// The backup.
    pub run: RunId,
    /// The id of the app.
    pub id: ServiceId,
    /// How many databases were made for it.
    #[serde(default)]
    pub databases: usize,
}

/// What `restore` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RestoredFiles {
    /// The backup.
    pub run: RunId,
    /// How many databases of the app are what they were too.
    #[serde(default)]
    pub databases: usize,
}

/// What a run stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct BackupDone {
    /// The run.
    pub run: RunId,
    /// Files.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Bytes that the target grew by.
    pub added: u64,
    /// Files that were read back and compared.
    pub proven: u32,
    /// Runs that were removed.
    pub removed: Vec<RunId>,
    /// What apps could not do before they were copied, for a person.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    tag = "request",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Request {
    /// Open the target. Answered by [`Event::Opened`].
    Open {
        /// Where the backups are.
        target: Target,
        /// What they are encrypted with.
        password: Secret,
        /// What they may have been begun with. Where only this fits, the other is made to fit, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        older: Option<Secret>,
        /// Of a server: how to sign in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<ServerLogin>,
        /// Whether to begin there if there is no backup yet.
        create: bool,
        /// Only look and restore: the target may be read-only, and another job may add to it
        /// at the same time.
        #[serde(default)]
        read: bool,
    },
    /// Look at a disk before it is used. Answered by [`Event::Looked`].
    Look,
    /// Store a part of a run. Answered by [`Event::Stored`].
    Store {
        /// The run; all of its parts have the same.
        run: RunId,
        /// What to store.
        part: Part,
        /// Files that are read back from the target and compared.
        prove: u32,
    },
    /// Make a run whole by storing what describes it. Answered by [`Event::Finished`].
    Finish {
        /// The run.
        run: RunId,
        /// What atekd wants to know at a restore.
        manifest: Value,
    },
    /// Say which runs there are. Answered by [`Event::Runs`].
    Runs,
    /// Say what describes a run. Answered by [`Event::Manifest`].
    Manifest {
        /// The run.
        run: RunId,
    },
    /// Remove the runs that no rule wants, and what only they held. Answered by
    /// [`Event::Tidied`].
    Tidy {
        /// The rules.
        retention: Retention,
        /// The run that has just ended, as the present time.
        now: RunId,
    },
    /// Check the whole target. Answered by [`Event::Checked`].
    Check {
        /// Whether to read all that is stored, instead of only what lists it.
        read: bool,
    },
    /// Restore a part of a run to where a restored part is put. Answered by [`Event::Restored`].
    Restore {
        /// The run.
        run: RunId,
        /// What to restore.
        part: Part,
        /// The service whose part it becomes; by default the one whose it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        into: Option<ServiceKey>,
        /// The only file or folder of the part that is restored, to its path there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<RelativePath>,
    },
    /// List a folder of a part. Answered by [`Event::Files`].
    Files {
        /// The run.
        run: RunId,
        /// The part.
        part: Part,
        /// The folder, relative to the part; empty for the part itself.
        path: String,
    },
}

/// A line of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// How far the work is; not the last line.
    Progress {
        /// Bytes that were read or written.
        done: u64,
        /// Bytes in all, where that is known.
        total: Option<u64>,
    },
    /// The target is open.
    Opened {
        /// Whether it was begun now.
        created: bool,
    },
    /// What is on a disk.
    Looked {
        /// See [`DiskContents`].
        contents: DiskContents,
    },
    /// A part is stored.
    Stored {
        /// Files that it has.
        files: u64,
        /// Bytes that it has.
        bytes: u64,
        /// Bytes that the target grew by.
        added: u64,
        /// Files that were read back and are the same.
        proven: u32,
    },
    /// The run is whole.
    Finished,
    /// The runs, the newest first.
    Runs {
        /// See [`Run`].
        runs: Vec<Run>,
    },
    /// What describes a run.
    Manifest {
        /// As it was given to [`Request::Finish`].
        manifest: Value,
    },
    /// Old runs are removed.
    Tidied {
        /// Those runs.
        removed: Vec<RunId>,
    },
    /// The target was checked.
    Checked {
        /// What is wrong; empty when nothing is.
        problems: Vec<String>,
    },
    /// A part was restored.
    Restored {
        /// Files that were written.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// The entries of a folder.
    Files {
        /// At most [`MAX_FILES`].
        files: Vec<Entry>,
        /// Whether there are more.
        more: bool,
    },
    /// The request was not carried out.
    Failed(Failure),
}

/// Entries of a folder that are listed.
pub const MAX_FILES: usize = 2_000;

/// A run as it is on the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "BackupRun"))]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// When it began.
    pub run: RunId,
    /// Its parts.
    pub parts: Vec<Part>,
    /// Bytes that all its parts have.
    pub bytes: u64,
    /// Whether its last step was done.
    pub whole: bool,
}

/// A file or folder in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "StoredFile"))]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its name; what is not UTF-8 is replaced.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Bytes of a file.
    pub size: u64,
    /// When it was changed, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub modified: Option<i64>,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What kind of trouble it is.
    pub code: FailureCode,
    /// For a person.
    pub message: String,
    /// The key that an SFTP server shows, to which no person has agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<HostKey>,
}

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum FailureCode {
    /// The request makes no sense now.
    Request,
    /// The target is not there.
    NoTarget,
    /// There is no backup on the target.
    NoBackup,
    /// Another machine or process uses the target.
    Busy,
    /// The words or the password do not fit.
    Password,
    /// The server does not accept the user's name and password.
    Login,
    /// The server shows a key to which no person has agreed, or another one than before.
    HostKey,
    /// There is no room on the target.
    NoRoom,
    /// There is no such run, part or file.
    Missing,
    /// What is on the target is damaged.
    Damaged,
    /// What is to be stored cannot be read.
    Source,
    /// The target cannot be read or written.
    Target,
    /// What is restored cannot be written.
    Destination,
}
