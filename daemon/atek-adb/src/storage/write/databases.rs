//! Making and removing whole databases.

use super::{Tx, remove_some};
use crate::error::AdbError;
use crate::storage::blobs;
use crate::storage::read::{self, Read as _};
use crate::storage::tables::{self, DbNo, DbRow, DbState};
use crate::storage::{OperationContext as _, StorageError};
use atek_api::ids::DbId;
use redb::ReadableTable as _;
use std::ops::Bound;

impl Tx<'_> {
    /// Makes an empty database.
    ///
    /// # Errors
    ///
    /// An id that is in use, a failing disk.
    pub fn create_database(&mut self, id: &DbId) -> Result<DbNo, AdbError> {
        self.grows(0)?;
        if self.database(id)?.is_some() {
            return Err(AdbError::Refused(format!("the database id {id} is in use")));
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

    /// Exchanges what two databases hold.
    ///
    /// # Errors
    ///
    /// An unknown or deleted database, a failing disk.
    pub fn exchange_databases(&mut self, one: &DbId, other: &DbId) -> Result<(), AdbError> {
        let live = |row: Option<DbRow>| {
            let row = row.filter(|row| row.state == DbState::Live);
            row.ok_or(AdbError::DbNotFound)
        };
        let (first, second) = (live(self.database(one)?)?, live(self.database(other)?)?);
        self.touched = true;
        self.write_database(one, second)?;
        Ok(self.write_database(other, first)?)
    }

    /// Removes up to `limit` rows of a dropped database. Returns whether nothing of it is left.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn purge_step(&mut self, id: &DbId, limit: usize) -> Result<bool, AdbError> {
        let Some(row) = self.database(id)?.filter(|row| row.state != DbState::Live) else {
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
            freed.push(blobs::parse(row.value())?.no);
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
        self.databases
            .remove(tables::id_bytes(id).as_slice())
            .doing("purge a database")?;
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
    pub(in crate::storage) fn set_format(&mut self) -> Result<(), StorageError> {
        self.touched = true;
        let format = tables::FORMAT.to_be_bytes();
        self.meta
            .insert(tables::META_FORMAT, format.as_slice())
            .doing("note the file's layout")?;
        Ok(())
    }

    pub(in crate::storage) fn format(&self) -> Result<Option<u64>, StorageError> {
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
    pub(super) fn next_number(&mut self, name: &str) -> Result<u32, StorageError> {
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
