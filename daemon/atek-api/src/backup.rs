//! Backups: what atekd and `atek-backup` say to each other, and what both know of a backup.
//!
//! atekd writes one [`Request`] a line; each is answered by lines of [`Event::Progress`] and one
//! last line. The first request is [`Request::Open`]. The end of the requests ends the job.
//!
//! A *run* is one backup of the box. It has a *part* for each thing that is copied at one moment
//! (the state of a service, a package, the host's own files), and is whole when its manifest was
//! stored, which is the last thing.

mod names;
pub mod schedule;

pub use names::{BackupNameError, Part, RunId};

use crate::secret::Secret;
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
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Target {
    /// The folder [`TARGET_FOLDER`] in a folder of this machine: a disk that is mounted there.
    Folder {
        /// Absolute.
        #[cfg_attr(test, ts(type = "string"))]
        path: PathBuf,
    },
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder { path } => write!(f, "{}", path.join(TARGET_FOLDER).display()),
        }
    }
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
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackupChanges {
    /// Where backups are kept from now on. Those elsewhere stay there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
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

/// What describes a run, for a restore of the whole box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// A service in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredService {
    /// Its key.
    pub key: crate::ids::ServiceKey,
    /// Its id at that time.
    pub id: crate::ids::ServiceId,
    /// The version of its package at that time; none of a core service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<crate::spec::PackageVersion>,
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
        /// Whether to begin there if there is no backup yet.
        create: bool,
    },
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
#[cfg_attr(test, derive(ts_rs::TS))]
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
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its name; what is not UTF-8 is replaced.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Bytes of a file.
    pub size: u64,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of trouble it is.
    pub code: FailureCode,
    /// For a person.
    pub message: String,
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
