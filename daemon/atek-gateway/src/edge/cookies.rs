//! The host's cookies: read, set, and kept from the services. Pure.

use atek_host_model::host_api::TEMPORARY_COOKIE;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// The session of the main domain.
pub const MAIN: &str = "session";
/// The session of one service's subdomain.
pub const BOUND: &str = "atek-session";

/// The nonce of the bind flow, while it is under way.
pub const BINDING: &str = "atek-bind";

/// The key of the app whose site it was when the browser was there.
pub const OWNER: &str = "atek-owner";

/// Prefix of the names of cookies that tell known devices from others, one for each user.
pub const DEVICE: &str = "atek-device-";

/// Prefix of the names of apps' cookies at sites that share a host name, see
/// [`super::cookie_scope`].
pub const APP: &str = "atek-app-";

/// Device cookies that are looked at: more people do not share one browser.
const MAX_DEVICES: usize = 16;

/// A browser keeps fewer cookies for one host: whatever a script adds, the right one is among them.
const MAX_CANDIDATES: usize = 256;

/// Folders of a path for which cookies are removed.
const REMOVED_PATHS: usize = 4;
/// `Set-Cookie` headers of one answer; a browser that has more cookies gets the page again.
const REMOVED_AT_ONCE: usize = 500;

/// The values of all cookies called `name`.
///
/// There can be several: a service's page can set one for the parent domain, and for a longer path.
/// A value that is no text is none of the host's.
pub fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    pairs(headers)
        .filter_map(move |pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .filter_map(|value| std::str::from_utf8(value).ok())
        .map(|value| value.trim_matches('"'))
        .take(MAX_CANDIDATES)
}

/// The values of the cookies that known devices have.
pub fn devices(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    pairs(headers)
        .filter(|pair| pair.starts_with(DEVICE.as_bytes()))
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='))
        .map(|(_, value)| value)
        .take(MAX_DEVICES)
}

/// The `NAME=VALUE` pairs of a request, as bytes: browsers send what a script set, also beyond
/// ASCII.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
}

/// The name of a pair.
pub fn name(pair: &[u8]) -> &[u8] {
    let end = pair.iter().position(|byte| *byte == b'=');
    pair[..end.unwrap_or(pair.len())].trim_ascii()
}

/// The value of a `Cookie` header with these pairs.
pub fn join<'a>(pairs: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    pairs.collect::<Vec<_>>().join(&b"; "[..])
}

/// Puts a value in the place of a request's `Cookie` headers; an empty one removes them.
pub fn replace(headers: &mut HeaderMap, joined: &[u8]) {
    headers.remove(COOKIE);
    if !joined.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(joined)
    {
        headers.insert(COOKIE, value);
    }
}

/// Removes the host's cookies from a request that goes to a service.
pub fn hide(headers: &mut HeaderMap) {
    if !headers.contains_key(COOKIE) {
        return;
    }
    let kept = join(pairs(headers).filter(|pair| !is_host_name(name(pair))));
    replace(headers, &kept);
}

/// Bytes of a request's cookies that are not the host's, where they are more than `limit`.
#[must_use]
pub fn length_above(headers: &HeaderMap, limit: usize) -> Option<usize> {
    let all: usize = headers.get_all(COOKIE).iter().map(HeaderValue::len).sum();
    if all <= limit {
        return None;
    }
    let foreign = pairs(headers).filter(|pair| !is_host_name(name(pair)));
    let length = foreign.map(|pair| pair.len() + 2).sum();
    (length > limit).then_some(length)
}

