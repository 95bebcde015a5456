//! The host's own few pages and files. Everything is embedded; scripts and styles
//! are files of their own, so that the policy can forbid anything inline.

mod bundle;
mod cleaning;
mod escape;
mod failure;
mod home;

use super::body::{self, Body};
use super::edge::host_name::MainUrl;
pub(super) use bundle::{file, login, reset, setup};
pub(super) use cleaning::{cleaning, last_service_worker};
use escape::escaped;
pub(super) use failure::{Browser, app_message, message, notice};
pub(super) use home::home;
use http::header::{self, Entry, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// A file that is part of the program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asset {
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The file at `/_atek/NAME`.
pub(super) fn asset(name: &str) -> Option<Asset> {
    let (kind, text) = match name {
        "login/home.js" => (SCRIPT, include_str!("home.js")),
        "login/atek.css" => (STYLE, include_str!("atek.css")),
        "js/rpc.js" => (SCRIPT, include_str!("rpc.js")),
        _ => return None,
    };
    Some(Asset { kind, text })
}

impl Asset {
    pub(super) fn response(self) -> Response<Body> {
        page(StatusCode::OK, self.kind, self.text)
    }
}

/// An answer to a browser that asks what another site's page may do: nothing.
pub(super) fn options() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allowed = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

fn page(status: StatusCode, kind: &'static str, text: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Pages and scripts belong to one version of the host.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    protect(headers);
    response
}

/// What the host's own pages may do: nothing but use its own files and API.
const OWN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                   font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// What is no page may do nothing at all.
const NOTHING: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Protects a page of the host itself.
fn protect(headers: &mut HeaderMap) {
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(OWN),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    );
    protect_data(headers);
}

/// Protects any response under the host's own paths: it is what it says it is, no other
/// site may embed it, and opened as a page it can do nothing.
pub(super) fn protect_data(headers: &mut HeaderMap) {
    if let Entry::Vacant(policy) = headers.entry(header::CONTENT_SECURITY_POLICY) {
        policy.insert(const { HeaderValue::from_static(NOTHING) });
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        const { HeaderValue::from_static("nosniff") },
    );
    headers.insert(
        const { HeaderName::from_static("cross-origin-resource-policy") },
        const { HeaderValue::from_static("same-origin") },
    );
}

/// Lets pages of the same site know that there is an answer, not what it says: of other ports of
/// the host name, and of names beside it.
pub(super) fn allow_same_site(headers: &mut HeaderMap) {
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-site"),
    );
}

/// Forbids the browser to keep an app's page, so that Back shows nothing of a person who has
/// signed out (RFC 9111 section 5.2.2.5). A page that the app calls public is its own to judge.
pub(super) fn keep_out_of_caches(headers: &mut HeaderMap) {
    let is_public = headers.get_all(header::CACHE_CONTROL).iter().any(|value| {
        let directives = value.as_bytes().split(|byte| *byte == b',');
        let mut names = directives.map(<[u8]>::trim_ascii);
        names.any(|name| name.eq_ignore_ascii_case(b"public"))
    });
    if !is_public {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Allows framing of an app's page by the app itself, and by `base`, the main domain's URL without
/// a path, where the app asks to be framed.
///
/// Browsers ignore `X-Frame-Options` beside this, so its place is taken. A refusal of every frame
/// is kept, but not where the manifest says otherwise: frameworks send one by default. What the app
/// says in a policy of its own holds as well: a browser obeys both.
pub(super) fn frame_only_by(headers: &mut HeaderMap, base: Option<&MainUrl>) {
    let denies = headers
        .get_all(header::X_FRAME_OPTIONS)
        .iter()
        .any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"deny"));
    headers.remove(header::X_FRAME_OPTIONS);
    let policy = match base {
        // A host name and a port: always a header's text.
        Some(base) => HeaderValue::try_from(format!("frame-ancestors 'self' {base}")).ok(),
        None if denies => Some(HeaderValue::from_static("frame-ancestors 'none'")),
        None => Some(HeaderValue::from_static("frame-ancestors 'self'")),
    };
    if let Some(policy) = policy {
        headers.append(header::CONTENT_SECURITY_POLICY, policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_kept_only_where_its_app_calls_it_public() {
        for (said, expected) in [
            (None, "no-store"),
            (Some("max-age=3600"), "no-store"),
            (Some("private, no-cache"), "no-store"),
            (Some("max-age=60, Public"), "max-age=60, Public"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(said) = said {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(said));
            }
            keep_out_of_caches(&mut headers);
            assert_eq!(headers[header::CACHE_CONTROL], expected, "{said:?}");
        }
    }
}
