//! Calls between apps of different homes.
//!
//! Out: a call with `home=KEY` in its query goes to the hypercore service, which brings it to that
//! home. In: the hypercore service says for whom it calls, and the call goes to an app of its
//! owner, which is told the key that the person of the other home has proven. Pure.

use super::edge::headers::{AUTH_CONTACT, AUTH_SERVICE, AUTH_USER};
use super::error::Failure;
use super::paired_device::is_hypercore;
use atek_api::ids::UserKey;
use atek_host_model::permissions::Caller;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Whose app is called.
const FOR_USER: HeaderName = HeaderName::from_static("atek-for-user");
/// The public key of the person who calls.
const FOR_CONTACT: HeaderName = HeaderName::from_static("atek-for-contact");
/// Hexadecimal digits of a public key.
const KEY_DIGITS: usize = 64;

/// A person of another home, who calls an app of a user of this box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contact {
    /// Whose app it is.
    pub(super) owner: UserKey,
    key: HeaderValue,
}

impl Contact {
    /// The contact for whom a request is made; none for requests of the caller's own.
    ///
    /// # Errors
    ///
    /// [`Failure::BadRequest`] of the hypercore service. What others send has no meaning.
    pub(super) fn of(caller: &Caller, sent: &HeaderMap) -> Result<Option<Self>, Failure> {
        let Some(key) = sent.get(FOR_CONTACT).filter(|_| is_hypercore(caller)) else {
            return Ok(None);
        };
        let owner = sent.get(FOR_USER).and_then(|owner| owner.to_str().ok());
        let owner: Option<UserKey> = owner.and_then(|owner| owner.parse().ok());
        let is_key = |key: &&HeaderValue| {
            let digits = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            key.len() == KEY_DIGITS && key.as_bytes().iter().all(digits)
        };
        match (owner, Some(key).filter(is_key)) {
            (Some(owner), Some(key)) if !owner.is_system() => {
                let key = key.clone();
                Ok(Some(Self { owner, key }))
            }
            _ => Err(Failure::BadRequest("the contact of a call is not named")),
        }
    }

    /// Tells the app who calls: neither a user of this box nor an app of it.
    pub(super) fn identify(&self, headers: &mut HeaderMap) {
        headers.insert(AUTH_USER, self.key.clone());
        headers.insert(AUTH_CONTACT, self.key.clone());
        headers.insert(AUTH_SERVICE, HeaderValue::from_static("core.hypercore"));
    }
}

/// Where the hypercore service takes calls to another home; `export` is the path of its API.
pub(super) fn path(export: &str, home: &str, api: &str) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    format!(
        "{export}/remote?home={}&api={}",
        encoded(home),
        encoded(api)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::permission::Permissions;
    use atek_host_model::permissions::ServiceCaller;
    use std::sync::Arc;

    fn service(key: &str, owner: &str) -> Caller {
        Caller::Service(ServiceCaller {
            key: key.parse().unwrap(),
            owner: owner.parse().unwrap(),
            granted: Arc::new(Permissions::default()),
            decisions: Arc::default(),
        })
    }

    #[test]
    fn only_the_hypercore_service_calls_for_a_contact_and_names_it() {
        let key = "0f".repeat(32);
        let hypercore = service("core.hypercore", "system");
        for (caller, user, contact, expected) in [
            (&hypercore, Some("alice"), Some(&*key), Ok(true)),
            (&hypercore, None, None, Ok(false)),
            (&hypercore, Some("alice"), None, Ok(false)),
            (&hypercore, None, Some(&*key), Err(())),
            (&hypercore, Some("system"), Some(&*key), Err(())),
            (&hypercore, Some("a b"), Some(&*key), Err(())),
            (&hypercore, Some("alice"), Some("bob"), Err(())),
            (&hypercore, Some("alice"), Some(&*"0F".repeat(32)), Err(())),
            (
                &service("core.hypercore", "alice"),
                Some("alice"),
                Some(&*key),
                Ok(false),
            ),
            (
                &service("rss", "alice"),
                Some("alice"),
                Some(&*key),
                Ok(false),
            ),
            (&Caller::System, Some("alice"), Some(&*key), Ok(false)),
            (&Caller::Anonymous, Some("alice"), Some(&*key), Ok(false)),
        ] {
            let mut sent = HeaderMap::new();
            for (name, value) in [(FOR_USER, user), (FOR_CONTACT, contact)] {
                if let Some(value) = value {
                    sent.insert(name, HeaderValue::from_str(value).unwrap());
                }
            }
            let got = Contact::of(caller, &sent);
            let got = got.map(|contact| contact.is_some()).map_err(drop);
            assert_eq!(got, expected, "{caller:?} {user:?} {contact:?}");
        }
    }

    #[test]
    fn what_names_the_other_home_stays_one_value() {
        assert_eq!(
            path("/_api/hypercore", "a&api=x", "x.org/a b"),
            "/_api/hypercore/remote?home=a%26api%3Dx&api=x%2Eorg%2Fa%20b"
        );
    }
}
