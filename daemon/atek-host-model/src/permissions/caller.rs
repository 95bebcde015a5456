//! Who is calling.

use super::Decisions;
use crate::users::{SessionId, UserRecord};
use atek_api::ids::{SYSTEM, ServiceKey, UserKey};
use atek_api::permission::Permissions;
use std::sync::Arc;

/// The origin of a request, once it is known.
#[derive(Debug, Clone)]
pub enum Caller {
    /// An unauthenticated caller: may sign in, and no more.
    Anonymous,
    /// A user in person, with a browser session.
    User(Person),
    /// An installed service, known by the listener that its request came through.
    Service(ServiceCaller),
    /// The host itself: the control socket, or a system token.
    System,
}

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct Person {
    /// The user's record at the time of the request.
    pub user: Arc<UserRecord>,
    /// The session that carried the request.
    pub session: SessionId,
}

/// A running service.
#[derive(Debug, Clone)]
pub struct ServiceCaller {
    /// The service.
    pub key: ServiceKey,
    /// Whom it represents. It has this user's data, never this user's role.
    pub owner: UserKey,
    /// What it may do, as it is in force.
    pub granted: Arc<Permissions>,
    /// What people decided about it besides.
    pub decisions: Arc<Decisions>,
}

impl Caller {
    /// The user that the caller is or represents; `None` for an unauthenticated caller.
    #[must_use]
    pub fn user_key(&self) -> Option<&str> {
        match self {
            Caller::Anonymous => None,
            Caller::User(person) => Some(person.user.key.as_str()),
            Caller::Service(service) => Some(service.owner.as_str()),
            Caller::System => Some(SYSTEM),
        }
    }

    /// The same as an owned key, for records.
    #[must_use]
    pub fn owner_key(&self) -> Option<UserKey> {
        match self {
            Caller::Anonymous => None,
            Caller::User(person) => Some(person.user.key.clone()),
            Caller::Service(service) => Some(service.owner.clone()),
            Caller::System => Some(UserKey::system()),
        }
    }

    /// Whether the caller may do everything. A service never is an administrator,
    /// not even one that an administrator owns.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        match self {
            Caller::System => true,
            Caller::User(person) => person.user.role == atek_api::users::Role::Admin,
            Caller::Anonymous | Caller::Service(_) => false,
        }
    }

    /// Whether the caller is authenticated.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self, Caller::Anonymous)
    }

    /// `Atek-Auth-User` and `Atek-Auth-Service` as the service `target` sees them.
    ///
    /// A user in person is shown with the *target's own* key: that is how the
    /// original's services tell a person from a program.
    #[must_use]
    pub fn auth_headers<'a>(&'a self, target: &'a ServiceKey) -> Option<(&'a str, &'a str)> {
        match self {
            Caller::Anonymous => None,
            Caller::User(person) => Some((person.user.key.as_str(), target.as_str())),
            Caller::Service(service) => Some((service.owner.as_str(), service.key.as_str())),
            Caller::System => Some((SYSTEM, SYSTEM)),
        }
    }

    /// A name for limits and logs: no secret, stable for one caller.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Caller::Anonymous => "anonymous".to_owned(),
            Caller::User(person) => format!("user {}", person.user.key),
            Caller::Service(service) => format!("service {}", service.key),
            Caller::System => "system".to_owned(),
        }
    }
}
