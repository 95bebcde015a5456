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
/// Bytes of the lines for blobs that are still to come in an archive.
const BLOB_LINES: usize = 4 << 20;

/// An archive on its way into a database.
pub(super) struct Import<'a> {
    adb: &'a Adb,
    caller: &'a Caller,
    id: &'a DbId,
    batch: Vec<(RecordPath, Vec<u8>)>,
    bytes: usize,
    /// Lines for blobs that are still to come, by the name of the file, and their bytes.
    blob_lines: HashMap<String, BlobLine>,
    blob_line_bytes: usize,
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
            blob_lines: HashMap::new(),
            blob_line_bytes: 0,
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
        while let Some(entry) = archive.next().await.map_err(bad)? {
            let name = entry.name.trim_start_matches("./").to_owned();
            match Content::of(&name) {
                Content::Blob => {
                    let line = self.blob_lines.remove(&name);
                    let line = line.filter(|line| line.size == entry.size).ok_or_else(|| {
                        AdbError::Refused(format!("{name} is not as the list of blobs says"))
                    })?;
                    self.blob_line_bytes = self.blob_line_bytes.saturating_sub(line.weight());
                    self.blob(&mut archive, &name, line).await?;
                }
                Content::Other => {}
                lines => {
                    self.lines(&mut archive, &name, lines).await?;
                    self.flush().await?;
                }
            }
        }
        match self.blob_lines.keys().next() {
            Some(missing) => Err(AdbError::Refused(format!("the archive lacks {missing}"))),
            None => Ok(()),
        }
    }

    /// Reads a file of JSON lines, of which one at a time is in memory.
    async fn lines<S, E>(
        &mut self,
        archive: &mut tar::Reader<S>,
        name: &str,
        content: Content,
    ) -> Result<(), AdbError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Display,
    {
        let limits = self.adb.limits();
        let limit = limits.value_bytes + 16 * limits.key_bytes;
        let (mut rest, mut nth) = (Vec::new(), 0);
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
                match (line, &content) {
                    ([], _) => {}
                    (line, Content::Records) => self.record(line, name, nth).await?,
                    (line, _) => self.blob_line(line, name, nth)?,
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
                return Ok(());
            }
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

    fn blob_line(&mut self, line: &[u8], file: &str, nth: usize) -> Result<(), AdbError> {
        let line: BlobLine = serde_json::from_slice(line)
            .map_err(|error| AdbError::Refused(format!("{file}: line {nth}: {error}")))?;
        self.blob_line_bytes += line.weight();
        if self.blob_line_bytes > BLOB_LINES {
            return Err(AdbError::Limit(format!(
                "{file}: line {nth}: too many blobs are listed before their bytes come"
            )));
        }
        if let Some(twice) = self.blob_lines.insert(line.file.clone(), line) {
            return Err(AdbError::Refused(format!(
                "{file}: line {nth}: {} is listed twice",
                twice.file
            )));
        }
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

/// What a file of an archive holds.
enum Content {
    Records,
    BlobList,
    Blob,
    /// Nothing that is imported.
    Other,
}

impl Content {
    fn of(name: &str) -> Self {
        let numbered = |start| name.starts_with(start) && name.ends_with(".jsonl");
        if numbered("records-") {
            Self::Records
        } else if numbered("blobs-") || name == "blobs.jsonl" {
            Self::BlobList
        } else if name.starts_with("blobs/") {
            Self::Blob
        } else {
            Self::Other
        }
    }
}

impl BlobLine {
    /// Bytes that it takes in memory, about.
    fn weight(&self) -> usize {
        let path: usize = self.path.iter().map(|segment| segment.len() + 24).sum();
        path + 2 * self.file.len()
            + self.hash.len()
            + self.media_type.as_ref().map_or(0, String::len)
            + 128
    }
}

fn bad(error: tar::TarError) -> AdbError {
    AdbError::Refused(error.to_string())
}
