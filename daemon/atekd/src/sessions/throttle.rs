//! Slows down guessing of passwords, per user name and per address. Pure.
//!
//! An address that guesses waits up to a minute, whatever names it tries. A name that is
//! guessed from many addresses waits up to half a minute, but not at an address where
//! its user is signed in: so a neighbour cannot keep somebody out of their own box.

use crate::backoff::{Backoff, Terms};
use std::net::IpAddr;

/// Of one address.
const ADDRESS: Terms = Terms {
    free: 5,
    longest: 60,
};
/// Of one name, from all addresses together.
const NAME: Terms = Terms {
    free: 20,
    longest: 30,
};
/// Names and addresses remembered at most, each.
const MOST: usize = 10_000;
/// The longest user name; a longer one is nobody's.
const MAX_NAME: usize = 64;

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct From {
    /// None on a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether the user of that name has a session from there.
    pub is_known: bool,
}

/// Failures, by name and by address.
#[derive(Debug)]
pub struct Throttle {
    names: Backoff<String>,
    addresses: Backoff<IpAddr>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            names: Backoff::new(NAME, MOST),
            addresses: Backoff::new(ADDRESS, MOST),
        }
    }
}

impl Throttle {
    /// Whether an attempt may be made now; if not, in how many seconds.
    ///
    /// # Errors
    ///
    /// The seconds to wait.
    pub fn check(&self, name: &str, from: From, now_unix: i64) -> Result<(), u64> {
        let address = from
            .address
            .map_or(0, |address| self.addresses.wait(&address, now_unix));
        let name = if from.is_known {
            0
        } else {
            self.names.wait(&subject(name), now_unix)
        };
        match address.max(name) {
            0 => Ok(()),
            wait => Err(wait),
        }
    }

    /// Counts a wrong password.
    pub fn failed(&mut self, name: &str, from: From, now_unix: i64) {
        if let Some(address) = from.address {
            self.addresses.failed(address, now_unix);
        }
        self.names.failed(subject(name), now_unix);
    }

    /// Forgets the failures of somebody who knew the password.
    ///
    /// The address keeps its count: one account of one's own must not buy
    /// guesses at the others.
    pub fn succeeded(&mut self, name: &str) {
        self.names.forgive(&subject(name));
    }
}

fn subject(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn from(n: u32) -> From {
        From {
            address: Some(Ipv4Addr::from_bits(n).into()),
            is_known: false,
        }
    }

    #[test]
    fn guessing_from_one_address_gets_slower_whatever_the_names() {
        let mut throttle = Throttle::default();
        let mut guesses = 0;
        for now in 0..3600 {
            let name = format!("user{now}");
            if throttle.check(&name, from(1), now).is_ok() {
                throttle.failed(&name, from(1), now);
                guesses += 1;
            }
        }
        assert!((60..80).contains(&guesses), "{guesses} guesses in an hour");
        assert_eq!(throttle.check("bob", from(2), 3600), Ok(()));
        throttle.succeeded("bob");
        assert!(
            throttle.check("bob", from(1), 3600).is_err(),
            "an account of one's own buys guesses"
        );
    }

    #[test]
    fn guessing_one_name_from_many_addresses_gets_slower_too() {
        let mut throttle = Throttle::default();
        let mut guesses = 0;
        for now in 0..3600 {
            for n in 0..10 {
                let here = from(u32::try_from(now * 10 + n).unwrap());
                if throttle.check("alice", here, now).is_ok() {
                    throttle.failed("alice", here, now);
                    guesses += 1;
                }
            }
        }
        assert!(guesses < 160, "{guesses} guesses in an hour");
    }

    #[test]
    fn nobody_is_kept_out_for_long_and_not_at_all_where_they_are_signed_in() {
        let mut throttle = Throttle::default();
        let mut at_home = from(1);
        at_home.is_known = true;
        for n in 0..10_000 {
            throttle.failed("alice", from(1000 + n), 0);
        }
        assert_eq!(throttle.check("alice", at_home, 0), Ok(()));
        assert_eq!(throttle.check("alice", from(1), 0), Err(30));
        assert_eq!(throttle.check("alice", from(1), 30), Ok(()));
        assert_eq!(throttle.check("bob", from(1), 0), Ok(()));
    }

    #[test]
    fn an_unknown_name_waits_like_a_known_one() {
        // Whether a name exists is no input: there is nothing to find out.
        let mut throttle = Throttle::default();
        for n in 0..21 {
            throttle.failed(&"x".repeat(1000), from(n), 0);
        }
        assert!(throttle.check(&"x".repeat(2000), from(99), 0).is_err());
    }
}
