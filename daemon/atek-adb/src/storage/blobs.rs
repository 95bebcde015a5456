//! Blobs: files beside the redb file, and the rows that name them.
//!
//! A file is written and synced under its own number before a commit names it, and
//! unlinked after a commit no longer does. So a crash leaves at most files that
//! nothing names; they are removed at the next start.

use super::read::{self, Scan};
use super::tables::{self, DbNo};
use super::{OperationContext as _, StorageError};
use crate::path::RecordPath;
use redb::ReadableTable;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is known about a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRow {
    /// Number of its file.
    pub no: u64,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub hash: String,
    /// Media type, as the writer said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<BlobRow, StorageError> {
    serde_json::from_slice(bytes).map_err(|_| StorageError::Damaged("blob row"))
}

pub(super) fn row(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    db: DbNo,
    path: &RecordPath,
) -> Result<Option<BlobRow>, StorageError> {
    let found = table
        .get(tables::key(db, path.key()).as_slice())
        .doing("find a blob")?;
    found.map(|row| parse(row.value())).transpose()
}

pub(super) fn list(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    db: DbNo,
    path: &RecordPath,
    each: &mut dyn FnMut(&str, BlobRow) -> bool,
) -> Result<(), StorageError> {
    let Scan { from, to, .. } = Scan::under(path);
    let whole = |bound: Bound<String>| match bound {
        Bound::Included(key) => Some(Bound::Included(tables::key(db, &key))),
        Bound::Excluded(key) => Some(Bound::Excluded(tables::key(db, &key))),
        Bound::Unbounded => None,
    };
    let from = whole(from).unwrap_or(Bound::Unbounded);
    let to = whole(to).unwrap_or_else(|| read::after(db));
    let range = (
        from.as_ref().map(Vec::as_slice),
        to.as_ref().map(Vec::as_slice),
    );
    for entry in table.range::<&[u8]>(range).doing("list blobs")? {
        let (key, value) = entry.doing("list blobs")?;
        if !each(tables::path_of(key.value())?, parse(value.value())?) {
            break;
        }
    }
    Ok(())
}

pub(super) fn files(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
) -> Result<HashSet<u64>, StorageError> {
    let mut numbers = HashSet::new();
    for entry in table.iter().doing("list blobs")? {
        numbers.insert(parse(entry.doing("list blobs")?.1.value())?.no);
    }
    Ok(numbers)
}

/// The folder of blob files.
#[derive(Debug)]
pub struct BlobFiles {
    folder: PathBuf,
    next: AtomicU64,
    held: Mutex<Held>,
}

/// Files that may not be unlinked yet.
#[derive(Debug, Default)]
struct Held {
    holders: usize,
    waiting: Vec<u64>,
}

/// While one lives, no blob file is unlinked: an export reads what its snapshot names.
#[derive(Debug)]
pub struct Hold(Arc<BlobFiles>);

