//! Makes of the unpacked files of an image what a package may be, and what a unit needs.
//!
//! - Links become relative and lead inside, as in every package. In the unit, where the image is
//!   the root of the file system, they lead where they led before.
//! - Folders that keep data become links into the app's state; what they hold is put aside, for
//!   the first start ([`SEEDS_FOLDER`]).
//! - What systemd mounts over is there: empty folders, and the files that Atek replaces.

use super::config::ImageConfig;
use super::error::ImageError;
use super::layer::{Unpacker, create, kind_of, remove};
use crate::tree::link_stays_inside;
use atek_api::image::{ImageRuntime, SEEDS_FOLDER};
use atek_api::spec::paths;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, mkdirat};
use nix::unistd::symlinkat;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

/// Folders that the unit has of its own.
const FOLDERS: [&str; 8] = [
    "proc",
    "sys",
    "dev",
    "run",
    "tmp",
    "var/tmp",
    "var/lib/private",
    "etc",
];
/// Files that the unit has of its own.
const FILES: [&str; 4] = ["etc/passwd", "etc/group", "etc/resolv.conf", "etc/hosts"];
/// The dynamic linker would load what this file names into every program.
const PRELOAD: &str = "etc/ld.so.preload";

/// The configuration with its volumes and its working folder as they are in the files, which
/// `unpacker` has put into `root`.
pub(super) fn settle(
    unpacker: &Unpacker,
    root: &Path,
    config: ImageConfig,
    wish: Option<&ImageRuntime>,
) -> Result<ImageConfig, ImageError> {
    for folder in FOLDERS {
        real_folder(unpacker, Path::new(folder))?;
    }
    let config = config.with_user_named(&passwd(unpacker)?);
    for file in FILES {
        let (folder, name) = place(unpacker, file)?;
        if kind_of(&folder, name)? != Some(SFlag::S_IFREG) {
            remove(&folder, name, 0)?;
            create(&folder, name, false)?;
        }
    }
    let (folder, name) = place(unpacker, PRELOAD)?;
    remove(&folder, name, 0)?;
    unpacker.folder(Path::new(config.workdir(wish).trim_start_matches('/')))?;
    let root = fs::canonicalize(root).map_err(ImageError::write("find the image's folder"))?;
    settle_links(unpacker, &root)?;
    keep_data(unpacker, &root, &config.volumes(wish)?)?;
    Ok(config)
}

/// The image's own accounts; nothing where they cannot be read.
fn passwd(unpacker: &Unpacker) -> Result<String, ImageError> {
    const MAX: u64 = 256 * 1024;
    let (folder, name) = place(unpacker, FILES[0])?;
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let Ok(file) = nix::fcntl::openat(&folder, name, flags, Mode::empty()) else {
        return Ok(String::new());
    };
    let mut bytes = Vec::new();
    match fs::File::from(file).take(MAX).read_to_end(&mut bytes) {
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => Ok(String::new()),
    }
}

/// Makes sure that a path is a folder and no link.
fn real_folder(unpacker: &Unpacker, path: &Path) -> Result<(), ImageError> {
    let (folder, name) = place(unpacker, path.to_str().unwrap_or_default())?;
    if kind_of(&folder, name)? != Some(SFlag::S_IFDIR) {
        remove(&folder, name, 0)?;
        mkdirat(&folder, name, Mode::from_bits_truncate(0o755))
            .map_err(ImageError::call("make a folder of the image"))?;
    }
    Ok(())
}

/// The folder of a path, which is made where it is missing, and its name.
fn place<'p>(
    unpacker: &Unpacker,
    path: &'p str,
) -> Result<(std::os::fd::OwnedFd, &'p OsStr), ImageError> {
    let path = Path::new(path);
    let name = path.file_name().unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new(""));
    Ok((unpacker.folder(parent)?, name))
}

