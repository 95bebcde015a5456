//! Data of uninstalled apps that somebody wanted to keep.
//!
//! ```text
//!  uninstall, keeping: kept/KEY.json -> record removed = kept -> package removed
//!  install, adopting:  package under KEY -> record stored = in use -> kept/KEY.json removed
//! ```
//!
//! State is kept where it is, under the service's key, and whoever adopts it takes over that
//! key: so the app finds its files and its databases, and nothing has to be moved. A file
//! whose key has a record is a leftover and says nothing.

use super::{Inner, InstallError, KeptError, fault, locks};
use crate::database::ServiceRecord;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_files::{FileError, write_atomic};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is kept of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The service's key.
    pub key: ServiceKey,
    /// The id that it had.
    pub id: ServiceId,
    /// Whose it is.
    pub owner: UserKey,
    /// What it was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where its package came from.
    pub source_url: String,
    /// The tag that was installed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// RFC 3339: when it was uninstalled.
    pub kept_at: String,
}

impl Kept {
    pub(super) fn of(record: &ServiceRecord) -> Self {
        let settings = &record.settings;
        Self {
            key: record.key.clone(),
            id: settings.id.clone(),
            owner: settings.owning_user_key.clone(),
            title: settings.package.title.clone(),
            source_url: settings.source_url.clone(),
            version: settings.package.installed_version.clone(),
            kept_at: jiff::Timestamp::now().to_string(),
        }
    }
}

/// Writes down that data is kept, durably.
pub(super) fn remember(state: &Path, kept: &Kept) -> Result<(), FileError> {
    // What goes wrong here goes wrong with the file, too.
    let _ = fs::create_dir(state.join(FOLDER));
    let text = serde_json::to_vec(kept).unwrap_or_default();
    write_atomic(&file(state, &kept.key), &text, 0o600)
}

/// Forgets that data is kept: it is in use, or gone. One that stays by accident is looked at
/// again at the next start.
pub(super) fn forget(state: &Path, key: &ServiceKey) {
    let path = file(state, key);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot forget what is not kept any more");
        }
        _ => {}
    }
}

/// Every file, also of keys that have a record; oldest first. One that cannot be read is
/// reported, and its data stays.
pub(super) fn files(state: &Path) -> Vec<Kept> {
    let entries = fs::read_dir(state.join(FOLDER)).into_iter().flatten();
    let names = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        path.extension()
            .is_some_and(|end| end == "json")
            .then_some(path)
    });
    let mut kept: Vec<Kept> = names
        .filter_map(|path| {
            let read = fs::read(&path).map_err(|error| error.to_string());
            let read = read.and_then(|text| {
                serde_json::from_slice(&text).map_err(|error| error.to_string())
            });
            read.inspect_err(|error| {
                tracing::error!(path = %path.display(), error, "cannot tell whose kept data this is");
            })
            .ok()
        })
        .collect();
    kept.sort_by(|a, b| a.kept_at.cmp(&b.kept_at));
    kept
}

/// What is kept.
pub(super) async fn list(inner: &Inner) -> Vec<Kept> {
    let state = inner.layout.state().to_owned();
    let all = tokio::task::spawn_blocking(move || files(&state)).await;
    let records = inner.database.records();
    let is_kept = |kept: &Kept| records.service(kept.key.as_str()).is_none();
    all.unwrap_or_default()
        .into_iter()
        .filter(is_kept)
        .collect()
}

/// The data with this key, for somebody who will own the service.
pub(super) async fn find(
    inner: &Inner,
    key: &ServiceKey,
    owner: &UserKey,
) -> Result<Kept, KeptError> {
    let found = list(inner).await.into_iter().find(|kept| kept.key == *key);
    // Whether there is data of somebody else is not told.
    found
        .filter(|kept| kept.owner == *owner)
        .ok_or_else(|| KeptError::NotFound(key.to_string()))
}

/// Removes kept data for good.
pub(super) async fn remove(inner: &Inner, key: &ServiceKey) -> Result<(), KeptError> {
    inner.tidy().await;
    let kept = list(inner).await.into_iter().find(|kept| kept.key == *key);
    let kept = kept.ok_or_else(|| KeptError::NotFound(key.to_string()))?;
    let _lock = inner.locks.take(key, &kept.id, "remove")?;
    if inner.database.records().service(key.as_str()).is_some() {
        // Somebody has just adopted it.
        return Err(KeptError::NotFound(key.to_string()));
    }
    inner.spawn.wipe_state(key).await?;
    fault::point("kept.wiped");
    forget(inner.layout.state(), key);
    Ok(())
}

/// Hands kept data over to another user.
pub(super) async fn give(inner: &Inner, from: &UserKey, to: &UserKey) -> Result<(), FileError> {
    for kept in list(inner).await {
        if kept.owner == *from {
            let given = Kept {
                owner: to.clone(),
                ..kept
            };
            remember(inner.layout.state(), &given)?;
        }
    }
    Ok(())
}

/// Forgets files of keys that are in use: an uninstall that did not happen, or data that was
/// adopted.
pub(super) fn sweep(inner: &Inner) {
    let state = inner.layout.state();
    let records = inner.database.records();
    for kept in files(state) {
        if records.service(kept.key.as_str()).is_some() {
            forget(state, &kept.key);
        }
    }
}

/// Takes kept data for a service that is being installed; nobody else gets it meanwhile.
pub(super) async fn adopt(
    inner: &Inner,
    key: &ServiceKey,
    owner: &UserKey,
) -> Result<locks::Lock, InstallError> {
    let kept = find(inner, key, owner).await?;
    let lock = inner.locks.take(key, &kept.id, "install");
    let lock = lock.map_err(KeptError::from)?;
    // Between the two somebody may have been faster.
    find(inner, key, owner).await?;
    // A package of an uninstall that was cut off would be in the way.
    inner.spawn.remove_package(key).await?;
    Ok(lock)
}

const FOLDER: &str = "kept";

fn file(state: &Path, key: &ServiceKey) -> PathBuf {
    state.join(FOLDER).join(format!("{key}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(key: &str, at: &str) -> Kept {
        Kept {
            key: key.parse().unwrap(),
            id: "rss".parse().unwrap(),
            owner: "u1".parse().unwrap(),
            title: Some("News".to_owned()),
            source_url: "https://example.org/rss".to_owned(),
            version: Some("v1.0.0".to_owned()),
            kept_at: at.to_owned(),
        }
    }

    #[test]
    fn what_is_kept_is_listed_oldest_first_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        assert!(files(state).is_empty());
        let (old, new) = (
            kept("k2", "2026-01-01T00:00:00Z"),
            kept("k1", "2026-02-01T00:00:00Z"),
        );
        remember(state, &new).unwrap();
        remember(state, &old).unwrap();
        fs::write(state.join("kept/k3.json"), "half a fi").unwrap();
        assert_eq!(files(state), [old.clone(), new.clone()]);
        forget(state, &old.key);
        forget(state, &old.key);
        assert_eq!(files(state), [new]);
    }
}
