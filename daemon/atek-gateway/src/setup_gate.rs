//! A box without an owner: every page leads to its setup, until there is an administrator.
//!
//! Applies to unauthenticated requests only: the command line, and users that it made, pass.

use super::body::{self, Body};
use super::edge::host_name::MainUrl;
use super::edge::{headers, same_origin};
use super::error::Failure;
use super::gateway::Gateway;
use super::pages;
use super::route::{BeforeSetup, Route};
use atek_host_model::setup::Ownership;
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

/// The setup page, below the main domain.
const PAGE: &str = "/_atek/setup/";

/// The answer to an unknown caller where the box has no owner yet; none if the request goes on.
///
/// `main_url` is the main domain's URL without a path, for a request to an app's site.
///
/// # Errors
///
/// [`Failure::Unclaimed`] for what is no page, [`Failure::Starting`] for a page while it is
/// not known whether there is an owner.
pub(super) fn redirect_to_setup<B>(
    gateway: &Gateway,
    route: Route<'_>,
    main_url: Option<&MainUrl>,
    request: &Request<B>,
) -> Result<Option<Response<Body>>, Failure> {
    let accounts = &gateway.deps().accounts;
    let ownership = accounts.ownership();
    let is_open = || match route.before_setup() {
        BeforeSetup::Open => true,
        BeforeSetup::WithUsers => accounts.has_users(),
        BeforeSetup::Closed => false,
    };
    if ownership == Ownership::Claimed || is_open() {
        return Ok(None);
    }
    let is_page = same_origin::is_navigation(request.method(), request.headers())
        && headers::wants_html(request.headers());
    match ownership {
        Ownership::Claimed => Ok(None),
        Ownership::Unknown if is_page => Err(Failure::Starting),
        Ownership::Unknown => Ok(None),
        Ownership::Unclaimed if is_page => {
            let page = main_url.map_or_else(|| PAGE.to_owned(), |url| format!("{url}{PAGE}"));
            to(&page).map(Some)
        }
        Ownership::Unclaimed => Err(Failure::Unclaimed),
    }
}

/// Whether a call of an unknown caller is answered before the box has an owner.
pub(super) fn may_call(gateway: &Gateway, api: &str, method: &str) -> bool {
    let accounts = &gateway.deps().accounts;
    api == atek_api::setup::API
        || accounts.ownership() != Ownership::Unclaimed
        || method == "whoami"
        || accounts.has_users()
}

/// `/_atek/setup/`: the page, or away from it.
pub(super) fn page(gateway: &Gateway, sent: &HeaderMap) -> Result<Response<Body>, Failure> {
    match gateway.deps().accounts.ownership() {
        Ownership::Unclaimed => pages::setup(sent).ok_or(Failure::NotFound),
        Ownership::Unknown => Err(Failure::Starting),
        Ownership::Claimed => to("/"),
    }
}

/// A redirect that must not be cached: the next answer is another one.
fn to(location: &str) -> Result<Response<Body>, Failure> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let sent = response.headers_mut();
    let location = HeaderValue::from_str(location)
        .map_err(|_| Failure::BadRequest("the Host header is malformed"))?;
    sent.insert(LOCATION, location);
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
