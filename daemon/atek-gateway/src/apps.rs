//! A service's pages: at its subdomain, and as the main service of the main domain.

use super::bind::{self, At};
use super::body::{self, Body, GuardedBody, IdleTimeoutBody};
use super::caller::{self, CookieSite};
use super::edge::cookie_scope::CookieScope;
use super::edge::host_name::{Authority, Site};
use super::edge::{headers, same_origin};
use super::error::Failure;
use super::pages;
use super::server::{Conn, Gateway};
use super::session_end::{self, SessionBoundBody};
use super::setup_gate;
use super::site::{self, Place, Visit};
use super::upgrade;
use super::upstream::{Progress, ProgressBody, ResponseDeadline};
use atek_api::ids::{ServiceId, ServiceKey};
use atek_host_model::directory::Entry;
use atek_host_model::permissions::{Caller, Person, may_be_main_service, may_visit};
use http::header::{AUTHORIZATION, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use std::sync::Arc;

/// Where an app is its own site.
struct Home<'a> {
    /// The app; none where nothing is installed.
    entry: Option<Arc<Entry>>,
    id: ServiceId,
    at: At,
    authority: &'a Authority,
    /// The main domain's URL, without a path.
    base: String,
}

/// `ID.DOMAIN/…`, and `ID-BOX.local/…`.
pub(super) async fn subdomain(
    gateway: &Gateway,
    conn: &Arc<Conn>,
    authority: &Authority,
    (id, domain, at): (&str, &str, At),
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let id: ServiceId = id
        .parse()
        .map_err(|_| Failure::NoSuchSite(authority.to_string()))?;
    let home = Home {
        entry: gateway.deps().directory.now().by_id(id.as_str()).cloned(),
        id,
        at,
        authority,
        base: format!("http://{domain}{}", authority.port()),
    };
    visit(gateway, conn, home, request).await
}

/// `ADDRESS:PORT/…`, at the port of an app: under every name that is a main domain.
pub(super) async fn by_port(
    gateway: &Gateway,
    conn: &Arc<Conn>,
    authority: &Authority,
    (key, port): (&ServiceKey, u16),
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    if gateway.names().site(authority) != Ok(Site::Main) {
        return Err(Failure::UnknownHost(authority.name().to_owned()));
    }
    let entry = gateway.deps().directory.now().by_key(key.as_str()).cloned();
    // The listener of an app that is removed closes a moment later.
    let entry = entry
        .filter(|entry| entry.settings.port == Some(port))
        .ok_or_else(|| Failure::NoSuchSite(authority.to_string()))?;
    let home = Home {
        id: entry.id().clone(),
        entry: Some(entry),
        at: At::Port(port),
        authority,
        base: main_at(authority, gateway.deps().config.port),
    };
    visit(gateway, conn, home, request).await
}

/// The main domain at an address or name of the box that has its other ports for apps.
fn main_at(authority: &Authority, port: u16) -> String {
    match port {
        80 => format!("http://{}", authority.name()),
        port => format!("http://{}:{port}", authority.name()),
    }
}

/// A request to an app's own site.
async fn visit(
    gateway: &Gateway,
    conn: &Arc<Conn>,
    home: Home<'_>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let deps = gateway.deps();
    let Home { entry, id, at, .. } = &home;
    let (authority, jar) = (home.authority, at.jar());
    let caller = match entry {
        Some(entry) => {
            let site = CookieSite::Bound(&entry.key, jar);
            caller::of_public(deps, request.headers(), site)?
        }
        None if holds_system_token(gateway, &request) => Caller::System,
        None => Caller::Anonymous,
    };
    let ticket = gateway.limiter().enter(&caller, conn.address())?;
    if !caller.is_known() {
        if *request.method() == Method::OPTIONS {
            return Ok(site::options());
        }
        if let Some(response) =
            setup_gate::redirect_to_setup(gateway, &caller, Some(&home.base), &request)?
        {
            return Ok(response);
        }
        let door = bind::Door {
            entry: entry.as_deref(),
            id,
            at: *at,
            base: &home.base,
        };
        return Box::pin(bind::welcome(gateway, door, &request)).await;
    }
    let entry = entry
        .as_ref()
        .ok_or_else(|| Failure::NoSuchSite(authority.to_string()))?;
    if !may_visit(&caller, entry.owner()) {
        return Err(Failure::Forbidden);
    }
    let is_changing = same_origin::is_changing(
        request.method(),
        headers::wants_websocket(request.headers()),
    );
    if matches!(caller, Caller::User(_))
        && is_changing
        && !same_origin::is_same_origin(request.headers(), &authority.to_string())
    {
        // Another service's page, with this one's cookie.
        return Err(Failure::ForeignOrigin);
    }
    if let Some(clean) = bind::without_token(request.method(), request.uri()) {
        return redirect(&clean);
    }
    let place = Place {
        ticket,
        _running: conn.activity.begin(),
        _awake: None,
    };
    let visit = Visit {
        conn,
        authority,
        caller,
        place,
    };
    let mut response = proxy(gateway, visit, (entry, jar), request).await?;
    let base = entry.is_framed().then_some(home.base.as_str());
    pages::frame_only_by(response.headers_mut(), base);
    Ok(response)
}

