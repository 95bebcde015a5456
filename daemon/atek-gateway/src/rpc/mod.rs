//! `POST /_atek/gateway?api=ID`: JSON-RPC calls, routed to the provider of the API.
//!
//! The body passes through as it came: the host reads the envelope and leaves
//! `params` alone. A short answer is checked and a long one streamed.

mod answer;
mod batch;
mod envelope;
mod forward;

use super::admission::{Admitted, name};
use super::body::{self, Body, IdleTimeoutBody};
use super::budget::Reserved;
use super::edge::{cookies, headers};
use super::error::Failure;
use super::gateway::Gateway;
use super::remote::{self, Contact};
use super::setup_gate;
use crate::registry::{self, Attributes, Provider};
use atek_api::audit::AuditOutcome;
use atek_api::jsonrpc::{RpcError, RpcResult};
use atek_api::manifest::Transport;
use atek_api::secret::Secret;
use atek_host_model::audit::Act;
use atek_host_model::directory::Entry;
use atek_host_model::host_api::{self, CookieChange, Visitor};
use atek_host_model::permissions::Caller;
use atek_host_model::setup::Ownership;
use atek_host_model::users::SessionId;
use bytes::Bytes;
use envelope::{Call, Envelope};
use http::header::{CONTENT_TYPE, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as _;
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
    admitted: &'a Admitted,
    visitor: Visitor,
    api: &'a str,
    /// The API whose provider is called: of calls to another home not the one that is meant there.
    provided: &'a str,
    target: Target,
    /// The person of another home for whom the hypercore service calls.
    contact: Option<Contact>,
    /// The request's body, of which the calls are parts.
    body: Bytes,
}

/// What may be called where the request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// Every API, by the rights of the caller.
    Everything,
    /// `whoami` and `logout` of the sessions API, for a page at a home's own site.
    OwnSession,
}

/// Answers a request.
///
/// # Errors
///
/// A failure that has the original's shape, not JSON-RPC's.
pub(super) async fn answer(
    gateway: &Gateway,
    admitted: &Admitted,
    offer: Offer,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let (head, incoming) = request.into_parts();
    let attributes = match Attributes::of_query(head.uri.query().unwrap_or_default()) {
        Ok(attributes) => attributes,
        Err(error) => return Ok(as_rpc(&error.into())),
    };
    let is_known = admitted.caller().is_known();
    if !is_known && !OPEN.contains(&attributes.api()) {
        return Err(match gateway.deps().accounts.ownership() {
            Ownership::Unclaimed => Failure::Unclaimed,
            Ownership::Unknown | Ownership::Claimed => Failure::NotAuthorized,
        });
    }
    // Also keeps a form of another site from getting here: it cannot send this type.
    if !is_json(&head) {
        return Ok(as_rpc(&Failure::NotJson));
    }
    let mut memory = admitted.ticket().memory();
    let body = match read_body(gateway, admitted, incoming, &mut memory).await {
        Ok(body) => body,
        Err(failure) => {
            if matches!(failure, Failure::Busy) {
                name(
                    gateway,
                    admitted.caller(),
                    admitted.client(),
                    "memory for requests",
                );
            }
            return Ok(as_rpc(&failure));
        }
    };
    let envelope = match envelope::parse(&body) {
        Ok(envelope) => envelope,
        Err(error) => {
            let text = envelope::respond(RawValue::NULL, &Err(error));
            return Ok(body::json(StatusCode::BAD_REQUEST, text));
        }
    };
    if !is_known {
        check_methods(gateway, attributes.api(), &envelope)?;
    }
    let is_own = |method: &str| matches!(method, "whoami" | "logout");
    if offer == Offer::OwnSession && !all(&envelope, is_own) {
        return Err(Failure::Forbidden);
    }
    answer_envelope(
        gateway,
        admitted,
        &head.headers,
        &attributes,
        &body,
        envelope,
    )
    .await
}

/// Answers the calls of a request whose caller may make them.
async fn answer_envelope(
    gateway: &Gateway,
    admitted: &Admitted,
    sent: &HeaderMap,
    attributes: &Attributes<'_>,
    body: &Bytes,
    envelope: Envelope<'_>,
) -> Result<Response<Body>, Failure> {
    let contact = match Contact::of(admitted.caller(), sent) {
        Ok(contact) => contact,
        Err(failure) => return Ok(as_rpc(&failure)),
    };
    let mut calls = Calls {
        gateway,
        admitted,
        visitor: Visitor {
            address: admitted.client().address,
            device: String::new(),
            presented: Vec::new(),
            known_by: Vec::new(),
        },
        api: attributes.api(),
        provided: match attributes.home() {
            Some(_) => registry::HYPERCORE,
            None => attributes.api(),
        },
        target: Target::Host,
        contact,
        body: body.clone(),
    };
    let found = match &calls.contact {
        Some(contact) => target_of_contact(gateway, contact, attributes),
        None => target(gateway, admitted.caller(), attributes),
    };
    match found {
        Ok(target) => calls.target = target,
        Err(failure) => {
            let outcome = outcome_without_target(gateway, attributes.api(), &failure);
            for method in methods(&envelope) {
                calls.note(method, outcome);
            }
            return Ok(calls.refuse(&envelope, &failure.to_rpc()));
        }
    }
    if let Target::Host = calls.target {
        calls.describe_visitor(sent);
    }
    match envelope {
        Envelope::One(call) => Ok(calls.one(&call).await),
        Envelope::Batch(items) => {
            admitted.ticket().charge(items.len().saturating_sub(1))?;
            Ok(Box::pin(batch::answer(&calls, &items)).await)
        }
    }
}

