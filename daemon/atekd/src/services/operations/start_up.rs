//! The start of the host: what runs is adopted, what should run is started.

use super::context::Operations;
use crate::services::core_place::Place;
use crate::services::error::CoreFailure;
use crate::services::state::WaitFor;
use crate::services::supervisor::Command;
use atek_api::ids::ServiceKey;
use atek_api::updates::UpdateOutcome;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// How long the adoption of running services may hold up the rest of the start. It takes
/// milliseconds, unless a service hangs, and then it goes on beside the rest.
const ADOPTION: Duration = Duration::from_secs(2);

impl Operations {
    /// Adopts or starts every core service that this version has, and waits until each is ready
    /// or has failed. Returns those that failed; they are started again later, and the rest of
    /// the host can go on without any but the database.
    ///
    /// The database is first, alone: pages wait for nothing else, and on a small board two services
    /// that start at the same time both take twice as long.
    pub async fn start_core(&self) -> Vec<CoreFailure> {
        // Before that it is not known what runs already.
        self.supervisor.listed().await;
        let database = self.layout.database_key();
        let (first, others): (Vec<_>, Vec<_>) =
            self.core.iter().partition(|place| place.has(&database));
        let mut failures = self.start_places(first).await;
        failures.extend(self.start_places(others).await);
        failures
    }

    async fn start_places(&self, places: Vec<&Place>) -> Vec<CoreFailure> {
        let startable = places.into_iter().map(|place| (place, place.now()));
        let startable = startable.filter(|(_, core)| core.package.is_ok());
        let starts = startable.map(async |(place, core)| {
            let key = core.key.clone();
            let replacement = place.replacement.as_ref();
            let replacement = replacement.filter(|_| place.is_replaced());
            if let Some(replacement) = replacement {
                self.recover_replacement(replacement).await;
            }
            if self.may_stay_asleep(&key).await {
                // It fails only for a host that ends.
                let _ = self
                    .supervisor
                    .command(&key, Command::Sleep, WaitFor::Settled)
                    .await;
                return None;
            }
            if let Some(replacement) = replacement {
                if let Err(error) = self.start_core_service(&key).await {
                    let (reason, outcome) = (error.to_string(), UpdateOutcome::RolledBack);
                    self.fall_back(place, replacement, &reason, outcome).await;
                }
                return None;
            }
            match self.supervisor.start(&key, Command::Start).await {
                Ok(()) => None,
                Err(error) => Some(CoreFailure { key, error }),
            }
        });
        join_all(starts).await.into_iter().flatten().collect()
    }

    /// Whether a core service starts only when it is called, and does not run already.
    async fn may_stay_asleep(&self, key: &ServiceKey) -> bool {
        self.supervisor.snapshot(key).await.is_ok_and(|snapshot| {
            let definition = &snapshot.definition;
            definition.sleeps() && !definition.is_kept_awake() && snapshot.unit.is_none()
        })
    }

    /// Once the database is open: finishes or undoes what a crash interrupted, sweeps leftovers,
    /// adopts what runs, and begins to start what should run.
    ///
    /// Returns when everything that runs is adopted; starts go on in the background, a few at a
    /// time.
    pub async fn start_installed(self: &Arc<Self>) {
        self.sweep().await;
        self.swept.send_replace(true);
        self.assign_ports().await;
        let records = self.database.records();
        let (mut start, mut stop, mut sleep, mut running) = (vec![], vec![], vec![], vec![]);
        // Does not run, and need not.
        let mut idle = vec![];
        for record in records.services() {
            let Ok(snapshot) = self.supervisor.snapshot(&record.key).await else {
                continue;
            };
            let key = record.key.clone();
            match (record.settings.stopped, snapshot.unit.is_some()) {
                (true, true) => stop.push(key),
                (true, false) => idle.push(key),
                (false, true) => {
                    running.push(key.clone());
                    start.push(key);
                }
                (false, false) if snapshot.definition.sleeps() => {
                    idle.push(key.clone());
                    sleep.push(key);
                }
                (false, false) => start.push(key),
            }
        }
        let adopted = running.iter().map(|key| {
            self.supervisor
                .command(key, Command::Watch, WaitFor::Settled)
        });
        let _ = tokio::time::timeout(ADOPTION, join_all(adopted)).await;
        for key in sleep {
            let asleep = self
                .supervisor
                .command(&key, Command::Sleep, WaitFor::Settled);
            // It fails only for a service that is gone.
            let _ = asleep.await;
        }
        for key in stop {
            self.in_background(key, Command::Stop, WaitFor::Down);
        }
        // Does nothing for what runs already. A failed unit is tried again: the cause may be gone.
        for key in start {
            self.in_background(key, Command::Resume, WaitFor::Settled);
        }
        let operations = self.clone();
        tokio::spawn(async move {
            for key in idle {
                for component in operations.components(&key).await {
                    operations.compile_again(&key, &component).await;
                }
            }
        });
    }

    /// Sends a command; its outcome is in the service's state.
    fn in_background(self: &Arc<Self>, key: ServiceKey, command: Command, wait_for: WaitFor) {
        let operations = self.clone();
        tokio::spawn(async move {
            let components = match command {
                Command::Resume => operations.components(&key).await,
                _ => Vec::new(),
            };
            let mut components = components.iter();
            if let Some(current) = components.next() {
                operations.compile_again(&key, current).await;
            }
            let records = operations.database.records();
            let stopped = records
                .service(key.as_str())
                .is_none_or(|record| record.settings.stopped);
            // It may have been started, or stopped, by a newer command.
            if stopped == (command == Command::Stop) {
                // It fails only for a service that is gone.
                let _ = operations.supervisor.command(&key, command, wait_for).await;
            }
            for other in components {
                operations.compile_again(&key, other).await;
            }
        });
    }
}
