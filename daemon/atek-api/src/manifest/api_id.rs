//! Ids of APIs.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Bytes of the longest id.
const MAX_BYTES: usize = 200;

/// The id of an API: a domain name of its author, `/` and a name, such as
/// `example.org/feeds` or `example.org/feeds/v2`.
///
/// The domain is lower case, so that two ids that look alike are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct ApiId(String);

/// A text is not an [`ApiId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an API id is a lower-case domain name, '/' and a name of letters, digits, '.', '_' and '-', such as example.org/feeds"
)]
pub struct InvalidApiId;

impl ApiId {
    /// The domain of Atek's own APIs.
    pub const CORE_DOMAIN: &str = "atek.cloud";

    /// The part before the first `/`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// Whether the id is one of Atek's own, which only core services may provide.
    #[must_use]
    pub fn is_core(&self) -> bool {
        self.domain() == Self::CORE_DOMAIN
    }
}

impl FromStr for ApiId {
    type Err = InvalidApiId;

    fn from_str(text: &str) -> Result<Self, InvalidApiId> {
        let (domain, name) = text.split_once('/').ok_or(InvalidApiId)?;
        let fits = text.len() <= MAX_BYTES && is_domain(domain) && name.split('/').all(is_segment);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidApiId)
        }
    }
}

/// Host names by RFC 1123, lower case.
pub(crate) fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_domain_label)
}

fn is_domain_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn is_segment(segment: &str) -> bool {
    segment.starts_with(|c: char| c.is_ascii_alphanumeric())
        && segment
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

crate::text::checked_text!(ApiId);

impl PartialEq<str> for ApiId {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for ApiId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_id_is_a_domain_and_a_name() {
        for good in [
            "atek.cloud/adb-api",
            "example.org/feeds/v2",
            "localhost/x",
            "a-1.b/A_b.c",
        ] {
            assert_eq!(good.parse::<ApiId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/",
            "feeds",
            "example.org",
            "example.org/",
            "/feeds",
            "Example.org/feeds",
            "example..org/feeds",
            "-a.org/x",
            "a-.org/x",
            "example.org/a//b",
            "example.org/..",
            "example.org/.a",
            "example.org/a b",
            "example.org/a\n",
            "example.org/ä",
            "a.b/c?d",
            "https://example.org/feeds",
            "a_b.org/x",
        ] {
            assert_eq!(bad.parse::<ApiId>(), Err(InvalidApiId), "{bad:?}");
        }
        let long = format!("a.b/{}", "c".repeat(197));
        assert_eq!(long.parse::<ApiId>(), Err(InvalidApiId));
    }
}
