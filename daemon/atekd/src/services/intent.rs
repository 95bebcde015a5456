//! What was begun and must be finished or undone after a crash: written down before it
//! has an effect, removed when it is done.

use crate::fsutil::{self, WriteError};
use atek_api::ids::ServiceKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An install of a package. Its record being stored is what makes it happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Install {}

/// An uninstall. Its record being gone is what makes it happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Uninstall {
    /// The state stays.
    pub(super) keep_data: bool,
}

/// An update. Its record naming `to` is what makes it happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Update {
    /// The tag that is being installed.
    pub(super) to: String,
}

/// A kind of intent: a folder with a file for each service.
pub(super) trait Intent: Serialize + DeserializeOwned {
    const FOLDER: &'static str;
}

impl Intent for Install {
    const FOLDER: &'static str = "installs";
}

impl Intent for Uninstall {
    const FOLDER: &'static str = "uninstalls";
}

impl Intent for Update {
    const FOLDER: &'static str = "updates";
}

/// Writes an intent down, durably.
pub(super) fn begin<I: Intent>(
    state: &Path,
    key: &ServiceKey,
    intent: &I,
) -> Result<(), WriteError> {
    let folder = state.join(I::FOLDER);
    // What goes wrong here goes wrong with the file, too.
    let _ = fs::create_dir(&folder);
    let text = serde_json::to_vec(intent).unwrap_or_default();
    fsutil::write_atomic(&file(state, I::FOLDER, key), &text, 0o600)
}

/// Forgets an intent. One that stays by accident is looked at again at the next start.
pub(super) fn end<I: Intent>(state: &Path, key: &ServiceKey) {
    let path = file(state, I::FOLDER, key);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot forget what is done");
        }
        _ => {}
    }
}

/// Every intent that was not ended. One that cannot be read had no effect yet.
pub(super) fn all<I: Intent>(state: &Path) -> Vec<(ServiceKey, Option<I>)> {
    let Ok(entries) = fs::read_dir(state.join(I::FOLDER)) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let key = path
                .file_name()?
                .to_str()?
                .strip_suffix(".json")?
                .parse()
                .ok()?;
            let intent = fs::read(&path)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok());
            Some((key, intent))
        })
        .collect()
}

fn file(state: &Path, folder: &str, key: &ServiceKey) -> PathBuf {
    state.join(folder).join(format!("{key}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_there_until_it_is_ended() {
        let state = tempfile::tempdir().unwrap();
        let key: ServiceKey = "k.1".parse().unwrap();
        assert!(all::<Uninstall>(state.path()).is_empty());
        let intent = Uninstall { keep_data: true };
        begin(state.path(), &key, &intent).unwrap();
        assert_eq!(all(state.path()), [(key.clone(), Some(intent))]);
        assert!(all::<Update>(state.path()).is_empty());
        end::<Uninstall>(state.path(), &key);
        assert!(all::<Uninstall>(state.path()).is_empty());
    }
}
