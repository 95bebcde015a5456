//! Slows down guessing of passwords and claim codes without keeping the owner out.
//!
//! ```text
//!  attempt -> waits for its turn -> counted as a failure -> made -> success: taken back
//! ```
//!
//! An attempt counts before it is made, so that many at once are not all tried. A guesser (an
//! IPv4 address, an IPv6 network of 64 bits, an app) has a few free failures, then waits longer
//! and longer. Guessers of the same secret take turns: the secret, too, gets slower with
//! failures, up to some seconds, and the one with the fewest failures goes first. So someone with
//! the right password waits some seconds while others guess, and is not refused.

mod backoff;
mod policy;

pub use backoff::Terms;
pub use policy::AttemptOrigin;

use policy::{Policy, Ticket, Turn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Too many failures; the next attempt may be made after so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany(pub u64);

/// Admits attempts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Throttle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    policy: Mutex<Policy>,
    start: Instant,
}

/// An attempt that may be made. It has failed unless it [succeeds](Attempt::succeed).
#[derive(Debug)]
pub struct Attempt {
    shared: Arc<Shared>,
    secret: String,
    guesser: AttemptOrigin,
    succeeded: bool,
}

impl Throttle {
    /// Admits attempts at secrets that get slower on these terms.
    #[must_use]
    pub fn new(secret: Terms) -> Self {
        Self {
            shared: Arc::new(Shared {
                policy: Mutex::new(Policy::new(secret)),
                start: Instant::now(),
            }),
        }
    }

    /// Waits until an attempt at the secret may be made.
    ///
    /// # Errors
    ///
    /// [`TooMany`], at once where the wait would be long, and after half a minute.
    pub async fn admit(&self, secret: &str, guesser: AttemptOrigin) -> Result<Attempt, TooMany> {
        let now = self.shared.now_ms();
        let ticket = self
            .shared
            .policy()
            .arrive(secret, guesser.clone(), now)
            .map_err(too_many)?;
        // Takes the attempt out when the client leaves.
        let place = QueueSlot {
            shared: &self.shared,
            ticket,
        };
        loop {
            let now = self.shared.now_ms();
            let turn = self.shared.policy().turn(place.ticket, now);
            match turn {
                Turn::Now => break,
                Turn::Later(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms.unsigned_abs())).await;
                }
                Turn::Refused(ms) => return Err(too_many(ms)),
            }
        }
        Ok(Attempt {
            shared: self.shared.clone(),
            secret: secret.to_owned(),
            guesser,
            succeeded: false,
        })
    }
}

impl Shared {
    fn policy(&self) -> MutexGuard<'_, Policy> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

struct QueueSlot<'a> {
    shared: &'a Shared,
    ticket: Ticket,
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        self.shared.policy().leave(self.ticket);
    }
}

impl Attempt {
    /// The secret was right.
    pub fn succeed(mut self) {
        self.succeeded = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared
            .policy()
            .finish(&self.secret, &self.guesser, self.succeeded);
    }
}

fn too_many(ms: i64) -> TooMany {
    TooMany(ms.unsigned_abs().div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const TERMS: Terms = Terms {
        free: 20,
        longest_ms: 10_000,
    };

    #[tokio::test]
    async fn an_attempt_waits_its_turn_and_one_whose_client_left_is_forgotten() {
        let throttle = Throttle::new(TERMS);
        let guesser = || AttemptOrigin::at(Some(Ipv4Addr::LOCALHOST.into()));
        for _ in 0..5 {
            throttle.admit("alice", guesser()).await.unwrap();
        }
        let begun = Instant::now();
        for _ in 0..16 {
            let gone =
                tokio::time::timeout(Duration::from_millis(1), throttle.admit("alice", guesser()));
            assert!(gone.await.is_err(), "admitted at once");
        }
        throttle.admit("alice", guesser()).await.unwrap();
        assert!(
            begun.elapsed() >= Duration::from_millis(900),
            "{:?}",
            begun.elapsed()
        );
    }
}
