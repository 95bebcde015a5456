//! What lies in the file: tables, and how their keys and values are laid out.
//!
//! One file holds all databases, so that writers of different databases share a
//! commit and its fsync. Every key begins with the database's number, big-endian,
//! so that a database is one range of each table.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | number, or the server database's id |
//! | `databases` | id (32 bytes) | number, state |
//! | `stats` | database | counters, see [`Stats`] |
//! | `records` | database, path | sequence number (8 bytes), compact JSON |
//! | `changes` | database, sequence number | put or delete (1 byte), path |
//! | `tombstones` | database, path | sequence number of the delete |
//! | `blobs` | database, path | JSON of [`super::blobs::BlobRow`] |
//! | `indexes` | database, name | JSON of [`super::indexes::IndexRow`] |
//! | `trials` | service key | nothing: the service's new version is on trial |
//! | `undo` | kind (1 byte), database, path | what a service on trial found, see [`super::write::Tx::end_trial`] |
//! | `entries` | index number, encoded values, path | nothing |
//!
//! `changes` holds one entry for each path, the latest: it grows with the number of
//! records, not with the number of writes. Deletes are remembered up to a limit.

use super::StorageError;
use redb::TableDefinition;

/// Version of this layout.
pub(super) const FORMAT: u64 = 1;

pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub(super) const DATABASES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("databases");
pub(super) const STATS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("stats");
pub(super) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
pub(super) const CHANGES: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("changes");
pub(super) const TOMBSTONES: TableDefinition<'_, &[u8], u64> = TableDefinition::new("tombstones");
pub(super) const BLOBS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("blobs");
pub(super) const INDEXES: TableDefinition<'_, (u32, &str), &[u8]> = TableDefinition::new("indexes");
pub(super) const ENTRIES: TableDefinition<'_, &[u8], ()> = TableDefinition::new("entries");

pub(super) const TRIALS: TableDefinition<'_, &str, ()> = TableDefinition::new("trials");
pub(super) const UNDO: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("undo");

/// Keys of [`META`].
pub(super) const META_FORMAT: &str = "format";
pub(super) const META_SERVER_DB: &str = "serverDb";
pub(super) const META_NEXT_DB: &str = "nextDb";
pub(super) const META_NEXT_INDEX: &str = "nextIndex";

/// The number of a database in this file. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DbNo(pub u32);

/// Whether a database can be used. A deleted one keeps its row until nothing of it is left; ids do
/// not come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbState {
    /// In use.
    Live,
    /// Deleted; its records are still being removed.
    Leaving,
    /// Deleted, and nothing of it is left but this row, which older versions kept.
    Gone,
}

/// One row of `databases`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DbRow {
    /// Its number.
    pub no: DbNo,
    /// Whether it can be used.
    pub state: DbState,
}

impl DbRow {
    pub(super) fn to_bytes(self) -> [u8; 5] {
        let state = match self.state {
            DbState::Live => 0,
            DbState::Leaving => 1,
            DbState::Gone => 2,
        };
        let no = self.no.0.to_be_bytes();
        [no[0], no[1], no[2], no[3], state]
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, StorageError> {
        let Ok([a, b, c, d, state]) = <[u8; 5]>::try_from(bytes) else {
            return Err(StorageError::Damaged("database row"));
        };
        let state = match state {
            0 => DbState::Live,
            1 => DbState::Leaving,
            2 => DbState::Gone,
            _ => return Err(StorageError::Damaged("database row")),
        };
        Ok(Self {
            no: DbNo(u32::from_be_bytes([a, b, c, d])),
            state,
        })
    }
}

/// Counters of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Sequence number of the latest change; 0 before the first.
    pub seq: u64,
    /// Records.
    pub records: u64,
    /// Bytes of the records' keys and values.
    pub record_bytes: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of the blobs.
    pub blob_bytes: u64,
    /// Remembered deletes.
    pub tombstones: u64,
    /// Changes up to this sequence number may lack deletes: a diff from before it cannot be told.
    pub floor: u64,
    /// How far the change log has been searched for deletes to forget.
    pub swept: u64,
}

impl Stats {
    /// What counts against the quota.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.record_bytes + self.blob_bytes
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        [
            self.seq,
            self.records,
            self.record_bytes,
            self.blobs,
            self.blob_bytes,
            self.tombstones,
            self.floor,
            self.swept,
        ]
        .iter()
        .flat_map(|n| n.to_be_bytes())
        .collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, StorageError> {
        let mut numbers = bytes
            .chunks_exact(8)
            .filter_map(|c| c.try_into().ok())
            .map(u64::from_be_bytes);
        let mut next = || {
            numbers
                .next()
                .ok_or(StorageError::Damaged("database counters"))
        };
        Ok(Self {
            seq: next()?,
            records: next()?,
            record_bytes: next()?,
            blobs: next()?,
            blob_bytes: next()?,
            tombstones: next()?,
            floor: next()?,
            swept: next()?,
        })
    }
}

/// The key of a path in a table of a database.
pub(super) fn key(db: DbNo, path: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + path.len());
    key.extend_from_slice(&db.0.to_be_bytes());
    key.extend_from_slice(path.as_bytes());
    key
}

/// The path in a key that [`key`] made.
pub(super) fn path_of(key: &[u8]) -> Result<&str, StorageError> {
    key.get(4..)
        .and_then(|path| std::str::from_utf8(path).ok())
        .ok_or(StorageError::Damaged("key"))
}

/// A record's value: sequence number, then JSON.
pub(super) fn value(seq: u64, json: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + json.len());
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.extend_from_slice(json);
    bytes
}

/// The two parts of a record's value.
pub(super) fn parts(value: &[u8]) -> Result<(u64, &[u8]), StorageError> {
    match value.split_first_chunk::<8>() {
        Some((seq, json)) => Ok((u64::from_be_bytes(*seq), json)),
        None => Err(StorageError::Damaged("record")),
    }
}

/// What a change was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The record was made or replaced.
    Put,
    /// The record was deleted.
    Del,
}

impl ChangeKind {
    /// A change's value: kind, then path.
    pub(super) fn with(self, path: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + path.len());
        bytes.push(match self {
            ChangeKind::Put => 1,
            ChangeKind::Del => 0,
        });
        bytes.extend_from_slice(path.as_bytes());
        bytes
    }

    /// The two parts of a change's value.
    pub(super) fn parts(value: &[u8]) -> Result<(Self, &str), StorageError> {
        let damaged = StorageError::Damaged("change");
        let Some((kind, path)) = value.split_first() else {
            return Err(damaged);
        };
        let kind = match kind {
            1 => ChangeKind::Put,
            0 => ChangeKind::Del,
            _ => return Err(damaged),
        };
        Ok((kind, std::str::from_utf8(path).map_err(|_| damaged)?))
    }
}

/// The 32 bytes of a database id.
pub(super) fn id_bytes(id: &atek_api::ids::DbId) -> Vec<u8> {
    let text = id.as_str().as_bytes();
    text.chunks_exact(2)
        .map(|pair| {
            let digit = |d: u8| (d as char).to_digit(16).unwrap_or(0) as u8;
            digit(pair[0]) << 4 | digit(pair[1])
        })
        .collect()
}

/// The id of 32 bytes.
pub(super) fn id_text(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
