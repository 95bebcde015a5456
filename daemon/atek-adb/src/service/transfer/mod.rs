//! A database as a file: a tar of JSON lines with the blobs beside them.
//!
//! ```text
//! database.json            {"format": 1, "dbId", "alias"?, "access"?, "seq"}
//! records-000001.jsonl …   {"path": [segments], "value": {…}}
//! blobs-000001.jsonl       {"path": [segments], "file", "size", "hash", "mediaType"?}
//! blobs/000001 …           the bytes of the blobs that the list before them names
//! blobs-000002.jsonl …     the next ones
//! ```
//!
//! An export is one consistent state. An import into a new database is all or none;
//! one into an existing database stops at the first error, and can be repeated.

mod export;
mod import;

use super::{Adb, databases};
use crate::budget::Held;
use crate::caller::Caller;
use crate::error::AdbError;
use crate::storage::Read as _;
use atek_api::ids::DbId;
use bytes::Bytes;
use export::{TarWriter, write_archive};
use futures_util::Stream;
use import::Import;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long an export or import waits for others to end.
const PLACE: Duration = Duration::from_secs(2);
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
    /// A place among the transfers. One that has just been sent gives its place back a moment
    /// later.
    async fn transfer_place(&self, caller: &Caller) -> Result<Held, AdbError> {
        let place = self.budgets.transfers.take(caller, 1);
        tokio::time::timeout(PLACE, place).await.map_err(|_| {
            AdbError::Busy(
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
        let place = self.transfer_place(caller).await?;
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
                    // Without the end mark, and with an error, no reader takes it for whole.
                    let _ = out.send(Err(std::io::Error::other(error.to_string())));
                }
                result
            });
            if let Err(error) = result.await {
                // A reader that goes away is ordinary, and can do so as often as it likes.
                tracing::debug!(error = %crate::error::DisplayChain(&error), "export ended early");
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
        let _place = self.transfer_place(caller).await?;
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
        let mut import = Import::new(self, caller, &id);
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
