//! What is remembered about the updates of a service: one readable file each,
//! `update-history/KEY.json`, written whole and synced.
//!
//! It is not part of the record in the database: a release that breaks the database must be
//! remembered too.

use super::policy::Seconds;
use atek_api::ids::ServiceKey;
use atek_api::signer::{Signer, SignerChange};
use atek_api::updates::{RefusedRelease, SnapshotInfo, UpdateEntry, UpdateOutcome};
use atek_files::{FileError, write_atomic};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = "update-history";
/// Updates that are remembered of one service.
const HISTORY_MAX: usize = 20;
/// Tags that are remembered of one service; the oldest go first.
const TAGS_MAX: usize = 200;
/// Releases that are remembered as refused.
const REFUSED_MAX: usize = 50;
/// The most bytes of a file that is read.
const FILE_MAX: u64 = 4 << 20;

/// What is remembered of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::services) struct SeenTag {
    /// RFC 3339.
    pub(in crate::services) first_seen: String,
    /// The commit that it named, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::services) commit: Option<String>,
    /// Who signed it, of one that was fetched and has a signature that is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::services) signer: Option<Signer>,
    /// The tag's message, of one that was fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::services) notes: Option<String>,
}

/// The latest check for releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::services) struct ReleaseCheck {
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::services) at: Option<String>,
    /// The newest release that could be installed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::services) found: Option<String>,
    /// Failures in a row.
    #[serde(default)]
    pub(in crate::services) failures: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::services) problem: Option<String>,
}

/// What is remembered of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::services) struct Ledger {
    pub(in crate::services) look: ReleaseCheck,
    /// By tag.
    pub(in crate::services) tags: BTreeMap<String, SeenTag>,
    pub(in crate::services) refused: Vec<RefusedRelease>,
    /// The tag that asks for more than was granted.
    pub(in crate::services) asks_for_more: Option<String>,
    /// Newest first.
    pub(in crate::services) history: Vec<UpdateEntry>,
    /// Newest first.
    pub(in crate::services) snapshots: Vec<SnapshotInfo>,
}

/// What a fetch found behind a tag.
#[derive(Debug, Clone, Copy)]
pub(in crate::services) struct Fetched<'a> {
    /// The commit, which names the tree.
    pub(in crate::services) commit: &'a str,
    pub(in crate::services) signer: Option<&'a Signer>,
    /// The fingerprint of another key that a person agreed to.
    pub(in crate::services) accepted: Option<&'a str>,
}

/// A tag is not what it was when it was first fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services) enum TagChange {
    /// It names another commit.
    Moved { then: String, now: String },
    /// It has no signature any more, or one that covers less.
    Unsigned { then: Signer },
    /// Another key signed it.
    Resigned { then: Signer, now: Signer },
}

