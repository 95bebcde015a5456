//! Whether a core service that may sleep is kept running: it says so itself, and it holds over a
//! restart of the box.

use atek_files::{FileError, remove, write_atomic};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The wish of one service, in memory and as a file that is there or not.
#[derive(Debug, Clone)]
pub(super) struct Awake {
    file: PathBuf,
    wanted: Arc<AtomicBool>,
}

impl Awake {
    /// As it was left.
    pub(super) fn read(file: PathBuf) -> Self {
        let wanted = Arc::new(AtomicBool::new(file.exists()));
        Self { file, wanted }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Stores a wish; it is in force when this returns. Blocks for as long as the disk does.
    pub(super) fn set(&self, wanted: bool) -> Result<(), FileError> {
        if wanted == self.is_wanted() {
            return Ok(());
        }
        if wanted {
            let folder = self.file.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(folder).map_err(FileError::at("make", folder))?;
            write_atomic(&self.file, b"", 0o600)?;
        } else {
            remove(&self.file)?;
        }
        self.wanted.store(wanted, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_kept_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("awake/core.hypercore");
        let awake = Awake::read(file.clone());
        assert!(!awake.is_wanted());
        for wanted in [true, true, false, false, true] {
            awake.set(wanted).unwrap();
            assert_eq!(awake.is_wanted(), wanted);
            assert_eq!(Awake::read(file.clone()).is_wanted(), wanted);
        }
    }
}
