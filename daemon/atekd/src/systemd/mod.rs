//! What systemd says about the units that run services: events, and a look on demand.
//!
//! ```text
//!  system bus --signals--> watcher --UnitEvent--> services' supervisor
//! ```
//!
//! The watcher subscribes, lists, and follows. After a daemon-reload, a re-execution of
//! systemd or a restart of the bus it lists again, so that no other module has to know about them.
//! Nothing here can change a unit.

mod bus;
mod host_settings;
mod power;
mod properties;
mod proxy;
mod query;
mod unit;
mod watch;

#[cfg(test)]
mod tests;

pub use bus::Bus;
pub use host_settings::HostSettings;
pub use power::Power;
pub use unit::{Exit, Phase, UnitView};
pub use watch::UnitEvent;

use proxy::ManagerProxy;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use zbus::OwnedVariant;

/// The units that run services.
const PATTERN: &str = "atek-app-*.service";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// How long systemd may take to answer; it answers in milliseconds, unless it is reloading.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events that may wait for the supervisor.
const QUEUE: usize = 1024;

/// systemd could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// No connection, or a refused call.
    #[error("cannot ask systemd about {0}")]
    Bus(String, #[source] zbus::Error),
    /// No answer.
    #[error("systemd did not answer about {0} in time")]
    Timeout(String),
}

/// What a unit uses, where the kernel accounts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes.
    pub memory_bytes: Option<u64>,
    /// Microseconds since its start.
    pub cpu_usec: Option<u64>,
}

/// The way to systemd. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Systemd {
    bus: Bus,
    sync: mpsc::Sender<oneshot::Sender<()>>,
}

/// Spawns the watcher; returns the way to systemd and what the watcher sees.
///
/// The first event is [`UnitEvent::All`], or [`UnitEvent::Lost`] while there is no bus.
/// The watcher ends when the receiver is dropped.
#[must_use]
pub fn watch(bus: &Bus) -> (Systemd, mpsc::Receiver<UnitEvent>) {
    let (events, seen) = mpsc::channel(QUEUE);
    let (sync, syncs) = mpsc::channel(64);
    tokio::spawn(watch::run(bus.clone(), events, syncs));
    (
        Systemd {
            bus: bus.clone(),
            sync,
        },
        seen,
    )
}

impl Systemd {
    /// Returns when every event of what systemd did before now has been handed to the
    /// supervisor and seen by it; or when that takes too long, which changes nothing but
    /// the order in which things are shown.
    pub async fn sync(&self) {
        let (done, seen) = oneshot::channel();
        if self.sync.send(done).await.is_ok() {
            let _ = tokio::time::timeout(PATIENCE, seen).await;
        }
    }

    /// What a unit uses now; nothing for a unit that is not loaded.
    ///
    /// # Errors
    ///
    /// [`SystemdError`].
    pub async fn usage(&self, unit: &str) -> Result<Usage, SystemdError> {
        let bus = |source| SystemdError::Bus(unit.to_owned(), source);
        let ask = async {
            let connection = self.bus.connection().await?;
            let manager = ManagerProxy::new(&connection).await?;
            let Ok(path) = manager.get_unit(unit).await else {
                return Ok(Usage::default());
            };
            let all = get_all(&connection, &path, SERVICE).await?;
            // The largest number stands for "not accounted".
            let number = |name: &str| all.get(name).and_then(|v| u64::try_from(v).ok());
            let known = |value: Option<u64>| value.filter(|value| *value != u64::MAX);
            Ok(Usage {
                memory_bytes: known(number("MemoryCurrent")),
                cpu_usec: known(number("CPUUsageNSec")).map(|nsec| nsec / 1000),
            })
        };
        match tokio::time::timeout(PATIENCE, ask).await {
            Ok(outcome) => outcome.map_err(bus),
            Err(_) => Err(SystemdError::Timeout(unit.to_owned())),
        }
    }
}

async fn get_all(
    connection: &zbus::Connection,
    path: &zbus::OwnedObjectPath,
    interface: &str,
) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let reply = connection
        .call_method(
            Some("org.freedesktop.systemd1"),
            path,
            Some("org.freedesktop.DBus.Properties"),
            "GetAll",
            &(interface,),
        )
        .await?;
    reply.body().deserialize()
}
