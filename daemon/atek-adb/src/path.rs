//! Where a record is: path segments, and the key that orders them.
//!
//! The key is the segments joined with NUL, compared byte by byte, as in the
//! original (nested Hyperbee subs). So `a` sorts before everything under it, and
//! all that lies under a path is one range.

use crate::limits::Limits;
use std::fmt;

/// Between two segments of a key.
const SEPARATOR: char = '\0';

/// The path of a record, or of a folder of records; the root has no segments.
///
/// Held as its key. Segments are not empty and hold no NUL; they may hold `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RecordPath(String);

/// Why a text or a list is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Only an array can hold one.
    #[error("Invalid path: segment {0} is empty")]
    EmptySegment(usize),
    /// NUL separates segments in the stored key.
    #[error("Invalid path: segment {0} contains a NUL character")]
    Nul(usize),
    /// See [`Limits::segments`].
    #[error("Invalid path: more than {0} segments")]
    TooDeep(usize),
    /// See [`Limits::key_bytes`].
    #[error("Invalid path: longer than {0} bytes")]
    TooLong(usize),
}

impl RecordPath {
    /// The root: above all records.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The path of a text such as `/a/b`; empty parts are dropped.
    ///
    /// # Errors
    ///
    /// A path that is over the limits, or holds a NUL.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, InvalidPath> {
        Self::from_segments(
            text.split('/').filter(|segment| !segment.is_empty()),
            limits,
        )
    }

    /// The path with the given segments.
    ///
    /// # Errors
    ///
    /// As [`RecordPath::parse`], and an empty segment.
    pub fn from_segments<'a>(
        segments: impl IntoIterator<Item = &'a str>,
        limits: &Limits,
    ) -> Result<Self, InvalidPath> {
        let mut key = String::new();
        for (position, segment) in (1..).zip(segments) {
            if segment.is_empty() {
                return Err(InvalidPath::EmptySegment(position));
            }
            if segment.contains(SEPARATOR) {
                return Err(InvalidPath::Nul(position));
            }
            if position > limits.segments {
                return Err(InvalidPath::TooDeep(limits.segments));
            }
            if position > 1 {
                key.push(SEPARATOR);
            }
            key.push_str(segment);
            if key.len() > limits.key_bytes {
                return Err(InvalidPath::TooLong(limits.key_bytes));
            }
        }
        Ok(Self(key))
    }

    /// A path from a stored key.
    #[must_use]
    pub fn from_key(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// The stored key: segments joined with NUL.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }

    /// Whether this is the root, where no record can be.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The segments, from the top.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0
            .split(SEPARATOR)
            .filter(|segment| !segment.is_empty())
    }

    /// The last segment; empty for the root.
    #[must_use]
    pub fn last(&self) -> &str {
        self.segments().next_back().unwrap_or_default()
    }

    /// What every key under this path begins with; everything after it is relative.
    #[must_use]
    pub fn prefix(&self) -> String {
        if self.is_root() {
            String::new()
        } else {
            format!("{}{SEPARATOR}", self.0)
        }
    }

    /// Whether `other` lies under this path; a path does not lie under itself.
    #[must_use]
    pub fn contains(&self, other: &RecordPath) -> bool {
        match other.0.strip_prefix(&self.0) {
            Some(rest) if self.is_root() => !rest.is_empty(),
            Some(rest) => rest.starts_with(SEPARATOR),
            None => false,
        }
    }

    /// The path's text with `/` in front, as in a record's `path`.
    #[must_use]
    pub fn text(&self) -> String {
        join("/", self.segments())
    }

    /// The `hyper://` URL of the record in a database.
    #[must_use]
    pub fn url(&self, db_id: &str) -> String {
        join(&format!("hyper://{db_id}/"), self.segments())
    }
}

/// The segments joined with `,`, as in `Not found: a,b,c`.
impl fmt::Display for RecordPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, segment) in self.segments().enumerate() {
            if nth > 0 {
                f.write_str(",")?;
            }
            f.write_str(segment)?;
        }
        Ok(())
    }
}

/// `start` and the segments with one `/` between them: one that a segment brings along at either
/// end counts, as in the original.
pub fn join<'a>(start: &str, segments: impl Iterator<Item = &'a str>) -> String {
    let mut text = start.to_owned();
    for segment in segments {
        match (
            text.is_empty() || text.ends_with('/'),
            segment.strip_prefix('/'),
        ) {
            (true, Some(rest)) => text.push_str(rest),
            (true, None) | (false, Some(_)) => text.push_str(segment),
            (false, None) => {
                text.push('/');
                text.push_str(segment);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> RecordPath {
        RecordPath::parse(text, &Limits::default()).unwrap()
    }

    #[test]
    fn texts_and_arrays_become_keys() {
        assert_eq!(path("/a//b/").key(), "a\0b");
        assert_eq!(path("/").key(), "");
        let list = RecordPath::from_segments(["a/b", "c"], &Limits::default()).unwrap();
        assert_eq!(list.key(), "a/b\0c");
        assert_eq!(list.text(), "/a/b/c");
        assert_eq!(list.url("id"), "hyper://id/a/b/c");
        assert_eq!(list.to_string(), "a/b,c");
        assert_eq!(list.last(), "c");
        assert_eq!(path("/").text(), "/");
        let odd = RecordPath::from_segments(["a/", "/b"], &Limits::default()).unwrap();
        assert_eq!(odd.text(), "/a/b");
    }

    #[test]
    fn what_could_not_be_stored_or_found_again_is_refused() {
        let limits = Limits {
            key_bytes: 10,
            segments: 2,
            ..Limits::default()
        };
        for (segments, expected) in [
            (&["a", ""][..], InvalidPath::EmptySegment(2)),
            (&["a\0b"], InvalidPath::Nul(1)),
            (&["a", "b", "c"], InvalidPath::TooDeep(2)),
            (&["0123456789a"], InvalidPath::TooLong(10)),
        ] {
            assert_eq!(
                RecordPath::from_segments(segments.iter().copied(), &limits),
                Err(expected)
            );
        }
    }

    #[test]
    fn only_what_is_below_lies_under_a_path() {
        for (above, below, expected) in [
            ("a", "a/b", true),
            ("a", "a", false),
            ("a", "ab", false),
            ("/", "a", true),
            ("/", "/", false),
            ("a/b", "a", false),
        ] {
            assert_eq!(
                path(above).contains(&path(below)),
                expected,
                "{above} {below}"
            );
        }
    }

    proptest! {
        #[test]
        fn all_that_lies_under_a_path_is_one_range(a in "[a-c/]{0,6}", b in "[a-c/]{0,6}") {
            let (a, b) = (path(&a), path(&b));
            let in_range = !b.is_root() && b.key().starts_with(&a.prefix());
            prop_assert_eq!(a.contains(&b), in_range);
        }
    }
}
