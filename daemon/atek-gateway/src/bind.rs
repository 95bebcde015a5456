//! How a session of the main domain comes to a service's subdomain.
//!
//! ```text
//!   ID.DOMAIN/p ──302──> DOMAIN/_atek/bind-session?service=ID&path=/p&nonce=HASH
//!     a nonce in a cookie  │ not signed in: ──302──> /_atek/login?redirect=… ──> back here
//!   ID.DOMAIN/p?bst=TOKEN <──302── signed in: a token, for one use within a minute
//!     ──302──> ID.DOMAIN/p with the subdomain's own cookie, where the nonce is the token's
//! ```
//!
//! The nonce prevents login CSRF: a token works only in the browser that started the flow. An
//! app's page can set that cookie for its neighbours, as it can any cookie over HTTP; then the
//! link must be one of its own owner's, who has an account on this box.
//!
//! At an app's port it is the same with `ADDRESS:PORT` for `ID.DOMAIN`, and `at=port`; under
//! its name of two labels with `ID-BOX.local`, and `at=alias`.
//!
//! The service never sees the token: it is redeemed and stripped before. The last step is a page
//! instead where another app may have left something in the browser, see [`former_app`].

use super::body::{self, Body};
use super::edge::client::Client;
use super::edge::cookie_scope::CookieScope;
use super::edge::host_name::{self, Authority};
use super::edge::{cookies, same_origin};
use super::error::Failure;
use super::former_app;
use super::gateway::Gateway;
use super::pages::Browser;
use super::site::{self, AppSite};
use atek_api::ids::ServiceId;
use atek_host_model::bind::NonceHash;
use atek_host_model::directory::Entry;
use atek_host_model::permissions::{Caller, may_visit};
use atek_host_model::random;
use http::header::{LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The one-time token's name in a query; the original's.
const TOKEN: &str = "bst";
/// The parameter of the flow that names the browser's nonce.
const NONCE: &str = "nonce";
/// How long a person may take to sign in on the way, in seconds.
const NONCE_SECS: u32 = 30 * 60;
/// Everything else is encoded in a query's value.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// The answer to a browser that has no session at an app's site.
pub(super) async fn begin_at_app<B>(
    gateway: &Gateway,
    site: &AppSite,
    client: Client,
    request: &Request<B>,
) -> Result<Response<Body>, Failure> {
    let (uri, sent) = (request.uri(), request.headers());
    if let Some(response) = former_app::service_worker(site, sent) {
        return Ok(response);
    }
    if !same_origin::is_navigation(request.method(), sent) {
        return Err(Failure::NotAuthorized);
    }
    let clean =
        without_token(request.method(), uri).unwrap_or_else(|| path_and_query(uri).to_owned());
    let scope = site.origin.cookie_scope();
    if let (Some(entry), Some(token)) = (&site.entry, parameter(uri, TOKEN))
        && let Some(cookie) = redeem(gateway, entry, &token, sent, scope).await?
    {
        let cleaning = former_app::page(site, entry, client, (sent, uri), &clean)?;
        let mut response = match cleaning {
            Some(page) => page,
            None => redirect(&clean)?,
        };
        let cookies = [
            cookies::set(&scope.session(), cookie.expose(), client.is_https),
            former_app::remembered(scope, &entry.key, client),
            cookies::clear(&scope.binding()),
        ];
        for cookie in cookies {
            response
                .headers_mut()
                .append(SET_COOKIE, cookie.ok_or(Failure::Internal)?);
        }
        return Ok(response);
    }
    // Another tab's flow may be under way, with the nonce that is there.
    let nonce = match nonce_of(sent, scope) {
        Some(nonce) => nonce,
        None => random::hex::<16>()
            .map_err(|_| Failure::Internal)?
            .expose()
            .to_owned(),
    };
    let hash = NonceHash::of(&nonce);
    let bind = bind_url(&site.id, &clean, site.origin.parameter(), Some(&hash));
    let mut response = redirect(&format!("{}{bind}", site.main_url))?;
    let cookie = cookies::lend(&scope.binding(), &nonce, NONCE_SECS, client.is_https);
    let cookie = cookie.ok_or(Failure::Internal)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// The nonce that a browser has for a site, if it looks like one.
fn nonce_of(sent: &HeaderMap, scope: CookieScope) -> Option<String> {
    let name = scope.binding();
    let is_nonce = |value: &&str| value.len() == 32 && value.bytes().all(|b| b.is_ascii_hexdigit());
    let found = cookies::values(sent, &name).find(is_nonce);
    found.map(ToOwned::to_owned)
}

async fn redeem(
    gateway: &Gateway,
    entry: &Entry,
    token: &str,
    sent: &HeaderMap,
    scope: CookieScope,
) -> Result<Option<atek_api::secret::Secret>, Failure> {
    let nonces: Vec<NonceHash> = cookies::values(sent, &scope.binding())
        .map(NonceHash::of)
        .collect();
    let accounts = &gateway.deps().accounts;
    Ok(accounts
        .redeem_bind_token(token, &entry.key, &nonces)
        .await?)
}

/// `GET /_atek/bind-session?service=ID&path=P`, with `at=port` for the app's port instead of its
/// subdomain.
pub(super) fn begin_at_main(
    gateway: &Gateway,
    caller: &Caller,
    client: Client,
    head: &Parts,
) -> Result<Response<Body>, Failure> {
    let uri = &head.uri;
    let refused = || {
        Ok(match Browser::of(&head.headers) {
            Some(browser) => {
                let browser = browser.with_home(Some("/".to_owned()));
                Failure::Forbidden.to_page(Some(&browser))
            }
            // The original's answer.
            None => body::json(StatusCode::BAD_REQUEST, r#"{"error":"Not authorized"}"#),
        })
    };
    let Some(id) = parameter(uri, "service").and_then(|id| id.parse::<ServiceId>().ok()) else {
        return refused();
    };
    let path = parameter(uri, "path").unwrap_or_default();
    let path = if is_local(&path) {
        path
    } else {
        "/".to_owned()
    };
    let at = parameter(uri, "at");
    let at = at.as_deref().filter(|at| matches!(*at, "port" | "alias"));
    let nonce = parameter(uri, NONCE).and_then(|text| NonceHash::parse(&text));
    let Caller::User(person) = caller else {
        return redirect(&login_url(&bind_url(&id, &path, at, nonce.as_ref())));
    };
    let directory = gateway.deps().directory.now();
    let Some(entry) = directory
        .by_id(id.as_str())
        .filter(|entry| may_visit(caller, entry.target()))
    else {
        return refused();
    };
    let authority = site::authority(&head.headers)?;
    // From the record alone: no parameter decides where a token goes.
    let Some(url) = app_url(gateway, entry, &authority, client, at) else {
        return refused();
    };
    let Some(nonce) = nonce else {
        // The flow begins at the app, where this browser gets its nonce.
        return redirect(&format!("{url}{path}"));
    };
    let token = gateway
        .deps()
        .accounts
        .issue_bind_token(person, &entry.key, nonce)?;
    let glue = if path.contains('?') { '&' } else { '?' };
    redirect(&format!("{url}{path}{glue}{TOKEN}={}", token.expose()))
}

/// The URL of an app's site, without a path, for a browser that is at `authority` of the main
/// domain. `at` as in [`begin_at_main`]; none where the app has no such site.
pub(super) fn app_url(
    gateway: &Gateway,
    entry: &Entry,
    authority: &Authority,
    client: Client,
    at: Option<&str>,
) -> Option<String> {
    let names = gateway.names();
    let domain = names.app_domain(authority);
    let (id, scheme) = (entry.id(), client.scheme());
    Some(match at {
        Some("port") => format!("{scheme}://{}:{}", authority.name(), entry.settings.port?),
        Some("alias") if host_name::is_local(domain) => {
            format!("{scheme}://{id}-{domain}{}", authority.port())
        }
        _ => format!("{scheme}://{id}.{domain}{}", authority.port()),
    })
}

fn bind_url(id: &ServiceId, path: &str, at: Option<&str>, nonce: Option<&NonceHash>) -> String {
    let at = at.map(|word| format!("&at={word}")).unwrap_or_default();
    let nonce = nonce
        .map(|hash| format!("&{NONCE}={}", hash.as_str()))
        .unwrap_or_default();
    format!(
        "/_atek/bind-session?service={id}&path={}{at}{nonce}",
        encoded(path)
    )
}

/// The way to the login page for a browser that opens a page of the main domain; scripts get
/// [`Failure::NotAuthorized`].
pub(super) fn to_login<B>(request: &Request<B>) -> Result<Response<Body>, Failure> {
    if !same_origin::is_navigation(request.method(), request.headers()) {
        return Err(Failure::NotAuthorized);
    }
    redirect(&login_url(path_and_query(request.uri())))
}

/// Relative: name, port and scheme are the browser's.
fn login_url(then: &str) -> String {
    match then {
        "/" => "/_atek/login".to_owned(),
        then => format!("/_atek/login?redirect={}", encoded(then)),
    }
}

/// The request's path and query without one-time tokens, if it carries one and may be redirected.
pub(super) fn without_token(method: &Method, uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    let is_token = |pair: &&str| pair.split('=').next() == Some(TOKEN);
    if !matches!(*method, Method::GET | Method::HEAD)
        || !query.split('&').any(|pair| is_token(&pair))
    {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
    let path = uri.path();
    Some(local(if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    }))
}

/// A redirect to a path or URL.
pub(super) fn redirect(to: &str) -> Result<Response<Body>, Failure> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let location =
        HeaderValue::from_str(to).map_err(|_| Failure::BadRequest("the path is malformed"))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// A path that a browser cannot take for another host's: `//evil.test` and `/\evil.test` are.
fn local(path: String) -> String {
    if is_local(&path) {
        path
    } else {
        format!("/{}", path.trim_start_matches(['/', '\\']))
    }
}

fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.starts_with("/\\")
        && path.bytes().all(|b| b.is_ascii_graphic())
        && !path.contains('#')
}

/// The request's target as a path of the same host.
pub(super) fn local_target(uri: &Uri) -> String {
    local(path_and_query(uri).to_owned())
}

fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    uri.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
    })
}

