//! Failures by subject, and how long the next attempt has to wait. Pure: the clock is a parameter.

use std::collections::HashMap;
use std::hash::Hash;

/// Failures are forgotten after this long without another one, in milliseconds.
const FORGET_MS: i64 = 3_600_000;

/// How much failures cost.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Failures that cost nothing: people mistype.
    pub free: u32,
    /// The longest wait, in milliseconds.
    pub longest_ms: i64,
}

/// Counts failures by subject.
#[derive(Debug)]
pub struct Backoff<S> {
    terms: Terms,
    /// The number of subjects that are remembered; a guesser who invents them must not fill the
    /// memory.
    capacity: usize,
    failures: HashMap<S, Failures>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last_ms: i64,
}

impl<S: Eq + Hash> Backoff<S> {
    /// Starts with no failures; remembers at most `capacity` subjects.
    #[must_use]
    pub fn new(terms: Terms, capacity: usize) -> Self {
        Self {
            terms,
            capacity,
            failures: HashMap::new(),
        }
    }

    /// Milliseconds until the subject may try again; 0 means now.
    ///
    /// The wait is 1, 2, 4, … seconds after the last failure.
    #[must_use]
    pub fn wait_ms(&self, subject: &S, now_ms: i64) -> i64 {
        let Some(failures) = self.failures.get(subject) else {
            return 0;
        };
        let Some(over) = failures.count.checked_sub(self.terms.free) else {
            return 0;
        };
        let wait = self.terms.longest_ms.min(1000 << over.min(20));
        (failures.last_ms + wait - now_ms).clamp(0, wait)
    }

    /// Whether the free failures are used up.
    #[must_use]
    pub fn is_slowed(&self, subject: &S) -> bool {
        self.count(subject) >= self.terms.free
    }

    /// The failures that count against the subject.
    #[must_use]
    pub fn count(&self, subject: &S) -> u32 {
        self.failures
            .get(subject)
            .map_or(0, |failures| failures.count)
    }

    /// Counts a failure.
    pub fn failed(&mut self, subject: S, now_ms: i64) {
        self.make_room(now_ms);
        let failures = self.failures.entry(subject).or_insert(Failures {
            count: 0,
            last_ms: now_ms,
        });
        if now_ms - failures.last_ms >= FORGET_MS {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last_ms = now_ms;
    }

    /// Takes one failure back: the attempt that was counted as one has succeeded.
    pub fn take_back(&mut self, subject: &S) {
        if let Some(failures) = self.failures.get_mut(subject) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    fn make_room(&mut self, now_ms: i64) {
        if self.failures.len() >= self.capacity {
            self.failures
                .retain(|_, f| now_ms - f.last_ms < FORGET_MS && f.count > 0);
        }
        if self.failures.len() >= self.capacity {
            let free = self.terms.free;
            self.failures.retain(|_, f| f.count > free);
        }
        if self.failures.len() >= self.capacity {
            // All are persistent guessers. Forgetting them costs less than refusing everyone.
            self.failures.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        free: 5,
        longest_ms: 300_000,
    };

    #[test]
    fn the_wait_doubles_after_the_free_failures_and_ends() {
        let mut backoff = Backoff::new(TERMS, 100);
        for _ in 0..4 {
            backoff.failed("alice", 0);
        }
        assert_eq!(backoff.wait_ms(&"alice", 0), 0);
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            backoff.failed("alice", 0);
            assert_eq!(backoff.wait_ms(&"alice", 0), seconds * 1000);
            assert_eq!(backoff.wait_ms(&"alice", seconds * 1000), 0);
        }
        assert_eq!(backoff.wait_ms(&"bob", 0), 0);
        backoff.take_back(&"alice");
        assert_eq!(backoff.count(&"alice"), 14);
    }

    #[test]
    fn an_hour_without_a_failure_is_forgotten() {
        let mut backoff = Backoff::new(TERMS, 100);
        for _ in 0..9 {
            backoff.failed("alice", 0);
        }
        backoff.failed("alice", FORGET_MS);
        assert_eq!(backoff.wait_ms(&"alice", FORGET_MS), 0);
    }

    #[test]
    fn invented_subjects_do_not_fill_the_memory() {
        let mut backoff = Backoff::new(TERMS, 100);
        for n in 0..1000 {
            for _ in 0..=n % 10 {
                backoff.failed(n, 0);
            }
            assert!(backoff.failures.len() <= 100, "{}", backoff.failures.len());
        }
    }
}
