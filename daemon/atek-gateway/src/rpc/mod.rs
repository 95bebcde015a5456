//! `POST /_atek/gateway?api=ID`: JSON-RPC calls, routed to whoever provides the API.
//!
//! The body passes through as it came: the host reads the envelope and leaves
//! `params` alone. A short answer is checked and a long one streamed.

mod answer;
mod batch;
mod envelope;
mod forward;

use super::body::{self, Body, IdleTimeoutBody, ReadError};
use super::edge::{cookies, headers};
use super::error::Failure;
use super::server::Gateway;
use super::setup_gate;
use super::site::Visit;
use crate::registry::{self, Attributes, Provider};
use atek_api::jsonrpc::{RpcError, RpcResult};
use atek_api::manifest::Transport;
use atek_host_model::directory::Entry;
use atek_host_model::host_api::{self, CookieChange, Visitor};
use atek_host_model::permissions::Caller;
use atek_host_model::setup::Need;
use atek_host_model::users::SessionId;
use bytes::Bytes;
use envelope::{Call, Envelope};
use http::header::{CONTENT_TYPE, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Who answers the calls of one request.
enum Target {
    Host,
    Service { entry: Arc<Entry>, path: String },
}

/// The calls of one request: what they have in common.
struct Calls<'a> {
    gateway: &'a Gateway,
    caller: &'a Caller,
    visitor: Visitor,
    api: &'a str,
    target: Target,
    /// The request's body, of which the calls are parts.
    body: Bytes,
}

/// Answers a request.
pub(super) async fn answer(
    gateway: &Gateway,
    visit: &Visit<'_>,
    head: &Parts,
    incoming: Incoming,
) -> Response<Body> {
    match calls(gateway, visit, head, incoming).await {
        Ok(response) => response,
        Err(refused) => {
            refused.log(&visit.caller.label());
            refused.to_json()
        }
    }
}

/// `Err`: a failure that has the original's shape, not JSON-RPC's.
async fn calls(
    gateway: &Gateway,
    visit: &Visit<'_>,
    head: &Parts,
    incoming: Incoming,
) -> Result<Response<Body>, Failure> {
    let attributes = Attributes::of_query(head.uri.query());
    let caller = &visit.caller;
    if !caller.is_known() && !OPEN.contains(&attributes.api()) {
        return Err(match gateway.deps().accounts.setup_need() {
            Need::Needed => Failure::Unclaimed,
            Need::Unknown | Need::Done => Failure::NotAuthorized,
        });
    }
    // Also keeps a form of another site from getting here: it cannot send this type.
    if !is_json(head) {
        return Ok(as_rpc(&Failure::NotJson));
    }
    let limits = &gateway.deps().limits;
    let limit = gateway.deps().config.max_request_bytes;
    let incoming = IdleTimeoutBody::new(incoming, limits.body_pause);
    let body = match tokio::time::timeout(limits.rpc_body, body::read(incoming, limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return Ok(as_rpc(&error.of_request(limit))),
        Err(_) => return Ok(as_rpc(&ReadError::Slow.of_request(limit))),
    };
    let envelope = match envelope::parse(&body) {
        Ok(envelope) => envelope,
        Err(error) => {
            return Ok(body::json(
                StatusCode::BAD_REQUEST,
                envelope::respond(RawValue::NULL, &Err(error)),
            ));
        }
    };
    if !caller.is_known() {
        let api = attributes.api();
        if !all(&envelope, |method| is_open_to_all(api, method)) {
            return Err(Failure::NotAuthorized);
        }
        if !all(&envelope, |method| {
            setup_gate::may_call(gateway, api, method)
        }) {
            return Err(Failure::Unclaimed);
        }
    }
    let target = target(gateway, caller, &attributes);
    let mut calls = Calls {
        gateway,
        caller,
        visitor: Visitor {
            address: visit.conn.address(),
            device: String::new(),
            presented: Vec::new(),
        },
        api: attributes.api(),
        target: Target::Host,
        body: body.clone(),
    };
    match target {
        Ok(target) => calls.target = target,
        Err(failure) => return Ok(calls.refuse(&envelope, &failure.to_rpc())),
    }
    if let Target::Host = calls.target {
        let device = head
            .headers
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok());
        calls.visitor.device = device.unwrap_or_default().to_owned();
        if !caller.is_known() || matches!(caller, Caller::User(_)) {
            let cookies = cookies::values(&head.headers, cookies::MAIN);
            calls.visitor.presented = cookies.map(SessionId::of_cookie).collect();
        }
    }
    match envelope {
        Envelope::One(call) => Ok(calls.one(&call).await),
        Envelope::Batch(items) => {
            visit.place.ticket.charge(items.len().saturating_sub(1))?;
            Ok(Box::pin(batch::answer(&calls, &items)).await)
        }
    }
}

