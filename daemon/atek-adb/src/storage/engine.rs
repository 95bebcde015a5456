//! The redb file: open, look at the latest commit, commit a batch, compact.

use super::blobs::BlobRow;
use super::changes::{self, Change};
use super::disk::{Disk, QuotaAccount, Room};
use super::indexes::IndexRow;
use super::read::{self, Read, Record, Scan};
use super::tables::{self, DbNo, DbRow, Stats};
use super::write::{Effects, IndexCache, Tx};
use super::{OperationContext as _, StorageError};
use crate::error::DisplayChain;
use crate::limits::Limits;
use crate::path::RecordPath;
use atek_api::ids::DbId;
use redb::{
    Builder, CompactionError, Database, ReadTransaction, ReadableDatabase as _, StorageBackend,
};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock};

/// How an operation went inside a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its changes, if any, are to be kept.
    Done,
    /// It failed for a reason of its own.
    Refused,
    /// The storage failed under it: nothing of this commit can be kept.
    Broken,
    /// The same, because the disk is full.
    NoRoom,
}

/// One operation that can be tried more than once.
pub trait Job: Send {
    /// Tries it from the start.
    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome;

    /// On whose account it writes.
    fn purse(&self) -> QuotaAccount {
        QuotaAccount::Everybody
    }
}

/// The open file.
#[derive(Debug)]
pub struct Engine {
    // Writers and readers share it; compaction takes it alone, and so does opening it again.
    // Absent only when that failed.
    db: RwLock<Option<Database>>,
    // Held by the one commit that runs.
    cache: Mutex<IndexCache>,
    tombstone_limit: u64,
    disk: Option<Disk>,
}

impl Engine {
    /// Opens or makes the file in `folder`, with a page cache of `cache_bytes`.
    ///
    /// # Errors
    ///
    /// A failing disk, another process that has the file open, a newer layout.
    pub fn open(folder: &Path, cache_bytes: usize, limits: &Limits) -> Result<Self, StorageError> {
        let disk = Disk::new(folder, cache_bytes, limits);
        Self::initialize(disk.open()?, limits.tombstones, Some(disk))
    }

    /// The same over any storage, for tests that take it away.
    ///
    /// # Errors
    ///
    /// As [`Engine::open`].
    pub fn with_backend(
        backend: impl StorageBackend,
        tombstone_limit: u64,
    ) -> Result<Self, StorageError> {
        let db = Builder::new()
            .set_cache_size(1 << 20)
            .create_with_backend(backend)
            .doing("open the file")?;
        Self::initialize(db, tombstone_limit, None)
    }

    fn initialize(
        db: Database,
        tombstone_limit: u64,
        disk: Option<Disk>,
    ) -> Result<Self, StorageError> {
        let engine = Self {
            db: RwLock::new(Some(db)),
            cache: Mutex::default(),
            tombstone_limit,
            disk,
        };
        let mut format = FindFormat(Ok(None));
        engine.commit(&mut [&mut format])?;
        match format.0? {
            Some(tables::FORMAT) => Ok(engine),
            Some(other) => Err(StorageError::Format(other)),
            None => Err(StorageError::Damaged("layout number")),
        }
    }

    /// The state after the latest commit.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn snapshot(&self) -> Result<Snapshot, StorageError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or(StorageError::Stopped)?;
        Ok(Snapshot {
            txn: db.begin_read().doing("begin to read")?,
        })
    }

    /// Bytes that apps and people may still write to the disk.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.disk.as_ref().map_or(u64::MAX, Disk::room)
    }

    /// Runs `jobs` in order and makes their changes durable in one commit.
    ///
    /// A job that fails after it has changed something is taken out, and the others
    /// run again without it. Without any change there is no commit.
    ///
    /// # Errors
    ///
    /// [`StorageError::NoRoom`] on a full disk: no job's changes are kept, and the next commit may
    /// be tried. Any other: no job's changes are kept, and the file should be opened again by a
    /// new process.
    pub fn commit(&self, jobs: &mut [&mut dyn Job]) -> Result<Effects, StorageError> {
        match self.try_commit(jobs) {
            Err(error) if error.is_no_room() => {
                tracing::warn!(error = %DisplayChain(&error), "the disk is full");
                self.reopen()?;
                Err(StorageError::NoRoom)
            }
            other => other,
        }
    }

    /// After a failed write redb takes no other, and reads nothing: the file is closed, and opened
    /// at the latest commit. Reads under way end with an error.
    fn reopen(&self) -> Result<(), StorageError> {
        let disk = self.disk.as_ref().ok_or(StorageError::NoRoom)?;
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // The old one lets go of the file first.
        *db = None;
        *db = Some(disk.open()?);
        Ok(())
    }

    fn try_commit(&self, jobs: &mut [&mut dyn Job]) -> Result<Effects, StorageError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or(StorageError::Stopped)?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Room::new(self.room());
        let mut out = vec![false; jobs.len()];
        loop {
            let txn = db.begin_write().doing("begin to write")?;
            let mut tx = Tx::open(&txn, &mut cache, self.tombstone_limit, room)?;
            let (mut changed, mut again, mut broken) = (false, false, None);
            for (job, out) in jobs.iter_mut().zip(&mut out) {
                if *out {
                    continue;
                }
                tx.begin_op(job.purse());
                match (job.run(&mut tx), tx.touched()) {
                    (Outcome::Done, touched) => changed |= touched,
                    (Outcome::Refused, false) => {}
                    (Outcome::Refused, true) => {
                        (*out, again) = (true, true);
                        break;
                    }
                    (Outcome::Broken, _) => {
                        broken = Some(StorageError::Stopped);
                        break;
                    }
                    (Outcome::NoRoom, _) => {
                        broken = Some(StorageError::NoRoom);
                        break;
                    }
                }
            }
            if broken.is_some() || again || !changed {
                drop(tx);
                if broken.is_some() || again {
                    // It may hold what the abandoned write had declared.
                    cache.clear();
                }
                if let Some(error) = broken {
                    return Err(error);
                }
                txn.abort().doing("abort a write")?;
                if again {
                    continue;
                }
                return Ok(Effects::default());
            }
            let effects = tx.finish()?;
            return match txn.commit().doing("commit") {
                Ok(()) => Ok(effects),
                Err(error) => {
                    cache.clear();
                    Err(error)
                }
            };
        }
    }

    /// Gives unused space back to the file system. Returns whether the file became smaller.
    ///
    /// # Errors
    ///
    /// [`StorageError::InUse`] while any snapshot is alive; [`StorageError::NoRoom`] on a full
    /// disk; a failing disk.
    pub fn compact(&self) -> Result<bool, StorageError> {
        match self.try_compact() {
            Err(error) if error.is_no_room() => {
                self.reopen()?;
                Err(StorageError::NoRoom)
            }
            other => other,
        }
    }

    fn try_compact(&self) -> Result<bool, StorageError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_mut().ok_or(StorageError::Stopped)?;
        match db.compact() {
            Ok(smaller) => Ok(smaller),
            Err(CompactionError::TransactionInProgress) => Err(StorageError::InUse),
            Err(error) => Err(error).doing("compact the file"),
        }
    }
}

