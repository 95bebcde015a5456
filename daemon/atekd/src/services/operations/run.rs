//! Start, stop, restart, sleep, wake and the status of a service that exists.

use super::context::Operations;
use crate::error_chain::DisplayChain;
use crate::services::core_place::Place;
use crate::services::definition::Definition;
use crate::services::describe;
use crate::services::error::OperationError;
use crate::services::package_folder;
use crate::services::supervisor::Command;
use atek_api::ids::ServiceKey;
use atek_api::services::{ServiceStatus, SourceType, State};
use atek_api::source::Source;
use std::time::Duration;

/// The longest pause between two checks for idle services.
const IDLE_CHECK: Duration = Duration::from_secs(30);

impl Operations {
    /// Stores that the service is to run, starts it and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Why it does not run; systemd may still be trying again.
    pub async fn start(&self, key: &ServiceKey) -> Result<(), OperationError> {
        self.run(key, Command::Start).await
    }

    /// Stores for a core service whether it is kept running although it may sleep. Blocks for as
    /// long as the disk does.
    ///
    /// # Errors
    ///
    /// [`OperationError::NotFound`] for any other service; why it cannot be stored.
    pub fn set_awake(&self, key: &ServiceKey, awake: bool) -> Result<(), OperationError> {
        let core = self
            .core
            .iter()
            .map(Place::now)
            .find(|core| core.key == *key);
        let core = core.ok_or_else(|| OperationError::NotFound(key.to_string()))?;
        Ok(core.awake.set(awake)?)
    }

    /// Stops the service, starts it again (also one that was stopped) and waits until it is ready.
    ///
    /// # Errors
    ///
    /// As [`Operations::start`].
    pub async fn restart(&self, key: &ServiceKey) -> Result<(), OperationError> {
        self.run(key, Command::Restart).await
    }

    /// Stores that the service is to stay stopped, stops it and waits until it is gone.
    ///
    /// # Errors
    ///
    /// Its unit could not be stopped, or another operation is under way.
    pub async fn stop(&self, key: &ServiceKey) -> Result<(), OperationError> {
        let snapshot = self.supervisor.snapshot(key).await?;
        self.locks.check(key, &snapshot.definition.settings.id)?;
        if snapshot.definition.core.is_none() {
            self.change_settings(key, |settings| settings.stopped = true)
                .await?;
        }
        self.supervisor.stop(key).await
    }

    async fn run(&self, key: &ServiceKey, command: Command) -> Result<(), OperationError> {
        let snapshot = self.supervisor.snapshot(key).await?;
        self.locks.check(key, &snapshot.definition.settings.id)?;
        if snapshot.definition.core.is_none() {
            self.change_settings(key, |settings| settings.stopped = false)
                .await?;
            self.follow_manifest(&snapshot.definition).await?;
        }
        self.supervisor.start(key, command).await
    }

    /// Stores the manifest of a package that runs in place, which may have changed.
    async fn follow_manifest(&self, definition: &Definition) -> Result<(), OperationError> {
        let settings = &definition.settings;
        if settings.package.source_type != SourceType::File {
            return Ok(());
        }
        let Ok(Source::Folder(path)) = settings.source_url.parse() else {
            return Ok(());
        };
        let read = tokio::task::spawn_blocking(move || package_folder::read(&path)).await;
        let Ok(read) = read else { return Ok(()) };
        let manifest = read
            .map_err(|error| OperationError::NotRunning {
                id: settings.id.clone(),
                reason: DisplayChain(&error).to_string(),
            })?
            .manifest;
        if manifest == settings.manifest {
            return Ok(());
        }
        let changed = self.change_settings(&definition.key, |settings| {
            settings.package.title = manifest.as_ref().and_then(|manifest| manifest.name.clone());
            settings.manifest = manifest;
        });
        changed.await
    }

    /// Puts to sleep, from now on, each service that may sleep and was not used for `idle`.
    /// Never ends; with an `idle` of zero it does nothing.
    pub async fn sleep_idle_services(&self, idle: Duration) {
        if idle.is_zero() {
            return std::future::pending().await;
        }
        let mut checks = tokio::time::interval(IDLE_CHECK.min(idle));
        loop {
            checks.tick().await;
            if self.supervisor.sleep_idle(idle).await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Makes sure, for a call, that the service is ready: starts it if it sleeps, waits if it is
    /// starting. A service that was stopped stays stopped.
    ///
    /// # Errors
    ///
    /// Why it does not run, at the latest after `patience`.
    pub async fn wake(&self, key: &ServiceKey, patience: Duration) -> Result<(), OperationError> {
        self.supervisor.wake(key, patience).await
    }

    /// Unit state, main process, memory, last exit and limits of one service.
    ///
    /// # Errors
    ///
    /// `NotFound` and `ShuttingDown`.
    pub async fn status(&self, key: &ServiceKey) -> Result<ServiceStatus, OperationError> {
        let snapshot = self.supervisor.snapshot(key).await?;
        let definition = &snapshot.definition;
        let unit = definition.unit_id().unit();
        let limits = definition.effective_limits();
        let usage = self.systemd.usage(&unit).await.unwrap_or_else(|error| {
            tracing::warn!(%key, error = %DisplayChain(&error), "cannot tell what a service uses");
            Default::default()
        });
        let (state, mut reason) = describe::state(&snapshot.state, &limits);
        if matches!(state, State::Running | State::Sleeping) {
            reason = definition.note().or(reason);
        }
        let view = snapshot.unit.as_ref();
        let since = view
            .and_then(|view| i64::try_from(view.since_usec).ok())
            .filter(|usec| *usec > 0)
            .and_then(|usec| jiff::Timestamp::from_microsecond(usec).ok());
        Ok(ServiceStatus {
            id: definition.settings.id.clone(),
            key: key.clone(),
            unit,
            state,
            reason,
            since: since.map(|since| since.to_string()),
            pid: view.and_then(|view| view.pid),
            memory_bytes: usage.memory_bytes,
            cpu_usec: usage.cpu_usec,
            restarts: view.map_or(0, |view| view.restarts),
            last_exit: snapshot.last_exit.map(|exit| describe::exit(exit, &limits)),
            limits,
            version: definition.settings.package.installed_version.clone(),
        })
    }
}
