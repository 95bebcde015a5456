//! Blobs: who may, how much, and the two halves of an upload.

use super::params::Params;
use super::view::View;
use super::{Adb, db_id};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::path::RecordPath;
use crate::storage::blobs::{BlobRow, BlobWriter};
use crate::storage::{Read as _, StorageError, Store};
use atek_api::ids::DbId;
use bytes::Bytes;
use serde::Serialize;
use std::fs::File;
use std::io;

/// Bytes that are written to a file at a time.
const CHUNK: usize = 256 << 10;

/// A blob on its way in. Dropped before [`Upload::finish`], it leaves nothing.
#[derive(Debug)]
pub(crate) struct Upload {
    store: Store,
    caller: Caller,
    id: DbId,
    path: RecordPath,
    limit: u64,
    // Absent while a chunk is being written.
    file: Option<BlobWriter>,
    waiting: Vec<u8>,
    /// What the bytes must hash to, if the sender said.
    hash: Option<String>,
}

impl Adb {
    /// Begins an upload of `size` bytes, if the sender said how many.
    pub(crate) async fn begin_blob(
        &self,
        caller: &Caller,
        id: &DbId,
        path: &RecordPath,
        size: Option<u64>,
    ) -> Result<Upload, AdbError> {
        if path.is_root() {
            return Err(AdbError::RootPath);
        }
        let room = self
            .look(|view, read| {
                let target = view.writable(caller, id)?;
                let stats = read.stats(target.no)?;
                let old = read.blob(target.no, path)?.map_or(0, |row| row.size);
                let room = target.quota.max_bytes.saturating_sub(stats.bytes() - old);
                if size.unwrap_or(0) > room {
                    return Err(AdbError::Full {
                        quota: target.quota,
                        used_bytes: stats.bytes(),
                        used_records: stats.records,
                    });
                }
                Ok(room)
            })
            .await?;
        if size.unwrap_or(0) >= self.store.room() {
            return Err(AdbError::DiskFull);
        }
        let limit = self.limits().blob_bytes.min(room);
        if size.unwrap_or(0) > limit {
            return Err(too_large(limit));
        }
        let file = match self.store.blobs().create(limit) {
            // There may be room, and no place for one more file.
            Err(error) if error.is_no_room() => return Err(AdbError::DiskFull),
            other => other?,
        };
        let (caller, id, path) = (caller.clone(), id.clone(), path.clone());
        Ok(Upload {
            store: self.store.clone(),
            caller,
            id,
            path,
            limit,
            file: Some(file),
            waiting: Vec::new(),
            hash: None,
        })
    }

