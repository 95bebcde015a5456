//! The life of services: what is installed, what should run, what does run.
//!
//! ```text
//!  host_api, gateway --- Services ---> operations (install, update, configure, uninstall)
//!                           |               |  one at a time for one service
//!                           v               v
//!                     mpsc: Start, Stop, …  database (records), packages, spawn
//!                           |
//!   systemd events ---> supervisor ---> effects: start unit, stop unit, probe the socket
//!   records (watch) --->    |                    their outcomes come back as messages
//!                           '------> DirectoryPublisher
//! ```
//!
//! One task, the [`supervisor`], owns the run-time state of all services; the policy is in
//! [`state`], which is pure. systemd owns the processes and restarts them; the supervisor
//! follows. A service is what has a record in the server database (or is a core service of
//! the configuration): whatever else is found of one is a leftover, and swept at start.

mod adopt;
mod builtin;
mod configure;
mod definition;
mod effects;
mod error;
mod fault;
mod folder;
mod give;
mod handle;
mod icon;
mod inspect;
mod install;
mod intent;
mod kept;
mod life;
mod locks;
mod machine;
mod names;
mod ports;
mod requests;
mod show;
mod spare;
mod state;
mod supervisor;
mod sweep;
mod uninstall;
mod update;
mod waiters;

pub use configure::Reconfigured;
pub use error::{
    ConfigureError, CoreFailure, GiveError, InstallError, KeptError, Refused, ShuttingDown,
    StartError, StopError, UninstallError, UpdateError,
};
pub use icon::Icon;
pub use inspect::Inspection;
pub use install::Install;
pub use kept::Kept;

use crate::attach::{Attach, ListenerChange, Passed, Peers};
use crate::config::CoreService;
use crate::database::{Database, ServiceRecord};
use crate::directory::DirectoryPublisher;
use crate::jobs::Reporter;
use crate::layout::Layout;
use crate::packages::Packages;
use crate::spawn::Spawn;
use crate::systemd::{Systemd, UnitEvent};
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::permission::Permissions;
use atek_api::services::{ConfigureParams, ServiceStatus, UpdateCheck, UpdateDone};
use atek_host_model::ports::AppPorts;
use locks::Locks;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Tokens and socket files are in folders of this.
const RUN: &str = "/run/atek";

/// How often it is looked whether a service is idle.
const LOOK: Duration = Duration::from_secs(30);

/// What the life of services depends on.
#[derive(Debug)]
pub struct Parts {
    /// Where things lie.
    pub layout: Layout,
    /// The core services of the configuration, in the order of their start.
    pub core: Vec<CoreService>,
    /// The ports that apps may get.
    pub ports: AppPorts,
    /// The records; need not be open yet.
    pub database: Database,
    /// Where the state of all services is published.
    pub publisher: DirectoryPublisher,
    /// Who accepts on the services' own listeners (the gateway).
    pub listeners: mpsc::Sender<ListenerChange>,
    /// What systemd passed at start: the attach socket, and the listeners it kept.
    pub passed: Passed,
    /// The way to systemd, and what its watcher sees.
    pub systemd: Systemd,
    /// See [`crate::systemd::watch`].
    pub units: mpsc::Receiver<UnitEvent>,
    /// The connection to atek-spawnd.
    pub spawn: Spawn,
}

/// All services. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    ports: AppPorts,
    database: Database,
    systemd: Systemd,
    spawn: Spawn,
    packages: Packages,
    attach: Attach,
    locks: Locks,
    supervisor: handle::Handle,
    core: Vec<builtin::Core>,
    /// Whether the leftovers of an earlier life are gone. Before that, what is being made
    /// could be taken for one.
    swept: watch::Sender<bool>,
}

