//! Unpacks the layers of an image over each other (the OCI image specification, "Image Layer
//! Filesystem Changeset").
//!
//! Everything happens below one open folder. The folder of an entry is found as the image's own
//! programs would find it ([`super::inside`]): no link and no `..` of an image leads out of it.
//! Names are made and removed relative to that folder, and never follow a link.
//!
//! Owners, times, extended attributes and all bits of a mode but "executable" are dropped: the
//! files become root's, and readable by everybody, as those of every package. Devices and pipes
//! are left out.

use super::error::ImageError;
use super::inside::open_folder;
use super::registry::Blob;
use crate::tree::{check_name, shown};
use atek_api::package::FetchLimits;
use flate2::read::MultiGzDecoder;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use tar::{Archive, Entry, EntryType};

/// Folders inside each other.
const MAX_DEPTH: usize = 90;
/// What begins the name of a file that stands for a removed one.
const WHITEOUT: &[u8] = b".wh.";
/// The file that stands for the removal of all that lower layers have in its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
const EXECUTABLE: u32 = 0o111;

/// An image's root under way.
#[derive(Debug)]
pub(super) struct Unpacker {
    root: OwnedFd,
    bytes_max: u64,
    files_max: u64,
    bytes: u64,
    files: u64,
    left_out: u64,
}

