//! Whether a request was made by a page of the site that it goes to. Pure.

use http::header::{HeaderName, ORIGIN, REFERER};
use http::{HeaderMap, Method};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether the request may change something: anything but `GET`, `HEAD` and
/// `OPTIONS`, and every upgrade.
#[must_use]
pub fn is_changing(method: &Method, upgrades: bool) -> bool {
    upgrades || !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether nothing says that another site's page made the request.
///
/// Browsers send `Origin` with everything that changes something; programs send
/// neither header and are believed, since they hold no user's cookies.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap, authority: &str) -> bool {
    if let Some(origin) = headers.get(ORIGIN) {
        return origin
            .to_str()
            .is_ok_and(|origin| is_origin_of(origin, authority));
    }
    match headers.get(SEC_FETCH_SITE) {
        None => true,
        Some(site) => matches!(site.as_bytes(), b"same-origin" | b"none"),
    }
}

/// Whether something says that a page of the site itself made the request.
///
/// Browsers send no `Origin` with a `GET` to a page's own site, and `Sec-Fetch-Site` only over
/// HTTPS and to `localhost`; then the `Referer` counts.
#[must_use]
pub fn is_proven(headers: &HeaderMap, authority: &str) -> bool {
    if headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE) {
        return is_same_origin(headers, authority);
    }
    let referer = headers
        .get(REFERER)
        .and_then(|referer| referer.to_str().ok());
    referer.is_some_and(|referer| {
        let end = referer.match_indices('/').nth(2).map(|(at, _)| at);
        is_origin_of(&referer[..end.unwrap_or(referer.len())], authority)
    })
}

fn is_origin_of(origin: &str, authority: &str) -> bool {
    let (own, default_port) = if let Some(own) = origin.strip_prefix("http://") {
        (own, ":80")
    } else if let Some(own) = origin.strip_prefix("https://") {
        (own, ":443")
    } else {
        return false;
    };
    let own = own.strip_suffix(default_port).unwrap_or(own);
    let bare = authority.strip_suffix(default_port).unwrap_or(authority);
    own.eq_ignore_ascii_case(bare)
}

/// Whether the request opens a page, rather than being made by a script in one.
///
/// What says nothing is taken for a page, as the original did.
#[must_use]
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && headers
            .get(SEC_FETCH_MODE)
            .is_none_or(|mode| mode.as_bytes() == b"navigate")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_the_sites_own_pages_may_change_something() {
        for (origin, site, same) in [
            (None, None, true),
            (Some("http://localhost:8080"), None, true),
            (Some("HTTP://localhost:8080"), None, false),
            (Some("http://LOCALHOST:8080"), None, true),
            (Some("https://localhost:8080"), None, true),
            (Some("http://localhost"), None, false),
            (Some("http://rss.localhost:8080"), None, false),
            (Some("http://evil.test"), Some("same-origin"), false),
            (Some("null"), None, false),
            (Some(""), None, false),
            (None, Some("same-origin"), true),
            (None, Some("none"), true),
            (None, Some("same-site"), false),
            (None, Some("cross-site"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            if let Some(site) = site {
                headers.insert(SEC_FETCH_SITE, HeaderValue::from_static(site));
            }
            assert_eq!(
                is_same_origin(&headers, "localhost:8080"),
                same,
                "{origin:?} {site:?}"
            );
        }
    }

    #[test]
    fn a_get_is_proven_by_origin_fetch_metadata_or_referer() {
        for (name, value, proven) in [
            ("x-nothing", "", false),
            ("origin", "http://localhost:8080", true),
            ("origin", "http://rss.localhost:8080", false),
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "same-site", false),
            ("referer", "http://localhost:8080/a/b?c", true),
            ("referer", "http://localhost:8080", true),
            ("referer", "http://rss.localhost:8080/", false),
            ("referer", "http://localhost:8080.evil.test/", false),
            ("referer", "localhost:8080", false),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]);
            assert_eq!(
                is_proven(&headers, "localhost:8080"),
                proven,
                "{name} {value}"
            );
        }
    }

    #[test]
    fn the_default_port_may_be_written_or_not() {
        assert!(is_origin_of("http://box.test", "box.test:80"));
        assert!(is_origin_of("https://box.test", "box.test"));
        assert!(!is_origin_of("http://box.test", "box.test:443"));
    }
}
