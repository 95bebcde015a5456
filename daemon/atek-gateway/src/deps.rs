//! What the gateway needs of the rest of the daemon.

use super::edge::bucket::Rate;
use super::peer::RefusedUsers;
use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_host_model::audit::Tally;
use atek_host_model::bind::NonceHash;
use atek_host_model::directory::DirectoryView;
use atek_host_model::host_api::{Call, Reply};
use atek_host_model::local::Local;
use atek_host_model::permissions::{Caller, Person};
use atek_host_model::setup::Ownership;
use atek_host_model::streams::{Icon, Lines, LogQuery, Refusal};
use atek_host_model::trusted_proxy::TrustedProxies;
use atek_rpc::body::Body;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Everything that the gateway is given.
#[derive(Clone)]
pub struct Deps {
    /// The services.
    pub directory: DirectoryView,
    /// The configuration in force, as far as it concerns the gateway.
    pub config: Arc<Settings>,
    /// The box's name on the local network, without `.local`, as it changes.
    pub box_name: watch::Receiver<Option<String>>,
    /// Further main domains, which administrators added, as they change.
    pub added_names: watch::Receiver<Vec<String>>,
    /// What it is called there, and what the apps are, as it changes.
    pub local: watch::Receiver<Arc<Local>>,
    /// Browser sessions, and whether the box has an owner.
    pub accounts: Arc<dyn Accounts>,
    /// The host's own APIs.
    pub host: Arc<dyn HostApis>,
    /// What services do for the gateway besides answering requests.
    pub services: Arc<dyn Services>,
    /// Where it is noted who did what.
    pub audit: Arc<Tally>,
    /// How much anybody may ask for.
    pub limits: Limits,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Values of the configuration that the gateway uses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The main domain.
    pub domain: String,
    /// The HTTP port that the host announces.
    pub port: u16,
    /// Tokens that act as the host itself.
    pub system_auth_tokens: Vec<Secret>,
    /// The largest JSON-RPC request in bytes.
    pub max_request_bytes: usize,
    /// Reverse proxies whose word about their clients is believed.
    pub trusted_proxies: TrustedProxies,
    /// Users whose programs are refused.
    pub refused_users: RefusedUsers,
}

/// The host's own APIs.
pub trait HostApis: Send + Sync {
    /// Whether the host answers this API itself.
    fn has(&self, api: &str) -> bool;

    /// Answers one call; refusals are part of the reply.
    fn call<'a>(&'a self, api: &'a str, call: Call<'a>) -> BoxFuture<'a, Reply>;
}

/// Users' browser sessions, and whether there is a user at all.
pub trait Accounts: Send + Sync {
    /// The person whose session on the main domain has this cookie.
    fn of_cookie(&self, cookie: &str) -> Option<Person>;

    /// The person whose session at a service's own site has this cookie.
    fn of_bound_cookie(&self, cookie: &str, service: &ServiceKey) -> Option<Person>;

    /// Returns when the person's session has ended.
    fn session_end(&self, person: &Person) -> BoxFuture<'static, ()>;

    /// A one-time token that carries the person's session to a service's site, in the browser
    /// that has the nonce.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    fn issue_bind_token(
        &self,
        person: &Person,
        service: &ServiceKey,
        nonce: NonceHash,
    ) -> Result<Secret, BindError>;

    /// Turns a one-time token into a cookie for that service's site; `None` for a token that is
    /// unknown, used, old, or made for another service or another browser.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    fn redeem_bind_token<'a>(
        &'a self,
        token: &'a str,
        service: &'a ServiceKey,
        nonces: &'a [NonceHash],
    ) -> BoxFuture<'a, Result<Option<Secret>, BindError>>;

    /// Whether the box waits for its owner. Costs no I/O.
    fn ownership(&self) -> Ownership;

    /// Whether anybody could sign in.
    fn has_users(&self) -> bool;
}

