//! What one request, record or database may cost.

use crate::budget::Shares;

/// Upper bounds. All are checked before anything is written; exceeding one is an error that names
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Body of one JSON-RPC request, in bytes.
    pub body_bytes: usize,
    /// Key of one record: its path's segments and one byte between each two, in bytes.
    pub key_bytes: usize,
    /// Segments of one path.
    pub segments: usize,
    /// Nesting of objects and arrays in one value.
    pub depth: usize,
    /// One record's value, as compact JSON, in bytes.
    pub value_bytes: usize,
    /// Operations in one `recordBatch`.
    pub batch_ops: usize,
    /// Records of one list or query, as JSON, in bytes; more needs a limit and a cursor.
    pub list_bytes: usize,
    /// Changes that one `recordDiff` looks at.
    pub diff_scan: usize,
    /// How long one `recordDiff` may wait for a change, in milliseconds.
    pub wait_ms: u64,
    /// One blob, in bytes.
    pub blob_bytes: u64,
    /// Databases of one owning service of one user.
    pub databases: usize,
    /// Secondary indexes of one database.
    pub indexes: usize,
    /// Blobs of one database.
    pub blobs: u64,
    /// Index entries that one query looks at.
    pub query_scan: usize,
    /// Metadata of one database, with the definitions of its tables, as JSON, in bytes.
    pub meta_bytes: usize,
    /// Subscriptions over WebSockets and waiting diffs.
    pub followers: Shares,
    /// Blobs that are read or written, exports, imports and WebSockets, at the same time.
    pub streams: Shares,
    /// Exports and imports at the same time.
    pub transfers: Shares,
    /// Requests in memory, in KiB; one counts [`Limits::REQUEST_FACTOR`] times its length.
    pub requests: Shares,
    /// Lists in memory, in KiB; one counts twice its length, and twice [`Limits::list_bytes`]
    /// while it is made.
    pub answers: Shares,
    /// Changes that are on their way to subscribers, in KiB.
    pub pushes: Shares,
    /// The quota of a database that has none of its own.
    pub quota: Quota,
    /// Free space of the disk below which apps can only delete, in bytes; the host can still
    /// write. A file that cannot grow fails as a whole.
    pub reserve_bytes: u64,
    /// Deleted records that a database remembers for `recordDiff`; older ones are forgotten.
    pub tombstones: u64,
}

impl Limits {
    /// What a request costs in memory: its text, its parameters, what is stored, and what is
    /// answered.
    pub const REQUEST_FACTOR: usize = 4;
}

/// How much one database may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Keys, values and blobs, in bytes.
    pub max_bytes: u64,
    /// Number of records.
    pub max_records: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            key_bytes: 1024,
            segments: 64,
            depth: 64,
            value_bytes: 1 << 20,
            batch_ops: 1000,
            list_bytes: 8 << 20,
            diff_scan: 10_000,
            wait_ms: 25_000,
            blob_bytes: 256 << 20,
            databases: 1000,
            indexes: 16,
            blobs: 100_000,
            query_scan: 200_000,
            meta_bytes: 128 << 10,
            followers: Shares {
                each: 64,
                apps: 384,
                people: 128,
            },
            streams: Shares {
                each: 16,
                apps: 96,
                people: 64,
            },
            transfers: Shares {
                each: 1,
                apps: 3,
                people: 3,
            },
            requests: Shares {
                each: 20 << 10,
                apps: 40 << 10,
                people: 20 << 10,
            },
            answers: Shares {
                each: 20 << 10,
                apps: 40 << 10,
                people: 20 << 10,
            },
            pushes: Shares {
                each: 4 << 10,
                apps: 16 << 10,
                people: 8 << 10,
            },
            quota: Quota {
                max_bytes: 1 << 30,
                max_records: 5_000_000,
            },
            reserve_bytes: 32 << 20,
            tombstones: 100_000,
        }
    }
}
