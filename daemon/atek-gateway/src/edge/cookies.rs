//! The host's cookies: read, set, and kept from the services. Pure.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// The session of the main domain.
pub const MAIN: &str = "session";
/// The session of one service's subdomain.
pub const BOUND: &str = "atek-session";

/// The nonce of the bind flow, while it is under way.
pub const BINDING: &str = "atek-bind";

/// What the names of apps' cookies begin with that share a jar with others, see [`super::cookie_scope`].
pub const APP: &str = "atek-app-";

/// A browser keeps fewer cookies for one host: whatever a script adds, the right one is among them.
const MAX_CANDIDATES: usize = 256;

/// The values of all cookies called `name`.
///
/// There can be several: a service's page can set one for the parent domain, and for a longer path.
pub fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    pairs(headers)
        .filter_map(move |pair| pair.strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim_matches('"'))
        .take(MAX_CANDIDATES)
}

/// The `NAME=VALUE` pairs of a request.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
}

/// Removes the host's cookies from a request that goes to a service.
pub fn hide(headers: &mut HeaderMap) {
    if !headers.contains_key(COOKIE) {
        return;
    }
    let mut kept = String::new();
    for pair in pairs(headers) {
        if is_host_name(pair.split('=').next().unwrap_or(pair)) {
            continue;
        }
        if !kept.is_empty() {
            kept.push_str("; ");
        }
        kept.push_str(pair);
    }
    headers.remove(COOKIE);
    if !kept.is_empty()
        && let Ok(value) = HeaderValue::try_from(kept)
    {
        headers.insert(COOKIE, value);
    }
}

/// Removes from a service's response what would touch the host's cookies or another service's site.
///
/// A cookie without a name is removed too: browsers send `=session=x` back as
/// `session=x`. `Domain` is dropped, so that the cookie stays on its own host.
pub fn confine(headers: &mut HeaderMap) {
    if !headers.contains_key(SET_COOKIE) {
        return;
    }
    let confined: Vec<HeaderValue> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(confined)
        .collect();
    headers.remove(SET_COOKIE);
    for value in confined {
        headers.append(SET_COOKIE, value);
    }
}

fn confined(value: &HeaderValue) -> Option<HeaderValue> {
    let mut parts = value.as_bytes().split(|byte| *byte == b';');
    let pair = parts.next()?.trim_ascii();
    let end = pair.iter().position(|byte| *byte == b'=')?;
    let name = std::str::from_utf8(pair[..end].trim_ascii()).ok()?;
    if name.is_empty() || is_host_name(name) {
        return None;
    }
    let mut kept = pair.to_vec();
    for part in parts {
        let part = part.trim_ascii();
        let attribute = part
            .split(|byte| *byte == b'=')
            .next()
            .unwrap_or(part)
            .trim_ascii();
        if !attribute.eq_ignore_ascii_case(b"domain") {
            kept.extend_from_slice(b"; ");
            kept.extend_from_slice(part);
        }
    }
    HeaderValue::from_bytes(&kept).ok()
}

/// Also any name that begins like the host's: those of the ports end with a number.
fn is_host_name(name: &str) -> bool {
    let name = name.trim();
    name == MAIN
        || [BOUND, BINDING, APP]
            .iter()
            .any(|own| name.starts_with(own))
}

/// `Set-Cookie` that begins a session; not readable by scripts, not sent by other sites' forms.
#[must_use]
pub fn set(name: &str, text: &str) -> Option<HeaderValue> {
    let mut value =
        HeaderValue::try_from(format!("{name}={text}; Path=/; HttpOnly; SameSite=Lax")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `Set-Cookie` as [`set`], for `seconds`.
#[must_use]
pub fn lend(name: &str, text: &str, seconds: u32) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!(
        "{name}={text}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}"
    ))
    .ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `Set-Cookie` that ends one.
#[must_use]
pub fn clear(name: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!(
        "{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    ))
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &http::HeaderName, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn hole_3_the_hosts_cookies_never_reach_a_service() {
        for (sent, forwarded) in [
            (&["session=a"][..], None),
            (&["a=1; session=x; b=2"], Some("a=1; b=2")),
            (&["a=1; atek-session=y;b=2;"], Some("a=1; b=2")),
            (&["session=a", "theme=dark"], Some("theme=dark")),
            (&[" session =a; sessions=b"], Some("sessions=b")),
            (&["session"], None),
            (&["mysession=1"], Some("mysession=1")),
            (
                &["a=1; atek-session-8101=y; atek-app-8101-sid=z; atek-bind-8101=n"],
                Some("a=1"),
            ),
        ] {
            let mut headers = headers(&COOKIE, sent);
            hide(&mut headers);
            assert_eq!(
                headers.get(COOKIE).map(|v| v.to_str().unwrap()),
                forwarded,
                "{sent:?}"
            );
        }
    }

    #[test]
    fn a_service_cannot_set_the_hosts_cookies_or_reach_another_site() {
        for (set, kept) in [
            ("a=1; Path=/", Some("a=1; Path=/")),
            ("a=1; Domain=localhost; Path=/", Some("a=1; Path=/")),
            ("a=1;DOMAIN = .box.test;Secure", Some("a=1; Secure")),
            ("a=1; Domain", Some("a=1")),
            ("session=x", None),
            (" session =x; Path=/", None),
            ("atek-session=x", None),
            ("atek-session-8101=x", None),
            ("atek-bind=x", None),
            ("atek-bind-8101=x", None),
            ("atek-app-8101-sid=x", None),
            ("=session=x", None),
            ("novalue", None),
        ] {
            let mut headers = headers(&SET_COOKIE, &[set]);
            confine(&mut headers);
            assert_eq!(
                headers.get(SET_COOKIE).map(|v| v.to_str().unwrap()),
                kept,
                "{set}"
            );
        }
    }

    #[test]
    fn all_candidates_of_a_name_are_seen() {
        let headers = headers(&COOKIE, &["session=a; x=1; session=b", "session=\"c\""]);
        assert_eq!(values(&headers, MAIN).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(values(&headers, BOUND).count(), 0);
    }
}
