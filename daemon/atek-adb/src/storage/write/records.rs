//! Records inside a commit: the record, its place in the change log, its index entries.

use super::{Expected, Tx, full, trial};
use crate::error::AdbError;
use crate::limits::Quota;
use crate::path::RecordPath;
use crate::storage::read::{Read as _, Record};
use crate::storage::tables::{self, ChangeKind, DbNo, Stats};
use crate::storage::{OperationContext as _, StorageError};
use redb::ReadableTable as _;

/// Changes found by one step of forgetting old deletes; bounds what one delete costs.
const FORGET_SCAN: usize = 256;

impl Tx<'_> {
    /// Makes or replaces a record; `json` is the compact text of an object. Returns its sequence
    /// number.
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
        self.grows(path.key().len() + json.len())?;
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

        let before = old.as_ref().map(|old| old.json.as_slice());
        self.note_old(trial::RECORD, db, path, before)?;
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
        let added = self.reindex(
            db,
            path,
            old.as_ref().map(|old| old.json.as_slice()),
            Some(json),
        )?;
        self.grows(added)?;
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
        self.note_old(trial::RECORD, db, path, Some(&old.json))?;
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

    /// Forgets the oldest remembered deletes, as far as a bounded look at the change log finds
    /// them.
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

    /// Keeps the indexes up. Returns the bytes of the entries that came.
    fn reindex(
        &mut self,
        db: DbNo,
        path: &RecordPath,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<usize, StorageError> {
        let rows = self.index_rows(db)?;
        if !rows.iter().any(|row| row.covers(path)) {
            return Ok(0);
        }
        let mut added = 0;
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
                added += come.len();
                self.entries
                    .insert(come.as_slice(), ())
                    .doing("write an index")?;
            }
        }
        Ok(added)
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
