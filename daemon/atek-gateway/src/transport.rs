//! The `proxy` transport: a WebSocket or plain HTTP to whoever exports an API, by way of
//! `/_atek/gateway[/SUB]?api=ID`.

use super::apps;
use super::body::Body;
use super::error::Failure;
use super::server::Gateway;
use super::site::Visit;
use crate::registry::{self, Attributes, Provider};
use atek_api::manifest::Transport;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;

/// Makes whatever a provider sends a document of nobody: it is shown under the main
/// domain, where a script could otherwise act as the user.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");
/// Headers by which a response changes the main domain as a whole.
const FOR_THE_WHOLE_SITE: [HeaderName; 6] = [
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("service-worker-allowed"),
];

/// Passes a request on to the provider of its API.
pub(super) async fn pass(
    gateway: &Gateway,
    visit: Visit<'_>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    if !visit.caller.is_known() {
        return Err(Failure::NotAuthorized);
    }
    let (mut head, incoming) = request.into_parts();
    let below = head
        .uri
        .path()
        .strip_prefix("/_atek/gateway")
        .unwrap_or_default();
    let mut attributes = Attributes::of_query(head.uri.query());
    if !below.is_empty() {
        // What no provider declares is the provider's own parameter.
        attributes.make_optional();
    }
    let (entry, uri) = {
        let deps = gateway.deps();
        let directory = deps.directory.now();
        match registry::choose(
            &directory,
            &visit.caller,
            Transport::Proxy,
            &attributes,
            |_| false,
        )? {
            Provider::Service(entry, export) => (
                entry.clone(),
                target(export.path(), below, head.uri.query())?,
            ),
            Provider::Host => return Err(Failure::NotFound),
        }
    };
    head.uri = uri;
    // They are for the host, and not the provider's business.
    head.headers.remove(header::AUTHORIZATION);
    head.headers.remove(header::COOKIE);
    let mut response = apps::exchange(gateway, visit, &entry, head, incoming).await?;
    let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    super::edge::headers::to_client(response.headers_mut(), is_upgrade);
    confine(response.headers_mut());
    Ok(response)
}

fn confine(headers: &mut HeaderMap) {
    for name in FOR_THE_WHOLE_SITE {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
}

/// The provider's path: what it exports, and what the caller adds; then the caller's own parameters.
fn target(export: &str, below: &str, query: Option<&str>) -> Result<Uri, Failure> {
    let malformed = Failure::BadRequest("the path below the API must not leave it");
    let decoded = percent_encoding::percent_decode_str(below).decode_utf8_lossy();
    if decoded
        .split(['/', '\\'])
        .any(|segment| matches!(segment, "." | ".."))
    {
        return Err(malformed);
    }
    let mut path = if below.is_empty() {
        export
    } else {
        export.trim_end_matches('/')
    }
    .to_owned();
    path.push_str(below);
    let is_own = |pair: &&str| {
        !matches!(
            pair.split('=').next(),
            Some("api" | "service" | "transport")
        )
    };
    let own: Vec<&str> = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .filter(is_own)
        .collect();
    if !own.is_empty() {
        path.push('?');
        path.push_str(&own.join("&"));
    }
    path.parse().map_err(|_| malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_below_an_api_stays_below_it() {
        for (export, below, query, expected) in [
            ("/_api/hyper", "", Some("api=a/b"), Some("/_api/hyper")),
            (
                "/_api/hyper",
                "/x/y",
                Some("api=a/b&page=2&q=%20"),
                Some("/_api/hyper/x/y?page=2&q=%20"),
            ),
            ("/", "/x", None, Some("/x")),
            ("/a/", "/x", Some("service=s&transport=proxy"), Some("/a/x")),
            ("/a", "/", None, Some("/a/")),
            ("/a", "/../b", None, None),
            ("/a", "/x/%2e%2E/b", None, None),
            ("/a", "/x%2f..%2fb", None, None),
            ("/a", "/..%5cb", None, None),
            ("/a", "/..b", None, Some("/a/..b")),
        ] {
            let got = target(export, below, query).ok().map(|uri| uri.to_string());
            assert_eq!(got.as_deref(), expected, "{export} {below} {query:?}");
        }
    }
}
