//! The browser code of `daemon/web`, embedded in the programs that serve it.
//!
//! `daemon/web/build` puts `NAME.gz` beside each file that gets smaller by it; [`respond`] sends
//! the smaller one to clients that accept it. No I/O at run time.

#![forbid(unsafe_code)]
#![allow(
    missing_debug_implementations,
    reason = "the bundles are types without values"
)]

pub mod message;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, VARY,
};
use http::{Response, StatusCode};
pub use rust_embed::Embed as Bundle;
use rust_embed::EmbeddedFile;
use std::borrow::Cow;

/// The host's own pages: setup, sign-in, and what the gateway answers by itself.
#[derive(Bundle)]
#[folder = "$ATEK_WEB_DIST/host"]
pub struct Host;

/// The web home.
#[derive(Bundle)]
#[folder = "$ATEK_WEB_DIST/lonestar"]
pub struct Lonestar;

/// Vite puts a hash into the names below `assets/`, so their content never changes.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Revalidated on each use, and answered with 304 while it is the same.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The file at `path` (no leading slash); none for files that exist only in compressed form.
#[must_use]
pub fn find<B: Bundle>(path: &str) -> Option<EmbeddedFile> {
    if path.ends_with(".gz") {
        return None;
    }
    B::get(path)
}

/// The response to a `GET` of `path` with the headers `sent`; `None` if there is no such file.
/// The caller adds its security headers.
#[must_use]
pub fn respond<B: Bundle>(path: &str, sent: &HeaderMap) -> Option<Response<Bytes>> {
    let file = find::<B>(path)?;
    let value = |name: HeaderName| sent.get(name).and_then(|value| value.to_str().ok());
    let compressed = B::get(&format!("{path}.gz"));
    let varies = compressed.is_some();
    let compressed = compressed.filter(|_| value(ACCEPT_ENCODING).is_some_and(accepts_gzip));
    let etag = etag(&file, compressed.is_some());

    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    let is_immutable = path.starts_with("assets/");
    headers.insert(
        CACHE_CONTROL,
        if is_immutable { IMMUTABLE } else { REVALIDATE },
    );
    if varies {
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    let is_known = value(IF_NONE_MATCH).is_some_and(|known| matches_etag(known, &etag));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Some(response);
    }
    if let Ok(kind) = HeaderValue::try_from(content_type(&file)) {
        headers.insert(CONTENT_TYPE, kind);
    }
    if compressed.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    *response.body_mut() = match compressed.unwrap_or(file).data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => data.into(),
    };
    Some(response)
}

/// Files with the texts of one language. A browser fetches its own only.
const LANGUAGE: &str = "assets/language-";

/// The bytes of a bundle, compressed, as a browser fetches them that opens every page in the
/// language with the longest texts.
#[must_use]
pub fn transfer_size<B: Bundle>() -> usize {
    let size = |path: &str| {
        let file = B::get(&format!("{path}.gz")).or_else(|| B::get(path));
        file.map_or(0, |file| file.data.len())
    };
    let (languages, all): (Vec<_>, Vec<_>) = B::iter()
        .filter(|path| !path.ends_with(".gz"))
        .partition(|path| path.starts_with(LANGUAGE));
    let longest = languages.iter().map(|path| size(path)).max();
    all.iter().map(|path| size(path)).sum::<usize>() + longest.unwrap_or(0)
}

/// Twelve bytes of the content's hash, quoted. The compressed form is another representation.
fn etag(file: &EmbeddedFile, is_compressed: bool) -> String {
    let hash = file.metadata.sha256_hash();
    let suffix = if is_compressed { "-gzip" } else { "" };
    format!("\"{}{suffix}\"", hex::encode(&hash[..12]))
}

