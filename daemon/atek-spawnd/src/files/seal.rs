//! Turns what a package job left into something that only root can change.

use super::{FileError, Folder, kind};
use nix::sys::stat::{FileStat, Mode, SFlag};
use nix::unistd::{Gid, Uid};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Folders inside each other. `node_modules` nests some dozen deep at its worst.
const MAX_DEPTH: usize = 100;
/// Files, folders and links together.
const MAX_ENTRIES: usize = 500_000;

/// Who made a tree, and who gets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ownership {
    /// Everything in the tree must belong to this user.
    pub(crate) maker: Uid,
    /// And will belong to this one,
    pub(crate) uid: Uid,
    /// and this group.
    pub(crate) gid: Gid,
}

/// Why a tree cannot become a package. The paths are relative to it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the package has {} which is neither a file, a folder nor a link", .0.display())]
    Special(PathBuf),
    #[error("the package's link {} leads out of the package", .0.display())]
    LinkOut(PathBuf),
    #[error("the package's file {} is also linked from outside the package", .0.display())]
    HardLinkOut(PathBuf),
    #[error("the package's file {} belongs to another user", .0.display())]
    ForeignOwner(PathBuf),
    #[error("the package has folders nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("the package has more than {MAX_ENTRIES} files")]
    TooMany,
    #[error("the package changed while it was examined")]
    Changed,
    #[error(transparent)]
    File(#[from] FileError),
}

/// Gives a tree to its new owner, top down, and takes away every bit of its modes
/// that lets another user write it or that grants its user's rights.
///
/// Links must be relative and lead inside the tree.
///
/// The maker's processes must be gone. A folder changes hands before its entries are
/// looked at, so even one that is left could not exchange them.
pub(crate) fn seal_tree(tree: &Folder, ownership: Ownership) -> Result<(), SealError> {
    let mut walk = Walk {
        ownership,
        entries: 0,
        hard_links: HashMap::new(),
    };
    walk.folder(tree, Path::new(""), 0)?;
    match walk
        .hard_links
        .into_values()
        .find(|links| links.seen != links.total)
    {
        Some(links) => Err(SealError::HardLinkOut(links.first)),
        None => Ok(()),
    }
}

struct Walk {
    ownership: Ownership,
    entries: usize,
    /// Files with more than one name, by device and inode.
    hard_links: HashMap<(u64, u64), HardLinks>,
}

struct HardLinks {
    first: PathBuf,
    seen: u64,
    total: u64,
}

impl Walk {
    fn folder(&mut self, folder: &Folder, inside: &Path, depth: usize) -> Result<(), SealError> {
        if depth > MAX_DEPTH {
            return Err(SealError::TooDeep);
        }
        let stat = folder.own_stat()?;
        self.check_owner(&stat, inside)?;
        folder.set_owner(self.ownership.uid, self.ownership.gid)?;
        folder.set_mode(0o755)?;
        for name in folder.names()? {
            let name = name?;
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(SealError::TooMany);
            }
            let inside = inside.join(&name);
            let stat = folder.stat(&name)?;
            match kind(&stat) {
                SFlag::S_IFDIR => self.folder(&folder.child(&name)?, &inside, depth + 1)?,
                SFlag::S_IFREG => self.file(folder, &name, &inside)?,
                SFlag::S_IFLNK => {
                    self.check_owner(&stat, &inside)?;
                    if !stays_inside(&inside, Path::new(&folder.link_target(&name)?)) {
                        return Err(SealError::LinkOut(inside));
                    }
                    folder.set_link_owner(&name, self.ownership.uid, self.ownership.gid)?;
                }
                _ => return Err(SealError::Special(inside)),
            }
        }
        Ok(())
    }

    fn file(&mut self, folder: &Folder, name: &OsStr, inside: &Path) -> Result<(), SealError> {
        // From here on by descriptor: what is examined is what is changed.
        let file = folder.open_file(name)?;
        let failed = |operation| {
            let path = inside.to_owned();
            move |source| FileError {
                operation,
                path,
                source,
            }
        };
        let stat = nix::sys::stat::fstat(&file).map_err(failed("examine"))?;
        if kind(&stat) != SFlag::S_IFREG {
            return Err(SealError::Changed);
        }
        if stat.st_nlink > 1 {
            let links = self
                .hard_links
                .entry((stat.st_dev, stat.st_ino))
                .or_insert(HardLinks {
                    first: inside.to_owned(),
                    seen: 0,
                    total: stat.st_nlink as u64,
                });
            links.seen += 1;
            if links.seen > 1 {
                // Changed hands with its first name.
                return Ok(());
            }
        }
        self.check_owner(&stat, inside)?;
        let Ownership { uid, gid, .. } = self.ownership;
        nix::unistd::fchown(&file, Some(uid), Some(gid)).map_err(failed("change the owner of"))?;
        nix::sys::stat::fchmod(&file, sealed_mode(stat.st_mode))
            .map_err(failed("change the mode of"))?;
        Ok(())
    }

    fn check_owner(&self, stat: &FileStat, inside: &Path) -> Result<(), SealError> {
        if stat.st_uid == self.ownership.maker.as_raw() {
            Ok(())
        } else {
            Err(SealError::ForeignOwner(inside.to_owned()))
        }
    }
}

