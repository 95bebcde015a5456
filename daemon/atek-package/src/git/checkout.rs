//! Writes the files of a commit.
//!
//! Our own walk over the tree, not libgit2's checkout: no filters, no hooks, no
//! attributes, no submodules, and a check of every name, mode and link before
//! anything is made. Everything is made new, so that nothing that was made before can
//! lead a later path elsewhere.

use super::error::GitError;
use super::repository::unreadable;
use super::{Heartbeat, percent};
use crate::tree::{Quota, TreeError, Usage, check_name, link_stays_inside};
use atek_api::package::{FetchLimits, Phase, Warning, WarningCode};
use git2::{Commit, ObjectType, Odb, Oid, Repository};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// How deep folders may be nested.
const DEPTH_MAX: usize = 64;
/// Bytes of the largest single file, which has to fit in memory.
const FILE_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of the longest target of a link.
const LINK_MAX_BYTES: u64 = 4_096;
/// Files and folders that are named in a warning.
const NAMED: usize = 5;
/// How the pointer of a file begins whose content Git LFS keeps elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
/// Bytes of the largest pointer that Git LFS writes.
const LFS_POINTER_MAX_BYTES: usize = 1_024;

/// What a tree's entry is, by its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File { executable: bool },
    Link,
    Submodule,
}

impl Kind {
    fn from_mode(mode: i32) -> Option<Self> {
        match mode {
            0o040_000 => Some(Self::Folder),
            // Group-writable is a mode of very old repositories.
            0o100_644 | 0o100_664 => Some(Self::File { executable: false }),
            0o100_755 => Some(Self::File { executable: true }),
            0o120_000 => Some(Self::Link),
            0o160_000 => Some(Self::Submodule),
            _ => None,
        }
    }
}

/// An entry that is to be written.
struct Entry {
    /// From the top of the package.
    path: PathBuf,
    /// 0 at the top.
    depth: usize,
    kind: Kind,
    id: Oid,
}

/// Makes the folder `target` with the files of `commit`. Returns warnings.
pub(super) fn write(
    repository: &Repository,
    commit: &Commit<'_>,
    target: &Path,
    limits: &FetchLimits,
    pulse: &mut Heartbeat,
) -> Result<Vec<Warning>, GitError> {
    let odb = repository.odb().map_err(GitError::Fetch)?;
    let mut writer = Writer {
        repository,
        odb,
        target,
        quota: Quota {
            bytes: limits.package_bytes,
            files: limits.package_files,
        },
        usage: Usage::default(),
        submodules: Vec::new(),
        lfs_pointers: Vec::new(),
    };
    fs::create_dir(target).map_err(|source| cannot_write(target, source))?;
    // Depth first, so that a wide tree does not wait in memory as a whole.
    let mut open = writer.entries(commit.tree_id(), Path::new(""), 0)?;
    while let Some(entry) = open.pop() {
        open.extend(writer.write(&entry)?);
        let done = usize::try_from(writer.usage.files).unwrap_or(usize::MAX);
        pulse.beat(Phase::Checkout, || {
            (
                format!("wrote {done} files"),
                percent(done, done.saturating_add(open.len())),
            )
        });
    }
    Ok(writer.warnings())
}

struct Writer<'r> {
    repository: &'r Repository,
    odb: Odb<'r>,
    target: &'r Path,
    quota: Quota,
    usage: Usage,
    submodules: Vec<PathBuf>,
    lfs_pointers: Vec<PathBuf>,
}

