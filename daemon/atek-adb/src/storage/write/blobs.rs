//! Rows of blobs inside a commit.

use super::{Tx, full};
use crate::error::AdbError;
use crate::limits::Quota;
use crate::path::RecordPath;
use crate::storage::blobs::{self, BlobRow};
use crate::storage::tables::{self, DbNo};
use crate::storage::{OperationContext as _, StorageError};

impl Tx<'_> {
    /// Names the blob file of a path; the file is complete and synced. The file it had before is
    /// freed. A database has at most `most` blobs: an empty one still costs a file.
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
        most: u64,
    ) -> Result<(), AdbError> {
        if path.is_root() {
            return Err(AdbError::RootPath);
        }
        self.grows(0)?;
        let old = self.blob(db, path)?;
        let mut stats = self.counters(db)?;
        let removed = old.as_ref().map_or(0, |old| old.size);
        if row.size > removed && stats.bytes() - removed + row.size > quota.max_bytes {
            return Err(full(quota, &stats));
        }
        if old.is_none() && stats.blobs >= most {
            return Err(AdbError::Limit(format!(
                "a database has at most {most} blobs: delete some first"
            )));
        }
        let kept = self.note_old_blob(db, path, old.as_ref())?;
        self.touched = true;
        stats.blobs += u64::from(old.is_none());
        stats.blob_bytes = stats.blob_bytes - removed + row.size;
        let text = serde_json::to_vec(row).map_err(|_| StorageError::Damaged("blob row"))?;
        self.blobs
            .insert(tables::key(db, path.key()).as_slice(), text.as_slice())
            .doing("write a blob")?;
        self.freed_blobs
            .extend(old.filter(|_| !kept).map(|old| old.no));
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
        let kept = self.note_old_blob(db, path, Some(&old))?;
        self.touched = true;
        let mut stats = self.counters(db)?;
        stats.blobs -= 1;
        stats.blob_bytes -= old.size;
        self.blobs
            .remove(tables::key(db, path.key()).as_slice())
            .doing("delete a blob")?;
        if !kept {
            self.freed_blobs.push(old.no);
        }
        self.pending.insert(db, stats);
        Ok(true)
    }

    /// The blob at a path.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn blob(&self, db: DbNo, path: &RecordPath) -> Result<Option<BlobRow>, StorageError> {
        blobs::row(&self.blobs, db, path)
    }
}
