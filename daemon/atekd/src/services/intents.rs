//! Intents: operations that must be finished or undone after a crash. Each is written down
//! before it has an effect, and removed when it is done.

use super::reserved_file;
use super::updates::machine::Journal;
use crate::error_chain::{DisplayChain, is_disk_full};
use atek_api::ids::{ServiceKey, UserKey};
use atek_files::{FileError, write_atomic};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// An install of a package. Its record being stored is what makes it happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Install {}

/// An uninstall. Its record being gone is what makes it happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Uninstall {
    /// The state stays.
    pub(super) keep_data: bool,
    /// So do databases, but those of a copy that was not made: its key is new, and so are they.
    #[serde(default)]
    pub(super) databases: bool,
}

/// A transfer of what a user owns. Once it is written down it is finished: apps whose databases
/// stayed behind would make empty ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transfer {
    /// The new owner.
    pub(super) to: UserKey,
    /// The services: once a record has changed it does not tell any more whose it was.
    pub(super) services: Vec<ServiceKey>,
}

/// A kind of intent: a folder with a file for each service, or user.
pub(super) trait Intent: Serialize + DeserializeOwned {
    const FOLDER: &'static str;
    /// Whether it must be possible on a full disk, which it helps to free.
    const NEEDED_ON_FULL_DISK: bool = false;
    type Key: fmt::Display + FromStr;
}

impl Intent for Transfer {
    const FOLDER: &'static str = "transfers";
    type Key = UserKey;
}

impl Intent for Install {
    type Key = ServiceKey;
    const FOLDER: &'static str = "installs";
}

impl Intent for Uninstall {
    type Key = ServiceKey;
    const FOLDER: &'static str = "uninstalls";
    const NEEDED_ON_FULL_DISK: bool = true;
}

/// An update. Its record naming the new version is what makes it happen.
impl Intent for Journal {
    type Key = ServiceKey;
    const FOLDER: &'static str = "updates";
}

/// Writes an intent down, durably.
pub(super) fn begin<I: Intent>(state: &Path, key: &I::Key, intent: &I) -> Result<(), FileError> {
    let folder = state.join(I::FOLDER);
    // Ignored: if the folder is missing, the write below reports it.
    let _ = fs::create_dir(&folder);
    let text = serde_json::to_vec_pretty(intent).unwrap_or_default();
    let path = file::<I>(state, key);
    match write_atomic(&path, &text, 0o600) {
        Err(full) if I::NEEDED_ON_FULL_DISK && is_disk_full(&full) => {
            // Without a reserved file the full disk is what is reported.
            reserved_file::consume(state, &path, &text).map_err(|error| {
                tracing::warn!(error = %DisplayChain(&error), "the reserved file cannot be used");
                full
            })
        }
        other => other,
    }
}

/// Makes the files that intents need on a full disk.
pub(super) fn prepare(state: &Path) {
    let _ = fs::create_dir(state.join(Uninstall::FOLDER));
    reserved_file::preallocate(state);
}

/// Forgets an intent. One that stays by accident is looked at again at the next start.
pub(super) fn end<I: Intent>(state: &Path, key: &I::Key) {
    let path = file::<I>(state, key);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove an intent that is done");
        }
        _ if I::NEEDED_ON_FULL_DISK => reserved_file::preallocate(state),
        _ => {}
    }
}

/// Every intent that was not ended, at a start of the host. One that cannot be read had no effect
/// yet; what a write that was cut off left is removed.
pub(super) fn all<I: Intent>(state: &Path) -> Vec<(I::Key, Option<I>)> {
    let Ok(entries) = fs::read_dir(state.join(I::FOLDER)) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            if path.extension().is_some_and(|extension| extension == "new") {
                // It is in the way of nothing: the next write replaces it.
                let _ = fs::remove_file(&path);
                return None;
            }
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

/// The intent with this key, if it was not ended.
pub(super) fn one<I: Intent>(state: &Path, key: &I::Key) -> Option<I> {
    let text = fs::read(file::<I>(state, key)).ok()?;
    serde_json::from_slice(&text).ok()
}

fn file<I: Intent>(state: &Path, key: &I::Key) -> PathBuf {
    state.join(I::FOLDER).join(format!("{key}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_write_that_was_cut_off_left_is_removed_at_the_next_start() {
        let state = tempfile::tempdir().unwrap();
        let key: ServiceKey = "k.1".parse().unwrap();
        begin(state.path(), &key, &Install {}).unwrap();
        let left = state.path().join("installs/k.2.json.new");
        fs::write(&left, "{").unwrap();
        assert_eq!(all(state.path()), [(key, Some(Install {}))]);
        assert!(!left.exists());
    }

    #[test]
    fn an_intent_is_there_until_it_is_ended() {
        let state = tempfile::tempdir().unwrap();
        let key: ServiceKey = "k.1".parse().unwrap();
        assert!(all::<Uninstall>(state.path()).is_empty());
        let intent = Uninstall {
            keep_data: true,
            databases: false,
        };
        begin(state.path(), &key, &intent).unwrap();
        assert_eq!(all(state.path()), [(key.clone(), Some(intent))]);
        assert!(all::<Journal>(state.path()).is_empty());
        assert!(one::<Uninstall>(state.path(), &key).is_some());
        end::<Uninstall>(state.path(), &key);
        assert!(all::<Uninstall>(state.path()).is_empty());
    }
}