/// The first operation on every file.
struct FindFormat(Result<Option<u64>, StorageError>);

impl Job for FindFormat {
    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome {
        self.0 = match tx.format() {
            Ok(None) => tx.set_format().map(|()| Some(tables::FORMAT)),
            other => other,
        };
        Outcome::Done
    }
}

/// One consistent state. Keep it short: the file cannot reuse space while it lives.
pub struct Snapshot {
    txn: ReadTransaction,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

const OPEN: &str = "open a table";

impl Snapshot {
    /// The changes of a database under `path` after `since`, see `recordDiff`.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn changes(
        &self,
        db: DbNo,
        since: u64,
        scan_limit: usize,
        each: &mut dyn FnMut(Change<'_>) -> bool,
    ) -> Result<changes::Scanned, StorageError> {
        changes::scan(
            &self.txn.open_table(tables::CHANGES).doing(OPEN)?,
            db,
            since,
            scan_limit,
            each,
        )
    }

    /// The blob at a path.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn blob(&self, db: DbNo, path: &RecordPath) -> Result<Option<BlobRow>, StorageError> {
        super::blobs::row(&self.txn.open_table(tables::BLOBS).doing(OPEN)?, db, path)
    }

    /// Calls `each` for the blobs of a database under `path`, in order, until it returns `false`.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn blobs(
        &self,
        db: DbNo,
        path: &RecordPath,
        each: &mut dyn FnMut(&str, BlobRow) -> bool,
    ) -> Result<(), StorageError> {
        super::blobs::list(
            &self.txn.open_table(tables::BLOBS).doing(OPEN)?,
            db,
            path,
            each,
        )
    }

    /// The numbers of all blob files that rows refer to.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn blob_files(&self) -> Result<std::collections::HashSet<u64>, StorageError> {
        super::blobs::files(&self.txn.open_table(tables::BLOBS).doing(OPEN)?)
    }
}

impl Read for Snapshot {
    fn record(&self, db: DbNo, path: &RecordPath) -> Result<Option<Record>, StorageError> {
        read::record(&self.txn.open_table(tables::RECORDS).doing(OPEN)?, db, path)
    }

    fn scan(
        &self,
        db: DbNo,
        scan: &Scan,
        each: &mut dyn FnMut(&str, u64, &[u8]) -> bool,
    ) -> Result<(), StorageError> {
        read::scan(
            &self.txn.open_table(tables::RECORDS).doing(OPEN)?,
            db,
            scan,
            each,
        )
    }

    fn database(&self, id: &DbId) -> Result<Option<DbRow>, StorageError> {
        read::database(&self.txn.open_table(tables::DATABASES).doing(OPEN)?, id)
    }

    fn databases(&self) -> Result<Vec<(DbId, DbRow)>, StorageError> {
        read::databases(&self.txn.open_table(tables::DATABASES).doing(OPEN)?)
    }

    fn stats(&self, db: DbNo) -> Result<Stats, StorageError> {
        read::stats(&self.txn.open_table(tables::STATS).doing(OPEN)?, db)
    }

    fn server_db(&self) -> Result<Option<DbId>, StorageError> {
        read::server_db(&self.txn.open_table(tables::META).doing(OPEN)?)
    }

    fn indexes(&self, db: DbNo) -> Result<Vec<IndexRow>, StorageError> {
        read::indexes(&self.txn.open_table(tables::INDEXES).doing(OPEN)?, db)
    }

    fn entries(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), StorageError> {
        read::entries(
            &self.txn.open_table(tables::ENTRIES).doing(OPEN)?,
            from,
            to,
            reverse,
            each,
        )
    }
}
