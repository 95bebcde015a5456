//! A box without an owner: every page leads to its setup, until there is an administrator.
//!
//! Only who is not known meets this: the command line, and whoever it made a user, are
//! let through.

use super::body::Body;
use super::edge::same_origin;
use super::error::Failure;
use super::pages;
use super::server::Gateway;
use super::site;
use atek_host_model::permissions::Caller;
use atek_host_model::setup::Need;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

/// The setup page, below the main domain.
pub(super) const PAGE: &str = "/_atek/setup/";

/// The answer instead of the one that was asked for, where the box has no owner yet.
///
/// `base` is the main domain's URL without a path, for a request to another site.
///
/// # Errors
///
/// [`Failure::Unclaimed`] for what is no page, [`Failure::Starting`] for a page while it is
/// not known whether there is an owner.
pub(super) fn redirect_to_setup<B>(
    gateway: &Gateway,
    caller: &Caller,
    base: Option<&str>,
    request: &Request<B>,
) -> Result<Option<Response<Body>>, Failure> {
    if caller.is_known() || *request.method() == Method::OPTIONS {
        return Ok(None);
    }
    let accounts = &gateway.deps().accounts;
    let is_page = same_origin::is_navigation(request.method(), request.headers())
        && site::wants_html(request.headers());
    let is_own = base.is_none() && is_open(request.uri().path(), || accounts.has_users());
    match accounts.setup_need() {
        Need::Done => Ok(None),
        _ if is_own => Ok(None),
        Need::Unknown if is_page => Err(Failure::Starting),
        Need::Unknown => Ok(None),
        Need::Needed if is_page => to(&format!("{}{PAGE}", base.unwrap_or_default())).map(Some),
        Need::Needed => Err(Failure::Unclaimed),
    }
}

/// Whether a path of the main domain is there before the box has an owner.
fn is_open(path: &str, has_users: impl FnOnce() -> bool) -> bool {
    match path.strip_prefix("/_atek/") {
        // What may be called there is decided by who answers.
        Some("gateway" | "setup" | "setup/") => true,
        Some("login" | "login/") => has_users(),
        Some(rest) => {
            pages::asset(rest).is_some() || rest.strip_prefix("ui/").is_some_and(pages::has_file)
        }
        None => false,
    }
}

/// Whether a call of an unknown caller is answered before the box has an owner.
pub(super) fn may_call(gateway: &Gateway, api: &str, method: &str) -> bool {
    let accounts = &gateway.deps().accounts;
    api == atek_api::setup::API
        || accounts.setup_need() != Need::Needed
        || method == "whoami"
        || accounts.has_users()
}

/// `/_atek/setup/`: the page, or away from it.
pub(super) fn page(gateway: &Gateway, sent: &HeaderMap) -> Result<Response<Body>, Failure> {
    match gateway.deps().accounts.setup_need() {
        Need::Needed => pages::setup(sent).ok_or(Failure::NotFound),
        Need::Unknown => Err(Failure::Starting),
        Need::Done => to("/"),
    }
}

/// A redirect that nobody may remember: the next answer is another one.
fn to(location: &str) -> Result<Response<Body>, Failure> {
    let mut response = Response::new(super::body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    let location = HeaderValue::from_str(location)
        .map_err(|_| Failure::BadRequest("the Host header is malformed"))?;
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_setup_needs_is_open_and_nothing_else() {
        for (path, without, with) in [
            ("/_atek/gateway", true, true),
            ("/_atek/setup", true, true),
            ("/_atek/setup/", true, true),
            ("/_atek/js/rpc.js", true, true),
            ("/_atek/ui/atek.svg", true, true),
            ("/_atek/ui/setup.html", false, false),
            ("/_atek/login", false, true),
            ("/_atek/login/", false, true),
            ("/_atek/logs", false, false),
            ("/_atek/jobs/1", false, false),
            ("/_atek/bind-session", false, false),
            ("/_atek/gateway/x", false, false),
            ("/_atek/nothing", false, false),
            ("/", false, false),
        ] {
            assert_eq!(is_open(path, || false), without, "{path}");
            assert_eq!(is_open(path, || true), with, "{path}");
        }
    }
}
