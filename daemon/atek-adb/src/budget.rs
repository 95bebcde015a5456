//! Shares of what is scarce: bytes in flight, streams, subscriptions, transfers.
//!
//! Each caller has a share, and all apps together have a bound, so that neither one app nor many of
//! them exhaust the process. People have a bound of their own: what apps use up is not missing when
//! a person looks at their data. The host takes nothing; it bounds its calls itself.

use crate::caller::Caller;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Callers that are remembered before those without open requests are dropped.
const REMEMBERED: usize = 256;

/// The bounds of a [`Budget`], in units of its user's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// For one caller (a service of a user, or a user in person).
    pub each: u32,
    /// For all apps together.
    pub apps: u32,
    /// For all people together.
    pub people: u32,
}

/// A quantity that callers share.
#[derive(Debug)]
pub struct Budget {
    shares: Shares,
    apps: Arc<Semaphore>,
    people: Arc<Semaphore>,
    callers: Mutex<HashMap<(String, String), Arc<Semaphore>>>,
}

/// A taken part of a [`Budget`]; given back when it is dropped.
#[derive(Debug, Default)]
pub struct Held {
    own: Option<OwnedSemaphorePermit>,
    common: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of which nothing is taken.
    #[must_use]
    pub fn new(shares: Shares) -> Self {
        let semaphore = |units: u32| Arc::new(Semaphore::new(units as usize));
        Self {
            shares,
            apps: semaphore(shares.apps),
            people: semaphore(shares.people),
            callers: Mutex::default(),
        }
    }

    /// Takes `units`, at most the caller's whole share; waits until they are free.
    pub async fn take(&self, caller: &Caller, units: u32) -> Held {
        let Some((own, common)) = self.of(caller) else {
            return Held::default();
        };
        let units = units.min(self.shares.each);
        // Neither semaphore is ever closed. The own share first: waiting for it holds up no other
        // caller.
        let own = own.acquire_many_owned(units).await.ok();
        let common = common.acquire_many_owned(units).await.ok();
        Held { own, common }
    }

    /// Takes one unit; `None` if the caller's share or the common bound is used up.
    #[must_use]
    pub fn try_take(&self, caller: &Caller) -> Option<Held> {
        let Some((own, common)) = self.of(caller) else {
            return Some(Held::default());
        };
        Some(Held {
            own: Some(own.try_acquire_owned().ok()?),
            common: Some(common.try_acquire_owned().ok()?),
        })
    }

    /// The caller's own share and the one that it has in common with others; `None` for the host.
    fn of(&self, caller: &Caller) -> Option<(Arc<Semaphore>, Arc<Semaphore>)> {
        if caller.is_system() {
            return None;
        }
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= REMEMBERED {
            callers.retain(|_, own| Arc::strong_count(own) > 1);
        }
        let key = (caller.user.clone(), caller.service.clone());
        let own = callers
            .entry(key)
            .or_insert_with(|| Arc::new(Semaphore::new(self.shares.each as usize)));
        let common = if caller.in_person {
            &self.people
        } else {
            &self.apps
        };
        Some((own.clone(), common.clone()))
    }
}

impl Held {
    /// Gives back all but `units`.
    pub fn shrink(&mut self, units: u32) {
        for permit in [&mut self.own, &mut self.common].into_iter().flatten() {
            let surplus = permit.num_permits().saturating_sub(units as usize);
            drop(permit.split(surplus));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SHARES: Shares = Shares {
        each: 10,
        apps: 15,
        people: 5,
    };

    fn caller(user: &str, service: &str) -> Caller {
        Caller {
            user: user.to_owned(),
            service: service.to_owned(),
            in_person: service == "adb",
        }
    }

    async fn is_taken(budget: &Budget, caller: &Caller, units: u32) -> Option<Held> {
        tokio::time::timeout(Duration::from_millis(20), budget.take(caller, units))
            .await
            .ok()
    }

    #[tokio::test]
    async fn one_caller_gets_its_share_all_apps_their_bound_and_people_their_own() {
        let budget = Budget::new(SHARES);
        let (one, two) = (caller("bob", "one"), caller("bob", "two"));
        let mut first = is_taken(&budget, &one, 8).await.unwrap();
        assert!(is_taken(&budget, &one, 8).await.is_none(), "over its share");
        assert!(
            is_taken(&budget, &two, 8).await.is_none(),
            "over the bound for apps"
        );
        let second = is_taken(&budget, &two, 7).await.unwrap();
        assert!(is_taken(&budget, &caller("bob", "adb"), 5).await.is_some());
        assert!(
            is_taken(&budget, &caller("system", "system"), 100)
                .await
                .is_some()
        );
        drop(second);
        first.shrink(2);
        assert!(is_taken(&budget, &one, 8).await.is_some());
    }

    #[tokio::test]
    async fn more_than_a_share_waits_for_the_whole_share() {
        let budget = Budget::new(SHARES);
        let one = caller("bob", "one");
        assert!(is_taken(&budget, &one, 1000).await.is_some());
    }

    #[tokio::test]
    async fn callers_without_requests_are_forgotten() {
        let budget = Budget::new(SHARES);
        for nth in 0..REMEMBERED * 3 {
            drop(budget.try_take(&caller("bob", &format!("app{nth}"))));
        }
        assert!(budget.callers.lock().unwrap().len() <= REMEMBERED);
    }
}
