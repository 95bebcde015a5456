//! Compares a copied tree with the one that it was copied from, by what the disk gives back.

use super::copy::attributes;
use super::{FileError, Folder, kind};
use nix::sys::stat::{FileStat, SFlag};
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 20;

/// Why a copy is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompareError {
    #[error("{} {what}", path.display())]
    Differs { path: PathBuf, what: &'static str },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: Errno },
    #[error(transparent)]
    File(#[from] FileError),
}

/// Compares everything in `from` with `to`: names, kinds, modes, owners, times of change, links,
/// attributes and each byte. What `leaves` names by its path from the top does not count on either
/// side. `told` hears of bytes that were compared.
pub(crate) fn compare(
    from: &Folder,
    to: &Folder,
    leaves: &dyn Fn(&[OsString]) -> bool,
    told: &mut dyn FnMut(u64),
) -> Result<(), CompareError> {
    Comparison {
        leaves,
        told,
        path: Vec::new(),
        buffers: [vec![0; BUFFER], vec![0; BUFFER]],
    }
    .folder(from, to)
}

struct Comparison<'t> {
    leaves: &'t dyn Fn(&[OsString]) -> bool,
    told: &'t mut dyn FnMut(u64),
    path: Vec<OsString>,
    buffers: [Vec<u8>; 2],
}

impl Comparison<'_> {
    fn folder(&mut self, from: &Folder, to: &Folder) -> Result<(), CompareError> {
        let (stat, own) = (from.own_stat()?, to.own_stat()?);
        self.mode(&stat, &own)?;
        self.attributes(from.as_fd(), to.as_fd())?;
        let ((names, less), (copied, more)) = (self.names(from)?, self.names(to)?);
        // Where something is left out, names come and go.
        if !(less || more) {
            self.time(&stat, &own)?;
        }
        if let Some(name) = names.symmetric_difference(&copied).next() {
            self.path.push(name.clone());
            return Err(match names.contains(name) {
                true => self.differs("is not in the copy"),
                false => self.differs("is in the copy alone"),
            });
        }
        for name in names {
            self.path.push(name.clone());
            self.entry(from, to, &name)?;
            self.path.pop();
        }
        Ok(())
    }

    /// What is to be found in the copy, and whether something is left out.
    fn names(&mut self, folder: &Folder) -> Result<(BTreeSet<OsString>, bool), CompareError> {
        let (mut found, mut left_out) = (BTreeSet::new(), false);
        for name in folder.names()? {
            let name = name?;
            self.path.push(name.clone());
            let stat = folder.stat(&name)?;
            let is_copied = match kind(&stat) {
                SFlag::S_IFDIR | SFlag::S_IFREG | SFlag::S_IFLNK | SFlag::S_IFIFO => true,
                SFlag::S_IFCHR => stat.st_rdev == 0,
                _ => false,
            };
            if (self.leaves)(&self.path) {
                left_out = true;
            } else if is_copied {
                found.insert(name);
            }
            self.path.pop();
        }
        Ok((found, left_out))
    }

    fn entry(&mut self, from: &Folder, to: &Folder, name: &OsStr) -> Result<(), CompareError> {
        let (stat, copied) = (from.stat(name)?, to.stat(name)?);
        if kind(&stat) != kind(&copied) {
            return Err(self.differs("is something else in the copy"));
        }
        match kind(&stat) {
            SFlag::S_IFDIR => self.folder(&from.child(name)?, &to.child(name)?),
            SFlag::S_IFREG => {
                self.about(&stat, &copied)?;
                let (file, copy) = (self.opened(from, name)?, self.opened(to, name)?);
                self.attributes(file.as_fd(), copy.as_fd())?;
                self.content(&file, &copy)
            }
            SFlag::S_IFLNK if from.link_target(name)? != to.link_target(name)? => {
                Err(self.differs("leads elsewhere in the copy"))
            }
            _ => self.about(&stat, &copied),
        }
    }

    fn about(&self, stat: &FileStat, copied: &FileStat) -> Result<(), CompareError> {
        if kind(stat) == SFlag::S_IFREG && stat.st_size != copied.st_size {
            return Err(self.differs("has another length in the copy"));
        }
        self.mode(stat, copied)?;
        self.time(stat, copied)
    }

    fn mode(&self, stat: &FileStat, copied: &FileStat) -> Result<(), CompareError> {
        let owner = |stat: &FileStat| (stat.st_uid, stat.st_gid);
        if stat.st_mode != copied.st_mode || owner(stat) != owner(copied) {
            return Err(self.differs("has another mode or owner in the copy"));
        }
        Ok(())
    }

    fn time(&self, stat: &FileStat, copied: &FileStat) -> Result<(), CompareError> {
        let changed = |stat: &FileStat| (stat.st_mtime, stat.st_mtime_nsec);
        if changed(stat) != changed(copied) {
            return Err(self.differs("was changed since it was copied"));
        }
        Ok(())
    }

    fn attributes(
        &self,
        file: std::os::fd::BorrowedFd<'_>,
        copy: std::os::fd::BorrowedFd<'_>,
    ) -> Result<(), CompareError> {
        let of = |file| attributes(file).map_err(|error| self.unreadable(error));
        match of(file)? == of(copy)? {
            true => Ok(()),
            false => Err(self.differs("has other attributes in the copy")),
        }
    }

    fn opened(&self, folder: &Folder, name: &OsStr) -> Result<OwnedFd, CompareError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOATIME | OFlags::CLOEXEC;
        rustix::fs::openat(folder, name, flags, Mode::empty())
            .map_err(|error| self.unreadable(error))
    }

    fn content(&mut self, file: &OwnedFd, copy: &OwnedFd) -> Result<(), CompareError> {
        let mut at = 0;
        loop {
            let next = |file| match rustix::fs::seek(file, SeekFrom::Data(at)) {
                Ok(data) => Ok(Some(data)),
                Err(Errno::NXIO) => Ok(None),
                Err(error) => Err(error),
            };
            let found = next(file).and_then(|one| Ok((one, next(copy)?)));
            let start = match found.map_err(|error| self.unreadable(error))? {
                // The rest is a hole in both.
                (None, None) => return Ok(()),
                (Some(one), Some(other)) => one.min(other),
                (Some(one), None) | (None, Some(one)) => one,
            };
            let [one, other] = &mut self.buffers;
            let read =
                read_at(file, one, start).and_then(|one| Ok((one, read_at(copy, other, start)?)));
            let (length, copied) = read.map_err(|error| self.unreadable(error))?;
            let [one, other] = &self.buffers;
            if one[..length] != other[..copied] {
                return Err(self.differs("has other bytes in the copy"));
            }
            if length == 0 {
                return Ok(());
            }
            at = start + length as u64;
            (self.told)(length as u64);
        }
    }

    fn differs(&self, what: &'static str) -> CompareError {
        let path = self.path.iter().collect();
        CompareError::Differs { path, what }
    }

    fn unreadable(&self, source: Errno) -> CompareError {
        let path = self.path.iter().collect();
        CompareError::Read { path, source }
    }
}

