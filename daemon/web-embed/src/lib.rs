//! The browser code of `daemon/web` inside a program.
//!
//! A build script calls `build::embed("host")` (feature `build`); the program says
//! [`bundle!()`](bundle) and [answers](Bundle::answer) requests from it. No I/O at run time.

#![forbid(unsafe_code)]

#[cfg(feature = "build")]
pub mod build;
mod kinds;

/// One file of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Where it is, relative to the bundle's base, without a leading slash: `assets/main-x1y2.js`.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub kind: &'static str,
    /// Its strong `ETag`, quoted.
    pub etag: &'static str,
    /// Its name changes with its content, so that it may be kept for ever.
    pub immutable: bool,
    /// Its bytes.
    pub plain: &'static [u8],
    /// The same, compressed, where that is smaller.
    pub gzip: Option<&'static [u8]>,
}

/// The files of a bundle, sorted by path.
#[derive(Debug, Clone, Copy)]
pub struct Bundle {
    files: &'static [File],
}

/// What to answer with. The caller adds its own headers of protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// 200, or 304 without a body.
    pub status: u16,
    /// `Content-Type`.
    pub kind: &'static str,
    /// `ETag`. With it goes `Vary: Accept-Encoding`.
    pub etag: &'static str,
    /// `Cache-Control`.
    pub cache: &'static str,
    /// Whether `Content-Encoding: gzip` belongs to the body.
    pub gzip: bool,
    /// The body.
    pub body: &'static [u8],
}

/// The bundle that the build script of this crate embedded.
#[macro_export]
macro_rules! bundle {
    () => {
        $crate::Bundle::new(include!(concat!(env!("OUT_DIR"), "/web_bundle.rs")))
    };
}

/// A hashed name never has another content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Asked for each time, and answered with 304 while it is the same.
const ASK: &str = "no-cache";

impl Bundle {
    /// Over files that are sorted by path.
    #[must_use]
    pub const fn new(files: &'static [File]) -> Self {
        Self { files }
    }

    /// All files.
    #[must_use]
    pub const fn files(&self) -> &'static [File] {
        self.files
    }

    /// The file at `path`, written as in [`File::path`].
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&'static File> {
        let at = self
            .files
            .binary_search_by(|file| file.path.cmp(path))
            .ok()?;
        self.files.get(at)
    }

    /// What to answer to a `GET` or `HEAD` of `path`, with the values of the request's
    /// `Accept-Encoding` and `If-None-Match` headers. `None`: there is no such file.
    #[must_use]
    pub fn answer(
        &self,
        path: &str,
        accept_encoding: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Option<Answer> {
        let file = self.find(path)?;
        let compressed = file
            .gzip
            .filter(|_| accept_encoding.is_some_and(accepts_gzip));
        let known = if_none_match.is_some_and(|known| matches_etag(known, file.etag));
        Some(Answer {
            status: if known { 304 } else { 200 },
            kind: file.kind,
            etag: file.etag,
            cache: if file.immutable { FOR_EVER } else { ASK },
            gzip: compressed.is_some() && !known,
            body: if known {
                &[]
            } else {
                compressed.unwrap_or(file.plain)
            },
        })
    }
}

/// RFC 9110, 12.5.3: `gzip` or `*`, unless its weight is 0.
fn accepts_gzip(header: &str) -> bool {
    let weight_of = |wanted: &str| {
        header.split(',').find_map(|coding| {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let q = parameters.trim().strip_prefix("q=").unwrap_or("1");
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| q.parse().unwrap_or(0.0_f32))
        })
    };
    weight_of("gzip")
        .or_else(|| weight_of("*"))
        .is_some_and(|q| q > 0.0)
}

/// RFC 9110, 13.1.2: compared weakly, as `If-None-Match` is.
fn matches_etag(header: &str, etag: &str) -> bool {
    header
        .split(',')
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == etag || known == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLE: Bundle = Bundle::new(&[
        File {
            path: "assets/a-1.js",
            kind: "text/javascript",
            etag: "\"1\"",
            immutable: true,
            plain: b"plain",
            gzip: Some(b"gz"),
        },
        File {
            path: "index.html",
            kind: "text/html",
            etag: "\"2\"",
            immutable: false,
            plain: b"page",
            gzip: None,
        },
    ]);

    #[test]
    fn a_file_is_compressed_for_who_can_read_it() {
        for (accept, gzip) in [
            (None, false),
            (Some("identity"), false),
            (Some("gzip, deflate, br"), true),
            (Some("br;q=1.0, GZIP;q=0.5"), true),
            (Some("gzip;q=0"), false),
            (Some("gzip;q=0, *"), false),
            (Some("*"), true),
        ] {
            let answer = BUNDLE.answer("assets/a-1.js", accept, None).unwrap();
            assert_eq!((answer.status, answer.gzip), (200, gzip), "{accept:?}");
            assert_eq!(
                answer.body,
                if gzip { &b"gz"[..] } else { b"plain" },
                "{accept:?}"
            );
        }
        let page = BUNDLE.answer("index.html", Some("gzip"), None).unwrap();
        assert_eq!((page.gzip, page.body), (false, &b"page"[..]));
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        for (known, status) in [
            ("\"2\"", 304),
            ("W/\"2\"", 304),
            ("\"9\", \"2\"", 304),
            ("*", 304),
            ("\"1\"", 200),
            ("2", 200),
        ] {
            let answer = BUNDLE.answer("index.html", None, Some(known)).unwrap();
            assert_eq!(answer.status, status, "{known}");
            assert_eq!(answer.body.is_empty(), status == 304, "{known}");
        }
    }

    #[test]
    fn only_hashed_names_are_kept_for_ever() {
        let cache = |path| BUNDLE.answer(path, None, None).unwrap().cache;
        assert!(cache("assets/a-1.js").contains("immutable"));
        assert_eq!(cache("index.html"), "no-cache");
    }

    #[test]
    fn there_is_nothing_beside_the_files() {
        for path in [
            "",
            "assets",
            "assets/",
            "/index.html",
            "../index.html",
            "index.htm",
        ] {
            assert!(BUNDLE.answer(path, None, None).is_none(), "{path}");
        }
    }
}