/// Readable for everybody, executable where its maker said so, writable for the owner at most.
fn sealed_mode(mode: u32) -> Mode {
    let executable = mode & 0o100 != 0;
    Mode::from_bits_truncate(if executable { 0o755 } else { 0o644 })
}

/// Whether a link at `link` (relative to the tree) to `target` stays in the tree, judged by
/// the text alone.
///
/// A link to a folder makes `..` behind it mean something else, so `..` is only
/// taken at the start of a target. Then every step of a chain of links stays inside, too.
fn stays_inside(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count().saturating_sub(1);
    let mut went_down = false;
    for component in target.components() {
        match component {
            Component::Normal(_) => went_down = true,
            Component::CurDir => {}
            Component::ParentDir if went_down || depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    /// The tests' own user plays everybody, so that they need no privilege.
    fn to_myself() -> Ownership {
        Ownership {
            maker: Uid::current(),
            uid: Uid::current(),
            gid: Gid::current(),
        }
    }

    fn seal(path: &Path) -> Result<(), SealError> {
        seal_tree(
            &Folder::open(&path.canonicalize().unwrap()).unwrap(),
            to_myself(),
        )
    }

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("package");
        fs::create_dir_all(tree.join("node_modules/.bin")).unwrap();
        fs::create_dir_all(tree.join("node_modules/tool")).unwrap();
        fs::write(tree.join("node_modules/tool/cli.js"), "#!/usr/bin/env node").unwrap();
        (folder, tree)
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn modes_lose_what_lets_others_write_or_borrows_rights() {
        let (_folder, tree) = tree();
        let tool = tree.join("node_modules/tool/cli.js");
        for (given, sealed) in [
            (0o4755, 0o755),
            (0o2775, 0o755),
            (0o666, 0o644),
            (0o777, 0o755),
            (0o600, 0o644),
            (0o700, 0o755),
            (0o400, 0o644),
        ] {
            fs::set_permissions(&tool, Permissions::from_mode(given)).unwrap();
            fs::set_permissions(&tree, Permissions::from_mode(0o2777)).unwrap();
            seal(&tree).unwrap();
            assert_eq!((mode(&tool), mode(&tree)), (sealed, 0o755), "{given:o}");
        }
    }

    #[test]
    fn links_inside_stay_and_links_out_are_refused() {
        for (target, allowed) in [
            ("../tool/cli.js", true),
            ("../../node_modules/tool", true),
            ("./x", true),
            ("../..", true),
            ("../../..", false),
            ("../../../other", false),
            ("/etc/passwd", false),
            ("../tool/../../../x", false),
        ] {
            let (_folder, tree) = tree();
            symlink(target, tree.join("node_modules/.bin/tool")).unwrap();
            let result = seal(&tree);
            assert_eq!(result.is_ok(), allowed, "{target}: {result:?}");
        }
    }

    #[test]
    fn pipes_and_sockets_are_refused() {
        let (_folder, tree) = tree();
        nix::unistd::mkfifo(&tree.join("pipe"), Mode::S_IRUSR).unwrap();
        assert!(matches!(seal(&tree), Err(SealError::Special(path)) if path == Path::new("pipe")));
        fs::remove_file(tree.join("pipe")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(tree.join("sock")).unwrap();
        assert!(matches!(seal(&tree), Err(SealError::Special(_))));
    }

    #[test]
    fn hard_links_may_stay_inside_the_package_only() {
        let (folder, tree) = tree();
        let tool = tree.join("node_modules/tool/cli.js");
        fs::hard_link(&tool, tree.join("node_modules/.bin/tool")).unwrap();
        seal(&tree).unwrap();
        fs::hard_link(&tool, folder.path().join("kept-open-door")).unwrap();
        assert!(matches!(seal(&tree), Err(SealError::HardLinkOut(_))));
    }

    #[test]
    fn a_tree_that_is_too_deep_is_refused() {
        let (_folder, tree) = tree();
        let mut path = tree.clone();
        path.extend(std::iter::repeat_n("d", MAX_DEPTH));
        fs::create_dir_all(&path).unwrap();
        seal(&tree).unwrap();
        fs::create_dir(path.join("d")).unwrap();
        assert!(matches!(seal(&tree), Err(SealError::TooDeep)));
    }

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        let (_folder, tree) = tree();
        let not_me = Uid::from_raw(Uid::current().as_raw() + 1);
        let ownership = Ownership {
            maker: not_me,
            ..to_myself()
        };
        let opened = Folder::open(&tree.canonicalize().unwrap()).unwrap();
        assert!(matches!(
            seal_tree(&opened, ownership),
            Err(SealError::ForeignOwner(_))
        ));
    }

    proptest::proptest! {
        #[test]
        fn a_link_that_is_judged_to_stay_inside_does(
            at in proptest::collection::vec("[ab]", 1..4),
            target in proptest::collection::vec("[ab]|\\.\\.|\\.", 1..8),
        ) {
            let link: PathBuf = at.iter().collect();
            let target: PathBuf = target.iter().collect();
            if stays_inside(&link, &target) {
                let mut depth = at.len() as i64 - 1;
                for component in target.components() {
                    match component {
                        Component::ParentDir => depth -= 1,
                        Component::Normal(_) => depth += 1,
                        _ => {}
                    }
                    proptest::prop_assert!(depth >= 0);
                }
            }
        }
    }
}
