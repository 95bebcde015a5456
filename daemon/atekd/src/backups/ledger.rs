//! What is decided and remembered about backups: the readable file `backups.json`, and the
//! password in a file of its own, `backup-password`.

use super::BackupError;
use crate::random;
use atek_api::backup::BackupSettings;
use atek_api::secret::Secret;
use atek_files::write_atomic;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

const FILE: &str = "backups.json";
const PASSWORD: &str = "backup-password";

/// Settings and results. Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Ledger {
    pub(super) settings: BackupSettings,
    /// Since when there is a schedule.
    pub(super) since: i64,
    pub(super) last_try: Option<i64>,
    pub(super) last_good: Option<i64>,
    pub(super) last_proven: Option<i64>,
    pub(super) proven_files: u32,
    pub(super) last_checked: Option<i64>,
    pub(super) problem: Option<String>,
    pub(super) longest_pause_ms: u64,
}

impl Ledger {
    /// What is remembered; nothing where the file is missing or cannot be understood.
    pub(super) fn read(state: &Path) -> Self {
        let path = state.join(FILE);
        let Ok(text) = fs::read(&path) else {
            return Self::default();
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), %error, "cannot understand what was decided about backups");
            Self::default()
        })
    }

    /// Remembers it, durably.
    pub(super) fn write(&self, state: &Path) -> Result<(), BackupError> {
        let text = serde_json::to_vec_pretty(self).map_err(|_| BackupError::Malformed)?;
        Ok(write_atomic(&state.join(FILE), &text, 0o600)?)
    }
}

/// What backups are encrypted with; made at the first use.
pub(super) fn password(state: &Path) -> Result<Secret, BackupError> {
    let path = state.join(PASSWORD);
    match fs::read_to_string(&path) {
        Ok(text) if text.trim().len() >= 64 => Ok(Secret::new(text.trim())),
        Ok(_) => Err(BackupError::Password),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = random::hex::<32>().map_err(|_| BackupError::Password)?;
            write_atomic(&path, made.expose().as_bytes(), 0o600)?;
            Ok(made)
        }
        Err(_) => Err(BackupError::Password),
    }
}
