//! From a request to what answers it: listener, host name, caller, limits, path.

use super::activity::Running;
use super::bind::At;
use super::body::{self, Body};
use super::caller::{self, CookieSite};
use super::edge::host_name::{Authority, BadHost, Site};
use super::edge::{headers, same_origin};
use super::error::Failure;
use super::limiter::Ticket;
use super::server::{Conn, Gateway};
use super::{apps, bind, egress, icons, pages, rpc, setup_gate, streams, transport};
use atek_host_model::idle::KeepAwake;
use atek_host_model::listener::Origin;
use atek_host_model::permissions::Caller;
use http::header::{ACCEPT, ALLOW, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use std::sync::Arc;

/// A request whose caller is known and was let in.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    pub(super) conn: &'a Arc<Conn>,
    pub(super) authority: &'a Authority,
    pub(super) caller: Caller,
    pub(super) place: Place,
}

/// What a request holds until its response has been handed over.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) ticket: Ticket,
    pub(super) _running: Running,
    /// A service that waits for the host's answer is not idle.
    pub(super) _awake: Option<KeepAwake>,
}

impl Gateway {
    /// Answers a request, whatever it is.
    pub(super) async fn route(
        &self,
        conn: &Arc<Conn>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let wants_html = wants_html(request.headers());
        if *request.method() == Method::CONNECT {
            return Box::pin(egress::connect(self, conn, request))
                .await
                .unwrap_or_else(|failure| failure.to_json());
        }
        let authority = match authority(request.uri(), request.headers()) {
            Ok(authority) => authority,
            Err(failure) => return failure.to_page(wants_html),
        };
        let names = self.names();
        let routed = match &*conn.origin {
            Origin::Public => match names.site(&authority) {
                Ok(Site::Main) => self.main_domain(conn, &authority, request).await,
                Ok(Site::Sub { id, domain, alias }) => {
                    let at = if alias { At::Alias } else { At::Subdomain };
                    apps::subdomain(self, conn, &authority, (id, domain, at), request).await
                }
                Err(_) => Err(Failure::UnknownHost(authority.name().to_owned())),
            },
            Origin::App { key, port } => {
                apps::by_port(self, conn, &authority, (key, *port), request).await
            }
            // Reached by the socket, whatever the name.
            Origin::Control | Origin::Service { .. } => {
                self.main_domain(conn, &authority, request).await
            }
        };
        routed.unwrap_or_else(|failure| {
            failure.log(conn.origin.label());
            failure.to_page(wants_html)
        })
    }

