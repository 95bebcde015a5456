//! Catalogues of apps: what a maintainer writes (`recipe.json`), what a catalogue publishes
//! (`index.json`), and the parameters and results of the catalogue API.
//!
//! `docs/catalogue.md` describes the format for maintainers, `docs/catalogue.schema.json` for
//! programs. Unknown keys are ignored, so that an index for a later Atek can be read.

use crate::ids::InvalidId;
use crate::permission::Permissions;
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The API's id.
pub const API: &str = "atek.cloud/catalogue-api";

/// The name of a catalogue or of a recipe: a DNS label, as a service id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string", rename = "CatalogueName"))]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl FromStr for Name {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if crate::ids::is_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::ServiceId)
        }
    }
}

crate::text::checked_text!(Name);

/// `recipe.json`: what people see of a recipe, and where its program comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// For people. At most 60 characters.
    pub title: String,
    /// One sentence in each language, by its code (`en` is required). At most 200 characters.
    pub summary: BTreeMap<String, String>,
    /// What it is for: one to three.
    pub categories: Vec<Category>,
    /// The program's version, which is the recipe's.
    pub version: Version,
    /// Where the program comes from.
    pub upstream: Upstream,
    /// Its page, `https://…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// Its licence, an SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// A picture in the recipe's folder, at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Pictures of the running program, at most four, of at most 256 KiB each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub screenshots: Vec<String>,
    /// How a check knows that the program answers.
    #[serde(default)]
    pub check: Check,
    /// What the last check found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Tested>,
}

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Things of the home that act by themselves.
    Automation,
    /// Talking to each other.
    Communication,
    /// Tools for people who write programs.
    Development,
    /// Files, pictures, music.
    Files,
    /// What watches networks and machines.
    Monitoring,
    /// Notes, drawings, lists.
    Notes,
    /// Everything else.
    Tools,
}

impl Category {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 7] = [
        Self::Automation,
        Self::Communication,
        Self::Development,
        Self::Files,
        Self::Monitoring,
        Self::Notes,
        Self::Tools,
    ];

    /// As in the format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automation => "automation",
            Self::Communication => "communication",
            Self::Development => "development",
            Self::Files => "files",
            Self::Monitoring => "monitoring",
            Self::Notes => "notes",
            Self::Tools => "tools",
        }
    }
}

/// Where a recipe's program comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Upstream {
    /// A package of the npm registry, which the recipe's package.json depends on.
    Npm {
        /// Its name.
        npm: String,
    },
    /// A release of a git repository, over which the recipe's files are laid.
    Git {
        /// `https://…`
        git: String,
        /// The tag.
        tag: String,
        /// The commit that the tag must name.
        commit: String,
    },
}

/// What a check asks the program for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Check {
    /// The path.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// A text in the answer; the empty text is in every one.
    pub contains: String,
    /// Hosts that the program tries to reach and works without, such as one that tells of new
    /// versions: no permission for them is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unneeded: Vec<String>,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            status: 200,
            contains: String::new(),
            unneeded: Vec::new(),
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Tested {
    /// The version of Atek.
    pub atek: String,
    /// The day, `YYYY-MM-DD`.
    pub date: String,
    /// The program's memory when it had answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// How long the install took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_seconds: Option<u64>,
}

/// `index.json`: everything that a catalogue publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 1.
    pub format: u32,
    /// For people. At most 60 characters.
    pub title: String,
    /// Rises with every publication: an index with a lower one is an old copy and refused.
    pub serial: u64,
    /// The recipes by name.
    pub recipes: BTreeMap<Name, Entry>,
}

/// A recipe in an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `recipe.json`.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// What its `atek.json` asks for.
    #[serde(default)]
    pub permissions: Permissions,
    /// SHA-256 of every file of the recipe's folder, in hexadecimal digits, by path.
    pub files: BTreeMap<String, String>,
}

/// A recipe, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RecipeInfo {
    /// What to install: `catalogue:CATALOGUE/RECIPE`.
    pub source_url: String,
    /// Its catalogue.
    pub catalogue: Name,
    /// Its name.
    pub name: Name,
    /// See [`Recipe::title`].
    pub title: String,
    /// See [`Recipe::summary`].
    pub summary: BTreeMap<String, String>,
    /// See [`Recipe::categories`].
    pub categories: Vec<Category>,
    /// See [`Recipe::version`].
    #[cfg_attr(test, ts(type = "string"))]
    pub version: Version,
    /// See [`Recipe::homepage`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// See [`Recipe::license`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// What the app asks for.
    pub permissions: Permissions,
    /// A path of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Paths of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub screenshots: Vec<String>,
    /// See [`Recipe::tested`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Tested>,
}

/// A catalogue, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CatalogueInfo {
    /// Its name on this box.
    pub name: Name,
    /// Its own name for itself.
    pub title: String,
    /// The git repository; none of the one that came with Atek.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The public key that its index is signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The serial of the copy in use.
    pub serial: u64,
    /// Number of recipes.
    pub recipes: usize,
    /// When the source was last reached, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<String>,
    /// Why the last refresh failed; the copy before it is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SearchParams {
    /// All of them must be found; none finds everything.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// Only recipes of this category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// Only recipes of exactly this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A catalogue to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddParams {
    /// The git repository, `https://…`.
    pub url: String,
    /// The public key that its index is signed with, as `minisign` prints it.
    pub key: String,
    /// Its name on this box; the last part of the URL when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_the_recipe_with_permissions_and_files() {
        let text = json!({
            "title": "Files", "summary": { "en": "Serves a folder." }, "categories": ["files"],
            "version": "14.1.1", "upstream": { "npm": "http-server" },
            "check": { "contains": "Index" }, "files": { "atek.json": "ab" }, "later": 1,
        });
        let entry: Entry = serde_json::from_value(text).unwrap();
        assert_eq!(entry.recipe.check.path, "/");
        assert_eq!(entry.recipe.check.contains, "Index");
        assert!(entry.permissions.is_empty());
        let again = serde_json::to_value(&entry).unwrap();
        assert_eq!(again["upstream"], json!({ "npm": "http-server" }));
        assert_eq!(serde_json::from_value::<Entry>(again).unwrap(), entry);
    }

    #[test]
    fn a_name_is_a_label() {
        for good in ["node-red", "a", "x1"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "Node-RED", "a/b", "..", "a.b", "-a", "a-", "ä"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
