//! Where a package comes from.

use crate::services::SourceType;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use url::Url;

/// A place that packages are installed from.
///
/// Never holds a password, so it may be shown and logged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// A folder of this machine, run in place: `file:///abs` or `/abs`.
    Folder(PathBuf),
    /// A git repository on another machine: `https://…` or `http://…`.
    Git(Url),
    /// A git repository of this machine: `git+file:///abs`.
    GitFolder(PathBuf),
}

/// Why a text is not a [`Source`]. No variant holds the text: it may have a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    /// Neither a URL nor an absolute path.
    #[error(
        "the source must be an https:// or http:// URL of a git repository, or a folder as /path, file:///path or git+file:///path"
    )]
    Form,
    /// `git@host:path` and the like.
    #[error("only git over https and http can be installed from, not {0}")]
    Scheme(String),
    /// The URL has a user name or a password.
    #[error(
        "the source must not have a user name or password in it: it is shown to everybody who may see the app"
    )]
    Credentials,
    /// The URL has `?` or `#`.
    #[error("the URL of a git repository has no '?' and no '#'")]
    QueryOrFragment,
    /// The path is not absolute, leaves itself, or has odd characters.
    #[error("the folder must be an absolute path without \"..\" and control characters")]
    Path,
    /// `file://HOST/…`
    #[error("a folder must be on this machine: write file:///path with three slashes")]
    OtherMachine,
    /// More than 2,000 bytes.
    #[error("the source is longer than 2000 characters")]
    TooLong,
}

impl Source {
    /// What the API calls the kind of source.
    #[must_use]
    pub fn source_type(&self) -> SourceType {
        match self {
            Self::Folder(_) => SourceType::File,
            Self::Git(_) | Self::GitFolder(_) => SourceType::Git,
        }
    }

    /// The folder of this machine that is read, if it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) | Self::GitFolder(path) => Some(path),
            Self::Git(_) => None,
        }
    }

    /// A name for the app when nobody gives one: the last part of the path, for
    /// [`crate::ids::ServiceId::derive`].
    #[must_use]
    pub fn default_name(&self) -> String {
        let last = match self {
            Self::Folder(path) | Self::GitFolder(path) => path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned()),
            Self::Git(url) => url
                .path_segments()
                .and_then(|mut parts| parts.rfind(|part| !part.is_empty()))
                .or(url.host_str())
                .map(ToOwned::to_owned),
        };
        let last = last.unwrap_or_else(|| "app".to_owned());
        last.strip_suffix(".git")
            .map(ToOwned::to_owned)
            .unwrap_or(last)
    }
}

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let text = text.trim();
        if text.len() > 2_000 {
            return Err(InvalidSource::TooLong);
        }
        if text.starts_with('/') {
            return folder(PathBuf::from(text)).map(Self::Folder);
        }
        let Ok(url) = Url::parse(text) else {
            // `git@example.org:path` is what people paste.
            return Err(match text.split_once('@') {
                Some((_, rest)) if rest.contains(':') => InvalidSource::Scheme("ssh".to_owned()),
                _ => InvalidSource::Form,
            });
        };
        match url.scheme() {
            "file" => url_folder(text, "file://").map(Self::Folder),
            "git+file" => url_folder(text, "git+file://").map(Self::GitFolder),
            "https" | "http" => git_url(url).map(Self::Git),
            scheme => Err(InvalidSource::Scheme(scheme.to_owned())),
        }
    }
}

fn git_url(mut url: Url) -> Result<Url, InvalidSource> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidSource::Credentials);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(InvalidSource::QueryOrFragment);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// The path of a `file:` URL. Read from the text, not from the parsed URL, which
/// has already resolved `..`.
fn url_folder(text: &str, prefix: &str) -> Result<PathBuf, InvalidSource> {
    let rest = text
        .get(..prefix.len())
        .filter(|start| start.eq_ignore_ascii_case(prefix))
        .map(|_| &text[prefix.len()..])
        .ok_or(InvalidSource::Path)?;
    let rest = rest
        .strip_prefix("localhost")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(rest);
    if !rest.starts_with('/') {
        return Err(InvalidSource::OtherMachine);
    }
    if rest.contains(['?', '#']) {
        return Err(InvalidSource::QueryOrFragment);
    }
    let path = percent_decode(rest).ok_or(InvalidSource::Path)?;
    folder(PathBuf::from(path))
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

fn folder(path: PathBuf) -> Result<PathBuf, InvalidSource> {
    let text = path.to_str().ok_or(InvalidSource::Path)?;
    let climbs = path
        .components()
        .any(|part| matches!(part, Component::ParentDir));
    if !path.is_absolute() || climbs || text.contains(char::is_control) {
        return Err(InvalidSource::Path);
    }
    // Without `.`, `//` and a slash at the end.
    Ok(path.components().collect())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", escaped(path)),
            Self::GitFolder(path) => write!(f, "git+file://{}", escaped(path)),
            Self::Git(url) => f.write_str(url.as_str()),
        }
    }
}

