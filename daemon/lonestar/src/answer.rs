//! What Lonestar answers: a file of its bundle, or its one page. No I/O.

use crate::policy::policy;
use atek_web_embed::{Answer, Bundle};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;

/// The page for every path that is no file: the router in the browser knows the rest.
const PAGE: &str = "index.html";

/// The answer to one request.
pub(crate) fn answer(
    bundle: &Bundle,
    method: &Method,
    path: &str,
    request: &HeaderMap,
) -> Response<Full<Bytes>> {
    let mut response = unprotected(bundle, method, path, request);
    let host = request
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    protect(response.headers_mut(), host);
    response
}

fn unprotected(
    bundle: &Bundle,
    method: &Method,
    path: &str,
    request: &HeaderMap,
) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut refused = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and HEAD are answered\n",
        );
        refused
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let value = |name: HeaderName| request.get(name).and_then(|value| value.to_str().ok());
    let find = |name: &str| {
        bundle.answer(
            name,
            value(header::ACCEPT_ENCODING),
            value(header::IF_NONE_MATCH),
        )
    };
    let name = path.trim_start_matches('/');
    let found = match find(name) {
        Some(file) => Some(file),
        // A script of another version is gone; the page in its place would only puzzle the browser.
        None if name.starts_with("assets/") => None,
        None => find(PAGE),
    };
    match found {
        Some(file) => respond(&file),
        None => text(StatusCode::NOT_FOUND, "there is no such file\n"),
    }
}

fn respond(file: &Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(file.body)));
    *response.status_mut() = StatusCode::from_u16(file.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static(file.etag));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(file.cache));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if file.status == 200 {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    }
    if file.gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn text(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(words.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn protect(headers: &mut HeaderMap, host: Option<&str>) {
    // It holds nothing that a header may not: see `policy`.
    if let Ok(policy) = HeaderValue::try_from(policy(host)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLE: Bundle = atek_web_embed::bundle!();

    fn get(path: &str, headers: &[(&'static str, &'static str)]) -> Response<Full<Bytes>> {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        answer(&BUNDLE, &Method::GET, path, &headers)
    }

    fn header(response: &Response<Full<Bytes>>, name: &str) -> String {
        let value = response.headers().get(name);
        value
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    }

    #[test]
    fn every_path_that_is_no_file_is_the_page() {
        let home = get("/", &[]);
        assert_eq!(home.status(), 200);
        assert_eq!(header(&home, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&home, "cache-control"), "no-cache");
        for path in [
            "/p/install",
            "/p/apps/rss",
            "/app/rss/a.js",
            "//",
            "/../etc",
        ] {
            assert_eq!(
                header(&get(path, &[]), "etag"),
                header(&home, "etag"),
                "{path}"
            );
        }
    }

    #[test]
    fn an_asset_that_is_gone_is_not_the_page() {
        assert_eq!(get("/assets/old-1234.js", &[]).status(), 404);
    }

    #[test]
    fn the_page_names_assets_that_are_there_and_may_be_kept() {
        let page = BUNDLE.find(PAGE).unwrap();
        let html = std::str::from_utf8(page.plain).unwrap();
        let named: Vec<&str> = html
            .split('"')
            .filter(|part| part.starts_with("/assets/"))
            .collect();
        assert!(!named.is_empty(), "{html}");
        for asset in named {
            let response = get(asset, &[("accept-encoding", "gzip")]);
            assert_eq!(response.status(), 200, "{asset}");
            assert_eq!(header(&response, "content-encoding"), "gzip", "{asset}");
            assert!(
                header(&response, "cache-control").contains("immutable"),
                "{asset}"
            );
        }
    }

    #[test]
    fn nothing_on_the_page_is_inline() {
        let page = BUNDLE.find(PAGE).unwrap();
        let html = std::str::from_utf8(page.plain).unwrap();
        assert!(
            !html.contains("<style") && !html.contains("style="),
            "{html}"
        );
        for script in html.split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').unwrap();
            assert!(tag.contains("src="), "{tag}");
            assert!(rest.starts_with("</script>"), "{rest}");
        }
    }

    #[test]
    fn every_answer_is_protected() {
        let post = answer(&BUNDLE, &Method::POST, "/", &HeaderMap::new());
        assert_eq!(post.status(), 405);
        for response in [
            post,
            get("/", &[]),
            get("/assets/none.js", &[]),
            get("/atek.svg", &[]),
        ] {
            let policy = header(&response, "content-security-policy");
            assert!(
                policy.contains("default-src 'none'") && !policy.contains("unsafe"),
                "{policy}"
            );
            assert_eq!(header(&response, "x-content-type-options"), "nosniff");
            assert_eq!(header(&response, "referrer-policy"), "no-referrer");
        }
    }

    #[test]
    fn a_page_that_the_browser_has_is_not_sent_again() {
        let etag = BUNDLE.find(PAGE).unwrap().etag;
        let response = get("/", &[("if-none-match", etag)]);
        assert_eq!(response.status(), 304);
        assert_eq!(header(&response, "etag"), etag);
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
