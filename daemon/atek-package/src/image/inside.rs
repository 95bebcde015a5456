//! Finds folders as a program would for which the image is the root of the file system.
//!
//! What the kernel does for `openat2` with `RESOLVE_IN_ROOT`. A job may not call that:
//! `RestrictSUIDSGID=` refuses it, since a filter cannot see the mode of a file that it makes.

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path};

/// Links on the way to a folder, as many as the kernel follows.
const MAX_LINKS: usize = 40;

/// A step of a path that has not been taken yet.
enum Step {
    Root,
    Up,
    Down(OsString),
}

fn steps(path: &OsStr) -> impl DoubleEndedIterator<Item = Step> + '_ {
    Path::new(path).components().filter_map(|part| match part {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    })
}

/// Opens a folder below `root`. Links lead where they do in the image, and `..` of the root is the
/// root.
pub(super) fn open_folder(root: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = |folder: &OwnedFd, name: &OsStr| openat(folder, name, flags, Mode::empty());
    // The folders from the root to where the walk is; a folder is never left by its own `..`,
    // which another process could have moved.
    let mut walk: Vec<OwnedFd> = Vec::new();
    let mut ahead: Vec<Step> = steps(path.as_os_str()).rev().collect();
    let mut links = 0;
    while let Some(step) = ahead.pop() {
        match step {
            Step::Root => walk.clear(),
            Step::Up => drop(walk.pop()),
            Step::Down(name) => {
                let at = walk.last().unwrap_or(root);
                match open(at, &name) {
                    Ok(folder) => walk.push(folder),
                    // A link, or no folder at all.
                    Err(Errno::ENOTDIR | Errno::ELOOP) => {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(Errno::ELOOP);
                        }
                        let target =
                            readlinkat(at.as_fd(), name.as_os_str()).map_err(
                                |error| match error {
                                    Errno::EINVAL => Errno::ENOTDIR,
                                    other => other,
                                },
                            )?;
                        ahead.extend(steps(&target).rev());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    match walk.pop() {
        Some(folder) => Ok(folder),
        None => open(root, OsStr::new(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_and_parents_lead_where_they_do_with_the_folder_as_root() {
        let home = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(home.path()).unwrap().join("root");
        fs::create_dir_all(root.join("usr/lib/deep")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir(home.path().join("outside")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        for (link, target) in [
            ("lib", "usr/lib"),
            ("usr/absolute", "/etc"),
            ("out", "../outside"),
            ("usr/far", "../../../../etc"),
            ("slash", "/"),
            ("self", "self"),
            ("a", "b"),
            ("b", "a"),
            ("gone", "/nowhere"),
            ("magic", "/proc/self/root"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opened = nix::fcntl::open(&root, flags, Mode::empty()).unwrap();
        for (path, expected) in [
            ("", Ok("")),
            (".", Ok("")),
            ("/", Ok("")),
            ("..", Ok("")),
            ("../..", Ok("")),
            ("lib/deep", Ok("usr/lib/deep")),
            ("lib/..", Ok("usr")),
            ("lib/../../../etc", Ok("etc")),
            ("usr/absolute", Ok("etc")),
            ("usr/far", Ok("etc")),
            ("slash/slash/usr", Ok("usr")),
            ("out", Err(Errno::ENOENT)),
            ("../outside", Err(Errno::ENOENT)),
            ("self", Err(Errno::ELOOP)),
            ("a/x", Err(Errno::ELOOP)),
            ("gone", Err(Errno::ENOENT)),
            ("magic", Err(Errno::ENOENT)),
            ("file", Err(Errno::ENOTDIR)),
            ("file/x", Err(Errno::ENOTDIR)),
        ] {
            let found = open_folder(&opened, Path::new(path)).map(|folder| {
                fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).unwrap()
            });
            let expected = expected.map(|inside| match inside {
                "" => root.clone(),
                inside => root.join(inside),
            });
            assert_eq!(found, expected, "{path}");
        }
    }
}
