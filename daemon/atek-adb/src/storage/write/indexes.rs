//! Declaring, building and dropping secondary indexes, in steps that keep commits short.

use super::{Tx, remove_some};
use crate::error::AdbError;
use crate::path::RecordPath;
use crate::storage::indexes::{IndexRow, IndexState, end_of};
use crate::storage::read::{Read as _, Scan};
use crate::storage::tables::{self, DbNo};
use crate::storage::{OperationContext as _, StorageError};
use std::collections::BTreeSet;
use std::ops::Bound;

/// Bytes of entries that one step adds, about.
const STEP_BYTES: usize = 1 << 20;

impl Tx<'_> {
    /// Declares an index; `pointers` are valid. It is ready at once in an empty database, else only
    /// after [`Tx::index_step`] has seen all records.
    ///
    /// # Errors
    ///
    /// A name that is taken, too many indexes, a failing disk.
    pub fn create_index(
        &mut self,
        db: DbNo,
        name: &str,
        path: &RecordPath,
        pointers: Vec<String>,
        limit: usize,
    ) -> Result<IndexRow, AdbError> {
        self.grows(0)?;
        let rows = self.index_rows(db)?;
        let named = || rows.iter().filter(|row| row.state != IndexState::Leaving);
        if named().any(|row| row.name == name) {
            return Err(AdbError::Refused(format!(
                "an index named {name:?} exists already"
            )));
        }
        if named().count() >= limit {
            return Err(AdbError::Limit(format!(
                "a database has at most {limit} indexes"
            )));
        }
        self.touched = true;
        let no = self.next_number(tables::META_NEXT_INDEX)?;
        let empty = self.counters(db)?.records == 0;
        let state = if empty {
            IndexState::Ready
        } else {
            IndexState::Building
        };
        let row = IndexRow {
            no,
            name: name.to_owned(),
            path: path.key().to_owned(),
            pointers,
            state,
        };
        self.write_index(db, &row)?;
        Ok(row)
    }

    /// Indexes the next `limit` records of a declared index, those after `after`. Returns where to
    /// go on; `None` when the index is ready or gone.
    ///
    /// # Errors
    ///
    /// A full or failing disk.
    pub fn index_step(
        &mut self,
        db: DbNo,
        index_no: u32,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<String>, AdbError> {
        let building = |row: &&IndexRow| row.no == index_no && row.state == IndexState::Building;
        let Some(mut row) = self.index_rows(db)?.iter().find(building).cloned() else {
            return Ok(None);
        };
        let mut scan = Scan::under(&RecordPath::from_key(&row.path));
        if let Some(after) = after {
            scan.raise(Bound::Excluded(after.to_owned()));
        }
        let (mut last, mut seen, mut bytes, mut entries) = (None, 0, 0, BTreeSet::new());
        let mut is_end = true;
        self.scan(db, &scan, &mut |key, _, json| {
            if let Ok(value) = serde_json::from_slice(json) {
                for entry in row.entries(&RecordPath::from_key(key), &value) {
                    bytes += entry.len();
                    entries.insert(entry);
                }
            }
            last = Some(key.to_owned());
            seen += 1;
            is_end = seen < limit && bytes < STEP_BYTES;
            is_end
        })?;
        self.grows(entries.iter().map(Vec::len).sum())?;
        self.touched = true;
        for entry in entries {
            self.entries
                .insert(entry.as_slice(), ())
                .doing("build an index")?;
        }
        if is_end {
            row.state = IndexState::Ready;
            self.write_index(db, &row)?;
            return Ok(None);
        }
        Ok(last)
    }

    /// Drops an index: its name is free at once, [`Tx::drop_index_step`] removes its entries.
    /// Returns its number.
    ///
    /// # Errors
    ///
    /// An unknown name, a failing disk.
    pub fn drop_index(&mut self, db: DbNo, name: &str) -> Result<u32, AdbError> {
        let named = |row: &&IndexRow| row.name == name && row.state != IndexState::Leaving;
        let Some(mut row) = self.index_rows(db)?.iter().find(named).cloned() else {
            return Err(AdbError::Refused(format!("no index is named {name:?}")));
        };
        self.touched = true;
        self.indexes.remove((db.0, name)).doing("drop an index")?;
        // A name that no caller can choose.
        row.name = format!("\0{}", row.no);
        row.state = IndexState::Leaving;
        self.write_index(db, &row)?;
        Ok(row.no)
    }

    /// Removes up to `limit` entries of a dropped index. Returns whether nothing of it is left.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn drop_index_step(
        &mut self,
        db: DbNo,
        index_no: u32,
        limit: usize,
    ) -> Result<bool, AdbError> {
        let leaving = |row: &&IndexRow| row.no == index_no && row.state == IndexState::Leaving;
        let Some(row) = self.index_rows(db)?.iter().find(leaving).cloned() else {
            return Ok(true);
        };
        if !self.drop_entries(index_no, limit)? {
            return Ok(false);
        }
        self.indexes
            .remove((db.0, row.name.as_str()))
            .doing("drop an index")?;
        self.cache.remove(&db);
        Ok(true)
    }

    /// Removes up to `limit` entries of an index. Returns whether none is left.
    pub(super) fn drop_entries(
        &mut self,
        index_no: u32,
        limit: usize,
    ) -> Result<bool, StorageError> {
        self.touched = true;
        let from = index_no.to_be_bytes();
        let to = end_of(&from);
        let to = to
            .as_ref()
            .map_or(Bound::Unbounded, |to| Bound::Excluded(to.as_slice()));
        let range = (Bound::Included(from.as_slice()), to);
        Ok(remove_some::<_, _, &[u8]>(&mut self.entries, range, limit)? < limit)
    }

    fn write_index(&mut self, db: DbNo, row: &IndexRow) -> Result<(), StorageError> {
        let text = serde_json::to_vec(row).map_err(|_| StorageError::Damaged("index"))?;
        self.indexes
            .insert((db.0, row.name.as_str()), text.as_slice())
            .doing("declare an index")?;
        self.cache.remove(&db);
        Ok(())
    }
}
