//! What every part of the gateway shares, and what is known of a connection.

use super::activity::Activity;
use super::connections::Connections;
use super::deps::Deps;
use super::edge::host_name::Names;
use super::error::Failure;
use super::limiter::Limiter;
use super::peer::OwnAddresses;
use super::workers::Workers;
use arc_swap::{ArcSwap, Guard};
use atek_host_model::listener::Origin;
use http::HeaderValue;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Names of the box since its start.
const MAX_NAMES: usize = 16;

/// The HTTP surface of the host; one for all listeners. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    deps: Deps,
    /// Replaced when the box gets another name.
    names: ArcSwap<Names>,
    limiter: Limiter,
    pub(super) workers: Workers,
    /// At the public ports, and at the ports of apps.
    pub(super) public: Arc<Connections>,
    pub(super) own_addresses: OwnAddresses,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) origin: Arc<Origin>,
    pub(super) peer: Option<SocketAddr>,
    /// What services are told of the peer's address.
    pub(super) forwarded_for: Option<HeaderValue>,
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
    /// A gateway that accepts nothing until [`Gateway::serve`]. Must be called on an event loop.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        let names = ArcSwap::from_pointee(names_now(&deps, &local_names(&deps)));
        let limiter = Limiter::new(deps.limits.clone());
        let public = Connections::new(deps.limits.connections);
        Self {
            inner: Arc::new(Inner {
                deps,
                names,
                limiter,
                workers: Workers::start(),
                public,
                own_addresses: OwnAddresses::default(),
            }),
        }
    }

    pub(super) fn deps(&self) -> &Deps {
        &self.inner.deps
    }

    pub(super) fn names(&self) -> Guard<Arc<Names>> {
        self.inner.names.load()
    }

    /// Follows the box's names. Ends when no more changes can come.
    ///
    /// Names that it had since its start stay good: a page that was opened under one may still ask.
    pub async fn follow_names(self) {
        let (mut own, mut local) = (self.deps().box_name.clone(), self.deps().local.clone());
        let mut added = self.deps().added_names.clone();
        let mut known = local_names(self.deps());
        loop {
            let changed = tokio::select! {
                changed = own.changed() => changed,
                changed = local.changed() => changed,
                changed = added.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
            let now = local_names(self.deps());
            known.retain(|name| !now.contains(name));
            known.splice(0..0, now);
            known.truncate(MAX_NAMES);
            let names = names_now(self.deps(), &known);
            self.inner.names.store(Arc::new(names));
        }
    }

    /// The failure for a name that is none of the box's. `port` (`:PORT`, or nothing) is where the
    /// client reached the main page, or would.
    pub(super) fn unknown_host(&self, name: &str, port: &str) -> Failure {
        let names = self.names();
        let names = names.shown().map(str::to_owned);
        let addresses = self.inner.own_addresses.to_show().into_iter();
        let own = names.chain(addresses.map(|address| address.to_string()));
        Failure::UnknownHost {
            name: name.to_owned(),
            own: own.map(|host| format!("{host}{port}")).collect(),
        }
    }

    pub(super) fn limiter(&self) -> &Limiter {
        &self.inner.limiter
    }

    pub(super) fn workers(&self) -> &Workers {
        &self.inner.workers
    }
}

fn names_now(deps: &Deps, local: &[String]) -> Names {
    Names::new(&deps.config.domain, &deps.added_names.borrow(), local)
}

/// The box's names on the local network: the one that is announced there, and its host name.
fn local_names(deps: &Deps) -> Vec<String> {
    let announced = deps.local.borrow().domain.clone();
    let own = deps.box_name.borrow();
    let own = own.as_ref().map(|name| format!("{name}.local"));
    announced.into_iter().chain(own).collect()
}