fn encoded(value: &str) -> impl std::fmt::Display {
    utf8_percent_encode(value, VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_stripped_and_the_rest_stays() {
        for (uri, expected) in [
            ("/p?bst=1", Some("/p")),
            ("/p?a=1&bst=1&b=%20", Some("/p?a=1&b=%20")),
            ("/p?bst", Some("/p")),
            ("/p?abst=1", None),
            ("/p", None),
            ("//evil.test/?bst=1", Some("/evil.test/")),
        ] {
            assert_eq!(
                without_token(&Method::GET, &uri.parse().unwrap()).as_deref(),
                expected,
                "{uri}"
            );
        }
        assert_eq!(
            without_token(&Method::POST, &"/p?bst=1".parse().unwrap()),
            None
        );
    }

    #[test]
    fn only_paths_of_the_same_host_are_gone_to() {
        for (path, expected) in [
            ("/", true),
            ("/a?b=1&c=2", true),
            ("//evil.test", false),
            ("/\\evil.test", false),
            ("http://evil.test", false),
            ("", false),
            ("/a\nb", false),
            ("/a b", false),
            ("/a#b", false),
        ] {
            assert_eq!(is_local(path), expected, "{path:?}");
        }
    }

    #[test]
    fn every_parameter_survives_the_login() {
        assert_eq!(login_url("/"), "/_atek/login");
        let url = login_url("/a?b=1&c=2");
        assert_eq!(url, "/_atek/login?redirect=/a%3Fb%3D1%26c%3D2");
        assert_eq!(
            parameter(&url.parse().unwrap(), "redirect").unwrap(),
            "/a?b=1&c=2"
        );
    }
}
