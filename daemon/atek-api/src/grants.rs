//! `atek.cloud/permissions-api`: who was granted what, by whom and until when.

use crate::audit::Used;
use crate::ids::{DbId, ServiceId, ServiceKey, UserKey};
use crate::permission::{Danger, Permission};
use serde::{Deserialize, Serialize};

/// The API's id.
pub const API: &str = "atek.cloud/permissions-api";

/// Characters of the longest reason that an app gives.
pub const MAX_REASON: usize = 300;
/// Characters of the longest name of a group.
pub const MAX_GROUP_NAME: usize = 64;

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The app may.
    Allow,
    /// The app may not, whatever else it was granted.
    Deny,
}

/// A decision about one permission of one service (`atek.cloud/grant/ID`), beside what was granted
/// of its manifest at install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The record's key.
    pub id: String,
    /// The service that may, or may not.
    pub service: ServiceKey,
    /// What.
    pub permission: Permission,
    /// See [`Verdict`].
    pub verdict: Verdict,
    /// Who decided; `system`: the command line of the box.
    pub by: UserKey,
    /// RFC 3339.
    pub at: String,
    /// Seconds since 1970 at which the decision ends; none: it stands until it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Why the app asked, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Grant {
    /// Whether the decision is in force at `now` (seconds since 1970).
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Who granted a permission of the manifest, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GrantNote {
    /// Who.
    pub by: UserKey,
    /// RFC 3339.
    pub at: String,
}

/// How far another user may go with what is shared; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// An app: open its pages without changing anything. A database: read it.
    View,
    /// An app: use its pages and APIs. A database: change its records.
    Use,
    /// An app: also start, stop and update it, and read its log. A database: also its settings.
    Manage,
}

/// What is shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Shared {
    /// An app.
    App(ServiceKey),
    /// A database.
    Database(DbId),
}

/// With whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Recipient {
    /// A user.
    User(UserKey),
    /// The members that a group has at the time.
    Group(String),
}

/// A share (`atek.cloud/share/ID`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// The record's key.
    pub id: String,
    /// What.
    pub what: Shared,
    /// With whom.
    pub with: Recipient,
    /// See [`Level`].
    pub level: Level,
    /// Who shared it.
    pub by: UserKey,
    /// RFC 3339.
    pub at: String,
    /// As [`Grant::until`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl Share {
    /// Whether the share is in force at `now` (seconds since 1970).
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Users under one name (`atek.cloud/group/KEY`), for shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The record's key.
    pub key: String,
    /// What people call it; unique.
    pub name: String,
    /// Its members.
    #[serde(default)]
    pub members: Vec<UserKey>,
}

/// Where a permission comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The manifest asked for it, and it was granted at install, update or in the settings.
    Manifest,
    /// A decision of its own: see [`Grant`].
    Decision,
}

/// A permission of an app, as `list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct GrantInfo {
    /// Names it to `revoke`.
    pub id: String,
    /// The app's present id.
    pub service: ServiceId,
    /// What people call the app.
    pub title: String,
    /// The owner's user name; `system` for everybody's.
    pub owner: String,
    /// What it may, or may not.
    pub permission: Permission,
    /// The same as a sentence that completes "this app may".
    pub words: String,
    /// See [`Danger`].
    pub danger: Danger,
    /// See [`Verdict`].
    pub verdict: Verdict,
    /// See [`Origin`].
    pub origin: Origin,
    /// Why the app asks for it, in its own words.
    pub reason: Option<String>,
    /// The user name of who decided; none where that was not written down.
    pub by: Option<String>,
    /// RFC 3339; none where that was not written down.
    pub since: Option<String>,
    /// RFC 3339; none: until it is taken back.
    pub until: Option<String>,
    /// The name of what was picked: a provider's or a database's.
    pub picked: Option<String>,
    /// How often it was used; none where that is not counted, and for apps that ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
}

/// Parameters of `grant`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantParams {
    /// The app's id.
    pub service: String,
    /// What.
    pub permission: Permission,
    /// Allowed or denied; none: allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// For so many seconds, up to ten years; none: until it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// Parameters of `request`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestParams {
    /// What the app asks for.
    pub permission: Permission,
    /// Why, for the person who decides; at most [`MAX_REASON`] characters.
    pub reason: String,
    /// Wait up to so many seconds for the answer, at most 60; none: answer at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u32>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum RequestState {
    /// The person has not answered.
    Pending,
    /// The app may.
    Granted,
    /// The person said no, or did not answer for a day.
    Denied,
}

/// Result of `request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RequestResult {
    /// See [`RequestState`].
    pub state: RequestState,
    /// What was granted, where the person picked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Permission>,
    /// Denied: so many seconds must pass before the app may ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_again_after: Option<u64>,
}

/// A request that waits, as `pending` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PendingRequest {
    /// Names it to `answer`.
    pub id: String,
    /// The app's present id.
    pub service: ServiceId,
    /// What people call the app.
    pub title: String,
    /// What it asks for.
    pub permission: Permission,
    /// The same as a sentence that completes "this app may".
    pub words: String,
    /// See [`Danger`].
    pub danger: Danger,
    /// Why, in the app's words.
    pub reason: String,
    /// RFC 3339.
    pub at: String,
    /// What the person can pick, where the permission leaves that open.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// Whether the person who asks may grant it, or needs an administrator.
    pub may_grant: bool,
    /// The app does not ask: it was stored as granted, and never asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
}

/// Something to pick for a permission that leaves it open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// What is granted when it is picked.
    pub permission: Permission,
    /// What people call it.
    pub title: String,
    /// Whose it is: a user name, `system` for everybody's.
    pub owner: String,
}

/// How a person answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// For what the app does now: five minutes.
    Once,
    /// For an hour.
    Hour,
    /// Until it is taken back.
    Always,
    /// No. The app does not ask for it again for a while.
    Deny,
}

impl Answer {
    /// For how many seconds the permission is granted; none: until it is taken back.
    #[must_use]
    pub fn seconds(self) -> Option<u32> {
        match self {
            Self::Once => Some(5 * 60),
            Self::Hour => Some(60 * 60),
            Self::Always | Self::Deny => None,
        }
    }
}

/// Options of `answer`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnswerParams {
    /// See [`Answer`].
    pub answer: Answer,
    /// What was picked: the permission of one of the [`PendingRequest::choices`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick: Option<Permission>,
}

/// Parameters of `share`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShareParams {
    /// The id of an app; exclusive with `database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The id of a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DbId>,
    /// A user name; exclusive with `group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The name of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// See [`Level`].
    pub level: Level,
    /// As [`GrantParams::seconds`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// A share, as `shares` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ShareInfo {
    /// Names it to `unshare`.
    pub id: String,
    /// The present id of the app; none of a database.
    pub service: Option<ServiceId>,
    /// The database; none of an app.
    pub database: Option<DbId>,
    /// What people call it.
    pub title: String,
    /// Whose it is: a user name.
    pub owner: String,
    /// The user name of the recipient; none of a group.
    pub user: Option<String>,
    /// The name of the group; none of a user.
    pub group: Option<String>,
    /// See [`Level`].
    pub level: Level,
    /// The user name of who shared it.
    pub by: String,
    /// RFC 3339.
    pub since: String,
    /// RFC 3339; none: until it is taken back.
    pub until: Option<String>,
}

/// A group, as `groups` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct GroupInfo {
    /// Names it to the other methods.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// User names.
    pub members: Vec<String>,
}

/// Parameters of `putGroup`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupParams {
    /// The key of the group that is changed; none: a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its name.
    pub name: String,
    /// User names of all members.
    pub members: Vec<String>,
}
