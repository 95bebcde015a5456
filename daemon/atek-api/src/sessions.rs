//! `atek.cloud/user-sessions-api`: shapes.

use crate::ids::UserKey;
use crate::secret::Secret;
use crate::users::Role;
use serde::{Deserialize, Serialize};

/// The API's id.
pub const API: &str = "atek.cloud/user-sessions-api";

/// The parameter of `login`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Secret,
    /// The session ends with the browser, or after twelve hours without use: for a computer of
    /// other people.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub temporary: bool,
}

/// Who is signed in, as `whoami` and `login` tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UserSession {
    /// Whether the caller is known.
    pub is_active: bool,
    /// The caller's user name; for a service, its owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What people call the user, where a user in person asks and it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The user's key, where a user in person asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_key: Option<UserKey>,
    /// What the user may do, where a user in person asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// One of a user's own sessions, as `listSessions` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// Names the session to `revokeSession`; not the secret in the cookie.
    pub handle: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; exact to some minutes.
    pub last_seen_at: String,
    /// The device in a few words: `Firefox on Android`.
    pub device: String,
    /// What the browser said it is, shortened.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
    /// The address that signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whether this is the session that asks.
    pub is_current: bool,
}
