//! The records and their snapshot. Pure.

use crate::random;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::secret::Secret;
use atek_api::services::ServiceSettings;
use atek_api::users::{Role, User, UserSettings};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// A user's record (`atek.cloud/user/KEY`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserRecord {
    /// The record's key.
    #[serde(skip, default = "UserKey::system")]
    pub key: UserKey,
    /// At least 3 characters, unique.
    pub username: String,
    /// PHC string of argon2id.
    pub hashed_password: Secret,
    /// See [`Role`].
    #[serde(default, skip_serializing_if = "Role::is_user")]
    pub role: Role,
    /// See [`UserSettings`].
    #[serde(default)]
    pub settings: UserSettings,
}

impl UserRecord {
    /// What others may see.
    #[must_use]
    pub fn public(&self) -> User {
        User {
            key: self.key.clone(),
            username: self.username.clone(),
            role: self.role,
        }
    }
}

/// A service's record (`atek.cloud/service/KEY`).
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRecord {
    /// The record's key.
    pub key: ServiceKey,
    /// The record.
    pub settings: ServiceSettings,
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

/// A session's record (`atek.cloud/user-session/ID`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecord {
    /// The record's key.
    pub session_id: SessionId,
    /// Whose session it is.
    pub user_key: UserKey,
    /// The user's name when the session was made.
    pub username: String,
    /// RFC 3339.
    pub created_at: String,
    /// Seconds since 1970; written at most every few minutes.
    #[serde(default)]
    pub last_seen_unix: i64,
    /// What the browser said it is, shortened.
    #[serde(default)]
    pub device: String,
    /// The address that signed in; none on a Unix socket, and in records of old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// None: the main domain. Otherwise the service to whose subdomain the session is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<ServiceKey>,
    /// The session of the main domain that a bound session depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
}

/// One change of the records.
#[derive(Debug, Clone)]
pub enum Change {
    /// Adds or replaces a user.
    PutUser(UserRecord),
    /// Removes a user.
    DeleteUser(UserKey),
    /// Adds or replaces a service.
    PutService(Box<ServiceRecord>),
    /// Removes a service.
    DeleteService(ServiceKey),
    /// Adds or replaces a session.
    PutSession(SessionRecord),
    /// Removes a session.
    DeleteSession(SessionId),
}

/// All records at one moment.
///
/// Values are shared, so that a snapshot with one change costs the maps only.
#[derive(Debug, Clone, Default)]
pub struct Records {
    ready: bool,
    users: BTreeMap<UserKey, Arc<UserRecord>>,
    names: HashMap<String, UserKey>,
    services: BTreeMap<ServiceKey, Arc<ServiceRecord>>,
    ids: HashMap<ServiceId, ServiceKey>,
    sessions: HashMap<SessionId, Arc<SessionRecord>>,
}

impl Records {
    /// The records as read from the database.
    #[must_use]
    pub fn loaded(changes: impl IntoIterator<Item = Change>) -> Self {
        let mut records = Self {
            ready: true,
            ..Self::default()
        };
        for change in changes {
            records.apply(change);
        }
        records
    }

    /// Whether the database has been read; before that there is nobody and nothing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// All users, oldest first.
    pub fn users(&self) -> impl Iterator<Item = &Arc<UserRecord>> {
        self.users.values()
    }

    /// Whether the box has an owner.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.users.values().any(|user| user.role == Role::Admin)
    }

    /// A user by key.
    #[must_use]
    pub fn user(&self, key: &str) -> Option<&Arc<UserRecord>> {
        self.users.get(key)
    }

    /// A user by name.
    #[must_use]
    pub fn user_named(&self, name: &str) -> Option<&Arc<UserRecord>> {
        self.users.get(self.names.get(name)?)
    }

    /// All installed services, oldest first.
    pub fn services(&self) -> impl Iterator<Item = &Arc<ServiceRecord>> {
        self.services.values()
    }

    /// A service by key.
    #[must_use]
    pub fn service(&self, key: &str) -> Option<&Arc<ServiceRecord>> {
        self.services.get(key)
    }

    /// A service by id.
    #[must_use]
    pub fn service_with_id(&self, id: &str) -> Option<&Arc<ServiceRecord>> {
        self.services.get(self.ids.get(id)?)
    }

    /// A session by the hash of its cookie.
    #[must_use]
    pub fn session(&self, id: &SessionId) -> Option<&Arc<SessionRecord>> {
        self.sessions.get(id)
    }

    /// All sessions of a user, in no order.
    pub fn sessions_of(&self, user: &UserKey) -> impl Iterator<Item = &Arc<SessionRecord>> {
        self.sessions
            .values()
            .filter(move |session| session.user_key == *user)
    }

    /// All sessions, in no order.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<SessionRecord>> {
        self.sessions.values()
    }

    /// Makes one change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::PutUser(user) => {
                self.forget_name(&user.key);
                self.names.insert(user.username.clone(), user.key.clone());
                self.users.insert(user.key.clone(), Arc::new(user));
            }
            Change::DeleteUser(key) => {
                self.forget_name(&key);
                self.users.remove(&key);
            }
            Change::PutService(service) => {
                self.forget_id(&service.key);
                self.ids
                    .insert(service.settings.id.clone(), service.key.clone());
                self.services
                    .insert(service.key.clone(), Arc::from(service));
            }
            Change::DeleteService(key) => {
                self.forget_id(&key);
                self.services.remove(&key);
            }
            Change::PutSession(session) => {
                self.sessions
                    .insert(session.session_id.clone(), Arc::new(session));
            }
            Change::DeleteSession(id) => {
                self.sessions.remove(&id);
            }
        }
    }

    fn forget_name(&mut self, key: &UserKey) {
        if let Some(old) = self.users.get(key)
            && self.names.get(&old.username) == Some(key)
        {
            self.names.remove(&old.username);
        }
    }

    fn forget_id(&mut self, key: &ServiceKey) {
        if let Some(old) = self.services.get(key)
            && self.ids.get(&old.settings.id) == Some(key)
        {
            self.ids.remove(&old.settings.id);
        }
    }
}
