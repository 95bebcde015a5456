//! What programs and people did: rows of the audit log, as `atek.cloud/permissions-api` shows
//! them.

use crate::ids::ServiceId;
use serde::{Deserialize, Serialize};

/// Rows of the longest answer.
pub const MOST_ROWS: usize = 500;
/// Stands in the place of names when a caller used more of them than are told apart.
pub const MANY: &str = "*";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum AuditKind {
    /// Called a method of an API.
    Call,
    /// Opened a connection to an API, or sent it a plain request.
    Connection,
    /// Reached a host outside, through the host's proxy.
    Host,
    /// Opened pages of an app; only refusals are written down.
    Page,
    /// Gave a permission to an app, or took one back.
    Permission,
    /// Shared an app or a database, or ended that.
    Share,
    /// Set a new password for another user.
    Password,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum AuditOutcome {
    /// It was done, or answered.
    Done,
    /// It went wrong.
    Failed,
    /// The caller may not.
    Refused,
    /// A permission or share was given.
    Given,
    /// A permission was denied from now on.
    Denied,
    /// A permission, denial or share was taken back.
    Taken,
    /// A permission, denial or share ended at its time.
    Ended,
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum AuditCaller {
    /// An app.
    App,
    /// A person.
    User,
    /// The host itself, or the command line of the box.
    System,
}

/// Parameters of `audit`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuditParams {
    /// Only what this app did, and what was done with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// RFC 3339: only what happened since; none: the last day. Counts are kept by the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only what was refused.
    pub refused: bool,
    /// Only rows with this text in a name of who, what or whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
}

/// One kind of act by one caller, with one outcome, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    /// RFC 3339: the first time in the period.
    pub first: String,
    /// RFC 3339: the last time.
    pub last: String,
    /// See [`AuditKind`].
    pub kind: AuditKind,
    /// See [`AuditCaller`].
    pub caller: AuditCaller,
    /// The app's title or the user's name; the key of one that is gone.
    pub who: String,
    /// The user name of whose it is.
    pub owner: String,
    /// The present id of the app that acted or, for a person, of the one it is about.
    pub app: Option<ServiceId>,
    /// The API, the host with its port, or the permission; `*`: many.
    pub what: String,
    /// The method of a call; `*`: many.
    pub method: Option<String>,
    /// The title of the app that answered, was opened, or was decided about.
    pub about: Option<String>,
    /// The permission as a sentence that completes "this app may".
    pub words: Option<String>,
    /// See [`AuditOutcome`].
    pub outcome: AuditOutcome,
    /// How often.
    pub count: u64,
    /// Bytes to a host.
    pub sent: u64,
    /// Bytes from a host.
    pub received: u64,
}

/// Result of `audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// The newest first, at most [`MOST_ROWS`].
    pub rows: Vec<AuditRow>,
    /// Whether there are more.
    pub more: bool,
}

/// How often a permission was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// How often, as far back as the log goes.
    pub count: u64,
    /// RFC 3339: the last time; none: never.
    pub last: Option<String>,
}