impl Unpacker {
    pub(super) fn new(root: &Path, limits: &FetchLimits) -> Result<Self, ImageError> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(root, flags, Mode::empty())
            .map_err(ImageError::call("open the image's folder"))?;
        Ok(Self {
            root,
            bytes_max: limits.package_bytes,
            files_max: limits.package_files,
            bytes: 0,
            files: 0,
            left_out: 0,
        })
    }

    /// How many devices and pipes the image has.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Bytes of the files of all layers so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Entries of all layers so far.
    pub(super) fn files(&self) -> u64 {
        self.files
    }

    /// Unpacks a layer, whose unpacked form has the digest `diff`.
    pub(super) fn layer(
        &mut self,
        blob: &Path,
        about: &Blob,
        diff: &str,
        mut tell: impl FnMut(),
    ) -> Result<(), ImageError> {
        let file = File::open(blob).map_err(ImageError::write("open a layer"))?;
        let kind = about.media_type.as_str();
        let plain: Box<dyn Read> = if kind.ends_with("gzip") {
            Box::new(MultiGzDecoder::new(io::BufReader::new(file)))
        } else if kind.ends_with("tar") {
            Box::new(io::BufReader::new(file))
        } else {
            return Err(ImageError::Compression(kind.to_owned()));
        };
        // An archive may have endless padding between its entries.
        let mut hashing = Hashing {
            inner: plain.take(self.bytes_max.saturating_mul(2)),
            hash: Sha256::new(),
        };
        let mut archive = Archive::new(&mut hashing);
        let mut written = HashSet::new();
        for entry in archive.entries().map_err(ImageError::Damaged)? {
            tell();
            self.entry(&mut entry.map_err(ImageError::Damaged)?, &mut written)?;
        }
        io::copy(&mut hashing, &mut io::sink()).map_err(ImageError::Damaged)?;
        let found = format!("sha256:{}", hex::encode(hashing.hash.finalize()));
        if found == diff {
            Ok(())
        } else {
            Err(ImageError::Digest(format!("the layer {diff}")))
        }
    }

    fn entry(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        written: &mut HashSet<PathBuf>,
    ) -> Result<(), ImageError> {
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        let path = inside(&entry.path_bytes())?;
        self.files += 1;
        if self.files > self.files_max {
            return Err(ImageError::Files(self.files_max));
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            // The root itself.
            return Ok(());
        };
        let folder = self.folder(parent)?;
        if name.as_bytes() == OPAQUE {
            return self.clear(&folder, parent, written);
        }
        if let Some(gone) = name.as_bytes().strip_prefix(WHITEOUT) {
            if !check_name(gone) {
                return Err(ImageError::Name(shown(&path)));
            }
            return remove(&folder, OsStr::from_bytes(gone), 0);
        }
        match kind {
            EntryType::Directory => self.make_folder(&folder, name)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(entry, &folder, name)?;
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                remove(&folder, name, 0)?;
                symlinkat(OsStr::from_bytes(&target), &folder, name)
                    .map_err(ImageError::call("make a link"))?;
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                self.hard_link(&inside(&target)?, &folder, name, &path)?;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.left_out += 1;
                return Ok(());
            }
            _ => return Err(ImageError::Name(shown(&path))),
        }
        written.insert(path);
        Ok(())
    }

    /// Opens a folder of the image, which is made where it is missing.
    pub(super) fn folder(&self, path: &Path) -> Result<OwnedFd, ImageError> {
        match self.open(path) {
            Err(Errno::ENOENT) => {}
            Err(Errno::ELOOP | Errno::ENOTDIR) => return Err(ImageError::Folder(shown(path))),
            opened => return opened.map_err(ImageError::call("open a folder of the image")),
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ImageError::Name(shown(path)));
        };
        let parent = self.folder(parent)?;
        // A link that leads nowhere is replaced.
        remove(&parent, name, 0)?;
        mkdirat(&parent, name, Mode::from_bits_truncate(0o755))
            .map_err(ImageError::call("make a folder of the image"))?;
        self.open(path)
            .map_err(ImageError::call("open a folder of the image"))
    }

    /// Opens a folder as a program of the image would find it.
    pub(super) fn open(&self, path: &Path) -> nix::Result<OwnedFd> {
        open_folder(&self.root, path)
    }

    /// A folder of a layer: one that is there keeps what it has.
    fn make_folder(&self, folder: &OwnedFd, name: &OsStr) -> Result<(), ImageError> {
        if kind_of(folder, name)? == Some(SFlag::S_IFDIR) {
            return Ok(());
        }
        remove(folder, name, 0)?;
        mkdirat(folder, name, Mode::from_bits_truncate(0o755))
            .map_err(ImageError::call("make a folder of the image"))
    }

    fn file(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        folder: &OwnedFd,
        name: &OsStr,
    ) -> Result<(), ImageError> {
        let executable = entry.header().mode().unwrap_or_default() & EXECUTABLE != 0;
        remove(folder, name, 0)?;
        let mut file = create(folder, name, executable)?;
        let mut piece = vec![0; 64 * 1024];
        loop {
            let n = entry.read(&mut piece).map_err(ImageError::Damaged)?;
            if n == 0 {
                return Ok(());
            }
            self.bytes += n as u64;
            if self.bytes > self.bytes_max {
                return Err(ImageError::Bytes(self.bytes_max));
            }
            file.write_all(&piece[..n])
                .map_err(ImageError::write("write a file of the image"))?;
        }
    }

    fn hard_link(
        &self,
        target: &Path,
        folder: &OwnedFd,
        name: &OsStr,
        path: &Path,
    ) -> Result<(), ImageError> {
        let missing = || ImageError::HardLink(shown(path));
        let (Some(parent), Some(file)) = (target.parent(), target.file_name()) else {
            return Err(missing());
        };
        let from = self.open(parent).map_err(|_| missing())?;
        match kind_of(&from, file)? {
            Some(SFlag::S_IFREG | SFlag::S_IFLNK) => {}
            _ => return Err(missing()),
        }
        if target != path {
            remove(folder, name, 0)?;
            linkat(&from, file, folder, name, AtFlags::empty())
                .map_err(ImageError::call("make a hard link"))?;
        }
        Ok(())
    }

    /// Removes what lower layers have in a folder.
    fn clear(
        &self,
        folder: &OwnedFd,
        path: &Path,
        written: &HashSet<PathBuf>,
    ) -> Result<(), ImageError> {
        for name in names(folder)? {
            if !written.contains(&path.join(&name)) {
                remove(folder, &name, 0)?;
            }
        }
        Ok(())
    }
}

/// The path of an entry, relative to the root.
fn inside(path: &[u8]) -> Result<PathBuf, ImageError> {
    let path = Path::new(OsStr::from_bytes(path));
    let wrong = || ImageError::Name(shown(path));
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) if check_name(name.as_bytes()) => clean.push(name),
            Component::CurDir | Component::RootDir => {}
            _ => return Err(wrong()),
        }
    }
    if clean.components().count() > MAX_DEPTH {
        return Err(wrong());
    }
    Ok(clean)
}

/// A new file.
pub(super) fn create(folder: &OwnedFd, name: &OsStr, executable: bool) -> Result<File, ImageError> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = if executable { 0o755 } else { 0o644 };
    openat(folder, name, flags, Mode::from_bits_truncate(mode))
        .map(File::from)
        .map_err(ImageError::call("make a file of the image"))
}

