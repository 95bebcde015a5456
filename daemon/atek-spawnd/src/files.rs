//! Handles files of users who are not trusted without following a link of theirs.
//!
//! Everything works from an opened folder ([`Folder`]) and names in it; a path is
//! only there for messages. So a folder cannot be exchanged for a link between a check
//! and the step that relies on it.

mod compare;
mod copy;
mod remove;
mod seal;
mod share;

pub(crate) use compare::{CompareError, compare};
pub(crate) use copy::{CopyError, TreeSize, copy_machine, copy_tree, measure};
pub(crate) use remove::remove_tree;
pub(crate) use seal::{Ownership, SealError, seal_tree};
pub(crate) use share::share_files;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags};
use nix::sys::stat::{FileStat, Mode, SFlag};
use nix::unistd::{Gid, Uid, UnlinkatFlags};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

/// An operation on a file that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub(crate) struct FileError {
    operation: &'static str,
    path: PathBuf,
    source: Errno,
}

impl FileError {
    /// Whether the file is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.source == Errno::ENOENT
    }

    /// Whether a link or a file stood where only a folder is taken.
    pub(crate) fn is_not_a_folder(&self) -> bool {
        matches!(self.source, Errno::ELOOP | Errno::ENOTDIR)
    }

    /// Whether a link stood where only a folder is taken.
    pub(crate) fn is_link(&self) -> bool {
        self.source == Errno::ELOOP
    }

    /// Whether a user may not read the folder.
    pub(crate) fn is_denied(&self) -> bool {
        self.source == Errno::EACCES
    }

    /// Whether the disk had no room.
    pub(crate) fn is_no_room(&self) -> bool {
        matches!(self.source, Errno::ENOSPC | Errno::EDQUOT)
    }

    /// Whether a folder was to be removed that has something in it.
    pub(crate) fn is_not_empty(&self) -> bool {
        matches!(self.source, Errno::ENOTEMPTY | Errno::EEXIST)
    }

    /// Whether the file is there already.
    pub(crate) fn is_present(&self) -> bool {
        self.source == Errno::EEXIST
    }
}

type Result<T> = std::result::Result<T, FileError>;

/// An opened folder.
#[derive(Debug)]
pub(crate) struct Folder {
    descriptor: OwnedFd,
    /// For messages; the folder may have moved.
    path: PathBuf,
}

