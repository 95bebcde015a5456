//! What all operations work with.

use super::locks::Locks;
use crate::attach::{Attach, ListenerChange, Passed, Peers};
use crate::catalogues::Catalogues;
use crate::config;
use crate::database::{Change, Database, DatabaseError, Records, ServiceRecord};
use crate::directory::DirectoryPublisher;
use crate::error_chain::DisplayChain;
use crate::journal::Logbook;
use crate::layout::Layout;
use crate::packages::Packages;
use crate::services::core_place::{self, Place};
use crate::services::error::OperationError;
use crate::services::port_allocation;
use crate::services::supervisor::{self, SupervisorDeps, SupervisorHandle};
use crate::spawn::Spawn;
use crate::systemd::{Systemd, UnitEvent};
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::services::ServiceSettings;
use atek_host_model::ports::AppPorts;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Tokens and socket files are in folders of this.
const RUN: &str = "/run/atek";

/// What [`Operations`] are made of.
#[derive(Debug)]
pub struct OperationsDeps {
    /// Where the host's files are.
    pub layout: Layout,
    /// The core services of the configuration, in the order of their start.
    pub core: Vec<config::CoreService>,
    /// The ports that apps may get.
    pub ports: AppPorts,
    /// The records; need not be open yet.
    pub database: Database,
    /// Publishes the state of all services.
    pub publisher: DirectoryPublisher,
    /// Accepts on the services' own listeners (the gateway).
    pub listeners: mpsc::Sender<ListenerChange>,
    /// What systemd passed at start: the attach socket, and the listeners it kept.
    pub passed: Passed,
    /// The way to systemd.
    pub systemd: Systemd,
    /// What systemd's units do; see [`crate::systemd::watch`].
    pub units: mpsc::Receiver<UnitEvent>,
    /// The connection to atek-spawnd.
    pub spawn: Spawn,
    /// What services said.
    pub logbook: Logbook,
    /// How updates are looked for and tried.
    pub updates: config::Updates,
    /// Fetches and builds.
    pub packages: Packages,
    /// Where recipes are found.
    pub catalogues: Catalogues,
}

/// What can be done with services.
#[derive(Debug)]
pub struct Operations {
    pub(super) layout: Layout,
    pub(super) ports: AppPorts,
    pub(super) database: Database,
    pub(super) systemd: Systemd,
    pub(super) spawn: Spawn,
    pub(super) packages: Packages,
    pub(super) catalogues: Catalogues,
    pub(super) attach: Attach,
    pub(super) locks: Locks,
    pub(super) supervisor: SupervisorHandle,
    pub(super) core: Vec<Place>,
    pub(super) logbook: Logbook,
    pub(super) updates: config::Updates,
    /// Goes up with everything that is new about updates.
    pub(super) updates_revision: watch::Sender<u64>,
    /// Whether the leftovers of an earlier run of the host are gone. Before that, what an
    /// operation makes could be taken for one.
    pub(super) swept: watch::Sender<bool>,
}

impl Operations {
    /// Reads the core services' packages and spawns the supervisor. Nothing is started yet.
    #[must_use]
    pub fn new(deps: OperationsDeps) -> Arc<Self> {
        let core = core_place::resolve(&deps.core, &deps.layout);
        let attach = Attach::new(deps.passed, RUN.into(), Peers::Services, deps.listeners);
        let supervisor = supervisor::spawn(SupervisorDeps {
            core: core.iter().map(Place::now).collect(),
            records: deps.database.watch(),
            publisher: deps.publisher,
            units: deps.units,
            systemd: deps.systemd.clone(),
            spawn: deps.spawn.clone(),
            attach: attach.clone(),
        });
        Arc::new(Self {
            layout: deps.layout,
            ports: deps.ports,
            database: deps.database,
            systemd: deps.systemd,
            packages: deps.packages,
            catalogues: deps.catalogues,
            spawn: deps.spawn,
            attach,
            locks: Locks::default(),
            supervisor,
            core,
            logbook: deps.logbook,
            updates: deps.updates,
            // Not one of an earlier run of the host.
            updates_revision: watch::Sender::new(Timestamp::now().as_millisecond().unsigned_abs()),
            swept: watch::Sender::new(false),
        })
    }

    /// Waits until the leftovers of an earlier run are gone.
    pub(super) async fn wait_until_swept(&self) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.swept.subscribe().wait_for(|swept| *swept).await;
    }

    /// Says that something about updates is new.
    pub(super) fn updates_are_new(&self) {
        self.updates_revision.send_modify(|revision| *revision += 1);
    }

    /// Returns when something about updates is not as it was at `since`, at the latest after
    /// `patience`; the revision of now.
    pub async fn updates_changed(&self, since: Option<u64>, patience: Duration) -> u64 {
        let mut revisions = self.updates_revision.subscribe();
        let changed = revisions.wait_for(|now| Some(*now) != since);
        // The sender is in `self`: what ends this early is the patience.
        let _ = tokio::time::timeout(patience, changed).await;
        *self.updates_revision.borrow()
    }

    /// Whether an id belongs to another service.
    pub(super) fn is_taken(&self, records: &Records, id: &ServiceId) -> bool {
        self.core_ids().contains(id) || records.service_with_id(id.as_str()).is_some()
    }

    /// The ids of core services, which no app may have.
    pub(super) fn core_ids(&self) -> Vec<ServiceId> {
        let now = self.core.iter().map(Place::now);
        now.flat_map(|core| [core.settings.id.clone(), core.unit_id()])
            .collect()
    }

    /// The record of an installed service; core services have none.
    pub(super) fn record(&self, key: &ServiceKey) -> Result<Arc<ServiceRecord>, OperationError> {
        if let Some(place) = self.core.iter().find(|place| place.has(key)) {
            return Err(OperationError::IsCore(place.now().settings.id.clone()));
        }
        let records = self.database.records();
        let record = records.service(key.as_str());
        record
            .cloned()
            .ok_or_else(|| OperationError::NotFound(key.to_string()))
    }

    /// Whether a service with this key exists.
    pub(super) fn exists(&self, key: &ServiceKey) -> bool {
        self.core.iter().any(|place| place.exists(key))
            || self.database.records().service(key.as_str()).is_some()
    }

    /// Changes a record; one that was removed since is left alone.
    pub(super) async fn change_settings(
        &self,
        key: &ServiceKey,
        change: impl FnOnce(&mut ServiceSettings) + Send + 'static,
    ) -> Result<(), OperationError> {
        if let Some((place, replacement)) = self.replaced_place(key) {
            return self.change_replacement(place, replacement, change).await;
        }
        let key = key.clone();
        let changed = self
            .database
            .update(move |records| {
                let Some(record) = records.service(key.as_str()) else {
                    return Ok(((), Vec::new()));
                };
                let mut settings = record.settings.clone();
                change(&mut settings);
                let mut changes = Vec::new();
                if settings != record.settings {
                    let record = ServiceRecord { key, settings };
                    changes.push(Change::PutService(Box::new(record)));
                }
                Ok::<_, DatabaseError>(((), changes))
            })
            .await;
        Ok(changed?)
    }

    /// Gives a port to every app that has none.
    pub(super) async fn assign_ports(&self) {
        let ports = self.ports;
        let stored = self
            .database
            .update(move |records| {
                Ok::<_, DatabaseError>(((), port_allocation::missing(records, ports)))
            })
            .await;
        if let Err(error) = stored {
            tracing::warn!(error = %DisplayChain(&error), "cannot give the apps their ports");
        }
    }
}
