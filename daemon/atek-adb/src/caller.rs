//! The caller of a request, named by two headers that the host sets. Only the host can reach this
//! socket.

use crate::error::AdbError;
use atek_api::ids::SYSTEM;
use http::HeaderMap;

/// The user key; with [`SERVICE_HEADER`] on every request.
pub const USER_HEADER: &str = "atek-auth-user";
/// The calling service's key. ADB's own key: the user calls in person.
pub const SERVICE_HEADER: &str = "atek-auth-service";

/// A caller that the host named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user, or `system`.
    pub user: String,
    /// The service that acts for the user; `system` for the host.
    pub service: String,
    /// The user acts by their own hand, through no app.
    pub in_person: bool,
}

impl Caller {
    /// Reads the two headers; `own_key` is the key that the host gave to this ADB.
    ///
    /// # Errors
    ///
    /// [`AdbError::NotAuthorized`] when one is missing.
    pub fn from_headers(headers: &HeaderMap, own_key: &str) -> Result<Self, AdbError> {
        let read = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
                .ok_or(AdbError::NotAuthorized)
        };
        let (user, service) = (read(USER_HEADER)?, read(SERVICE_HEADER)?);
        let in_person = service == own_key && user != SYSTEM;
        Ok(Self {
            user,
            service,
            in_person,
        })
    }

    /// The core service that exchanges databases with other homes. Its key is `core.hypercore`, or
    /// that with a suffix on a host in a folder of its own.
    #[must_use]
    pub fn is_replicator(&self) -> bool {
        let name = self.service.strip_prefix("core.hypercore");
        self.user == SYSTEM && name.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// The host itself, or who holds the host's own token.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.user == SYSTEM && self.service == SYSTEM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers_are_needed() {
        let caller = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            Caller::from_headers(&headers, "adb").ok()
        };
        assert_eq!(caller(&[(USER_HEADER, "u")]), None);
        assert_eq!(caller(&[(SERVICE_HEADER, "s")]), None);
        assert_eq!(caller(&[(USER_HEADER, ""), (SERVICE_HEADER, "s")]), None);
        let person = caller(&[(USER_HEADER, "u"), (SERVICE_HEADER, "adb")]).unwrap();
        assert!(person.in_person && !person.is_system());
        let service = caller(&[(USER_HEADER, "system"), (SERVICE_HEADER, "s")]).unwrap();
        assert!(!service.in_person && !service.is_system());
        assert!(
            caller(&[(USER_HEADER, "system"), (SERVICE_HEADER, "system")])
                .unwrap()
                .is_system()
        );
    }
}
