//! Copies a tree of any user: contents, modes, owners, times, links, holes and extended attributes.
//!
//! Where the file system can share blocks (`ioctl_ficlone(2)`: btrfs, XFS, bcachefs), a file's
//! content costs no room; elsewhere it is copied, hole by hole (`lseek(2)`, `SEEK_DATA`). Sockets
//! are left out: one that no process listens on is of no use.

use super::{FileError, Folder, kind};
use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, SeekFrom, Timespec, Timestamps, XattrFlags};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

/// Folders inside each other; each holds a descriptor while it is copied.
const MAX_DEPTH: usize = 200;
/// Files, folders and links together.
const MAX_ENTRIES: u64 = 2_000_000;
/// Bytes of the names of files that have several, which are remembered while they are copied.
const HARD_LINKS_MAX: usize = 16 << 20;
/// Bytes of one extended attribute and of all names of one file (`xattr(7)`).
const XATTR_MAX: usize = 64 << 10;
/// What a mode keeps: an app cannot set the bits that grant a user's rights, nor can this program.
const MODE_BITS: u32 = 0o1777;
/// What the mode of a file of the machine keeps.
const ALL_MODE_BITS: u32 = 0o7777;
/// Bytes that are copied at once where the kernel does not copy by itself.
const BUFFER: usize = 1 << 20;

/// What a tree takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TreeSize {
    /// Bytes that its files take on the disk.
    pub(crate) bytes: u64,
    /// Files, folders and links.
    pub(crate) entries: u64,
}

/// Why a tree cannot be copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error("its folders are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("it has more than {MAX_ENTRIES} files")]
    TooMany,
    #[error("it has too many files with several names")]
    TooManyLinks,
    #[error(transparent)]
    File(#[from] FileError),
}

impl CopyError {
    /// Whether the disk had no room.
    pub(crate) fn is_no_room(&self) -> bool {
        matches!(self, Self::File(error) if error.is_no_room())
    }
}

/// What the tree in `folder` takes. It may change while it is measured; what is gone counts
/// nothing.
pub(crate) fn measure(folder: &Folder) -> Result<TreeSize, CopyError> {
    let mut size = TreeSize::default();
    measure_into(folder, 0, &mut size)?;
    Ok(size)
}

fn measure_into(folder: &Folder, depth: usize, size: &mut TreeSize) -> Result<(), CopyError> {
    if depth > MAX_DEPTH {
        return Err(CopyError::TooDeep);
    }
    for name in folder.names()? {
        let name = name?;
        let stat = match folder.stat(&name) {
            Err(error) if error.is_missing() => continue,
            stat => stat?,
        };
        size.entries += 1;
        if size.entries > MAX_ENTRIES {
            return Err(CopyError::TooMany);
        }
        // `st_blocks` counts 512 bytes, whatever the file system's blocks are (stat(3type)).
        size.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        if kind(&stat) == SFlag::S_IFDIR {
            match folder.child(&name) {
                Err(error) if error.is_missing() => {}
                child => measure_into(&child?, depth + 1, size)?,
            }
        }
    }
    Ok(())
}

/// Copies everything in `from`, and what `from` itself is, to the new and empty folder `to`. No
/// process may change `from` while it is copied.
pub(crate) fn copy_tree(from: &Folder, to: &Folder) -> Result<(), CopyError> {
    let mut copy = Copy {
        top: to,
        of_machine: false,
        leaves: &|_| false,
        told: &mut |_| {},
        hard_links: HashMap::new(),
        hard_link_bytes: 0,
    };
    copy.folder(from, to, &mut Vec::new())
}

/// Copies everything of a machine in `from`, and what `from` itself is, to the empty folder `to`:
/// also what only root can set, and what an overlay hides. What is removed while it is copied is
/// left out, and so is what `leaves` names by its path from the top. `told` hears of bytes that
/// were copied.
pub(crate) fn copy_machine(
    from: &Folder,
    to: &Folder,
    leaves: &dyn Fn(&[OsString]) -> bool,
    told: &mut dyn FnMut(u64),
) -> Result<(), CopyError> {
    let mut copy = Copy {
        top: to,
        of_machine: true,
        leaves,
        told,
        hard_links: HashMap::new(),
        hard_link_bytes: 0,
    };
    copy.folder(from, to, &mut Vec::new())
}

