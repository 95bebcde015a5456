//! A folder of an app's data that a person may give to other apps.

use crate::ids::{InvalidId, ServiceKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The name of a folder of an app's data: `photos`. It stands at the top of the data, and its
/// app's manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
pub struct FolderName(String);

/// A text is not a [`FolderName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a folder's name has 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit"
)]
pub struct InvalidFolder;

impl FromStr for FolderName {
    type Err = InvalidFolder;

    fn from_str(text: &str) -> Result<Self, InvalidFolder> {
        let fits = (1..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidFolder)
        }
    }
}

crate::text::checked_text!(FolderName);

/// A folder of one app, `KEY/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
pub struct AppFolder {
    /// Whose data it belongs to.
    pub service: ServiceKey,
    /// Its name.
    pub name: FolderName,
}

/// A text is not an [`AppFolder`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAppFolder {
    /// Without a slash.
    #[error("a folder of an app is KEY/NAME")]
    Form,
    /// See [`InvalidId`].
    #[error(transparent)]
    Key(#[from] InvalidId),
    /// See [`InvalidFolder`].
    #[error(transparent)]
    Name(#[from] InvalidFolder),
}

impl fmt::Display for AppFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.name)
    }
}

impl FromStr for AppFolder {
    type Err = InvalidAppFolder;

    fn from_str(text: &str) -> Result<Self, InvalidAppFolder> {
        let (service, name) = text.split_once('/').ok_or(InvalidAppFolder::Form)?;
        Ok(Self {
            service: service.parse()?,
            name: name.parse()?,
        })
    }
}

crate::text::text_on_the_wire!(AppFolder);

/// A folder that an app was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenFolder {
    /// Which.
    pub folder: AppFolder,
    /// Whether it may also change it.
    #[serde(default)]
    pub write: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_at_the_top_of_its_apps_data() {
        for good in ["k1/photos", "ff080d10490f8060/My-Music_2.0", "k1/0"] {
            let folder: AppFolder = good.parse().unwrap();
            assert_eq!(folder.to_string(), good);
        }
        let long = format!("k1/{}", "a".repeat(65));
        for bad in [
            "",
            "photos",
            "k1/",
            "/photos",
            "k1/..",
            "k1/.",
            "k1/.hidden",
            "k1/a/b",
            "k1/a b",
            "k1/a\n",
            "../k1/a",
            "k1/a:b",
            "k1/ä",
            &long,
        ] {
            assert!(bad.parse::<AppFolder>().is_err(), "{bad:?}");
        }
    }
}
