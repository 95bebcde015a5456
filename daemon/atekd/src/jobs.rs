//! Installs and updates under way: each can be watched by the user who started it.

use crate::random::{self, RandomError};
use atek_api::ids::UserKey;
use atek_api::services::JobEvent;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A finished job can be asked about for this long.
const KEEP: Duration = Duration::from_secs(600);
/// Jobs that one user may have under way.
const MAX_PER_USER: usize = 8;

/// Why a job was not started.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// See [`MAX_PER_USER`].
    #[error("too many installs and updates are under way, wait for one to end")]
    TooMany,
    /// See [`RandomError`].
    #[error(transparent)]
    Random(#[from] RandomError),
}

#[derive(Debug)]
struct Job {
    owner: UserKey,
    events: watch::Receiver<Arc<Vec<JobEvent>>>,
}

/// The jobs of this host. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Jobs {
    live: Arc<Mutex<HashMap<String, Job>>>,
}

/// Where a job says how far it is.
#[derive(Debug, Clone)]
pub struct Reporter {
    events: watch::Sender<Arc<Vec<JobEvent>>>,
}

impl Reporter {
    /// A reporter whose events are dropped.
    #[must_use]
    pub fn unheard() -> Self {
        Self {
            events: watch::Sender::new(Arc::default()),
        }
    }

    /// Adds an event. Repeated progress of one phase replaces what came before it.
    pub fn report(&self, event: JobEvent) {
        self.events.send_modify(|events| {
            let events = Arc::make_mut(events);
            let replaces = matches!(
                (events.last(), &event),
                (
                    Some(JobEvent::Progress { phase: old, message: old_text, .. }),
                    JobEvent::Progress { phase: new, message: new_text, percent: Some(_) },
                ) if old == new && old_text == new_text
            );
            if replaces {
                events.pop();
            }
            events.push(event);
        });
    }
}

impl Jobs {
    /// Registers a job; returns its name and where it reports.
    ///
    /// # Errors
    ///
    /// [`JobError`].
    pub fn start(&self, owner: &UserKey) -> Result<(String, Reporter), JobError> {
        let name = random::hex::<16>()?.expose().to_owned();
        let (events, seen) = watch::channel(Arc::default());
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let running = live
            .values()
            .filter(|job| job.owner == *owner && !is_over(&job.events))
            .count();
        if running >= MAX_PER_USER {
            return Err(JobError::TooMany);
        }
        live.insert(
            name.clone(),
            Job {
                owner: owner.clone(),
                events: seen,
            },
        );
        drop(live);
        self.forget_later(name.clone(), events.clone());
        Ok((name, Reporter { events }))
    }

    /// The events of a job so far and to come; `None` for a job that `allowed` does not admit.
    #[must_use]
    pub fn watch(
        &self,
        name: &str,
        allowed: impl Fn(&UserKey) -> bool,
    ) -> Option<watch::Receiver<Arc<Vec<JobEvent>>>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let job = live.get(name).filter(|job| allowed(&job.owner))?;
        Some(job.events.clone())
    }

    fn forget_later(&self, name: String, events: watch::Sender<Arc<Vec<JobEvent>>>) {
        let live = self.live.clone();
        let mut seen = events.subscribe();
        tokio::spawn(async move {
            // Holds the sender: the last event stays readable.
            let _events = events;
            let _ = seen
                .wait_for(|events| events.last().is_some_and(is_last))
                .await;
            tokio::time::sleep(KEEP).await;
            live.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&name);
        });
    }
}

fn is_over(events: &watch::Receiver<Arc<Vec<JobEvent>>>) -> bool {
    events.borrow().last().is_some_and(is_last)
}

/// Whether nothing comes after this event.
#[must_use]
pub fn is_last(event: &JobEvent) -> bool {
    matches!(event, JobEvent::Done { .. } | JobEvent::Failed { .. })
}
