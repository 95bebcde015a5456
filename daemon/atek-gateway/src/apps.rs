//! A service's pages: at its own site, and the person's home on the main domain.

use super::access_end::{Opened, access_end};
use super::admission::Admitted;
use super::bind::{self, redirect};
use super::body::{self, Body, EarlyAnswer, GuardedBody, IdleTimeoutBody};
use super::edge::cookie_scope::CookieScope;
use super::edge::host_name::{Authority, Site};
use super::edge::{cookies, headers, same_origin};
use super::error::Failure;
use super::gateway::Gateway;
use super::pages::Browser;
use super::rpc::{self, Offer};
use super::session_end::SessionBoundBody;
use super::site::AppSite;
use super::upstream::{Progress, ProgressBody, ResponseDeadline};
use super::visit::Visit;
use super::{caller, former_app, pages, site, upgrade};
use crate::registry::Attributes;
use atek_host_model::directory::Entry;
use atek_host_model::permissions::{Caller, Person, may_be_main_service, may_visit};
use http::header::{AUTHORIZATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use std::sync::Arc;

/// Bytes of cookies that are passed on to an app. Node refuses a head of more than 16 KiB.
const MOST_COOKIES: usize = 12 << 10;
/// The home that comes with Atek.
const LONESTAR: &str = "core.lonestar";
/// The database that comes with Atek.
const DATABASE: &str = "core.adb";

/// Answers a request to an app's own site.
pub(super) async fn app(
    gateway: &Gateway,
    admitted: Admitted,
    site: &AppSite,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let entry = site.entry.as_ref().ok_or(Failure::NotFound)?;
    if let Some(clean) = bind::without_token(request.method(), request.uri()) {
        return redirect(&clean);
    }
    if let Some(path) = at_main_domain(entry, request.uri())
        && request.method() == Method::GET
        && same_origin::is_navigation(request.method(), request.headers())
    {
        return redirect(&format!("{}{path}", site.main_url));
    }
    if is_home(admitted.caller(), entry)
        && let Some(path) = HomePath::of(&request)
    {
        return Box::pin(for_home(gateway, &admitted, site, path, request)).await;
    }
    let visit = Visit {
        gateway,
        caller: admitted.shared_caller(),
        entry,
        main_url: Some(&site.main_url),
    };
    let scope = site.origin.cookie_scope();
    let is_page = headers::wants_html(request.headers())
        && same_origin::is_navigation(request.method(), request.headers());
    let mut response = visited(&visit, admitted, scope, request).await?;
    let framed_by = entry.is_framed().then_some(&site.main_url);
    pages::frame_only_by(response.headers_mut(), framed_by);
    former_app::vary_by_session(response.headers_mut());
    if is_page && matches!(*visit.caller, Caller::User(_)) {
        pages::keep_out_of_caches(response.headers_mut());
    }
    Ok(response)
}

/// What a service answers, or in its place a page that says why it does not.
async fn visited(
    visit: &Visit<'_>,
    admitted: Admitted,
    scope: CookieScope,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    if let Some(state) = visit.watched(request.headers()) {
        return Ok(state);
    }
    let (gateway, entry) = (visit.gateway, visit.entry);
    let browser = Browser::of(request.headers());
    let opens_page = same_origin::is_navigation(request.method(), request.headers());
    let page_for = browser.as_ref().filter(|_| opens_page);
    // Pinned or written in place: a future that is moved takes its space twice.
    let answered = match page_for {
        None => proxy(gateway, admitted, entry, scope, request).await,
        Some(browser) => {
            // A blank window for as long as a service takes to start tells its person nothing.
            if let Some(page) = Box::pin(visit.page(browser)).await {
                return Ok(page);
            }
            let proxied = std::pin::pin!(proxy(gateway, admitted, entry, scope, request));
            match Box::pin(visit.unless_away(proxied)).await {
                Some(answered) => answered,
                None => return Ok(Box::pin(visit.page_of_absent(browser)).await),
            }
        }
    };
    match (answered, &browser) {
        (Err(failure), Some(browser)) if failure.app().is_some() => {
            failure.log("an app's site");
            Ok(Box::pin(visit.failed(browser, &failure, opens_page)).await)
        }
        (answered, _) => answered,
    }
}

/// Where the pages of a core service are, on the main domain: its own site has none.
fn at_main_domain(entry: &Entry, uri: &Uri) -> Option<String> {
    match entry.key.as_str() {
        _ if is_web_home(entry) => Some(uri.path_and_query()?.to_string()),
        DATABASE if entry.core => Some("/p/databases".to_owned()),
        _ => None,
    }
}

/// Whether it is the web home, or what the configuration puts in its place: that one has a suffix.
fn is_web_home(entry: &Entry) -> bool {
    let rest = entry.key.as_str().strip_prefix(LONESTAR);
    entry.core && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Paths of the host that a home finds at its own site. The original's home was served on the
/// main domain, and asks there who is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HomePath {
    /// `whoami` and `logout` of the sessions API.
    OwnSession,
    /// The script by which pages call it.
    RpcScript,
    /// The sign-in page, after a `logout`.
    Login,
}

impl HomePath {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let is_get = *request.method() == Method::GET;
        match request.uri().path() {
            "/_atek/gateway" if *request.method() == Method::POST => {
                let query = request.uri().query().unwrap_or_default();
                let attributes = Attributes::of_query(query).ok()?;
                (attributes.api() == atek_api::sessions::API).then_some(Self::OwnSession)
            }
            "/_atek/js/rpc.js" if is_get => Some(Self::RpcScript),
            "/_atek/login" | "/_atek/login/" if is_get => Some(Self::Login),
            _ => None,
        }
    }
}

