//! What is known about a database besides its records: owner, access, alias, quota.
//!
//! Kept as a record of the server database at `atek.cloud/database/ID`, where the
//! original keeps it; [`DbMeta`] is the part that ADB reads. Unknown fields stay.

use crate::limits::Quota;
use serde::{Deserialize, Serialize};

/// Path of the databases' metadata in the server database.
pub const DATABASES: [&str; 2] = ["atek.cloud", "database"];
/// Path of the services' records in the server database.
pub const SERVICES: [&str; 2] = ["atek.cloud", "service"];
/// Path of the users' records in the server database.
pub const USERS: [&str; 2] = ["atek.cloud", "user"];

/// Who a database belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The owning user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_key: Option<String>,
    /// The service that made it or that it was given to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_key: Option<String>,
}

/// The metadata record of one database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DbMeta {
    /// 64 hexadecimal digits.
    pub db_id: String,
    /// Absent only in records that something else than ADB wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Always writable here; kept for readers of the original's records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_meta: Option<CachedMeta>,
    /// `public`: every caller may read. Anything else: only the owner may. Only the owner writes
    /// in both cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// The owner lets the hypercore service read it, in order to share it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replicated: bool,
    /// It is a copy of another home's database, of which this is the public key; only the hypercore
    /// service writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// The owning service's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Set by an administrator; `None` means the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Display name and tables, as programs made for ADB 1 set them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Anything else that is in the record.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// See [`DbMeta::cached_meta`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CachedMeta {
    /// Whether ADB can write the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writable: Option<bool>,
}

impl DbMeta {
    /// Whether every caller may read.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.access.as_deref() == Some("public")
    }

    /// The owning user.
    #[must_use]
    pub fn owner_user(&self) -> Option<&str> {
        self.owner.as_ref()?.user_key.as_deref()
    }

    /// The owning service.
    #[must_use]
    pub fn owner_service(&self) -> Option<&str> {
        self.owner.as_ref()?.service_key.as_deref()
    }
}
