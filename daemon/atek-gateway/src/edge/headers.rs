//! Which headers pass between a client and a service. Pure.

use super::client::Client;
use super::cookies;
use atek_api::ids::ServiceKey;
use atek_host_model::permissions::Caller;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use std::net::IpAddr;

pub(in super::super) const AUTH_USER: HeaderName = HeaderName::from_static("atek-auth-user");
pub(in super::super) const AUTH_SERVICE: HeaderName = HeaderName::from_static("atek-auth-service");
/// The public key of a person of another home.
pub(in super::super) const AUTH_CONTACT: HeaderName = HeaderName::from_static("atek-auth-contact");
pub(in super::super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(in super::super) const FORWARDED_PROTO: HeaderName =
    HeaderName::from_static("x-forwarded-proto");
/// W3C Clear Site Data.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Prepares a client's headers for a service: takes away what belongs to the
/// connection, what would reveal a secret, and what only the host may say.
///
/// `is_upgrade` keeps the two headers that ask for a WebSocket.
pub fn to_service(headers: &mut HeaderMap, is_upgrade: bool) {
    drop_connection_headers(headers, is_upgrade, |name| {
        // Servers that follow CGI (RFC 3875) do not tell `_` from `-` in a name.
        if name.as_bytes().contains(&b'_') {
            is_for_the_host_alone(&name.replace('_', "-"))
        } else {
            is_for_the_host_alone(name)
        }
    });
    cookies::hide(headers);
}

/// Whether a client's header says what only the host may say, or is meant for the host.
fn is_for_the_host_alone(name: &str) -> bool {
    name.starts_with("atek-")
        || name.starts_with("x-forwarded-")
        || matches!(
            name,
            "forwarded" | "x-real-ip" | "expect" | "content-length" | "proxy-authorization"
        )
}

/// The value of `X-Forwarded-For` for an address.
#[must_use]
pub fn forwarded_for(address: IpAddr) -> Option<HeaderValue> {
    HeaderValue::try_from(address.to_canonical().to_string()).ok()
}

/// Adds what the host says about the client, whose address is `address` (see [`forwarded_for`]).
pub fn describe_client(headers: &mut HeaderMap, client: Client, address: Option<HeaderValue>) {
    if let Some(address) = address {
        headers.insert(FORWARDED_FOR, address);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(client.scheme()));
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// Adds who is calling, as the service `target` is told.
pub fn identify(headers: &mut HeaderMap, caller: &Caller, target: &ServiceKey) {
    let Some((user, service)) = caller.auth_headers(target) else {
        return;
    };
    // Keys are of an alphabet that headers can hold.
    if let (Ok(user), Ok(service)) = (HeaderValue::from_str(user), HeaderValue::from_str(service)) {
        headers.insert(AUTH_USER, user);
        headers.insert(AUTH_SERVICE, service);
    }
}

/// Prepares a service's headers for the client.
pub fn to_client(headers: &mut HeaderMap, is_upgrade: bool) {
    drop_connection_headers(headers, is_upgrade, |_| false);
    cookies::confine(headers);
}

/// Takes away what an app's response would change at other sites of the box: the cookies of all
/// of them (`Clear-Site-Data`), and whether a browser still speaks http with the host's name (HSTS
/// is kept by name, not by port; RFC 6797, section 8.3).
pub fn keep_to_own_site(headers: &mut HeaderMap) {
    headers.remove(header::STRICT_TRANSPORT_SECURITY);
    let wanted = headers.get_all(CLEAR_SITE_DATA).iter();
    let wanted: Vec<&[u8]> = wanted
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    if wanted.is_empty() {
        return;
    }
    // `"*"` is all of them, and what is to come.
    let own: Vec<&str> = ["\"cache\"", "\"storage\""]
        .into_iter()
        .filter(|kind| wanted.contains(&kind.as_bytes()) || wanted.contains(&&b"\"*\""[..]))
        .collect();
    headers.remove(CLEAR_SITE_DATA);
    if !own.is_empty()
        && let Ok(value) = HeaderValue::from_str(&own.join(", "))
    {
        headers.insert(CLEAR_SITE_DATA, value);
    }
}

/// Prepares a service's headers for a host outside of the box: only what belongs to the connection
/// to the proxy is taken away (RFC 9110 sections 7.6 and 11.7.2).
pub fn to_outside(headers: &mut HeaderMap) {
    drop_connection_headers(headers, false, |name| {
        matches!(
            name,
            "content-length"
                | "expect"
                | "proxy-authorization"
                | "atek-auth-user"
                | "atek-auth-service"
        )
    });
    headers.append(header::VIA, HeaderValue::from_static("1.1 atek"));
}

/// Prepares the headers of a host outside of the box for the service.
pub fn from_outside(headers: &mut HeaderMap) {
    drop_connection_headers(headers, false, |name| {
        matches!(name, "proxy-authenticate" | "proxy-authentication-info")
    });
    headers.append(header::VIA, HeaderValue::from_static("1.1 atek"));
}

/// Removes what belongs to the connection (RFC 9110 section 7.6.1), and what else `is_unwanted`.
fn drop_connection_headers(
    headers: &mut HeaderMap,
    is_upgrade: bool,
    is_unwanted: impl Fn(&str) -> bool,
) {
    if headers.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .filter(|name| *name != header::UPGRADE && *name != header::HOST)
            .collect();
        for name in listed {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    remove_all(headers, |name| {
        matches!(
            name,
            "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding"
        ) || (name == "upgrade" && !is_upgrade)
            || is_unwanted(name)
    });
    if is_upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    }
}

fn remove_all(headers: &mut HeaderMap, is_unwanted: impl Fn(&str) -> bool) {
    let unwanted: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_unwanted(name.as_str()))
        .cloned()
        .collect();
    for name in unwanted {
        headers.remove(name);
    }
}

/// Bytes of a request's headers without its cookies.
#[must_use]
pub fn length(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .filter(|(name, _)| *name != header::COOKIE)
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// Whether the request asks for a WebSocket.
#[must_use]
pub fn wants_websocket(headers: &HeaderMap) -> bool {
    let lists = |name: HeaderName, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(token))
    };
    headers.contains_key(header::UPGRADE)
        && lists(header::UPGRADE, "websocket")
        && lists(header::CONNECTION, "upgrade")
}