    async fn main_domain(
        &self,
        conn: &Arc<Conn>,
        authority: &Authority,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let is_host_path = is_host_path(request.uri().path());
        let answered = match self.visit(conn, authority, request.method(), request.headers()) {
            Ok(visit) => match setup_gate::redirect_to_setup(self, &visit.caller, None, &request) {
                Ok(None) => self.let_in(visit, request, is_host_path).await,
                Ok(Some(response)) => Ok(response),
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        };
        match answered {
            // What asks for a page gets one.
            Err(failure @ (Failure::Starting | Failure::Unclaimed)) => Err(failure),
            // The host's own paths speak JSON, as the original's did.
            Err(failure) if is_host_path => {
                failure.log(conn.origin.label());
                Ok(failure.to_json())
            }
            answered => answered,
        }
    }

    async fn let_in(
        &self,
        visit: Visit<'_>,
        request: Request<Incoming>,
        is_host_path: bool,
    ) -> Result<Response<Body>, Failure> {
        if !is_host_path {
            return apps::main_service(self, visit, request).await;
        }
        let mut response = self.host_path(visit, request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            pages::protect_data(response.headers_mut());
        }
        Ok(response)
    }

    /// Finds out who is calling on the main domain, and lets them in.
    fn visit<'a>(
        &self,
        conn: &'a Arc<Conn>,
        authority: &'a Authority,
        method: &Method,
        sent: &HeaderMap,
    ) -> Result<Visit<'a>, Failure> {
        let deps = self.deps();
        let caller = match &*conn.origin {
            Origin::Public | Origin::App { .. } => caller::of_public(deps, sent, CookieSite::Main)?,
            Origin::Control => Caller::System,
            Origin::Service {
                key,
                private_network,
            } => caller::of_service(
                &deps.directory.now(),
                key,
                *private_network,
                sent,
                conn.peer,
            )?,
        };
        let ticket = self.limiter().enter(&caller, conn.address())?;
        let is_changing = same_origin::is_changing(method, headers::wants_websocket(sent));
        if matches!(*conn.origin, Origin::Public | Origin::App { .. })
            && is_changing
            && !same_origin::is_same_origin(sent, &authority.to_string())
        {
            return Err(Failure::ForeignOrigin);
        }
        Ok(Visit {
            conn,
            authority,
            caller,
            place: Place {
                ticket,
                _running: conn.activity.begin(),
                _awake: match &*conn.origin {
                    Origin::Service { key, .. } => {
                        let directory = deps.directory.now();
                        directory
                            .by_key(key.as_str())
                            .and_then(|entry| entry.hold())
                    }
                    Origin::Public | Origin::App { .. } | Origin::Control => None,
                },
            },
        })
    }

    /// `/_atek/…`: never a service's.
    async fn host_path(
        &self,
        visit: Visit<'_>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        if *request.method() == Method::OPTIONS {
            return Ok(options());
        }
        let path = request.uri().path();
        let rest = path.strip_prefix("/_atek/").ok_or(Failure::NotFound)?;
        if rest == "gateway" && !headers::wants_websocket(request.headers()) {
            return match *request.method() {
                Method::POST => {
                    let (head, incoming) = request.into_parts();
                    Ok(rpc::answer(self, &visit, &head, incoming).await)
                }
                _ if !visit.caller.is_known() => Err(Failure::NotAuthorized),
                _ => Err(Failure::NotFound),
            };
        }
        if rest == "gateway" || rest.starts_with("gateway/") {
            return Box::pin(transport::pass(self, visit, request)).await;
        }
        let sent = request.headers();
        let found = match rest {
            "login" | "login/" => pages::login(sent),
            rest => rest
                .strip_prefix("ui/")
                .and_then(|name| pages::file(name, sent)),
        };
        if let Some(response) = found {
            return only_get(request.method()).map(|()| response);
        }
        if let Some(asset) = pages::asset(rest) {
            return only_get(request.method()).map(|()| asset.response());
        }
        if matches!(rest, "setup" | "setup/") {
            only_get(request.method())?;
            return setup_gate::page(self, request.headers());
        }
        if rest == "bind-session" {
            only_get(request.method())?;
            return bind::begin(self, &visit, request.uri());
        }
        if rest == "logs" {
            only_get(request.method())?;
            return Box::pin(streams::logs(self, visit, request.uri())).await;
        }
        if let Some(id) = rest.strip_prefix("icon/") {
            only_get(request.method())?;
            return Box::pin(icons::icon(self, &visit, id, request.headers())).await;
        }
        if let Some(job) = rest.strip_prefix("jobs/") {
            only_get(request.method())?;
            return Box::pin(streams::job(self, visit, job)).await;
        }
        Err(Failure::NotFound)
    }
}

fn is_host_path(path: &str) -> bool {
    path.strip_prefix("/_atek")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn only_get(method: &Method) -> Result<(), Failure> {
    match *method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Failure::MethodNotAllowed("GET, HEAD")),
    }
}

/// An answer to a browser that asks what another site's page may do: nothing.
pub(super) fn options() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    response
}

/// The host that a request is for; exactly one, and a path.
fn authority(uri: &Uri, sent: &HeaderMap) -> Result<Authority, Failure> {
    if uri.authority().is_some() || !uri.path().starts_with('/') {
        return Err(Failure::BadRequest("the request's target must be a path"));
    }
    let mut hosts = sent.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Failure::BadRequest("exactly one Host header is needed"));
    };
    let host = host
        .to_str()
        .map_err(|_| Failure::BadRequest("the Host header is malformed"))?;
    Authority::parse(host).map_err(|error| match error {
        BadHost::Malformed => Failure::BadRequest("the Host header is malformed"),
        BadHost::Unknown => Failure::UnknownHost(host.to_owned()),
    })
}

pub(super) fn wants_html(sent: &HeaderMap) -> bool {
    sent.get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}
