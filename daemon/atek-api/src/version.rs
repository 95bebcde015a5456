//! Which git tag is a release, and which one to take.

mod range;

pub use range::{InvalidRange, Range};

use semver::Version;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A git tag that names a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Release {
    /// The tag, literally: what the API calls the installed version. At most 100 of
    /// `A-Z a-z 0-9 . + -`, so it is also a file name.
    pub tag: String,
    /// What it means.
    pub version: Version,
}

/// Why no release can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoChoice {
    /// No tag names a version, or only previews and none was asked for.
    #[error("no tag names a release")]
    NoRelease,
    /// There are releases, none of them in the range.
    #[error("no release is in the wanted range")]
    NoMatch,
    /// Those in the range were rolled back before.
    #[error("every release in the wanted range was tried and rolled back")]
    AllRefused,
}

impl Release {
    /// Reads a tag: a semantic version, with or without `v` before it. `v1` and `v1.2`
    /// stand for 1.0.0 and 1.2.0. Anything else is not a release.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let text = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
        if tag.len() > 100 {
            return None;
        }
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let full = match text.split('.').collect::<Vec<_>>().as_slice() {
            [major] if digits(major) => format!("{text}.0.0"),
            [major, minor] if digits(major) && digits(minor) => format!("{text}.0"),
            _ => text.to_owned(),
        };
        let version = Version::parse(&full).ok()?;
        Some(Self {
            tag: tag.to_owned(),
            version,
        })
    }

    /// Whether the tag says all three numbers: `v1.0.0`, not `v1`.
    fn is_exact(&self) -> bool {
        self.tag
            .split(['-', '+'])
            .next()
            .unwrap_or_default()
            .matches('.')
            .count()
            == 2
    }
}

impl Ord for Release {
    /// By version. Of two tags of one version, the one that says it in full is greater
    /// (a `v1` beside `v1.0.0` is often moved), then the one without `v`.
    fn cmp(&self, other: &Self) -> Ordering {
        self.version
            .cmp(&other.version)
            .then_with(|| self.is_exact().cmp(&other.is_exact()))
            .then_with(|| other.tag.cmp(&self.tag))
    }
}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Picks the newest release in `range` that was not `refused`.
///
/// A preview (`1.0.0-beta`) counts only where the range names one of the same
/// version, as npm has it.
///
/// # Errors
///
/// See [`NoChoice`].
pub fn choose<'t>(
    tags: impl IntoIterator<Item = &'t str>,
    range: &Range,
    refused: &[Version],
) -> Result<Release, NoChoice> {
    let releases: Vec<_> = tags.into_iter().filter_map(Release::from_tag).collect();
    let (refused, open): (Vec<_>, Vec<_>) = releases
        .iter()
        .filter(|release| range.matches(&release.version))
        .partition(|release| refused.contains(&release.version));
    match open.into_iter().max() {
        Some(release) => Ok(release.clone()),
        None if !refused.is_empty() => Err(NoChoice::AllRefused),
        None if releases
            .iter()
            .any(|release| release.version.pre.is_empty()) =>
        {
            Err(NoChoice::NoMatch)
        }
        None if range.is_any() || releases.is_empty() => Err(NoChoice::NoRelease),
        None => Err(NoChoice::NoMatch),
    }
}

/// Whether `candidate` is newer than the installed tag: by the order of versions,
/// so that a tag that disappeared never leads to an older version.
///
/// An installed tag that is no release is older than any.
#[must_use]
pub fn is_update(installed: &str, candidate: &Release) -> bool {
    match Release::from_tag(installed) {
        // Build metadata has an order in the semver crate and none in the standard.
        Some(installed) => installed.version.cmp_precedence(&candidate.version) == Ordering::Less,
        None => true,
    }
}

#[cfg(test)]
mod tests;
