//! Slows down guessing of passwords, per user name and per address. Pure.

use std::collections::HashMap;
use std::net::IpAddr;

/// Wrong passwords that cost nothing: people mistype.
const FREE: u32 = 5;
/// The longest wait, in seconds.
const MAX_WAIT_SECS: i64 = 300;
/// Failures are forgotten after this long without another one.
const FORGET_SECS: i64 = 3600;
/// Names and addresses remembered at most; an attacker who invents names must not fill the memory.
const MAX_ENTRIES: usize = 20_000;

/// Failures, by name and by address.
#[derive(Debug, Default)]
pub struct Throttle {
    failures: HashMap<Subject, Failures>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Name(String),
    Address(IpAddr),
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last_unix: i64,
}

impl Failures {
    /// When the next attempt is allowed: 1, 2, 4, … seconds after the last failure.
    fn allowed_unix(&self) -> i64 {
        match self.count.checked_sub(FREE) {
            None => self.last_unix,
            Some(over) => self.last_unix + MAX_WAIT_SECS.min(1 << over.min(20)),
        }
    }
}

impl Throttle {
    /// Whether an attempt may be made now; if not, in how many seconds.
    ///
    /// # Errors
    ///
    /// The seconds to wait.
    pub fn check(&self, name: &str, address: Option<IpAddr>, now_unix: i64) -> Result<(), u64> {
        let wait = subjects(name, address)
            .filter_map(|subject| self.failures.get(&subject))
            .map(|failures| failures.allowed_unix() - now_unix)
            .max()
            .unwrap_or(0);
        if wait > 0 {
            Err(wait.unsigned_abs())
        } else {
            Ok(())
        }
    }

    /// Counts a wrong password.
    pub fn failed(&mut self, name: &str, address: Option<IpAddr>, now_unix: i64) {
        if self.failures.len() >= MAX_ENTRIES {
            self.failures
                .retain(|_, f| now_unix - f.last_unix < FORGET_SECS);
        }
        if self.failures.len() >= MAX_ENTRIES {
            self.failures.retain(|_, f| f.count > FREE);
        }
        for subject in subjects(name, address) {
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
    }

    /// Forgets the failures of somebody who knew the password.
    ///
    /// The address keeps its count: one account of one's own must not buy
    /// guesses at the others.
    pub fn succeeded(&mut self, name: &str, _address: Option<IpAddr>) {
        self.failures.remove(&Subject::Name(name.to_owned()));
    }
}

fn subjects(name: &str, address: Option<IpAddr>) -> impl Iterator<Item = Subject> {
    std::iter::once(Subject::Name(name.chars().take(64).collect()))
        .chain(address.map(Subject::Address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));

    #[test]
    fn guessing_gets_slower_and_slower() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE - 1 {
            throttle.failed("alice", HOME, 0);
        }
        assert_eq!(throttle.check("alice", HOME, 0), Ok(()));
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            throttle.failed("alice", HOME, 0);
            assert_eq!(throttle.check("alice", HOME, 0), Err(wait));
            assert_eq!(throttle.check("alice", HOME, wait.cast_signed()), Ok(()));
        }
    }

    #[test]
    fn other_names_from_the_same_address_are_slowed_too_but_not_other_addresses() {
        let mut throttle = Throttle::default();
        for n in 0..10 {
            throttle.failed(&format!("user{n}"), HOME, 0);
        }
        assert!(throttle.check("bob", HOME, 0).is_err());
        assert_eq!(throttle.check("bob", None, 0), Ok(()));
        throttle.succeeded("bob", HOME);
        assert!(
            throttle.check("bob", HOME, 0).is_err(),
            "an account of one's own buys guesses"
        );
    }

    #[test]
    fn invented_names_do_not_fill_the_memory() {
        let mut throttle = Throttle::default();
        for n in 0..50_000 {
            throttle.failed(&format!("user{n}"), None, 0);
        }
        assert!(
            throttle.failures.len() <= MAX_ENTRIES + 1,
            "{}",
            throttle.failures.len()
        );
    }
}