/// Why a session could not be carried to a service's site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindError {
    /// The session cannot be stored now; the text says why.
    Unavailable(String),
    /// The host's own fault; the cause is in the journal.
    Internal,
}

/// What the gateway asks of services besides their answers to requests.
pub trait Services: Send + Sync {
    /// Starts the service if it sleeps, waits if it is starting, and returns when it
    /// listens. The gateway puts a deadline around it.
    ///
    /// # Errors
    ///
    /// Why it will not listen, for a person, e.g. `it was stopped`.
    fn wake<'a>(&'a self, service: &'a ServiceKey) -> BoxFuture<'a, Result<(), String>>;

    /// Log lines, oldest first. The implementation checks the caller's rights.
    fn logs<'a>(
        &'a self,
        caller: &'a Caller,
        query: LogQuery,
    ) -> BoxFuture<'a, Result<Lines, Refusal>>;

    /// Answers another home that keeps its backups here, or says that it does not.
    fn guest(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>>;

    /// Events of an install or update from its begin. The implementation checks the caller's
    /// rights.
    fn job<'a>(&'a self, caller: &'a Caller, job: &'a str)
    -> BoxFuture<'a, Result<Lines, Refusal>>;

    /// The icon of the service with this id; `None` also for one that the caller may not see.
    fn icon<'a>(&'a self, caller: &'a Caller, id: &'a str) -> BoxFuture<'a, Option<Icon>>;

    /// A picture of a catalogue's recipe, by its catalogue, recipe and path; `None` also for
    /// a caller who is not known.
    fn catalogue_picture<'a>(
        &'a self,
        caller: &'a Caller,
        catalogue: &'a str,
        recipe: &'a str,
        picture: &'a str,
    ) -> BoxFuture<'a, Option<Icon>>;
}

/// How much anybody may ask for, and how long things may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests of one user or service; none: any number.
    pub known: Option<Rate>,
    /// Requests of one address that has not signed in; none: any number.
    pub anonymous: Option<Rate>,
    /// Requests of one user or service at the same time.
    pub known_at_once: usize,
    /// Requests of one address that has not signed in, at the same time.
    pub anonymous_at_once: usize,
    /// Open connections at the public ports, and at each other listener a quarter of that.
    pub connections: usize,
    /// Bytes that all requests may hold in memory.
    pub memory: usize,
    /// Bytes that the requests of one user or service may hold.
    pub memory_of_one: usize,
    /// Bytes that the requests of all unauthenticated callers together may hold.
    pub memory_of_strangers: usize,
    /// How long a new connection may take until its first request has come.
    pub first_request: Duration,
    /// How long a request's head may take at least, and a connection may stay idle; at most twice
    /// as long.
    pub head: Duration,
    /// How long a sender of a body may pause.
    pub body_pause: Duration,
    /// How long the body of a JSON-RPC request may take altogether.
    pub rpc_body: Duration,
    /// How long a provider may take to begin its answer to a JSON-RPC call.
    pub rpc_answer: Duration,
    /// How long a service may take to begin its response to any other request,
    /// counted from the last byte of the request's body that it took.
    pub response: Duration,
    /// How long a service may take to wake up.
    pub wake: Duration,
    /// How long open requests may go on after the gateway was told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            known: Some(Rate::per_minute(60_000, 60_000)),
            anonymous: Some(Rate::per_minute(6_000, 2_000)),
            known_at_once: 512,
            anonymous_at_once: 64,
            connections: 2_048,
            memory: 64 << 20,
            memory_of_one: 24 << 20,
            memory_of_strangers: 16 << 20,
            first_request: Duration::from_secs(10),
            head: Duration::from_secs(30),
            body_pause: Duration::from_secs(30),
            rpc_body: Duration::from_secs(300),
            rpc_answer: Duration::from_secs(30),
            response: Duration::from_secs(120),
            wake: Duration::from_secs(30),
            grace: Duration::from_secs(5),
        }
    }
}
