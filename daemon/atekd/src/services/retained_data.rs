//! Retained data: the state of uninstalled apps, and the files that say whose it is.
//!
//! ```text
//!  uninstall, keeping: kept/KEY.json -> record removed = retained -> package removed
//!  install, adopting:  package under KEY -> record stored = in use -> kept/KEY.json removed
//! ```
//!
//! State stays where it is, under the service's key, and the service that adopts it takes over
//! that key: so the app finds its files and its databases, and nothing has to be moved. A file
//! whose key has a record is a leftover and means nothing.

use crate::database::ServiceRecord;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::source::Source;
use atek_files::{FileError, write_atomic};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Retained data of one uninstalled service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetainedData {
    /// The service's key.
    pub key: ServiceKey,
    /// The id that it had.
    pub id: ServiceId,
    /// Its owner.
    pub owner: UserKey,
    /// Its title.
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

impl RetainedData {
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

    /// Whether an app from `source` that `owner` installs may take it over.
    pub(super) fn fits(&self, source: &Source, owner: &UserKey) -> bool {
        let same_source = match self.source_url.parse::<Source>() {
            Ok(own) => same_repository(&own.to_string(), &source.to_string()),
            Err(_) => false,
        };
        self.owner == *owner && same_source
    }
}

/// Whether two URLs name one repository or folder.
fn same_repository(one: &str, other: &str) -> bool {
    let plain = |url: &str| {
        let url = url.trim_end_matches('/');
        url.strip_suffix(".git").unwrap_or(url).to_ascii_lowercase()
    };
    plain(one) == plain(other)
}

/// Writes down that data is retained, durably.
pub(super) fn write(state: &Path, data: &RetainedData) -> Result<(), FileError> {
    // Ignored: if the folder is missing, the write below reports it.
    let _ = fs::create_dir(state.join(FOLDER));
    let text = serde_json::to_vec(data).unwrap_or_default();
    write_atomic(&file(state, &data.key), &text, 0o600)
}

/// Forgets that data is retained: it is in use, or gone. A file that stays by accident is removed
/// at the next start.
pub(super) fn remove(state: &Path, key: &ServiceKey) {
    let path = file(state, key);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot forget data that is not retained any more");
        }
        _ => {}
    }
}

/// Every file, also of keys that have a record; oldest first. One that cannot be read is
/// reported, and its data stays.
pub(super) fn read_all(state: &Path) -> Vec<RetainedData> {
    let entries = fs::read_dir(state.join(FOLDER)).into_iter().flatten();
    let paths = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        path.extension()
            .is_some_and(|end| end == "json")
            .then_some(path)
    });
    let mut all: Vec<RetainedData> = paths
        .filter_map(|path| {
            let read = fs::read(&path).map_err(|error| error.to_string());
            let read = read.and_then(|text| {
                serde_json::from_slice(&text).map_err(|error| error.to_string())
            });
            read.inspect_err(|error| {
                tracing::error!(path = %path.display(), error, "cannot read whose retained data this is");
            })
            .ok()
        })
        .collect();
    all.sort_by(|a: &RetainedData, b| a.kept_at.cmp(&b.kept_at));
    all
}

/// In the host's state folder; the name is older than the term.
const FOLDER: &str = "kept";

fn file(state: &Path, key: &ServiceKey) -> PathBuf {
    state.join(FOLDER).join(format!("{key}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(key: &str, at: &str) -> RetainedData {
        RetainedData {
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
    fn retained_data_is_listed_oldest_first_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        assert!(read_all(state).is_empty());
        let (old, new) = (
            data("k2", "2026-01-01T00:00:00Z"),
            data("k1", "2026-02-01T00:00:00Z"),
        );
        write(state, &new).unwrap();
        write(state, &old).unwrap();
        fs::write(state.join("kept/k3.json"), "half a fi").unwrap();
        assert_eq!(read_all(state), [old.clone(), new.clone()]);
        remove(state, &old.key);
        remove(state, &old.key);
        assert_eq!(read_all(state), [new]);
    }

    #[test]
    fn data_fits_an_app_of_the_same_repository_and_owner_however_the_url_is_written() {
        let data = data("k1", "2026-01-01T00:00:00Z");
        let owner: UserKey = "u1".parse().unwrap();
        for same in [
            "https://example.org/rss",
            "https://example.org/rss.git",
            "https://example.org/rss/",
            "https://EXAMPLE.org/rss",
        ] {
            assert!(data.fits(&same.parse().unwrap(), &owner), "{same}");
        }
        let source = "https://example.org/rss".parse().unwrap();
        assert!(!data.fits(&source, &"u2".parse().unwrap()));
        let other = "https://example.org/rss2".parse().unwrap();
        assert!(!data.fits(&other, &owner));
    }
}
