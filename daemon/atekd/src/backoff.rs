//! Makes repeated failures cost time: a few are free, then each doubles the wait. Pure:
//! the clock is a parameter.

use std::collections::HashMap;
use std::hash::Hash;

/// Failures are forgotten after this long without another one, in seconds.
const FORGET_SECS: i64 = 3600;

/// How much failures cost.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Failures that cost nothing: people mistype.
    pub free: u32,
    /// The longest wait, in seconds.
    pub longest: i64,
}

/// Failures by subject.
#[derive(Debug)]
pub struct Backoff<S> {
    terms: Terms,
    /// Subjects remembered at most: who invents them must not fill the memory.
    most: usize,
    failures: HashMap<S, Failures>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last_unix: i64,
}

impl<S: Eq + Hash> Backoff<S> {
    /// Nobody has failed yet; at most `most` subjects are remembered.
    #[must_use]
    pub fn new(terms: Terms, most: usize) -> Self {
        Self {
            terms,
            most,
            failures: HashMap::new(),
        }
    }

    /// Seconds until the subject may try again; 0: now.
    ///
    /// The wait is 1, 2, 4, … seconds after the last failure.
    #[must_use]
    pub fn wait(&self, subject: &S, now_unix: i64) -> u64 {
        let Some(failures) = self.failures.get(subject) else {
            return 0;
        };
        let Some(over) = failures.count.checked_sub(self.terms.free) else {
            return 0;
        };
        let wait = self.terms.longest.min(1 << over.min(20));
        // A clock that was set back must not make the wait longer than it ever was.
        (failures.last_unix + wait - now_unix)
            .clamp(0, wait)
            .unsigned_abs()
    }

    /// Counts a failure.
    pub fn failed(&mut self, subject: S, now_unix: i64) {
        if self.failures.len() >= self.most {
            self.failures
                .retain(|_, f| now_unix - f.last_unix < FORGET_SECS);
        }
        if self.failures.len() >= self.most {
            let free = self.terms.free;
            self.failures.retain(|_, f| f.count > free);
        }
        if self.failures.len() >= self.most {
            // Nothing but persistent guessers: forgetting them is worth less than the box.
            self.failures.clear();
        }
        let failures = self.failures.entry(subject).or_insert(Failures {
            count: 0,
            last_unix: now_unix,
        });
        if now_unix - failures.last_unix >= FORGET_SECS {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last_unix = now_unix;
    }

    /// Forgets the failures of a subject.
    pub fn forgive(&mut self, subject: &S) {
        self.failures.remove(subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        free: 5,
        longest: 300,
    };

    #[test]
    fn the_wait_doubles_after_the_free_failures_and_ends() {
        let mut backoff = Backoff::new(TERMS, 100);
        for _ in 0..4 {
            backoff.failed("alice", 0);
        }
        assert_eq!(backoff.wait(&"alice", 0), 0);
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            backoff.failed("alice", 0);
            assert_eq!(backoff.wait(&"alice", 0), wait);
            assert_eq!(backoff.wait(&"alice", wait.cast_signed()), 0);
        }
        assert_eq!(backoff.wait(&"alice", -5000), 300, "the clock was set back");
        assert_eq!(backoff.wait(&"bob", 0), 0);
        backoff.forgive(&"alice");
        assert_eq!(backoff.wait(&"alice", 0), 0);
    }

    #[test]
    fn an_hour_without_a_failure_is_forgotten() {
        let mut backoff = Backoff::new(TERMS, 100);
        for _ in 0..9 {
            backoff.failed("alice", 0);
        }
        backoff.failed("alice", FORGET_SECS);
        assert_eq!(backoff.wait(&"alice", FORGET_SECS), 0);
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