fn content_type(file: &EmbeddedFile) -> String {
    let kind = file.metadata.mimetype();
    if kind.starts_with("text/") {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
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

    /// Compressed bytes of either bundle with one language, at most. Pages are loaded as they are
    /// opened, so no visit loads all of it.
    const BUDGET: usize = 130_000;

    fn get(path: &str, sent: &[(HeaderName, &str)]) -> Option<Response<Bytes>> {
        let sent = sent
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::try_from(*value).unwrap()))
            .collect();
        respond::<Lonestar>(path, &sent)
    }

    fn script() -> String {
        let mut paths = Lonestar::iter();
        let script = paths.find(|path| path.starts_with("assets/") && path.ends_with(".js"));
        script.unwrap().into_owned()
    }

    #[test]
    fn gzip_is_sent_to_clients_that_accept_it() {
        let path = script();
        for (accept, gzip) in [
            ("", false),
            ("identity", false),
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("*", true),
        ] {
            let response = get(&path, &[(ACCEPT_ENCODING, accept)]).unwrap();
            let is_gzip = response.headers().contains_key(CONTENT_ENCODING);
            assert_eq!(is_gzip, gzip, "{accept}");
            assert_eq!(response.body().starts_with(&[0x1f, 0x8b]), gzip, "{accept}");
            assert_eq!(response.headers()[VARY], "accept-encoding");
            assert_eq!(
                response.headers()[CONTENT_TYPE],
                "text/javascript; charset=utf-8"
            );
        }
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let page = get("index.html", &[]).unwrap();
        let etag = page.headers()[ETAG].to_str().unwrap().to_owned();
        for (known, status) in [
            (etag.clone(), 304),
            (format!("W/{etag}"), 304),
            (format!("\"9\", {etag}"), 304),
            ("*".to_owned(), 304),
            ("\"1\"".to_owned(), 200),
            (etag.replace('"', ""), 200),
        ] {
            let response = get("index.html", &[(IF_NONE_MATCH, &known)]).unwrap();
            assert_eq!(response.status(), status, "{known}");
            assert_eq!(response.body().is_empty(), status == 304, "{known}");
            assert_eq!(response.headers()[ETAG], *etag, "{known}");
        }
    }

    #[test]
    fn only_hashed_names_are_cached_for_ever() {
        let cache = |path: &str| get(path, &[]).unwrap().headers()[CACHE_CONTROL].clone();
        assert_eq!(cache(&script()), IMMUTABLE);
        assert_eq!(cache("index.html"), REVALIDATE);
    }

    #[test]
    fn the_manifest_of_the_web_app_has_its_type() {
        let manifest = get("atek.webmanifest", &[]).unwrap();
        assert_eq!(
            manifest.headers()[CONTENT_TYPE],
            "application/manifest+json"
        );
    }

    #[test]
    fn nothing_but_the_files_is_served() {
        for path in [
            "",
            "assets",
            "assets/",
            "/index.html",
            "../index.html",
            "../host/login.html",
            "index.htm",
            "index.html.gz",
        ] {
            assert!(get(path, &[]).is_none(), "{path}");
        }
    }

    #[test]
    fn nothing_in_a_page_is_inline_and_its_files_are_there() {
        check_pages::<Host>("/_atek/ui/");
        check_pages::<Lonestar>("/");
    }

    /// The policy forbids inline scripts and styles; `base` is where the bundle is served.
    fn check_pages<B: Bundle>(base: &str) {
        for path in B::iter().filter(|path| path.ends_with(".html")) {
            let page = B::get(&path).unwrap();
            let html = std::str::from_utf8(&page.data).unwrap();
            assert!(
                !html.contains("<style") && !html.contains("style="),
                "{path}: {html}"
            );
            for script in html.split("<script").skip(1) {
                let (tag, rest) = script.split_once('>').unwrap();
                assert!(
                    tag.contains("src=") && rest.starts_with("</script>"),
                    "{path}: {tag}"
                );
            }
            let links = html
                .split('"')
                .filter(|part| part.starts_with('/') && !part.starts_with("//"));
            for link in links {
                let name = link.strip_prefix(base).unwrap_or(link);
                assert!(B::get(name).is_some(), "{path}: {link}");
            }
        }
    }

    /// So that the budget leaves nothing out but texts, and each language once.
    #[test]
    fn a_bundle_has_one_file_for_each_language() {
        let languages = |paths: &mut dyn Iterator<Item = Cow<'static, str>>| {
            let mut found: Vec<_> = paths
                .filter(|path| path.ends_with(".js"))
                .filter_map(|path| Some(path.strip_prefix(LANGUAGE)?.get(..3)?.to_owned()))
                .collect();
            found.sort();
            found
        };
        assert_eq!(languages(&mut Host::iter()), ["de-", "en-"]);
        assert_eq!(languages(&mut Lonestar::iter()), ["de-", "en-"]);
    }

    #[test]
    fn the_bundles_keep_to_their_budget() {
        for (name, size) in [
            ("host", transfer_size::<Host>()),
            ("lonestar", transfer_size::<Lonestar>()),
        ] {
            println!("{name}: {size} bytes, compressed");
            assert!(size <= BUDGET, "{name}: {size} bytes, compressed");
        }
    }
}
