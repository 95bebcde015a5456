//! Where the claim code lies: kept with the box's state, so that a reboot does not change
//! it, and mirrored for the units that show it.

use super::code::ClaimCode;
use crate::random::RandomError;
use atek_files::{FileError, write_atomic};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The code's files could not be brought in order.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It cannot be removed.
    #[error("cannot remove {}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// See [`FileError`].
    #[error(transparent)]
    Write(#[from] FileError),
    /// See [`RandomError`].
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The files of the claim code.
#[derive(Debug, Clone)]
pub struct ClaimFiles {
    /// `/var/lib/atek/claim-code`.
    pub kept: PathBuf,
    /// `/run/atek/claim-code`; none for a host that may write nowhere but in its own folder.
    pub shown: Option<PathBuf>,
}

impl ClaimFiles {
    /// The code that was made before, or a new one, which is durable before it is shown.
    ///
    /// # Errors
    ///
    /// [`FilesError`].
    pub fn load_or_make(&self) -> Result<ClaimCode, FilesError> {
        let code = match self.kept_code()? {
            Some(code) => code,
            None => {
                let code = ClaimCode::random()?;
                write(&self.kept, &code)?;
                code
            }
        };
        if let Some(shown) = &self.shown {
            write(shown, &code)?;
        }
        Ok(code)
    }

    /// What is no code any more (an empty file after a bad disk) is as good as none.
    fn kept_code(&self) -> Result<Option<ClaimCode>, FilesError> {
        match fs::read(&self.kept) {
            Ok(text) => Ok(ClaimCode::read(&String::from_utf8_lossy(&text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FilesError::Read {
                path: self.kept.clone(),
                source,
            }),
        }
    }

    /// Removes the code for good. The shown one goes last: with it the screens are written again
    /// (`atek-claim.path`), and they would show the kept one if that were still there.
    ///
    /// # Errors
    ///
    /// [`FilesError::Remove`].
    pub fn remove(&self) -> Result<(), FilesError> {
        remove(&self.kept)?;
        match &self.shown {
            Some(shown) => remove(shown),
            None => Ok(()),
        }
    }
}

fn write(path: &Path, code: &ClaimCode) -> Result<(), FileError> {
    write_atomic(path, format!("{}\n", code.shown()).as_bytes(), 0o600)
}

pub(super) fn remove(path: &Path) -> Result<(), FilesError> {
    let removed = match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    removed
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|source| FilesError::Remove {
            path: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_code_is_made_once_kept_private_and_removed_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let files = ClaimFiles {
            kept: folder.path().join("claim-code"),
            shown: Some(folder.path().join("shown")),
        };
        let code = files.load_or_make().unwrap();
        // The mirror is written again after a reboot.
        fs::remove_file(folder.path().join("shown")).unwrap();
        assert!(files.load_or_make().unwrap().is(&code));
        for name in ["claim-code", "shown"] {
            let path = folder.path().join(name);
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                format!("{}\n", code.shown())
            );
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        files.remove().unwrap();
        files.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(!files.load_or_make().unwrap().is(&code));
    }

    #[test]
    fn a_file_that_holds_no_code_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let files = ClaimFiles {
            kept: folder.path().join("claim-code"),
            shown: None,
        };
        for broken in [&b""[..], b"\0\0\0\0\0\0\0\0\0", b"\xff\xfe", b"K7QX"] {
            fs::write(&files.kept, broken).unwrap();
            let code = files.load_or_make().unwrap();
            assert!(files.load_or_make().unwrap().is(&code));
        }
    }

    #[test]
    fn the_screens_are_written_again_when_no_code_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let files = ClaimFiles {
            kept: folder.path().join("kept"),
            shown: Some(folder.path().join("shown")),
        };
        files.load_or_make().unwrap();
        fs::remove_file(&files.kept).unwrap();
        // It cannot be removed: what watches the shown one is not told that the code is gone.
        fs::create_dir(&files.kept).unwrap();
        files.remove().unwrap_err();
        assert!(folder.path().join("shown").exists());
        fs::remove_dir(&files.kept).unwrap();
        files.remove().unwrap();
        assert!(!folder.path().join("shown").exists());
    }
}