/// Reads the body of a request, within the caller's limits of length, time and memory.
async fn read_body(
    gateway: &Gateway,
    admitted: &Admitted,
    incoming: Incoming,
    memory: &mut Reserved,
) -> Result<Bytes, Failure> {
    let deps = gateway.deps();
    let limit = admitted
        .ticket()
        .longest_body(deps.config.max_request_bytes);
    let incoming = IdleTimeoutBody::new(incoming, deps.limits.body_pause);
    let reading = body::read(incoming, limit, memory);
    match tokio::time::timeout(deps.limits.rpc_body, reading).await {
        Ok(read) => read.map_err(|error| Failure::of_body(error, limit)),
        Err(_) => Err(Failure::SlowBody),
    }
}

/// Refuses an unauthenticated caller's calls of methods that need a session.
fn check_methods(gateway: &Gateway, api: &str, envelope: &Envelope<'_>) -> Result<(), Failure> {
    if !all(envelope, |method| is_open_to_all(api, method)) {
        return Err(Failure::NotAuthorized);
    }
    if !all(envelope, |method| {
        setup_gate::may_call(gateway, api, method)
    }) {
        return Err(Failure::Unclaimed);
    }
    Ok(())
}

/// The methods that are called, without what is no call.
fn methods<'a>(envelope: &'a Envelope<'_>) -> impl Iterator<Item = &'a str> {
    let calls = match envelope {
        Envelope::One(call) => (Some(call), None),
        Envelope::Batch(items) => (None, Some(items.iter().flatten())),
    };
    let all = calls.0.into_iter().chain(calls.1.into_iter().flatten());
    all.map(|call| &*call.method)
}

/// What the audit log says of calls without an answer: what provides the API may be closed
/// to the caller.
fn outcome_without_target(gateway: &Gateway, api: &str, failure: &Failure) -> AuditOutcome {
    let directory = gateway.deps().directory.now();
    let mut exports = directory.entries().flat_map(|entry| entry.exports());
    match failure {
        Failure::NoProvider(_) if exports.any(|export| export.api().as_str() == api) => {
            AuditOutcome::Refused
        }
        failure => failure.outcome(),
    }
}

/// The APIs of which unauthenticated callers may call some methods.
const OPEN: [&str; 2] = [atek_api::sessions::API, atek_api::setup::API];

/// The methods that unauthenticated callers may use: sign-in, `whoami`, and the setup.
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
    if let Some(home) = attributes.home() {
        let (entry, export) = registry::choose_for_home(&directory, caller)?;
        return Ok(Target::Service {
            entry: entry.clone(),
            path: remote::path(export.path(), home, attributes.api()),
        });
    }
    let is_host_api = |api: &str| deps.host.has(api);
    // Signing in is the host's alone, for every caller.
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

