//! Other homes that keep their backups here: the guests of this home.

use crate::secret::Secret;
use crate::text::checked_text;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Where guests find their folders: `/_atek/backups/NAME/`.
pub const GUESTS_PATH: &str = "/_atek/backups/";

/// A text is no name of a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a home that keeps backups here is named with 1 to 32 of a-z, 0-9 and -")]
pub struct InvalidGuestName;

/// The name of a guest, which is the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GuestName(String);
checked_text!(GuestName);

impl FromStr for GuestName {
    type Err = InvalidGuestName;

    fn from_str(text: &str) -> Result<Self, InvalidGuestName> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(plain);
        match fits && !text.starts_with('-') {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidGuestName),
        }
    }
}

/// A home that may keep backups here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupGuest {
    /// Its name here.
    pub name: GuestName,
    /// Bytes that it may keep.
    pub quota: u64,
    /// Bytes that it keeps.
    pub used: u64,
    /// When it wrote last, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_write: Option<String>,
}

/// What a person decides about a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InviteGuest {
    /// Its name here.
    pub name: GuestName,
    /// Bytes that it may keep.
    pub quota: u64,
}

/// What a new guest needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvitedGuest {
    /// Its name here.
    pub name: GuestName,
    /// Its password, which is shown once.
    pub password: Secret,
    /// What follows the address of this home in its target.
    pub path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_guests_are_names_of_folders() {
        assert_eq!("anna-2".parse::<GuestName>().unwrap().as_str(), "anna-2");
        let long = "a".repeat(33);
        for wrong in ["", "Anna", "a/b", "..", "-a", "a.b", "ä", &long] {
            assert!(wrong.parse::<GuestName>().is_err(), "{wrong:?}");
        }
    }
}