impl Ledger {
    /// What is remembered; nothing where the file is missing or cannot be understood.
    pub(in crate::services) fn read(state: &Path, key: &ServiceKey) -> Self {
        let path = file(state, key);
        let small = fs::metadata(&path).is_ok_and(|about| about.len() <= FILE_MAX);
        let text = if small { fs::read(&path).ok() } else { None };
        let Some(text) = text else {
            return Self::default();
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), %error, "cannot understand what was remembered of updates");
            Self::default()
        })
    }

    /// Remembers it, durably.
    pub(in crate::services) fn write(
        &mut self,
        state: &Path,
        key: &ServiceKey,
    ) -> Result<(), FileError> {
        self.history.truncate(HISTORY_MAX);
        let excess = self.refused.len().saturating_sub(REFUSED_MAX);
        self.refused.drain(..excess);
        while self.tags.len() > TAGS_MAX {
            let oldest = self.tags.iter().min_by_key(|(_, seen)| &seen.first_seen);
            let Some(oldest) = oldest.map(|(tag, _)| tag.clone()) else {
                break;
            };
            self.tags.remove(&oldest);
        }
        let folder = state.join(FOLDER);
        // Ignored: if the folder is missing, the write below reports it.
        let _ = fs::create_dir(&folder);
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        write_atomic(&file(state, key), &text, 0o600)
    }

    /// Forgets a service that is gone.
    pub(in crate::services) fn remove(state: &Path, key: &ServiceKey) {
        match fs::remove_file(file(state, key)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%key, %error, "cannot forget the updates of a service");
            }
            _ => {}
        }
    }

    /// Remembers that there is a tag.
    pub(in crate::services) fn see(&mut self, tag: &str, now: &str) -> &mut SeenTag {
        self.tags.entry(tag.to_owned()).or_insert_with(|| SeenTag {
            first_seen: now.to_owned(),
            commit: None,
            signer: None,
            notes: None,
        })
    }

    /// Remembers what a tag names. A tag is a contract: one that names another commit than it did,
    /// or whose signature is not what it was, is told, and keeps what it first was.
    pub(in crate::services) fn see_fetched(
        &mut self,
        tag: &str,
        found: Fetched<'_>,
        now: &str,
    ) -> Result<&mut SeenTag, TagChange> {
        let seen = self.see(tag, now);
        if let Some(then) = seen.commit.as_ref().filter(|then| *then != found.commit) {
            return Err(TagChange::Moved {
                then: then.clone(),
                now: found.commit.to_owned(),
            });
        }
        if let Some(then) = &seen.signer {
            let then = then.clone();
            match Signer::check(Some(&then), found.signer) {
                Ok(()) => {}
                Err(SignerChange::Other(now)) if found.accepted == Some(&now.fingerprint) => {}
                Err(SignerChange::Other(now)) => return Err(TagChange::Resigned { then, now }),
                Err(SignerChange::Missing | SignerChange::Weaker) => {
                    return Err(TagChange::Unsigned { then });
                }
            }
        }
        seen.commit = Some(found.commit.to_owned());
        seen.signer = found.signer.cloned();
        Ok(seen)
    }

    /// Remembers that a release is not to be tried again by itself.
    pub(in crate::services) fn refuse(&mut self, tag: &str, reason: &str, now: &str) {
        self.refused.retain(|refused| refused.tag != tag);
        self.refused.push(RefusedRelease {
            tag: tag.to_owned(),
            reason: reason.to_owned(),
            at: now.to_owned(),
        });
        if self.look.found.as_deref() == Some(tag) {
            self.look.found = None;
        }
    }

    /// The tags that were refused.
    pub(in crate::services) fn refused_tags(&self) -> Vec<String> {
        self.refused
            .iter()
            .map(|refused| refused.tag.clone())
            .collect()
    }

    /// When a tag was first seen.
    pub(in crate::services) fn first_seen(&self, tag: &str) -> Option<Seconds> {
        let seen = self.tags.get(tag)?;
        super::seconds(&seen.first_seen)
    }

    /// The tag before the update to the installed one.
    pub(in crate::services) fn version_before(&self, installed: Option<&str>) -> Option<&str> {
        let mut history = self.history.iter();
        let update = history.find(|entry| {
            Some(entry.to.as_str()) == installed && entry.outcome == UpdateOutcome::Updated
        })?;
        Some(&update.from)
    }

    /// Puts an update at the head of the history.
    pub(in crate::services) fn note(&mut self, entry: UpdateEntry) {
        self.history.insert(0, entry);
    }
}

