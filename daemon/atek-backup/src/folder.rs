//! A repository in a folder, in restic's layout, written so that a cut leaves whole files.
//!
//! ```text
//! config  keys/ID  snapshots/ID  index/ID  data/XX/ID
//! tmp/    files that are being written
//! ```
//!
//! A file is written and synced in `tmp`, and renamed. restic's own programs look at neither `tmp`
//! nor the lock, which the kernel drops with the process that held it.
//!
//! One job writes at a time, with the lock on `atek.lock`. Those that only read share the lock on
//! `config`, also on a disk that is mounted read-only; what they may need is removed only by a job
//! that has this lock for itself.

use crate::store::{Store, Trouble};
use bytes::Bytes;
use nix::fcntl::{Flock, FlockArg};
use rustic_core::{
    BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TMP: &str = "tmp";
const LOCK: &str = "atek.lock";
/// Bytes that a backup leaves free, so that old ones can be removed from a full disk.
pub(crate) const LEAVE_FREE: u64 = 32 << 20;
/// How long one that reads waits for one that removes, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// A folder on a disk.
#[derive(Debug)]
pub(crate) struct FolderStore {
    path: PathBuf,
    /// Bytes written, and how many files.
    written: AtomicU64,
    files: AtomicU64,
    trouble: Trouble,
    _lock: Flock<File>,
}

/// What a job does with a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It only reads.
    Read,
    /// It adds to what is there.
    Write,
    /// It begins there if nothing is there.
    Begin,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("the folder {} is not there: is the disk plugged in and mounted?", .0.display())]
    NoTarget(PathBuf),
    #[error("there is no backup in {}", .0.display())]
    NoBackup(PathBuf),
    #[error("{} is a link or a file, not a folder: rename it", .0.display())]
    NoFolder(PathBuf),
    #[error("another backup or restore uses {}", .0.display())]
    Busy(PathBuf),
    #[error("cannot {operation} {path}", path = .path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl FolderStore {
    /// Opens the folder `name` in `parent`, which must be there, and takes it for this process, or
    /// shares it with others that read.
    pub(crate) fn open(parent: &Path, name: &str, what_for: Use) -> Result<Self, FolderError> {
        let path = parent.join(name);
        if !parent.is_dir() {
            return Err(FolderError::NoTarget(parent.to_owned()));
        }
        // A link would lead to files beside it.
        let found = fs::symlink_metadata(&path);
        if found.is_ok_and(|found| !found.is_dir()) {
            return Err(FolderError::NoFolder(path));
        }
        if !path.join("config").is_file() && what_for != Use::Begin {
            return Err(FolderError::NoBackup(path));
        }
        let lock = match what_for {
            Use::Read => share(&path)?,
            Use::Write | Use::Begin => take(&path, what_for == Use::Begin)?,
        };
        Ok(Self {
            path,
            written: AtomicU64::new(0),
            files: AtomicU64::new(0),
            trouble: Trouble::default(),
            _lock: lock,
        })
    }

    fn failed<'a>(
        &'a self,
        operation: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Box<RusticError> + 'a {
        move |error| {
            let text = format!("cannot {operation} {}: {error}", path.display());
            self.trouble.tell(error.kind(), text);
            RusticError::with_source(ErrorKind::Backend, "cannot {operation} {path}", error)
                .attach_context("operation", operation)
                .attach_context("path", path.display().to_string())
        }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.path)?;
        Ok(stat.blocks_available() * stat.fragment_size())
    }

    fn folder(&self, kind: FileType, id: &Id) -> PathBuf {
        match kind {
            FileType::Config => self.path.clone(),
            FileType::Pack => self.path.join("data").join(&id.to_hex()[0..2]),
            _ => self.path.join(kind.dirname()),
        }
    }

    fn file(&self, kind: FileType, id: &Id) -> PathBuf {
        let folder = self.folder(kind, id);
        match kind {
            FileType::Config => folder.join("config"),
            _ => folder.join(id.to_hex().as_str()),
        }
    }

    fn write(&self, kind: FileType, id: &Id, content: &BytesList) -> io::Result<()> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let new = self.path.join(TMP).join(number.to_string());
        let folder = self.folder(kind, id);
        let write = || {
            let size = content.size() as u64;
            if kind == FileType::Pack && self.free_bytes()? < size + LEAVE_FREE {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let mut file = File::create(&new)?;
            for bytes in content.slice() {
                file.write_all(bytes)?;
            }
            file.sync_all()?;
            fs::create_dir_all(&folder)?;
            fs::rename(&new, self.file(kind, id))?;
            // Some file systems of USB disks cannot sync a folder.
            let _ = File::open(&folder)?.sync_all();
            Ok(())
        };
        let written = write();
        match written {
            Ok(()) => {
                let size = content.size() as u64;
                self.written.fetch_add(size, Ordering::Relaxed);
            }
            Err(_) => {
                let _ = fs::remove_file(&new);
            }
        }
        written
    }
}

