//! Files that a power cut at any instruction leaves old or new, and the places of the box below a chosen root.

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
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

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { step, path, source }
}

/// The root of the file system that is worked on: `/`, or a folder that stands for it.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    /// Works below `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Whether this is the running box itself, whose kernel and screens may be spoken to.
    pub fn is_this_box(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Where `/etc/hostname`, for example, lies.
    pub fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}

/// Replaces `path` with `content`: write a new file, sync, rename, sync the folder. `mode` is its permission bits.
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
        .map_err(failed("create", &new))?;
    file.write_all(content).map_err(failed("write", &new))?;
    // `mode` is what is meant, whatever the umask.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    match file.set_permissions(permissions) {
        // FAT has no permissions to set.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
            return Err(failed("set the mode of", &new)(error));
        }
        _ => {}
    }
    file.sync_all().map_err(failed("sync", &new))?;
    fs::rename(&new, path).map_err(failed("replace", path))?;
    sync_folder(path)
}

/// Makes `path` a link to `target`, whatever it was (but no folder).
///
/// # Errors
///
/// [`FileError`] naming the step; what was there is then still in place.
pub fn link_atomic(path: &Path, target: &str) -> Result<(), FileError> {
    let new = beside(path);
    remove(&new)?;
    symlink(target, &new).map_err(failed("make", &new))?;
    fs::rename(&new, path).map_err(failed("replace", path))?;
    sync_folder(path)
}

/// Removes a file, if it is there.
///
/// # Errors
///
/// [`FileError`] when it stays.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Makes a folder and those above it.
///
/// # Errors
///
/// [`FileError`] when one cannot be made.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(failed("make", path))
}

/// What a file of at most `max` bytes holds. `None`: it is not there.
///
/// # Errors
///
/// When it is no regular file (a link counts as none), larger than `max`, or cannot be read.
pub fn read_small(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    // Neither a link nor a FIFO may lead this program elsewhere, or make it wait.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this is no file",
        ));
    }
    let mut content = Vec::new();
    file.take(max + 1).read_to_end(&mut content)?;
    if content.len() as u64 > max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("this has more than {max} bytes"),
        ));
    }
    Ok(Some(content))
}

/// A small text file, trimmed; empty and missing are `None`.
pub fn read_word(path: &Path) -> Option<String> {
    let content = read_small(path, 4096).ok()??;
    let text = String::from_utf8(content).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Does `work` while the file system at `mount_point`, if it is a read-only mount, can be written to.
///
/// # Errors
///
/// When it cannot be made writable, or `work` fails. That it stays writable is an error too.
pub fn while_writable<T>(
    mount_point: &Path,
    work: impl FnOnce() -> Result<T, FileError>,
) -> Result<T, FileError> {
    if !is_read_only_mount(mount_point) {
        return work();
    }
    // Options of the file system itself are kept by a remount without data.
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let remount = |flags| {
        mount(None::<&str>, mount_point, None::<&str>, flags, None::<&str>).map_err(io::Error::from)
    };
    remount(flags).map_err(failed("make writable", mount_point))?;
    let result = work();
    if let Ok(folder) = File::open(mount_point) {
        let _ = nix::unistd::syncfs(folder);
    }
    remount(flags | MsFlags::MS_RDONLY).map_err(failed("make read-only again", mount_point))?;
    result
}

fn is_read_only_mount(path: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let is_mount = device(path) != path.parent().and_then(device);
    is_mount && statvfs(path).is_ok_and(|stat| stat.flags().contains(FsFlags::ST_RDONLY))
}

fn beside(path: &Path) -> PathBuf {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    new.into()
}

fn sync_folder(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
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
        let path = folder.path().join("wifi.conf");
        fs::write(folder.path().join("wifi.conf.new"), "half").unwrap();
        write_atomic(&path, b"whole", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!folder.path().join("wifi.conf.new").exists());
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

    #[test]
    fn only_small_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("small"), "12345678").unwrap();
        fs::write(path("large"), "123456789").unwrap();
        symlink(path("small"), path("link")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_small(&path("small"), 8).unwrap().unwrap(), b"12345678");
        assert!(read_small(&path("missing"), 8).unwrap().is_none());
        for name in ["large", "link", "folder", "fifo"] {
            assert!(read_small(&path(name), 8).is_err(), "{name}");
        }
    }
}