/// Fills the buffer as far as the file goes.
fn read_at(file: &OwnedFd, buffer: &mut [u8], at: u64) -> rustix::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::pread(file, &mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::super::copy_machine;
    use super::*;
    use std::fs;
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    fn opened(path: &Path) -> Folder {
        Folder::open(&path.canonicalize().unwrap()).unwrap()
    }

    /// A tree and its copy.
    fn pair() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("inner/left out")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("inner/note"), "content").unwrap();
        fs::write(from.join("inner/left out/note"), "x").unwrap();
        let sparse = fs::File::create(from.join("sparse")).unwrap();
        sparse.set_len(8 << 20).unwrap();
        sparse.write_at(b"end", (8 << 20) - 3).unwrap();
        symlink("inner/note", from.join("link")).unwrap();
        let mode = fs::Permissions::from_mode(0o2755);
        fs::set_permissions(from.join("inner"), mode).unwrap();
        let mut copied = 0;
        let leaves = |path: &[OsString]| path.last().is_some_and(|name| name == "left out");
        copy_machine(&opened(&from), &opened(&to), &leaves, &mut |bytes| {
            copied += bytes
        })
        .unwrap();
        assert!(copied >= 10, "{copied}");
        (folder, from, to)
    }

    fn found(from: &Path, to: &Path) -> Result<(), String> {
        let leaves = |path: &[OsString]| path.last().is_some_and(|name| name == "left out");
        compare(&opened(from), &opened(to), &leaves, &mut |_| {}).map_err(|error| error.to_string())
    }

    #[test]
    fn a_copy_of_a_machine_is_the_same_without_what_is_left_out() {
        let (_folder, from, to) = pair();
        found(&from, &to).unwrap();
        assert!(!to.join("inner/left out").exists());
        let mode = fs::metadata(to.join("inner")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o2755);
    }

    #[test]
    fn whatever_differs_is_found() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 7] = [
            ("has other bytes", |to| {
                let file = fs::File::options()
                    .write(true)
                    .open(to.join("sparse"))
                    .unwrap();
                let time = file.metadata().unwrap().modified().unwrap();
                file.write_at(b"x", 4 << 20).unwrap();
                file.set_modified(time).unwrap();
            }),
            ("has another length", |to| {
                fs::write(to.join("inner/note"), "longer than it").unwrap()
            }),
            ("was changed since it was copied", |to| {
                let file = fs::File::options().write(true).open(to.join("inner/note"));
                file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
            }),
            ("has another mode", |to| {
                let mode = fs::Permissions::from_mode(0o600);
                fs::set_permissions(to.join("sparse"), mode).unwrap();
            }),
            ("is not in the copy", |to| {
                let time = fs::metadata(to).unwrap().modified().unwrap();
                fs::remove_file(to.join("link")).unwrap();
                fs::File::open(to).unwrap().set_modified(time).unwrap();
            }),
            ("is in the copy alone", |to| {
                let time = fs::metadata(to).unwrap().modified().unwrap();
                fs::write(to.join("more"), "").unwrap();
                fs::File::open(to).unwrap().set_modified(time).unwrap();
            }),
            ("leads elsewhere", |to| {
                let time = fs::metadata(to).unwrap().modified().unwrap();
                fs::remove_file(to.join("link")).unwrap();
                symlink("other", to.join("link")).unwrap();
                fs::File::open(to).unwrap().set_modified(time).unwrap();
            }),
        ];
        for (expected, change) in changes {
            let (_folder, from, to) = pair();
            change(&to);
            let error = found(&from, &to).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