impl Folder {
    /// Opens an absolute path that has no link in any of its parts.
    ///
    /// Part by part: `openat2` would do it in one call, but a unit with
    /// `RestrictSUIDSGID=` does not have it (the filter cannot look into its arguments).
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open("/", flags, Mode::empty()).map_err(|source| FileError {
            operation: "open",
            path: PathBuf::from("/"),
            source,
        })?;
        let mut folder = Self {
            descriptor: root,
            path: PathBuf::from("/"),
        };
        for part in path.iter().skip(1) {
            folder = folder.child(part)?;
        }
        Ok(folder)
    }

    /// Opens an absolute path that has no link in any of its parts, if `reader` could list the
    /// folder.
    ///
    /// # Errors
    ///
    /// `EACCES` ([`FileError::is_denied`]) for the first folder that `reader` may not search or, at
    /// the end of the path, read. Access control lists are not looked at: what one grants beyond
    /// the mode is refused.
    pub(crate) fn open_as(path: &Path, reader: &Reader) -> Result<Self> {
        let mut folder = Self::open(Path::new("/"))?;
        for part in path.iter().skip(1) {
            reader.require(&folder, SEARCH)?;
            folder = folder.child(part)?;
        }
        reader.require(&folder, SEARCH | READ)?;
        Ok(folder)
    }

    /// Where it was opened; it may have moved.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The device and the inode: two folders that have the same ones at one time are one folder.
    pub(crate) fn identity(&self) -> Result<Identity> {
        let stat = self.own_stat()?;
        Ok(Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
        })
    }

    /// Opens a folder in this one; a link is an error.
    pub(crate) fn child(&self, name: &OsStr) -> Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        match nix::fcntl::openat(&self.descriptor, name, flags, Mode::empty()) {
            Ok(descriptor) => Ok(Self {
                descriptor,
                path: self.path.join(name),
            }),
            // The kernel says the same of a link as of a file; people want to know.
            Err(Errno::ENOTDIR) if self.is_link(name) => {
                Err(self.failed("open", name)(Errno::ELOOP))
            }
            Err(source) => Err(self.failed("open", name)(source)),
        }
    }

    /// Makes a folder in this one, or finds it there.
    pub(crate) fn child_or_new(&self, name: &OsStr, mode: u32) -> Result<Self> {
        match self.make(name, mode) {
            Err(error) if error.is_present() => self.child(name),
            made => made,
        }
    }

    /// Makes a folder in this one; it must not be there.
    pub(crate) fn make(&self, name: &OsStr, mode: u32) -> Result<Self> {
        nix::sys::stat::mkdirat(&self.descriptor, name, Mode::from_bits_truncate(mode))
            .map_err(self.failed("make", name))?;
        let child = self.child(name)?;
        // The umask applied to `mkdirat`.
        child.set_mode(mode)?;
        Ok(child)
    }

    /// Names of everything in it, in no order, one after the other: a service may have made more of
    /// them than this process has memory for.
    pub(crate) fn names(&self) -> Result<impl Iterator<Item = Result<OsString>> + use<>> {
        let path = self.path.clone();
        let failed = move |error: std::io::Error| FileError {
            operation: "list",
            path: path.clone(),
            source: error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
        };
        // Through the descriptor: the path may lead elsewhere by now.
        let opened = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        let entries = std::fs::read_dir(opened).map_err(&failed)?;
        Ok(entries.map(move |entry| entry.map(|entry| entry.file_name()).map_err(&failed)))
    }

    /// What `name` is; of a link, the link itself.
    pub(crate) fn stat(&self, name: &OsStr) -> Result<FileStat> {
        nix::sys::stat::fstatat(&self.descriptor, name, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(self.failed("examine", name))
    }

    /// Whether there is anything of this name.
    pub(crate) fn has(&self, name: &OsStr) -> Result<bool> {
        match self.stat(name) {
            Err(error) if error.is_missing() => Ok(false),
            found => found.map(|_| true),
        }
    }

    fn is_link(&self, name: &OsStr) -> bool {
        self.stat(name)
            .is_ok_and(|stat| kind(&stat) == SFlag::S_IFLNK)
    }

    /// What this folder is.
    pub(crate) fn own_stat(&self) -> Result<FileStat> {
        nix::sys::stat::fstat(&self.descriptor).map_err(self.failed("examine", OsStr::new("")))
    }

    pub(crate) fn set_owner(&self, uid: Uid, gid: Gid) -> Result<()> {
        nix::unistd::fchown(&self.descriptor, Some(uid), Some(gid))
            .map_err(self.failed("change the owner of", OsStr::new("")))
    }

    pub(crate) fn set_mode(&self, mode: u32) -> Result<()> {
        nix::sys::stat::fchmod(&self.descriptor, Mode::from_bits_truncate(mode))
            .map_err(self.failed("change the mode of", OsStr::new("")))
    }

    /// Gives what will be made in this folder to a group, too, as far as its maker lets groups use
    /// it: a default access list (acl(5)). A file system without such lists is left as it is.
    pub(crate) fn share_with_group(&self, group: Gid) -> Result<()> {
        const ALL: u16 = 7;
        const NO_ID: u32 = u32::MAX;
        // (tag, permissions, id): owner, its group, the group, the mask, others.
        let entries: [(u16, u16, u32); 5] = [
            (0x01, ALL, NO_ID),
            (0x04, ALL, NO_ID),
            (0x08, ALL, group.as_raw()),
            (0x10, ALL, NO_ID),
            (0x20, 0, NO_ID),
        ];
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(permissions.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        let name = "system.posix_acl_default";
        let flags = rustix::fs::XattrFlags::empty();
        match rustix::fs::fsetxattr(&self.descriptor, name, &list, flags) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(self.failed("share", OsStr::new(""))(Errno::from_raw(
                error.raw_os_error(),
            ))),
        }
    }

    /// Makes an empty file in this folder, or finds it there.
    pub(crate) fn make_file(&self, name: &OsStr, mode: u32) -> Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(mode);
        let file = nix::fcntl::openat(&self.descriptor, name, flags, mode)
            .map_err(self.failed("create", name))?;
        // The umask applied to `openat`.
        nix::sys::stat::fchmod(&file, mode).map_err(self.failed("change the mode of", name))
    }

    /// Gives a file to a group; of a link, the link itself.
    pub(crate) fn set_group_of(&self, name: &OsStr, gid: Gid) -> Result<()> {
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        nix::unistd::fchownat(&self.descriptor, name, None, Some(gid), flags)
            .map_err(self.failed("change the group of", name))
    }

    /// Opens a regular file for reading; a link is an error, and a pipe does not block.
    pub(crate) fn open_file(&self, name: &OsStr) -> Result<File> {
        let flags = OFlag::O_NOFOLLOW
            | OFlag::O_RDONLY
            | OFlag::O_CLOEXEC
            | OFlag::O_NONBLOCK
            | OFlag::O_NOCTTY;
        nix::fcntl::openat(&self.descriptor, name, flags, Mode::empty())
            .map(File::from)
            .map_err(self.failed("open", name))
    }

    /// Gives a link to another owner.
    pub(crate) fn set_link_owner(&self, name: &OsStr, uid: Uid, gid: Gid) -> Result<()> {
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        nix::unistd::fchownat(&self.descriptor, name, Some(uid), Some(gid), flags)
            .map_err(self.failed("change the owner of", name))
    }

    pub(crate) fn link_target(&self, name: &OsStr) -> Result<OsString> {
        nix::fcntl::readlinkat(&self.descriptor, name).map_err(self.failed("read the link", name))
    }

    pub(crate) fn make_link(&self, name: &OsStr, target: &Path) -> Result<()> {
        nix::unistd::symlinkat(target, &self.descriptor, name)
            .map_err(self.failed("make the link", name))
    }

    /// Removes a file or a link.
    pub(crate) fn remove_file(&self, name: &OsStr) -> Result<()> {
        nix::unistd::unlinkat(&self.descriptor, name, UnlinkatFlags::NoRemoveDir)
            .map_err(self.failed("remove", name))
    }

    /// Removes an empty folder.
    pub(crate) fn remove_folder(&self, name: &OsStr) -> Result<()> {
        nix::unistd::unlinkat(&self.descriptor, name, UnlinkatFlags::RemoveDir)
            .map_err(self.failed("remove", name))
    }

    /// Moves `name` to `new_name` of `target`, replacing a file or a link there.
    pub(crate) fn rename(&self, name: &OsStr, target: &Folder, new_name: &OsStr) -> Result<()> {
        nix::fcntl::renameat(&self.descriptor, name, &target.descriptor, new_name)
            .map_err(target.failed("rename a file to", new_name))
    }

    /// Moves `name` to `new_name` of `target`, where nothing may be.
    pub(crate) fn move_to(&self, name: &OsStr, target: &Folder, new_name: &OsStr) -> Result<()> {
        let flags = RenameFlags::RENAME_NOREPLACE;
        nix::fcntl::renameat2(&self.descriptor, name, &target.descriptor, new_name, flags)
            .map_err(target.failed("move a folder to", new_name))
    }

    /// Exchanges `name` with `other` of `target` in one step; both must be there.
    pub(crate) fn exchange(&self, name: &OsStr, target: &Folder, other: &OsStr) -> Result<()> {
        let flags = RenameFlags::RENAME_EXCHANGE;
        nix::fcntl::renameat2(&self.descriptor, name, &target.descriptor, other, flags)
            .map_err(target.failed("exchange", other))
    }

    /// Writes a file that only the caller's user reads, replacing an old one at once. What it has
    /// is on the disk before it has its name: a power cut leaves no empty file.
    pub(crate) fn write_private(&self, name: &OsStr, content: &[u8]) -> Result<()> {
        let mut new = name.to_owned();
        new.push(".new");
        match self.remove_file(&new) {
            Err(error) if !error.is_missing() => return Err(error),
            _ => {}
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let mut file = nix::fcntl::openat(&self.descriptor, new.as_os_str(), flags, mode)
            .map(File::from)
            .map_err(self.failed("create", &new))?;
        let written = file.write_all(content).and_then(|()| file.sync_all());
        written.map_err(|error| FileError {
            operation: "write",
            path: self.path.join(&new),
            source: error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
        })?;
        self.rename(&new, self, name)
    }

    /// Returns when this folder's list of names is on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        nix::unistd::fsync(&self.descriptor).map_err(self.failed("sync", OsStr::new("")))
    }

    /// Returns when everything written to this file system is on the disk.
    pub(crate) fn sync_file_system(&self) -> Result<()> {
        nix::unistd::syncfs(&self.descriptor)
            .map_err(self.failed("sync the file system of", OsStr::new("")))
    }

    fn failed(&self, operation: &'static str, name: &OsStr) -> impl FnOnce(Errno) -> FileError {
        let path = if name.is_empty() {
            self.path.clone()
        } else {
            self.path.join(name)
        };
        move |source| FileError {
            operation,
            path,
            source,
        }
    }
}

