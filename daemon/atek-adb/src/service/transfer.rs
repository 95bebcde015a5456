//! A database as a file: a tar of JSON lines with the blobs beside them.
//!
//! ```text
//! database.json            {"format": 1, "dbId", "alias"?, "access"?, "seq"}
//! records-000001.jsonl …   {"path": [segments], "value": {…}}
//! blobs.jsonl              {"path": [segments], "file", "size", "hash", "mediaType"?}
//! blobs/000001 …           the bytes
//! ```
//!
//! An export is one consistent state. An import into a new database is all or none;
//! one into an existing database stops at the first error, and can be repeated.

use super::view::View;
use super::{Adb, databases};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::json::compact_object;
use crate::path::RecordPath;
use crate::storage::blobs::BlobRow;
use crate::storage::{DbNo, Expected, Read as _, Scan, Snapshot};
use crate::tar;
use atek_api::ids::DbId;
use bytes::Bytes;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Display;
use std::io::Read as _;
use std::time::Duration;
use tokio::sync::mpsc;

/// Exports and imports that run at the same time.
pub(super) const AT_ONCE: usize = 4;
/// Size of one file of records, about, in bytes.
const RECORDS_FILE: usize = 1 << 20;
/// Records that one commit of an import writes, and their bytes.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 1 << 20;
/// A reader that takes nothing for so long is gone.
const STALL: Duration = Duration::from_secs(60);
/// Blobs of one archive.
const BLOBS: usize = 1_000_000;

type Chunk = Result<Bytes, std::io::Error>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobLine {
    path: Vec<String>,
    file: String,
    size: u64,
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
}

#[derive(Deserialize)]
struct RecordLine<'a> {
    path: Vec<String>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// Where an import goes.
#[derive(Debug, Clone)]
pub(crate) enum Into {
    /// A new database with this configuration.
    New(Map<String, Value>),
    /// An existing one.
    Existing(DbId),
}

impl Adb {
    fn transfer_place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, AdbError> {
        self.transfers.clone().try_acquire_owned().map_err(|_| {
            AdbError::Limit(
                "other exports or imports are running: try again when they have ended".to_owned(),
            )
        })
    }

    /// The database as a stream of the bytes of a tar.
    pub(crate) async fn export(
        &self,
        caller: &Caller,
        id: &DbId,
    ) -> Result<mpsc::Receiver<Chunk>, AdbError> {
        let place = self.transfer_place()?;
        let (db, head) = self
            .look(|view, read| {
                let db = view.readable(caller, id)?.no;
                let meta = view.meta(id)?.unwrap_or_default();
                let seq = read.stats(db)?.seq;
                Ok((db, json!({"format": 1, "dbId": id, "alias": meta.alias, "access": meta.access, "seq": seq})))
            })
            .await?;
        let (sender, receiver) = mpsc::channel(4);
        let (store, blobs, runtime) = (
            self.store.clone(),
            self.store.blobs().clone(),
            tokio::runtime::Handle::current(),
        );
        tokio::spawn(async move {
            // Before the snapshot: what it names must not go away.
            let hold = blobs.hold();
            let result = store.read_long(move |snapshot| {
                let mut out = TarWriter {
                    sender: &sender,
                    runtime: &runtime,
                };
                let result = write_archive(&mut out, snapshot, db, &head, &blobs);
                if let Err(error) = &result {
                    // Without the end mark, and with an error, nobody takes it for whole.
                    let _ = out.send(Err(std::io::Error::other(error.to_string())));
                }
                result
            });
            if let Err(error) = result.await {
                tracing::warn!(error = %crate::error::Chain(&error), "export ended early");
            }
            drop((hold, place));
        });
        Ok(receiver)
    }

    /// Reads a tar into a database. Returns what was read.
    pub(crate) async fn import<S, E>(
        &self,
        caller: &Caller,
        into: Into,
        source: S,
    ) -> Result<Value, AdbError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Display,
    {
        let _place = self.transfer_place()?;
        let (id, new) = match into {
            Into::Existing(id) => (id, false),
            Into::New(config) => {
                let made = self
                    .create(caller, config, databases::owner(caller))
                    .await?;
                let id = made.id();
                (id.parse().map_err(|_| AdbError::InvalidDbId(id))?, true)
            }
        };
        let mut import = Import {
            adb: self,
            caller,
            id: &id,
            batch: Vec::new(),
            bytes: 0,
            records: 0,
            blobs: 0,
        };
        match import.run(source).await {
            Ok(()) => Ok(json!({"dbId": id, "records": import.records, "blobs": import.blobs})),
            Err(error) if new => {
                self.remove(caller, &id).await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

struct TarWriter<'a> {
    sender: &'a mpsc::Sender<Chunk>,
    runtime: &'a tokio::runtime::Handle,
}

impl TarWriter<'_> {
    fn send(&mut self, chunk: Chunk) -> Result<(), AdbError> {
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

fn write_archive(
    out: &mut TarWriter<'_>,
    snapshot: &Snapshot,
    db: DbNo,
    head: &Value,
    files: &crate::storage::blobs::BlobFiles,
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
    let mut blobs: Vec<(String, BlobRow)> = Vec::new();
    snapshot.blobs(db, &RecordPath::root(), &mut |key, row| {
        blobs.push((key.to_owned(), row));
        true
    })?;
    let mut index = Vec::new();
    for (nth, (key, row)) in (1..).zip(&blobs) {
        let line = BlobLine {
            path: key.split('\0').map(str::to_owned).collect(),
            file: format!("blobs/{nth:06}"),
            size: row.size,
            hash: row.hash.clone(),
            media_type: row.media_type.clone(),
        };
        index.extend_from_slice(&serde_json::to_vec(&line).unwrap_or_default());
        index.push(b'\n');
    }
    if !blobs.is_empty() {
        out.file("blobs.jsonl", index)?;
    }
    for (nth, (_, row)) in (1..).zip(&blobs) {
        write_blob(out, &format!("blobs/{nth:06}"), row, files)?;
    }
    out.send(Ok(Bytes::from_static(&tar::END)))
}

fn write_blob(
    out: &mut TarWriter<'_>,
    name: &str,
    row: &BlobRow,
    files: &crate::storage::blobs::BlobFiles,
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

struct Import<'a> {
    adb: &'a Adb,
    caller: &'a Caller,
    id: &'a DbId,
    batch: Vec<(RecordPath, Vec<u8>)>,
    bytes: usize,
    records: u64,
    blobs: u64,
}

impl Import<'_> {
    async fn run<S, E>(&mut self, source: S) -> Result<(), AdbError>
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
        let (caller, id) = (self.caller.clone(), self.id.clone());
        self.adb
            .change(move |tx, shared| {
                let target = View::new(tx, shared)?.writable(&caller, &id)?;
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
