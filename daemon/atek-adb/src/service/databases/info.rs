//! What the methods say about a database.

use crate::limits::Quota;
use crate::meta::{DbMeta, Owner};
use crate::storage::Stats;
use atek_api::ids::{DbId, SYSTEM};
use serde::Serialize;
use serde_json::Value;

/// A database, as `dbList` and its like show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) struct DbInfo {
    pub(super) db_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) writable: Option<bool>,
    pub(super) is_server_db: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<Owner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) replicated: bool,
    /// The public key of the other home's database that it is a copy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) follows: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<String>,
    /// Shown to the owner and administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quota: Option<Quota>,
    /// Shown to the owner and administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Usage>,
    /// For programs made for ADB 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) db_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tables: Option<Value>,
}

/// What a database holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    pub(super) bytes: u64,
    pub(super) records: u64,
    pub(super) blobs: u64,
    pub(super) blob_bytes: u64,
    pub(super) seq: u64,
}

impl From<Stats> for Usage {
    fn from(stats: Stats) -> Self {
        Self {
            bytes: stats.bytes(),
            records: stats.records,
            blobs: stats.blobs,
            blob_bytes: stats.blob_bytes,
            seq: stats.seq,
        }
    }
}

impl DbInfo {
    pub(super) fn bare(db_id: String, writable: bool) -> Self {
        Self {
            db_id,
            writable: Some(writable),
            is_server_db: false,
            owner: None,
            alias: None,
            access: None,
            replicated: false,
            follows: None,
            created_at: None,
            quota: None,
            usage: None,
            db_type: None,
            display_name: None,
            tables: None,
        }
    }

    pub(super) fn server(id: &DbId) -> Self {
        Self {
            is_server_db: true,
            owner: Some(Owner {
                user_key: Some(SYSTEM.into()),
                service_key: Some(SYSTEM.into()),
            }),
            access: Some("private".to_owned()),
            ..Self::bare(id.to_string(), true)
        }
    }
}

impl From<DbMeta> for DbInfo {
    fn from(meta: DbMeta) -> Self {
        Self {
            writable: match meta.follows {
                Some(_) => Some(false),
                None => meta.cached_meta.and_then(|cached| cached.writable),
            },
            replicated: meta.replicated,
            follows: meta.follows,
            owner: meta.owner,
            alias: meta.alias,
            access: meta.access,
            created_at: meta.created_at,
            ..Self::bare(meta.db_id, true)
        }
    }
}

/// The answer of the methods that make a database.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) struct Made {
    pub(super) db_id: String,
    pub(super) writable: bool,
}

impl Made {
    pub(in crate::service) fn id(&self) -> String {
        self.db_id.clone()
    }
}

/// The answer of `dbGetConfig`.
#[derive(Debug, Serialize)]
pub(in crate::service) struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<String>,
}
