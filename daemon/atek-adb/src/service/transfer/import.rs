//! Reading an archive.

use super::{BlobLine, RecordLine};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::json::compact_object;
use crate::path::RecordPath;
use crate::service::Adb;
use crate::service::view::View;
use crate::storage::Expected;
use crate::tar;
use atek_api::ids::DbId;
use bytes::Bytes;
use futures_util::Stream;
use std::collections::HashMap;
use std::fmt::Display;

/// Records that one commit writes, and their bytes.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 1 << 20;
/// Blobs of one archive.
const BLOBS: usize = 1_000_000;

/// An archive on its way into a database.
pub(super) struct Import<'a> {
    adb: &'a Adb,
    caller: &'a Caller,
    id: &'a DbId,
    batch: Vec<(RecordPath, Vec<u8>)>,
    bytes: usize,
    pub(super) records: u64,
    pub(super) blobs: u64,
}

impl<'a> Import<'a> {
    pub(super) fn new(adb: &'a Adb, caller: &'a Caller, id: &'a DbId) -> Self {
        Self {
            adb,
            caller,
            id,
            batch: Vec::new(),
            bytes: 0,
            records: 0,
            blobs: 0,
        }
    }

    /// Reads it to its end.
    pub(super) async fn run<S, E>(&mut self, source: S) -> Result<(), AdbError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Display,
    {
        let mut archive = tar::Reader::new(source);
        let mut blobs: HashMap<String, BlobLine> = HashMap::new();
        while let Some(entry) = archive.next().await.map_err(bad)? {
            let name = entry.name.trim_start_matches("./").to_owned();
            let records = name.starts_with("records-");
            if records || name == "blobs.jsonl" {
                let mut rest = Vec::new();
                let (mut nth, limit) = (
                    0,
                    self.adb.limits().value_bytes + 16 * self.adb.limits().key_bytes,
                );
                loop {
                    let chunk = archive.chunk().await.map_err(bad)?;
                    let last = chunk.is_none();
                    rest.extend_from_slice(chunk.as_deref().unwrap_or(b"\n"));
                    let end = rest
                        .iter()
                        .rposition(|byte| *byte == b'\n')
                        .map_or(0, |at| at + 1);
                    for line in rest[..end].split(|byte| *byte == b'\n') {
                        nth += usize::from(!line.is_empty());
                        match line {
                            [] => {}
                            line if records => self.record(line, &name, nth).await?,
                            line => self.blob_line(line, nth, &mut blobs)?,
                        }
                    }
                    rest.drain(..end);
                    if rest.len() > limit {
                        return Err(AdbError::Limit(format!(
                            "{name}: line {} is longer than {limit} bytes",
                            nth + 1
                        )));
                    }
                    if last {
                        break;
                    }
                }
                self.flush().await?;
            } else if name.starts_with("blobs/") {
                let line = blobs.remove(&name).filter(|line| line.size == entry.size);
                let line = line.ok_or_else(|| {
                    AdbError::Refused(format!("{name} is not as blobs.jsonl says"))
                })?;
                self.blob(&mut archive, &name, line).await?;
            }
        }
        match blobs.keys().next() {
            Some(missing) => Err(AdbError::Refused(format!("the archive lacks {missing}"))),
            None => Ok(()),
        }
    }

    async fn record(&mut self, line: &[u8], file: &str, nth: usize) -> Result<(), AdbError> {
        let at = |problem: String| AdbError::Refused(format!("{file}: line {nth}: {problem}"));
        let line: RecordLine<'_> =
            serde_json::from_slice(line).map_err(|error| at(error.to_string()))?;
        let limits = self.adb.limits();
        let path = RecordPath::from_segments(line.path.iter().map(String::as_str), limits)
            .map_err(|error| at(error.to_string()))?;
        let json =
            compact_object(line.value, limits).map_err(|error| at(format!("value {error}")))?;
        self.bytes += json.len();
        self.batch.push((path, json));
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES {
            self.flush().await
        } else {
            Ok(())
        }
    }

    async fn flush(&mut self) -> Result<(), AdbError> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        self.records += batch.len() as u64;
        let id = self.id.clone();
        self.adb
            .change(self.caller, move |tx, shared, caller| {
                let target = View::new(tx, shared)?.writable(caller, &id)?;
                for (path, json) in &batch {
                    tx.put(target.no, path, json, Expected::Any, &target.quota)?;
                }
                Ok(())
            })
            .await
    }

    fn blob_line(
        &self,
        line: &[u8],
        nth: usize,
        blobs: &mut HashMap<String, BlobLine>,
    ) -> Result<(), AdbError> {
        let line: BlobLine = serde_json::from_slice(line)
            .map_err(|error| AdbError::Refused(format!("blobs.jsonl: line {nth}: {error}")))?;
        if blobs.len() >= BLOBS {
            return Err(AdbError::Limit(format!(
                "an archive has at most {BLOBS} blobs"
            )));
        }
        blobs.insert(line.file.clone(), line);
        Ok(())
    }

    async fn blob<S, E>(
        &mut self,
        archive: &mut tar::Reader<S>,
        name: &str,
        line: BlobLine,
    ) -> Result<(), AdbError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Display,
    {
        let path =
            RecordPath::from_segments(line.path.iter().map(String::as_str), self.adb.limits())?;
        let mut upload = self
            .adb
            .begin_blob(self.caller, self.id, &path, Some(line.size))
            .await?;
        while let Some(chunk) = archive.chunk().await.map_err(bad)? {
            upload.write(chunk).await?;
        }
        upload.expect_hash(line.hash.clone());
        upload
            .finish(self.adb, line.media_type)
            .await
            .map_err(|error| match error {
                AdbError::Refused(problem) => AdbError::Refused(format!("{name}: {problem}")),
                other => other,
            })?;
        self.blobs += 1;
        Ok(())
    }
}

fn bad(error: tar::TarError) -> AdbError {
    AdbError::Refused(error.to_string())
}
