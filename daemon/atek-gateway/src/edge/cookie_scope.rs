//! Whose cookies a browser keeps together with a site's, and how they are told apart. Pure.
//!
//! A browser does not separate cookies by port: what the main domain and every app's port
//! set for one host name or address, it sends to all of them. So on those sites
//!
//! - the session of each has a name of its own, and the host takes all of them away before it
//!   passes a request on ([`cookies::hide`]);
//! - an app's `HttpOnly` cookie is stored as `atek-app-PORT-NAME`, and comes back to that app
//!   alone, as `NAME`. Its page cannot tell the difference, since it cannot read it.
//!
//! What a page's script may read it may as well read on any port: such cookies stay as they
//! are, and hold no secrets.

use super::cookies::{self, APP, BINDING, BOUND, MAIN, OWNER};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use std::borrow::Cow;

/// Cookies of a port that are removed in one answer: more than a browser keeps for one host.
const REMOVED_AT_ONCE: usize = 200;

/// The cookies of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieScope {
    /// The main domain.
    Main,
    /// A subdomain, whose cookies are its own.
    Subdomain,
    /// An app's port.
    Port(u16),
}

impl CookieScope {
    /// The name of the cookie that holds the host's session for the site.
    #[must_use]
    pub fn session(self) -> Cow<'static, str> {
        match self {
            Self::Main => MAIN.into(),
            Self::Subdomain => BOUND.into(),
            Self::Port(port) => format!("{BOUND}-{port}").into(),
        }
    }

    /// The name of the cookie that tells the browser in which a session is carried there.
    #[must_use]
    pub fn binding(self) -> Cow<'static, str> {
        match self {
            Self::Main | Self::Subdomain => BINDING.into(),
            Self::Port(port) => format!("{BINDING}-{port}").into(),
        }
    }

    /// The name of the cookie that tells for which app the browser had the site.
    #[must_use]
    pub fn owner(self) -> Cow<'static, str> {
        match self {
            Self::Main | Self::Subdomain => OWNER.into(),
            Self::Port(port) => format!("{OWNER}-{port}").into(),
        }
    }

    /// `Set-Cookie` values that remove the site's own cookies of a request: not those that a port
    /// shares with others, see above.
    #[must_use]
    pub fn removal(self, headers: &HeaderMap, path: &str) -> Vec<HeaderValue> {
        let Some(prefix) = self.prefix() else {
            return cookies::removal(headers, path, None);
        };
        let own = cookies::pairs(headers)
            .map(cookies::name)
            .filter(|name| name.starts_with(prefix.as_bytes()))
            .filter_map(|name| std::str::from_utf8(name).ok());
        own.take(REMOVED_AT_ONCE)
            .filter_map(|name| HeaderValue::try_from(format!("{name}=; Path=/; Max-Age=0")).ok())
            .collect()
    }

    /// What the names of the site's own secret cookies begin with, where it shares a jar.
    fn prefix(self) -> Option<String> {
        match self {
            Self::Main => Some(format!("{APP}main-")),
            Self::Subdomain => None,
            Self::Port(port) => Some(format!("{APP}{port}-")),
        }
    }

    /// Gives the site's own cookies their names back, in a request to its app. Returns those names.
    ///
    /// A script can put a cookie beside a secret one, never in its place: the secret one alone is
    /// passed on.
    pub fn unscope_request(self, headers: &mut HeaderMap) -> Vec<Vec<u8>> {
        let Some(prefix) = self.prefix().filter(|_| headers.contains_key(COOKIE)) else {
            return Vec::new();
        };
        let own: Vec<&[u8]> = cookies::pairs(headers)
            .filter_map(|pair| pair.strip_prefix(prefix.as_bytes()))
            .collect();
        let names: Vec<Vec<u8>> = own
            .iter()
            .map(|pair| cookies::name(pair).to_vec())
            .collect();
        let is_other = |pair: &&[u8]| {
            !pair.starts_with(APP.as_bytes()) && !names.iter().any(|own| own == cookies::name(pair))
        };
        let others = cookies::pairs(headers).filter(is_other);
        let joined = cookies::join(own.iter().copied().chain(others));
        cookies::replace(headers, &joined);
        names
    }

    /// Names the site's secret cookies in an app's response, after [`cookies::confine`].
    ///
    /// `known` are the names that [`CookieScope::unscope_request`] returned: one that becomes
    /// readable is no secret any more.
    pub fn scope_response(self, headers: &mut HeaderMap, known: &[Vec<u8>]) {
        let Some(prefix) = self.prefix().filter(|_| headers.contains_key(SET_COOKIE)) else {
            return;
        };
        let set: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
        headers.remove(SET_COOKIE);
        for value in set {
            let Ok(text) = value.to_str() else { continue };
            let name = name(text.split(';').next().unwrap_or(text));
            // Browsers take these names as a promise about the cookie, and over HTTP refuse them.
            let is_promise = ["__host-", "__secure-"]
                .iter()
                .any(|start| name.to_ascii_lowercase().starts_with(start));
            if is_promise {
                headers.append(SET_COOKIE, value);
            } else if has_attribute(text, "httponly") {
                append(headers, &format!("{prefix}{text}"));
            } else {
                if known.iter().any(|known| known == name.as_bytes()) {
                    append(headers, &forgotten(&format!("{prefix}{name}"), text));
                }
                headers.append(SET_COOKIE, value);
            }
        }
    }
}