impl Writer<'_> {
    /// The entries of a folder, checked.
    fn entries(&self, id: Oid, folder: &Path, depth: usize) -> Result<Vec<Entry>, GitError> {
        if depth > DEPTH_MAX {
            return Err(GitError::Depth(DEPTH_MAX));
        }
        self.check_size(id, folder, FILE_MAX_BYTES)?;
        let tree = self
            .repository
            .find_tree(id)
            .map_err(|error| unreadable(id, error))?;
        // Refused as a whole, before the first of too many is written.
        if self.usage.files.saturating_add(tree.len() as u64) > self.quota.files {
            return Err(TreeError::Files(self.quota.files).into());
        }
        let mut entries = Vec::with_capacity(tree.len());
        for entry in &tree {
            let name = entry.name_bytes();
            let path = folder.join(Path::new(std::ffi::OsStr::from_bytes(name)));
            let shown = || crate::tree::shown(&path);
            if !check_name(name) || name.eq_ignore_ascii_case(b".git") {
                return Err(GitError::Name(escaped(&path)));
            }
            let mode = entry.filemode_raw();
            let kind = Kind::from_mode(mode).ok_or_else(|| GitError::Mode {
                path: shown(),
                mode,
            })?;
            entries.push(Entry {
                path,
                depth,
                kind,
                id: entry.id(),
            });
        }
        Ok(entries)
    }

    /// Writes one entry; for a folder, returns what is in it.
    fn write(&mut self, entry: &Entry) -> Result<Vec<Entry>, GitError> {
        let path = self.target.join(&entry.path);
        let cannot = |source| cannot_write(&entry.path, source);
        match entry.kind {
            Kind::Folder => {
                self.usage.add(0, self.quota)?;
                fs::create_dir(&path).map_err(cannot)?;
                self.entries(entry.id, &entry.path, entry.depth + 1)
            }
            Kind::File { executable } => {
                let max = FILE_MAX_BYTES.min(self.quota.bytes);
                let bytes = self.check_size(entry.id, &entry.path, max)?;
                self.usage.add(bytes, self.quota)?;
                let object = self.blob(entry.id)?;
                OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(if executable { 0o755 } else { 0o644 })
                    .open(&path)
                    .and_then(|mut file| file.write_all(object.data()))
                    .map_err(cannot)?;
                let data = object.data();
                let is_pointer =
                    data.len() <= LFS_POINTER_MAX_BYTES && data.starts_with(LFS_POINTER);
                drop(object);
                if is_pointer {
                    self.lfs_pointers.push(entry.path.clone());
                }
                Ok(Vec::new())
            }
            Kind::Link => {
                self.check_size(entry.id, &entry.path, LINK_MAX_BYTES)?;
                self.usage.add(0, self.quota)?;
                let object = self.blob(entry.id)?;
                let target = Path::new(std::ffi::OsStr::from_bytes(object.data()));
                if !link_stays_inside(entry.depth, target) || object.data().contains(&0) {
                    return Err(GitError::Tree(TreeError::Link {
                        path: crate::tree::shown(&entry.path),
                        target: crate::tree::shown(target),
                    }));
                }
                symlink(target, &path).map_err(cannot)?;
                Ok(Vec::new())
            }
            Kind::Submodule => {
                self.usage.add(0, self.quota)?;
                fs::create_dir(&path).map_err(cannot)?;
                self.submodules.push(entry.path.clone());
                Ok(Vec::new())
            }
        }
    }

    /// The size of an object, which is known before its content is in memory.
    fn check_size(&self, id: Oid, path: &Path, max: u64) -> Result<u64, GitError> {
        let (bytes, _) = self
            .odb
            .read_header(id)
            .map_err(|error| unreadable(id, error))?;
        let bytes = bytes as u64;
        if bytes > max {
            let path = crate::tree::shown(path);
            return Err(GitError::FileBytes { path, bytes, max });
        }
        Ok(bytes)
    }

    fn blob(&self, id: Oid) -> Result<git2::OdbObject<'_>, GitError> {
        let object = self.odb.read(id).map_err(|error| unreadable(id, error))?;
        if object.kind() == ObjectType::Blob {
            Ok(object)
        } else {
            Err(unreadable(id, git2::Error::from_str("it is not a file")))
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if !self.submodules.is_empty() {
            let message = format!(
                "the repository's submodules are left out; their folders are empty: {}",
                named(&self.submodules)
            );
            warnings.push(Warning::new(WarningCode::Submodules, message));
        }
        if !self.lfs_pointers.is_empty() {
            let message = format!(
                "the content of files that Git LFS keeps is not fetched; they are pointers: {}",
                named(&self.lfs_pointers)
            );
            warnings.push(Warning::new(WarningCode::LfsPointers, message));
        }
        warnings
    }
}

/// The first of some paths, and the number of the rest.
fn named(paths: &[PathBuf]) -> String {
    let first: Vec<_> = paths
        .iter()
        .take(NAMED)
        .map(|p| crate::tree::shown(p))
        .collect();
    match paths.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A name that is refused, with its control characters written out.
fn escaped(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .flat_map(char::escape_debug)
        .take(200)
        .collect()
}

fn cannot_write(path: &Path, source: std::io::Error) -> GitError {
    match source.kind() {
        // Two entries of one name: only a repository made to deceive has them.
        std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::InvalidFilename => {
            GitError::Name(escaped(path))
        }
        _ => GitError::Write {
            path: crate::tree::shown(path),
            source,
        },
    }
}