/// The lock of those that read. One that removes what no run needs has it for a while.
fn share(path: &Path) -> Result<Flock<File>, FolderError> {
    let config = path.join("config");
    let begun = Instant::now();
    let mut file = File::open(&config).map_err(failed("open", &config))?;
    loop {
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(lock) => return Ok(lock),
            Err(_) if begun.elapsed() > PATIENCE => return Err(FolderError::Busy(path.to_owned())),
            Err((back, _)) => file = back,
        }
        std::thread::sleep(PAUSE);
    }
}

/// The lock of the one that writes; what a cut left is removed.
fn take(path: &Path, create: bool) -> Result<Flock<File>, FolderError> {
    let tmp = path.join(TMP);
    if create {
        fs::create_dir_all(&tmp).map_err(failed("make", &tmp))?;
    }
    let lock = path.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock)
        .map_err(failed("open", &lock))?;
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| FolderError::Busy(path.to_owned()))?;
    // With the lock, no other process writes.
    if let Ok(left) = fs::read_dir(&tmp) {
        for entry in left.flatten() {
            fs::remove_file(entry.path()).map_err(failed("remove", &entry.path()))?;
        }
    }
    Ok(lock)
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io {
        operation,
        path,
        source,
    }
}

/// Names of the files of one kind, with their sizes.
fn list(folder: &Path, depth: usize, kind: FileType, into: &mut Vec<(Id, u32)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let stat = entry.metadata()?;
        if stat.is_dir() {
            if depth > 0 {
                list(&entry.path(), depth - 1, kind, into)?;
            }
        } else if let Some(id) = Id::parse_some(&entry.file_name().to_string_lossy(), kind) {
            into.push((id, u32::try_from(stat.len()).unwrap_or(u32::MAX)));
        }
    }
    Ok(())
}

impl Store for FolderStore {
    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn free(&self) -> Option<u64> {
        self.free_bytes().ok()
    }

    fn take_trouble(&self) -> Option<(io::ErrorKind, String)> {
        self.trouble.take()
    }

    fn has_config(&self) -> bool {
        self.path.join("config").is_file()
    }

    fn alone(&self) -> io::Result<Option<Flock<File>>> {
        let config = File::options().write(true).open(self.path.join("config"))?;
        let lock = Flock::lock(config, FlockArg::LockExclusiveNonblock);
        lock.map(Some).map_err(|(_, error)| error.into())
    }
}

impl ReadBackend for FolderStore {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let mut found = Vec::new();
        if kind == FileType::Config {
            if let Ok(stat) = self.path.join("config").metadata() {
                found.push((Id::default(), u32::try_from(stat.len()).unwrap_or(u32::MAX)));
            }
            return Ok(found);
        }
        let folder = self.path.join(kind.dirname());
        list(&folder, 1, kind, &mut found).map_err(self.failed("list", &folder))?;
        Ok(found)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let path = self.file(kind, id);
        let read = fs::read(&path).map_err(self.failed("read", &path))?;
        Ok(read.into())
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let path = self.file(kind, id);
        let read = || {
            let file = File::open(&path)?;
            // A damaged header may ask for more than there is.
            let end = u64::from(offset) + u64::from(length);
            if file.metadata()?.len() < end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut content = vec![0; length as usize];
            file.read_exact_at(&mut content, offset.into())?;
            Ok(content)
        };
        Ok(read().map_err(self.failed("read", &path))?.into())
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.file(kind, id).display().to_string()
    }
}

impl WriteBackend for FolderStore {
    fn create(&self) -> RusticResult<()> {
        for kind in [
            FileType::Key,
            FileType::Snapshot,
            FileType::Index,
            FileType::Pack,
        ] {
            let folder = self.path.join(kind.dirname());
            fs::create_dir_all(&folder).map_err(self.failed("make", &folder))?;
        }
        Ok(())
    }

    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        let path = self.file(kind, id);
        self.write(kind, id, &content)
            .map_err(self.failed("write", &path))
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        let path = self.file(kind, id);
        fs::remove_file(&path).map_err(self.failed("remove", &path))
    }
}
