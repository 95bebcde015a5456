//! Where a package comes from.

use crate::catalogue::Name;
use crate::image::{ImageName, InvalidImage};
use crate::services::SourceType;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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
    /// A recipe of a catalogue: `catalogue:CATALOGUE/RECIPE`.
    Recipe {
        /// The catalogue's name on this box.
        catalogue: Name,
        /// The recipe's name in it.
        recipe: Name,
    },
    /// A folder of this machine with a recipe, which is copied and built: `recipe+file:///abs`.
    RecipeFolder(PathBuf),
    /// A container image: `oci://REGISTRY/REPOSITORY[:TAG]`, or `oci+http://…` of a registry
    /// without encryption.
    Image {
        /// Its name.
        image: ImageName,
        /// Whether the registry speaks http.
        plain: bool,
    },
}

/// Why a text is not a [`Source`]. No variant holds the text: it may have a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    /// `oci:` and not the name of an image.
    #[error(transparent)]
    Image(#[from] InvalidImage),
    /// Neither a URL nor an absolute path.
    #[error(
        "the source must be an https:// or http:// URL of a git repository, or a folder as /path, file:///path or git+file:///path"
    )]
    Form,
    /// `catalogue:` and not two names.
    #[error("an app of a catalogue is written catalogue:CATALOGUE/NAME")]
    Recipe,
    /// A protocol that packages are not fetched by.
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
            // Recipes are releases, too, and come from catalogues that are kept in git.
            // Tags of an image are releases as tags of a repository are.
            Self::Git(_)
            | Self::GitFolder(_)
            | Self::Recipe { .. }
            | Self::RecipeFolder(_)
            | Self::Image { .. } => SourceType::Git,
        }
    }

    /// The folder of this machine that is read, if it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) | Self::GitFolder(path) | Self::RecipeFolder(path) => Some(path),
            Self::Git(_) | Self::Recipe { .. } | Self::Image { .. } => None,
        }
    }

    /// A name for the app when none is given: the last part of the path, for
    /// [`crate::ids::ServiceId::derive`].
    #[must_use]
    pub fn default_name(&self) -> String {
        let last = match self {
            Self::Recipe { recipe, .. } => Some(recipe.to_string()),
            Self::Image { image, .. } => Some(image.last_part().to_owned()),
            Self::Folder(path) | Self::GitFolder(path) | Self::RecipeFolder(path) => path
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
        if let Some(rest) = text.strip_prefix("catalogue:") {
            return recipe(rest);
        }
        for (prefix, plain) in [("oci://", false), ("oci+http://", true)] {
            if let Some(image) = text.strip_prefix(prefix) {
                let image = image.parse()?;
                return Ok(Self::Image { image, plain });
            }
        }
        let text = &web_address(text);
        let url = Url::parse(text).map_err(|_| InvalidSource::Form)?;
        match url.scheme() {
            "file" => url_folder(text, "file://").map(Self::Folder),
            "git+file" => url_folder(text, "git+file://").map(Self::GitFolder),
            "recipe+file" => url_folder(text, "recipe+file://").map(Self::RecipeFolder),
            "https" | "http" => git_url(url).map(Self::Git),
            scheme => Err(InvalidSource::Scheme(scheme.to_owned())),
        }
    }
}

