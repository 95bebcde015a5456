//! What a restore of the whole box fetched: packages, and the host's own files.
//!
//! ```text
//! staging/restore/packages/KEY/V   a package, put in place by `put_package`
//! staging/restore/host             atekd's own files, which it moves itself
//! ```

use crate::files::{Folder, Ownership, remove_tree, seal_tree};
use crate::layout::Layout;
use crate::packages::{self, PackageError};
use atek_api::ids::ServiceKey;
use atek_api::spec::{PackageVersion, paths};
use std::ffi::OsStr;

const RESTORE: &str = "restore";
const PACKAGES: &str = "packages";

/// Makes a new folder into which `atek-backup` restores.
pub(crate) fn prepare(layout: &Layout) -> Result<(), PackageError> {
    let staging = packages::ours(layout, &layout.staging)?;
    remove_tree(&staging, RESTORE.as_ref())?;
    let restore = staging.make(RESTORE.as_ref(), 0o755)?;
    restore.make(PACKAGES.as_ref(), 0o755)?;
    Ok(())
}

/// Moves a restored package to the installed ones, durably, as the current version. Asking again is
/// harmless.
pub(crate) fn put_package(
    layout: &Layout,
    key: &ServiceKey,
    version: &PackageVersion,
) -> Result<(), PackageError> {
    let staging = packages::ours(layout, &layout.staging)?;
    let (name, key_name): (&OsStr, &OsStr) = (version.as_str().as_ref(), key.as_str().as_ref());
    let restored = staging
        .child(RESTORE.as_ref())
        .and_then(|restore| restore.child(PACKAGES.as_ref()))
        .and_then(|all| all.child(key_name));
    match restored {
        // It was put in place before, or `set_current` will say that it is not there.
        Err(error) if error.is_missing() => {}
        Err(error) => return Err(error.into()),
        Ok(restored) => move_package(layout, &restored, key_name, name)?,
    }
    packages::set_current(layout, key, version)
}

fn move_package(
    layout: &Layout,
    restored: &Folder,
    key: &OsStr,
    version: &OsStr,
) -> Result<(), PackageError> {
    let package = match restored.child(version) {
        Err(error) if error.is_missing() => return Ok(()),
        opened => opened?,
    };
    let ownership = Ownership {
        maker: layout.root.uid,
        uid: layout.root.uid,
        gid: layout.root.gid,
    };
    seal_tree(&package, ownership)?;
    package.sync_file_system()?;
    let packages = packages::ours(layout, &layout.packages)?;
    let service = packages.child_or_new(key, 0o755)?;
    let versions = service.child_or_new(packages::VERSIONS.as_ref(), 0o755)?;
    // One of the same name is of a restore before.
    remove_tree(&versions, version)?;
    restored.move_to(version, &versions, version)?;
    for folder in [&versions, &service, &packages, restored] {
        folder.sync()?;
    }
    Ok(())
}

/// Removes what was fetched and not put in place, states too. Missing is fine.
pub(crate) fn drop_all(layout: &Layout) -> Result<(), PackageError> {
    let staging = packages::ours(layout, &layout.staging)?;
    remove_tree(&staging, RESTORE.as_ref())?;
    let all = Folder::open(&layout.state)?.child(paths::SNAPSHOTS_NAME.as_ref());
    let all = match all {
        Err(error) if error.is_missing() => return Ok(()),
        opened => opened?,
    };
    for service in all.names()? {
        let snapshots = all.child(&service?)?;
        let name = paths::RESTORED_SNAPSHOT;
        remove_tree(&snapshots, name.as_ref())?;
        remove_tree(&snapshots, format!("{name}.new").as_ref())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::temporary;
    use std::fs;

    #[test]
    fn a_restored_package_is_installed_and_asking_again_is_harmless() {
        let (_folder, layout) = temporary();
        let (key, version) = ("k1".parse().unwrap(), "v1.0.0".parse().unwrap());
        prepare(&layout).unwrap();
        let missing = put_package(&layout, &key, &version);
        assert!(matches!(missing, Err(PackageError::NoVersion { .. })));
        let package = layout.staging.join("restore/packages/k1/v1.0.0");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("index.js"), "1").unwrap();
        for _ in 0..2 {
            put_package(&layout, &key, &version).unwrap();
            let installed = layout.packages.join("k1/current/index.js");
            assert_eq!(fs::read(installed).unwrap(), b"1");
            assert!(!package.exists());
        }
        drop_all(&layout).unwrap();
        drop_all(&layout).unwrap();
        assert_eq!(fs::read_dir(&layout.staging).unwrap().count(), 0);
    }

    #[test]
    fn states_that_were_fetched_and_not_put_in_place_go_and_snapshots_stay() {
        let (_folder, layout) = temporary();
        let snapshots = layout.state.join(paths::SNAPSHOTS_NAME).join("k1");
        for name in ["restored", "restored.new", "kept"] {
            fs::create_dir_all(snapshots.join(name).join("folder")).unwrap();
        }
        drop_all(&layout).unwrap();
        let left = fs::read_dir(&snapshots).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }
}
