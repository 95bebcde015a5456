//! How the rest of `services` talks to the supervisor.

use super::definition::Definition;
use super::state::{Life, Why};
use super::waiters::{Goal, Verdict};
use super::{Refused, ShuttingDown, StartError, StopError, show};
use crate::systemd::{Exit, UnitView};
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::secret::Secret;
use atek_api::services::ServiceSettings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What somebody wants of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Start,
    Restart,
    Stop,
    Sleep,
    /// Starts it only if it sleeps, or is on its way there.
    Wake,
    /// Starts it only if nobody has said anything about it since this daemon is here: what
    /// a person wants meanwhile goes before what was wanted when the box went down.
    Resume,
    /// Nothing: only to know what becomes of it.
    Watch,
}

/// One service at one moment.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) definition: Arc<Definition>,
    pub(super) life: Life,
    pub(super) last_exit: Option<Exit>,
    pub(super) view: Option<UnitView>,
}

/// What the supervisor hears.
#[derive(Debug)]
pub(super) enum Message {
    Wish {
        key: ServiceKey,
        wish: Wish,
        goal: Goal,
        answer: oneshot::Sender<Verdict>,
    },
    Look {
        key: ServiceKey,
        answer: oneshot::Sender<Look>,
    },
    /// From now on, starts run these settings instead of the record's.
    Trial {
        key: ServiceKey,
        settings: Option<Arc<ServiceSettings>>,
        answer: oneshot::Sender<()>,
    },
    /// Puts to sleep what may sleep and was not used for so long.
    Doze {
        idle: Duration,
    },
    /// Units that belong to no service.
    Strays {
        answer: oneshot::Sender<Vec<ServiceId>>,
    },
    /// Answered when systemd's units have been listed.
    Listed {
        answer: oneshot::Sender<()>,
    },
    Token {
        key: ServiceKey,
        generation: u64,
        token: Secret,
    },
    StartDone {
        key: ServiceKey,
        generation: u64,
        outcome: Result<(), String>,
    },
    StopDone {
        key: ServiceKey,
        generation: u64,
        outcome: Result<(), String>,
    },
    Listening {
        key: ServiceKey,
        generation: u64,
        attached: bool,
    },
    NotListening {
        key: ServiceKey,
        generation: u64,
    },
    Orphaned {
        key: ServiceKey,
        generation: u64,
    },
}

/// The supervisor's ear. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    messages: mpsc::Sender<Message>,
}

impl Handle {
    pub(super) fn new(messages: mpsc::Sender<Message>) -> Self {
        Self { messages }
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<Option<T>, ShuttingDown> {
        let (answer, answered) = oneshot::channel();
        self.messages
            .send(message(answer))
            .await
            .map_err(|_| ShuttingDown)?;
        // Dropped unanswered for a service that does not exist, or not any more.
        Ok(answered.await.ok())
    }

    /// Utters a wish and waits for what becomes of it.
    pub(super) async fn wish(
        &self,
        key: &ServiceKey,
        wish: Wish,
        goal: Goal,
    ) -> Result<Verdict, Refused> {
        let key = key.clone();
        let name = key.to_string();
        let verdict = self
            .ask(|answer| Message::Wish {
                key,
                wish,
                goal,
                answer,
            })
            .await?;
        verdict.ok_or(Refused::NotFound(name))
    }

    /// Starts, or restarts, and waits until the service listens.
    pub(super) async fn start(&self, key: &ServiceKey, wish: Wish) -> Result<(), StartError> {
        let verdict = self.wish(key, wish, Goal::Running).await?;
        self.judge(key, verdict).await
    }

    /// Stops, and waits until nothing of the service runs.
    pub(super) async fn stop(&self, key: &ServiceKey) -> Result<(), StopError> {
        match self.wish(key, Wish::Stop, Goal::Down).await? {
            Verdict::Reached => Ok(()),
            Verdict::Missed(_) => {
                let id = self.look(key).await?.definition.settings.id.clone();
                let reason = "its unit could not be stopped, see `journalctl -u atek-spawnd`";
                Err(StopError::Failed {
                    id,
                    reason: reason.to_owned(),
                })
            }
        }
    }

    /// See [`super::Services::wake`].
    pub(super) async fn wake(
        &self,
        key: &ServiceKey,
        patience: Duration,
    ) -> Result<(), StartError> {
        let wait = self.wish(key, Wish::Wake, Goal::RunningAtLast);
        match tokio::time::timeout(patience, wait).await {
            Ok(verdict) => self.judge(key, verdict?).await,
            Err(_) => {
                let id = self.look(key).await?.definition.settings.id.clone();
                Err(StartError::Patience {
                    id,
                    waited_secs: patience.as_secs(),
                })
            }
        }
    }

    async fn judge(&self, key: &ServiceKey, verdict: Verdict) -> Result<(), StartError> {
        let Verdict::Missed(life) = verdict else {
            return Ok(());
        };
        let definition = self.look(key).await?.definition;
        let id = definition.settings.id.clone();
        let (_, reason) = show::life(&life, &definition.effective_limits());
        let reason = reason.unwrap_or_else(|| "it is stopped".to_owned());
        Err(match life {
            Life::Unavailable(reason) => StartError::Unavailable { id, reason },
            Life::Stopped(Why::Wanted) | Life::Stopping { .. } => StartError::Stopped { id },
            _ => StartError::Failed { id, reason },
        })
    }

    pub(super) async fn look(&self, key: &ServiceKey) -> Result<Look, Refused> {
        let asked = key.clone();
        let look = self
            .ask(|answer| Message::Look { key: asked, answer })
            .await?;
        look.ok_or_else(|| Refused::NotFound(key.to_string()))
    }

    pub(super) async fn trial(
        &self,
        key: &ServiceKey,
        settings: Option<Arc<ServiceSettings>>,
    ) -> Result<(), ShuttingDown> {
        let key = key.clone();
        self.ask(|answer| Message::Trial {
            key,
            settings,
            answer,
        })
        .await
        .map(|_| ())
    }

    /// See [`Message::Doze`].
    pub(super) async fn doze(&self, idle: Duration) -> Result<(), ShuttingDown> {
        let sent = self.messages.send(Message::Doze { idle }).await;
        sent.map_err(|_| ShuttingDown)
    }

    pub(super) async fn strays(&self) -> Vec<ServiceId> {
        let strays = self.ask(|answer| Message::Strays { answer }).await;
        strays.ok().flatten().unwrap_or_default()
    }

    /// Waits until systemd's units have been listed once.
    pub(super) async fn listed(&self) {
        let _ = self.ask(|answer| Message::Listed { answer }).await;
    }
}
