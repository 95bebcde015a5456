//! Access tokens of private sources: one file for each service, which only the host reads.
//!
//! A token counts for the source that it was given for. A record that names another one makes it
//! void, whatever a crash left.

use atek_api::ids::ServiceKey;
use atek_api::package::SourceToken;
use atek_api::source::Source;
use atek_files::{FileError, remove, write_atomic};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// In the host's state folder.
const FOLDER: &str = "source-tokens";

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    source: Source,
    token: SourceToken,
}

fn file(state: &Path, key: &ServiceKey) -> PathBuf {
    state.join(FOLDER).join(format!("{key}.json"))
}

/// Keeps the token of a service's source, durably, in place of another one.
pub(super) fn keep(
    state: &Path,
    key: &ServiceKey,
    source: Source,
    token: SourceToken,
) -> Result<(), FileError> {
    // Ignored: if the folder is missing, the write below reports it.
    let _ = fs::create_dir(state.join(FOLDER));
    let text = serde_json::to_vec(&Kept { source, token }).unwrap_or_default();
    write_atomic(&file(state, key), &text, 0o600)
}

/// The token of a service for this source.
pub(super) fn read(state: &Path, key: &ServiceKey, source: &Source) -> Option<SourceToken> {
    let path = file(state, key);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "cannot read an access token");
            return None;
        }
    };
    // The error of serde_json could repeat some of the text.
    let Ok(kept) = serde_json::from_slice::<Kept>(&text) else {
        tracing::error!(path = %path.display(), "cannot understand an access token; give it again");
        return None;
    };
    (kept.source == *source).then_some(kept.token)
}

/// Forgets the token of a service.
pub(super) fn forget(state: &Path, key: &ServiceKey) {
    let path = file(state, key);
    if let Err(error) = remove(&path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove an access token");
    }
}

/// Forgets the tokens of services that do not exist.
pub(super) fn sweep(state: &Path, exists: impl Fn(&ServiceKey) -> bool) {
    let entries = fs::read_dir(state.join(FOLDER)).into_iter().flatten();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str());
        let key = name.and_then(|name| name.strip_suffix(".json")?.parse().ok());
        if key.is_none_or(|key| !exists(&key))
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove an access token");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_token_is_there_for_its_source_alone_until_it_is_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let key: ServiceKey = "k1".parse().unwrap();
        let source: Source = "https://example.org/a".parse().unwrap();
        let other: Source = "https://example.com/a".parse().unwrap();
        let token: SourceToken = "hunter2".parse().unwrap();
        assert_eq!(read(state, &key, &source), None);
        keep(state, &key, source.clone(), token.clone()).unwrap();
        assert_eq!(read(state, &key, &source), Some(token));
        assert_eq!(read(state, &key, &other), None);
        let mode = fs::metadata(file(state, &key))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        forget(state, &key);
        forget(state, &key);
        assert_eq!(read(state, &key, &source), None);
    }

    #[test]
    fn what_belongs_to_no_service_is_swept_and_what_is_damaged_counts_for_nothing() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let (here, gone): (ServiceKey, ServiceKey) = ("k1".parse().unwrap(), "k2".parse().unwrap());
        let source: Source = "https://example.org/a".parse().unwrap();
        for key in [&here, &gone] {
            keep(state, key, source.clone(), "hunter2".parse().unwrap()).unwrap();
        }
        // What a cut-off write left.
        fs::write(state.join(FOLDER).join("k1.json.new"), "{").unwrap();
        sweep(state, |key| *key == here);
        assert!(read(state, &here, &source).is_some());
        let left = fs::read_dir(state.join(FOLDER)).unwrap().count();
        assert_eq!(left, 1);
        fs::write(file(state, &here), "{\"token\": \"hunter2\"").unwrap();
        assert_eq!(read(state, &here, &source), None);
    }
}
