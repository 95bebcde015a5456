//! Writing an archive, on a thread of its own.

use super::{BlobLine, Chunk};
use crate::error::AdbError;
use crate::path::RecordPath;
use crate::storage::blobs::{BlobFiles, BlobRow};
use crate::storage::{DbNo, Read as _, Scan, Snapshot};
use crate::tar;
use bytes::Bytes;
use serde_json::Value;
use std::io::Read as _;
use std::time::Duration;
use tokio::sync::mpsc;

/// Size of one file of records, about, in bytes.
const RECORDS_FILE: usize = 1 << 20;
/// Blobs in one list.
const BLOBS_FILE: usize = 1000;
/// How long a reader may take nothing, before the export ends.
const STALL: Duration = Duration::from_secs(60);

/// Sends an archive in pieces.
pub(super) struct TarWriter<'a> {
    pub(super) sender: &'a mpsc::Sender<Chunk>,
    pub(super) runtime: &'a tokio::runtime::Handle,
}

impl TarWriter<'_> {
    pub(super) fn send(&mut self, chunk: Chunk) -> Result<(), AdbError> {
        let sent = self
            .runtime
            .block_on(async { tokio::time::timeout(STALL, self.sender.send(chunk)).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(AdbError::Refused(
                "the reader of the export is gone".to_owned(),
            )),
        }
    }

    fn file(&mut self, name: &str, content: Vec<u8>) -> Result<(), AdbError> {
        let size = content.len() as u64;
        let mut bytes = tar::header(name, size).to_vec();
        bytes.extend_from_slice(&content);
        bytes.resize(bytes.len() + tar::padding(size), 0);
        self.send(Ok(bytes.into()))
    }
}

/// Writes everything that the snapshot holds of a database.
pub(super) fn write_archive(
    out: &mut TarWriter<'_>,
    snapshot: &Snapshot,
    db: DbNo,
    head: &Value,
    files: &BlobFiles,
) -> Result<(), AdbError> {
    out.file("database.json", format!("{head}\n").into_bytes())?;
    let (mut lines, mut count, mut failed) = (Vec::new(), 0, None);
    let mut name = || {
        count += 1;
        format!("records-{count:06}.jsonl")
    };
    snapshot.scan(
        db,
        &Scan::under(&RecordPath::root()),
        &mut |key, _, json| {
            lines.extend_from_slice(br#"{"path":"#);
            lines.extend_from_slice(segments(key).to_string().as_bytes());
            lines.extend_from_slice(br#","value":"#);
            lines.extend_from_slice(json);
            lines.extend_from_slice(b"}\n");
            if lines.len() >= RECORDS_FILE {
                failed = out.file(&name(), std::mem::take(&mut lines)).err();
            }
            failed.is_none()
        },
    )?;
    if let Some(error) = failed {
        return Err(error);
    }
    if !lines.is_empty() {
        out.file(&name(), lines)?;
    }
    let (mut blobs, mut written, mut failed) = (Vec::new(), 0, None);
    snapshot.blobs(db, &RecordPath::root(), &mut |key, row| {
        blobs.push((key.to_owned(), row));
        if blobs.len() == BLOBS_FILE {
            failed = write_blobs(out, &mut written, &mut blobs, files).err();
        }
        failed.is_none()
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    write_blobs(out, &mut written, &mut blobs, files)?;
    out.send(Ok(Bytes::from_static(&tar::END)))
}

/// Writes some blobs behind a list of them. `written` counts the blobs before them.
fn write_blobs(
    out: &mut TarWriter<'_>,
    written: &mut usize,
    blobs: &mut Vec<(String, BlobRow)>,
    files: &BlobFiles,
) -> Result<(), AdbError> {
    if blobs.is_empty() {
        return Ok(());
    }
    let first = *written + 1;
    let name = |nth: usize| format!("blobs/{nth:06}");
    let mut list = Vec::new();
    for (nth, (key, row)) in (first..).zip(&*blobs) {
        let line = BlobLine {
            path: key.split('\0').map(str::to_owned).collect(),
            file: name(nth),
            size: row.size,
            hash: row.hash.clone(),
            media_type: row.media_type.clone(),
        };
        list.extend_from_slice(&serde_json::to_vec(&line).unwrap_or_default());
        list.push(b'\n');
    }
    let count = *written / BLOBS_FILE + 1;
    out.file(&format!("blobs-{count:06}.jsonl"), list)?;
    *written += blobs.len();
    for (nth, (_, row)) in (first..).zip(blobs.drain(..)) {
        write_blob(out, &name(nth), &row, files)?;
    }
    Ok(())
}

fn write_blob(
    out: &mut TarWriter<'_>,
    name: &str,
    row: &BlobRow,
    files: &BlobFiles,
) -> Result<(), AdbError> {
    out.send(Ok(tar::header(name, row.size).to_vec().into()))?;
    let mut file = files.read(row.no)?.take(row.size);
    let mut left = row.size;
    while left > 0 {
        let mut chunk = vec![0; left.min(256 << 10) as usize];
        file.read_exact(&mut chunk)
            .map_err(|error| AdbError::Refused(format!("cannot read a blob: {error}")))?;
        left -= chunk.len() as u64;
        out.send(Ok(chunk.into()))?;
    }
    let padding = tar::padding(row.size);
    if padding > 0 {
        out.send(Ok(vec![0; padding].into()))
    } else {
        Ok(())
    }
}

fn segments(key: &str) -> Value {
    key.split('\0').map(Value::from).collect()
}
