//! `GET /_atek/icon/ID`: an app's icon, and pictures of catalogues, in a form that can only be
//! looked at.

use super::admission::Admitted;
use super::body::{self, Body};
use super::error::Failure;
use super::gateway::Gateway;
use atek_host_model::streams::Icon;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use sha2::{Digest as _, Sha256};

/// An svg that is opened as a page is a document: it runs nothing, loads nothing, and has an
/// origin of its own.
const LOCKED: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
/// It may change with an update: asked again after a few minutes, by its tag.
const BRIEFLY: HeaderValue = HeaderValue::from_static("private, max-age=300");

pub(super) async fn icon(
    gateway: &Gateway,
    admitted: &Admitted,
    id: &str,
    sent: &HeaderMap,
) -> Result<Response<Body>, Failure> {
    let services = &gateway.deps().services;
    let icon = gateway
        .workers()
        .on_main_runtime(services.icon(admitted.caller(), id))
        .await
        // Whether there is such an app is not told.
        .ok_or(Failure::NotFound)?;
    Ok(picture(icon, sent))
}

/// A picture as a response: locked, and not sent again to a browser that has it.
pub(super) fn picture(icon: Icon, sent: &HeaderMap) -> Response<Body> {
    let digest = Sha256::digest(&icon.content);
    let tag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&digest[..12]));
    let known = sent
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().trim_start_matches("W/") == tag);
    let mut response = if known {
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(body::full(icon.content));
        let kind = HeaderValue::from_static(icon.kind);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    headers.insert(CACHE_CONTROL, BRIEFLY);
    headers.insert(CONTENT_SECURITY_POLICY, LOCKED);
    response
}
