//! `atek.cloud/setup-api`: shapes.

use crate::backup::{RunId, Target};
use crate::secret::Secret;
use serde::{Deserialize, Serialize};

/// The API's id.
pub const API: &str = "atek.cloud/setup-api";

/// Whether the box waits for its owner, as `status` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "SetupStatus"))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whether there is no administrator yet. Nothing else is told once there is one.
    pub needed: bool,
    /// The box's host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The box's time zone, an IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Settings on the card that could not be followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problems: Option<Vec<Problem>>,
    /// The least number of characters of a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_min_length: Option<usize>,
}

impl Status {
    /// A box without an administrator.
    #[must_use]
    pub fn needed(name: String, timezone: String, problems: Vec<Problem>) -> Self {
        Self {
            needed: true,
            name: Some(name),
            timezone: Some(timezone),
            problems: Some(problems),
            password_min_length: None,
        }
    }

    /// A box that has one.
    #[must_use]
    pub fn done() -> Self {
        Self {
            needed: false,
            name: None,
            timezone: None,
            problems: None,
            password_min_length: None,
        }
    }
}

/// A file of the owner's settings that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Problem {
    /// Its name.
    pub file: String,
    /// What is wrong with it, for a person.
    pub problem: String,
}

/// The parameter of `complete`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SetupParams {
    /// The claim code, as the person typed it.
    pub code: String,
    /// The box's name.
    pub name: String,
    /// The first administrator's name.
    pub username: String,
    /// The first administrator's password.
    pub password: Secret,
    /// An IANA name.
    pub timezone: String,
}

/// Whether a new password can be set with a code, as `resetStatus` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ResetStatus {
    /// Whether the card asks for it (`atek-reset.txt`) and the box shows the code.
    pub pending: bool,
    /// The least number of characters of the new password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_min_length: Option<usize>,
}

/// The parameter of `resetPassword`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ResetPassword {
    /// The code that the box shows, as the person typed it.
    pub code: String,
    /// Whose password; may be left out where the card names the user, or the box has one
    /// administrator.
    #[serde(default)]
    #[cfg_attr(test, ts(optional))]
    pub username: Option<String>,
    /// The new password.
    pub password: Secret,
}

/// The parameter of `recoverPassword`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RecoverPassword {
    /// The 24 recovery words, as the person typed them.
    pub words: Secret,
    /// Whose password; may be left out where the box has one administrator.
    #[serde(default)]
    #[cfg_attr(test, ts(optional))]
    pub username: Option<String>,
    /// The new password.
    pub password: Secret,
}

/// The parameter of `restoreBox`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RestoreBox {
    /// The claim code, as the person typed it; empty on the command line of the box.
    #[serde(default)]
    pub code: String,
    /// Where the backups are.
    pub target: Target,
    /// The recovery words as the person typed them, or the password of the backups.
    pub words: Secret,
    /// Of a server: the user's password there, or a private key of SSH.
    #[serde(
        default,
        rename = "serverPassword",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(test, ts(optional, rename = "serverPassword"))]
    pub server_password: Option<Secret>,
    /// The backup; by default the last whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub run: Option<RunId>,
}

/// What `restoreBox` tells: everything could be opened, and is being fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RestoreBegun {
    /// The backup.
    pub run: RunId,
    /// How many apps it has.
    pub apps: usize,
}

/// How far the restore of the whole box is, as `restoreStatus` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreStatus {
    /// Whether it goes on.
    pub running: bool,
    /// Parts that were fetched.
    pub done: usize,
    /// All of them.
    pub total: usize,
    /// Why it ended without a restore; the box is as new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What `complete` tells; the session's cookie comes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Completed {
    /// Always: the person is signed in.
    pub is_active: bool,
    /// The administrator's name.
    pub username: String,
    /// What could not be set (name, time zone), for a person. Everything else is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// How to claim the box, as `claim` tells the host itself only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// `XXXX-XXXX`; none once the box is claimed.
    pub code: Option<String>,
    /// Where to open the box in a browser.
    pub url: String,
}
