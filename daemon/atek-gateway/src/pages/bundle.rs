//! The pages that `daemon/web` builds: setup and sign-in, with their files.

use super::super::body::{self, Body};
use super::protect;
use atek_web_embed::{Answer, Bundle};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

const BUNDLE: Bundle = atek_web_embed::bundle!();
/// What no name may lead to directly: pages have addresses of their own.
const PAGE: &str = ".html";

/// The sign-in page.
pub(in super::super) fn login(sent: &HeaderMap) -> Option<Response<Body>> {
    find("login.html", sent)
}

/// The setup page; kept by nobody, since it is there for a while only.
pub(in super::super) fn setup(sent: &HeaderMap) -> Option<Response<Body>> {
    let mut response = find("setup.html", sent)?;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// The file at `/_atek/ui/NAME`.
pub(in super::super) fn file(name: &str, sent: &HeaderMap) -> Option<Response<Body>> {
    if has(name) { find(name, sent) } else { None }
}

/// Whether there is a file at `/_atek/ui/NAME`.
pub(in super::super) fn has(name: &str) -> bool {
    !name.ends_with(PAGE) && BUNDLE.find(name).is_some()
}

fn find(name: &str, sent: &HeaderMap) -> Option<Response<Body>> {
    let value = |name: HeaderName| sent.get(name).and_then(|value| value.to_str().ok());
    let answer = BUNDLE.answer(
        name,
        value(header::ACCEPT_ENCODING),
        value(header::IF_NONE_MATCH),
    )?;
    Some(respond(&answer))
}

fn respond(answer: &Answer) -> Response<Body> {
    let is_known = answer.status == StatusCode::NOT_MODIFIED;
    let mut response = Response::new(if is_known {
        body::empty()
    } else {
        body::full(answer.body)
    });
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static(answer.etag));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(answer.cache),
    );
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !is_known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    }
    if answer.gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    protect(headers);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_name_files_that_are_there_and_nothing_is_inline() {
        for page in ["login.html", "setup.html"] {
            let html = std::str::from_utf8(BUNDLE.find(page).unwrap().plain).unwrap();
            let named: Vec<&str> = html
                .split('"')
                .filter_map(|part| part.strip_prefix("/_atek/ui/"))
                .collect();
            assert!(!named.is_empty(), "{html}");
            for name in named {
                assert!(has(name), "{page}: {name}");
            }
            assert!(
                !html.contains("<style") && !html.contains("style="),
                "{html}"
            );
            for script in html.split("<script").skip(1) {
                let (tag, rest) = script.split_once('>').unwrap();
                assert!(
                    tag.contains("src=") && rest.starts_with("</script>"),
                    "{tag}"
                );
            }
        }
    }

    #[test]
    fn pages_are_only_at_their_own_addresses() {
        for name in [
            "login.html",
            "setup.html",
            "",
            "/",
            "../login.html",
            "assets/none.js",
        ] {
            assert!(file(name, &HeaderMap::new()).is_none(), "{name}");
        }
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again_and_scripts_are_sent_compressed() {
        let script = BUNDLE
            .files()
            .iter()
            .find(|file| file.path.ends_with(".js"))
            .unwrap();
        let mut sent = HeaderMap::new();
        sent.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("gzip, br"),
        );
        let first = file(script.path, &sent).unwrap();
        assert_eq!(first.headers()[header::CONTENT_ENCODING], "gzip");
        sent.insert(header::IF_NONE_MATCH, HeaderValue::from_static(script.etag));
        let again = file(script.path, &sent).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(!again.headers().contains_key(header::CONTENT_TYPE));
    }

    #[test]
    fn the_bundle_keeps_to_its_budget() {
        let sent: usize = BUNDLE
            .files()
            .iter()
            .map(|file| file.gzip.unwrap_or(file.plain).len())
            .sum();
        assert!(sent <= 120_000, "{sent} bytes, compressed");
    }
}
