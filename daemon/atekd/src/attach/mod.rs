//! How a service reaches the host: its listeners, its token, its socket file.
//!
//! ```text
//!  atek-sandbox --attach.sock: token + listeners--> here --ListenerChange--> gateway
//!                                                    |
//!                                        systemd's descriptor store (over our restart)
//! ```
//!
//! A service's TCP listeners lie in its own network namespace, where only it can connect:
//! *which listener a connection came through* says who calls. atek-sandbox opens them
//! before the service's program runs and hands them over here, with the token that proves
//! which service it is. They are stored with systemd before they are acknowledged, so a
//! service that runs can reach the host whatever happens to this process.
//!
//! A program with a TCP port has a channel besides, by which this daemon connects to it
//! (`atek_rpc::port_connector`). While the channel is open, the process that runs the program is
//! there, and nothing else is taken for it: the program itself has the token, too.
//!
//! The token lies in a file that only this daemon and root can read, for as long as the
//! service may start; systemd hands it to the unit.

mod accept;
mod handshake;
mod notify;
mod passed;
mod pending;
mod run_files;

#[cfg(test)]
mod tests;

pub use accept::Peers;
pub use notify::Notify;
pub use passed::Passed;

use crate::standalone;
use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_host_model::listener::Listener;
pub use atek_host_model::listener::ListenerChange;
use atek_rpc::port_connector::{PortConnector, PortSlot};
pub use run_files::RunFileError;
use run_files::RunFiles;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

/// The ways of all services to the host. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Attach {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: RunFiles,
    notify: Notify,
    gateway: mpsc::Sender<ListenerChange>,
    /// What the host holds of each service.
    held: Mutex<HashMap<ServiceKey, Held>>,
    /// Where the connector of each service's present start is.
    ports: Mutex<HashMap<ServiceKey, PortSlot>>,
}

/// What is known of a service before it starts, to compare with what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Whether its program listens on a TCP port.
    pub port: bool,
}

#[derive(Debug, Default)]
struct Held {
    /// Kept by systemd over our restart, and not handed to the gateway yet.
    stored: Vec<OwnedFd>,
    /// The gateway has its TCP listeners.
    tcp: bool,
    /// The gateway has its socket file.
    unix: bool,
    /// `None` until the supervisor says it.
    expected: Option<Expected>,
}

