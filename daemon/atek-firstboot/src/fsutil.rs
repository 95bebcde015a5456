//! The places of the box below a chosen root, and what lies there.

use atek_files::FileError;
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

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

/// Makes a folder and those above it.
///
/// # Errors
///
/// [`FileError`] when one cannot be made.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::at("make", path))
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

/// Does `work` while the file system at `mount_point`, if it is a read-only mount, can be written
/// to.
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
    remount(flags).map_err(FileError::at("make writable", mount_point))?;
    let result = work();
    if let Ok(folder) = File::open(mount_point) {
        let _ = nix::unistd::syncfs(folder);
    }
    remount(flags | MsFlags::MS_RDONLY)
        .map_err(FileError::at("make read-only again", mount_point))?;
    result
}

fn is_read_only_mount(path: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let is_mount = device(path) != path.parent().and_then(device);
    is_mount && statvfs(path).is_ok_and(|stat| stat.flags().contains(FsFlags::ST_RDONLY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

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