/// `Set-Cookie` values that remove a request's cookies, but not the host's, whatever site of the
/// box and whatever folder of the path they belong to.
#[must_use]
pub fn removal(headers: &HeaderMap, path: &str, parent: Option<&str>) -> Vec<HeaderValue> {
    let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
    let paths: Vec<&str> = std::iter::once("/")
        .chain(folders.filter(|folder| !folder.is_empty()))
        .take(REMOVED_PATHS)
        .collect();
    let domains =
        std::iter::once(String::new()).chain(parent.map(|parent| format!("; Domain={parent}")));
    let places: Vec<String> = domains
        .flat_map(|domain| {
            let paths = paths.iter();
            paths.map(move |path| format!("=; Path={path}; Max-Age=0{domain}"))
        })
        .collect();
    let mut names: Vec<&[u8]> = pairs(headers)
        .map(name)
        .filter(|name| !is_host_name(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .flat_map(|name| {
            places
                .iter()
                .map(move |place| [name, place.as_bytes()].concat())
        })
        .filter_map(|text| HeaderValue::from_bytes(&text).ok())
        .take(REMOVED_AT_ONCE)
        .collect()
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
    let name = pair[..end].trim_ascii();
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
fn is_host_name(name: &[u8]) -> bool {
    name == MAIN.as_bytes()
        || [BOUND, BINDING, OWNER, DEVICE, APP]
            .iter()
            .any(|own| name.starts_with(own.as_bytes()))
}

/// How long a browser keeps a session without using it, in seconds: as long as the host does.
const SESSION_SECS: u32 = 90 * 24 * 3600;

/// How long a browser is known, in seconds: as long as browsers keep a cookie (400 days).
pub const DEVICE_SECS: u32 = 400 * 24 * 3600;

/// `Set-Cookie` that begins a session; not readable by scripts, not sent by other sites' forms.
#[must_use]
pub fn set(name: &str, text: &str, is_https: bool) -> Option<HeaderValue> {
    let secure = if is_https { "; Secure" } else { "" };
    // Without a time a browser forgets it when it is closed.
    let lasts = if text.starts_with(TEMPORARY_COOKIE) {
        String::new()
    } else {
        format!("; Max-Age={SESSION_SECS}")
    };
    let mut value = HeaderValue::try_from(format!(
        "{name}={text}; Path=/; HttpOnly; SameSite=Lax{lasts}{secure}"
    ))
    .ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `Set-Cookie` as [`set`], for `seconds`.
#[must_use]
pub fn lend(name: &str, text: &str, seconds: u32, is_https: bool) -> Option<HeaderValue> {
    let secure = if is_https { "; Secure" } else { "" };
    let mut value = HeaderValue::try_from(format!(
        "{name}={text}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
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
    use crate::edge::cookie_scope::CookieScope;

    #[test]
    fn fuzz_cookies() {
        let seeds: [&[u8]; 5] = [
            b"session=abc; theme=dark; atek-session=x; atek-app-4000-id=1",
            b"a=\"b\"; =session=x; __Host-a=1",
            b"id=1; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=3600",
            b"session=x; Domain=box.local; Path=/a/b/c/d/e",
            b"atek-bind=1; ;; a; b=c=d",
        ];
        let tokens: [&[u8]; 6] = [
            b"session=",
            b"atek-session",
            b"atek-app-",
            b"; HttpOnly",
            b"Domain=",
            b"Path=/",
        ];
        atek_fuzz::run("cookies", &seeds, &tokens, |input| {
            let Ok(value) = HeaderValue::from_bytes(input) else {
                return false;
            };
            let mut sent = HeaderMap::from_iter([(COOKIE, value.clone())]);
            let known = CookieScope::Port(4000).unscope_request(&mut sent);
            hide(&mut sent);
            let is_hosts = |pair: &[u8]| is_host_name(name(pair));
            assert!(
                !pairs(&sent).any(is_hosts),
                "a cookie of the host got through"
            );
            let removed = removal(&sent, "/a/b/c/d/e/f", Some("box.local"));
            assert!(removed.len() <= REMOVED_AT_ONCE);
            let mut set = HeaderMap::from_iter([(SET_COOKIE, value)]);
            confine(&mut set);
            for kept in set.get_all(SET_COOKIE) {
                assert!(!is_hosts(kept.as_bytes()), "a cookie of the host was set");
            }
            let kept = set.contains_key(SET_COOKIE);
            CookieScope::Port(4000).scope_response(&mut set, &known);
            kept
        });
    }

    fn headers(name: &http::HeaderName, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn the_hosts_cookies_never_reach_a_service() {
        for (sent, forwarded) in [
            (&["session=a"][..], None),
            (&["a=1; session=x; b=2"], Some("a=1; b=2")),
            (&["a=1; atek-session=y;b=2;"], Some("a=1; b=2")),
            (&["session=a", "theme=dark"], Some("theme=dark")),
            (&[" session =a; sessions=b"], Some("sessions=b")),
            (&["session"], None),
            (&["mysession=1"], Some("mysession=1")),
            (&["atek-device-0a1b=x; a=1"], Some("a=1")),
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
            ("atek-owner=x", None),
            ("atek-owner-8101=x", None),
            ("atek-device-1=x", None),
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
    fn a_session_that_ends_with_the_browser_has_no_time() {
        let set = |text| set(MAIN, text, true).unwrap();
        assert_eq!(
            set("ab"),
            "session=ab; Path=/; HttpOnly; SameSite=Lax; Max-Age=7776000; Secure"
        );
        let temporary = format!("{TEMPORARY_COOKIE}ab");
        assert_eq!(
            set(&temporary),
            "session=t-ab; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn a_cookie_that_is_no_text_hides_no_other_one() {
        let sent = b"junk=\xff\xfe; session=a; theme=d\xe4rk; \xff=1";
        let mut headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_bytes(sent).unwrap())]);
        assert_eq!(values(&headers, MAIN).collect::<Vec<_>>(), ["a"]);
        hide(&mut headers);
        assert_eq!(
            headers[COOKIE].as_bytes(),
            b"junk=\xff\xfe; theme=d\xe4rk; \xff=1"
        );
    }

    #[test]
    fn what_a_browser_has_too_much_of_is_removed_and_the_sessions_stay() {
        let headers = headers(&COOKIE, &["session=s; a=1; b=2; a=3; atek-session-8101=x"]);
        assert_eq!(length_above(&headers, 14), Some(3 * 5));
        assert_eq!(length_above(&headers, 15), None);
        let removed = removal(&headers, "/x/y", Some("atek.local"));
        let removed: Vec<_> = removed
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(
            removed,
            [
                "a=; Path=/; Max-Age=0",
                "a=; Path=/x; Max-Age=0",
                "a=; Path=/; Max-Age=0; Domain=atek.local",
                "a=; Path=/x; Max-Age=0; Domain=atek.local",
                "b=; Path=/; Max-Age=0",
                "b=; Path=/x; Max-Age=0",
                "b=; Path=/; Max-Age=0; Domain=atek.local",
                "b=; Path=/x; Max-Age=0; Domain=atek.local",
            ]
        );
    }

    #[test]
    fn all_candidates_of_a_name_are_seen() {
        let headers = headers(&COOKIE, &["session=a; x=1; session=b", "session=\"c\""]);
        assert_eq!(values(&headers, MAIN).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(values(&headers, BOUND).count(), 0);
    }
}
