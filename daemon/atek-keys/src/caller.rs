//! The caller of a request, named by two headers that the host sets. Only the host can reach this
//! socket.

use crate::KeysError;
use atek_api::ids::{SYSTEM, ServiceKey, UserKey};
use http::HeaderMap;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The host itself.
    System,
    /// A user by their own hand, through the host's pages or command line.
    Person(UserKey),
    /// An app that acts for a user.
    App {
        /// The user.
        user: UserKey,
        /// The app.
        app: ServiceKey,
    },
}

impl Caller {
    /// Reads the two headers; `own_key` is the key that the host gave to this service, which stands
    /// for "in person".
    ///
    /// # Errors
    ///
    /// [`KeysError::NotAuthorized`] when one is missing or no key.
    pub fn from_headers(headers: &HeaderMap, own_key: &str) -> Result<Self, KeysError> {
        let read = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.ok_or(KeysError::NotAuthorized)
        };
        let (user, app) = (read("atek-auth-user")?, read("atek-auth-service")?);
        if user == SYSTEM {
            return match app == SYSTEM {
                true => Ok(Caller::System),
                false => Err(KeysError::NotAuthorized),
            };
        }
        let user: UserKey = user.parse().map_err(|_| KeysError::NotAuthorized)?;
        if app == own_key {
            return Ok(Caller::Person(user));
        }
        match app == SYSTEM {
            true => Err(KeysError::NotAuthorized),
            false => Ok(Caller::App {
                user,
                app: app.parse().map_err(|_| KeysError::NotAuthorized)?,
            }),
        }
    }

    /// The user for whom something is done; none for the host.
    ///
    /// # Errors
    ///
    /// [`KeysError::NotAuthorized`] for the host.
    pub fn user(&self) -> Result<&UserKey, KeysError> {
        match self {
            Caller::System => Err(KeysError::NotAuthorized),
            Caller::Person(user) | Caller::App { user, .. } => Ok(user),
        }
    }

    /// The user, if they call by their own hand.
    ///
    /// # Errors
    ///
    /// [`KeysError::NotAuthorized`] for apps and the host.
    pub fn in_person(&self) -> Result<&UserKey, KeysError> {
        match self {
            Caller::Person(user) => Ok(user),
            _ => Err(KeysError::NotAuthorized),
        }
    }

    /// The app; none for a person.
    #[must_use]
    pub fn app(&self) -> Option<&ServiceKey> {
        match self {
            Caller::App { app, .. } => Some(app),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_host_names_is_a_caller() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("value"));
            }
            Caller::from_headers(&headers, "core.keys").ok()
        };
        let both = |user, app| read(&[("atek-auth-user", user), ("atek-auth-service", app)]);
        assert_eq!(both("system", "system"), Some(Caller::System));
        assert!(matches!(both("u1", "core.keys"), Some(Caller::Person(_))));
        assert!(matches!(both("u1", "k1"), Some(Caller::App { .. })));
        for (user, app) in [
            ("system", "core.keys"),
            ("system", "k1"),
            ("u1", "system"),
            ("", "k1"),
            ("u1", ""),
            ("../u1", "core.keys"),
            ("u1", "../k"),
        ] {
            assert_eq!(both(user, app), None, "{user} {app}");
        }
        assert_eq!(read(&[("atek-auth-user", "u1")]), None);
        assert_eq!(read(&[("atek-auth-service", "k1")]), None);
    }
}
