//! Files of the service: JSON, written whole, readable by the service alone.

use crate::KeysError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 8 << 20;

/// Reads a file; none if there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, KeysError> {
    let damaged = |problem: String| KeysError::Damaged {
        path: path.display().to_string(),
        problem,
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(error.to_string())),
        Ok(found) if found.len() > MAX_FILE => return Err(damaged("it is too large".into())),
        Ok(_) => {}
    }
    let text = std::fs::read(path).map_err(|error| damaged(error.to_string()))?;
    // The position is enough: the message of a parser may repeat what it read.
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        damaged(format!(
            "it is damaged at line {}, column {}",
            error.line(),
            error.column()
        ))
    })
}

/// Writes a file that a power cut leaves old or new.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), KeysError> {
    let text = serde_json::to_vec(value).map_err(|error| KeysError::Damaged {
        path: path.display().to_string(),
        problem: error.to_string(),
    })?;
    Ok(atek_files::write_atomic(
        path,
        &zeroize::Zeroizing::new(text),
        0o600,
    )?)
}