/// Replaces folders that keep data by links into the app's state.
fn keep_data(unpacker: &Unpacker, root: &Path, volumes: &[String]) -> Result<(), ImageError> {
    if volumes.is_empty() {
        return Ok(());
    }
    let cannot = || ImageError::call("make a folder for data");
    real_folder(unpacker, Path::new(SEEDS_FOLDER))?;
    let seeds = unpacker.folder(Path::new(SEEDS_FOLDER))?;
    for (n, volume) in volumes.iter().enumerate() {
        let (folder, name) = place(unpacker, volume.trim_start_matches('/'))?;
        let number = n.to_string();
        let mode = Mode::from_bits_truncate(0o755);
        match kind_of(&folder, name)? {
            Some(SFlag::S_IFDIR) => {
                nix::fcntl::renameat(&folder, name, &seeds, number.as_str()).map_err(cannot())?;
            }
            _ => {
                remove(&folder, name, 0)?;
                mkdirat(&seeds, number.as_str(), mode).map_err(cannot())?;
            }
        }
        // How deep the folder really is: parts of its path may be links.
        let real = fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))
            .map_err(ImageError::write("find a folder of the image"))?;
        let depth = real
            .strip_prefix(root)
            .map_or(0, |inside| inside.components().count());
        let target = format!("{}{}", "../".repeat(depth), state_of(n));
        symlinkat(target.as_str(), &folder, name).map_err(cannot())?;
    }
    Ok(())
}

/// Where the data of a volume is, relative to the root.
fn state_of(n: usize) -> String {
    let state = paths::IMAGE_STATE.trim_start_matches('/');
    format!("{state}/{}/{n}", paths::VOLUMES)
}

/// Makes every link relative, without detours. Nothing else writes in this folder.
fn settle_links(unpacker: &Unpacker, root: &Path) -> Result<(), ImageError> {
    let cannot = ImageError::write("settle a link of the image");
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(&cannot)? {
            let entry = entry.map_err(&cannot)?;
            let kind = entry.file_type().map_err(&cannot)?;
            let path = entry.path();
            if kind.is_dir() {
                open.push(path);
                continue;
            }
            if !kind.is_symlink() {
                continue;
            }
            let target = fs::read_link(&path).map_err(&cannot)?;
            let inside = folder.strip_prefix(root).unwrap_or(Path::new(""));
            let depth = inside.components().count();
            if link_stays_inside(depth, &target) {
                continue;
            }
            let leads = resolve(unpacker, root, inside, &target);
            fs::remove_file(&path).map_err(&cannot)?;
            let new: PathBuf = (0..depth).map(|_| "..").collect::<PathBuf>().join(leads);
            // A link in the root to the root itself has no such form, and no use.
            if link_stays_inside(depth, &new) {
                symlink(&new, &path).map_err(&cannot)?;
            }
        }
    }
    Ok(())
}

/// Where a link leads, relative to the root: as the kernel goes, where what it leads over is
/// there, else by its text.
fn resolve(unpacker: &Unpacker, root: &Path, folder: &Path, target: &Path) -> PathBuf {
    let mut at = if target.is_absolute() {
        PathBuf::new()
    } else {
        folder.to_path_buf()
    };
    let mut went_down = false;
    for part in target.components() {
        match part {
            Component::Normal(name) => {
                went_down = true;
                at.push(name);
            }
            Component::ParentDir => {
                if went_down && let Ok(opened) = unpacker.open(&at) {
                    let real = fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd()));
                    if let Ok(real) = real
                        && let Ok(inside) = real.strip_prefix(root)
                    {
                        at = inside.to_path_buf();
                    }
                }
                at.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::package::FetchLimits;

    #[test]
    fn links_lead_where_they_led_with_the_image_as_root() {
        let home = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(home.path()).unwrap();
        fs::create_dir_all(root.join("usr/lib/real")).unwrap();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        let unpacker = Unpacker::new(&root, &FetchLimits::default()).unwrap();
        symlink("lib/real", root.join("usr/short")).unwrap();
        // (link, target, what it becomes)
        let cases = [
            ("etc/mtab", "/proc/mounts", Some("../proc/mounts")),
            ("usr/bin/x", "../lib/y", Some("../lib/y")),
            ("usr/bin/self", ".", Some("../../usr/bin")),
            ("usr/up", "../../../etc", Some("../etc")),
            // Over a link, `..` is where the link leads.
            ("usr/over", "short/../z", Some("../usr/lib/z")),
            ("usr/gone", "no/../z", Some("../usr/z")),
            ("top", "/usr/bin", Some("usr/bin")),
            ("usr/root", "/", Some("..")),
            ("root", "/", None),
        ];
        for (link, target, _) in cases {
            symlink(target, root.join(link)).unwrap();
        }
        settle_links(&unpacker, &root).unwrap();
        for (link, _, expected) in cases {
            let found = fs::read_link(root.join(link)).ok();
            assert_eq!(found.as_deref(), expected.map(Path::new), "{link}");
        }
    }
}
