//! The services of this host as the gateway sees them: records and run-time state
//! in one immutable picture, replaced as a whole whenever either changes.

use crate::idle::{InFlight, KeepAwake};
use crate::permissions::{Decisions, Shares, Target};
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::manifest::Export;
use atek_api::permission::{FolderName, Permissions};
use atek_api::secret::Secret;
use atek_api::services::{ServiceSettings, State};
use atek_rpc::pool::Pool;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::watch;

/// One service.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its key.
    pub key: ServiceKey,
    /// Its record; for a core service, what the configuration says.
    pub settings: Arc<ServiceSettings>,
    /// Whether it is one of Atek's own.
    pub core: bool,
    /// Where it is in its life.
    pub state: State,
    /// Why, in words for a person.
    pub reason: Option<String>,
    /// How it failed last, from then until it runs again.
    pub failure: Option<String>,
    /// Whether an update has stopped it, and starts it again.
    pub is_updated: bool,
    /// Connections to its socket.
    pub pool: Pool,
    /// The token of its present start; none while it does not run.
    pub token: Option<Secret>,
    /// What it may do, as it is in force.
    pub granted: Arc<Permissions>,
    /// What people decided about it besides.
    pub decisions: Arc<Decisions>,
    /// With whom its owner shares it.
    pub shares: Arc<Shares>,
    /// Who uses it, where it may sleep.
    pub usage: Option<Arc<InFlight>>,
}

impl Entry {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ServiceId {
        &self.settings.id
    }

    /// The name of its systemd unit while it runs.
    #[must_use]
    pub fn unit(&self) -> String {
        let id = self.id();
        if self.core && !id.is_core() {
            // Its unit is in the namespace of core services, whatever the configuration calls it.
            return format!("atek-app-core.{id}.service");
        }
        id.unit()
    }

    /// Its owner.
    #[must_use]
    pub fn owner(&self) -> &UserKey {
        &self.settings.owning_user_key
    }

    /// The service as something that is acted on.
    #[must_use]
    pub fn target(&self) -> Target<'_> {
        Target {
            key: Some(&self.key),
            owner: self.owner(),
            shares: &self.shares,
        }
    }

    /// What it exports; nothing without a manifest.
    #[must_use]
    pub fn exports(&self) -> &[Export] {
        self.settings
            .manifest
            .as_ref()
            .map_or(&[], |manifest| &manifest.exports)
    }

    /// Folders of its data that a person may give to other apps.
    #[must_use]
    pub fn folders(&self) -> &[FolderName] {
        self.settings
            .manifest
            .as_ref()
            .map_or(&[], |manifest| &manifest.folders)
    }

    /// Keeps it awake; none if it is asleep, or about to be.
    #[must_use]
    pub fn hold(&self) -> Option<KeepAwake> {
        match &self.usage {
            None => Some(KeepAwake::none()),
            Some(usage) => usage.begin(),
        }
    }

    /// Whether the main service shows it in a frame.
    #[must_use]
    pub fn is_framed(&self) -> bool {
        let manifest = self.settings.manifest.as_ref();
        manifest
            .and_then(|manifest| manifest.frame)
            .unwrap_or_default()
    }

    /// Whether a call may be sent there: it runs, or the call will wake it.
    #[must_use]
    pub fn is_routable(&self) -> bool {
        matches!(
            self.state,
            State::Running | State::Sleeping | State::Starting | State::Restarting
        )
    }
}

/// All services at one moment.
#[derive(Debug, Default)]
pub struct Directory {
    by_key: BTreeMap<ServiceKey, Arc<Entry>>,
    by_id: HashMap<ServiceId, Arc<Entry>>,
    /// Whether the host APIs may be called: the server database is open.
    host_ready: bool,
}

impl Directory {
    /// A directory of these services, core services first, then in the order of installation.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>, host_ready: bool) -> Self {
        let mut directory = Self {
            host_ready,
            ..Self::default()
        };
        for entry in entries {
            let entry = Arc::new(entry);
            directory.by_id.insert(entry.id().clone(), entry.clone());
            directory.by_key.insert(entry.key.clone(), entry);
        }
        directory
    }

    /// Whether the host APIs may be called.
    #[must_use]
    pub fn host_ready(&self) -> bool {
        self.host_ready
    }

    /// Core services first, then the others in the order of installation.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let all = || self.by_key.values();
        let core = all().filter(|entry| entry.core);
        core.chain(all().filter(|entry| !entry.core))
    }

    /// A service by key.
    #[must_use]
    pub fn by_key(&self, key: &str) -> Option<&Arc<Entry>> {
        self.by_key.get(key)
    }

    /// A service by id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Arc<Entry>> {
        self.by_id.get(id)
    }
}

/// Where the present directory is read.
#[derive(Debug, Clone)]
pub struct DirectoryView {
    current: Arc<arc_swap::ArcSwap<Directory>>,
    changed: watch::Receiver<()>,
}

/// Where it is replaced; there is one.
#[derive(Debug)]
pub struct DirectoryPublisher {
    current: Arc<arc_swap::ArcSwap<Directory>>,
    changed: watch::Sender<()>,
}

/// An empty directory: its two ends.
#[must_use]
pub fn directory() -> (DirectoryPublisher, DirectoryView) {
    let current = Arc::new(arc_swap::ArcSwap::from_pointee(Directory::default()));
    let (changed, seen) = watch::channel(());
    (
        DirectoryPublisher {
            current: current.clone(),
            changed,
        },
        DirectoryView {
            current,
            changed: seen,
        },
    )
}

impl DirectoryPublisher {
    /// Replaces the directory.
    pub fn publish(&self, directory: Directory) {
        self.current.store(Arc::new(directory));
        self.changed.send_replace(());
    }
}

impl DirectoryView {
    /// The directory now; costs no lock.
    #[must_use]
    pub fn now(&self) -> arc_swap::Guard<Arc<Directory>> {
        self.current.load()
    }

    /// Tells when the directory was replaced.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.clone()
    }

    /// Waits until the directory satisfies `wanted`. Put a deadline around it.
    pub async fn wait_for<T>(&self, mut wanted: impl FnMut(&Directory) -> Option<T>) -> Option<T> {
        let mut changed = self.changed.clone();
        loop {
            changed.mark_unchanged();
            if let Some(found) = wanted(&self.now()) {
                return Some(found);
            }
            changed.changed().await.ok()?;
        }
    }
}
