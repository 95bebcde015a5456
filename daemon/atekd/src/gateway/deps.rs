//! What the gateway needs of the rest of the daemon.

use super::edge::bucket::Rate;
use crate::config::Config;
use crate::directory::DirectoryView;
use crate::host_api::{Call, Reply};
use crate::mdns::Local;
use crate::permissions::Caller;
use crate::sessions::Sessions;
use crate::setup::Setup;
use atek_api::ids::ServiceKey;
use atek_api::services::LogOptions;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Everything that the gateway is given.
#[derive(Clone)]
pub struct Deps {
    /// The services.
    pub directory: DirectoryView,
    /// The browser sessions.
    pub sessions: Sessions,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The box's name on the local network, without `.local`, as it changes.
    pub box_name: watch::Receiver<Option<String>>,
    /// What it is called there, and what the apps are, as it changes.
    pub local: watch::Receiver<Arc<Local>>,
    /// Whether the box has an owner.
    pub setup: Setup,
    /// The host's own APIs.
    pub host: Arc<dyn HostApis>,
    /// Starts what sleeps.
    pub wake: Arc<dyn Wake>,
    /// `GET /_atek/logs`.
    pub logs: Arc<dyn Logs>,
    /// `GET /_atek/jobs/JOB`.
    pub jobs: Arc<dyn Jobs>,
    /// `GET /_atek/icon/ID`.
    pub icons: Arc<dyn Icons>,
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

/// The host's own APIs.
pub trait HostApis: Send + Sync {
    /// Whether the host answers this API itself.
    fn has(&self, api: &str) -> bool;

    /// Answers one call; refusals are part of the reply.
    fn call<'a>(&'a self, api: &'a str, call: Call<'a>) -> BoxFuture<'a, Reply>;
}

/// Makes a service listen that does not.
pub trait Wake: Send + Sync {
    /// Starts the service if it sleeps, waits if it is starting, and returns when it
    /// listens. The gateway puts a deadline around it.
    ///
    /// # Errors
    ///
    /// Why it will not listen, for a person, e.g. `it was stopped`.
    fn wake<'a>(&'a self, service: &'a ServiceKey) -> BoxFuture<'a, Result<(), String>>;
}

/// JSON lines, each with its `\n`.
pub type Lines = BoxStream<'static, Bytes>;

/// A reader's wish.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// The service's id.
    pub service: String,
    /// Which lines.
    pub options: LogOptions,
    /// Whether to go on with new lines as they come.
    pub follow: bool,
}

/// Logs of services.
pub trait Logs: Send + Sync {
    /// The lines, oldest first. The implementation checks the caller's rights.
    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        query: LogQuery,
    ) -> BoxFuture<'a, Result<Lines, Refusal>>;
}

/// Jobs of installing and updating.
pub trait Jobs: Send + Sync {
    /// The events of a job from its begin. The implementation checks the caller's rights.
    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        job: &'a str,
    ) -> BoxFuture<'a, Result<Lines, Refusal>>;
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Icon {
    /// The file.
    pub content: Bytes,
    /// Its media type.
    pub kind: &'static str,
}

/// Pictures of services.
pub trait Icons: Send + Sync {
    /// The icon of the service with this id; `None` also for one that the caller may not see.
    fn open<'a>(&'a self, caller: &'a Caller, id: &'a str) -> BoxFuture<'a, Option<Icon>>;
}

/// Why there are no lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The caller may not, or there is no such thing: one answer for both.
    NotAuthorized,
    /// A parameter is wrong; the text says which and how.
    BadRequest(String),
    /// The source of the lines cannot be read now; the text says why.
    Unavailable(String),
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
    /// Open connections of one listener.
    pub connections: usize,
    /// How long a request's head may take at least, and a connection may stay idle; at most twice as long.
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
