//! Ranges of versions, in npm's notation.

use semver::{Comparator, Op, Prerelease, Version, VersionReq};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A range as npm writes it: `^1.2`, `~1.2.3`, `1.x`, `>=1 <2`, `1.2 - 2.3`, `1 || 3`,
/// and `1.2.3` for exactly that one. Empty, `*` and `latest` admit every release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range {
    /// As given.
    text: String,
    /// A version must fit one of them. Empty: any release.
    alternatives: Vec<VersionReq>,
}

/// A text is not a [`Range`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a range of versions; write for example 1.2.3, ^1.2, 1.x, \">=1 <2\" or \"1 || 3\""
)]
pub struct InvalidRange(String);

impl Range {
    /// Every release.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Whether the range admits every release.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a version is in the range.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        if self.is_any() {
            return version.pre.is_empty();
        }
        self.alternatives.iter().any(|req| req.matches(version))
    }
}

impl FromStr for Range {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let text = text.trim();
        let refused = || InvalidRange(text.chars().take(60).collect());
        if text.len() > 200 {
            return Err(refused());
        }
        if matches!(text, "" | "latest") {
            return Ok(Self {
                text: text.to_owned(),
                alternatives: Vec::new(),
            });
        }
        let alternatives = text
            .split("||")
            .map(|part| alternative(part.trim()).ok_or_else(refused))
            .collect::<Result<Vec<_>, _>>()?;
        // `*` beside anything else admits everything that the others admit, and more.
        let all = alternatives.iter().any(|req| req.comparators.is_empty());
        let previews = alternatives
            .iter()
            .any(|req| req.comparators.iter().any(|c| !c.pre.is_empty()));
        let alternatives = if all && !previews {
            Vec::new()
        } else {
            alternatives
        };
        Ok(Self {
            text: text.to_owned(),
            alternatives,
        })
    }
}

/// Comparators that must all fit.
fn alternative(text: &str) -> Option<VersionReq> {
    if let Some((low, high)) = text.split_once(" - ") {
        let comparators = [
            bound(Op::GreaterEq, low.trim())?,
            bound(Op::LessEq, high.trim())?,
        ];
        return Some(VersionReq {
            comparators: comparators.into_iter().flatten().collect(),
        });
    }
    // `>= 1.2` is one comparator, `>=1 <2` are two.
    let mut joined = String::new();
    for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        if !joined.is_empty() && !joined.ends_with(['<', '>', '=', '^', '~']) {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    let mut comparators = Vec::new();
    for word in joined.split(' ') {
        let version = word.trim_start_matches(['<', '>', '=', '^', '~']);
        let op = match &word[..word.len() - version.len()] {
            // A bare version is exact in npm's notation, and a caret in Cargo's.
            "" | "=" => Op::Exact,
            ">" => Op::Greater,
            ">=" => Op::GreaterEq,
            "<" => Op::Less,
            "<=" => Op::LessEq,
            "^" => Op::Caret,
            "~" | "~>" => Op::Tilde,
            _ => return None,
        };
        comparators.extend(bound(op, version)?);
    }
    (comparators.len() <= 32).then_some(VersionReq { comparators })
}

/// One comparator; `Some(None)` if it admits everything.
fn bound(op: Op, text: &str) -> Option<Option<Comparator>> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let number_end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, suffix) = text.split_at(number_end);
    let mut parts = Vec::new();
    let mut open = false;
    for part in numbers.split('.') {
        match part {
            "x" | "X" | "*" => open = true,
            _ if open => return None,
            // Cargo's limits: no sign, no leading zero, 64 bits.
            digits if digits == "0" || !digits.starts_with('0') => {
                if !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                parts.push(digits.parse::<u64>().ok()?);
            }
            _ => return None,
        }
    }
    if numbers.split('.').count() > 3 || (!suffix.is_empty() && parts.len() != 3) {
        return None;
    }
    // Build metadata does not take part in a comparison.
    let pre = suffix.split('+').next().unwrap_or_default();
    let pre = match pre.strip_prefix('-') {
        Some("") => return None,
        Some(pre) => Prerelease::new(pre).ok()?,
        None => Prerelease::EMPTY,
    };
    let [major, ref rest @ ..] = parts[..] else {
        // `<*` and `>*` admit nothing, which is never meant.
        return (!matches!(op, Op::Less | Op::Greater)).then_some(None);
    };
    Some(Some(Comparator {
        op,
        major,
        minor: rest.first().copied(),
        patch: rest.get(1).copied(),
        pre,
    }))
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() {
            "*"
        } else {
            &self.text
        })
    }
}

impl TryFrom<String> for Range {
    type Error = InvalidRange;

    fn try_from(text: String) -> Result<Self, InvalidRange> {
        text.parse()
    }
}

impl From<Range> for String {
    fn from(range: Range) -> String {
        range.text
    }
}
