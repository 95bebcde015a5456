//! A preallocated file for the one intent that must be written when no other file can be made:
//! an uninstall is what frees a full disk. The file has its block and its inode already.

use crate::error_chain::DisplayChain;
use atek_files::{FileError, write_atomic};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// One block: an intent is shorter.
const BYTES: usize = 4096;

/// Makes the reserved file in `state` if there is none.
pub(super) fn preallocate(state: &Path) {
    let path = file(state);
    let whole = BYTES as u64;
    if path.metadata().is_ok_and(|found| found.len() == whole) {
        return;
    }
    if let Err(error) = write_atomic(&path, &[b' '; BYTES], 0o600) {
        // The next uninstall tries again; it is needed only on a disk that is full.
        tracing::warn!(error = %DisplayChain(&error), "there is no reserved file");
    }
}

/// Turns the reserved file into the file `to` with `content`, durably. Needs no room on the disk.
pub(super) fn consume(state: &Path, to: &Path, content: &[u8]) -> Result<(), FileError> {
    let reserved = file(state);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&reserved)?;
        file.write_all(content)?;
        // Shortened last: a file of the full length is one that was not consumed.
        file.set_len(content.len() as u64)?;
        file.sync_all()
    };
    write().map_err(FileError::at("write", &reserved))?;
    fs::rename(&reserved, to).map_err(FileError::at("replace", to))?;
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
    fn a_reserved_file_becomes_what_is_needed_and_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        let to = state.join("k.json");
        assert!(consume(state, &to, b"{}").is_err(), "there is none yet");
        for _ in 0..2 {
            preallocate(state);
            preallocate(state);
            consume(state, &to, b"{}").unwrap();
            assert_eq!(fs::read(&to).unwrap(), b"{}");
            assert!(!file(state).exists());
        }
        // A crash between writing it and giving it its new name.
        fs::write(file(state), "{}").unwrap();
        preallocate(state);
        assert_eq!(fs::read(file(state)).unwrap().len(), BYTES);
    }
}
