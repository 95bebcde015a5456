//! The `proxy` transport: a WebSocket or plain HTTP to the provider of an API, by way of
//! `/_atek/gateway[/SUB]?api=ID`.

use super::access_end::Opened;
use super::admission::Admitted;
use super::apps;
use super::body::Body;
use super::edge::headers;
use super::error::Failure;
use super::gateway::Gateway;
use crate::registry::{self, Attributes, Provider};
use atek_api::audit::AuditOutcome;
use atek_api::manifest::Transport;
use atek_host_model::audit::Act;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;

/// Gives what a provider sends an opaque origin: it is shown under the main
/// domain, where a script could otherwise act as the user.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");
/// Headers by which a response changes the main domain as a whole, or makes the browser ask for a
/// password in its name.
const FOR_THE_WHOLE_SITE: [HeaderName; 14] = [
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::WWW_AUTHENTICATE,
    header::PROXY_AUTHENTICATE,
    header::REFRESH,
    header::ALT_SVC,
    HeaderName::from_static("accept-ch"),
    HeaderName::from_static("critical-ch"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("service-worker-allowed"),
];

/// Passes a request on to the provider of its API; `below` is the path below the API.
pub(super) async fn pass(
    gateway: &Gateway,
    admitted: Admitted,
    below: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let (mut head, incoming) = request.into_parts();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let attributes = if below.is_empty() {
        Attributes::of_query(&query)?
    } else {
        Attributes::with_parameters(&query)?
    };
    if attributes.home().is_some() {
        let why = "apps of other homes are called by JSON-RPC, not by a WebSocket";
        return Err(Failure::BadRequest(why));
    }
    let (entry, uri) = {
        let directory = gateway.deps().directory.now();
        match registry::choose(
            &directory,
            admitted.caller(),
            Transport::Proxy,
            &attributes,
            |_| false,
        )? {
            Provider::Service(entry, export) => {
                (entry.clone(), target(export.path(), below, &attributes)?)
            }
            Provider::Host => return Err(Failure::NotFound),
        }
    };
    head.uri = uri;
    // They are for the host, and not the provider's business.
    head.headers.remove(header::AUTHORIZATION);
    head.headers.remove(header::COOKIE);
    let opened = Opened::Provider {
        api: attributes.api().to_owned(),
        service: entry.key.clone(),
    };
    let caller = admitted.caller().clone();
    let answered = apps::exchange(gateway, admitted, &entry, opened, head, incoming).await;
    let outcome = answered
        .as_ref()
        .map_or_else(Failure::outcome, |_| AuditOutcome::Done);
    let act = Act::Connection {
        api: attributes.api(),
        provider: entry.key.as_str(),
    };
    gateway.deps().audit.note(&caller, act, outcome);
    let mut response = answered?;
    let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    headers::to_client(response.headers_mut(), is_upgrade);
    confine(response.headers_mut());
    Ok(response)
}

fn confine(headers: &mut HeaderMap) {
    for name in FOR_THE_WHOLE_SITE {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
}

/// The provider's path: what it exports, and what the caller adds; then the caller's own
/// parameters, without those that the host chose the provider by.
fn target(export: &str, below: &str, attributes: &Attributes<'_>) -> Result<Uri, Failure> {
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
    for (nth, pair) in attributes.passed_on().enumerate() {
        path.push(if nth == 0 { '?' } else { '&' });
        path.push_str(pair);
    }
    path.parse().map_err(|_| malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_below_an_api_stays_below_it() {
        for (export, below, query, expected) in [
            ("/_api/hyper", "", "api=a/b", Some("/_api/hyper")),
            (
                "/_api/hyper",
                "/x/y",
                "api=a/b&page=2&q=%20",
                Some("/_api/hyper/x/y?page=2&q=%20"),
            ),
            ("/", "/x", "", Some("/x")),
            ("/a/", "/x", "service=s&transport=proxy", Some("/a/x")),
            ("/a", "/", "", Some("/a/")),
            ("/a", "/../b", "", None),
            ("/a", "/x/%2e%2E/b", "", None),
            ("/a", "/x%2f..%2fb", "", None),
            ("/a", "/..%5cb", "", None),
            ("/a", "/..b", "", Some("/a/..b")),
            (
                "/a",
                "/x",
                "%61pi=a/b&tr%61nsport=proxy&x=1",
                Some("/a/x?x=1"),
            ),
        ] {
            let attributes = Attributes::with_parameters(query).unwrap();
            let got = target(export, below, &attributes)
                .ok()
                .map(|uri| uri.to_string());
            assert_eq!(got.as_deref(), expected, "{export} {below} {query:?}");
        }
    }
}