impl BlobFiles {
    /// Opens or makes the folder, and removes the files that no row names.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn open(folder: &Path, named: &HashSet<u64>) -> Result<Self, StorageError> {
        let fail = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| StorageError::File {
                operation,
                path,
                source,
            }
        };
        fs::create_dir_all(folder).map_err(fail("make the folder", folder))?;
        for entry in fs::read_dir(folder).map_err(fail("list the folder", folder))? {
            let path = entry.map_err(fail("list the folder", folder))?.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.parse().ok());
            if number.is_none_or(|number: u64| !named.contains(&number)) {
                tracing::info!(file = %path.display(), "removed a blob that nothing names");
                fs::remove_file(&path).map_err(fail("remove", &path))?;
            }
        }
        let next = named.iter().max().map_or(1, |last| last + 1);
        Ok(Self {
            folder: folder.to_owned(),
            next: AtomicU64::new(next),
            held: Mutex::default(),
        })
    }

    /// Begins a new file of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn create(self: &Arc<Self>, limit: u64) -> Result<BlobWriter, StorageError> {
        let no = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path(no);
        let file = File::create_new(&path).map_err(|source| StorageError::File {
            operation: "create",
            path,
            source,
        })?;
        Ok(BlobWriter {
            files: self.clone(),
            no,
            file: Some(file),
            hash: Sha256::new(),
            size: 0,
            limit,
        })
    }

    /// Opens the file of a row.
    ///
    /// # Errors
    ///
    /// A failing disk; `NotFound` inside when the blob was deleted since the row was read.
    pub fn read(&self, no: u64) -> Result<File, StorageError> {
        let path = self.path(no);
        File::open(&path).map_err(|source| StorageError::File {
            operation: "open",
            path,
            source,
        })
    }

    /// Keeps all files until the hold is dropped.
    #[must_use]
    pub fn hold(self: &Arc<Self>) -> Hold {
        self.lock().holders += 1;
        Hold(self.clone())
    }

    /// Unlinks files that no row names any more.
    pub(super) fn free(&self, numbers: Vec<u64>) {
        if numbers.is_empty() {
            return;
        }
        let mut held = self.lock();
        if held.holders > 0 {
            held.waiting.extend(numbers);
            return;
        }
        drop(held);
        for no in numbers {
            self.unlink(no);
        }
    }

    fn unlink(&self, no: u64) {
        let path = self.path(no);
        if let Err(error) = fs::remove_file(&path) {
            // The next start tries again.
            tracing::warn!(file = %path.display(), %error, "cannot remove a blob");
        }
    }

    fn path(&self, no: u64) -> PathBuf {
        self.folder.join(no.to_string())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.0.lock();
        held.holders -= 1;
        let free = if held.holders == 0 {
            std::mem::take(&mut held.waiting)
        } else {
            Vec::new()
        };
        drop(held);
        for no in free {
            self.0.unlink(no);
        }
    }
}

/// A blob file being written. Dropped before [`BlobWriter::finish`] has succeeded, it is removed.
#[derive(Debug)]
pub struct BlobWriter {
    files: Arc<BlobFiles>,
    no: u64,
    file: Option<File>,
    hash: Sha256,
    size: u64,
    limit: u64,
}

impl BlobWriter {
    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// `FileTooLarge` over the limit; a failing disk.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("the blob is larger than {} bytes", self.limit),
            ));
        }
        self.hash.update(bytes);
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Makes the file durable. A row may name it from now on; if none does, [`BlobFiles::free`] it.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn finish(mut self, media_type: Option<String>) -> io::Result<BlobRow> {
        if let Some(file) = &self.file {
            file.sync_all()?;
            File::open(&self.files.folder)?.sync_all()?;
        }
        self.file = None;
        let hash = tables::id_text(&std::mem::take(&mut self.hash).finalize());
        Ok(BlobRow {
            no: self.no,
            size: self.size,
            hash,
            media_type,
        })
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            self.files.unlink(self.no);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_files_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(BlobFiles::open(dir.path(), &HashSet::new()).unwrap());
        let mut kept = files.create(10).unwrap();
        kept.write(b"abc").unwrap();
        let kept = kept.finish(None).unwrap();
        assert_eq!(
            kept.hash,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let orphan = files.create(10).unwrap().finish(None).unwrap();
        let mut long = files.create(2).unwrap();
        assert_eq!(
            long.write(b"abc").unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        drop(long);
        let files = Arc::new(BlobFiles::open(dir.path(), &HashSet::from([kept.no])).unwrap());
        assert!(files.read(kept.no).is_ok());
        assert!(files.read(orphan.no).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(files.create(1).unwrap().no, kept.no + 1);
    }

    #[test]
    fn a_held_file_is_unlinked_when_the_last_hold_ends() {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(BlobFiles::open(dir.path(), &HashSet::new()).unwrap());
        let row = files.create(10).unwrap().finish(None).unwrap();
        let (first, second) = (files.hold(), files.hold());
        files.free(vec![row.no]);
        drop(first);
        assert!(files.read(row.no).is_ok());
        drop(second);
        assert!(files.read(row.no).is_err());
    }
}