/// What is at a name, if anything.
pub(super) fn kind_of(folder: &OwnedFd, name: &OsStr) -> Result<Option<SFlag>, ImageError> {
    match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(about) => Ok(Some(SFlag::from_bits_truncate(
            about.st_mode & SFlag::S_IFMT.bits(),
        ))),
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(ImageError::call("examine a file of the image")(error)),
    }
}

/// Removes a name and all below it, following no link. Missing is fine.
pub(super) fn remove(folder: &OwnedFd, name: &OsStr, depth: usize) -> Result<(), ImageError> {
    let failed = ImageError::call("remove a file of the image");
    match kind_of(folder, name)? {
        None => Ok(()),
        Some(SFlag::S_IFDIR) if depth <= MAX_DEPTH => {
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let below = openat(folder, name, flags, Mode::empty()).map_err(&failed)?;
            for name in names(&below)? {
                remove(&below, &name, depth + 1)?;
            }
            unlinkat(folder, name, UnlinkatFlags::RemoveDir).map_err(&failed)
        }
        Some(_) => unlinkat(folder, name, UnlinkatFlags::NoRemoveDir).map_err(&failed),
    }
}

fn names(folder: &OwnedFd) -> Result<Vec<OsString>, ImageError> {
    let failed = ImageError::write("list a folder of the image");
    // The descriptor itself: nothing of a path is looked up again.
    std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))
        .map_err(&failed)?
        .map(|entry| Ok(entry.map_err(&failed)?.file_name()))
        .collect()
}