    /// The row and the file of a blob.
    pub(crate) async fn open_blob(
        &self,
        caller: &Caller,
        id: &DbId,
        path: &RecordPath,
    ) -> Result<(BlobRow, File), AdbError> {
        self.look(|view, read| {
            let db = view.readable(caller, id)?.no;
            let missing = || AdbError::RecordNotFound(path.to_string());
            let row = read.blob(db, path)?.ok_or_else(missing)?;
            match self.store.blobs().read(row.no) {
                Ok(file) => Ok((row, file)),
                // Deleted since the snapshot was taken.
                Err(StorageError::File { source, .. })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    Err(missing())
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Deletes a blob. Returns whether there was one.
    pub(crate) async fn delete_blob(
        &self,
        caller: &Caller,
        id: &DbId,
        path: &RecordPath,
    ) -> Result<bool, AdbError> {
        let (id, path) = (id.clone(), path.clone());
        self.change(caller, move |tx, shared, caller| {
            let db = View::new(tx, shared)?.writable(caller, &id)?.no;
            tx.delete_blob(db, &path)
        })
        .await
    }

    /// `blobList(dbId, path?)`.
    pub(super) async fn blob_list(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<BlobList, AdbError> {
        let id = db_id(params, 0)?;
        let path = if params.raw(1).is_some() {
            params.path(1, self.limits())?
        } else {
            RecordPath::root()
        };
        self.look(|view, read| {
            let db = view.readable(caller, &id)?.no;
            let (mut blobs, mut bytes) = (Vec::new(), 0);
            read.blobs(db, &path, &mut |key, row| {
                let below = key.strip_prefix(&path.prefix()).unwrap_or(key);
                bytes += 2 * key.len() + 256;
                blobs.push(BlobInfo {
                    key: below.replace('\0', "/"),
                    path: RecordPath::from_key(key).text(),
                    size: row.size,
                    hash: row.hash,
                    media_type: row.media_type,
                });
                blobs.len() < LIST && bytes < LIST_BYTES
            })?;
            Ok(BlobList { blobs })
        })
        .await
    }
}

/// Blobs of one list, and bytes of it, about.
const LIST: usize = 10_000;
const LIST_BYTES: usize = 4 << 20;

/// The answer of `blobList`.
#[derive(Debug, Serialize)]
pub(super) struct BlobList {
    blobs: Vec<BlobInfo>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobInfo {
    key: String,
    path: String,
    size: u64,
    hash: String,
    media_type: Option<String>,
}

impl Upload {
    /// Appends bytes.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), AdbError> {
        self.waiting.extend_from_slice(&bytes);
        if self.waiting.len() >= CHUNK {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// Makes [`Upload::finish`] fail when the bytes do not have this SHA-256 (hexadecimal).
    pub(crate) fn expect_hash(&mut self, hash: String) {
        self.hash = Some(hash);
    }

    async fn flush(&mut self) -> Result<(), AdbError> {
        let chunk = std::mem::take(&mut self.waiting);
        // Other uploads and the apps' own files take room at the same time.
        if chunk.len() as u64 >= self.store.room() {
            return Err(AdbError::DiskFull);
        }
        self.with_file(move |mut file| file.write(&chunk).map(|()| Some(file)))
            .await
    }

    async fn with_file(
        &mut self,
        work: impl FnOnce(BlobWriter) -> io::Result<Option<BlobWriter>> + Send + 'static,
    ) -> Result<(), AdbError> {
        let file = self.file.take().ok_or(StorageError::Stopped)?;
        let done = tokio::task::spawn_blocking(move || work(file))
            .await
            .map_err(|_| StorageError::Stopped)?;
        self.file = done.map_err(|error| self.failed(&error))?;
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> AdbError {
        if error.kind() == io::ErrorKind::FileTooLarge {
            return too_large(self.limit);
        }
        if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return AdbError::DiskFull;
        }
        tracing::error!(%error, "cannot write a blob");
        AdbError::Refused(format!("the blob cannot be stored: {error}"))
    }

    /// Makes the blob durable and visible.
    pub(crate) async fn finish(
        mut self,
        adb: &Adb,
        media_type: Option<String>,
    ) -> Result<BlobRow, AdbError> {
        self.flush().await?;
        let file = self.file.take().ok_or(StorageError::Stopped)?;
        let done = tokio::task::spawn_blocking(move || file.finish(media_type));
        let row = done
            .await
            .map_err(|_| StorageError::Stopped)?
            .map_err(|error| self.failed(&error))?;
        if self.hash.as_ref().is_some_and(|hash| *hash != row.hash) {
            adb.store.free_blob(row.no);
            return Err(AdbError::Refused(
                "the bytes do not have the expected hash: send them again".to_owned(),
            ));
        }
        let (id, path, named) = (self.id.clone(), self.path.clone(), row.clone());
        let put = adb.change(&self.caller, move |tx, shared, caller| {
            let target = View::new(tx, shared)?.writable(caller, &id)?;
            tx.put_blob(target.no, &path, &named, &target.quota, shared.limits.blobs)
        });
        match put.await {
            Ok(()) => Ok(row),
            Err(error) => {
                // Unless the commit's fate is unknown: then the next start decides.
                if !matches!(error, AdbError::Storage(_)) {
                    adb.store.free_blob(row.no);
                }
                Err(error)
            }
        }
    }
}

fn too_large(limit: u64) -> AdbError {
    AdbError::Limit(format!("the blob is larger than {limit} bytes"))
}