struct Copy<'t> {
    top: &'t Folder,
    /// Whether everything is copied, and not only what an app can have made.
    of_machine: bool,
    leaves: &'t dyn Fn(&[OsString]) -> bool,
    told: &'t mut dyn FnMut(u64),
    /// Files with several names: where the first one was written, as names from the top.
    hard_links: HashMap<(u64, u64), Vec<OsString>>,
    /// What those names take.
    hard_link_bytes: usize,
}

impl Copy<'_> {
    fn folder(
        &mut self,
        from: &Folder,
        to: &Folder,
        path: &mut Vec<OsString>,
    ) -> Result<(), CopyError> {
        if path.len() > MAX_DEPTH {
            return Err(CopyError::TooDeep);
        }
        for name in from.names()? {
            let name = name?;
            path.push(name.clone());
            if !(self.leaves)(path) {
                match self.entry(from, to, &name, path) {
                    Err(CopyError::File(error)) if self.of_machine && error.is_missing() => {}
                    copied => copied?,
                }
            }
            path.pop();
        }
        // Last: what is made in a folder changes its times.
        let stat = from.own_stat()?;
        self.settle(from.as_fd(), to.as_fd(), &stat).map_err(
            to.rustix_failed("set attributes, owner, mode and times of", OsStr::new("")),
        )?;
        Ok(())
    }

    fn entry(
        &mut self,
        from: &Folder,
        to: &Folder,
        name: &OsStr,
        path: &mut Vec<OsString>,
    ) -> Result<(), CopyError> {
        let stat = from.stat(name)?;
        match kind(&stat) {
            SFlag::S_IFDIR => {
                let inner = from.child(name)?;
                self.folder(&inner, &to.make(name, 0o700)?, path)?;
            }
            SFlag::S_IFREG => self.file(from, to, name, &stat, path)?,
            SFlag::S_IFLNK => copy_link(from, to, name, &stat)?,
            SFlag::S_IFIFO => copy_node(to, name, &stat, FileType::Fifo)?,
            // How an overlay notes that a file of the image was removed.
            SFlag::S_IFCHR if self.of_machine && stat.st_rdev == 0 => {
                copy_node(to, name, &stat, FileType::CharacterDevice)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// What a file or folder is besides its content.
    fn settle(
        &self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        stat: &FileStat,
    ) -> rustix::io::Result<()> {
        let bits = match self.of_machine {
            true => ALL_MODE_BITS,
            false => MODE_BITS,
        };
        // A new owner takes rights away that a file had as an attribute.
        settle(to, stat, bits)?;
        copy_attributes(from, to, self.of_machine)?;
        rustix::fs::futimens(to, &times(stat))
    }

    fn file(
        &mut self,
        from: &Folder,
        to: &Folder,
        name: &OsStr,
        stat: &FileStat,
        path: &[OsString],
    ) -> Result<(), CopyError> {
        let identity = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1 {
            if let Some(first) = self.hard_links.get(&identity) {
                return Ok(link_again(self.top, first, to, name)?);
            }
            let part = |name: &OsString| name.len() + size_of::<OsString>();
            self.hard_link_bytes += path.iter().map(part).sum::<usize>();
            if self.hard_link_bytes > HARD_LINKS_MAX {
                return Err(CopyError::TooManyLinks);
            }
            self.hard_links.insert(identity, path.to_vec());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOATIME | OFlags::CLOEXEC;
        let source = rustix::fs::openat(from, name, flags, Mode::empty())
            .map_err(from.rustix_failed("open", name))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let target = rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(to.rustix_failed("create", name))?;
        let failed = |operation| to.rustix_failed(operation, name);
        if rustix::fs::ioctl_ficlone(&target, &source).is_err() {
            copy_content(&source, &target, stat, self.told).map_err(failed("copy"))?;
        }
        self.settle(source.as_fd(), target.as_fd(), stat)
            .map_err(failed("set attributes, owner, mode and times of"))?;
        Ok(())
    }
}

/// Gives a file that was copied another of its names.
fn link_again(
    top: &Folder,
    first: &[OsString],
    to: &Folder,
    name: &OsStr,
) -> Result<(), FileError> {
    let Some((last, folders)) = first.split_last() else {
        return Ok(());
    };
    let mut folder = top.again()?;
    for part in folders {
        folder = folder.child(part)?;
    }
    rustix::fs::linkat(&folder, last.as_os_str(), to, name, AtFlags::empty())
        .map_err(to.rustix_failed("link", name))
}

fn copy_link(from: &Folder, to: &Folder, name: &OsStr, stat: &FileStat) -> Result<(), FileError> {
    to.make_link(name, from.link_target(name)?.as_ref())?;
    to.set_link_owner(name, stat.st_uid.into(), stat.st_gid.into())?;
    rustix::fs::utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(to.rustix_failed("set the times of", name))
}

/// Makes a pipe, or a device without a number.
fn copy_node(to: &Folder, name: &OsStr, stat: &FileStat, kind: FileType) -> Result<(), FileError> {
    let failed = |operation| to.rustix_failed(operation, name);
    let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
    rustix::fs::mknodat(to, name, kind, mode, 0).map_err(failed("make"))?;
    to.set_link_owner(name, stat.st_uid.into(), stat.st_gid.into())?;
    // The umask applied to `mknodat`; this program has just made it in its own folder.
    rustix::fs::chmodat(to, name, mode, AtFlags::empty()).map_err(failed("set the mode of"))?;
    rustix::fs::utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed("set the times of"))
}

/// Copies what is between the holes of a file.
fn copy_content(
    source: &OwnedFd,
    target: &OwnedFd,
    stat: &FileStat,
    told: &mut dyn FnMut(u64),
) -> rustix::io::Result<()> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    rustix::fs::ftruncate(target, size)?;
    let mut at = 0;
    while at < size {
        let data = match rustix::fs::seek(source, SeekFrom::Data(at)) {
            Ok(data) => data,
            // The rest is a hole.
            Err(rustix::io::Errno::NXIO) => return Ok(()),
            Err(error) => return Err(error),
        };
        let hole = rustix::fs::seek(source, SeekFrom::Hole(data))?;
        copy_range(source, target, data, hole.min(size), told)?;
        at = hole;
    }
    Ok(())
}

fn copy_range(
    source: &OwnedFd,
    target: &OwnedFd,
    from: u64,
    to: u64,
    told: &mut dyn FnMut(u64),
) -> rustix::io::Result<()> {
    let (mut read, mut written) = (from, from);
    while read < to {
        let length = usize::try_from(to - read)
            .unwrap_or(usize::MAX)
            .min(64 * BUFFER);
        match rustix::fs::copy_file_range(
            source,
            Some(&mut read),
            target,
            Some(&mut written),
            length,
        ) {
            // The file is shorter than it was.
            Ok(0) => return Ok(()),
            Ok(copied) => told(copied as u64),
            Err(rustix::io::Errno::INTR) => {}
            // From one file system to another not every kernel does.
            Err(rustix::io::Errno::XDEV | rustix::io::Errno::INVAL) => {
                return copy_by_hand(source, target, read, to, told);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn copy_by_hand(
    source: &OwnedFd,
    target: &OwnedFd,
    mut at: u64,
    to: u64,
    told: &mut dyn FnMut(u64),
) -> rustix::io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    while at < to {
        let wanted = usize::try_from(to - at).unwrap_or(BUFFER).min(BUFFER);
        let read = match rustix::io::pread(source, &mut buffer[..wanted], at) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        let mut done = 0;
        while done < read {
            match rustix::io::pwrite(target, &buffer[done..read], at + done as u64) {
                Ok(written) => done += written,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        at += read as u64;
        told(read as u64);
    }
    Ok(())
}

/// Copies the extended attributes that an app can set: its own, and access control lists. Of a file
/// of the machine all.
fn copy_attributes(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    of_machine: bool,
) -> rustix::io::Result<()> {
    for (name, value) in attributes(from)? {
        let bytes = name.as_bytes();
        let of_app = bytes.starts_with(b"user.") || bytes.starts_with(b"system.posix_acl_");
        if of_app || of_machine {
            rustix::fs::fsetxattr(to, name.as_c_str(), &value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

/// The extended attributes of a file or folder; none where the file system has none.
pub(super) fn attributes(of: BorrowedFd<'_>) -> rustix::io::Result<BTreeMap<CString, Vec<u8>>> {
    let mut names = vec![0; XATTR_MAX];
    let length = match rustix::fs::flistxattr(of, &mut names[..]) {
        Err(rustix::io::Errno::NOTSUP) => return Ok(BTreeMap::new()),
        listed => listed?,
    };
    let names = names[..length].split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty());
    let mut found = BTreeMap::new();
    for name in names.filter_map(|name| CString::new(name).ok()) {
        let mut value = vec![0; XATTR_MAX];
        let length = rustix::fs::fgetxattr(of, name.as_c_str(), &mut value[..])?;
        value.truncate(length);
        found.insert(name, value);
    }
    Ok(found)
}

/// Owner and mode, in the order in which none undoes the other.
fn settle(target: BorrowedFd<'_>, stat: &FileStat, bits: u32) -> rustix::io::Result<()> {
    let (uid, gid) = (stat.st_uid, stat.st_gid);
    rustix::fs::fchown(
        target,
        Some(rustix::fs::Uid::from_raw(uid)),
        Some(rustix::fs::Gid::from_raw(gid)),
    )?;
    rustix::fs::fchmod(target, Mode::from_raw_mode(stat.st_mode & bits))
}

fn times(stat: &FileStat) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime,
            tv_nsec: stat.st_atime_nsec,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec,
        },
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Folder {
    /// The same folder with a descriptor of its own.
    fn again(&self) -> Result<Self, FileError> {
        let descriptor = self.descriptor.try_clone().map_err(|error| FileError {
            operation: "open again",
            path: self.path.clone(),
            source: error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
        })?;
        Ok(Self {
            descriptor,
            path: self.path.clone(),
        })
    }

    /// Bytes that are free for programs without privileges on its file system.
    pub(crate) fn free_bytes(&self) -> Result<u64, FileError> {
        let about = rustix::fs::fstatvfs(self).map_err(
            self.rustix_failed("ask for the room of the file system of", OsStr::new("")),
        )?;
        Ok(about.f_bavail.saturating_mul(about.f_frsize))
    }

    /// Bytes of its file system, whatever is in it.
    pub(crate) fn total_bytes(&self) -> Result<u64, FileError> {
        let about = rustix::fs::fstatvfs(self).map_err(
            self.rustix_failed("ask for the room of the file system of", OsStr::new("")),
        )?;
        // Without what is kept back.
        let kept_back = about.f_bfree.saturating_sub(about.f_bavail);
        Ok(about
            .f_blocks
            .saturating_sub(kept_back)
            .saturating_mul(about.f_frsize))
    }

    /// Whether its file system can share the blocks of two files.
    pub(crate) fn shares_blocks(&self) -> Result<bool, FileError> {
        const NAMES: [&str; 2] = [".share-1", ".share-2"];
        for name in NAMES {
            match self.remove_file(name.as_ref()) {
                Err(error) if !error.is_missing() => return Err(error),
                _ => {}
            }
        }
        let [source, target] = NAMES.map(|name| {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::openat(self, name, flags, Mode::RUSR | Mode::WUSR)
        });
        let shares = source.and_then(|source| {
            rustix::io::write(&source, &[0; 4096])?;
            rustix::fs::ioctl_ficlone(target?, source)
        });
        for name in NAMES {
            self.remove_file(name.as_ref())?;
        }
        Ok(shares.is_ok())
    }

    fn rustix_failed(
        &self,
        operation: &'static str,
        name: &OsStr,
    ) -> impl FnOnce(rustix::io::Errno) -> FileError + use<> {
        let path = if name.as_bytes().is_empty() {
            self.path.clone()
        } else {
            self.path.join(name)
        };
        move |error| FileError {
            operation,
            path,
            source: Errno::from_raw(error.raw_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    fn opened(path: &Path) -> Folder {
        Folder::open(&path.canonicalize().unwrap()).unwrap()
    }

    fn about(path: &Path) -> (u32, u32, u32, i64, i64, u64) {
        let about = fs::symlink_metadata(path).unwrap();
        (
            about.mode(),
            about.uid(),
            about.gid(),
            about.mtime(),
            about.mtime_nsec(),
            about.len(),
        )
    }

    #[test]
    fn a_copy_has_the_contents_modes_times_holes_and_attributes_of_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("inner/note"), "content").unwrap();
        fs::set_permissions(from.join("inner/note"), fs::Permissions::from_mode(0o640)).unwrap();
        let sparse = fs::File::create(from.join("sparse")).unwrap();
        sparse.set_len(64 << 20).unwrap();
        std::os::unix::fs::FileExt::write_at(&sparse, b"end", (64 << 20) - 3).unwrap();
        nix::unistd::mkfifo(&from.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let note = fs::File::open(from.join("inner/note")).unwrap();
        let has_attributes =
            rustix::fs::fsetxattr(&note, "user.tag", b"blue", XattrFlags::empty()).is_ok();
        let old =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(1_000_000_007);
        note.set_modified(old).unwrap();
        fs::File::open(from.join("inner"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        fs::set_permissions(from.join("inner"), fs::Permissions::from_mode(0o500)).unwrap();

        copy_tree(&opened(&from), &opened(&to)).unwrap();
        for name in ["", "inner", "inner/note", "sparse", "pipe"] {
            assert_eq!(about(&from.join(name)), about(&to.join(name)), "{name}");
        }
        assert_eq!(fs::read(to.join("inner/note")).unwrap(), b"content");
        assert!(fs::metadata(to.join("sparse")).unwrap().blocks() < 1024);
        let size = measure(&opened(&to)).unwrap();
        assert_eq!(size.entries, 4);
        assert!(size.bytes < 1 << 20, "{size:?}");
        if has_attributes {
            let mut value = [0; 16];
            let note = fs::File::open(to.join("inner/note")).unwrap();
            let length = rustix::fs::fgetxattr(&note, "user.tag", &mut value[..]).unwrap();
            assert_eq!(&value[..length], b"blue");
        }
    }

    #[test]
    fn hard_links_stay_one_file_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("a/one"), "content").unwrap();
        fs::hard_link(from.join("a/one"), from.join("a/b/two")).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        copy_tree(&opened(&from), &opened(&to)).unwrap();
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        assert_eq!(inode(&to.join("a/one")), inode(&to.join("a/b/two")));
        assert_ne!(inode(&to.join("a/one")), inode(&from.join("a/one")));
        assert_eq!(
            fs::read_link(to.join("link")).unwrap(),
            Path::new("/etc/passwd")
        );
    }

    #[test]
    fn a_tree_that_is_nested_too_deep_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let deep = vec!["d"; MAX_DEPTH + 2].join("/");
        fs::create_dir_all(folder.path().join("from").join(deep)).unwrap();
        fs::create_dir(folder.path().join("to")).unwrap();
        let from = opened(&folder.path().join("from"));
        assert!(matches!(measure(&from), Err(CopyError::TooDeep)));
        let copied = copy_tree(&from, &opened(&folder.path().join("to")));
        assert!(matches!(copied, Err(CopyError::TooDeep)));
    }
}
