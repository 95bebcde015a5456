//! What may be wrong with a package that can be installed all the same.

use crate::manifest;
use crate::spec::RelativePath;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most warnings of one package.
pub const MAX_WARNINGS: usize = 16;
/// Characters of the longest warning.
const MAX_CHARS: usize = 500;
/// Bytes of the largest icon that is shown.
pub const ICON_MAX_BYTES: u64 = 256 << 10;

/// A warning as it goes to the person who installs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Warning {
    /// For programs.
    pub code: WarningCode,
    /// For people: what is unusual and what may follow from it. One line.
    pub message: String,
}

/// The kinds of warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum WarningCode {
    /// There are dependencies, but no lockfile: each install may get other versions.
    NoLockfile,
    /// The repository has submodules, which are not fetched.
    Submodules,
    /// Files are pointers of Git LFS, whose content is not fetched.
    LfsPointers,
    /// `engines` in package.json asks for another version of Node.
    Engines,
    /// A key of atek.json that is ignored looks like a known one.
    UnknownKey,
    /// The icon that atek.json names is not there, or cannot be shown.
    Icon,
    /// There is a signature that is wrong or cannot be checked.
    Signature,
    /// The image has devices or pipes, which no package may have.
    LeftOut,
    /// A folder of the machine names dependencies that are not in it.
    DependenciesMissing,
    /// The build has changed atek.json. What was shown before the build is in force.
    ManifestChanged,
}

impl Warning {
    /// A warning with this text.
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    /// Warns of keys of this atek.json that look misspelt.
    #[must_use]
    pub fn of_keys(manifest: &[u8]) -> Vec<Self> {
        let warn = |(key, meant): (String, &str)| {
            Self::new(
                WarningCode::UnknownKey,
                format!(
                    "atek.json has the key {key:?}, which is ignored; \"{meant}\" may be meant"
                ),
            )
        };
        let found = manifest::misspelt_keys(manifest).into_iter();
        found.map(warn).collect()
    }

    /// Warns of an icon that cannot be shown; `found` is whether there is a regular file, and its
    /// bytes.
    #[must_use]
    pub fn of_icon(icon: &RelativePath, found: Option<(bool, u64)>) -> Option<Self> {
        let problem = match found {
            None => "is not there",
            Some((false, _)) => "is not a file",
            Some((true, bytes)) if bytes > ICON_MAX_BYTES => "is larger than 256 KiB",
            Some((true, _)) => return None,
        };
        let message = format!("the icon {icon}, which atek.json names, {problem}");
        Some(Self::new(WarningCode::Icon, message))
    }

    /// Warns of a package that needs others, by its package.json, and has no `node_modules`.
    #[must_use]
    pub fn of_missing_dependencies(package_json: &[u8]) -> Option<Self> {
        let text = package_json
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(package_json);
        let json: Map<String, Value> = serde_json::from_slice(text).ok()?;
        let needed = json.get("dependencies")?.as_object()?;
        let (name, _) = needed.iter().next()?;
        let message = format!(
            "package.json names dependencies ({}) and there is no folder node_modules: a folder runs \
             as it is, so run `npm install` in it",
            match needed.len() {
                1 => name.clone(),
                count => format!("{name} and {} more", count - 1),
            }
        );
        Some(Self::new(WarningCode::DependenciesMissing, message))
    }

    /// The same list, fit to be stored and shown: a job that reads what strangers wrote may
    /// have written it. Control characters go, and what is beyond the bounds.
    #[must_use]
    pub fn bounded(list: Vec<Self>) -> Vec<Self> {
        let clean = |warning: Self| {
            let shown = warning.message.chars().filter(|c| !c.is_control());
            Self::new(warning.code, shown.take(MAX_CHARS).collect::<String>())
        };
        list.into_iter().take(MAX_WARNINGS).map(clean).collect()
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_cannot_flood_or_forge_the_list_of_warnings() {
        let long = format!("\u{1b}[1m\n{}", "é".repeat(2 * MAX_CHARS));
        let list = vec![Warning::new(WarningCode::Icon, long); 3 * MAX_WARNINGS];
        let bounded = Warning::bounded(list);
        assert_eq!(bounded.len(), MAX_WARNINGS);
        for warning in bounded {
            assert_eq!(warning.message.chars().count(), MAX_CHARS);
            assert!(warning.message.starts_with("[1mé"), "{warning}");
        }
    }

    #[test]
    fn dependencies_are_missing_where_some_are_named() {
        for (json, expected) in [
            (r#"{"dependencies":{"ws":"8"}}"#, Some("(ws)")),
            (
                r#"{"dependencies":{"express":"5","ws":"8","zod":"3"}}"#,
                Some("(express and 2 more)"),
            ),
            (r#"{"dependencies":{}}"#, None),
            (r#"{"devDependencies":{"tap":"21"}}"#, None),
            ("{}", None),
            ("[", None),
        ] {
            let found = Warning::of_missing_dependencies(json.as_bytes());
            assert_eq!(found.is_some(), expected.is_some(), "{json}");
            if let (Some(found), Some(expected)) = (found, expected) {
                assert!(found.message.contains(expected), "{found}");
            }
        }
    }

    #[test]
    fn a_warning_is_a_code_and_a_sentence() {
        let warning = Warning::new(WarningCode::NoLockfile, "x");
        let text = r#"{"code":"no-lockfile","message":"x"}"#;
        assert_eq!(serde_json::to_string(&warning).unwrap(), text);
        assert_eq!(serde_json::from_str::<Warning>(text).unwrap(), warning);
    }
}
