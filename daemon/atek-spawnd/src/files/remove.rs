//! Removing a tree of any shape.

use super::{FileError, Folder, is_folder};
use std::ffi::{OsStr, OsString};

/// Folders of which the names are remembered at once.
const BATCH: usize = 4096;

/// Removes `name` in `parent` and everything below it. Missing is fine.
///
/// Links are removed, not followed. Neither depth nor number costs stack, descriptors
/// or memory: an inner folder is moved up beside its parent and taken apart there.
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
    remove_files(&top)?;
    let mut moved = 0u64;
    loop {
        let batch = some_folders(&top)?;
        if batch.is_empty() {
            return parent.remove_folder(name);
        }
        for name in batch {
            let folder = top.child(&name)?;
            folder.set_mode(0o700)?;
            // In this order, because a disk that is full may have no block for a longer `top`
            // until the files are gone.
            remove_files(&folder)?;
            move_folders(&folder, &top, &mut moved)?;
            top.remove_folder(&name)?;
        }
    }
}

/// Names of folders in `top`, so many that they take little memory; none where there are none.
fn some_folders(top: &Folder) -> Result<Vec<OsString>, FileError> {
    let mut folders = Vec::new();
    for name in top.names()? {
        let name = name?;
        if is_folder(&top.stat(&name)?) {
            folders.push(name);
            if folders.len() == BATCH {
                break;
            }
        }
    }
    Ok(folders)
}

/// Removes everything in `folder` that is no folder. What is missed while the list changes is found
/// in the next round.
fn remove_files(folder: &Folder) -> Result<(), FileError> {
    let mut found = true;
    while found {
        found = false;
        for name in folder.names()? {
            let name = name?;
            if !is_folder(&folder.stat(&name)?) {
                folder.remove_file(&name)?;
                found = true;
            }
        }
    }
    Ok(())
}

/// Moves everything in `folder`, which has nothing but folders, to `top`.
fn move_folders(folder: &Folder, top: &Folder, moved: &mut u64) -> Result<(), FileError> {
    let mut found = true;
    while found {
        found = false;
        for name in folder.names()? {
            let name = name?;
            folder.child(&name)?.set_mode(0o700)?;
            move_up(folder, &name, top, moved)?;
            found = true;
        }
    }
    Ok(())
}

fn move_up(folder: &Folder, name: &OsStr, top: &Folder, moved: &mut u64) -> Result<(), FileError> {
    loop {
        *moved += 1;
        let free = OsString::from(format!(".removing-{moved}"));
        match folder.move_to(name, top, &free) {
            Err(error) if error.is_present() => {}
            result => return result,
        }
    }
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
        assert_eq!(top.names().unwrap().count(), 0);
    }

    /// The most memory that this process had, in KiB.
    fn peak() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB").trim();
        kib.parse().unwrap()
    }

    #[test]
    fn an_app_with_a_hundred_thousand_names_in_a_folder_ended_the_helper() {
        let folder = tempfile::tempdir().unwrap();
        let top = opened(folder.path());
        let many = top.make("many".as_ref(), 0o700).unwrap();
        let path = folder.path().join("many");
        let tail = "x".repeat(240);
        // A file has at most 65,000 names on ext4.
        for number in 0..100_000 {
            let file = path.join(format!("{}", number / 20_000));
            if number % 20_000 == 0 {
                std::fs::write(&file, "").unwrap();
            }
            std::fs::hard_link(&file, path.join(format!("{number}-{tail}"))).unwrap();
        }
        for number in 0..5_000 {
            std::fs::create_dir(path.join(format!("folder-{number}"))).unwrap();
        }
        let before = peak();
        let size = crate::files::measure(&many).unwrap();
        assert_eq!(size.entries, 105_005);
        remove_tree(&top, "many".as_ref()).unwrap();
        assert!(!path.exists());
        // All names at once are 26 MB.
        assert!(peak() - before < 8 << 10, "{} KiB", peak() - before);
    }
}
