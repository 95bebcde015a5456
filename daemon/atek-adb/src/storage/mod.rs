//! The file that holds everything, and the only place that knows redb.
//!
//! ```text
//! callers ──► Store::write(op) ──► queue ──► writer thread ──► Engine::commit (a batch, one fsync)
//!    └──────► Store::read() ─────────────────────────────────► Snapshot (the latest commit)
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`tables`] | layout of the file |
//! | [`disk`] | room, and for whom |
//! | [`engine`] | open, snapshot, commit a batch, compact; no threads |
//! | [`read`] | what both a snapshot and a write can read |
//! | [`mod@write`] | one operation inside a commit |
//! | [`indexes`] | secondary indexes: definitions, entries, order of values |
//! | [`blobs`] | blob files and their rows |
//! | [`changes`] | change log: diffs, and who waits for them |
//! | [`writer`] | the thread that turns many operations into few commits |
//!
//! Invariant: an operation is acknowledged only after a durable commit that
//! contains it whole; an operation that fails leaves nothing behind.

pub mod blobs;
pub mod changes;
mod disk;
pub mod engine;
pub mod indexes;
pub mod read;
pub mod tables;
pub mod write;
mod writer;

pub use disk::QuotaAccount;
pub use engine::{Engine, Snapshot};
pub use read::{Read, Record, Scan};
pub use tables::{ChangeKind, DbNo, DbRow, DbState, Stats};
pub use write::{Expected, Tx};
pub use writer::{Closing, Store};

use std::path::PathBuf;

/// Why the storage cannot do its work. Never the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// redb failed.
    #[error("cannot {operation}")]
    Redb {
        /// What was being done.
        operation: &'static str,
        /// Why not.
        #[source]
        source: redb::Error,
    },
    /// A file outside redb failed.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// What was being done.
        operation: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Something in the file is not as ADB writes it.
    #[error("the stored {0} is damaged")]
    Damaged(&'static str),
    /// A newer ADB wrote the file.
    #[error("the file has layout {0}, this version reads layout {layout}: install the newer version", layout = tables::FORMAT)]
    Format(u64),
    /// The disk is full: nothing was written.
    #[error("the disk is full")]
    NoRoom,
    /// An earlier failure stopped the writer; the process is about to end.
    #[error("the writer has stopped")]
    Stopped,
    /// Compaction needs a moment without readers.
    #[error("the file is in use by a long read such as an export")]
    InUse,
}

impl StorageError {
    /// Whether the disk had no room for what was to be written.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let error = match self {
            Self::NoRoom => return true,
            Self::Redb {
                source: redb::Error::Io(source),
                ..
            }
            | Self::File { source, .. } => source,
            _ => return false,
        };
        matches!(error.kind(), StorageFull | QuotaExceeded)
    }
}

/// Names the operation that redb failed in.
pub(crate) trait OperationContext<T> {
    fn doing(self, operation: &'static str) -> Result<T, StorageError>;
}

impl<T, E: Into<redb::Error>> OperationContext<T> for Result<T, E> {
    fn doing(self, operation: &'static str) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::Redb {
            operation,
            source: source.into(),
        })
    }
}
