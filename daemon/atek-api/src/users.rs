//! `atek.cloud/users-api`: shapes.

use crate::ids::UserKey;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};

/// The API's id.
///
/// As a permission of an app (`hostApis`): to read its owner's settings.
pub const API: &str = "atek.cloud/users-api";
/// A permission of an app: to choose the app at its owner's main page.
pub const GRANT_MAIN_PAGE: &str = "atek.cloud/users-api/main-page";

/// What a user may do beyond their own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Role {
    /// Their own services and databases.
    #[default]
    #[serde(rename = "")]
    User,
    /// Everything, when they act in person.
    #[serde(rename = "admin")]
    Admin,
}

impl Role {
    /// For `skip_serializing_if`: the original leaves an empty role out.
    #[must_use]
    pub fn is_user(&self) -> bool {
        *self == Role::User
    }
}

/// A user, as the API shows one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Opaque, immutable.
    pub key: UserKey,
    /// At least 3 characters, unique; what the user signs in with.
    pub username: String,
    /// What people call the user, in any script; none means the username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Left out for an ordinary user.
    #[serde(default, skip_serializing_if = "Role::is_user")]
    pub role: Role,
}

/// The second parameter of `setPassword`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PasswordChange {
    /// The present one: a user's own change needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub old: Option<Secret>,
    /// The new one.
    pub new: Secret,
    /// Opens the user's keys for the new password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub help: Option<KeyHelp>,
}

/// The help of an administrator whose password opens the recovery secret of the box.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct KeyHelp {
    /// Which administrator; only the command line of the box names one, others help in person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub by: Option<UserKey>,
    /// The administrator's own password.
    pub password: Secret,
}

/// What became of a user's keys with a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum KeysAfter {
    /// The user has none.
    None,
    /// The new password opens them.
    Opened,
    /// They stay, and open with the old password or the recovery words.
    Locked,
}

/// The result of `setPassword`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PasswordSet {
    /// See [`KeysAfter`].
    pub keys: KeysAfter,
}

/// The second parameter of `openKeys`: one of `old` and `words`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct OpenKeys {
    /// The user's password, which opens the keys from then on.
    pub password: Secret,
    /// The password that opens them so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub old: Option<Secret>,
    /// The recovery words of the box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub words: Option<Secret>,
}

/// What becomes of a user's apps when the user is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Leaving {
    /// The user is deleted only if there are none.
    #[default]
    Refuse,
    /// They are removed, with all data.
    Uninstall,
    /// They become another user's, with all data.
    Give,
}

/// Options of `delete`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteParams {
    /// See [`Leaving`]. A refusal names the apps in its data: `services`.
    #[serde(default)]
    pub services: Leaving,
    /// With `give`: the name of the user who gets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Settings of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UserSettings {
    /// The id of the app at the user's main page; in a change, an empty text chooses the
    /// built-in home. The host keeps the app's key: the setting follows a rename, and ends when
    /// the app is uninstalled or given to another user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_service_id: Option<String>,
}