impl Services {
    /// Reads the core services' packages and spawns the tasks. Nothing is started yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let core = builtin::resolve(&parts.core, &parts.layout);
        let attach = Attach::new(parts.passed, RUN.into(), Peers::Services, parts.listeners);
        let supervisor = supervisor::spawn(supervisor::Parts {
            core: core.clone(),
            records: parts.database.watch(),
            publisher: parts.publisher,
            units: parts.units,
            systemd: parts.systemd.clone(),
            spawn: parts.spawn.clone(),
            attach: attach.clone(),
        });
        Self {
            inner: Arc::new(Inner {
                layout: parts.layout,
                ports: parts.ports,
                database: parts.database,
                systemd: parts.systemd,
                packages: Packages::new(parts.spawn.clone()),
                spawn: parts.spawn,
                attach,
                locks: Locks::default(),
                supervisor,
                core,
                swept: watch::Sender::new(false),
            }),
        }
    }

    /// Adopts or starts every core service that this version has, and waits until each
    /// listens or has failed. Returns those that failed; the rest of the host can go on
    /// without any but the database.
    pub async fn start_core(&self) -> Vec<CoreFailure> {
        adopt::start_core(&self.inner).await
    }

    /// Once the database is open: finishes or undoes what a crash interrupted, sweeps
    /// leftovers, adopts what runs, and begins to start what should run.
    ///
    /// Returns when everything that runs is adopted; starts go on in the background,
    /// a few at a time.
    pub async fn start_installed(&self) {
        adopt::start_installed(&self.inner).await;
    }

    /// Installs a package and starts it.
    ///
    /// When this returns `Ok`, the service exists and its first start has ended: it runs, or
    /// the directory says why it does not (an app may need configuration first).
    /// Dropping the future, as any failure, leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; nothing was installed.
    pub async fn install(
        &self,
        request: Install,
        progress: &Reporter,
    ) -> Result<ServiceKey, InstallError> {
        install::install(&self.inner, request, progress).await
    }

    /// Looks at a package without installing it: its manifest and what it asks for.
    ///
    /// # Errors
    ///
    /// [`InstallError`], as installing it would give.
    pub async fn inspect(
        &self,
        source: &str,
        range: Option<&str>,
    ) -> Result<Inspection, InstallError> {
        inspect::inspect(&self.inner, source, range).await
    }

    /// Stops and removes a service: record, package, and, unless `keep_data`, its state.
    ///
    /// # Errors
    ///
    /// [`UninstallError`]; the service then still exists (it may be stopped).
    pub async fn uninstall(&self, key: &ServiceKey, keep_data: bool) -> Result<(), UninstallError> {
        uninstall::uninstall(&self.inner, key, keep_data).await
    }

    /// The service's icon, if it has one that can be shown.
    pub async fn icon(&self, key: &ServiceKey) -> Option<Icon> {
        icon::icon(&self.inner, key).await
    }

    /// The data of uninstalled services that was kept, oldest first.
    pub async fn kept(&self) -> Vec<Kept> {
        kept::list(&self.inner).await
    }

    /// Removes kept data for good.
    ///
    /// # Errors
    ///
    /// [`KeptError`].
    pub async fn remove_kept(&self, key: &ServiceKey) -> Result<(), KeptError> {
        kept::remove(&self.inner, key).await
    }

    /// Hands all services of a user, their databases and kept data over to another user.
    /// Those that run are restarted.
    ///
    /// # Errors
    ///
    /// [`GiveError`]; may be repeated.
    pub async fn give(&self, from: &UserKey, to: &UserKey) -> Result<(), GiveError> {
        give::give(&self.inner, from.clone(), to.clone()).await
    }

    /// Finishes what an interruption left of handing over a user's things, if anything.
    ///
    /// # Errors
    ///
    /// [`GiveError`]; may be repeated.
    pub async fn finish_giving(&self, from: &UserKey) -> Result<(), GiveError> {
        give::finish(&self.inner, from).await
    }

    /// The releases of the service's source, newest first, whatever its range admits.
    ///
    /// # Errors
    ///
    /// [`UpdateError`].
    pub async fn versions(&self, key: &ServiceKey) -> Result<Vec<String>, UpdateError> {
        update::versions(&self.inner, key).await
    }

    /// Stores that the service is to run, starts it and waits until it listens.
    ///
    /// # Errors
    ///
    /// [`StartError`]; with `Failed`, systemd may still be trying again.
    pub async fn start(&self, key: &ServiceKey) -> Result<(), StartError> {
        requests::start(&self.inner, key).await
    }

    /// Stores that the service is to stay stopped, stops it and waits until it is gone.
    ///
    /// # Errors
    ///
    /// [`StopError`].
    pub async fn stop(&self, key: &ServiceKey) -> Result<(), StopError> {
        requests::stop(&self.inner, key).await
    }

    /// Stops the service, starts it again (also one that was stopped) and waits until it listens.
    ///
    /// # Errors
    ///
    /// As [`Services::start`].
    pub async fn restart(&self, key: &ServiceKey) -> Result<(), StartError> {
        requests::restart(&self.inner, key).await
    }

    /// Puts to sleep, from now on, each service that may sleep and was not used for `idle`.
    /// Never ends; with an `idle` of zero it does nothing.
    pub async fn rest(&self, idle: Duration) {
        if idle.is_zero() {
            return std::future::pending().await;
        }
        let mut looks = tokio::time::interval(LOOK.min(idle));
        loop {
            looks.tick().await;
            if self.inner.supervisor.doze(idle).await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// For a call that is on its way: makes sure that the service listens, starting it if it
    /// sleeps, waiting if it is on its way up. A service that was stopped stays stopped.
    ///
    /// # Errors
    ///
    /// [`StartError`], at the latest after `patience`.
    pub async fn wake(&self, key: &ServiceKey, patience: Duration) -> Result<(), StartError> {
        self.inner.supervisor.wake(key, patience).await
    }

    /// Installs the best release that the service's range admits, and restarts the service
    /// if it ran. If it does not come up, the version before is put back. `grant`, if given,
    /// takes the place of what was granted, together with the new version.
    ///
    /// # Errors
    ///
    /// [`UpdateError`]; the version before is installed.
    pub async fn update(
        &self,
        key: &ServiceKey,
        grant: Option<Permissions>,
        progress: &Reporter,
    ) -> Result<UpdateDone, UpdateError> {
        update::update(&self.inner, key, grant, progress).await
    }

    /// Asks the source which release an update would install.
    ///
    /// # Errors
    ///
    /// [`UpdateError`].
    pub async fn check_update(&self, key: &ServiceKey) -> Result<UpdateCheck, UpdateError> {
        update::check(&self.inner, key).await
    }

    /// Changes id, source, range, environment, limits or grants. A new id takes effect at
    /// once (the unit is restarted under its new name); so do limits and grants. The
    /// environment changes at the next start, as the original.
    ///
    /// # Errors
    ///
    /// [`ConfigureError`]; nothing was changed, except with `Start`.
    pub async fn configure(
        &self,
        key: &ServiceKey,
        changes: ConfigureParams,
    ) -> Result<Reconfigured, ConfigureError> {
        configure::configure(&self.inner, key, changes).await
    }

    /// A service under the magnifying glass.
    ///
    /// # Errors
    ///
    /// [`Refused::NotFound`].
    pub async fn status(&self, key: &ServiceKey) -> Result<ServiceStatus, Refused> {
        requests::status(&self.inner, key).await
    }
}

impl Inner {
    /// Waits until the host has tidied up after an earlier life.
    async fn tidy(&self) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.swept.subscribe().wait_for(|swept| *swept).await;
    }

    /// Whether an id belongs to a core service; records know the others.
    fn is_core_id(&self, id: &ServiceId) -> bool {
        self.core
            .iter()
            .any(|core| core.settings.id == *id || core.unit_id() == *id)
    }

    /// The record of an installed service; core services have none.
    fn installed(&self, key: &ServiceKey) -> Result<Arc<ServiceRecord>, Refused> {
        if let Some(core) = self.core.iter().find(|core| core.key == *key) {
            return Err(Refused::Core(core.settings.id.clone()));
        }
        let records = self.database.records();
        let record = records.service(key.as_str());
        record
            .cloned()
            .ok_or_else(|| Refused::NotFound(key.to_string()))
    }
}
