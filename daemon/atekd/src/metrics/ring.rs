//! The last hour of samples, and the clock that dates them. Pure.

use super::{INTERVAL, KEPT};
use std::collections::VecDeque;
use std::time::Duration;

/// A moment: tenths of a second since the sampler began. Enough for thirteen years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u32);

impl Moment {
    pub(super) fn after(elapsed: Duration) -> Self {
        Self(u32::try_from(elapsed.as_millis() / 100).unwrap_or(u32::MAX))
    }

    fn millis(self) -> i64 {
        i64::from(self.0) * 100
    }
}

/// From the sampler's moments to the time of day.
///
/// A box without a battery begins in the wrong year and learns the time later. Samples are
/// dated when they are read, so those from before then fit to the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// When the sampler began, in milliseconds since 1970.
    began: i64,
}

/// A change of the time of day below this is drift: following it would give each sample a
/// slightly different time at every look, and a reader that asks for what is new would see
/// old ones again.
const DRIFT: i64 = 2000;

impl Clock {
    pub(super) fn new(now: Moment, unix_millis: i64) -> Self {
        Self {
            began: unix_millis - now.millis(),
        }
    }

    /// Follows a time of day that was set.
    pub(super) fn adjust(&mut self, now: Moment, unix_millis: i64) {
        let true_one = Self::new(now, unix_millis);
        if (true_one.began - self.began).abs() > DRIFT {
            *self = true_one;
        }
    }

    pub(super) fn unix_millis(self, moment: Moment) -> i64 {
        self.began + moment.millis()
    }
}

/// Samples of the last hour.
#[derive(Debug)]
pub(super) struct Ring<S> {
    samples: VecDeque<(Moment, S)>,
}

impl<S> Default for Ring<S> {
    fn default() -> Self {
        Self {
            samples: VecDeque::new(),
        }
    }
}

/// Samples for which room is made at once: a short-lived service needs no whole hour.
const STEP: usize = 40;

impl<S: Copy> Ring<S> {
    pub(super) fn push(&mut self, at: Moment, sample: S) {
        self.forget(at);
        if self.samples.len() == self.samples.capacity() {
            self.samples.reserve_exact(STEP);
        }
        self.samples.push_back((at, sample));
    }

    /// Drops what is older than an hour.
    pub(super) fn forget(&mut self, now: Moment) {
        let kept = Moment::after(KEPT).0;
        while let Some((oldest, _)) = self.samples.front()
            && now.0.saturating_sub(oldest.0) >= kept
        {
            self.samples.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The samples after `since`, with the time of each.
    pub(super) fn after(&self, since: Option<i64>, clock: Clock) -> impl Iterator<Item = (i64, S)> {
        self.samples
            .iter()
            .map(move |(at, sample)| (clock.unix_millis(*at), *sample))
            .filter(move |(time, _)| since.is_none_or(|since| *time > since))
    }
}

/// Seconds between two samples.
pub(super) fn interval_sec() -> u32 {
    u32::try_from(INTERVAL.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(secs: u64) -> Moment {
        Moment::after(Duration::from_secs(secs))
    }

    #[test]
    fn what_is_older_than_an_hour_is_forgotten() {
        let mut ring = Ring::default();
        for tick in 0..1000 {
            ring.push(secs(tick * 10), tick);
        }
        let clock = Clock::new(secs(0), 0);
        let kept: Vec<_> = ring.after(None, clock).collect();
        assert_eq!(kept.len(), 360);
        assert_eq!(kept.first(), Some(&(6_400_000, 640)));
        assert_eq!(kept.last(), Some(&(9_990_000, 999)));
        assert!(ring.samples.capacity() < 360 + 2 * STEP);
        ring.forget(secs(9990 + 3600));
        assert!(ring.is_empty());
    }

    #[test]
    fn a_query_since_the_last_sample_gets_only_what_is_new() {
        let mut ring = Ring::default();
        ring.push(secs(10), 'a');
        ring.push(secs(20), 'b');
        let mut clock = Clock::new(secs(0), 1_000_000);
        let (last, _) = ring.after(None, clock).last().unwrap();
        ring.push(secs(30), 'c');
        // The clock drifts a little between two looks.
        clock.adjust(secs(30), 1_030_700);
        let news: Vec<_> = ring.after(Some(last), clock).collect();
        assert_eq!(news, [(1_030_000, 'c')]);
    }

    #[test]
    fn when_the_box_learns_the_time_its_samples_do_too() {
        let mut ring = Ring::default();
        ring.push(secs(10), ());
        let mut clock = Clock::new(secs(0), 0);
        let year_2026 = 1_790_000_000_000;
        clock.adjust(secs(20), year_2026);
        let times: Vec<_> = ring.after(None, clock).map(|(time, ())| time).collect();
        assert_eq!(times, [year_2026 - 10_000]);
    }

    proptest! {
        #[test]
        fn a_ring_is_in_order_and_bounded(pauses in prop::collection::vec(1u64..2000, 1..600)) {
            let mut ring = Ring::default();
            let mut now = 0;
            for pause in pauses {
                now += pause;
                ring.push(secs(now), now);
                let seen: Vec<_> = ring.after(None, Clock::new(secs(0), 0)).collect();
                prop_assert!(seen.is_sorted());
                prop_assert!(seen.iter().all(|(_, at)| now - at < 3600));
                prop_assert_eq!(seen.last().map(|(_, at)| *at), Some(now));
            }
        }
    }
}
