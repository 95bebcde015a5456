//! The change log: what changed after a sequence number, and waking the readers that wait for
//! changes.

use super::tables::{ChangeKind, DbNo};
use super::{OperationContext as _, StorageError};
use redb::ReadableTable;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// One path's latest change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Its sequence number.
    pub seq: u64,
    /// What it was.
    pub kind: ChangeKind,
    /// The record's key.
    pub key: &'a str,
}

/// How far a look at the change log went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// The last change that was looked at, or the `since` of the call.
    pub last: u64,
    /// There may be more behind it.
    pub more: bool,
}

pub(super) fn scan(
    table: &impl ReadableTable<(u32, u64), &'static [u8]>,
    db: DbNo,
    since: u64,
    limit: usize,
    each: &mut dyn FnMut(Change<'_>) -> bool,
) -> Result<Scanned, StorageError> {
    const READ: &str = "read the change log";
    let mut last = since;
    let Some(first) = since.checked_add(1) else {
        return Ok(Scanned { last, more: false });
    };
    for (seen, entry) in table
        .range((db.0, first)..=(db.0, u64::MAX))
        .doing(READ)?
        .enumerate()
    {
        if seen == limit {
            return Ok(Scanned { last, more: true });
        }
        let (key, value) = entry.doing(READ)?;
        let seq = key.value().1;
        let (kind, path) = ChangeKind::parts(value.value())?;
        if !each(Change {
            seq,
            kind,
            key: path,
        }) {
            return Ok(Scanned { last, more: true });
        }
        last = seq;
    }
    Ok(Scanned { last, more: false })
}

/// Databases that are remembered before those without readers are dropped.
const REMEMBERED: usize = 1024;

/// Tells waiting readers that a database has changed.
///
/// A reader subscribes *before* it looks, so a change between its look and its wait wakes it.
#[derive(Debug, Default)]
pub struct Hub {
    waiting: Mutex<HashMap<DbNo, watch::Sender<u64>>>,
}

impl Hub {
    /// A receiver that changes after each commit that changes `db`.
    #[must_use]
    pub fn subscribe(&self, db: DbNo) -> watch::Receiver<u64> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= REMEMBERED {
            // A deleted database is never notified again.
            waiting.retain(|_, sender| sender.receiver_count() > 0);
        }
        waiting
            .entry(db)
            .or_insert_with(|| watch::channel(0).0)
            .subscribe()
    }

    pub(super) fn notify(&self, changed: &[(DbNo, u64)]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_empty() {
            return;
        }
        for (db, seq) in changed {
            let unwanted = waiting
                .get(db)
                .is_some_and(|sender| sender.send(*seq).is_err());
            if unwanted {
                waiting.remove(db);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_between_look_and_wait_wakes_the_reader() {
        let hub = Hub::default();
        let mut receiver = hub.subscribe(DbNo(1));
        hub.notify(&[(DbNo(1), 5), (DbNo(2), 1)]);
        receiver.changed().await.unwrap();
        assert_eq!(*receiver.borrow(), 5);
        drop(receiver);
        hub.notify(&[(DbNo(1), 6)]);
        assert!(hub.waiting.lock().unwrap().is_empty());
    }
}