/// The APIs that nobody in particular may call.
const OPEN: [&str; 2] = [atek_api::sessions::API, atek_api::setup::API];

/// What nobody in particular may call: signing in, asking whether one is, and setting up.
fn is_open_to_all(api: &str, method: &str) -> bool {
    match api {
        atek_api::sessions::API => matches!(method, "login" | "whoami"),
        atek_api::setup::API => true,
        _ => false,
    }
}

fn all(envelope: &Envelope<'_>, is_open: impl Fn(&str) -> bool) -> bool {
    match envelope {
        Envelope::One(call) => is_open(&call.method),
        Envelope::Batch(calls) => calls.iter().flatten().all(|call| is_open(&call.method)),
    }
}

fn target(
    gateway: &Gateway,
    caller: &Caller,
    attributes: &Attributes<'_>,
) -> Result<Target, Failure> {
    let deps = gateway.deps();
    let directory = deps.directory.now();
    let is_host_api = |api: &str| deps.host.has(api);
    // Signing in is the host's alone, whoever asks.
    let for_everybody = directory.host_ready() && is_host_api(attributes.api());
    if !caller.is_known() && !for_everybody {
        return Err(Failure::Starting);
    }
    Ok(
        match registry::choose(&directory, caller, Transport::Rpc, attributes, is_host_api)? {
            Provider::Host => Target::Host,
            Provider::Service(entry, export) => Target::Service {
                entry: entry.clone(),
                path: export.path().to_owned(),
            },
        },
    )
}

fn is_json(head: &Parts) -> bool {
    head.headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// A failure of the request as such, as an error object without an id.
fn as_rpc(failure: &Failure) -> Response<Body> {
    body::json(
        failure.status(),
        envelope::respond(RawValue::NULL, &Err(failure.to_rpc())),
    )
}

impl Calls<'_> {
    async fn one(&self, call: &Call<'_>) -> Response<Body> {
        match &self.target {
            Target::Host => {
                let reply = Box::pin(self.ask_host(call)).await;
                finish(call.answer(&reply.outcome), reply.cookie.as_slice())
            }
            Target::Service { entry, path } if call.has_plain_id() => {
                match forward::pass(self, entry, path, call).await {
                    Ok(response) => response,
                    Err(failure) => finish(call.answer(&Err(self.failed(&failure))), &[]),
                }
            }
            Target::Service { .. } => {
                finish(call.answer(&Box::pin(self.outcome(call)).await.0), &[])
            }
        }
    }

    /// One call's outcome, in memory.
    async fn outcome(&self, call: &Call<'_>) -> (RpcResult, Option<CookieChange>) {
        match &self.target {
            Target::Host => {
                let reply = self.ask_host(call).await;
                (reply.outcome, reply.cookie)
            }
            Target::Service { entry, path } => {
                let outcome = forward::collect(self, entry, path, call).await;
                (
                    outcome.unwrap_or_else(|failure| Err(self.failed(&failure))),
                    None,
                )
            }
        }
    }

    async fn ask_host(&self, call: &Call<'_>) -> host_api::Reply {
        let call = host_api::Call {
            caller: self.caller,
            visitor: &self.visitor,
            method: &call.method,
            params: call.params,
        };
        self.gateway
            .workers()
            .on_main_runtime(self.gateway.deps().host.call(self.api, call))
            .await
    }

    fn failed(&self, failure: &Failure) -> RpcError {
        failure.log(&self.caller.label());
        failure.to_rpc()
    }

    /// The same error for every call.
    fn refuse(&self, envelope: &Envelope<'_>, error: &RpcError) -> Response<Body> {
        let outcome = Err(error.clone());
        match envelope {
            Envelope::One(call) => finish(call.answer(&outcome), &[]),
            Envelope::Batch(items) => batch::refuse(items, &outcome),
        }
    }
}

/// The response that carries an answer; none for notifications alone.
fn finish(answer: Option<Bytes>, cookies: &[CookieChange]) -> Response<Body> {
    let mut response = match answer {
        Some(text) => body::json(StatusCode::OK, text),
        None => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    };
    let value = cookies.last().and_then(|change| match change {
        CookieChange::Set(text) => cookies::set(cookies::MAIN, text.expose()),
        CookieChange::Clear => cookies::clear(cookies::MAIN),
    });
    if let Some(value) = value {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}

/// The headers of a call to a service: these and no others.
fn identify(gateway_headers: &mut http::HeaderMap, caller: &Caller, entry: &Entry) {
    gateway_headers.insert(
        http::header::HOST,
        http::HeaderValue::from_static("localhost"),
    );
    gateway_headers.insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    headers::identify(gateway_headers, caller, &entry.key);
}
