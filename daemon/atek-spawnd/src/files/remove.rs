//! Removing a tree of any shape.

use super::{FileError, Folder, is_folder};
use std::ffi::{OsStr, OsString};

/// Removes `name` in `parent` and everything below it. Missing is fine.
///
/// Links are removed, not followed. The depth of the tree costs neither stack nor
/// descriptors: an inner folder is moved up beside its parent and taken apart there.
pub(crate) fn remove_tree(parent: &Folder, name: &OsStr) -> Result<(), FileError> {
    match parent.stat(name) {
        Ok(stat) if is_folder(&stat) => {}
        Ok(_) => return parent.remove_file(name),
        Err(error) if error.is_missing() => return Ok(()),
        Err(error) => return Err(error),
    }
    let top = parent.child(name)?;
    // The owner may have taken the right to search it from himself, and us without the capability.
    top.set_mode(0o700)?;
    let mut moved = 0u64;
    let mut waiting: Vec<OsString> = Vec::new();
    empty(&top, &top, &mut moved, &mut waiting)?;
    while let Some(name) = waiting.pop() {
        let folder = top.child(&name)?;
        empty(&folder, &top, &mut moved, &mut waiting)?;
        top.remove_folder(&name)?;
    }
    parent.remove_folder(name)
}

/// Empties `folder`: removes what is not a folder, then moves what is to `top`. In this order,
/// because a disk that is full may have no block for a longer `top` until the files are gone.
fn empty(
    folder: &Folder,
    top: &Folder,
    moved: &mut u64,
    waiting: &mut Vec<OsString>,
) -> Result<(), FileError> {
    let mut folders = Vec::new();
    for name in folder.names()? {
        if is_folder(&folder.stat(&name)?) {
            folders.push(name);
        } else {
            folder.remove_file(&name)?;
        }
    }
    for name in folders {
        let inner = folder.child(&name)?;
        inner.set_mode(0o700)?;
        let free = loop {
            *moved += 1;
            let free = OsString::from(format!(".removing-{moved}"));
            match folder.move_to(&name, top, &free) {
                Ok(()) => break free,
                Err(error) if error.is_present() => {}
                Err(error) => return Err(error),
            }
        };
        waiting.push(free);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn opened(path: &Path) -> Folder {
        Folder::open(&path.canonicalize().unwrap()).unwrap()
    }

    #[test]
    fn a_tree_goes_and_what_its_links_name_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir_all(path.join("tree/a/b")).unwrap();
        std::fs::create_dir_all(path.join("tree/.removing-1/x")).unwrap();
        std::fs::create_dir(path.join("precious")).unwrap();
        std::fs::write(path.join("precious/file"), "x").unwrap();
        symlink("../../precious", path.join("tree/a/link")).unwrap();
        symlink(path.join("precious/file"), path.join("tree/link")).unwrap();
        nix::unistd::mkfifo(&path.join("tree/pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        remove_tree(&opened(path), "tree".as_ref()).unwrap();
        assert!(!path.join("tree").exists());
        assert!(path.join("precious/file").exists());
        remove_tree(&opened(path), "tree".as_ref()).unwrap();
    }

    #[test]
    fn a_tree_deeper_than_any_path_goes() {
        let folder = tempfile::tempdir().unwrap();
        let top = opened(folder.path());
        let mut inner = top.make("deep".as_ref(), 0o700).unwrap();
        for _ in 0..2_500 {
            inner = inner.make("d".as_ref(), 0o700).unwrap();
        }
        remove_tree(&top, "deep".as_ref()).unwrap();
        assert_eq!(top.names().unwrap(), Vec::<OsString>::new());
    }
}