/// Bits of a mode's last digit.
const READ: u32 = 0o4;
const SEARCH: u32 = 0o1;

/// What tells one folder from every other that exists at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    /// `st_dev`
    pub(crate) device: u64,
    /// `st_ino`
    pub(crate) inode: u64,
}

/// A user whose rights are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) uid: Uid,
    /// The main group and all others.
    pub(crate) groups: Vec<Gid>,
}

impl Reader {
    fn require(&self, folder: &Folder, wanted: u32) -> Result<()> {
        if self.has(&folder.own_stat()?, wanted) {
            Ok(())
        } else {
            Err(folder.failed("let the host read", OsStr::new(""))(
                Errno::EACCES,
            ))
        }
    }

    /// Whether the mode grants every bit of `wanted` (a digit of a mode) to this user.
    fn has(&self, stat: &FileStat, wanted: u32) -> bool {
        if self.uid.is_root() {
            return true;
        }
        let digit = if stat.st_uid == self.uid.as_raw() {
            stat.st_mode >> 6
        } else if self.groups.contains(&Gid::from_raw(stat.st_gid)) {
            stat.st_mode >> 3
        } else {
            stat.st_mode
        };
        digit & wanted == wanted
    }
}

/// The kind of file, from its mode.
pub(crate) fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Whether this is a folder, and not a link to one.
pub(crate) fn is_folder(stat: &FileStat) -> bool {
    kind(stat) == SFlag::S_IFDIR
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    #[test]
    fn a_path_with_a_link_in_it_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(path.join("real/inner")).unwrap();
        symlink("real", path.join("link")).unwrap();
        let opened = Folder::open(&path).unwrap();
        Folder::open(&path.join("real/inner")).unwrap();
        assert!(
            Folder::open(&path.join("link/inner"))
                .unwrap_err()
                .is_link()
        );
        assert!(Folder::open(&path.join("other")).unwrap_err().is_missing());
        opened.child("real".as_ref()).unwrap();
        opened.child("link".as_ref()).unwrap_err();
    }

    #[test]
    fn a_folder_that_the_host_may_not_read_was_shown_to_an_app() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(path.join("private/inner")).unwrap();
        let mode = |name: &str, mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path.join(name), mode).unwrap();
        };
        mode("", 0o755);
        // A user who is neither the owner nor in the group.
        let own = std::fs::metadata(&path).unwrap();
        let stranger = Reader {
            uid: Uid::from_raw(own.uid() ^ 0x7000_0000 | 1),
            groups: vec![Gid::from_raw(own.gid() ^ 0x7000_0000 | 1)],
        };
        let member = Reader {
            groups: vec![Gid::from_raw(own.gid())],
            ..stranger.clone()
        };
        let inner = path.join("private/inner");
        for (outer, inside, for_stranger, for_member) in [
            (0o755, 0o755, true, true),
            (0o700, 0o755, false, false),
            (0o750, 0o755, false, true),
            (0o711, 0o755, true, true),
            (0o755, 0o711, false, false),
            (0o755, 0o704, false, false),
            (0o755, 0o750, false, true),
            // The group's bits count for its members, even where they grant less.
            (0o755, 0o705, true, false),
        ] {
            mode("private", outer);
            mode("private/inner", inside);
            for (reader, readable) in [(&stranger, for_stranger), (&member, for_member)] {
                let opened = Folder::open_as(&inner, reader);
                assert_eq!(opened.is_ok(), readable, "{outer:o} {inside:o} {reader:?}");
                if let Err(error) = opened {
                    assert!(error.is_denied(), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_private_file_is_replaced_and_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let opened = Folder::open(&folder.path().canonicalize().unwrap()).unwrap();
        opened.write_private("token".as_ref(), b"one").unwrap();
        opened.write_private("token".as_ref(), b"two").unwrap();
        let path = folder.path().join("token");
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let names: Result<Vec<OsString>> = opened.names().unwrap().collect();
        assert_eq!(names.unwrap(), ["token"]);
    }
}
