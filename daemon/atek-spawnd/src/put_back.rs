//! One file or folder of a restored state, put among the files of a service that does not run.
//!
//! What was in its place is exchanged with it in one step, and removed. It gets the owner of the
//! state: numbers of users differ between two starts of a service.

use crate::files::{FileError, Folder, kind, remove_tree};
use crate::layout::Layout;
use crate::snapshots::{self, SnapshotError};
use atek_api::ids::ServiceKey;
use atek_api::spec::{RelativePath, SnapshotName, paths};
use nix::sys::stat::SFlag;
use nix::unistd::{Gid, Uid};
use std::ffi::OsStr;
use std::path::Path;

/// Folders that one path goes through.
const DEEPEST: usize = 200;

/// Why a file is not put back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutBackError {
    #[error("there is no {0} in what was restored")]
    Missing(RelativePath),
    #[error("{0} is in too many folders")]
    TooDeep(RelativePath),
    #[error("the app has no files yet: start it once")]
    NoState,
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Moves `path` of a snapshot to the same folder of the state, as `name`, and removes the rest of
/// the snapshot.
pub(crate) fn put(
    layout: &Layout,
    key: &ServiceKey,
    snapshot: &SnapshotName,
    path: &RelativePath,
    name: &OsStr,
) -> Result<(), PutBackError> {
    let snapshots = snapshots::of_service(layout, key)?;
    let restored = snapshots.child(snapshot.as_str().as_ref())?;
    let states = Folder::open(&layout.state)?;
    let state = match states.child(paths::directory_name(key).as_ref()) {
        Err(error) if error.is_missing() => return Err(PutBackError::NoState),
        opened => opened?,
    };
    let about = state.own_stat()?;
    let owner = (Uid::from_raw(about.st_uid), Gid::from_raw(about.st_gid));
    let parts: Vec<&OsStr> = Path::new(path.as_str()).iter().collect();
    let Some((file, folders)) = parts.split_last() else {
        return Err(PutBackError::Missing(path.clone()));
    };
    if folders.len() > DEEPEST {
        return Err(PutBackError::TooDeep(path.clone()));
    }
    let (mut from, mut to) = (restored, state);
    for part in folders {
        from = from.child(part)?;
        to = child_or_new(&to, part, &from, owner)?;
    }
    if !from.has(file)? {
        return Err(PutBackError::Missing(path.clone()));
    }
    give(&from, file, owner)?;
    match to.has(name)? {
        true => from.exchange(file, &to, name)?,
        false => from.move_to(file, &to, name)?,
    }
    to.sync()?;
    from.sync()?;
    Ok(snapshots::remove(layout, key, snapshot)?)
}

/// Moves a snapshot into the state of a service, as the folder `name`, for the service to read. One
/// of that name is replaced.
pub(crate) fn lend(
    layout: &Layout,
    key: &ServiceKey,
    snapshot: &SnapshotName,
    name: &OsStr,
) -> Result<(), PutBackError> {
    let snapshots = snapshots::of_service(layout, key)?;
    let states = Folder::open(&layout.state)?;
    let state = states.child(paths::directory_name(key).as_ref())?;
    let about = state.own_stat()?;
    let owner = (Uid::from_raw(about.st_uid), Gid::from_raw(about.st_gid));
    give(&snapshots, snapshot.as_str().as_ref(), owner)?;
    remove_tree(&state, name)?;
    snapshots.move_to(snapshot.as_str().as_ref(), &state, name)?;
    state.sync()?;
    Ok(snapshots.sync()?)
}

/// A folder of the state; one that is gone is made as it was.
fn child_or_new(
    state: &Folder,
    name: &OsStr,
    restored: &Folder,
    (uid, gid): (Uid, Gid),
) -> Result<Folder, FileError> {
    match state.child(name) {
        Err(error) if error.is_missing() => {
            let made = state.make(name, restored.own_stat()?.st_mode & 0o7777)?;
            made.set_owner(uid, gid)?;
            Ok(made)
        }
        opened => opened,
    }
}

