//! Connections that have not said yet which service they are, and which of them makes way.
//!
//! Every service may connect, so silent connections must not keep others out: a user has a share,
//! and when all room is taken the oldest connection of the largest holder is closed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Connections of all users together.
const MAX: usize = 64;
/// Connections of one user. A service makes one at a time.
const SHARE: usize = 4;

/// The connections. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Mutex<Queue>>);

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct PendingSlot {
    pending: Pending,
    number: u64,
    /// Cancelled when the connection must make way.
    pub(super) evicted: CancellationToken,
}

impl Pending {
    /// Makes room for a connection of the user `uid`.
    pub(super) fn enter(&self, uid: u32) -> PendingSlot {
        let evicted = CancellationToken::new();
        let number = self.queue().enter(uid, evicted.clone());
        PendingSlot {
            pending: self.clone(),
            number,
            evicted,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PendingSlot {
    fn drop(&mut self) {
        self.pending.queue().waiting.remove(&self.number);
    }
}

/// Connections by number: the smallest is the oldest.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, (u32, CancellationToken)>,
}

impl Queue {
    fn enter(&mut self, uid: u32, evicted: CancellationToken) -> u64 {
        if self.held_by(uid) >= SHARE {
            self.evict_oldest_of(uid);
        } else if self.waiting.len() >= MAX
            && let Some(largest) = self.largest_holder()
        {
            self.evict_oldest_of(largest);
        }
        self.next += 1;
        self.waiting.insert(self.next, (uid, evicted));
        self.next
    }

    fn held_by(&self, uid: u32) -> usize {
        self.waiting.values().filter(|(of, _)| *of == uid).count()
    }

    /// The user with the most connections; of several, the one with the oldest.
    fn largest_holder(&self) -> Option<u32> {
        let users = self.waiting.values().map(|(uid, _)| *uid);
        // Of equal ones `max_by_key` takes the last.
        users.rev().max_by_key(|uid| self.held_by(*uid))
    }

    fn evict_oldest_of(&mut self, uid: u32) {
        let oldest = self.waiting.iter().find(|(_, (of, _))| *of == uid);
        if let Some((&number, _)) = oldest
            && let Some((_, evicted)) = self.waiting.remove(&number)
        {
            evicted.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOG: u32 = 1;

    /// How many of these were evicted.
    fn evicted(places: &[PendingSlot]) -> usize {
        places.iter().filter(|p| p.evicted.is_cancelled()).count()
    }

    #[test]
    fn one_user_has_a_share_and_its_oldest_goes_first() {
        let pending = Pending::default();
        let hog: Vec<PendingSlot> = (0..100).map(|_| pending.enter(HOG)).collect();
        assert_eq!(evicted(&hog), 100 - SHARE);
        assert_eq!(evicted(&hog[100 - SHARE..]), 0);
        let other = pending.enter(2);
        assert!(!other.evicted.is_cancelled());
        assert_eq!(evicted(&hog), 100 - SHARE);
    }

    #[test]
    fn when_all_room_is_taken_the_largest_holder_makes_way() {
        let pending = Pending::default();
        let singles: Vec<PendingSlot> = (10..70).map(|uid| pending.enter(uid)).collect();
        let hog: Vec<PendingSlot> = (0..SHARE).map(|_| pending.enter(HOG)).collect();
        let late = pending.enter(1_000);
        assert_eq!((evicted(&singles), evicted(&hog)), (0, 1));
        assert!(hog[0].evicted.is_cancelled() && !late.evicted.is_cancelled());
    }

    #[test]
    fn of_users_with_one_each_the_oldest_makes_way() {
        let pending = Pending::default();
        let users = u32::try_from(MAX).unwrap();
        let places: Vec<PendingSlot> = (0..users).map(|uid| pending.enter(uid)).collect();
        let _late = pending.enter(1_000);
        assert_eq!(evicted(&places), 1);
        assert!(places[0].evicted.is_cancelled());
    }

    #[test]
    fn a_connection_that_ended_leaves_its_place() {
        let pending = Pending::default();
        for _ in 0..1_000 {
            drop(pending.enter(HOG));
        }
        assert!(pending.queue().waiting.is_empty());
    }
}
