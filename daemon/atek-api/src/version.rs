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
    /// `A-Z a-z 0-9 . + - @ /`; [`Release::folder_name`] is a file name.
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
    /// Reads a tag: a semantic version, with or without `v` before it. `v1` and `v1.2` stand
    /// for 1.0.0 and 1.2.0, and a calendar version such as `2024.08.07` may have zeros before
    /// its digits. One name may precede it: `notes@1.2.3`, `notes-v1.2.3`, `releases/v1.2.3`.
    /// Anything else is not a release; see also [`releases`].
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        if tag.len() > 100 {
            return None;
        }
        let version = plain(tag).or_else(|| {
            let (_, text) = prefixed(tag)?;
            // `build-17` counts builds; a version that stands behind a name has a dot.
            plain(text).filter(|_| text.contains('.'))
        })?;
        let tag = tag.to_owned();
        Some(Self { tag, version })
    }

    /// The name of the folder of this version: the tag, with `_` for what no folder has.
    #[must_use]
    pub fn folder_name(tag: &str) -> String {
        tag.replace(['/', '@'], "_")
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

/// A version without a name before it.
fn plain(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<_> = text.split('.').collect();
    let is_year = |part: &str| part.len() == 4 && digits(part) && matches!(&part[..2], "19" | "20");
    let full = match parts.as_slice() {
        [major] if digits(major) => format!("{text}.0.0"),
        [major, minor] if digits(major) && digits(minor) => {
            format!("{major}.{}.0", calendar(minor, is_year(major)))
        }
        [year, month, rest] if is_year(year) && digits(month) => {
            let (day, suffix) = rest.split_at(rest.find(['-', '+']).unwrap_or(rest.len()));
            format!(
                "{year}.{}.{}{suffix}",
                calendar(month, true),
                calendar(day, true)
            )
        }
        _ => text.to_owned(),
    };
    Version::parse(&full).ok()
}

/// A month or a day, without its zeros.
fn calendar(part: &str, is_calendar: bool) -> &str {
    match part.trim_start_matches('0') {
        _ if !is_calendar => part,
        "" => "0",
        short => short,
    }
}

/// The name before a version, and the version: `notes@1.2.3`, `notes-v1.2.3`,
/// `releases/v1.2.3`.
fn prefixed(tag: &str) -> Option<(&str, &str)> {
    let starts = |text: &str| {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        text.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut separators = tag.match_indices(['-', '@', '/']);
    let (at, _) = separators.find(|(at, _)| starts(&tag[at + 1..]))?;
    let (name, text) = (&tag[..at], &tag[at + 1..]);
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    fits.then_some((name, text))
}

/// The releases among the tags of one repository.
///
/// Tags with a name before the version count only where all have the same name and no tag
/// is a version by itself: a repository of several packages has several names.
#[must_use]
pub fn releases<'t>(tags: impl IntoIterator<Item = &'t str>) -> Vec<Release> {
    let all: Vec<_> = tags.into_iter().filter_map(Release::from_tag).collect();
    let name = |release: &Release| match plain(&release.tag) {
        Some(_) => None,
        None => prefixed(&release.tag).map(|(name, _)| name.to_owned()),
    };
    let mut names: Vec<_> = all.iter().filter_map(name).collect();
    names.sort();
    names.dedup();
    let has_plain = all.iter().any(|release| name(release).is_none());
    if has_plain {
        all.into_iter()
            .filter(|release| name(release).is_none())
            .collect()
    } else if names.len() == 1 {
        all
    } else {
        Vec::new()
    }
}

/// Why none of the tags of a repository is a release to install, as the end of a sentence
/// for a person: which tags there are, and what helps. Empty for a repository without tags.
#[must_use]
pub fn explain_tags(tags: &[String]) -> String {
    const NAMED: usize = 5;
    let list = |tags: &[&str]| {
        let named: Vec<_> = tags.iter().take(NAMED).map(|tag| shown(tag)).collect();
        let more = tags.len().saturating_sub(NAMED);
        match more {
            0 => named.join(", "),
            more => format!("{} and {more} more", named.join(", ")),
        }
    };
    let mut previews = releases(tags.iter().map(String::as_str));
    previews.sort_by(|a, b| b.cmp(a));
    let names: Vec<_> = previews
        .iter()
        .map(|preview| preview.tag.as_str())
        .collect();
    if let Some(newest) = previews.first() {
        return format!(
            ". There are previews: {}. To install one, ask for its version: {}",
            list(&names),
            newest.version
        );
    }
    match tags {
        [] => String::new(),
        tags => {
            let names: Vec<_> = tags.iter().map(String::as_str).collect();
            format!(
                ". None of its tags is a version such as v1.2.3: {}",
                list(&names)
            )
        }
    }
}

/// A tag as a message shows it.
fn shown(tag: &str) -> String {
    tag.chars().filter(|c| !c.is_control()).take(60).collect()
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
    let releases = releases(tags);
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
