//! The folders in which a container image keeps data.
//!
//! In the image they are links into the service's state. At the first start each gets what the
//! image has there ([`SEEDS_FOLDER`]), as with container engines; from then on it is the app's.
//!
//! Runs as the service's user, so nothing here can be written that the app could not.

use anyhow::Context as _;
use atek_api::image::SEEDS_FOLDER;
use atek_api::spec::paths::{IMAGE_STATE, VOLUMES};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// Makes those of `count` folders that are missing.
pub(crate) fn make(count: u16) -> anyhow::Result<()> {
    make_in(
        Path::new(IMAGE_STATE),
        &Path::new("/").join(SEEDS_FOLDER),
        count,
    )
}

fn make_in(state: &Path, seeds: &Path, count: u16) -> anyhow::Result<()> {
    let folder = state.join(VOLUMES);
    match fs::create_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.with_context(|| format!("cannot make {}", folder.display()))?,
    }
    for n in 0..count {
        let volume = folder.join(n.to_string());
        if volume.symlink_metadata().is_ok_and(|about| about.is_dir()) {
            continue;
        }
        // A copy that was cut short is made again: only a whole one gets the name.
        let partial = folder.join(format!("{n}.new"));
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.with_context(|| format!("cannot remove {}", partial.display()))?,
        }
        copy(&seeds.join(n.to_string()), &partial)
            .and_then(|()| fs::rename(&partial, &volume))
            .with_context(|| format!("cannot make the data folder {}", volume.display()))?;
    }
    Ok(())
}

/// Copies a folder. The program's own rights on what it keeps are those of an owner.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    // Programs such as PostgreSQL refuse a folder that others may read.
    fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, new) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &new)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, &new)?;
        } else {
            fs::copy(entry.path(), &new)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gets_what_the_image_has_once() {
        let home = tempfile::tempdir().unwrap();
        let (state, seeds) = (home.path().join("state"), home.path().join("seeds"));
        fs::create_dir_all(seeds.join("0/conf")).unwrap();
        fs::create_dir_all(seeds.join("1")).unwrap();
        fs::create_dir_all(state.join("volumes/0.new/half")).unwrap();
        fs::write(seeds.join("0/conf/a"), "first").unwrap();
        symlink("conf/a", seeds.join("0/link")).unwrap();
        make_in(&state, &seeds, 2).unwrap();
        let file = state.join("volumes/0/link");
        assert_eq!(fs::read_to_string(&file).unwrap(), "first");
        assert!(!state.join("volumes/0.new").exists());
        fs::write(&file, "changed").unwrap();
        make_in(&state, &seeds, 2).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "changed");
        assert!(make_in(&state, &seeds, 3).is_err());
    }
}
