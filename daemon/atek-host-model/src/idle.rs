//! Whether a service that may sleep is in use.
//!
//! The gateway holds a [`KeepAwake`] for as long as it talks with the service. Putting it to sleep
//! first closes the gate, which succeeds only while nothing is held. So a call either keeps the
//! service awake or finds that it must wake it, and is never cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The bit that says that no use may begin. The rest counts those that have.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// The uses of one service.
#[derive(Debug)]
pub struct InFlight {
    made: Instant,
    /// How many use it now, and [`CLOSED`].
    uses: AtomicUsize,
    /// When the last of them ended, or new ones were let in again, in milliseconds since `made`.
    ended: AtomicU64,
}

/// One use, until it is dropped. Empty for a service that never sleeps.
#[derive(Debug)]
pub struct KeepAwake(Option<Arc<InFlight>>);

impl KeepAwake {
    /// Of a service that never sleeps.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }
}

impl Drop for KeepAwake {
    fn drop(&mut self) {
        if let Some(usage) = &self.0 {
            usage.touch();
            usage.uses.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            made: Instant::now(),
            uses: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
        }
    }
}

impl InFlight {
    /// Begins a use; none if the service is being put to sleep, or sleeps.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> Option<KeepAwake> {
        if self.uses.fetch_add(1, Ordering::Acquire) & CLOSED != 0 {
            self.uses.fetch_sub(1, Ordering::Release);
            return None;
        }
        Some(KeepAwake(Some(self.clone())))
    }

    /// Lets no use begin any more, if there was none for `idle`.
    #[must_use]
    pub fn close(&self, idle: Duration) -> bool {
        let ended = Duration::from_millis(self.ended.load(Ordering::Relaxed));
        self.made.elapsed().saturating_sub(ended) >= idle
            && self
                .uses
                .compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Lets uses begin again.
    pub fn open(&self) {
        self.touch();
        self.uses.fetch_and(!CLOSED, Ordering::Release);
    }

    fn touch(&self) {
        let millis = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.ended.store(millis, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_in_use_cannot_be_put_to_sleep_and_one_asleep_cannot_be_used() {
        let usage = Arc::new(InFlight::default());
        let hold = usage.begin();
        assert!(hold.is_some() && !usage.close(Duration::ZERO));
        drop(hold);
        assert!(usage.close(Duration::ZERO));
        assert!(usage.begin().is_none(), "it is asleep");
        assert!(!usage.close(Duration::ZERO), "it is asleep already");
        usage.open();
        assert!(usage.begin().is_some());
        assert!(usage.close(Duration::ZERO), "the refused use left no trace");
    }

    #[test]
    fn idleness_counts_from_the_end_of_the_last_use() {
        let usage = Arc::new(InFlight::default());
        let hour = Duration::from_secs(3600);
        assert!(!usage.close(hour));
        drop(usage.begin());
        assert!(!usage.close(hour));
        assert!(usage.close(Duration::ZERO));
    }

    #[test]
    fn of_a_call_and_a_sleep_at_the_same_time_exactly_one_wins() {
        for _ in 0..2_000 {
            let usage = Arc::new(InFlight::default());
            let caller = std::thread::spawn({
                let usage = usage.clone();
                move || usage.begin()
            });
            let asleep = usage.close(Duration::ZERO);
            let hold = caller.join().unwrap();
            // A use that was refused at the very moment may make the sleep fail too.
            assert!(!(asleep && hold.is_some()), "cut off a call");
        }
    }
}
