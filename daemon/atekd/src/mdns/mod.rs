//! The box's names on the local network, by multicast DNS (RFC 6762): its own is Avahi's
//! business, the apps' are published here.
//!
//! ```text
//!  Directory, addresses, box name --> session --> Avahi (D-Bus): a group of records for each name
//!                                        '------> watch: Local, what is published
//! ```
//!
//! Avahi withdraws what a client published when the client is gone, so nothing is left over.
//! Without Avahi apps have no such names, and nothing else is missing.

mod interfaces;
mod plan;
mod proxy;
pub(crate) mod relay;
mod session;

use crate::directory::DirectoryView;
use crate::systemd::Bus;
pub use atek_host_model::local::Local;
pub(crate) use interfaces::Changes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Pause before the bus is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What the names follow from.
#[derive(Debug)]
pub struct PublisherDeps {
    /// The way to Avahi.
    pub bus: Bus,
    /// The apps.
    pub directory: DirectoryView,
    /// The box's host name.
    pub host_name: watch::Receiver<Option<String>>,
}

/// Publishes the names of apps until `stop`.
pub async fn run(parts: PublisherDeps, shown: watch::Sender<Arc<Local>>, stop: CancellationToken) {
    let mut said = None;
    loop {
        let end = tokio::select! {
            () = stop.cancelled() => return,
            end = session::run(&parts, &shown) => end,
        };
        shown.send_replace(Arc::default());
        // The bus can be away for long; once is enough.
        let reason = end.to_string();
        if said.as_ref() != Some(&reason) {
            tracing::warn!("apps have no names on the local network for now: {reason}");
            said = Some(reason);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}
