//! The bounds of asking: how many requests wait, and how often an app may ask. Pure; times are in
//! seconds since 1970.

use atek_api::ids::ServiceKey;
use atek_api::permission::Permission;
use std::collections::{HashMap, VecDeque};

/// Requests of one service that wait at the same time.
const PENDING_OF_ONE: usize = 3;
/// Requests of all services.
const PENDING: usize = 100;
/// New requests of one service within [`HOUR`].
const PER_HOUR: usize = 10;
const HOUR: i64 = 60 * 60;
/// A request that is not answered is dropped after this.
const PATIENCE: i64 = 24 * HOUR;

/// A request that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Names it.
    pub id: String,
    /// Who asks.
    pub service: ServiceKey,
    /// For what.
    pub permission: Permission,
    /// Why, in its words.
    pub reason: String,
    /// When.
    pub at: i64,
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// See [`PENDING_OF_ONE`].
    #[error("{PENDING_OF_ONE} requests of this app wait for an answer already")]
    TooMany,
    /// See [`PER_HOUR`].
    #[error("this app has asked {PER_HOUR} times within an hour, and may ask again in {0} s")]
    TooOften(i64),
    /// See [`PENDING`].
    #[error("too many requests of this box's apps wait for an answer")]
    Full,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pending: VecDeque<Pending>,
    /// When each service has asked, within the last hour.
    asked: HashMap<ServiceKey, VecDeque<i64>>,
    made: u64,
}

impl Queue {
    pub(super) fn ask(
        &mut self,
        service: &ServiceKey,
        permission: &Permission,
        reason: &str,
        now: i64,
    ) -> Result<String, Refused> {
        self.expire(now);
        let of_it = || {
            self.pending
                .iter()
                .filter(|pending| pending.service == *service)
        };
        if let Some(same) = of_it().find(|pending| pending.permission == *permission) {
            return Ok(same.id.clone());
        }
        if of_it().count() >= PENDING_OF_ONE {
            return Err(Refused::TooMany);
        }
        if self.pending.len() >= PENDING {
            return Err(Refused::Full);
        }
        let asked = self.asked.entry(service.clone()).or_default();
        if let (true, Some(first)) = (asked.len() >= PER_HOUR, asked.front()) {
            return Err(Refused::TooOften(first + HOUR - now));
        }
        asked.push_back(now);
        self.made += 1;
        let id = format!("{}-{}", now, self.made);
        self.pending.push_back(Pending {
            id: id.clone(),
            service: service.clone(),
            permission: permission.clone(),
            reason: reason.to_owned(),
            at: now,
        });
        Ok(id)
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter()
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.pending.retain(|pending| pending.id != id);
    }

    pub(super) fn forget(&mut self, service: &ServiceKey) {
        self.pending.retain(|pending| pending.service != *service);
        self.asked.remove(service);
    }

    /// Drops what nothing waits for any more.
    pub(super) fn expire(&mut self, now: i64) {
        self.pending.retain(|pending| now - pending.at < PATIENCE);
        self.asked.retain(|_, times| {
            // A clock that was put back must not refuse new requests for longer.
            times.retain(|at| (0..HOUR).contains(&(now - at)));
            !times.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ServiceKey {
        text.parse().unwrap()
    }

    fn host(n: usize) -> Permission {
        format!("host:h{n}.example.org").parse().unwrap()
    }

    #[test]
    fn the_same_request_waits_once() {
        let mut queue = Queue::default();
        let one = queue.ask(&key("a"), &host(1), "why", 0).unwrap();
        assert_eq!(queue.ask(&key("a"), &host(1), "again", 5).unwrap(), one);
        assert_ne!(queue.ask(&key("b"), &host(1), "why", 5).unwrap(), one);
        assert_eq!(queue.pending().count(), 2);
        assert_eq!(queue.pending().next().unwrap().reason, "why");
    }

    #[test]
    fn an_app_cannot_fill_the_page_of_its_owner() {
        let mut queue = Queue::default();
        for n in 0..PENDING_OF_ONE {
            queue.ask(&key("a"), &host(n), "", 0).unwrap();
        }
        assert_eq!(queue.ask(&key("a"), &host(9), "", 0), Err(Refused::TooMany));
        assert!(
            queue.ask(&key("b"), &host(9), "", 0).is_ok(),
            "another app's place is its own"
        );
    }

    #[test]
    fn an_app_that_is_answered_cannot_ask_without_end() {
        let mut queue = Queue::default();
        for n in 0..PER_HOUR {
            let id = queue.ask(&key("a"), &host(n), "", 100).unwrap();
            queue.remove(&id);
        }
        let refused = Err(Refused::TooOften(HOUR - 50));
        assert_eq!(queue.ask(&key("a"), &host(99), "", 150), refused);
        assert!(queue.ask(&key("a"), &host(99), "", 100 + HOUR).is_ok());
        // A clock that was put back by a year.
        let id = queue.ask(&key("a"), &host(98), "", 100 + HOUR).unwrap();
        queue.remove(&id);
        assert!(
            queue
                .ask(&key("a"), &host(97), "", 100 - 365 * 24 * HOUR)
                .is_ok()
        );
    }

    #[test]
    fn all_apps_together_have_a_bound_and_what_is_not_answered_ends() {
        let mut queue = Queue::default();
        for n in 0..PENDING {
            queue.ask(&key(&format!("a{n}")), &host(1), "", 0).unwrap();
        }
        assert_eq!(queue.ask(&key("b"), &host(1), "", 0), Err(Refused::Full));
        assert!(queue.ask(&key("b"), &host(1), "", PATIENCE).is_ok());
        assert_eq!(queue.pending().count(), 1);
        assert_eq!(
            queue.asked.len(),
            1,
            "nothing is kept of services that do not ask"
        );
        queue.forget(&key("b"));
        assert_eq!((queue.pending().count(), queue.asked.len()), (0, 0));
    }
}
