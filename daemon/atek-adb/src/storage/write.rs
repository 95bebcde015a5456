//! One operation inside a commit.
//!
//! Functions check everything before they change anything, where that is cheap; an
//! operation that fails after a change is taken out of the commit by
//! [`super::Engine::commit`], so all-or-none holds either way.

use super::blobs::BlobRow;
use super::indexes::IndexRow;
use super::read::{self, Read, Record, Scan};
use super::tables::{self, ChangeKind, DbNo, DbRow, DbState, Stats};
use super::{Doing as _, StorageError};
use crate::error::AdbError;
use crate::limits::Quota;
use crate::path::RecordPath;
use atek_api::ids::DbId;
use redb::{ReadableTable as _, Table, WriteTransaction};
use std::collections::{BTreeSet, HashMap};
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
pub(super) type IndexCache = HashMap<DbNo, Arc<Vec<IndexRow>>>;

/// Changes found by one step of forgetting old deletes; bounds what one delete costs.
const FORGET_SCAN: usize = 256;

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
    cache: &'t mut IndexCache,
    pending: HashMap<DbNo, Stats>,
    freed_blobs: Vec<u64>,
    tombstone_limit: u64,
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
    pub(super) fn open(
        txn: &'t WriteTransaction,
        cache: &'t mut IndexCache,
        tombstone_limit: u64,
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
            cache,
            pending: HashMap::new(),
            freed_blobs: Vec::new(),
            tombstone_limit,
            touched: false,
        })
    }

    /// Forgets what earlier operations did, to see whether the next one changes anything.
    pub(super) fn begin_op(&mut self) {
        self.touched = false;
    }

    pub(super) fn touched(&self) -> bool {
        self.touched
    }

    /// Writes the counters; the commit is complete after this.
    pub(super) fn finish(mut self) -> Result<Effects, StorageError> {
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

    // --- records ---

    /// Makes or replaces a record; `json` is the compact text of an object. Returns its sequence number.
    ///
    /// # Errors
    ///
    /// A conflict with `expected`, a full database, a failing disk.
    pub fn put(
        &mut self,
        db: DbNo,
        path: &RecordPath,
        json: &[u8],
        expected: Expected,
        quota: &Quota,
    ) -> Result<u64, AdbError> {
        if path.is_root() {
            return Err(AdbError::RootPath);
        }
        let old = self.record(db, path)?;
        check(expected, path, old.as_ref())?;
        let mut stats = self.counters(db)?;
        let added = (path.key().len() + json.len()) as u64;
        let removed = old
            .as_ref()
            .map_or(0, |old| (path.key().len() + old.json.len()) as u64);
        let records = stats.records + u64::from(old.is_none());
        // A full database may still be made smaller.
        let too_big = added > removed && stats.bytes() - removed + added > quota.max_bytes;
        if too_big || (old.is_none() && records > quota.max_records) {
            return Err(full(quota, &stats));
        }

        self.touched = true;
        stats.seq += 1;
        stats.records = records;
        stats.record_bytes = stats.record_bytes - removed + added;
        let key = tables::key(db, path.key());
        const PUT: &str = "write a record";
        self.records
            .insert(key.as_slice(), tables::value(stats.seq, json).as_slice())
            .doing(PUT)?;
        match &old {
            Some(old) => drop(self.changes.remove((db.0, old.seq)).doing(PUT)?),
            None if stats.tombstones > 0 => {
                let buried = self
                    .tombstones
                    .remove(key.as_slice())
                    .doing(PUT)?
                    .map(|seq| seq.value());
                if let Some(seq) = buried {
                    self.changes.remove((db.0, seq)).doing(PUT)?;
                    stats.tombstones -= 1;
                }
            }
            None => {}
        }
        self.changes
            .insert(
                (db.0, stats.seq),
                ChangeKind::Put.with(path.key()).as_slice(),
            )
            .doing(PUT)?;
        self.reindex(
            db,
            path,
            old.as_ref().map(|old| old.json.as_slice()),
            Some(json),
        )?;
        self.pending.insert(db, stats);
        Ok(stats.seq)
    }

    /// Deletes a record. Returns the delete's sequence number, `None` if there was no record.
    ///
    /// # Errors
    ///
    /// A conflict with `expected`, a failing disk.
    pub fn delete(
        &mut self,
        db: DbNo,
        path: &RecordPath,
        expected: Expected,
    ) -> Result<Option<u64>, AdbError> {
        if path.is_root() {
            return Err(AdbError::RootPath);
        }
        let old = self.record(db, path)?;
        check(expected, path, old.as_ref())?;
        let Some(old) = old else { return Ok(None) };
        self.touched = true;
        let mut stats = self.counters(db)?;
        stats.seq += 1;
        stats.records -= 1;
        stats.record_bytes -= (path.key().len() + old.json.len()) as u64;
        stats.tombstones += 1;
        let key = tables::key(db, path.key());
        const DELETE: &str = "delete a record";
        self.records.remove(key.as_slice()).doing(DELETE)?;
        self.changes.remove((db.0, old.seq)).doing(DELETE)?;
        self.tombstones
            .insert(key.as_slice(), stats.seq)
            .doing(DELETE)?;
        self.changes
            .insert(
                (db.0, stats.seq),
                ChangeKind::Del.with(path.key()).as_slice(),
            )
            .doing(DELETE)?;
        self.reindex(db, path, Some(&old.json), None)?;
        if stats.tombstones > self.tombstone_limit {
            self.forget(db, &mut stats)?;
        }
        self.pending.insert(db, stats);
        Ok(Some(stats.seq))
    }

    /// Forgets the oldest remembered deletes, as far as a bounded look at the change log finds them.
    fn forget(&mut self, db: DbNo, stats: &mut Stats) -> Result<(), StorageError> {
        const FORGET: &str = "forget an old delete";
        let mut dead = Vec::new();
        let mut excess = stats.tombstones - self.tombstone_limit;
        for entry in self
            .changes
            .range((db.0, stats.swept + 1)..=(db.0, u64::MAX))
            .doing(FORGET)?
            .take(FORGET_SCAN)
        {
            let (key, change) = entry.doing(FORGET)?;
            stats.swept = key.value().1;
            if let (ChangeKind::Del, path) = ChangeKind::parts(change.value())? {
                dead.push((stats.swept, tables::key(db, path)));
                excess -= 1;
                if excess == 0 {
                    break;
                }
            }
        }
        for (seq, key) in dead {
            self.changes.remove((db.0, seq)).doing(FORGET)?;
            self.tombstones.remove(key.as_slice()).doing(FORGET)?;
            stats.tombstones -= 1;
            stats.floor = seq;
        }
        Ok(())
    }

    fn reindex(
        &mut self,
        db: DbNo,
        path: &RecordPath,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<(), StorageError> {
        let rows = self.index_rows(db)?;
        if !rows.iter().any(|row| row.covers(path)) {
            return Ok(());
        }
        // A text that JSON allows and strings do not (a lone surrogate) is not indexed.
        let parse = |json: Option<&[u8]>| json.and_then(|json| serde_json::from_slice(json).ok());
        let (old, new) = (parse(old), parse(new));
        for row in rows.iter().filter(|row| row.covers(path)) {
            let before = old
                .as_ref()
                .map(|value| row.entries(path, value))
                .unwrap_or_default();
            let after = new
                .as_ref()
                .map(|value| row.entries(path, value))
                .unwrap_or_default();
            for gone in before.difference(&after) {
                self.entries
                    .remove(gone.as_slice())
                    .doing("write an index")?;
            }
            for come in after.difference(&before) {
                self.entries
                    .insert(come.as_slice(), ())
                    .doing("write an index")?;
            }
        }
        Ok(())
    }

    // --- indexes ---

    /// Declares an index; `pointers` are valid. It is ready only after [`Tx::index_step`] has seen all records.
    ///
    /// # Errors
    ///
    /// A name that is taken, a failing disk.
    pub fn create_index(
        &mut self,
        db: DbNo,
        name: &str,
        path: &RecordPath,
        pointers: Vec<String>,
    ) -> Result<IndexRow, AdbError> {
        if self.index_rows(db)?.iter().any(|row| row.name == name) {
            return Err(AdbError::Refused(format!(
                "an index named {name:?} exists already"
            )));
        }
        self.touched = true;
        let no = self.next_number(tables::META_NEXT_INDEX)?;
        let ready = self.counters(db)?.records == 0;
        let row = IndexRow {
            no,
            name: name.to_owned(),
            path: path.key().to_owned(),
            pointers,
            ready,
        };
        self.write_index(db, &row)?;
        Ok(row)
    }

    /// Indexes the next `limit` records of a declared index, those after `after`. Returns where to go on; `None` when the index is ready.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn index_step(
        &mut self,
        db: DbNo,
        name: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<String>, AdbError> {
        let Some(mut row) = self
            .index_rows(db)?
            .iter()
            .find(|row| row.name == name)
            .cloned()
        else {
            return Ok(None);
        };
        let mut scan = Scan::under(&RecordPath::from_key(&row.path));
        if let Some(after) = after {
            scan.raise(Bound::Excluded(after.to_owned()));
        }
        let (mut last, mut seen, mut entries) = (None, 0, BTreeSet::new());
        self.scan(db, &scan, &mut |key, _, json| {
            if let Ok(value) = serde_json::from_slice(json) {
                entries.extend(row.entries(&RecordPath::from_key(key), &value));
            }
            last = Some(key.to_owned());
            seen += 1;
            seen < limit
        })?;
        self.touched = true;
        for entry in entries {
            self.entries
                .insert(entry.as_slice(), ())
                .doing("build an index")?;
        }
        if seen < limit {
            row.ready = true;
            self.write_index(db, &row)?;
            return Ok(None);
        }
        Ok(last)
    }

    /// Forgets an index, and up to `limit` of its entries. Returns whether all are gone: if not, [`Tx::drop_entries`] goes on.
    ///
    /// # Errors
    ///
    /// An unknown name, a failing disk.
    pub fn drop_index(&mut self, db: DbNo, name: &str) -> Result<u32, AdbError> {
        let removed = self
            .indexes
            .remove((db.0, name))
            .doing("drop an index")?
            .map(|row| row.value().to_vec());
        let Some(row) = removed else {
            return Err(AdbError::Refused(format!("no index is named {name:?}")));
        };
        self.touched = true;
        self.cache.remove(&db);
        let row: IndexRow =
            serde_json::from_slice(&row).map_err(|_| StorageError::Damaged("index"))?;
        Ok(row.no)
    }

    /// Removes up to `limit` entries of a dropped index. Returns whether none is left.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn drop_entries(&mut self, index_no: u32, limit: usize) -> Result<bool, StorageError> {
        self.touched = true;
        let from = index_no.to_be_bytes();
        let to = super::indexes::end_of(&from);
        let to = to
            .as_ref()
            .map_or(Bound::Unbounded, |to| Bound::Excluded(to.as_slice()));
        remove_some::<_, _, &[u8]>(
            &mut self.entries,
            (Bound::Included(from.as_slice()), to),
            limit,
        )
        .map(|removed| removed < limit)
    }

    fn write_index(&mut self, db: DbNo, row: &IndexRow) -> Result<(), StorageError> {
        let text = serde_json::to_vec(row).map_err(|_| StorageError::Damaged("index"))?;
        self.indexes
            .insert((db.0, row.name.as_str()), text.as_slice())
            .doing("declare an index")?;
        self.cache.remove(&db);
        Ok(())
    }

    // --- blobs ---

    /// Names the blob file of a path; the file is complete and synced. The file it had before is freed.
    ///
    /// # Errors
    ///
    /// A full database, a failing disk.
    pub fn put_blob(
        &mut self,
        db: DbNo,
        path: &RecordPath,
        row: &BlobRow,
        quota: &Quota,
    ) -> Result<(), AdbError> {
        if path.is_root() {
            return Err(AdbError::RootPath);
        }
        let old = self.blob(db, path)?;
        let mut stats = self.counters(db)?;
        let removed = old.as_ref().map_or(0, |old| old.size);
        if row.size > removed && stats.bytes() - removed + row.size > quota.max_bytes {
            return Err(full(quota, &stats));
        }
        self.touched = true;
        stats.blobs += u64::from(old.is_none());
        stats.blob_bytes = stats.blob_bytes - removed + row.size;
        let text = serde_json::to_vec(row).map_err(|_| StorageError::Damaged("blob row"))?;
        self.blobs
            .insert(tables::key(db, path.key()).as_slice(), text.as_slice())
            .doing("write a blob")?;
        self.freed_blobs.extend(old.map(|old| old.no));
        self.pending.insert(db, stats);
        Ok(())
    }

    /// Deletes a blob. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn delete_blob(&mut self, db: DbNo, path: &RecordPath) -> Result<bool, AdbError> {
        let Some(old) = self.blob(db, path)? else {
            return Ok(false);
        };
        self.touched = true;
        let mut stats = self.counters(db)?;
        stats.blobs -= 1;
        stats.blob_bytes -= old.size;
        self.blobs
            .remove(tables::key(db, path.key()).as_slice())
            .doing("delete a blob")?;
        self.freed_blobs.push(old.no);
        self.pending.insert(db, stats);
        Ok(true)
    }

    /// The blob at a path.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn blob(&self, db: DbNo, path: &RecordPath) -> Result<Option<BlobRow>, StorageError> {
        super::blobs::row(&self.blobs, db, path)
    }

    // --- databases ---

    /// Makes an empty database.
    ///
    /// # Errors
    ///
    /// An id that is or was in use, a failing disk.
    pub fn create_database(&mut self, id: &DbId) -> Result<DbNo, AdbError> {
        if self.database(id)?.is_some() {
            return Err(AdbError::Refused(format!(
                "the database id {id} has been used before"
            )));
        }
        self.touched = true;
        let no = DbNo(self.next_number(tables::META_NEXT_DB)?);
        self.write_database(
            id,
            DbRow {
                no,
                state: DbState::Live,
            },
        )?;
        Ok(no)
    }

    /// Makes a database unreachable; [`Tx::purge_step`] removes what it held.
    ///
    /// # Errors
    ///
    /// An unknown or deleted database, a failing disk.
    pub fn drop_database(&mut self, id: &DbId) -> Result<DbNo, AdbError> {
        match self.database(id)? {
            Some(row) if row.state == DbState::Live => {
                self.touched = true;
                self.write_database(
                    id,
                    DbRow {
                        state: DbState::Leaving,
                        ..row
                    },
                )?;
                Ok(row.no)
            }
            _ => Err(AdbError::DbNotFound),
        }
    }

    /// Removes up to `limit` rows of a dropped database. Returns whether nothing of it is left.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn purge_step(&mut self, id: &DbId, limit: usize) -> Result<bool, AdbError> {
        let Some(row) = self
            .database(id)?
            .filter(|row| row.state == DbState::Leaving)
        else {
            return Ok(true);
        };
        self.touched = true;
        let db = row.no;
        for index in self.index_rows(db)?.iter() {
            if !self.drop_entries(index.no, limit)? {
                return Ok(false);
            }
            self.indexes
                .remove((db.0, index.name.as_str()))
                .doing("drop an index")?;
        }
        self.cache.remove(&db);
        let (from, to) = (tables::key(db, ""), read::after(db));
        let range = (
            Bound::Included(from.as_slice()),
            to.as_ref().map(Vec::as_slice),
        );
        let mut freed = Vec::new();
        for entry in self
            .blobs
            .range::<&[u8]>(range)
            .doing("purge a database")?
            .take(limit)
        {
            let (_, row) = entry.doing("purge a database")?;
            freed.push(super::blobs::parse(row.value())?.no);
        }
        self.freed_blobs.extend(freed);
        let removed = remove_some::<_, _, &[u8]>(&mut self.records, range, limit)?
            + remove_some::<_, _, &[u8]>(&mut self.tombstones, range, limit)?
            + remove_some::<_, _, &[u8]>(&mut self.blobs, range, limit)?
            + remove_some(&mut self.changes, (db.0, 0)..=(db.0, u64::MAX), limit)?;
        if removed > 0 {
            return Ok(false);
        }
        self.stats.remove(db.0).doing("purge a database")?;
        self.pending.remove(&db);
        self.write_database(
            id,
            DbRow {
                state: DbState::Gone,
                ..row
            },
        )?;
        Ok(true)
    }

    /// Says which database is the server database.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn set_server_db(&mut self, id: &DbId) -> Result<(), StorageError> {
        self.touched = true;
        self.meta
            .insert(tables::META_SERVER_DB, tables::id_bytes(id).as_slice())
            .doing("note the server database")?;
        Ok(())
    }

    /// Settles an empty file: creates all tables and notes the layout's version.
    pub(super) fn set_format(&mut self) -> Result<(), StorageError> {
        self.touched = true;
        let format = tables::FORMAT.to_be_bytes();
        self.meta
            .insert(tables::META_FORMAT, format.as_slice())
            .doing("note the file's layout")?;
        Ok(())
    }

    pub(super) fn format(&self) -> Result<Option<u64>, StorageError> {
        let found = self
            .meta
            .get(tables::META_FORMAT)
            .doing("read the file's layout")?;
        found
            .map(|n| {
                n.value()
                    .try_into()
                    .map(u64::from_be_bytes)
                    .map_err(|_| StorageError::Damaged("layout number"))
            })
            .transpose()
    }

    fn write_database(&mut self, id: &DbId, row: DbRow) -> Result<(), StorageError> {
        self.databases
            .insert(tables::id_bytes(id).as_slice(), row.to_bytes().as_slice())
            .doing("write a database's row")?;
        Ok(())
    }

    /// Counts up from 1 and never back.
    fn next_number(&mut self, name: &str) -> Result<u32, StorageError> {
        let damaged = || StorageError::Damaged("number of databases or indexes");
        let last = self
            .meta
            .get(name)
            .doing("count up")?
            .map(|n| n.value().try_into().map(u32::from_be_bytes));
        let next = last
            .transpose()
            .map_err(|_| damaged())?
            .unwrap_or(0)
            .checked_add(1)
            .ok_or_else(damaged)?;
        self.meta
            .insert(name, next.to_be_bytes().as_slice())
            .doing("count up")?;
        Ok(next)
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

fn check(expected: Expected, path: &RecordPath, found: Option<&Record>) -> Result<(), AdbError> {
    let found = found.map_or(0, |record| record.seq);
    match expected {
        Expected::Seq(expected) if expected != found => Err(AdbError::Conflict {
            path: path.text(),
            found,
            expected,
        }),
        Expected::Seq(_) | Expected::Any => Ok(()),
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
