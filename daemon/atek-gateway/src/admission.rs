//! The way in: every request passes these steps once, in this order, on every listener.
//!
//! ```text
//!  caller ─── limits ─── setup gate ─── rights ─── origin ──> Admitted
//! ```
//!
//! What each step demands stands in the table of [`super::route`]. A handler takes an
//! [`Admitted`], which only [`admit`] makes.

use super::activity::Running;
use super::body::Body;
use super::caller::{self, CookieSite};
use super::edge::client::Client;
use super::edge::{headers, same_origin};
use super::error::Failure;
use super::gateway::{Conn, Gateway};
use super::limiter::Ticket;
use super::route::{Access, OriginRule, Route};
use super::site::{AppSite, Site};
use super::{bind, egress_policy, pages, paired_device, setup_gate};
use atek_api::audit::AuditOutcome;
use atek_host_model::audit::Act;
use atek_host_model::idle::KeepAwake;
use atek_host_model::listener::Origin;
use atek_host_model::permissions::{Caller, may_change, may_visit};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use std::sync::Arc;

/// A request that passed admission, with what it holds until its response was handed over.
#[derive(Debug)]
pub(super) struct Admitted {
    conn: Arc<Conn>,
    client: Client,
    caller: Arc<Caller>,
    is_websocket: bool,
    ticket: Ticket,
    _running: Running,
    /// A service that waits for the host's answer is not idle.
    _awake: Option<KeepAwake>,
}

impl Admitted {
    /// The connection that it came on.
    pub(super) fn conn(&self) -> &Arc<Conn> {
        &self.conn
    }

    /// Address and scheme of the client.
    pub(super) fn client(&self) -> Client {
        self.client
    }

    /// What a service is told of the client's address.
    pub(super) fn forwarded_for(&self) -> Option<HeaderValue> {
        let address = self.client.address?;
        if self.conn.address() == Some(address) {
            return self.conn.forwarded_for.clone();
        }
        headers::forwarded_for(address)
    }

    /// Who is calling.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The caller, for what outlives the request's way to a service.
    pub(super) fn shared_caller(&self) -> Arc<Caller> {
        self.caller.clone()
    }

    /// Whether it asks for a WebSocket.
    pub(super) fn is_websocket(&self) -> bool {
        self.is_websocket
    }

    /// The caller's place among the running requests.
    pub(super) fn ticket(&self) -> &Ticket {
        &self.ticket
    }
}

/// What came of a request's admission.
pub(super) enum Admission {
    /// A handler may have it.
    Admitted(Admitted),
    /// It is answered already: a redirect to a page where the caller can change what is missing.
    Answered(Response<Body>),
}

