//! What may be wrong with a package that can be installed all the same.

use serde::{Deserialize, Serialize};

/// The most warnings of one package.
pub const MAX_WARNINGS: usize = 16;
/// Characters of the longest warning.
const MAX_CHARS: usize = 500;

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
    /// The build has changed atek.json. What was shown before the build is in force.
    ManifestChanged,
}

impl Warning {
    /// A warning with this text.
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
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
    fn a_warning_is_a_code_and_a_sentence() {
        let warning = Warning::new(WarningCode::NoLockfile, "x");
        let text = r#"{"code":"no-lockfile","message":"x"}"#;
        assert_eq!(serde_json::to_string(&warning).unwrap(), text);
        assert_eq!(serde_json::from_str::<Warning>(text).unwrap(), warning);
    }
}
