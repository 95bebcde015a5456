//! Telling folders, URLs and names of apps apart.

use atek_api::catalogue::Name;

/// What a person gave as a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given<'a> {
    /// A URL, for the host to judge.
    Url(&'a str),
    /// A path of this machine.
    Path(&'a str),
}

/// A text with a scheme is a URL, and so is the address of a repository for ssh
/// (`git@HOST:PATH`); everything else is a path.
pub(crate) fn given(text: &str) -> Given<'_> {
    let is_repository = text.starts_with("git@") && text.contains(':');
    if is_repository || text.starts_with("catalogue:") {
        return Given::Url(text);
    }
    match text.split_once("://") {
        Some((scheme, _))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) =>
        {
            Given::Url(text)
        }
        _ => Given::Path(text),
    }
}

/// The name of an app in a catalogue, if the text can be one: neither a URL nor a path.
pub(crate) fn name(text: &str) -> Option<Name> {
    text.parse().ok()
}

/// Whether a path looks like a URL without its scheme.
pub(crate) fn looks_like_a_host(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    !first.starts_with('.') && first.contains('.') && path.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_a_scheme_is_a_url() {
        for (text, expected) in [
            (
                "https://example.org/app",
                Given::Url("https://example.org/app"),
            ),
            ("file:///srv/app", Given::Url("file:///srv/app")),
            (
                "git+file:///srv/app.git",
                Given::Url("git+file:///srv/app.git"),
            ),
            (
                "git@example.org:x/app.git",
                Given::Url("git@example.org:x/app.git"),
            ),
            ("catalogue:atek/rss", Given::Url("catalogue:atek/rss")),
            ("/srv/app", Given::Path("/srv/app")),
            ("./app", Given::Path("./app")),
            ("app", Given::Path("app")),
            ("../a://b", Given::Path("../a://b")),
        ] {
            assert_eq!(given(text), expected, "{text}");
        }
    }

    #[test]
    fn a_path_or_a_url_is_never_the_name_of_an_app() {
        for text in [
            "./notes", "../notes", "/notes", "notes/", "a/b", "a.b", "~", "a:b", "",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
        assert!(name("node-red").is_some());
    }

    #[test]
    fn a_url_without_its_scheme_is_noticed() {
        for (path, expected) in [
            ("github.com/a/b", true),
            ("./app", false),
            ("../x/y", false),
            ("app", false),
            ("/srv/a.b/c", false),
        ] {
            assert_eq!(looks_like_a_host(path), expected, "{path}");
        }
    }
}
