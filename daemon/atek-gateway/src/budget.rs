//! Memory that requests may hold: bodies, heads, batches and answers, in bytes.
//!
//! ```text
//!  all ────────────────────────────┐   each caller has a limit of its own,
//!   └─ unauthenticated callers ──┐ │   unauthenticated callers one for all of
//!       └─ one address ──┐       │ │   them, and everything together another
//!                    Reserved ───┴─┘
//! ```

use super::deps::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are held, against a limit.
#[derive(Debug)]
pub(super) struct Counter {
    used: AtomicUsize,
    limit: usize,
}

impl Counter {
    /// Nothing held, of at most `limit`.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            limit,
        })
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    #[cfg(test)]
    fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// The budget of the gateway.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    all: Arc<Counter>,
    strangers: Arc<Counter>,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            all: Counter::new(limits.memory),
            strangers: Counter::new(limits.memory_of_strangers),
        }
    }

    /// Nothing yet, to be held for a caller with an account.
    pub(super) fn known(&self, account: Arc<Counter>) -> Reserved {
        Reserved::of([Some(self.all.clone()), Some(account), None])
    }

    /// Nothing yet, to be held for an unauthenticated caller.
    pub(super) fn stranger(&self, account: Option<Arc<Counter>>) -> Reserved {
        Reserved::of([
            Some(self.all.clone()),
            Some(self.strangers.clone()),
            account,
        ])
    }

    /// Nothing yet, to be held for the host itself.
    pub(super) fn host(&self) -> Reserved {
        Reserved::of([Some(self.all.clone()), None, None])
    }
}

/// A limit on memory is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the requests under way hold as much memory as they may")]
pub(super) struct Full;

/// Bytes held for one request; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    counters: [Option<Arc<Counter>>; 3],
    bytes: usize,
}

impl Reserved {
    fn of(counters: [Option<Arc<Counter>>; 3]) -> Self {
        Self { counters, bytes: 0 }
    }

    /// Holds more.
    ///
    /// # Errors
    ///
    /// [`Full`] when a limit is reached; then nothing changed.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let counters = || self.counters.iter().flatten();
        for (nth, counter) in counters().enumerate() {
            if !counter.take(bytes) {
                counters()
                    .take(nth)
                    .for_each(|taken| taken.give_back(bytes));
                return Err(Full);
            }
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Gives some of it back.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        let counters = self.counters.iter().flatten();
        counters.for_each(|counter| counter.give_back(bytes));
        self.bytes -= bytes;
    }

    /// Gives everything back.
    pub(super) fn clear(&mut self) {
        self.shrink(self.bytes);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn budget() -> Budget {
        Budget::new(&Limits {
            memory: 100,
            memory_of_strangers: 30,
            ..Limits::default()
        })
    }

    #[test]
    fn strangers_together_cannot_take_what_known_callers_need() {
        let budget = budget();
        let mut first = budget.stranger(Some(Counter::new(20)));
        let mut second = budget.stranger(Some(Counter::new(20)));
        first.grow(20).unwrap();
        assert!(first.grow(1).is_err(), "its own limit");
        assert!(second.grow(11).is_err(), "that of all strangers");
        second.grow(10).unwrap();
        let mut user = budget.known(Counter::new(80));
        user.grow(70).unwrap();
        assert!(user.grow(1).is_err(), "that of everything");
        drop(first);
        user.grow(10).unwrap();
        assert!(user.grow(1).is_err(), "its own limit");
    }

    proptest! {
        #[test]
        fn what_was_held_is_given_back(steps in proptest::collection::vec((0usize..3, 0usize..60), 0..60)) {
            let budget = budget();
            let account = Counter::new(50);
            let mut held = [
                budget.known(account.clone()),
                budget.stranger(Some(account.clone())),
                budget.host(),
            ];
            for (which, bytes) in steps {
                let _ = held[which].grow(bytes);
                prop_assert!(budget.all.used() <= 100 && account.used() <= 50);
                prop_assert_eq!(budget.all.used(), held.iter().map(|held| held.bytes).sum::<usize>());
            }
            drop(held);
            prop_assert_eq!((budget.all.used(), budget.strangers.used(), account.used()), (0, 0, 0));
        }
    }
}
