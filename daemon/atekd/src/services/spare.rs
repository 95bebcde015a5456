//! A file that lies ready, for the one intent that must be written when no other file can be made: an uninstall is
//! what ends a full disk. It has its block and its place among the files already, so it needs neither.

use crate::chain::Chain;
use atek_files::{FileError, write_atomic};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// One block: an intent is shorter.
const BYTES: usize = 4096;

/// Makes the spare file in `state` if there is none.
pub(super) fn keep(state: &Path) {
    let path = file(state);
    let whole = BYTES as u64;
    if path.metadata().is_ok_and(|found| found.len() == whole) {
        return;
    }
    if let Err(error) = write_atomic(&path, &[b' '; BYTES], 0o600) {
        // The next uninstall tries again; it is needed only on a disk that is full.
        tracing::warn!(error = %Chain(&error), "there is no spare file");
    }
}

/// Makes the spare file the file `to` with `content`, durably. Needs no room on the disk.
pub(super) fn spend(state: &Path, to: &Path, content: &[u8]) -> Result<(), FileError> {
    let spare = file(state);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&spare)?;
        file.write_all(content)?;
        // Shorter only now: what is cut off first must be found again.
        file.set_len(content.len() as u64)?;
        file.sync_all()
    };
    write().map_err(FileError::at("write", &spare))?;
    fs::rename(&spare, to).map_err(FileError::at("replace", to))?;
    let folder = to.parent().unwrap_or(state);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::at("sync", folder))
}

fn file(state: &Path) -> PathBuf {
    state.join("spare")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_file_becomes_what_is_needed_and_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        let to = state.join("k.json");
        assert!(spend(state, &to, b"{}").is_err(), "there is none yet");
        for _ in 0..2 {
            keep(state);
            keep(state);
            spend(state, &to, b"{}").unwrap();
            assert_eq!(fs::read(&to).unwrap(), b"{}");
            assert!(!file(state).exists());
        }
        // A crash between writing it and giving it its new name.
        fs::write(file(state), "{}").unwrap();
        keep(state);
        assert_eq!(fs::read(file(state)).unwrap().len(), BYTES);
    }
}
