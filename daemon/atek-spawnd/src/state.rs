//! Removes what a service left outside its package: state, runtime folder, credentials, accounts.

use crate::files::{FileError, Folder, remove_tree};
use crate::layout::Layout;
use atek_api::ids::ServiceKey;
use atek_api::spec::paths;
use std::ffi::OsString;
use std::path::Path;

/// Removes all of it. The service must not run. Missing is fine.
pub(crate) fn wipe(layout: &Layout, key: &ServiceKey) -> Result<(), FileError> {
    let name = OsString::from(paths::directory_name(key));
    remove_in(&layout.state, &name)?;
    // systemd's link to it, or the state itself where it was not private.
    remove_in(&layout.state_links, &name)?;
    remove_in(&layout.runtime, &name)?;
    remove_in(&layout.credentials, key.as_str())?;
    remove_in(&layout.accounts, key.as_str())?;
    remove_of_sidecars(&layout.accounts, &format!("{key}@"))?;
    remove_in(&layout.state.join(paths::SNAPSHOTS_NAME), key.as_str())?;
    // Last: until the state is gone, no other program gets it.
    remove_in(&layout.origins, key.as_str())
}

/// Removes what begins with a service's key and an `@`.
fn remove_of_sidecars(folder: &Path, prefix: &str) -> Result<(), FileError> {
    let opened = match Folder::open(folder) {
        Err(error) if error.is_missing() => return Ok(()),
        opened => opened?,
    };
    for name in opened.names()? {
        let name = name?;
        if name.as_encoded_bytes().starts_with(prefix.as_bytes()) {
            remove_tree(&opened, &name)?;
        }
    }
    Ok(())
}

fn remove_in(folder: &Path, name: impl AsRef<std::ffi::OsStr>) -> Result<(), FileError> {
    match Folder::open(folder) {
        Ok(folder) => remove_tree(&folder, name.as_ref()),
        Err(error) if error.is_missing() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::temporary;
    use std::fs;

    #[test]
    fn everything_of_the_service_goes_and_nothing_of_another() {
        let (_folder, layout) = temporary();
        for key in ["k1", "k12"] {
            fs::create_dir_all(layout.state.join(format!("atek-app-{key}/db"))).unwrap();
            let target = format!("private/atek-app-{key}");
            std::os::unix::fs::symlink(target, layout.state_links.join(format!("atek-app-{key}")))
                .unwrap();
            fs::create_dir(layout.runtime.join(format!("atek-app-{key}"))).unwrap();
            fs::create_dir(layout.credentials.join(key)).unwrap();
            fs::create_dir(layout.accounts.join(format!("{key}@db"))).unwrap();
        }
        let key = "k1".parse().unwrap();
        wipe(&layout, &key).unwrap();
        wipe(&layout, &key).unwrap();
        for folder in [&layout.state, &layout.state_links, &layout.runtime] {
            assert!(
                folder.join("atek-app-k1").symlink_metadata().is_err(),
                "{folder:?}"
            );
            assert!(folder.join("atek-app-k12").exists(), "{folder:?}");
        }
        assert!(!layout.credentials.join("k1").exists());
        assert!(layout.credentials.join("k12").exists());
        assert!(!layout.accounts.join("k1@db").exists());
        assert!(layout.accounts.join("k12@db").exists());
    }
}