/// Gives a file or folder with all that is in it to a user.
fn give(parent: &Folder, name: &OsStr, owner: (Uid, Gid)) -> Result<(), FileError> {
    let is_folder = |of: &Folder, name: &OsStr| -> Result<bool, FileError> {
        Ok(kind(&of.stat(name)?) == SFlag::S_IFDIR)
    };
    if !is_folder(parent, name)? {
        return parent.set_link_owner(name, owner.0, owner.1);
    }
    let mut folders = vec![parent.child(name)?];
    while let Some(folder) = folders.pop() {
        folder.set_owner(owner.0, owner.1)?;
        for name in folder.names()? {
            let name = name?;
            match is_folder(&folder, &name)? {
                true => folders.push(folder.child(&name)?),
                false => folder.set_link_owner(&name, owner.0, owner.1)?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::temporary;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    const STATE: &str = "atek-app-k1";

    /// A state and what was restored of it.
    fn machine() -> (tempfile::TempDir, Layout, PathBuf, PathBuf) {
        let (folder, layout) = temporary();
        let state = layout.state.join(STATE);
        let restored = layout.state.join("atek-snapshots/k1/restored");
        for path in [&state.join("data"), &restored.join("data/old")] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(state.join("data/note"), "new").unwrap();
        fs::write(restored.join("data/note"), "old").unwrap();
        fs::write(restored.join("data/old/page"), "page").unwrap();
        (folder, layout, state, restored)
    }

    fn put_path(layout: &Layout, path: &str, name: &str) -> Result<(), PutBackError> {
        let (key, restored) = ("k1".parse().unwrap(), "restored".parse().unwrap());
        put(
            layout,
            &key,
            &restored,
            &path.parse().unwrap(),
            name.as_ref(),
        )
    }

    #[test]
    fn a_file_takes_the_place_of_the_present_one_or_is_put_beside_it() {
        for (name, present) in [("note", "old"), ("note.before", "new")] {
            let (_folder, layout, state, restored) = machine();
            fs::set_permissions(
                restored.join("data/note"),
                fs::Permissions::from_mode(0o640),
            )
            .unwrap();
            put_path(&layout, "data/note", name).unwrap();
            assert_eq!(
                fs::read_to_string(state.join("data/note")).unwrap(),
                present
            );
            let put = state.join("data").join(name);
            assert_eq!(fs::read_to_string(&put).unwrap(), "old");
            assert_eq!(put.metadata().unwrap().permissions().mode() & 0o777, 0o640);
            assert!(!restored.exists());
        }
    }

    #[test]
    fn a_folder_comes_back_with_the_folders_above_it() {
        let (_folder, layout, state, _) = machine();
        fs::remove_dir_all(state.join("data")).unwrap();
        put_path(&layout, "data/old", "old").unwrap();
        assert_eq!(fs::read(state.join("data/old/page")).unwrap(), b"page");
        // A file is exchanged with a folder, too.
        let (_folder, layout, state, _) = machine();
        fs::write(state.join("data/old"), "a file").unwrap();
        put_path(&layout, "data/old", "old").unwrap();
        assert_eq!(fs::read(state.join("data/old/page")).unwrap(), b"page");
    }

    #[test]
    fn nothing_is_put_through_a_link_of_the_app() {
        let (folder, layout, state, _) = machine();
        let elsewhere = folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::remove_dir_all(state.join("data")).unwrap();
        symlink(&elsewhere, state.join("data")).unwrap();
        let refused = put_path(&layout, "data/note", "note");
        assert!(matches!(refused, Err(PutBackError::File(error)) if error.is_link()));
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        // A link in the place of the file is replaced, not followed.
        fs::remove_file(state.join("data")).unwrap();
        fs::create_dir(state.join("data")).unwrap();
        fs::write(elsewhere.join("target"), "target").unwrap();
        symlink(elsewhere.join("target"), state.join("data/note")).unwrap();
        put_path(&layout, "data/note", "note").unwrap();
        assert_eq!(fs::read(elsewhere.join("target")).unwrap(), b"target");
        assert_eq!(fs::read(state.join("data/note")).unwrap(), b"old");
    }

    #[test]
    fn what_is_not_there_changes_nothing() {
        let (_folder, layout, state, _) = machine();
        let missing = put_path(&layout, "data/other", "other");
        assert!(matches!(missing, Err(PutBackError::Missing(_))));
        assert_eq!(fs::read(state.join("data/note")).unwrap(), b"new");
        fs::remove_dir_all(&state).unwrap();
        let missing = put_path(&layout, "data/note", "note");
        assert!(matches!(missing, Err(PutBackError::NoState)));
    }
}