/// Every path of the main domain that is not the host's.
pub(super) async fn main_service(
    gateway: &Gateway,
    visit: Visit<'_>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    if *request.method() == Method::OPTIONS {
        return Ok(site::options());
    }
    match &visit.caller {
        Caller::System => Ok(body::json(StatusCode::OK, r#"{"message":"Atek online"}"#)),
        Caller::Service(_) => Err(Failure::NotFound),
        Caller::Anonymous => bind::to_login(visit.authority, &request),
        Caller::User(person) => {
            if let Some(entry) = main_service_of(gateway, &visit.caller, person) {
                let mut response =
                    proxy(gateway, visit, (&entry, CookieScope::Main), request).await?;
                pages::frame_only_by(response.headers_mut(), None);
                return Ok(response);
            }
            if request.uri().path() != "/" {
                return Err(Failure::NotFound);
            }
            let directory = gateway.deps().directory.now();
            let services = directory
                .entries()
                .filter(|entry| may_visit(&visit.caller, entry.owner()));
            let names = gateway.names();
            let domain = names.app_domain(visit.authority);
            Ok(pages::home(
                &person.user.username,
                services,
                domain,
                visit.authority.port(),
            ))
        }
    }
}

/// The home that comes with Atek.
const LONESTAR: &str = "core.lonestar";

/// What the user chose, where it is still there; else Lonestar, where the box has it.
fn main_service_of(gateway: &Gateway, caller: &Caller, person: &Person) -> Option<Arc<Entry>> {
    let directory = gateway.deps().directory.now();
    let visitable = |entry: &&Arc<Entry>| may_visit(caller, entry.owner());
    let own = |entry: &&Arc<Entry>| may_be_main_service(&person.user.key, entry.owner());
    let chosen = person.user.settings.main_service_key.as_ref();
    chosen
        .and_then(|key| directory.by_key(key.as_str()))
        .filter(own)
        .or_else(|| directory.by_key(LONESTAR).filter(visitable))
        .cloned()
}

fn holds_system_token<B>(gateway: &Gateway, request: &Request<B>) -> bool {
    headers::bearer(request.headers())
        .is_some_and(|token| caller::is_system_token(&gateway.deps().config, token))
}

pub(super) fn redirect(to: &str) -> Result<Response<Body>, Failure> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let location =
        HeaderValue::from_str(to).map_err(|_| Failure::BadRequest("the path is malformed"))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// Passes a request on to a service, and its response back.
async fn proxy(
    gateway: &Gateway,
    visit: Visit<'_>,
    (entry, jar): (&Arc<Entry>, CookieScope),
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let token = holds_system_token(gateway, &request);
    let (mut head, incoming) = request.into_parts();
    if token {
        // The host's own secret, which the service must not learn.
        head.headers.remove(AUTHORIZATION);
    }
    let secrets = jar.unscope_request(&mut head.headers);
    let mut response = exchange(gateway, visit, entry, head, incoming).await?;
    let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    headers::to_client(response.headers_mut(), is_upgrade);
    jar.scope_response(response.headers_mut(), &secrets);
    Ok(response)
}

/// The exchange itself: `head` holds the target's path and the headers that the client sent.
/// The response's headers are the service's.
pub(super) async fn exchange(
    gateway: &Gateway,
    visit: Visit<'_>,
    entry: &Arc<Entry>,
    mut head: Parts,
    incoming: Incoming,
) -> Result<Response<Body>, Failure> {
    let is_upgrade = headers::wants_websocket(&head.headers);
    headers::to_service(&mut head.headers, is_upgrade);
    headers::describe_client(&mut head.headers, visit.conn.address());
    headers::identify(&mut head.headers, &visit.caller, &entry.key);
    head.version = Version::HTTP_11;
    if is_upgrade {
        // Boxed, as whatever is rare: the future of every request would be as large as this one.
        return Box::pin(upgrade::websocket(gateway, visit, entry, head)).await;
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
        let deadline = ResponseDeadline::after(limits.response, progress);
        Box::pin(gateway.send(entry, deadline, request)).await?
    };
    // A long stream stays counted among the caller's requests.
    // And it ends with the session.
    let is_long = response.body().size_hint().exact().is_none();
    let end = is_long.then(|| session_end::session_end(gateway, &visit.caller));
    Ok(response.map(|body| {
        let body = GuardedBody::new(body, visit.place);
        match end {
            Some(end) => body::boxed(SessionBoundBody::new(body, end)),
            None => body::boxed(body),
        }
    }))
}