/// The path with what a URL cannot hold escaped.
fn escaped(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .fold(String::new(), |mut text, c| {
            if matches!(
                c,
                '%' | '?' | '#' | ' ' | '"' | '<' | '>' | '`' | '{' | '}' | '\\'
            ) {
                text.push_str(&format!("%{:02X}", u32::from(c)));
            } else {
                text.push(c);
            }
            text
        })
}

impl TryFrom<String> for Source {
    type Error = InvalidSource;

    fn try_from(text: String) -> Result<Self, InvalidSource> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        source.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sources_are_read_and_shown() {
        // (text, shown, type, name)
        for (text, shown, kind, name) in [
            (
                "/srv/apps/rss",
                "file:///srv/apps/rss",
                SourceType::File,
                "rss",
            ),
            (
                "/srv//apps/./rss/",
                "file:///srv/apps/rss",
                SourceType::File,
                "rss",
            ),
            (
                "file:///srv/my%20app",
                "file:///srv/my%20app",
                SourceType::File,
                "my app",
            ),
            ("FILE:///srv/a", "file:///srv/a", SourceType::File, "a"),
            (
                "file://localhost/srv/a",
                "file:///srv/a",
                SourceType::File,
                "a",
            ),
            (
                "git+file:///srv/a.git",
                "git+file:///srv/a.git",
                SourceType::Git,
                "a",
            ),
            (
                "https://example.org/x/rss",
                "https://example.org/x/rss",
                SourceType::Git,
                "rss",
            ),
            (
                "https://example.org/x/rss.git/",
                "https://example.org/x/rss.git",
                SourceType::Git,
                "rss",
            ),
            (
                "http://example.org:8080/x",
                "http://example.org:8080/x",
                SourceType::Git,
                "x",
            ),
            (
                "https://example.org",
                "https://example.org/",
                SourceType::Git,
                "example.org",
            ),
        ] {
            let source: Source = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(source.to_string(), shown, "{text}");
            assert_eq!(source.source_type(), kind, "{text}");
            assert_eq!(source.default_name(), name, "{text}");
            assert_eq!(shown.parse(), Ok(source), "{text}");
        }
    }

    #[test]
    fn other_sources_are_refused_without_repeating_a_secret() {
        use InvalidSource::*;
        for (text, expected) in [
            ("", Form),
            ("rss", Form),
            ("./rss", Form),
            ("git@example.org:x/rss", Scheme("ssh".to_owned())),
            ("ssh://example.org/x", Scheme("ssh".to_owned())),
            ("ftp://example.org/x", Scheme("ftp".to_owned())),
            ("https://user:hunter2@example.org/x", Credentials),
            ("https://hunter2@example.org/x", Credentials),
            ("https://example.org/x?token=hunter2", QueryOrFragment),
            ("https://example.org/x#hunter2", QueryOrFragment),
            ("/srv/../etc", Path),
            ("file:///srv/../etc", Path),
            ("file:///srv/%2e%2e/etc", Path),
            ("file:///srv/%00", Path),
            ("file:///srv/%zz", Path),
            ("file:///srv/%+1", Path),
            ("file:///srv/%ff", Path),
            ("/srv/a\nb", Path),
            ("file://server/share", OtherMachine),
            ("file:/srv/a", Path),
            ("git+file://../a", OtherMachine),
        ] {
            let error = text.parse::<Source>().unwrap_err();
            assert_eq!(error, expected, "{text:?}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_shown_so_that_it_reads_the_same(text in ".{0,60}", prefix in prop_oneof![
            Just(""), Just("/"), Just("file:///"), Just("git+file:///"), Just("https://a.org/"), Just("http://")
        ]) {
            if let Ok(source) = format!("{prefix}{text}").parse::<Source>() {
                prop_assert_eq!(source.to_string().parse::<Source>(), Ok(source));
            }
        }
    }
}
