//! Snapshots of a service's state, and their way back.
//!
//! ```text
//! private/atek-app-KEY/                 the state
//! private/atek-snapshots/KEY/NAME/      a snapshot: a copy of it
//!                        KEY/NAME.new/  one that is being made
//!                        KEY/.copy/     what a restore that keeps its snapshot will put in place
//!                        KEY/.replaced/ the state that a restore replaced, on its way out
//! ```
//!
//! A restore is two renames. Interrupted between any two steps it is finished by asking again.

use crate::files::{CopyError, FileError, Folder, TreeSize, copy_tree, measure, remove_tree};
use crate::layout::Layout;
use atek_api::ids::ServiceKey;
use atek_api::spec::{SnapshotName, paths};
use std::ffi::{OsStr, OsString};

/// Bytes that a snapshot leaves free.
const LEAVE_FREE: u64 = 64 << 20;
/// Bytes that the file system needs for a file beside its content, generously.
const PER_ENTRY: u64 = 1024;

const COPY: &str = ".copy";
const REPLACED: &str = ".replaced";

/// Why there is no snapshot, or no state as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error(
        "there is no room for a copy of its data: {} MiB are needed, {} MiB are free",
        needed.div_ceil(1 << 20), free >> 20
    )]
    NoRoom { needed: u64, free: u64 },
    #[error("the disk filled up while its data was copied: free some space and try again")]
    Filled,
    #[error("there is no snapshot {0} of it")]
    Missing(SnapshotName),
    #[error("its data cannot be copied")]
    Copy(#[from] CopyError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// What the state of a service takes; nothing before it has run.
pub(crate) fn state_size(layout: &Layout, key: &ServiceKey) -> Result<TreeSize, SnapshotError> {
    match Folder::open(&layout.state)?.child(state_name(key).as_ref()) {
        Ok(state) => Ok(measure(&state)?),
        Err(error) if error.is_missing() => Ok(TreeSize::default()),
        Err(error) => Err(error.into()),
    }
}

/// Makes a snapshot of the state of a service that does not run; one of the same name is replaced.
/// Returns what it holds.
pub(crate) fn make(
    layout: &Layout,
    key: &ServiceKey,
    name: &SnapshotName,
) -> Result<TreeSize, SnapshotError> {
    let snapshots = of_service(layout, key)?;
    let (name, new) = (OsStr::new(name.as_str()), name_of_new(name));
    remove_tree(&snapshots, &new)?;
    remove_tree(&snapshots, name)?;
    let target = snapshots.make(&new, 0o700)?;
    let state = match Folder::open(&layout.state)?.child(state_name(key).as_ref()) {
        Ok(state) => Some(state),
        // It never ran: the way back is to an empty state.
        Err(error) if error.is_missing() => None,
        Err(error) => return Err(error.into()),
    };
    let copied = match &state {
        Some(state) => copy_with_room(state, &snapshots, &target),
        None => Ok(TreeSize::default()),
    };
    if copied.is_err() {
        remove_tree(&snapshots, &new)?;
    }
    let size = copied?;
    target.sync_file_system()?;
    snapshots.move_to(&new, &snapshots, name)?;
    snapshots.sync()?;
    Ok(size)
}

fn copy_with_room(
    state: &Folder,
    snapshots: &Folder,
    target: &Folder,
) -> Result<TreeSize, SnapshotError> {
    let size = measure(state)?;
    let shares = snapshots.shares_blocks()?;
    let content = if shares { 0 } else { size.bytes };
    let needed = content + size.entries * PER_ENTRY + LEAVE_FREE;
    let free = snapshots.free_bytes()?;
    if free < needed {
        return Err(SnapshotError::NoRoom { needed, free });
    }
    match copy_tree(state, target) {
        Err(error) if error.is_no_room() => Err(SnapshotError::Filled),
        copied => Ok(copied.map(|()| size)?),
    }
}

/// Puts a snapshot in the place of the state of a service that does not run. With `keep` the
/// snapshot stays, which needs room for a copy; without, it becomes the state, and asking again is
/// harmless.
pub(crate) fn restore(
    layout: &Layout,
    key: &ServiceKey,
    name: &SnapshotName,
    keep: bool,
) -> Result<(), SnapshotError> {
    let snapshots = of_service(layout, key)?;
    let source = if keep {
        let new = name_of_new(name);
        for leftover in [OsStr::new(COPY), &new] {
            remove_tree(&snapshots, leftover)?;
        }
        let kept = match snapshots.child(name.as_str().as_ref()) {
            Err(error) if error.is_missing() => return Err(SnapshotError::Missing(name.clone())),
            opened => opened?,
        };
        let target = snapshots.make(&new, 0o700)?;
        let copied = copy_with_room(&kept, &snapshots, &target);
        if copied.is_err() {
            remove_tree(&snapshots, &new)?;
        }
        copied?;
        target.sync_file_system()?;
        snapshots.move_to(&new, &snapshots, COPY.as_ref())?;
        OsStr::new(COPY)
    } else {
        OsStr::new(name.as_str())
    };
    let states = Folder::open(&layout.state)?;
    let state = state_name(key);
    if snapshots.has(source)? {
        if states.has(state.as_ref())? {
            remove_tree(&snapshots, REPLACED.as_ref())?;
            states.move_to(state.as_ref(), &snapshots, REPLACED.as_ref())?;
        }
        snapshots.move_to(source, &states, state.as_ref())?;
        states.sync()?;
        snapshots.sync()?;
    }
    Ok(remove_tree(&snapshots, REPLACED.as_ref())?)
}

/// Makes the folder of a service's snapshots, into which a restore puts one.
pub(crate) fn prepare(layout: &Layout, key: &ServiceKey) -> Result<(), SnapshotError> {
    Ok(of_service(layout, key).map(drop)?)
}

/// Makes the folder of all snapshots, from which a backup reads.
pub(crate) fn prepare_all(layout: &Layout) -> Result<(), SnapshotError> {
    let states = Folder::open(&layout.state)?;
    Ok(states
        .child_or_new(paths::SNAPSHOTS_NAME.as_ref(), 0o700)
        .map(drop)?)
}

/// Removes a snapshot. Missing is fine. Makes nothing: a full disk may have no place for a folder.
pub(crate) fn remove(
    layout: &Layout,
    key: &ServiceKey,
    name: &SnapshotName,
) -> Result<(), SnapshotError> {
    let all = Folder::open(&layout.state)?.child(paths::SNAPSHOTS_NAME.as_ref());
    let snapshots = match all.and_then(|all| all.child(key.as_str().as_ref())) {
        Ok(snapshots) => snapshots,
        Err(error) if error.is_missing() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    remove_tree(&snapshots, &name_of_new(name))?;
    Ok(remove_tree(&snapshots, name.as_str().as_ref())?)
}

/// The folder of a service's snapshots.
pub(crate) fn of_service(layout: &Layout, key: &ServiceKey) -> Result<Folder, FileError> {
    let all = Folder::open(&layout.state)?.child_or_new(paths::SNAPSHOTS_NAME.as_ref(), 0o700)?;
    all.child_or_new(key.as_str().as_ref(), 0o700)
}

fn state_name(key: &ServiceKey) -> OsString {
    paths::directory_name(key).into()
}

/// A dot is in no name of a snapshot.
fn name_of_new(name: &SnapshotName) -> OsString {
    format!("{name}.new").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::temporary;
    use std::fs;
    use std::path::PathBuf;

    fn key() -> ServiceKey {
        "k1".parse().unwrap()
    }

    fn name(text: &str) -> SnapshotName {
        text.parse().unwrap()
    }

    /// A service with a state of one file.
    fn with_state(content: &str) -> (tempfile::TempDir, Layout, PathBuf) {
        let (folder, layout) = temporary();
        let state = layout.state.join("atek-app-k1");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("file"), content).unwrap();
        (folder, layout, state)
    }

    #[test]
    fn without_a_place_for_one_more_folder_a_snapshot_could_not_be_removed() {
        let (_root, layout) = temporary();
        remove(&layout, &key(), &name("one")).unwrap();
        assert!(!layout.state.join(paths::SNAPSHOTS_NAME).exists());
    }

    #[test]
    fn a_restore_brings_the_state_back_and_removes_what_came_after() {
        let (_folder, layout, state) = with_state("old");
        let size = make(&layout, &key(), &name("one")).unwrap();
        assert_eq!(size.entries, 1);
        fs::write(state.join("file"), "new").unwrap();
        fs::write(state.join("other"), "new").unwrap();
        restore(&layout, &key(), &name("one"), true).unwrap();
        assert_eq!(fs::read(state.join("file")).unwrap(), b"old");
        assert!(!state.join("other").exists());
        // It was kept, and can be used again, for good.
        fs::write(state.join("file"), "newer").unwrap();
        restore(&layout, &key(), &name("one"), false).unwrap();
        assert_eq!(fs::read(state.join("file")).unwrap(), b"old");
        let missing = restore(&layout, &key(), &name("one"), true);
        assert!(matches!(missing, Err(SnapshotError::Missing(_))));
        assert!(state.join("file").exists());
    }

    #[test]
    fn a_restore_that_was_cut_off_after_any_step_is_finished_by_another() {
        // What each step leaves behind: whether the state, the snapshot and what it replaced exist.
        for (has_state, has_snapshot, has_replaced) in [
            (true, true, false),
            (true, true, true),
            (false, true, true),
            (true, false, true),
            (true, false, false),
        ] {
            let (_folder, layout, state) = with_state("old");
            make(&layout, &key(), &name("one")).unwrap();
            let snapshots = layout.state.join("atek-snapshots/k1");
            fs::write(state.join("file"), "new").unwrap();
            if !has_snapshot {
                // The second rename was made: the snapshot is the state.
                fs::remove_dir_all(&state).unwrap();
                fs::rename(snapshots.join("one"), &state).unwrap();
            }
            if has_replaced {
                fs::create_dir(snapshots.join(REPLACED)).unwrap();
                fs::write(snapshots.join(REPLACED).join("file"), "new").unwrap();
            }
            if !has_state {
                fs::remove_dir_all(&state).unwrap();
            }
            restore(&layout, &key(), &name("one"), false).unwrap();
            assert_eq!(fs::read(state.join("file")).unwrap(), b"old");
            assert_eq!(fs::read_dir(&snapshots).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_service_that_never_ran_goes_back_to_no_data() {
        let (_folder, layout) = temporary();
        make(&layout, &key(), &name("one")).unwrap();
        let state = layout.state.join("atek-app-k1");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("file"), "new").unwrap();
        restore(&layout, &key(), &name("one"), false).unwrap();
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
    }

    #[test]
    fn a_snapshot_is_replaced_and_removed_with_what_an_interrupted_one_left() {
        let (_folder, layout, state) = with_state("first");
        make(&layout, &key(), &name("one")).unwrap();
        fs::create_dir(layout.state.join("atek-snapshots/k1/one.new")).unwrap();
        fs::write(state.join("file"), "second").unwrap();
        make(&layout, &key(), &name("one")).unwrap();
        restore(&layout, &key(), &name("one"), true).unwrap();
        assert_eq!(fs::read(state.join("file")).unwrap(), b"second");
        remove(&layout, &key(), &name("one")).unwrap();
        remove(&layout, &key(), &name("one")).unwrap();
        let left = fs::read_dir(layout.state.join("atek-snapshots/k1")).unwrap();
        assert_eq!(left.count(), 0);
    }
}
