//! The user's record, and how a session is named.

use crate::random;
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::secret::Secret;
use atek_api::updates::UpdateSettings;
use atek_api::users::{Role, User};
use serde::{Deserialize, Serialize};

/// A user's record (`atek.cloud/user/KEY`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRecord {
    /// The record's key.
    #[serde(skip, default = "UserKey::system")]
    pub key: UserKey,
    /// At least 3 characters, unique.
    pub username: String,
    /// What people call the user; none means the username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// PHC string of argon2id.
    pub hashed_password: Secret,
    /// See [`Role`].
    #[serde(default, skip_serializing_if = "Role::is_user")]
    pub role: Role,
    /// See [`StoredSettings`].
    #[serde(default)]
    pub settings: StoredSettings,
}

/// A user's settings as stored. Services are named by key, so that a setting follows a rename
/// and ends with the service; the users API shows and takes ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredSettings {
    /// What the user decided about the updates of all their services.
    #[serde(default, skip_serializing_if = "UpdateSettings::is_default")]
    pub updates: UpdateSettings,
    /// The service at the user's main page; none means the home that comes with Atek.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_service_key: Option<ServiceKey>,
    /// The same as an id, as versions before 0.2 stored it; resolved once, when it is read.
    #[serde(default, rename = "mainServiceId", skip_serializing)]
    pub former_main_service_id: Option<String>,
}

impl UserRecord {
    /// What others may see.
    #[must_use]
    pub fn public(&self) -> User {
        User {
            key: self.key.clone(),
            username: self.username.clone(),
            display_name: self.display_name.clone(),
            role: self.role,
        }
    }
}

/// Names a session without giving it away: the SHA-256 of the cookie, hexadecimal.
///
/// The cookie itself is stored nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// The id of the session whose cookie has this text.
    #[must_use]
    pub fn of_cookie(cookie: &str) -> Self {
        Self(random::digest(cookie))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
