//! The page that removes what an earlier app of a site left in the browser, and the service worker
//! that removes itself.

use super::super::body::Body;
use super::super::edge::host_name::MainUrl;
use super::{HTML, SCRIPT, escaped, frame_only_by, page};
use atek_host_model::random;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderValue, Response, StatusCode};

/// The page, which then goes to `to`; `framed_by` as in [`frame_only_by`].
pub(in super::super) fn cleaning(to: &str, framed_by: Option<&MainUrl>) -> Option<Response<Body>> {
    let nonce = random::hex::<16>().ok()?;
    let nonce = nonce.expose();
    let html = format!(
        include_str!("cleaning.html"),
        nonce = nonce,
        to = escaped(to),
        script = include_str!("cleaning.js"),
    );
    let mut response = page(StatusCode::OK, HTML, html);
    let headers = response.headers_mut();
    let policy = format!("default-src 'none'; script-src 'nonce-{nonce}'; base-uri 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy).ok()?);
    frame_only_by(headers, framed_by);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// A service worker in the place of any other: browsers that ask for the next version of one get
/// it, and have none afterwards.
pub(in super::super) fn last_service_worker() -> Response<Body> {
    let mut response = page(
        StatusCode::OK,
        SCRIPT,
        include_str!("last_service_worker.js"),
    );
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
