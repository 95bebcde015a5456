//! The memory of all instances together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasmtime::{ResourceLimiter, Result};

/// What this program itself needs of the memory of its unit, beside its instances.
const OWN: usize = 64 * 1024 * 1024;
/// Entries of the tables of one instance.
const TABLE: usize = 1_000_000;

/// What is left for instances. A component that takes more is refused it, and its request fails;
/// the others go on, and the unit does not run out of memory.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    left: Arc<AtomicUsize>,
    /// Of one instance, so that none can take it all.
    most: usize,
}

impl Pool {
    /// For a unit with so many bytes.
    pub(crate) fn of_unit(bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        // Of a unit with little memory, half.
        let all = bytes.saturating_sub(OWN).max(bytes / 2);
        Self {
            left: Arc::new(AtomicUsize::new(all)),
            most: all / 2,
        }
    }

    /// The share of a new instance, which is empty.
    pub(crate) fn share(&self) -> Share {
        Share {
            pool: self.clone(),
            taken: 0,
        }
    }
}

/// What one instance has taken. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    pool: Pool,
    taken: usize,
}

impl Share {
    fn take(&mut self, bytes: usize) -> bool {
        if self.taken.saturating_add(bytes) > self.pool.most {
            return false;
        }
        let less = |left: usize| left.checked_sub(bytes);
        let left = &self.pool.left;
        let taken = left.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        if taken.is_ok() {
            self.taken += bytes;
        }
        taken.is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.left.fetch_add(self.taken, Ordering::AcqRel);
    }
}

impl ResourceLimiter for Share {
    fn memory_growing(&mut self, now: usize, next: usize, _: Option<usize>) -> Result<bool> {
        Ok(self.take(next.saturating_sub(now)))
    }

    fn table_growing(&mut self, now: usize, next: usize, _: Option<usize>) -> Result<bool> {
        // An entry is a pointer.
        let bytes = next.saturating_sub(now).saturating_mul(8);
        Ok(next <= TABLE && self.take(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn no_instance_takes_more_than_half_and_all_together_no_more_than_there_is() {
        let pool = Pool::of_unit(264 * MIB as u64);
        let (mut a, mut b, mut c) = (pool.share(), pool.share(), pool.share());
        let grow = |share: &mut Share, from: usize, to: usize| {
            share.memory_growing(from * MIB, to * MIB, None).unwrap()
        };
        assert!(grow(&mut a, 0, 100));
        assert!(!grow(&mut a, 100, 101));
        assert!(grow(&mut b, 0, 60));
        assert!(!grow(&mut c, 0, 60));
        assert!(grow(&mut c, 0, 40));
        assert!(!grow(&mut b, 60, 61));
        drop(a);
        assert!(grow(&mut b, 60, 100));
    }

    #[test]
    fn a_small_unit_has_some_and_tables_count() {
        let pool = Pool::of_unit(32 * MIB as u64);
        let mut share = pool.share();
        assert!(share.memory_growing(0, 8 * MIB, None).unwrap());
        assert!(!share.table_growing(0, 1, None).unwrap());
        assert!(!pool.share().table_growing(0, TABLE + 1, None).unwrap());
        assert!(pool.share().table_growing(0, 10, None).unwrap());
    }
}
