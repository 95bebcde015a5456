//! Makes one file of two that are the same, so that it is on the disk and in memory once.

use super::{Folder, Result, kind};
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, SFlag};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;

/// A name of a file on its way into a tree.
const NEW: &str = "shared.new";
/// Smaller files are three quarters of an image and a twentieth of its bytes: each would be one
/// more name to remember when the data move to another disk.
const LEAST: i64 = 16 << 10;
/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;
/// Folders inside each other, as in a package.
const MAX_DEPTH: usize = 100;

/// Replaces files of `tree` by those of `like` that have the same path, mode, owner and content.
/// Both trees must be sealed, and so changed by none but this process. Each file is exchanged in
/// one step for one with the same content, so whatever ends this leaves both trees as they were.
/// `aside` is a folder of the same file system, for a file on its way.
///
/// Returns the bytes that are shared from now on.
pub(crate) fn share_files(tree: &Folder, like: &Folder, aside: &Folder) -> Result<u64> {
    let mut sharing = Sharing {
        aside,
        buffers: [vec![0; BUFFER], vec![0; BUFFER]],
    };
    sharing.folder(tree, like, 0)
}

struct Sharing<'f> {
    aside: &'f Folder,
    buffers: [Vec<u8>; 2],
}

impl Sharing<'_> {
    fn folder(&mut self, tree: &Folder, like: &Folder, depth: usize) -> Result<u64> {
        let mut shared = 0;
        if depth > MAX_DEPTH {
            return Ok(shared);
        }
        for name in tree.names()? {
            let name = name?;
            let stat = tree.stat(&name)?;
            let other = match like.stat(&name) {
                Err(error) if error.is_missing() => continue,
                found => found?,
            };
            match (kind(&stat), kind(&other)) {
                (SFlag::S_IFDIR, SFlag::S_IFDIR) => {
                    shared += self.folder(&tree.child(&name)?, &like.child(&name)?, depth + 1)?;
                }
                (SFlag::S_IFREG, SFlag::S_IFREG) if is_alike(&stat, &other) => {
                    let (one, two) = (tree.open_file(&name)?, like.open_file(&name)?);
                    if are_same(one, two, &mut self.buffers) {
                        self.replace(tree, like, &name)?;
                        shared += u64::try_from(stat.st_size).unwrap_or_default();
                    }
                }
                _ => {}
            }
        }
        Ok(shared)
    }

    /// Puts a further name of the other tree's file in the place of this tree's.
    fn replace(&self, tree: &Folder, like: &Folder, name: &OsStr) -> Result<()> {
        let new = OsStr::new(NEW);
        match self.aside.remove_file(new) {
            Err(error) if !error.is_missing() => return Err(error),
            _ => {}
        }
        let (from, to) = (&like.descriptor, &self.aside.descriptor);
        nix::unistd::linkat(from, name, to, new, AtFlags::empty())
            .map_err(tree.failed("link a file to", name))?;
        self.aside.rename(new, tree, name)
    }
}

/// Whether two files may be one, as far as can be seen from outside.
fn is_alike(stat: &FileStat, other: &FileStat) -> bool {
    let about = |it: &FileStat| (it.st_dev, it.st_size, it.st_mode, it.st_uid, it.st_gid);
    stat.st_size >= LEAST
        // Those that are shared already, and those with several names in their own tree, stay.
        && stat.st_nlink == 1
        && stat.st_ino != other.st_ino
        && about(stat) == about(other)
}

/// Whether two files have the same content. One that cannot be read has not.
fn are_same(one: File, two: File, buffers: &mut [Vec<u8>; 2]) -> bool {
    let [left, right] = buffers;
    let (mut one, mut two) = (one, two);
    loop {
        let (Ok(read), Ok(other)) = (fill(&mut one, left), fill(&mut two, right)) else {
            return false;
        };
        if left[..read] != right[..other] {
            return false;
        }
        if read == 0 {
            return true;
        }
    }
}

/// Reads until the buffer is full or the file at its end.
fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    fn tree(at: &Path, files: &[(&str, &[u8])]) -> Folder {
        for (name, content) in files {
            let file = at.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
        }
        Folder::open(at).unwrap()
    }

    #[test]
    fn equal_files_become_one_and_all_others_stay_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let (old, new) = (path.join("old"), path.join("new"));
        let big = vec![7; 3 * BUFFER + 1];
        let mut other = big.clone();
        other[2 * BUFFER] = 8;
        let like = tree(
            &old,
            &[
                ("usr/lib/same", &big),
                ("usr/lib/other", &big),
                ("usr/lib/mode", &big),
                ("usr/lib/longer", &big),
                ("usr/small", b"x"),
                ("kind", &big),
                ("gone", &big),
            ],
        );
        let longer = [&big[..], b"x"].concat();
        let fresh = tree(
            &new,
            &[
                ("usr/lib/same", &big),
                ("usr/lib/other", &other),
                ("usr/lib/mode", &big),
                ("usr/lib/longer", &longer),
                ("usr/small", b"x"),
                ("more", &big),
            ],
        );
        fs::set_permissions(new.join("usr/lib/mode"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("usr/lib/same", new.join("kind")).unwrap();

        // Left by one that was cut short.
        fs::write(path.join(NEW), "x").unwrap();
        let aside = Folder::open(&path).unwrap();
        let size = big.len() as u64;
        assert_eq!(share_files(&fresh, &like, &aside).unwrap(), size);
        assert!(!path.join(NEW).exists());
        let inode = |tree: &Path, name: &str| fs::metadata(tree.join(name)).unwrap().ino();
        assert_eq!(inode(&old, "usr/lib/same"), inode(&new, "usr/lib/same"));
        for name in ["other", "mode", "longer"] {
            let name = format!("usr/lib/{name}");
            assert_ne!(inode(&old, &name), inode(&new, &name), "{name}");
        }
        assert_ne!(inode(&old, "usr/small"), inode(&new, "usr/small"));
        assert_eq!(fs::read(new.join("usr/lib/same")).unwrap(), big);
        assert_eq!(fs::read(new.join("usr/lib/other")).unwrap(), other);
        assert!(new.join("kind").is_symlink());
        // Once more there is nothing to do, and what one tree loses the other keeps.
        assert_eq!(share_files(&fresh, &like, &aside).unwrap(), 0);
        fs::remove_dir_all(&old).unwrap();
        assert_eq!(fs::read(new.join("usr/lib/same")).unwrap(), big);
    }
}