impl Attach {
    /// Takes over what systemd passed, and begins to accept what starting services hand over.
    ///
    /// `run` is the folder of tokens and socket files, usually `/run/atek`.
    #[must_use]
    pub fn new(
        mut passed: Passed,
        run: PathBuf,
        peers: Peers,
        gateway: mpsc::Sender<ListenerChange>,
    ) -> Self {
        let mut held: HashMap<ServiceKey, Held> = HashMap::new();
        for (key, descriptor) in passed.stored() {
            held.entry(key).or_default().stored.push(descriptor);
        }
        let mut ports: HashMap<ServiceKey, PortSlot> = HashMap::new();
        for (key, channel) in passed.connectors() {
            match PortConnector::new(channel) {
                Ok(connector) => ports.entry(key).or_default().set(Some(connector)),
                Err(error) => {
                    tracing::error!(%key, %error, "cannot use the kept channel to a port");
                }
            }
        }
        let socket = match (passed.unix("attach"), peers) {
            (None, Peers::Services) => standalone::attach_socket().map(Some),
            (passed, _) => Ok(passed),
        };
        let attach = Self {
            inner: Arc::new(Inner {
                files: RunFiles::new(run),
                notify: Notify::from_env(),
                gateway,
                held: Mutex::new(held),
                ports: Mutex::new(ports),
            }),
        };
        match socket.and_then(|socket| socket.map(accept::to_tokio).transpose()) {
            Ok(Some(listener)) => {
                tokio::spawn(accept::run(attach.clone(), listener, peers));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "no service can start: cannot use the attach socket");
            }
        }
        attach
    }

    /// Before a start: a new token, the socket file, and nothing left of a run before.
    ///
    /// # Errors
    ///
    /// [`RunFileError`].
    pub async fn prepare(
        &self,
        key: &ServiceKey,
        expected: Expected,
    ) -> Result<Secret, RunFileError> {
        self.forget_tcp(key).await;
        let token = self.inner.files.new_token(key)?;
        self.open_socket(key).await?;
        self.with(key, |held| held.expected = Some(expected));
        Ok(token)
    }

    /// For a service that runs already: its token, a new socket file, and its
    /// listeners handed to the gateway. `None` if it has no token.
    ///
    /// # Errors
    ///
    /// [`RunFileError`].
    pub async fn adopt(
        &self,
        key: &ServiceKey,
        expected: Expected,
    ) -> Result<Option<Secret>, RunFileError> {
        let Some(token) = self.inner.files.token(key)? else {
            return Ok(None);
        };
        if !self.with(key, |held| held.unix) {
            self.open_socket(key).await?;
        }
        let stored = self.with(key, |held| {
            held.expected = Some(expected);
            std::mem::take(&mut held.stored)
        });
        if !stored.is_empty() {
            let listeners = stored
                .into_iter()
                .filter_map(|descriptor| accept::tcp_listener(descriptor).ok())
                .map(Listener::Tcp)
                .collect();
            self.hand_over(key, listeners).await;
        }
        Ok(Some(token))
    }

    /// Where the connector of the service's present start is. The same place for the same service,
    /// as long as it is in use.
    #[must_use]
    pub fn port_slot(&self, key: &ServiceKey) -> PortSlot {
        let mut ports = lock(&self.inner.ports);
        ports.retain(|known, slot| known == key || slot.is_shared() || slot.get().is_some());
        ports.entry(key.clone()).or_default().clone()
    }

    /// Whether the host holds the TCP listeners of a service.
    #[must_use]
    pub fn is_attached(&self, key: &ServiceKey) -> bool {
        self.with(key, |held| held.tcp)
    }

    /// After a stop: the service cannot start or call any more, until it is prepared again.
    pub async fn close(&self, key: &ServiceKey) {
        self.inner.files.remove(key);
        self.forget_tcp(key).await;
        lock(&self.inner.held).remove(key);
        self.tell(ListenerChange::Close { key: key.clone() }).await;
    }

    /// Keys with a token, a socket folder, or a listener in systemd's store.
    #[must_use]
    pub fn known(&self) -> Vec<ServiceKey> {
        let mut keys = self.inner.files.keys();
        keys.extend(lock(&self.inner.held).keys().cloned());
        keys.sort();
        keys.dedup();
        keys
    }

    async fn open_socket(&self, key: &ServiceKey) -> Result<(), RunFileError> {
        let listener: UnixListener = self.inner.files.open_socket(key)?;
        self.with(key, |held| held.unix = true);
        let listener = Listener::Unix(listener);
        self.tell(ListenerChange::Unix {
            key: key.clone(),
            listener,
        })
        .await;
        Ok(())
    }

    async fn hand_over(&self, key: &ServiceKey, listeners: Vec<Listener>) {
        self.with(key, |held| held.tcp = !listeners.is_empty());
        self.tell(ListenerChange::Tcp {
            key: key.clone(),
            listeners,
        })
        .await;
    }

    async fn forget_tcp(&self, key: &ServiceKey) {
        let had = self.with(key, |held| {
            let had = held.tcp || !held.stored.is_empty();
            held.stored.clear();
            held.tcp = false;
            had
        });
        if had {
            for name in passed::stored_names(key) {
                self.inner.notify.forget(&name);
            }
        }
        let slot = self.port_slot(key);
        if slot.get().is_some() {
            slot.set(None);
            self.inner.notify.forget(&passed::connector_name(key));
        }
    }

    async fn tell(&self, change: ListenerChange) {
        // It ends before us only when the host goes down.
        let _ = self.inner.gateway.send(change).await;
    }

    fn with<T>(&self, key: &ServiceKey, change: impl FnOnce(&mut Held) -> T) -> T {
        change(lock(&self.inner.held).entry(key.clone()).or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing in here panics while it holds the lock; if it did, the map is still a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
