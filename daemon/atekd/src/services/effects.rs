//! What the supervisor begins and does not wait for: each outcome comes back to it.

use super::definition::Definition;
use super::handle::Message;
use super::show::LISTEN_SECS;
use crate::attach::Attach;
use crate::chain::Chain;
use crate::spawn::{Spawn, SpawnError};
use crate::systemd::Systemd;
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::spec::paths;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Starts at the same time: they are bound by the CPU, and the first ones should serve soon.
const STARTS_AT_ONCE: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(100);
const LISTEN: Duration = Duration::from_secs(LISTEN_SECS);

/// The hands of the supervisor.
#[derive(Debug, Clone)]
pub(super) struct Hands {
    spawn: Spawn,
    systemd: Systemd,
    attach: Attach,
    outcomes: mpsc::Sender<Message>,
    starts: Arc<Semaphore>,
}

impl Hands {
    pub(super) fn new(
        spawn: Spawn,
        systemd: Systemd,
        attach: Attach,
        outcomes: mpsc::Sender<Message>,
    ) -> Self {
        let starts = Arc::new(Semaphore::new(STARTS_AT_ONCE));
        Self {
            spawn,
            systemd,
            attach,
            outcomes,
            starts,
        }
    }

    /// Starts the unit. The outcome arrives after everything that the unit did on the way.
    pub(super) fn start(&self, definition: Arc<Definition>, generation: u64) {
        let hands = self.clone();
        tokio::spawn(async move {
            let key = definition.key.clone();
            let outcome = hands.start_unit(&definition, generation).await;
            if let Err(reason) = &outcome {
                tracing::warn!(%key, id = %definition.settings.id, reason, "did not start");
            }
            hands.systemd.sync().await;
            hands
                .tell(Message::StartDone {
                    key,
                    generation,
                    outcome,
                })
                .await;
        });
    }

    async fn start_unit(
        &self,
        definition: &Arc<Definition>,
        generation: u64,
    ) -> Result<(), String> {
        let looking = definition.clone();
        let spec = tokio::task::spawn_blocking(move || looking.spec())
            .await
            .map_err(|_| "its package could not be looked at".to_owned())?
            .map_err(|error| Chain(&error).to_string())?;
        let key = definition.key.clone();
        let token = self
            .attach
            .prepare(&key, spec.network.is_private())
            .await
            .map_err(|error| Chain(&error).to_string())?;
        self.tell(Message::Token {
            key,
            generation,
            token,
        })
        .await;
        let _turn = self.starts.acquire().await;
        match self.spawn.start_service(&spec).await {
            Ok(()) => Ok(()),
            Err(error) => {
                if matches!(
                    error,
                    SpawnError::Timeout { .. } | SpawnError::Unreachable { .. }
                ) {
                    // It may be starting all the same.
                    let _ = self.spawn.stop_service(&spec.id).await;
                }
                Err(Chain(&error).to_string())
            }
        }
    }

    /// Stops the unit, and takes the service's way to the host away.
    pub(super) fn stop(&self, key: ServiceKey, id: ServiceId, generation: u64) {
        let hands = self.clone();
        tokio::spawn(async move {
            let outcome = hands.spawn.stop_service(&id).await;
            if outcome.is_ok() {
                hands.attach.close(&key).await;
            }
            hands.systemd.sync().await;
            let outcome = outcome.map_err(|error| Chain(&error).to_string());
            if let Err(reason) = &outcome {
                tracing::error!(%key, %id, reason, "could not be stopped");
            }
            hands
                .tell(Message::StopDone {
                    key,
                    generation,
                    outcome,
                })
                .await;
        });
    }

    /// Lets systemd forget a failure.
    pub(super) fn reset(&self, id: ServiceId) {
        let hands = self.clone();
        tokio::spawn(async move {
            if let Err(error) = hands.spawn.reset_failed(&id).await {
                tracing::warn!(%id, error = %Chain(&error), "could not be reset");
            }
        });
    }

    /// Takes a service's way to the host away after its unit is gone.
    pub(super) fn close(&self, key: ServiceKey) {
        let hands = self.clone();
        tokio::spawn(async move { hands.attach.close(&key).await });
    }

    /// Tries the service's socket until it accepts. `adopt`: this daemon did not start it,
    /// so its way to the host is taken over first.
    pub(super) fn probe(
        &self,
        definition: Arc<Definition>,
        generation: u64,
        adopt: bool,
    ) -> AbortHandle {
        let hands = self.clone();
        let task = tokio::spawn(async move {
            let key = definition.key.clone();
            if adopt {
                let private = definition.network().is_private();
                match hands.attach.adopt(&key, private).await {
                    Ok(Some(token)) => {
                        let key = key.clone();
                        hands
                            .tell(Message::Token {
                                key,
                                generation,
                                token,
                            })
                            .await;
                    }
                    outcome => {
                        if let Err(error) = outcome {
                            tracing::error!(%key, error = %Chain(&error), "cannot adopt");
                        }
                        return hands.tell(Message::Orphaned { key, generation }).await;
                    }
                }
            }
            let message = if listens(&paths::app_socket(&key), LISTEN).await {
                let attached = hands.attach.is_attached(&key);
                Message::Listening {
                    key,
                    generation,
                    attached,
                }
            } else {
                Message::NotListening { key, generation }
            };
            hands.tell(message).await;
        });
        task.abort_handle()
    }

    async fn tell(&self, message: Message) {
        // The supervisor ends only with the host.
        let _ = self.outcomes.send(message).await;
    }
}

/// Waits until a socket accepts.
async fn listens(socket: &Path, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        if UnixStream::connect(socket).await.is_ok() {
            return true;
        }
        if Instant::now() + pause > deadline {
            return false;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_listens_when_it_accepts_and_not_when_its_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(!listens(&path, Duration::from_millis(20)).await);
        std::fs::remove_file(&path).unwrap();
        let waiting = tokio::spawn({
            let path = path.clone();
            async move { listens(&path, Duration::from_secs(60)).await }
        });
        let _listener = tokio::net::UnixListener::bind(&path).unwrap();
        assert!(waiting.await.unwrap());
    }
}