/// Whether the client asks for a page.
#[must_use]
pub fn wants_html(sent: &HeaderMap) -> bool {
    sent.get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// The token of `Authorization: Bearer TOKEN`.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_host_outside_gets_what_the_app_sent_and_nothing_of_the_connection() {
        let mut sent = headers(&[
            ("host", "example.org"),
            ("authorization", "Bearer theirs"),
            ("cookie", "session=theirs"),
            ("x-forwarded-for", "1.2.3.4"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("connection", "upgrade, x-hop"),
            ("upgrade", "websocket"),
            ("x-hop", "x"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("content-length", "3"),
            ("atek-auth-user", "system"),
        ]);
        to_outside(&mut sent);
        let expected = ["authorization", "cookie", "host", "via", "x-forwarded-for"];
        assert_eq!(names(&sent), expected);
        let mut received = headers(&[
            ("set-cookie", "a=b"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("proxy-authenticate", "Basic"),
        ]);
        from_outside(&mut received);
        assert_eq!(names(&received), ["set-cookie", "via"]);
    }

    #[test]
    fn a_client_cannot_say_who_it_is() {
        let mut sent = headers(&[
            ("atek-auth-user", "system"),
            ("Atek-Auth-Service", "system"),
            ("atek-auth-user", "system"),
            ("atek-anything", "x"),
            ("Atek_Auth_User", "system"),
            ("atek_auth-service", "system"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-anything", "x"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("connection", "close, x-secret, host2"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("accept", "*/*"),
            ("host", "rss.localhost:8080"),
        ]);
        to_service(&mut sent, false);
        assert_eq!(names(&sent), ["accept", "host"]);
        let client = Client {
            address: Some("::ffff:10.0.0.1".parse().unwrap()),
            is_https: false,
        };
        let address = client.address.and_then(forwarded_for);
        describe_client(&mut sent, client, address);
        assert_eq!(sent["x-forwarded-for"], "10.0.0.1");
        assert_eq!(sent["x-forwarded-host"], "rss.localhost:8080");
        assert_eq!(sent["x-forwarded-proto"], "http");
    }

    #[test]
    fn what_the_host_says_cannot_be_struck_by_the_connection_header() {
        let mut sent = headers(&[
            ("connection", "atek-auth-user, x-forwarded-for, host"),
            ("host", "rss.localhost"),
        ]);
        to_service(&mut sent, false);
        identify(&mut sent, &Caller::System, &"rss".parse().unwrap());
        assert_eq!(
            names(&sent),
            ["atek-auth-service", "atek-auth-user", "host"]
        );
    }

    #[test]
    fn an_upgrade_keeps_what_asks_for_it() {
        let lines = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "x"),
        ];
        let mut sent = headers(&lines);
        assert!(wants_websocket(&sent));
        to_service(&mut sent, true);
        assert_eq!(names(&sent), ["connection", "sec-websocket-key", "upgrade"]);
        assert!(!wants_websocket(&headers(&[("upgrade", "websocket")])));
        assert!(!wants_websocket(&headers(&[
            ("upgrade", "h2c"),
            ("connection", "upgrade")
        ])));
    }

    #[test]
    fn an_app_that_signs_out_does_not_clear_the_cookies_of_the_box() {
        for (set, kept) in [
            (&["\"cookies\""][..], None),
            (
                &["\"cache\", \"cookies\", \"storage\""],
                Some("\"cache\", \"storage\""),
            ),
            (&["\"cookies\"", "\"storage\""], Some("\"storage\"")),
            (&["\"*\""], Some("\"cache\", \"storage\"")),
            (&["\"executionContexts\",\"cache\""], Some("\"cache\"")),
            (&["cookies, *"], None),
        ] {
            let mut headers = headers(&[("strict-transport-security", "max-age=9")]);
            for value in set {
                headers.append(CLEAR_SITE_DATA, HeaderValue::from_static(value));
            }
            keep_to_own_site(&mut headers);
            assert!(!headers.contains_key("strict-transport-security"));
            let left = headers
                .get(CLEAR_SITE_DATA)
                .map(|left| left.to_str().unwrap());
            assert_eq!(left, kept, "{set:?}");
        }
    }

    #[test]
    fn bearer_tokens_are_read() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("abc", None),
        ] {
            assert_eq!(
                bearer(&headers(&[("authorization", value)])),
                expected,
                "{value}"
            );
        }
    }
}
