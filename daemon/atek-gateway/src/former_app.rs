//! What a browser keeps at the site of an app for the app that had the site before.
//!
//! A name or port that became free may be another app's later. A browser knows nothing of that:
//! storage, cookies, service workers and kept files are the site's. So it holds a cookie with the
//! key of the app whose site it was ([`CookieScope::owner`]). A session begins with a look at it:
//! where it does not name this app, everything else is removed first, by a header where browsers
//! obey it (HTTPS and `localhost`), by cookies of the past, and by a page's script everywhere.
//! Kept files are not used again, because the answers of a site vary with the session
//! ([`vary_by_session`]).

use super::body::Body;
use super::edge::client::Client;
use super::edge::cookie_scope::CookieScope;
use super::edge::cookies;
use super::error::Failure;
use super::pages::{self, Browser};
use super::site::AppSite;
use atek_api::ids::ServiceKey;
use atek_host_model::directory::Entry;
use http::header::{HeaderName, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue, Response, Uri};

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");

/// Whether all that the browser says is that the site was this app's. A script can add a cookie,
/// and then there are two.
fn is_of(sent: &HeaderMap, scope: CookieScope, key: &ServiceKey) -> bool {
    let name = scope.owner();
    let mut owners = cookies::values(sent, &name).peekable();
    owners.peek().is_some() && owners.all(|owner| owner == key.as_str())
}

/// The cookie by which the browser knows whose site it is.
pub(super) fn remembered(
    scope: CookieScope,
    key: &ServiceKey,
    client: Client,
) -> Option<HeaderValue> {
    cookies::lend(
        &scope.owner(),
        key.as_str(),
        cookies::DEVICE_SECS,
        client.is_https,
    )
}

/// The page that removes what an earlier app left and then goes to `to`; none where this app had
/// the site in this browser already, and for what is no browser.
pub(super) fn page(
    site: &AppSite,
    entry: &Entry,
    client: Client,
    (sent, uri): (&HeaderMap, &Uri),
    to: &str,
) -> Result<Option<Response<Body>>, Failure> {
    let scope = site.origin.cookie_scope();
    if is_of(sent, scope, &entry.key) || Browser::of(sent).is_none() {
        return Ok(None);
    }
    let framed_by = entry.is_framed().then_some(&site.main_url);
    let mut response = pages::cleaning(to, framed_by).ok_or(Failure::Internal)?;
    let headers = response.headers_mut();
    // Browsers complain of it elsewhere.
    if client.is_https || site.authority.name().ends_with("localhost") {
        // Not "cookies", which are those of the whole box.
        let cleared = HeaderValue::from_static(r#""cache", "storage""#);
        headers.insert(CLEAR_SITE_DATA, cleared);
    }
    for cookie in scope.removal(sent, uri.path()) {
        headers.append(SET_COOKIE, cookie);
    }
    Ok(Some(response))
}

/// The answer to a service worker that looks for its next version without a session: where an
/// earlier app left it, one that removes itself.
pub(super) fn service_worker(site: &AppSite, sent: &HeaderMap) -> Option<Response<Body>> {
    let is_script = sent
        .get(SERVICE_WORKER)
        .is_some_and(|value| value.as_bytes() == b"script");
    let scope = site.origin.cookie_scope();
    let is_own = |entry: &std::sync::Arc<Entry>| is_of(sent, scope, &entry.key);
    (is_script && !site.entry.as_ref().is_some_and(is_own)).then(pages::last_service_worker)
}

/// Says that an answer of an app's site depends on the session, so that a browser uses none that
/// it kept from the time of another one.
pub(super) fn vary_by_session(headers: &mut HeaderMap) {
    let is_said = headers.get_all(VARY).iter().any(|value| {
        let names = value.as_bytes().split(|byte| *byte == b',');
        names
            .map(<[u8]>::trim_ascii)
            .any(|name| name == b"*" || name.eq_ignore_ascii_case(b"cookie"))
    });
    if !is_said {
        headers.append(VARY, HeaderValue::from_static("Cookie"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::COOKIE;

    #[test]
    fn only_a_browser_that_names_this_app_alone_had_the_site_for_it() {
        let key: ServiceKey = "key-news".parse().unwrap();
        let port = CookieScope::Port(8101);
        for (scope, cookie, expected) in [
            (CookieScope::Subdomain, "", false),
            (CookieScope::Subdomain, "atek-owner=key-news", true),
            (
                CookieScope::Subdomain,
                "a=1; atek-owner=key-news; b=2",
                true,
            ),
            (CookieScope::Subdomain, "atek-owner=key-other", false),
            (
                CookieScope::Subdomain,
                "atek-owner=key-news; atek-owner=key-other",
                false,
            ),
            (CookieScope::Subdomain, "atek-owner=", false),
            (CookieScope::Subdomain, "atek-owner-8101=key-news", false),
            (
                port,
                "atek-owner-8101=key-news; atek-owner-8102=key-other",
                true,
            ),
            (port, "atek-owner=key-news", false),
        ] {
            let sent = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(cookie))]);
            assert_eq!(is_of(&sent, scope, &key), expected, "{scope:?} {cookie}");
        }
    }

    #[test]
    fn an_answer_varies_with_the_session_once() {
        for (said, expected) in [
            (&[][..], &["Cookie"][..]),
            (&["Accept-Encoding"], &["Accept-Encoding", "Cookie"]),
            (&["accept, cookie"], &["accept, cookie"]),
            (&["*"], &["*"]),
        ] {
            let mut headers: HeaderMap = said
                .iter()
                .map(|value| (VARY, HeaderValue::from_static(value)))
                .collect();
            vary_by_session(&mut headers);
            let got: Vec<_> = headers.get_all(VARY).iter().collect();
            assert_eq!(got, expected);
        }
    }
}
