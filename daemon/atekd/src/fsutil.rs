//! Files that are read at boot are written so that a power cut at any instruction
//! leaves the old content or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A step of [`write_atomic`] that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {}", path.display())]
pub struct WriteError {
    step: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Replaces `path` with `content`: write a new file, sync, rename, sync the folder.
///
/// `mode` is the file's permission bits, e.g. `0o600`.
///
/// # Errors
///
/// [`WriteError`] naming the step; the old file is then still in place.
pub fn write_atomic(path: &Path, content: &[u8], mode: u32) -> Result<(), WriteError> {
    let failed = |step, path: &Path| {
        let path = path.to_owned();
        move |source| WriteError { step, path, source }
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);

    // A leftover of an interrupted write may have other permissions.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &new)(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .map_err(failed("create", &new))?;
    file.write_all(content).map_err(failed("write", &new))?;
    file.sync_all().map_err(failed("sync", &new))?;
    fs::rename(&new, path).map_err(failed("replace", path))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_leftover_of_an_interrupted_write_is_replaced_and_gives_no_rights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(folder.path().join("config.json.new"), "half").unwrap();
        write_atomic(&path, b"whole", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!folder.path().join("config.json.new").exists());
    }

    #[test]
    fn a_failed_write_names_the_step_and_the_file() {
        let error = write_atomic(Path::new("/nonexistent/config.json"), b"", 0o600).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot create /nonexistent/config.json.new"
        );
    }
}
