//! Folders that are made once and then shared by every run: the root file system, Atek's layer.
//!
//! An entry is complete or absent: it is made aside and renamed. A lock file beside each entry is
//! held shared by its users and exclusively by the process that makes or removes it, so that two
//! test processes may race.

use anyhow::Context as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many entries of a kind stay besides those in use.
const KEPT: usize = 2;

/// Before the name of an entry while it is being made.
const PARTIAL: &str = ".partial-";

/// The cache folder.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
}

/// An entry in use: it is not removed while this value lives.
#[derive(Debug)]
pub struct Stored {
    /// The folder. Read it; never write to it.
    pub path: PathBuf,
    _lock: File,
}

impl Store {
    /// Opens the store in `dir`, and makes the folder if there is none.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made.
    pub fn open(dir: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&dir)
            .with_context(|| format!("cannot make the cache folder {}", dir.display()))?;
        Ok(Self { dir })
    }

    /// The entry `kind`-`key`; `make` fills the (absent) folder it is given when there is no such
    /// entry yet.
    ///
    /// # Errors
    ///
    /// What `make` answers, or an I/O error of the store itself.
    pub fn get(
        &self,
        kind: &str,
        key: &str,
        make: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Stored> {
        let path = self.dir.join(format!("{kind}-{key}"));
        let lock = self.lock_file(&path)?;
        let locking = || format!("cannot lock {}", path.display());
        let mut make = Some(make);
        loop {
            lock.lock_shared().with_context(locking)?;
            if path.is_dir() {
                lock.set_modified(SystemTime::now()).with_context(locking)?;
                self.prune(kind, &path)?;
                return Ok(Stored { path, _lock: lock });
            }
            // Between this lock and the shared one above, another process may have made or pruned
            // it.
            lock.unlock()
                .and_then(|()| lock.lock())
                .with_context(locking)?;
            if !path.is_dir() {
                let make = make
                    .take()
                    .context("a cache entry vanished while it was made")?;
                let aside = self.dir.join(format!("{PARTIAL}{kind}-{key}"));
                remove_tree(&aside)?;
                make(&aside).with_context(|| format!("cannot make {}", path.display()))?;
                fs::rename(&aside, &path)
                    .with_context(|| format!("cannot put {} in place", path.display()))?;
            }
            lock.unlock().with_context(locking)?;
        }
    }

    fn lock_file(&self, entry: &Path) -> anyhow::Result<File> {
        let path = entry.with_extension("lock");
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))
    }

    /// Removes the unused entries of `kind`, except `current` and the last few used,
    /// and what a killed maker left half done.
    fn prune(&self, kind: &str, current: &Path) -> anyhow::Result<()> {
        let mut others = Vec::new();
        for found in fs::read_dir(&self.dir).context("cannot list the cache folder")? {
            let path = found.context("cannot list the cache folder")?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let entry = name.strip_prefix(PARTIAL).unwrap_or(&name);
            if !entry.starts_with(&format!("{kind}-")) || !path.is_dir() || path == current {
                continue;
            }
            let lock = self.lock_file(&self.dir.join(entry))?;
            let used = match entry == name {
                true => lock
                    .metadata()
                    .and_then(|m| m.modified())
                    .unwrap_or(SystemTime::UNIX_EPOCH),
                false => SystemTime::UNIX_EPOCH,
            };
            others.push((used, path, lock));
        }
        others.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
        for (_, path, lock) in others.into_iter().skip(KEPT) {
            if lock.try_lock().is_ok() {
                remove_tree(&path)?;
            }
        }
        Ok(())
    }
}

/// Removes a folder with all that is in it; it may be absent.
fn remove_tree(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("cache")).unwrap();
        (dir, store)
    }

    #[test]
    fn an_entry_is_made_once_however_many_ask_at_the_same_time() {
        let (_dir, store) = store();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let entry = store.get("thing", "1", |aside| {
                        made.fetch_add(1, Ordering::SeqCst);
                        fs::create_dir(aside)?;
                        Ok(fs::write(aside.join("content"), "whole")?)
                    });
                    assert_eq!(
                        fs::read_to_string(entry.unwrap().path.join("content")).unwrap(),
                        "whole"
                    );
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failed_making_leaves_no_entry_and_the_next_one_starts_afresh() {
        let (_dir, store) = store();
        let failed = store.get("thing", "1", |aside| {
            fs::create_dir(aside)?;
            fs::write(aside.join("half"), "")?;
            anyhow::bail!("no space")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("no space"));
        let entry = store
            .get("thing", "1", |aside| Ok(fs::create_dir(aside)?))
            .unwrap();
        assert_eq!(fs::read_dir(&entry.path).unwrap().count(), 0);
    }

    #[test]
    fn old_entries_go_but_never_one_that_is_in_use() {
        let (_dir, store) = store();
        let make = |key: &str| {
            store
                .get("thing", key, |aside| Ok(fs::create_dir(aside)?))
                .unwrap()
        };
        let used = make("0");
        for key in 1..6 {
            make(&key.to_string());
        }
        assert!(used.path.is_dir());
        let left = fs::read_dir(&store.dir)
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().is_dir())
            .count();
        assert!((2..=KEPT + 2).contains(&left), "{left} entries left");
    }
}
