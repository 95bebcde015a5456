//! Accepting connections, and what holds for every request.

use super::activity::{Activity, Observed};
use super::body::Body;
use super::deps::{Deps, Limits};
use super::edge::host_name::Names;
use super::error::Failure;
use super::limiter::Limiter;
use super::listener::{self, Stream};
use super::workers::Workers;
use arc_swap::ArcSwap;
use atek_host_model::listener::{Listener, Origin};
use futures_util::FutureExt as _;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes of a request's head, and of what is read ahead of a body.
const MAX_HEAD: usize = 64 << 10;
/// A quarter of a listener's connections is for one address at most.
const SHARE_OF_ONE_ADDRESS: usize = 4;
/// Names of the box since its start.
const MAX_NAMES: usize = 16;
/// Pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The HTTP surface of the host; one for all listeners. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    deps: Deps,
    /// Made anew when the box gets another name.
    names: ArcSwap<Names>,
    limiter: Limiter,
    workers: Workers,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) origin: Arc<Origin>,
    pub(super) peer: Option<SocketAddr>,
    /// Ends what outlives a request: pipes and streams.
    pub(super) cancel: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) activity: Arc<Activity>,
}

impl Conn {
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip().to_canonical())
    }
}

impl Gateway {
    /// A gateway; it serves nobody until [`Gateway::serve`]. Must be called on an event loop.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        let names = ArcSwap::from_pointee(Names::new(&deps.config.domain, &local_names(&deps)));
        let limiter = Limiter::new(deps.limits.clone());
        Self {
            inner: Arc::new(Inner {
                deps,
                names,
                limiter,
                workers: Workers::start(),
            }),
        }
    }

    pub(super) fn deps(&self) -> &Deps {
        &self.inner.deps
    }

    pub(super) fn names(&self) -> Arc<Names> {
        self.inner.names.load_full()
    }

    /// Answers under the box's names of the moment. Never ends, unless nobody can rename the box.
    ///
    /// Names that it had since its start stay good: a page that was opened under one may still ask.
    pub async fn follow_names(self) {
        let (mut own, mut local) = (self.deps().box_name.clone(), self.deps().local.clone());
        let mut known = local_names(self.deps());
        loop {
            let changed = tokio::select! {
                changed = own.changed() => changed,
                changed = local.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
            let now = local_names(self.deps());
            known.retain(|name| !now.contains(name));
            known.splice(0..0, now);
            known.truncate(MAX_NAMES);
            let names = Names::new(&self.deps().config.domain, &known);
            self.inner.names.store(Arc::new(names));
        }
    }

    pub(super) fn limiter(&self) -> &Limiter {
        &self.inner.limiter
    }

    pub(super) fn workers(&self) -> &Workers {
        &self.inner.workers
    }

    /// Serves a listener until `cancel`, then finishes what is running.
    ///
    /// Requests in flight have [`Limits::grace`] to end; WebSockets and followed
    /// streams end at once.
    pub async fn serve(&self, listener: Listener, origin: Origin, cancel: CancellationToken) {
        let limits = &self.deps().limits;
        let origin = Arc::new(origin);
        let tasks = TaskTracker::new();
        let places = Arc::new(Semaphore::new(limits.connections));
        let shares = Arc::new(Shares::default());
        loop {
            let accepted = async {
                // Never closed.
                let place = places.clone().acquire_owned().await.ok();
                (place, listener::accept(&listener).await)
            };
            let (place, accepted) = tokio::select! {
                () = cancel.cancelled() => break,
                accepted = accepted => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, origin = origin.label(), "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(share) = shares.take(peer, limits.connections.div_ceil(SHARE_OF_ONE_ADDRESS))
            else {
                continue;
            };
            let activity = Arc::default();
            let conn = Conn {
                origin: origin.clone(),
                peer,
                cancel: cancel.clone(),
                tasks: tasks.clone(),
                activity,
            };
            let slot = self.inner.workers.assign();
            let handle = slot.handle.clone();
            let connection = self.clone().connection(stream, Arc::new(conn));
            tasks.spawn_on(
                async move {
                    connection.await;
                    drop((place, share, slot));
                },
                &handle,
            );
        }
        drop(listener);
        tasks.close();
        // Each task has its own deadline.
        tasks.wait().await;
    }

    async fn connection(self, stream: Stream, conn: Arc<Conn>) {
        let stream = match stream.rehomed() {
            Ok(stream) => Observed {
                stream,
                activity: conn.activity.clone(),
            },
            Err(error) => return tracing::warn!(%error, "cannot serve a connection"),
        };
        let Limits { head, grace, .. } = self.deps().limits;
        let (activity, cancel) = (conn.activity.clone(), conn.cancel.clone());
        let service = service_fn(move |request| {
            let (gateway, conn) = (self.clone(), conn.clone());
            async move { Ok::<_, Infallible>(gateway.answer(&conn, request).await) }
        });
        let serving = http1::Builder::new()
            // See `Activity`.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            // And at most 100 headers, hyper's default: only with that are they parsed on the stack.
            .max_header_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut serving = std::pin::pin!(serving);
        let mut looks = tokio::time::interval_at(Instant::now() + head, head);
        let mut seen = 0;
        let ended = loop {
            tokio::select! {
                biased;
                ended = serving.as_mut() => break ended,
                () = cancel.cancelled() => {
                    serving.as_mut().graceful_shutdown();
                    break tokio::time::timeout(grace, serving).await.unwrap_or(Ok(()));
                }
                _ = looks.tick() => if activity.is_idle_since(&mut seen) { break Ok(()) },
            }
        };
        if let Err(error) = ended {
            // A client that left, or sent no HTTP.
            tracing::debug!(%error, "a connection ended early");
        }
    }

    /// A panic ends one request, and neither its connection nor anything else.
    async fn answer(&self, conn: &Arc<Conn>, request: Request<Incoming>) -> Response<Body> {
        match AssertUnwindSafe(self.route(conn, request))
            .catch_unwind()
            .await
        {
            Ok(response) => response,
            // The panic hook has written message and place to the journal.
            Err(_) => Failure::Internal.to_json(),
        }
    }
}

/// The box's names on the local network: the one that is announced there, and its host name.
fn local_names(deps: &Deps) -> Vec<String> {
    let announced = deps.local.borrow().domain.clone();
    let own = deps.box_name.borrow();
    let own = own.as_ref().map(|name| format!("{name}.local"));
    announced.into_iter().chain(own).collect()
}

/// Connections by address.
#[derive(Debug, Default)]
struct Shares {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One address's place; free again when it is dropped.
#[derive(Debug)]
struct Share {
    shares: Arc<Shares>,
    address: Option<IpAddr>,
}

impl Shares {
    fn take(self: &Arc<Self>, peer: Option<SocketAddr>, most: usize) -> Option<Share> {
        // Behind loopback are a reverse proxy, or the box's own programs.
        let address = peer
            .map(|peer| peer.ip().to_canonical())
            .filter(|address| !address.is_loopback());
        if let Some(address) = address {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(address).or_default();
            if *count >= most {
                return None;
            }
            *count += 1;
        }
        Some(Share {
            shares: self.clone(),
            address,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut open = self
            .shares
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}