fn append(headers: &mut HeaderMap, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.append(SET_COOKIE, value);
    }
}

/// Removes a cookie on the path of another one.
fn forgotten(name: &str, like: &str) -> String {
    let path = attributes(like)
        .find(|attribute| attribute_name(attribute).eq_ignore_ascii_case("path"))
        .map(|path| format!("; {path}"))
        .unwrap_or_default();
    format!("{name}={path}; HttpOnly; Max-Age=0")
}

fn has_attribute(text: &str, wanted: &str) -> bool {
    attributes(text).any(|attribute| attribute_name(attribute).eq_ignore_ascii_case(wanted))
}

fn attributes(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').skip(1).map(str::trim)
}

fn attribute_name(attribute: &str) -> &str {
    attribute.split('=').next().unwrap_or(attribute).trim()
}

fn name(pair: &str) -> &str {
    pair.split('=').next().unwrap_or(pair).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWS: CookieScope = CookieScope::Port(8101);

    fn cookie(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(text).unwrap())])
    }

    fn forwarded(jar: CookieScope, sent: &str) -> String {
        let mut headers = cookie(sent);
        jar.unscope_request(&mut headers);
        cookies::hide(&mut headers);
        headers
            .get(COOKIE)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    }

    fn stored(jar: CookieScope, set: &[&str], known: &[&str]) -> Vec<String> {
        let mut headers: HeaderMap = set
            .iter()
            .map(|text| (SET_COOKIE, HeaderValue::from_str(text).unwrap()))
            .collect();
        let known: Vec<Vec<u8>> = known.iter().map(|name| name.as_bytes().to_vec()).collect();
        cookies::confine(&mut headers);
        jar.scope_response(&mut headers, &known);
        headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn an_app_gets_its_own_secrets_and_nobody_elses() {
        for (jar, sent, got) in [
            (
                NEWS,
                "session=a; atek-session-8101=b; atek-session-8102=c; atek-session=d",
                "",
            ),
            (
                NEWS,
                "atek-app-8101-sid=1; atek-app-8102-sid=2; theme=dark",
                "sid=1; theme=dark",
            ),
            (NEWS, "sid=tossed; atek-app-8101-sid=1; x=2", "sid=1; x=2"),
            (NEWS, "atek-app-8101-session=x", ""),
            (NEWS, "atek-app-8101-atek-app-8102-sid=x", ""),
            (NEWS, "atek-app-main-sid=1; atek-app-81012-sid=2", ""),
            (
                CookieScope::Main,
                "atek-app-main-sid=1; atek-app-8101-sid=2; session=s",
                "sid=1",
            ),
            (
                CookieScope::Subdomain,
                "atek-app-8101-sid=2; sid=1",
                "sid=1",
            ),
        ] {
            assert_eq!(forwarded(jar, sent), got, "{jar:?} {sent}");
        }
    }

    #[test]
    fn what_a_script_cannot_read_is_stored_under_the_sites_own_name() {
        for (jar, set, known, kept) in [
            (
                NEWS,
                "sid=1; Path=/; HttpOnly",
                "",
                &["atek-app-8101-sid=1; Path=/; HttpOnly"][..],
            ),
            (
                NEWS,
                "sid=1; httponly ; Domain=x",
                "",
                &["atek-app-8101-sid=1; httponly"],
            ),
            (NEWS, "theme=dark; Path=/", "", &["theme=dark; Path=/"]),
            // It was a secret before, and a browser would replace it.
            (
                NEWS,
                "sid=; path=/a; Max-Age=0",
                "sid",
                &[
                    "atek-app-8101-sid=; path=/a; HttpOnly; Max-Age=0",
                    "sid=; path=/a; Max-Age=0",
                ],
            ),
            (
                NEWS,
                "__Host-sid=1; HttpOnly; Secure",
                "",
                &["__Host-sid=1; HttpOnly; Secure"],
            ),
            (NEWS, "session=1; HttpOnly", "", &[]),
            (NEWS, "atek-session-8102=1", "", &[]),
            (NEWS, "atek-app-8102-sid=1", "", &[]),
            (NEWS, "atek-app-8101-sid=1; HttpOnly", "", &[]),
            (
                CookieScope::Main,
                "sid=1; HttpOnly",
                "",
                &["atek-app-main-sid=1; HttpOnly"],
            ),
            (
                CookieScope::Subdomain,
                "sid=1; HttpOnly",
                "",
                &["sid=1; HttpOnly"],
            ),
        ] {
            assert_eq!(stored(jar, &[set], &[known]), kept, "{jar:?} {set}");
        }
    }

    #[test]
    fn what_an_app_sets_comes_back_to_it() {
        for jar in [CookieScope::Main, CookieScope::Subdomain, NEWS] {
            let set = stored(jar, &["sid=1=2; HttpOnly", "theme=dark"], &[]);
            let sent: Vec<&str> = set
                .iter()
                .map(|set| set.split(';').next().unwrap())
                .collect();
            assert_eq!(
                forwarded(jar, &sent.join("; ")),
                "sid=1=2; theme=dark",
                "{jar:?}"
            );
        }
    }

    #[test]
    fn each_site_has_a_session_of_its_own() {
        let names = [
            CookieScope::Main,
            CookieScope::Subdomain,
            NEWS,
            CookieScope::Port(8102),
        ]
        .map(CookieScope::session);
        assert_eq!(
            names,
            [
                "session",
                "atek-session",
                "atek-session-8101",
                "atek-session-8102"
            ]
        );
    }
}
