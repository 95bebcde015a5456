//! Slows down guessing of the claim code. Pure: the clock is a parameter.

use crate::backoff::{Backoff, Terms};
use std::net::IpAddr;

/// Of one address.
const TERMS: Terms = Terms {
    free: 5,
    longest: 60,
};
/// Addresses remembered at most.
const MOST: usize = 10_000;
/// Wrong codes of all addresses together in one minute. With 40 bits that is a thousand
/// years of guessing, and one neighbour alone, with one address, cannot use it up to
/// keep the owner out.
const PER_MINUTE: u32 = 600;

/// Wrong codes, by address and in total.
#[derive(Debug)]
pub struct Guesses {
    by_address: Backoff<Option<IpAddr>>,
    minute: i64,
    in_minute: u32,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            by_address: Backoff::new(TERMS, MOST),
            minute: 0,
            in_minute: 0,
        }
    }
}

impl Guesses {
    /// Whether a guess may be made now.
    ///
    /// # Errors
    ///
    /// The seconds to wait.
    pub fn check(&self, address: Option<IpAddr>, now_unix: i64) -> Result<(), u64> {
        let total = if self.in_minute >= PER_MINUTE && self.minute == now_unix.div_euclid(60) {
            60 - now_unix.rem_euclid(60).unsigned_abs()
        } else {
            0
        };
        match self.by_address.wait(&address, now_unix).max(total) {
            0 => Ok(()),
            wait => Err(wait),
        }
    }

    /// Counts a wrong code.
    pub fn failed(&mut self, address: Option<IpAddr>, now_unix: i64) {
        self.by_address.failed(address, now_unix);
        let minute = now_unix.div_euclid(60);
        if minute != self.minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        self.in_minute += 1;
    }

    /// Forgets the failures of an address that knew the code.
    pub fn succeeded(&mut self, address: Option<IpAddr>) {
        self.by_address.forgive(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(n: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(n).into())
    }

    #[test]
    fn one_address_is_slowed_down_and_keeps_nobody_else_out() {
        let mut guesses = Guesses::default();
        let mut made = 0;
        for now in 0..3600 {
            if guesses.check(address(1), now).is_ok() {
                guesses.failed(address(1), now);
                made += 1;
            }
            assert_eq!(guesses.check(address(2), now), Ok(()));
        }
        assert!(made < 80, "{made} guesses in an hour");
        guesses.succeeded(address(1));
        assert_eq!(guesses.check(address(1), 3600), Ok(()));
    }

    #[test]
    fn many_addresses_together_are_slowed_down_too() {
        let mut guesses = Guesses::default();
        for n in 0..PER_MINUTE {
            assert_eq!(guesses.check(address(n), 90), Ok(()));
            guesses.failed(address(n), 90);
        }
        assert_eq!(guesses.check(address(9999), 90), Err(30));
        assert_eq!(guesses.check(address(9999), 120), Ok(()));
    }
}
