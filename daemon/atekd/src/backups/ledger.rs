//! What is decided and remembered about backups: the readable file `backups.json`, and passwords in
//! files of their own.
//!
//! `backup-password` was made by chance, before the box had recovery words; what was begun with it
//! stays readable with it. `backup-password-of-words` follows from the words, as the key service
//! says, for backups while that service does not run.

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
const OF_WORDS: &str = "backup-password-of-words";

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

/// The password that was made by chance; made at the first use.
pub(super) fn random_password(state: &Path) -> Result<Secret, BackupError> {
    if let Some(known) = known_random_password(state)? {
        return Ok(known);
    }
    let made = random::hex::<32>().map_err(|_| BackupError::Password)?;
    write_atomic(&state.join(PASSWORD), made.expose().as_bytes(), 0o600)?;
    Ok(made)
}

/// The password that was made by chance, if there is one.
pub(super) fn known_random_password(state: &Path) -> Result<Option<Secret>, BackupError> {
    read_password(&state.join(PASSWORD))
}

/// The password that follows from the recovery words, if it was remembered.
pub(super) fn password_of_words(state: &Path) -> Result<Option<Secret>, BackupError> {
    read_password(&state.join(OF_WORDS))
}

/// Remembers the password that follows from the recovery words.
pub(super) fn remember_password_of_words(
    state: &Path,
    password: &Secret,
) -> Result<(), BackupError> {
    let known = password_of_words(state).ok().flatten();
    if known.is_some_and(|known| known.expose() == password.expose()) {
        return Ok(());
    }
    let text = password.expose().as_bytes();
    Ok(write_atomic(&state.join(OF_WORDS), text, 0o600)?)
}

fn read_password(path: &Path) -> Result<Option<Secret>, BackupError> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().len() >= 64 => Ok(Some(Secret::new(text.trim()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Ok(_) | Err(_) => Err(BackupError::Password),
    }
}
