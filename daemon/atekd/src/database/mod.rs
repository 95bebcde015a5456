//! The server database: services, users and sessions, in ADB.
//!
//! ```text
//!   handlers --update(decide)--> task --recordBatch--> ADB
//!      ^                          |
//!      +------ records() ---------+   an immutable snapshot behind a `watch`
//! ```
//!
//! One task owns the records: a change is decided against the newest ones, is
//! written to ADB, and only then becomes visible. Readers take the snapshot and
//! never wait, not for ADB either: when ADB restarts, sign-in and routing go on.

mod grant_records;
mod records;
mod store;
mod task;

pub use records::{
    Change, Records, ServiceRecord, SessionId, SessionRecord, StoredSettings, UserRecord,
};
pub use store::Store;
pub use task::{Database, DatabaseError};