fn file(state: &Path, key: &ServiceKey) -> PathBuf {
    state.join(FOLDER).join(format!("{key}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::signer::{Signed, SignerKind};

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn unsigned(commit: &str) -> Fetched<'_> {
        Fetched {
            commit,
            signer: None,
            accepted: None,
        }
    }

    #[test]
    fn what_is_remembered_survives_and_a_damaged_file_is_nothing() {
        let state = tempfile::tempdir().unwrap();
        let key: ServiceKey = "k1".parse().unwrap();
        assert_eq!(Ledger::read(state.path(), &key), Ledger::default());
        let mut ledger = Ledger::default();
        ledger.see_fetched("v1.0.0", unsigned("aa"), NOW).unwrap();
        ledger.refuse("v1.0.0", "it crashed", NOW);
        ledger.write(state.path(), &key).unwrap();
        assert_eq!(Ledger::read(state.path(), &key), ledger);
        assert_eq!(ledger.first_seen("v1.0.0"), Some(1_767_225_600));
        fs::write(file(state.path(), &key), "half").unwrap();
        assert_eq!(Ledger::read(state.path(), &key), Ledger::default());
        Ledger::remove(state.path(), &key);
        Ledger::remove(state.path(), &key);
    }

    #[test]
    fn a_tag_that_moved_is_told_and_keeps_what_it_was() {
        let mut ledger = Ledger::default();
        ledger.see("v1.0.0", NOW);
        ledger.see_fetched("v1.0.0", unsigned("aa"), NOW).unwrap();
        ledger.see("v1.0.0", NOW);
        let moved = ledger.see_fetched("v1.0.0", unsigned("bb"), NOW);
        let (then, now) = ("aa".to_owned(), "bb".to_owned());
        assert_eq!(moved.unwrap_err(), TagChange::Moved { then, now });
        assert_eq!(ledger.tags["v1.0.0"].commit.as_deref(), Some("aa"));
    }

    #[test]
    fn a_tag_whose_signature_is_not_what_it_was_is_told() {
        let by = |fingerprint: &str, signed| Signer {
            kind: SignerKind::Ssh,
            fingerprint: fingerprint.to_owned(),
            signed,
        };
        let (a, b) = (by("SHA256:a", Signed::Tag), by("SHA256:b", Signed::Tag));
        let a_commit = by("SHA256:a", Signed::Commit);
        let found = |signer, accepted| Fetched {
            commit: "aa",
            signer,
            accepted,
        };
        let unsigned_now = Err(TagChange::Unsigned { then: a.clone() });
        let resigned = TagChange::Resigned {
            then: a.clone(),
            now: b.clone(),
        };
        for (then, now, expected) in [
            (None, found(None, None), Ok(())),
            (None, found(Some(&a), None), Ok(())),
            (Some(&a), found(Some(&a), None), Ok(())),
            (Some(&a_commit), found(Some(&a), None), Ok(())),
            (Some(&a), found(None, None), unsigned_now.clone()),
            (Some(&a), found(Some(&a_commit), None), unsigned_now),
            (Some(&a), found(Some(&b), None), Err(resigned.clone())),
            (Some(&a), found(Some(&b), Some("SHA256:c")), Err(resigned)),
            (Some(&a), found(Some(&b), Some("SHA256:b")), Ok(())),
        ] {
            let mut ledger = Ledger::default();
            ledger.see_fetched("v1", found(then, None), NOW).unwrap();
            let told = ledger.see_fetched("v1", now, NOW).map(|_| ());
            assert_eq!(told, expected, "{then:?} {now:?}");
            let kept = if told.is_ok() { now.signer } else { then };
            assert_eq!(ledger.tags["v1"].signer.as_ref(), kept, "{then:?} {now:?}");
        }
    }

    #[test]
    fn the_file_stays_small() {
        let state = tempfile::tempdir().unwrap();
        let key: ServiceKey = "k1".parse().unwrap();
        let mut ledger = Ledger::default();
        for nth in 0..1000 {
            let tag = format!("v{nth}.0.0");
            ledger.see(&tag, &format!("2026-01-01T00:00:00.{nth:04}Z"));
            ledger.refuse(&tag, "no", NOW);
            ledger.refuse(&tag, "no", NOW);
        }
        ledger.write(state.path(), &key).unwrap();
        let read = Ledger::read(state.path(), &key);
        assert_eq!(
            (read.tags.len(), read.refused.len()),
            (TAGS_MAX, REFUSED_MAX)
        );
        assert!(read.tags.contains_key("v999.0.0") && !read.tags.contains_key("v0.0.0"));
        assert_eq!(read.refused.last().unwrap().tag, "v999.0.0");
    }
}
