//! Under which addresses people open the apps: subdomains, ports, names on the local network.

mod app_listeners;
mod stored_listeners;

pub use app_listeners::{Listening, follow as follow_ports};
pub use atek_host_model::ports::AppPorts;
pub use stored_listeners::StoredListeners;

use crate::directory::Entry;
use crate::mdns::Local;
use atek_api::services::Addresses;
use std::sync::Arc;
use tokio::sync::watch;

/// Where each service can be opened, now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AddressBook {
    /// The ports that may be given.
    ports: AppPorts,
    /// Those that are listened on.
    listening: watch::Receiver<Listening>,
    /// The names that the local network knows.
    local: watch::Receiver<Arc<Local>>,
}

impl AddressBook {
    /// Of the ports that may be given, those that are listened on, and the names that the local
    /// network knows.
    #[must_use]
    pub fn new(
        ports: AppPorts,
        listening: watch::Receiver<Listening>,
        local: watch::Receiver<Arc<Local>>,
    ) -> Self {
        Self {
            ports,
            listening,
            local,
        }
    }

    /// A service's addresses.
    #[must_use]
    pub fn of(&self, entry: &Entry) -> Addresses {
        let (port, problem) = match self.listening.borrow().get(&entry.key) {
            Some(Ok(port)) => (Some(*port), None),
            Some(Err(problem)) => (None, Some(problem.clone())),
            None if entry.core || entry.settings.port.is_some() => (None, None),
            None => (None, self.ports.none_left()),
        };
        let names = self.local.borrow().apps.get(&entry.key).cloned();
        Addresses {
            subdomain: entry.id().to_string(),
            port,
            mdns: names.unwrap_or_default(),
            problem,
        }
    }
}
