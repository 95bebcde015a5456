//! Lines of the audit log's files, one JSON object each.

use atek_api::audit::{AuditKind, AuditOutcome};
use atek_host_model::audit::{Counts, RowKey};
use serde::{Deserialize, Serialize};

/// What was counted of a row in one hour, or the rest of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountLine {
    /// Who did what.
    #[serde(flatten)]
    pub key: RowKey,
    /// How often.
    #[serde(flatten)]
    pub counts: Counts,
    /// What the app that acted was called.
    #[serde(rename = "i", default, skip_serializing_if = "String::is_empty")]
    pub title: String,
}

/// A permission or share that was given or taken, or a password that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Seconds since 1970.
    pub at: i64,
    /// The key of the user who decided; `system`: the box.
    pub by: String,
    /// The key of the user whose app or database it is.
    pub owner: String,
    /// `permission`, `share` or `password`.
    pub kind: AuditKind,
    /// The key of the app; none for a database.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub app: String,
    /// What the app or database was called.
    pub title: String,
    /// The permission, with whom it was shared, or what became of the user's keys.
    pub what: String,
    /// What became of it.
    pub outcome: AuditOutcome,
}

/// The line of a value; nothing for one that has none.
pub(super) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    if !text.is_empty() {
        text.push(b'\n');
    }
    text
}

/// The values of all lines that can be read: the last one may be torn by a power cut.
pub(super) fn lines<'a, T: Deserialize<'a>>(text: &'a [u8]) -> impl Iterator<Item = T> + 'a {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
}