/// The app that a person of another home calls; whether they may was decided by the hypercore
/// service, which knows what its owner allowed.
fn target_of_contact(
    gateway: &Gateway,
    contact: &Contact,
    attributes: &Attributes<'_>,
) -> Result<Target, Failure> {
    let directory = gateway.deps().directory.now();
    let (entry, export) = registry::choose_for_contact(&directory, &contact.owner, attributes)?;
    Ok(Target::Service {
        entry: entry.clone(),
        path: export.path().to_owned(),
    })
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
    /// What a host API is told about the browser that calls.
    fn describe_visitor(&mut self, sent: &HeaderMap) {
        let device = sent.get(USER_AGENT).and_then(|value| value.to_str().ok());
        self.visitor.device = device.unwrap_or_default().to_owned();
        if matches!(self.admitted.caller(), Caller::Anonymous | Caller::User(_)) {
            let cookies = cookies::values(sent, cookies::MAIN);
            self.visitor.presented = cookies.map(SessionId::of_cookie).collect();
            self.visitor.known_by = cookies::devices(sent).map(Secret::new).collect();
        }
    }

    async fn one(&self, call: &Call<'_>) -> Response<Body> {
        match &self.target {
            Target::Host => {
                let reply = Box::pin(self.ask_host(call)).await;
                self.note(&call.method, outcome_of(&reply.outcome));
                let mut response = finish(call.answer(&reply.outcome));
                set_cookies(&mut response, reply.cookie.as_slice(), self.is_https());
                self.holding(response)
            }
            Target::Service { entry, path } if call.has_plain_id() => {
                let passed = forward::pass(self, entry, path, call).await;
                self.note_passed(call, &passed);
                match passed {
                    Ok(response) => response,
                    Err(failure) => finish(call.answer(&Err(self.failed(&failure)))),
                }
            }
            Target::Service { .. } => finish(call.answer(&Box::pin(self.outcome(call)).await.0)),
        }
    }

    /// One call's outcome, in memory.
    async fn outcome(&self, call: &Call<'_>) -> (RpcResult, Option<CookieChange>) {
        match &self.target {
            Target::Host => {
                let reply = self.ask_host(call).await;
                self.note(&call.method, outcome_of(&reply.outcome));
                (reply.outcome, reply.cookie)
            }
            Target::Service { entry, path } => {
                let outcome = forward::collect(self, entry, path, call).await;
                self.note_passed(call, &outcome);
                (
                    outcome.unwrap_or_else(|failure| Err(self.failed(&failure))),
                    None,
                )
            }
        }
    }

    async fn ask_host(&self, call: &Call<'_>) -> host_api::Reply {
        let call = host_api::Call {
            caller: self.admitted.caller(),
            visitor: &self.visitor,
            method: &call.method,
            params: call.params,
        };
        self.gateway
            .workers()
            .on_main_runtime(self.gateway.deps().host.call(self.api, call))
            .await
    }

    /// Notes what came of a call that was passed on; an error in its answer is the service's own.
    fn note_passed<T>(&self, call: &Call<'_>, passed: &Result<T, Failure>) {
        let outcome = match passed {
            Ok(_) => AuditOutcome::Done,
            Err(failure) => failure.outcome(),
        };
        self.note(&call.method, outcome);
    }

    fn note(&self, method: &str, outcome: AuditOutcome) {
        let provider = match &self.target {
            Target::Host => None,
            Target::Service { entry, .. } => Some(entry.key.as_str()),
        };
        let act = Act::Call {
            api: self.api,
            method,
            provider,
        };
        let tally = &self.gateway.deps().audit;
        tally.note(self.admitted.caller(), act, outcome);
    }

    fn is_https(&self) -> bool {
        self.admitted.client().is_https
    }

    /// The response, counted among the caller's memory until it was handed over.
    fn holding(&self, response: Response<Body>) -> Response<Body> {
        let mut memory = self.admitted.ticket().memory();
        let length = response.body().size_hint().lower();
        match memory.grow(usize::try_from(length).unwrap_or(usize::MAX)) {
            Ok(()) => body::holding(response, memory),
            Err(full) => as_rpc(&full.into()),
        }
    }

    fn failed(&self, failure: &Failure) -> RpcError {
        failure.log(&self.admitted.caller().label());
        failure.to_rpc()
    }

    /// The same error for every call.
    fn refuse(&self, envelope: &Envelope<'_>, error: &RpcError) -> Response<Body> {
        let outcome = Err(error.clone());
        match envelope {
            Envelope::One(call) => finish(call.answer(&outcome)),
            Envelope::Batch(items) => batch::refuse(items, &outcome),
        }
    }
}

/// What the audit log says of the host's own answer.
fn outcome_of(outcome: &RpcResult) -> AuditOutcome {
    match outcome {
        Ok(_) => AuditOutcome::Done,
        Err(error) if error.is_refusal() => AuditOutcome::Refused,
        Err(_) => AuditOutcome::Failed,
    }
}

/// The response that carries an answer; none for notifications alone.
fn finish(answer: Option<Bytes>) -> Response<Body> {
    match answer {
        Some(text) => body::json(StatusCode::OK, text),
        None => {
            let mut response = Response::new(body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    }
}

/// Adds what becomes of the host's cookies.
fn set_cookies(response: &mut Response<Body>, changes: &[CookieChange], is_https: bool) {
    let values = match changes.last() {
        Some(CookieChange::SignIn { session, device }) => {
            let name = format!("{}{}", cookies::DEVICE, device.suffix);
            let text = device.text.expose();
            [
                cookies::set(cookies::MAIN, session.expose(), is_https),
                cookies::lend(&name, text, cookies::DEVICE_SECS, is_https),
            ]
        }
        Some(CookieChange::SignOut) => [cookies::clear(cookies::MAIN), None],
        None => return,
    };
    for value in values.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// The headers of a call to a service: these and no others.
fn identify(gateway_headers: &mut HeaderMap, calls: &Calls<'_>, entry: &Entry) {
    gateway_headers.insert(
        http::header::HOST,
        const { http::HeaderValue::from_static("localhost") },
    );
    gateway_headers.insert(
        CONTENT_TYPE,
        const { http::HeaderValue::from_static("application/json") },
    );
    match &calls.contact {
        Some(contact) => contact.identify(gateway_headers),
        None => headers::identify(gateway_headers, calls.admitted.caller(), &entry.key),
    }
}
