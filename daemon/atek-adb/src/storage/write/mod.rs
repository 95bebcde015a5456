//! One operation inside a commit.
//!
//! Functions check everything before they change anything, where that is cheap; an
//! operation that fails after a change is taken out of the commit by
//! [`super::Engine::commit`], so all-or-none holds either way.

mod blobs;
mod databases;
mod indexes;
mod records;
mod trial;

use super::disk::{QuotaAccount, Room};
use super::indexes::IndexRow;
use super::read::{self, Read, Record, Scan};
use super::tables::{self, DbNo, DbRow, Stats};
use super::{OperationContext as _, StorageError};
use crate::error::AdbError;
use crate::limits::Quota;
use crate::path::RecordPath;
use atek_api::ids::DbId;
use redb::{Table, WriteTransaction};
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

/// What must be true of a record for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expected {
    /// Anything.
    #[default]
    Any,
    /// It was last written at this sequence number; 0: it does not exist.
    Seq(u64),
}

/// Definitions of the indexes that puts have to keep up. Filled on demand, by the writer alone.
pub(in crate::storage) type IndexCache = HashMap<DbNo, Arc<Vec<IndexRow>>>;

/// A commit being built.
pub struct Tx<'t> {
    meta: Table<'t, &'static str, &'static [u8]>,
    databases: Table<'t, &'static [u8], &'static [u8]>,
    stats: Table<'t, u32, &'static [u8]>,
    records: Table<'t, &'static [u8], &'static [u8]>,
    changes: Table<'t, (u32, u64), &'static [u8]>,
    tombstones: Table<'t, &'static [u8], u64>,
    blobs: Table<'t, &'static [u8], &'static [u8]>,
    indexes: Table<'t, (u32, &'static str), &'static [u8]>,
    entries: Table<'t, &'static [u8], ()>,
    trials: Table<'t, &'static str, ()>,
    undo: Table<'t, &'static [u8], &'static [u8]>,
    author: trial::Author,
    cache: &'t mut IndexCache,
    pending: HashMap<DbNo, Stats>,
    freed_blobs: Vec<u64>,
    tombstone_limit: u64,
    room: Room,
    touched: bool,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx")
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

/// What a commit brought about.
#[derive(Debug, Default)]
pub struct Effects {
    /// The databases with new changes, and their latest sequence numbers.
    pub changed: Vec<(DbNo, u64)>,
    /// Blob files that nothing refers to any more.
    pub freed_blobs: Vec<u64>,
}

impl<'t> Tx<'t> {
    pub(in crate::storage) fn open(
        txn: &'t WriteTransaction,
        cache: &'t mut IndexCache,
        tombstone_limit: u64,
        room: Room,
    ) -> Result<Self, StorageError> {
        const OPEN: &str = "open a table";
        Ok(Self {
            meta: txn.open_table(tables::META).doing(OPEN)?,
            databases: txn.open_table(tables::DATABASES).doing(OPEN)?,
            stats: txn.open_table(tables::STATS).doing(OPEN)?,
            records: txn.open_table(tables::RECORDS).doing(OPEN)?,
            changes: txn.open_table(tables::CHANGES).doing(OPEN)?,
            tombstones: txn.open_table(tables::TOMBSTONES).doing(OPEN)?,
            blobs: txn.open_table(tables::BLOBS).doing(OPEN)?,
            indexes: txn.open_table(tables::INDEXES).doing(OPEN)?,
            entries: txn.open_table(tables::ENTRIES).doing(OPEN)?,
            trials: txn.open_table(tables::TRIALS).doing(OPEN)?,
            undo: txn.open_table(tables::UNDO).doing(OPEN)?,
            author: trial::Author::default(),
            cache,
            pending: HashMap::new(),
            freed_blobs: Vec::new(),
            tombstone_limit,
            room,
            touched: false,
        })
    }

    /// Forgets what earlier operations did, to see whether the next one changes anything, and who
    /// pays for it.
    pub(in crate::storage) fn begin_op(&mut self, purse: QuotaAccount) {
        self.touched = false;
        self.author = trial::Author::default();
        self.room.pay_from(purse);
    }

    pub(in crate::storage) fn touched(&self) -> bool {
        self.touched
    }

    /// Writes the counters; the commit is complete after this.
    pub(in crate::storage) fn finish(mut self) -> Result<Effects, StorageError> {
        let mut changed = Vec::with_capacity(self.pending.len());
        for (db, stats) in &self.pending {
            self.stats
                .insert(db.0, stats.to_bytes().as_slice())
                .doing("write a database's counters")?;
            changed.push((*db, stats.seq));
        }
        Ok(Effects {
            changed,
            freed_blobs: self.freed_blobs,
        })
    }

    /// What adds to the file asks first; `bytes` are those that the caller brings.
    fn grows(&mut self, bytes: usize) -> Result<(), AdbError> {
        if self.room.take(bytes as u64) {
            Ok(())
        } else {
            Err(AdbError::DiskFull)
        }
    }

    fn counters(&self, db: DbNo) -> Result<Stats, StorageError> {
        match self.pending.get(&db) {
            Some(stats) => Ok(*stats),
            None => read::stats(&self.stats, db),
        }
    }

    fn index_rows(&mut self, db: DbNo) -> Result<Arc<Vec<IndexRow>>, StorageError> {
        if let Some(rows) = self.cache.get(&db) {
            return Ok(rows.clone());
        }
        let rows = Arc::new(read::indexes(&self.indexes, db)?);
        self.cache.insert(db, rows.clone());
        Ok(rows)
    }
}

impl Read for Tx<'_> {
    fn record(&self, db: DbNo, path: &RecordPath) -> Result<Option<Record>, StorageError> {
        read::record(&self.records, db, path)
    }

    fn scan(
        &self,
        db: DbNo,
        scan: &Scan,
        each: &mut dyn FnMut(&str, u64, &[u8]) -> bool,
    ) -> Result<(), StorageError> {
        read::scan(&self.records, db, scan, each)
    }

    fn database(&self, id: &DbId) -> Result<Option<DbRow>, StorageError> {
        read::database(&self.databases, id)
    }

    fn databases(&self) -> Result<Vec<(DbId, DbRow)>, StorageError> {
        read::databases(&self.databases)
    }

    fn stats(&self, db: DbNo) -> Result<Stats, StorageError> {
        self.counters(db)
    }

    fn server_db(&self) -> Result<Option<DbId>, StorageError> {
        read::server_db(&self.meta)
    }

    fn indexes(&self, db: DbNo) -> Result<Vec<IndexRow>, StorageError> {
        read::indexes(&self.indexes, db)
    }

    fn entries(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), StorageError> {
        read::entries(&self.entries, from, to, reverse, each)
    }
}

fn full(quota: &Quota, stats: &Stats) -> AdbError {
    AdbError::Full {
        quota: *quota,
        used_bytes: stats.bytes(),
        used_records: stats.records,
    }
}

/// Removes up to `limit` rows of a range. Returns how many.
fn remove_some<'a, K, V, Q>(
    table: &mut Table<'_, K, V>,
    range: impl std::ops::RangeBounds<Q> + 'a,
    limit: usize,
) -> Result<usize, StorageError>
where
    K: redb::Key + 'static,
    V: redb::Value + 'static,
    Q: std::borrow::Borrow<K::SelfType<'a>> + 'a,
{
    let mut removed = 0;
    for entry in table
        .extract_from_if(range, |_, _| true)
        .doing("remove rows")?
        .take(limit)
    {
        entry.doing("remove rows")?;
        removed += 1;
    }
    Ok(removed)
}
