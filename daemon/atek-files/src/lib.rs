//! Files that are read at boot are written so that a power cut at any instruction leaves the
//! old content or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// A step on a file that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {}", path.display())]
pub struct FileError {
    step: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl FileError {
    /// Names the step for [`Result::map_err`]: a verb, e.g. `make`, and what it was done to.
    pub fn at(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { step, path, source }
    }
}

/// Replaces `path` with `content`: write a new file, sync, rename, sync the folder.
///
/// `mode` is the file's permission bits, e.g. `0o600`, whatever the umask.
///
/// # Errors
///
/// [`FileError`] naming the step; the old file is then still in place.
pub fn write_atomic(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let new = beside(path);
    // A leftover of an interrupted write may have other permissions.
    remove(&new)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .map_err(FileError::at("create", &new))?;
    file.write_all(content)
        .map_err(FileError::at("write", &new))?;
    match file.set_permissions(fs::Permissions::from_mode(mode)) {
        // FAT has no permissions to set.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
            return Err(FileError::at("set the mode of", &new)(error));
        }
        _ => {}
    }
    file.sync_all().map_err(FileError::at("sync", &new))?;
    fs::rename(&new, path).map_err(FileError::at("replace", path))?;
    sync_folder_of(path)
}

/// Makes `path` a link to `target`, whatever it was (but no folder).
///
/// # Errors
///
/// [`FileError`] naming the step; what was there is then still in place.
pub fn link_atomic(path: &Path, target: &str) -> Result<(), FileError> {
    let new = beside(path);
    remove(&new)?;
    symlink(target, &new).map_err(FileError::at("make", &new))?;
    fs::rename(&new, path).map_err(FileError::at("replace", path))?;
    sync_folder_of(path)
}

/// Removes a file, if it is there. Not durable until [`sync_folder_of`].
///
/// # Errors
///
/// [`FileError`] when it stays.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::at("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    new.into()
}

/// Makes durable which file has the name `path`, after it was renamed, made or removed.
///
/// # Errors
///
/// [`FileError`] naming the folder.
pub fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    // A path of one name has an empty parent.
    let parent = path.parent().unwrap_or(Path::new("/"));
    let folder = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::at("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_of_an_interrupted_write_is_replaced_and_gives_no_rights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let leftover = folder.path().join("config.json.new");
        fs::write(&leftover, "half").unwrap();
        fs::set_permissions(&leftover, fs::Permissions::from_mode(0o666)).unwrap();
        write_atomic(&path, b"whole", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!leftover.exists());
        write_atomic(&path, b"again", 0o666).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"again");
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o666, "the umask took a bit of it");
    }

    #[test]
    fn a_failed_write_names_the_step_and_the_file() {
        let error = write_atomic(Path::new("/nonexistent/config.json"), b"", 0o600).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot create /nonexistent/config.json.new"
        );
    }

    #[test]
    fn a_link_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("localtime");
        fs::write(&path, "old").unwrap();
        link_atomic(&path, "../usr/share/zoneinfo/UTC").unwrap();
        assert_eq!(
            fs::read_link(&path).unwrap(),
            Path::new("../usr/share/zoneinfo/UTC")
        );
    }
}
