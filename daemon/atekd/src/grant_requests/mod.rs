//! What apps ask for while they run, until a person has answered.
//!
//! Requests are kept in memory: after a restart of the host an app asks again. A "no" is a
//! decision among the records, so that it holds over a restart.

mod queue;

pub use queue::{Pending, Refused};

use atek_api::ids::ServiceKey;
use atek_api::permission::Permission;
use queue::Queue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Calls of one app that wait for an answer at the same time; others are answered at once.
const WAITING: usize = 4;

/// The requests of this host. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct GrantRequests {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Mutex<Queue>,
    waiting: Mutex<HashMap<ServiceKey, usize>>,
    changed: watch::Sender<()>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            waiting: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }
}

/// A call that waits; counted until it is dropped.
#[derive(Debug)]
pub struct Waiting {
    inner: Arc<Inner>,
    service: ServiceKey,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = lock(&self.inner.waiting);
        if let Some(count) = waiting.get_mut(&self.service) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.service);
            }
        }
    }
}

impl GrantRequests {
    /// Adds a request, or finds the same one; returns its id.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn ask(
        &self,
        service: &ServiceKey,
        permission: &Permission,
        reason: &str,
        now: i64,
    ) -> Result<String, Refused> {
        let id = lock(&self.inner.queue).ask(service, permission, reason, now)?;
        self.inner.changed.send_replace(());
        Ok(id)
    }

    /// Requests that wait, oldest first.
    #[must_use]
    pub fn pending(&self, now: i64) -> Vec<Pending> {
        self.queue(now).pending().cloned().collect()
    }

    /// A request that waits.
    #[must_use]
    pub fn get(&self, id: &str, now: i64) -> Option<Pending> {
        self.queue(now)
            .pending()
            .find(|pending| pending.id == id)
            .cloned()
    }

    /// Removes a request that was answered.
    pub fn remove(&self, id: &str) {
        lock(&self.inner.queue).remove(id);
        self.inner.changed.send_replace(());
    }

    /// Removes all requests of a service.
    pub fn forget(&self, service: &ServiceKey) {
        lock(&self.inner.queue).forget(service);
        self.inner.changed.send_replace(());
    }

    /// Tells when requests came or were answered.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.inner.changed.subscribe()
    }

    /// The right to wait for an answer; none if the service has too many calls that wait.
    #[must_use]
    pub fn wait(&self, service: &ServiceKey) -> Option<Waiting> {
        let mut waiting = lock(&self.inner.waiting);
        let count = waiting.entry(service.clone()).or_default();
        if *count >= WAITING {
            return None;
        }
        *count += 1;
        Some(Waiting {
            inner: self.inner.clone(),
            service: service.clone(),
        })
    }

    fn queue(&self, now: i64) -> MutexGuard<'_, Queue> {
        let mut queue = lock(&self.inner.queue);
        queue.expire(now);
        queue
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
