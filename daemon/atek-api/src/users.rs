//! `atek.cloud/users-api`: shapes.

use crate::ids::UserKey;
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