/// The https address of what people copy from a git host for use over ssh,
/// `git@HOST:OWNER/REPO` or `ssh://git@HOST/OWNER/REPO`; any other text as it is.
fn web_address(text: &str) -> Cow<'_, str> {
    let place = match text.strip_prefix("ssh://git@") {
        Some(rest) => rest.split_once('/'),
        None if text.contains("://") => None,
        None => text
            .strip_prefix("git@")
            .and_then(|rest| rest.split_once(':')),
    };
    match place {
        // A port of ssh says nothing about the one of https.
        Some((host, path)) if !host.is_empty() && !path.is_empty() => {
            let host = host.split(':').next().unwrap_or(host);
            Cow::Owned(format!("https://{host}/{}", path.trim_start_matches('/')))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Takes away what a git host's pages have behind the address of a repository: the tab of a
/// page, and the branch or file that it shows.
fn strip_page(url: &mut Url) {
    if url.query().is_some_and(|query| query.starts_with("tab=")) {
        url.set_query(None);
    }
    if url
        .fragment()
        .is_some_and(|f| f.to_lowercase().starts_with("readme"))
    {
        url.set_fragment(None);
    }
    let path = url.path().to_owned();
    // GitLab's mark between a repository and its pages.
    if let Some((repository, _)) = path.split_once("/-/") {
        url.set_path(repository);
        return;
    }
    const HOSTS: [&str; 3] = ["github.com", "codeberg.org", "bitbucket.org"];
    const PAGES: [&str; 8] = [
        "tree", "blob", "src", "releases", "tags", "commits", "issues", "wiki",
    ];
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host);
    let parts: Vec<_> = path.split('/').skip(1).collect();
    if let [owner, repository, page, ..] = parts.as_slice()
        && HOSTS.contains(&host)
        && PAGES.contains(page)
    {
        url.set_path(&format!("/{owner}/{repository}"));
    }
}

fn git_url(mut url: Url) -> Result<Url, InvalidSource> {
    strip_page(&mut url);
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

/// `CATALOGUE/RECIPE`.
fn recipe(text: &str) -> Result<Source, InvalidSource> {
    let (catalogue, recipe) = text.split_once('/').ok_or(InvalidSource::Recipe)?;
    match (catalogue.parse(), recipe.parse()) {
        (Ok(catalogue), Ok(recipe)) => Ok(Source::Recipe { catalogue, recipe }),
        _ => Err(InvalidSource::Recipe),
    }
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
            Self::RecipeFolder(path) => write!(f, "recipe+file://{}", escaped(path)),
            Self::Recipe { catalogue, recipe } => write!(f, "catalogue:{catalogue}/{recipe}"),
            Self::Git(url) => f.write_str(url.as_str()),
            Self::Image { image, plain } => {
                let scheme = if *plain { "oci+http" } else { "oci" };
                write!(f, "{scheme}://{image}")
            }
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

crate::text::text_on_the_wire!(Source);

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
                "catalogue:atek/node-red",
                "catalogue:atek/node-red",
                SourceType::Git,
                "node-red",
            ),
            (
                "recipe+file:///srv/recipes/notes",
                "recipe+file:///srv/recipes/notes",
                SourceType::Git,
                "notes",
            ),
            (
                "https://example.org/x/rss",
                "https://example.org/x/rss",
                SourceType::Git,
                "rss",
            ),
            (
                "oci://docker.io/library/redis:7.2.5",
                "oci://docker.io/library/redis:7.2.5",
                SourceType::Git,
                "redis",
            ),
            (
                "oci+http://127.0.0.1:5000/x",
                "oci+http://127.0.0.1:5000/x",
                SourceType::Git,
                "x",
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
                "git@example.org:x/rss.git",
                "https://example.org/x/rss.git",
                SourceType::Git,
                "rss",
            ),
            (
                "ssh://git@example.org:2222/x/rss",
                "https://example.org/x/rss",
                SourceType::Git,
                "rss",
            ),
            (
                "https://github.com/x/rss/tree/main",
                "https://github.com/x/rss",
                SourceType::Git,
                "rss",
            ),
            (
                "https://github.com/x/rss?tab=readme-ov-file#readme",
                "https://github.com/x/rss",
                SourceType::Git,
                "rss",
            ),
            (
                "https://git.example.org/a/b/rss/-/tree/main/sub",
                "https://git.example.org/a/b/rss",
                SourceType::Git,
                "rss",
            ),
            (
                "https://codeberg.org/x/rss/src/branch/main",
                "https://codeberg.org/x/rss",
                SourceType::Git,
                "rss",
            ),
            (
                "https://example.org/git/rss/tree/main",
                "https://example.org/git/rss/tree/main",
                SourceType::Git,
                "main",
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
            ("git@example.org:", Form),
            ("hunter2@example.org:x/rss", Form),
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
            ("catalogue:atek", Recipe),
            ("catalogue:atek/../x", Recipe),
            ("catalogue:atek/a/b", Recipe),
            ("catalogue:/a", Recipe),
            ("recipe+file:///srv/../a", Path),
        ] {
            let error = text.parse::<Source>().unwrap_err();
            assert_eq!(error, expected, "{text:?}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_shown_so_that_it_reads_the_same(text in "(?s).{0,60}", prefix in prop_oneof![
            Just(""), Just("/"), Just("file:///"), Just("catalogue:"), Just("catalogue:a/"), Just("recipe+file:///"), Just("git+file:///"), Just("https://a.org/"), Just("http://"), Just("git@"), Just("git@a.org:"), Just("ssh://git@"), Just("https://github.com/a/b/")
        ]) {
            if let Ok(source) = format!("{prefix}{text}").parse::<Source>() {
                prop_assert_eq!(source.to_string().parse::<Source>(), Ok(source));
            }
        }
    }
}