/// Lets a request in, answers it, or refuses it.
pub(super) async fn admit<B>(
    gateway: &Gateway,
    conn: &Arc<Conn>,
    client: Client,
    site: &Site,
    (route, is_websocket): (Route<'_>, bool),
    request: &Request<B>,
) -> Result<Admission, Failure> {
    let running = conn.activity.begin();
    let is_changing = same_origin::is_changing(request.method(), is_websocket);
    let caller = identify(gateway, conn, site, request)?;
    let entered = gateway.limiter().enter(&caller, client.address);
    let ticket = entered.inspect_err(|_| name(gateway, &caller, client, "too many requests"))?;
    if !caller.is_known() && *request.method() != Method::OPTIONS {
        let main_url = site.app().map(|app| &app.main_url);
        if let Some(response) = setup_gate::redirect_to_setup(gateway, route, main_url, request)? {
            return Ok(Admission::Answered(response));
        }
    }
    let answered = match route.access() {
        Access::Anyone => None,
        Access::Known if !caller.is_known() => return Err(Failure::NotAuthorized),
        Access::Known => None,
        Access::SignedIn if !caller.is_known() => Some(bind::to_login(request)?),
        Access::SignedIn => None,
        Access::Visitor => {
            let app = site.app().ok_or(Failure::Internal)?;
            Box::pin(visit(gateway, app, client, (&caller, is_changing), request)).await?
        }
        Access::Granted => {
            let Site::Egress { host, port } = site else {
                return Err(Failure::Internal);
            };
            let is_tunnel = *request.method() == Method::CONNECT
                && paired_device::device(&caller, host).is_some();
            if !is_tunnel {
                egress_policy::grant(&caller, host, *port).inspect_err(|_| {
                    let (host, port) = (host.as_str(), *port);
                    let act = Act::Host { host, port };
                    let tally = &gateway.deps().audit;
                    tally.note(&caller, act, AuditOutcome::Refused);
                })?;
            }
            None
        }
    };
    if let Some(response) = answered {
        return Ok(Admission::Answered(response));
    }
    check_origin(conn, site, route, (&caller, is_changing), request)?;
    Ok(Admission::Admitted(Admitted {
        conn: conn.clone(),
        client,
        caller: Arc::new(caller),
        is_websocket,
        ticket,
        _running: running,
        _awake: keep_awake(gateway, conn),
    }))
}

/// Names in the journal who uses up a share of the host, at most once a minute each.
pub(super) fn name(gateway: &Gateway, caller: &Caller, client: Client, what: &str) {
    if !gateway.limiter().is_to_be_named(caller, client.address) {
        return;
    }
    let directory = gateway.deps().directory.now();
    let who = match caller {
        Caller::Service(service) => match directory.by_key(service.key.as_str()) {
            Some(entry) => format!("the app {}", entry.id()),
            None => caller.label(),
        },
        Caller::Anonymous => match client.address {
            Some(address) => format!("the address {address}"),
            None => caller.label(),
        },
        Caller::User(person) => format!("the user {}", person.user.username),
        Caller::System => caller.label(),
    };
    tracing::warn!(
        who,
        what,
        "a caller uses up its share, and is refused for now"
    );
}

/// Who is calling: by the listener, the cookie or the token.
fn identify<B>(
    gateway: &Gateway,
    conn: &Conn,
    site: &Site,
    request: &Request<B>,
) -> Result<Caller, Failure> {
    let deps = gateway.deps();
    let sent = request.headers();
    let for_others = HeaderMap::new();
    match (&*conn.origin, site) {
        (Origin::Control, Site::Main(_)) => Ok(Caller::System),
        (Origin::Service { key }, Site::Main(_) | Site::Egress { .. }) => {
            let directory = deps.directory.now();
            let sent = match site {
                // An `Authorization` of these is for the host outside.
                Site::Egress { .. } if *request.method() != Method::CONNECT => &for_others,
                _ => sent,
            };
            caller::of_service(&directory, key, sent)
        }
        (_, Site::Egress { .. }) => Err(Failure::MethodNotAllowed("GET, HEAD, POST, OPTIONS")),
        (_, Site::Main(_)) => caller::of_public(deps, sent, CookieSite::Main),
        (_, Site::App(app)) => {
            let bound = app.entry.as_ref().map(|entry| &entry.key);
            let site = CookieSite::App(bound, app.origin.cookie_scope());
            caller::of_public(deps, sent, site)
        }
    }
}

/// Whether the caller may visit an app; the answer to a browser that has no session there.
async fn visit<B>(
    gateway: &Gateway,
    app: &AppSite,
    client: Client,
    (caller, is_changing): (&Caller, bool),
    request: &Request<B>,
) -> Result<Option<Response<Body>>, Failure> {
    if !caller.is_known() {
        return if *request.method() == Method::OPTIONS {
            Ok(Some(pages::options()))
        } else {
            bind::begin_at_app(gateway, app, client, request)
                .await
                .map(Some)
        };
    }
    match &app.entry {
        None => Err(Failure::NoSuchSite(app.authority.to_string())),
        Some(entry) => {
            let may = if is_changing { may_change } else { may_visit };
            if may(caller, entry.target()) {
                Ok(None)
            } else {
                let service = entry.key.as_str();
                let tally = &gateway.deps().audit;
                tally.note(caller, Act::Page { service }, AuditOutcome::Refused);
                Err(Failure::Forbidden)
            }
        }
    }
}

/// Refuses what another site's page made with the person's cookies.
fn check_origin<B>(
    conn: &Conn,
    site: &Site,
    route: Route<'_>,
    (caller, is_changing): (&Caller, bool),
    request: &Request<B>,
) -> Result<(), Failure> {
    let (Origin::Public | Origin::App { .. }, Some(authority)) = (&*conn.origin, site.authority())
    else {
        // No browser gets here.
        return Ok(());
    };
    let sent = request.headers();
    let is_person = matches!(caller, Caller::User(_));
    let is_fine = match route.origin_rule() {
        OriginRule::Proven if is_person => same_origin::is_proven(sent, authority.as_str()),
        OriginRule::Proven | OriginRule::Changing => {
            !is_changing || same_origin::is_same_origin(sent, authority.as_str())
        }
    };
    if is_fine {
        Ok(())
    } else {
        Err(Failure::ForeignOrigin)
    }
}

fn keep_awake(gateway: &Gateway, conn: &Conn) -> Option<KeepAwake> {
    let Origin::Service { key, .. } = &*conn.origin else {
        return None;
    };
    let directory = gateway.deps().directory.now();
    directory
        .by_key(key.as_str())
        .and_then(|entry| entry.hold())
}
