//! Every way an operation can end without a result, and the one place that turns them into JSON-RPC
//! errors.

use crate::json::InvalidValue;
use crate::limits::Quota;
use crate::path::InvalidPath;
use crate::policy::Denied;
use crate::storage::StorageError;
use atek_api::jsonrpc::{RpcError, code};
use serde_json::json;

/// Why an operation was refused or failed. The texts of the first half are the original's.
#[derive(Debug, thiserror::Error)]
pub enum AdbError {
    /// The request does not say who calls, or the caller may not call this.
    #[error("Not authorized")]
    NotAuthorized,
    /// The caller may not read, or not write, this database.
    #[error("Not authorized to access {0}")]
    NoAccess(String),
    /// See [`Denied`].
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No record has this path.
    #[error("Not found: {0}")]
    RecordNotFound(String),
    /// The database to be deleted does not exist.
    #[error("DB not found")]
    DbNotFound,
    /// The database does not exist, or no longer.
    #[error("DB not found: {0}")]
    NoSuchDb(String),
    /// The database has no metadata record.
    #[error("No config for this database found")]
    NoConfig,
    /// Neither an id nor an alias of the calling service.
    #[error("Invalid database ID: {0}")]
    InvalidDbId(String),
    /// `init` was called twice in one process.
    #[error("ADB has already been initialized")]
    AlreadyInitialized,
    /// `init` has never been called.
    #[error("Server db not available")]
    NotInitialized,
    /// `init` names a server database that this ADB does not hold.
    #[error(
        "the server database {0} is not here: restore ADB's state, or let the host make a new one by an empty serverDbId"
    )]
    ServerDbMissing(String),
    /// See [`InvalidPath`].
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// The root is no record.
    #[error("Invalid path: a record needs at least one path segment")]
    RootPath,
    /// See [`InvalidValue`]; the position of the parameter counts from 1.
    #[error("Parameter {0} {1}")]
    Value(usize, #[source] InvalidValue),
    /// A parameter of the wrong shape.
    #[error("{}", .0.message)]
    Param(Box<RpcError>),
    /// A record is not at the sequence number that the caller expects.
    #[error("Conflict: {path} is at sequence number {found}, expected {expected}")]
    Conflict {
        /// The record's path.
        path: String,
        /// 0: no such record.
        found: u64,
        /// 0: no such record.
        expected: u64,
    },
    /// The write would put the database over its quota.
    #[error("the database is full: {used_bytes} of {} bytes and {used_records} of {} records are used", .quota.max_bytes, .quota.max_records)]
    Full {
        /// What the database may hold.
        quota: Quota,
        /// What it holds.
        used_bytes: u64,
        /// What it holds.
        used_records: u64,
    },
    /// See [`crate::limits::Limits::reserve_bytes`].
    #[error(
        "the disk is full: delete something, or uninstall an app that is not needed, and try again"
    )]
    DiskFull,
    /// See [`crate::limits::Limits::databases`].
    #[error("this service has {0} databases already: delete one first")]
    TooManyDbs(usize),
    /// Too much is going on at once, of this caller or of all; the text says what to do.
    #[error("{0}")]
    Busy(String),
    /// Any other limit; the text names it.
    #[error("{0}")]
    Limit(String),
    /// Something with this name exists already, or does not exist; the text says which.
    #[error("{0}")]
    Refused(String),
    /// The storage failed. Nothing of the operation is stored.
    #[error("the database cannot be read or written")]
    Storage(#[from] StorageError),
}

impl AdbError {
    /// A parameter of the wrong shape.
    #[must_use]
    pub fn param(error: RpcError) -> Self {
        Self::Param(Box::new(error))
    }
}

impl From<AdbError> for RpcError {
    fn from(error: AdbError) -> Self {
        let (code, data) = match &error {
            AdbError::NotAuthorized
            | AdbError::NoAccess(_)
            | AdbError::Denied(_)
            | AdbError::RecordNotFound(_)
            | AdbError::DbNotFound
            | AdbError::NoSuchDb(_)
            | AdbError::NoConfig
            | AdbError::InvalidDbId(_)
            | AdbError::AlreadyInitialized
            | AdbError::NotInitialized
            | AdbError::ServerDbMissing(_)
            | AdbError::Path(_)
            | AdbError::RootPath
            | AdbError::TooManyDbs(_)
            | AdbError::Busy(_)
            | AdbError::Limit(_)
            | AdbError::Refused(_) => (code::GENERAL, None),
            AdbError::Value(position, problem) => (
                code::INVALID_PARAMS,
                Some(json!({
                    "instancePath": format!("/{}", position - 1),
                    "keyword": "type",
                    "message": problem.to_string(),
                })),
            ),
            AdbError::Param(inner) => return (**inner).clone(),
            AdbError::Conflict {
                path,
                found,
                expected,
            } => (
                code::GENERAL,
                Some(json!({"conflict": {"path": path, "seq": found, "expected": expected}})),
            ),
            AdbError::DiskFull => (code::GENERAL, Some(json!({"diskFull": true}))),
            AdbError::Full {
                quota,
                used_bytes,
                used_records,
            } => (
                code::GENERAL,
                Some(
                    json!({"quota": quota, "usage": {"bytes": used_bytes, "records": used_records}}),
                ),
            ),
            AdbError::Storage(cause) => {
                tracing::error!(error = %DisplayChain(cause), "operation failed");
                (code::INTERNAL, None)
            }
        };
        Self {
            code,
            message: error.to_string(),
            data,
        }
    }
}

/// An error and its causes, in one line.
#[derive(Debug)]
pub struct DisplayChain<'e>(pub &'e dyn std::error::Error);

impl std::fmt::Display for DisplayChain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
