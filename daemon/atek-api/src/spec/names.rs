//! Texts that become file names or parts of a unit.

use super::error::SpecError;
use super::paths;
use crate::text::checked_text;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

/// A path inside a package: relative, and staying there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);
checked_text!(RelativePath);

impl FromStr for RelativePath {
    type Err = SpecError;

    /// Also takes a leading `./`, and drops it.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let refused = || SpecError::RelativePath(sanitize_title(text));
        if text.is_empty() || text.len() > 1024 || text.contains(char::is_control) {
            return Err(refused());
        }
        let mut parts = Vec::new();
        for component in Path::new(text).components() {
            match component {
                Component::Normal(part) => parts.push(part.to_str().ok_or_else(refused)?),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(refused());
                }
            }
        }
        if parts.is_empty() {
            Err(refused())
        } else {
            Ok(Self(parts.join("/")))
        }
    }
}

/// Names one run of `atek-package`: its unit and its staging folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);
checked_text!(JobId);

impl JobId {
    /// The name of the transient unit that runs the job.
    #[must_use]
    pub fn unit(&self) -> String {
        format!("atek-package-{}.service", self.0)
    }
}

impl FromStr for JobId {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let fits = (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(SpecError::JobId)
        }
    }
}

/// The name of a snapshot of a service's state: its folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
pub struct SnapshotName(String);
checked_text!(SnapshotName);

impl FromStr for SnapshotName {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let fits = (1..=40).contains(&text.len())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !text.starts_with('-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(SpecError::SnapshotName)
        }
    }
}

/// The name of one version's folder: an installed tag, a commit or a date.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageVersion(String);
checked_text!(PackageVersion);

impl FromStr for PackageVersion {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let fits = (1..=128).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-_+".contains(&b));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(SpecError::Version)
        }
    }
}

/// Makes a title that is safe to show: one line of at most 80 characters, without control
/// characters, characters that reorder or hide text, and `%`, which systemd would expand.
#[must_use]
pub fn sanitize_title(text: &str) -> String {
    let visible = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| {
            !c.is_control()
                && *c != '%'
                && !matches!(*c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
                && !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
                && !matches!(*c, '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
                && !matches!(*c, '\u{e0000}'..='\u{e0fff}')
        });
    let mut line = String::new();
    for c in visible {
        if c != ' ' || !(line.is_empty() || line.ends_with(' ')) {
            line.push(c);
        }
    }
    let short: String = line.chars().take(80).collect();
    short.trim_end().to_owned()
}

/// Folders that are never a package, whatever atekd says.
const FORBIDDEN: [&str; 12] = [
    "/boot",
    "/dev",
    "/efi",
    "/etc",
    "/proc",
    "/run",
    "/sys",
    "/usr",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
];

/// A folder that may be bound into a service: absolute, normal, and not the system's.
///
/// Refused characters are those that mean something in a unit's list of paths.
pub(super) fn check_host_folder(folder: &Path) -> Result<(), SpecError> {
    let refused =
        || SpecError::HostFolder(PathBuf::from(sanitize_title(&folder.to_string_lossy())));
    let text = folder.to_str().ok_or_else(refused)?;
    let odd = |c: char| c.is_control() || matches!(c, ':' | '%' | '\\' | '"' | '\'');
    let is_normal = text.starts_with('/')
        && text.len() <= 2048
        && !text.contains(odd)
        && (text == "/"
            || text[1..]
                .split('/')
                .all(|part| !matches!(part, "" | "." | "..")));
    if !is_normal {
        return Err(refused());
    }
    let allowed = folder.starts_with(paths::PACKAGES) || folder.starts_with(paths::CORE);
    // A parent of such a folder would show it, too.
    let system = FORBIDDEN
        .iter()
        .any(|f| folder.starts_with(f) || Path::new(f).starts_with(folder));
    if system && !allowed {
        return Err(SpecError::ForbiddenFolder(folder.to_path_buf()));
    }
    Ok(())
}