/// Whether an app is the home that the person chose.
fn is_home(caller: &Caller, entry: &Entry) -> bool {
    let Caller::User(person) = caller else {
        return false;
    };
    person.user.settings.main_service_key.as_ref() == Some(&entry.key)
        && may_be_main_service(&person.user.key, entry.owner())
}

async fn for_home(
    gateway: &Gateway,
    admitted: &Admitted,
    site: &AppSite,
    path: HomePath,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    match path {
        HomePath::OwnSession => rpc::answer(gateway, admitted, Offer::OwnSession, request).await,
        HomePath::RpcScript => {
            let script = pages::asset("js/rpc.js").ok_or(Failure::NotFound)?;
            Ok(script.response())
        }
        HomePath::Login => redirect(&format!("{}/_atek/login", site.main_url)),
    }
}

/// Answers every path of the main domain that is not the host's.
///
/// Only a core service is served here, since a page of the main domain may call every host
/// API in the person's name. A home of the person's own is opened at its own site; the pages of
/// the built-in home keep their addresses beside it.
pub(super) async fn home(
    gateway: &Gateway,
    admitted: Admitted,
    authority: &Authority,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let person = match admitted.caller() {
        Caller::System => {
            return Ok(body::json(StatusCode::OK, r#"{"message":"Atek online"}"#));
        }
        Caller::Service(_) => return Err(Failure::NotFound),
        Caller::Anonymous => return Err(Failure::NotAuthorized),
        Caller::User(person) => person,
    };
    let chosen = own_home(gateway, person).filter(|_| leads_to_own_home(&request));
    match chosen.or_else(|| built_in_home(gateway, admitted.caller())) {
        Some(entry) if entry.core => {
            let renewed = renewed_session(&admitted, &request);
            let visit = Visit {
                gateway,
                caller: admitted.shared_caller(),
                entry: &entry,
                main_url: None,
            };
            let mut response = visited(&visit, admitted, CookieScope::Main, request).await?;
            pages::frame_only_by(response.headers_mut(), None);
            if let Some(cookie) = renewed {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(response)
        }
        Some(entry) => {
            let at = authority.is_address().then_some("port");
            let url = bind::app_url(gateway, &entry, authority, admitted.client(), at)
                .or_else(|| bind::app_url(gateway, &entry, authority, admitted.client(), None))
                .ok_or(Failure::NotFound)?;
            redirect(&format!("{url}{}", bind::local_target(request.uri())))
        }
        None if request.uri().path() != "/" => Err(Failure::NotFound),
        None => {
            let directory = gateway.deps().directory.now();
            let visitable = |entry: &&Arc<Entry>| may_visit(admitted.caller(), entry.target());
            let names = gateway.names();
            Ok(pages::home(
                &person.user.username,
                directory.entries().filter(visitable),
                names.app_domain(authority),
                authority.port(),
            ))
        }
    }
}

/// The session's cookie again, on a page: browsers forget a cookie by the time since it was set.
fn renewed_session<B>(admitted: &Admitted, request: &Request<B>) -> Option<HeaderValue> {
    let sent = request.headers();
    if !same_origin::is_navigation(request.method(), sent) || !headers::wants_html(sent) {
        return None;
    }
    let mut values = cookies::values(sent, cookies::MAIN);
    match (values.next(), values.next()) {
        (Some(value), None) => cookies::set(cookies::MAIN, value, admitted.client().is_https),
        // Of several it is not known here which one is good.
        _ => None,
    }
}

/// Whether a request for the main domain is for the person's own home, if there is one: pages are,
/// but for those of the built-in home, where apps are managed and shown in a frame.
fn leads_to_own_home<B>(request: &Request<B>) -> bool {
    let mut segments = request.uri().path().split('/').skip(1);
    let is_built_in = matches!(segments.next(), Some("app" | "p"));
    same_origin::is_navigation(request.method(), request.headers()) && !is_built_in
}

/// What the user chose, where it is still there and theirs.
fn own_home(gateway: &Gateway, person: &Person) -> Option<Arc<Entry>> {
    let chosen = person.user.settings.main_service_key.as_ref()?;
    let directory = gateway.deps().directory.now();
    let entry = directory.by_key(chosen.as_str())?;
    may_be_main_service(&person.user.key, entry.owner()).then(|| Arc::clone(entry))
}

/// Lonestar, where the box has it.
fn built_in_home(gateway: &Gateway, caller: &Caller) -> Option<Arc<Entry>> {
    let directory = gateway.deps().directory.now();
    let entry = directory.entries().find(|entry| is_web_home(entry))?;
    may_visit(caller, entry.target()).then(|| Arc::clone(entry))
}

/// The answer to a browser whose cookies no app would take: it loses them, and can go on.
fn too_many_cookies(
    gateway: &Gateway,
    head: &Parts,
    bytes: usize,
) -> Result<Response<Body>, Failure> {
    let failure = Failure::CookiesTooLarge(bytes);
    if !same_origin::is_navigation(&head.method, &head.headers) {
        return Err(failure);
    }
    let authority = site::authority(&head.headers)?;
    let names = gateway.names();
    let parent = match names.site(&authority) {
        Ok(Site::Sub { domain, .. }) => Some(domain),
        Ok(Site::Main) if !authority.is_address() => Some(authority.name()),
        Ok(Site::Main) | Err(_) => None,
    };
    let status = failure.status();
    let browser = Browser::of(&head.headers).unwrap_or_default();
    let mut response = pages::notice(
        status,
        &browser,
        "The cookies of this site had become too large for any app to read, and were removed. \
         Reload this page to go on; you may have to sign in to the app again.",
    );
    for cookie in cookies::removal(&head.headers, head.uri.path(), parent) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Passes a request on to a service, and its response back.
async fn proxy(
    gateway: &Gateway,
    admitted: Admitted,
    entry: &Arc<Entry>,
    scope: CookieScope,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let (mut head, incoming) = request.into_parts();
    let config = &gateway.deps().config;
    if headers::bearer(&head.headers).is_some_and(|token| caller::is_system_token(config, token)) {
        // The host's own secret, which the service must not learn.
        head.headers.remove(AUTHORIZATION);
    }
    if let Some(bytes) = cookies::length_above(&head.headers, MOST_COOKIES) {
        return too_many_cookies(gateway, &head, bytes);
    }
    let secrets = scope.unscope_request(&mut head.headers);
    let opened = Opened::Pages {
        service: entry.key.clone(),
        changes: same_origin::is_changing(&head.method, admitted.is_websocket()),
    };
    let mut response = exchange(gateway, admitted, entry, opened, head, incoming).await?;
    let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    headers::to_client(response.headers_mut(), is_upgrade);
    headers::keep_to_own_site(response.headers_mut());
    scope.scope_response(response.headers_mut(), &secrets);
    Ok(response)
}

/// Sends a request to a service: `head` holds the target's path and the headers that the client
/// sent. The response's headers are the service's. What lasts ends with the right to it.
pub(super) async fn exchange(
    gateway: &Gateway,
    admitted: Admitted,
    entry: &Arc<Entry>,
    opened: Opened,
    mut head: Parts,
    incoming: Incoming,
) -> Result<Response<Body>, Failure> {
    let is_upgrade = admitted.is_websocket();
    headers::to_service(&mut head.headers, is_upgrade);
    let address = admitted.forwarded_for();
    headers::describe_client(&mut head.headers, admitted.client(), address);
    headers::identify(&mut head.headers, admitted.caller(), &entry.key);
    head.version = Version::HTTP_11;
    if is_upgrade {
        // Boxed, as everything rare is: each request's future is as large as its largest branch.
        return Box::pin(upgrade::websocket(gateway, admitted, entry, opened, head)).await;
    }
    let limits = &gateway.deps().limits;
    let response = if incoming.is_end_stream() {
        let request = Request::from_parts(head, body::empty());
        gateway
            .send(entry, ResponseDeadline::of(limits.response), request)
            .await?
    } else {
        let progress = Progress::new();
        let body = ProgressBody {
            body: IdleTimeoutBody::new(incoming, limits.body_pause),
            progress: progress.clone(),
        };
        let request = Request::from_parts(head, body::boxed(body));
        let deadline = ResponseDeadline::after(limits.response, progress.clone());
        let mut response = Box::pin(gateway.send(entry, deadline, request)).await?;
        if !progress.is_over() {
            response.extensions_mut().insert(EarlyAnswer);
        }
        response
    };
    // A long response stays counted among the caller's requests, and ends with the right to it.
    let is_long = response.body().size_hint().exact().is_none();
    let end = is_long.then(|| access_end(gateway, admitted.caller(), opened));
    Ok(response.map(|body| {
        let body = GuardedBody::new(body, admitted);
        match end {
            Some(end) => body::boxed(SessionBoundBody::new(body, end)),
            None => body::boxed(body),
        }
    }))
}
