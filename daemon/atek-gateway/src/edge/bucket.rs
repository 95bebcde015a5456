//! How many requests in how much time. Pure: the clock is a parameter.

use std::time::Duration;

/// A sustained rate and what may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds per request.
    interval: u64,
    /// Requests that may come at once after a pause.
    burst: u32,
}

impl Rate {
    /// So many requests a minute, and so many at once.
    #[must_use]
    pub const fn per_minute(requests: u32, burst: u32) -> Self {
        let requests = if requests == 0 { 1 } else { requests as u64 };
        Self {
            interval: 60_000_000_000 / requests,
            burst: if burst == 0 { 1 } else { burst },
        }
    }
}

/// What one caller has used of its rate.
///
/// Holds one number: the time at which it would be back at nothing used (the
/// generic cell rate algorithm).
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    empty_at: u64,
}

impl Bucket {
    /// Admits one request at `now` (nanoseconds on any steady clock).
    ///
    /// # Errors
    ///
    /// How long to wait until the next one is admitted.
    pub fn admit(&mut self, rate: Rate, now: u64) -> Result<(), Duration> {
        let room = rate.interval.saturating_mul(u64::from(rate.burst));
        let empty_at = self.empty_at.max(now).saturating_add(rate.interval);
        let earliest = empty_at.saturating_sub(room);
        if earliest > now {
            return Err(Duration::from_nanos(earliest - now));
        }
        self.empty_at = empty_at;
        Ok(())
    }

    /// Whether nothing is used: the bucket may be forgotten.
    #[must_use]
    pub fn is_idle(&self, now: u64) -> bool {
        self.empty_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_then_the_sustained_rate_holds() {
        let rate = Rate::per_minute(60, 3);
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            bucket.admit(rate, 10 * SECOND).unwrap();
        }
        assert_eq!(bucket.admit(rate, 10 * SECOND), Err(Duration::from_secs(1)));
        bucket.admit(rate, 11 * SECOND).unwrap();
        assert!(bucket.admit(rate, 11 * SECOND).is_err());
        assert!(!bucket.is_idle(12 * SECOND) && bucket.is_idle(14 * SECOND));
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(
            per_minute in 1u32..10_000, burst in 1u32..50, steps in proptest::collection::vec(0u64..2 * SECOND, 1..200),
        ) {
            let rate = Rate::per_minute(per_minute, burst);
            let (mut bucket, mut now, mut admitted) = (Bucket::default(), 1_000 * SECOND, 0u64);
            let start = now;
            for step in steps {
                now += step;
                match bucket.admit(rate, now) {
                    Ok(()) => admitted += 1,
                    Err(wait) => {
                        // The promised time is enough, and not a nanosecond less.
                        let mut later = bucket;
                        let wait = u64::try_from(wait.as_nanos()).unwrap();
                        prop_assert!(later.admit(rate, now + wait - 1).is_err());
                        prop_assert!(later.admit(rate, now + wait).is_ok());
                    }
                }
            }
            prop_assert!(admitted <= u64::from(burst) + (now - start) / rate.interval);
        }
    }
}
