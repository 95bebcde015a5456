//! Routes: a file of the bundle, or its one page for every other path. No I/O.

use crate::policy::policy;
use atek_web_embed::{Lonestar, respond};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue,
};
use http::{StatusCode, Uri};

/// The page for every path that is not a file: the router in the browser knows the rest.
const PAGE: &str = "index.html";

/// Headers that every response carries, besides the policy.
const PROTECTION: [(HeaderName, &str); 5] = [
    (HeaderName::from_static("x-content-type-options"), "nosniff"),
    (HeaderName::from_static("referrer-policy"), "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Serves `GET` and `HEAD` of every path.
pub(crate) fn router() -> Router {
    Router::new()
        .fallback(get(page))
        .layer(middleware::from_fn(protect))
}

async fn page(uri: Uri, sent: HeaderMap) -> Response {
    let name = uri.path().trim_start_matches('/');
    let found = match respond::<Lonestar>(name, &sent) {
        Some(file) => Some(file),
        // A script of another version is gone: the page in its place would be a syntax error.
        None if name.starts_with("assets/") => None,
        None => respond::<Lonestar>(PAGE, &sent),
    };
    match found {
        Some(file) => file.map(Body::from),
        None => {
            let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (StatusCode::NOT_FOUND, no_store, "there is no such file\n").into_response()
        }
    }
}

/// Adds the security headers.
async fn protect(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST);
    let policy = policy(host.and_then(|host| host.to_str().ok()));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // A policy is printable ASCII: see `policy`.
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in PROTECTION {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    async fn get(path: &str) -> Response {
        page(path.parse().unwrap(), HeaderMap::new()).await
    }

    #[tokio::test]
    async fn every_path_that_is_not_a_file_is_the_page() {
        let home = get("/").await;
        assert_eq!(home.status(), 200);
        assert_eq!(home.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(home.headers()["cache-control"], "no-cache");
        for path in [
            "/p/install",
            "/p/apps/rss",
            "/app/rss/a.js",
            "//",
            "/../etc",
        ] {
            let found = get(path).await;
            assert_eq!(found.headers()["etag"], home.headers()["etag"], "{path}");
        }
    }

    #[tokio::test]
    async fn an_asset_that_is_gone_is_not_the_page() {
        assert_eq!(get("/assets/old-1234.js").await.status(), 404);
    }
}
