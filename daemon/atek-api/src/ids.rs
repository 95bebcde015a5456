//! Names of services, users and databases.
//!
//! A *key* is opaque, minted once and never reused; everything that must outlive
//! a rename refers to it. An *id* is chosen by people and may change.

use crate::text::checked_text;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The key of the host itself, in records and in `Atek-Auth-*` headers.
pub const SYSTEM: &str = "system";

/// Why a text is not a key or an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// See [`ServiceId`].
    #[error(
        "a service id must be 1 to 63 characters of a-z, 0-9 and '-', start with a letter and not end with '-' (core services: core.NAME)"
    )]
    ServiceId,
    /// The id would collide with a name that the host uses itself.
    #[error("the service id {0:?} is reserved, choose another one")]
    Reserved(String),
    /// See [`ServiceKey`] and [`UserKey`].
    #[error(
        "a key must be 1 to 40 characters of a-z, 0-9, '.' and '-', and start with a letter or digit"
    )]
    Key,
    /// See [`DbId`].
    #[error("a database id must be 64 hexadecimal digits")]
    DbId,
}

/// The opaque, immutable identity of an installed service.
///
/// Part of unit properties and paths, hence the narrow alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct ServiceKey(String);
checked_text!(ServiceKey);

/// The opaque, immutable identity of a user; `system` is the host itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct UserKey(String);
checked_text!(UserKey);

impl UserKey {
    /// The user that owns what belongs to everybody.
    #[must_use]
    pub fn system() -> Self {
        Self(SYSTEM.to_owned())
    }

    /// Whether this is the host itself.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0 == SYSTEM
    }
}

/// The user-chosen, mutable name of a service: its subdomain, and part of its unit's name.
///
/// A DNS label, or `core.` and a label for the services that belong to Atek itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct ServiceId(String);
checked_text!(ServiceId);

impl ServiceId {
    /// Names that an installed service may not take: the host's own, and labels
    /// that resolvers and browsers treat specially.
    const RESERVED: [&str; 8] = [
        "system",
        "host",
        "atek",
        "core",
        "www",
        "local",
        "localhost",
        "api",
    ];

    /// An id for a new user service: well-formed, and not reserved.
    ///
    /// # Errors
    ///
    /// [`InvalidId::ServiceId`] for a malformed text or one in the `core.`
    /// namespace, [`InvalidId::Reserved`] for a name that the host needs.
    pub fn for_user_service(text: &str) -> Result<Self, InvalidId> {
        if !is_label(text) {
            return Err(InvalidId::ServiceId);
        }
        if Self::RESERVED.contains(&text) {
            return Err(InvalidId::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Derives an id from free text, such as the last part of a source URL:
    /// lower case, other characters become '-', a trailing `.git` is dropped.
    #[must_use]
    pub fn derive(text: &str) -> Self {
        let text = text.trim_end_matches('/').trim_end_matches(".git");
        let mut label = String::new();
        for c in text.chars().map(|c| c.to_ascii_lowercase()) {
            if c.is_ascii_lowercase() || (c.is_ascii_digit() && !label.is_empty()) {
                label.push(c);
            } else if !label.is_empty() && !label.ends_with('-') {
                label.push('-');
            }
        }
        label.truncate(40);
        let label = label.trim_end_matches('-');
        match Self::for_user_service(label) {
            Ok(id) => id,
            Err(_) => Self("app".to_owned()),
        }
    }

    /// This id, or the first of `id-2`, `id-3`, … that `taken` does not know.
    #[must_use]
    pub fn first_free(&self, taken: impl Fn(&ServiceId) -> bool) -> Self {
        if !taken(self) {
            return self.clone();
        }
        (2u64..)
            .map(|n| Self(format!("{}-{n}", self.0)))
            .find(|candidate| !taken(candidate))
            .unwrap_or_else(|| self.clone())
    }

    /// Whether the id lies in the namespace of Atek's own services.
    #[must_use]
    pub fn is_core(&self) -> bool {
        self.0.starts_with("core.")
    }

    /// The name of the transient unit that runs the service.
    #[must_use]
    pub fn unit(&self) -> String {
        format!("atek-app-{}.service", self.0)
    }

    /// The name of the transient unit that makes the network namespace of the service ready.
    #[must_use]
    pub fn network_unit(&self) -> String {
        format!("atek-net-{}.service", self.0)
    }
}

impl FromStr for ServiceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let label = text.strip_prefix("core.").unwrap_or(text);
        if is_label(label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::ServiceId)
        }
    }
}

impl FromStr for ServiceKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        key(text).map(Self)
    }
}

impl FromStr for UserKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        key(text).map(Self)
    }
}

/// The id of a database: 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
pub struct DbId(String);
checked_text!(DbId);

impl FromStr for DbId {
    type Err = InvalidId;

    /// Also takes `hyper://ID/…` and upper case, as the original does.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let text = text.strip_prefix("hyper://").unwrap_or(text);
        let text = text.split('/').next().unwrap_or_default();
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidId::DbId)
        }
    }
}

/// RFC 1035 label, lower case, starting with a letter.
pub(crate) fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes[bytes.len() - 1] != b'-'
        && bytes
            .iter()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The text of a key of a service or user.
fn key(text: &str) -> Result<String, InvalidId> {
    let fits = (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !text.ends_with('.')
        && !text.contains("..")
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'));
    fits.then(|| text.to_owned()).ok_or(InvalidId::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_their_folder_or_unit_are_refused() {
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "1a",
            "a.b",
            "../evil",
            "a/b",
            "a b",
            "a\n",
            "core.",
            "core.a.b",
            "core..a",
            "%n",
            "ä",
            &"a".repeat(64),
        ] {
            assert_eq!(
                bad.parse::<ServiceId>(),
                Err(InvalidId::ServiceId),
                "{bad:?}"
            );
        }
        for good in ["a", "rss", "rss-2", "core.adb", &"a".repeat(63)] {
            assert!(good.parse::<ServiceId>().is_ok(), "{good:?}");
        }
        for bad in ["", "..", ".a", "a..b", "a/b", "-a", "A", &"a".repeat(41)] {
            assert_eq!(bad.parse::<ServiceKey>(), Err(InvalidId::Key), "{bad:?}");
        }
    }

    #[test]
    fn a_user_service_cannot_take_a_core_or_reserved_name() {
        assert_eq!(
            ServiceId::for_user_service("core.adb"),
            Err(InvalidId::ServiceId)
        );
        assert_eq!(
            ServiceId::for_user_service("system"),
            Err(InvalidId::Reserved("system".to_owned()))
        );
    }

    #[test]
    fn ids_are_derived_from_source_names() {
        for (text, expected) in [
            ("hello-world.git", "hello-world"),
            ("Hello World!", "hello-world"),
            ("2048", "app"),
            ("..", "app"),
            ("system", "app"),
            ("a__b", "a-b"),
            ("rss/", "rss"),
        ] {
            assert_eq!(ServiceId::derive(text).as_str(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_taken_id_gets_the_next_number() {
        let id = ServiceId::derive("lonestar");
        let taken = ["lonestar", "lonestar-2"];
        assert_eq!(
            id.first_free(|c| taken.contains(&c.as_str())).as_str(),
            "lonestar-3"
        );
    }

    #[test]
    fn database_ids_are_normalised() {
        let upper = "AB".repeat(32);
        let id: DbId = format!("hyper://{upper}/path").parse().unwrap();
        assert_eq!(id.as_str(), "ab".repeat(32));
        assert_eq!("zz".repeat(32).parse::<DbId>(), Err(InvalidId::DbId));
    }
}
