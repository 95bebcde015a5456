//! What the supervisor begins and does not wait for. Each outcome comes back to it as an
//! [`EffectOutcome`].

use super::definition::Definition;
use super::lan_ports;
use super::probe::{Probe, READY_SECS};
use crate::attach::Attach;
use crate::error_chain::DisplayChain;
use crate::spawn::{Spawn, SpawnError};
use crate::systemd::Systemd;
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::secret::Secret;
use atek_rpc::port_connector::PortSlot;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

/// Units that are started at the same time. Starts are bound by the CPU, and the first ones
/// should serve soon.
const CONCURRENT_STARTS: usize = 4;

/// The outcome of an effect, for the service and the start that it belongs to.
#[derive(Debug)]
pub(super) struct EffectOutcome {
    pub(super) key: ServiceKey,
    /// The service's generation when the effect began.
    pub(super) generation: u64,
    pub(super) outcome: Outcome,
}

/// What became of an effect. Errors are for a person.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The token with which the host calls this start of the service.
    Token(Secret),
    StartDone(Result<(), String>),
    StopDone(Result<(), String>),
    Ready {
        /// Whether the host holds the service's listener.
        attached: bool,
    },
    NotReady(String),
    /// The running unit's listener or token is lost.
    Orphaned,
    /// A pause after a failure is over.
    RetryDue,
}

/// Runs the effects of all services. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct EffectRunner {
    spawn: Spawn,
    systemd: Systemd,
    attach: Attach,
    outcomes: mpsc::Sender<EffectOutcome>,
    starts: Arc<Semaphore>,
}

impl EffectRunner {
    pub(super) fn new(
        spawn: Spawn,
        systemd: Systemd,
        attach: Attach,
        outcomes: mpsc::Sender<EffectOutcome>,
    ) -> Self {
        let starts = Arc::new(Semaphore::new(CONCURRENT_STARTS));
        Self {
            spawn,
            systemd,
            attach,
            outcomes,
            starts,
        }
    }

    /// Where the gateway finds the connector to a service's port.
    pub(super) fn port_slot(&self, key: &ServiceKey) -> PortSlot {
        self.attach.port_slot(key)
    }

    /// Starts the unit. The outcome arrives after everything that the unit did on the way.
    pub(super) fn start(&self, definition: Arc<Definition>, generation: u64) {
        let runner = self.clone();
        tokio::spawn(async move {
            let key = definition.key.clone();
            let outcome = runner.start_unit(&definition, generation).await;
            if let Err(reason) = &outcome {
                tracing::warn!(%key, id = %definition.settings.id, reason, "did not start");
            }
            runner.systemd.sync().await;
            runner
                .report(key, generation, Outcome::StartDone(outcome))
                .await;
        });
    }

    async fn start_unit(
        &self,
        definition: &Arc<Definition>,
        generation: u64,
    ) -> Result<(), String> {
        let reading = definition.clone();
        let reading = tokio::task::spawn_blocking(move || reading.spec());
        // The kernel takes milliseconds for its tables of sockets.
        let listen = definition.permissions().listen;
        let checking = tokio::task::spawn_blocking(move || lan_ports::check_host(&listen));
        let spec = reading
            .await
            .map_err(|_| "its package could not be read".to_owned())?
            .map_err(|error| DisplayChain(&error).to_string())?;
        let key = definition.key.clone();
        let token = self
            .attach
            .prepare(&key, definition.expected())
            .await
            .map_err(|error| DisplayChain(&error).to_string())?;
        checking
            .await
            .map_err(|_| "its ports could not be checked".to_owned())?
            .map_err(|error| error.to_string())?;
        self.report(key, generation, Outcome::Token(token)).await;
        let _turn = self.starts.acquire().await;
        match self.spawn.start_service(&spec).await {
            Ok(()) => Ok(()),
            Err(error) => {
                if matches!(
                    error,
                    SpawnError::Timeout { .. } | SpawnError::Unreachable { .. }
                ) {
                    // The unit may be starting all the same.
                    let _ = self.spawn.stop_service(&spec.id).await;
                }
                Err(DisplayChain(&error).to_string())
            }
        }
    }

    /// Stops the unit, and closes the service's own listener.
    pub(super) fn stop(&self, key: ServiceKey, id: ServiceId, generation: u64) {
        let runner = self.clone();
        tokio::spawn(async move {
            let stopped = runner.spawn.stop_service(&id).await;
            if stopped.is_ok() {
                runner.attach.close(&key).await;
            }
            runner.systemd.sync().await;
            let stopped = stopped.map_err(|error| DisplayChain(&error).to_string());
            if let Err(reason) = &stopped {
                tracing::error!(%key, %id, reason, "could not be stopped");
            }
            runner
                .report(key, generation, Outcome::StopDone(stopped))
                .await;
        });
    }

    /// Asks systemd to forget a failure.
    pub(super) fn reset(&self, id: ServiceId) {
        let spawn = self.spawn.clone();
        tokio::spawn(async move {
            if let Err(error) = spawn.reset_failed(&id).await {
                tracing::warn!(%id, error = %DisplayChain(&error), "could not be reset");
            }
        });
    }

    /// Closes the own listener of a service whose unit is gone.
    pub(super) fn close(&self, key: ServiceKey) {
        let attach = self.attach.clone();
        tokio::spawn(async move { attach.close(&key).await });
    }

    /// Reports [`Outcome::RetryDue`] after a pause.
    pub(super) fn retry_after(&self, key: ServiceKey, generation: u64, pause: Duration) {
        let runner = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            runner.report(key, generation, Outcome::RetryDue).await;
        });
    }

    /// Tries the service until it is ready. `adopt`: another run of this daemon started it, so
    /// its listener and token are taken over first.
    pub(super) fn probe(
        &self,
        definition: Arc<Definition>,
        generation: u64,
        adopt: bool,
    ) -> AbortHandle {
        let runner = self.clone();
        let task = tokio::spawn(async move {
            let key = definition.key.clone();
            if adopt {
                let token = match runner.take_over(&definition).await {
                    Some(token) => Outcome::Token(token),
                    None => return runner.report(key, generation, Outcome::Orphaned).await,
                };
                runner.report(key.clone(), generation, token).await;
            }
            let probe = Probe::of(&definition, runner.attach.port_slot(&key));
            let outcome = match probe.ready_within(Duration::from_secs(READY_SECS)).await {
                Ok(()) => Outcome::Ready {
                    attached: runner.attach.is_attached(&key),
                },
                Err(reason) => Outcome::NotReady(reason),
            };
            runner.report(key, generation, outcome).await;
        });
        task.abort_handle()
    }

    async fn take_over(&self, definition: &Definition) -> Option<Secret> {
        let key = &definition.key;
        let adopted = self.attach.adopt(key, definition.expected()).await;
        adopted.unwrap_or_else(|error| {
            tracing::error!(%key, error = %DisplayChain(&error), "cannot adopt");
            None
        })
    }

    async fn report(&self, key: ServiceKey, generation: u64, outcome: Outcome) {
        let outcome = EffectOutcome {
            key,
            generation,
            outcome,
        };
        // The supervisor ends only with the host.
        let _ = self.outcomes.send(outcome).await;
    }
}