/// Reads, and hashes what was read.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.hash.update(&into[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use tar::{Builder, Header};

    /// One entry of a layer: its kind, path, and content or target.
    type Made<'a> = (EntryType, &'a str, &'a str);

    fn layer_of(entries: &[Made<'_>]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, path, content) in entries {
            let mut header = Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_mode(0o6755);
            // Not `set_path`, which refuses what a hostile image has.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            let data = if kind.is_file() { content } else { "" };
            if matches!(kind, EntryType::Symlink | EntryType::Link) {
                header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
            }
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    struct Case {
        home: tempfile::TempDir,
        unpacker: Unpacker,
    }

    impl Case {
        fn new(limits: FetchLimits) -> Self {
            let home = tempfile::tempdir().unwrap();
            fs::create_dir(home.path().join("root")).unwrap();
            fs::write(home.path().join("outside"), "theirs").unwrap();
            let unpacker = Unpacker::new(&home.path().join("root"), &limits).unwrap();
            Self { home, unpacker }
        }

        fn root(&self) -> PathBuf {
            self.home.path().join("root")
        }

        fn unpack(&mut self, entries: &[Made<'_>]) -> Result<(), ImageError> {
            let layer = layer_of(entries);
            let blob = self.home.path().join("blob");
            fs::write(&blob, &layer).unwrap();
            let diff = format!("sha256:{}", hex::encode(Sha256::digest(&layer)));
            let about = Blob {
                digest: diff.clone(),
                bytes: layer.len() as u64,
                media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
            };
            self.unpacker.layer(&blob, &about, &diff, || {})
        }

        fn read(&self, path: &str) -> String {
            fs::read_to_string(self.root().join(path)).unwrap()
        }
    }

    const DIR: EntryType = EntryType::Directory;
    const FILE: EntryType = EntryType::Regular;
    const SYM: EntryType = EntryType::Symlink;
    const HARD: EntryType = EntryType::Link;

    #[test]
    fn layers_lie_over_each_other_and_whiteouts_remove() {
        let mut case = Case::new(FetchLimits::default());
        case.unpack(&[
            (DIR, "usr/", ""),
            (FILE, "usr/a", "1"),
            (FILE, "usr/b", "1"),
            (FILE, "usr/dir/c", "1"),
            (FILE, "etc/x", "1"),
            (SYM, "bin", "usr"),
            (HARD, "usr/hard", "usr/a"),
        ])
        .unwrap();
        // Two names of one file.
        let ino = |case: &Case, path| fs::metadata(case.root().join(path)).unwrap().ino();
        assert_eq!(ino(&case, "usr/a"), ino(&case, "usr/hard"));
        // setuid and setgid are gone.
        let mode = fs::metadata(case.root().join("usr/a"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o7777, 0o755);
        case.unpack(&[
            (FILE, "usr/.wh.b", ""),
            (FILE, "bin/a", "2"),
            (FILE, "etc/new", "2"),
            (FILE, "etc/.wh..wh..opq", ""),
            (FILE, "usr/dir", "now a file"),
        ])
        .unwrap();
        assert_eq!(case.read("usr/a"), "2");
        assert_eq!(case.read("usr/hard"), "1");
        assert!(!case.root().join("usr/b").exists());
        assert!(!case.root().join("etc/x").exists());
        assert_eq!(case.read("etc/new"), "2");
        assert_eq!(case.read("usr/dir"), "now a file");
    }

    #[test]
    fn no_entry_of_a_hostile_image_leaves_its_folder() {
        for hostile in [
            &[(FILE, "../outside", "x")][..],
            &[(FILE, "a/../../outside", "x")],
            &[(SYM, "up", ".."), (FILE, "up/outside", "x")],
            &[(SYM, "up", "/"), (FILE, "up/outside", "x")],
            &[(SYM, "up", "../../.."), (FILE, "up/etc/outside", "x")],
            &[(SYM, "file", "../outside"), (FILE, "file", "x")],
            &[(HARD, "mine", "../outside"), (FILE, "mine", "x")],
            &[(SYM, "up", ".."), (HARD, "mine", "up/outside")],
            &[(SYM, "up", "/proc/self/fd"), (FILE, "up/outside", "x")],
            &[(SYM, "up", ".."), (FILE, "up/.wh.outside", "")],
            &[(SYM, "up", ".."), (FILE, "up/.wh..wh..opq", "")],
            &[(FILE, ".wh...", "")],
            &[(SYM, "a", "b"), (SYM, "b", "a"), (FILE, "a/x", "x")],
        ] {
            let mut case = Case::new(FetchLimits::default());
            let _ = case.unpack(hostile);
            let outside = case.home.path().join("outside");
            assert_eq!(
                fs::read_to_string(outside).unwrap(),
                "theirs",
                "{hostile:?}"
            );
            let mut left: Vec<_> = fs::read_dir(case.home.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            left.sort();
            assert_eq!(left, ["blob", "outside", "root"], "{hostile:?}");
        }
    }

    #[test]
    fn a_whiteout_removes_a_link_and_not_what_it_leads_to() {
        let mut case = Case::new(FetchLimits::default());
        symlink(case.home.path(), case.root().join("link")).unwrap();
        case.unpack(&[(FILE, ".wh.link", "")]).unwrap();
        assert!(!case.root().join("link").exists());
        assert!(case.home.path().join("outside").exists());
    }

    #[test]
    fn devices_are_left_out_and_bombs_are_refused() {
        let mut case = Case::new(FetchLimits::default());
        case.unpack(&[
            (EntryType::Block, "dev/sda", ""),
            (EntryType::Fifo, "p", ""),
        ])
        .unwrap();
        assert_eq!(case.unpacker.left_out(), 2);
        assert!(!case.root().join("dev/sda").exists());
        let small = FetchLimits {
            package_bytes: 10_000,
            package_files: 2,
            ..FetchLimits::default()
        };
        let large = "x".repeat(15_000);
        let bomb = Case::new(small).unpack(&[(FILE, "a", &large)]);
        assert!(matches!(bomb, Err(ImageError::Bytes(10_000))), "{bomb:?}");
        let many = Case::new(small).unpack(&[(DIR, "a", ""), (DIR, "b", ""), (DIR, "c", "")]);
        assert!(matches!(many, Err(ImageError::Files(2))), "{many:?}");
        let deep = "d/".repeat(45) + "f";
        let mut case = Case::new(FetchLimits::default());
        case.unpack(&[(FILE, &deep, "1")]).unwrap();
        case.unpack(&[(FILE, ".wh.d", "")]).unwrap();
    }

    #[test]
    fn a_layer_that_is_not_the_one_of_the_configuration_is_refused() {
        let case = &mut Case::new(FetchLimits::default());
        let blob = case.home.path().join("blob");
        fs::write(&blob, layer_of(&[(FILE, "a", "1")])).unwrap();
        let about = Blob {
            digest: String::new(),
            bytes: 0,
            media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
        };
        let other = case.unpacker.layer(&blob, &about, "sha256:00", || {});
        assert!(matches!(other, Err(ImageError::Digest(_))), "{other:?}");
        let zstd = Blob {
            media_type: "application/vnd.oci.image.layer.v1.tar+zstd".to_owned(),
            ..about
        };
        let other = case.unpacker.layer(&blob, &zstd, "sha256:00", || {});
        assert!(
            matches!(other, Err(ImageError::Compression(_))),
            "{other:?}"
        );
    }
}
