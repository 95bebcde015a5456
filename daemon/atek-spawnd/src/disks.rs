//! Which disks a backup job may be given, and which may be formatted: none that the system runs
//! from.

use crate::error::Error;
use atek_api::spec::{BlockName, DiskSpec};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders in which people mount disks of theirs.
const OF_PEOPLE: [&str; 4] = ["/mnt", "/media", "/run/media", "/srv"];

/// Refuses a disk of the system, or one that is part of another device.
pub(crate) fn check(disk: &DiskSpec) -> Result<(), Error> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| Error::Failed(format!("cannot read what is mounted: {error}")))?;
    check_in(Path::new("/sys/class/block"), &mounts, &disk.device)
}

/// Refuses to format a disk that anything uses, or a part of one.
pub(crate) fn check_unused(device: &BlockName) -> Result<(), Error> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| Error::Failed(format!("cannot read what is mounted: {error}")))?;
    check_unused_in(Path::new("/sys/class/block"), &mounts, device)
}

fn check_unused_in(class: &Path, mounts: &str, device: &BlockName) -> Result<(), Error> {
    check_in(class, mounts, device)?;
    let failed =
        |error: io::Error| Error::Failed(format!("cannot look at the disk {device}: {error}"));
    let own = fs::canonicalize(class.join(device.as_str())).map_err(failed)?;
    if own.join("partition").exists() {
        return Err(Error::Refused(format!("{device} is a part of a disk")));
    }
    for part in parts(&own).map_err(failed)? {
        let number = fs::read_to_string(part.join("dev")).map_err(failed)?;
        let mut mounted = mounts.lines().filter_map(|line| line.split(' ').nth(2));
        if mounted.any(|of| of == number.trim()) {
            let text = format!("something on the disk {device} is mounted");
            return Err(Error::Refused(text));
        }
    }
    Ok(())
}

fn check_in(class: &Path, mounts: &str, device: &BlockName) -> Result<(), Error> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("there is no disk {device}")),
        _ => Error::Failed(format!("cannot look at the disk {device}: {error}")),
    };
    let own = fs::canonicalize(class.join(device.as_str())).map_err(unreadable)?;
    for part in parts(&own).map_err(unreadable)? {
        let holders = fs::read_dir(part.join("holders")).into_iter().flatten();
        let number = fs::read_to_string(part.join("dev")).map_err(unreadable)?;
        if holders.count() > 0 || is_of_system(mounts, number.trim()) {
            let text = format!("the system runs from the disk of {device}, or from one on it");
            return Err(Error::Refused(text));
        }
    }
    Ok(())
}

/// The whole disk, and all its partitions.
fn parts(own: &Path) -> io::Result<Vec<PathBuf>> {
    let disk = match own.join("partition").exists() {
        true => own.parent().unwrap_or(own),
        false => own,
    };
    let mut parts = vec![disk.to_owned()];
    for entry in fs::read_dir(disk)? {
        let path = entry?.path();
        if path.join("partition").exists() {
            parts.push(path);
        }
    }
    Ok(parts)
}

/// Whether a device is mounted elsewhere than people mount disks, of the text of `mountinfo`
/// (proc(5)).
fn is_of_system(mounts: &str, number: &str) -> bool {
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(2);
        let (of, _root, at) = (fields.next(), fields.next(), fields.next());
        let at = Path::new(at.unwrap_or_default());
        of == Some(number) && !OF_PEOPLE.iter().any(|parent| at.starts_with(parent))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(root: &Path, disk: &str, parts: &[(&str, &str)]) {
        let folder = root.join("devices").join(disk);
        for (name, number) in parts {
            let part = match *name == disk {
                true => folder.clone(),
                false => folder.join(name),
            };
            fs::create_dir_all(part.join("holders")).unwrap();
            fs::write(part.join("dev"), format!("{number}\n")).unwrap();
            if *name != disk {
                fs::write(part.join("partition"), "1\n").unwrap();
            }
            fs::create_dir_all(root.join("class")).unwrap();
            std::os::unix::fs::symlink(&part, root.join("class").join(name)).unwrap();
        }
    }

    #[test]
    fn no_disk_that_the_system_runs_from_is_given_to_a_job() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        disk(
            root,
            "sda",
            &[("sda", "8:0"), ("sda1", "8:1"), ("sda2", "8:2")],
        );
        disk(root, "sdb", &[("sdb", "8:16"), ("sdb1", "8:17")]);
        disk(root, "sdc", &[("sdc", "8:32")]);
        disk(
            root,
            "sdd",
            &[("sdd", "8:48"), ("sdd1", "8:49"), ("sdd2", "8:50")],
        );
        let verity = root.join("devices/sdd/sdd2/holders/dm-0");
        fs::create_dir_all(verity).unwrap();
        let mounts = "\
            22 1 8:2 / / rw - ext4 /dev/sda2 rw\n\
            23 22 8:17 / /mnt/usb rw - ext4 /dev/sdb1 rw\n\
            broken line\n";
        let checked = |name: &str| {
            check_in(
                &root.join("class"),
                mounts,
                &name.parse::<BlockName>().unwrap(),
            )
        };
        for refused in ["sda", "sda1", "sda2", "sdd1"] {
            assert!(
                matches!(checked(refused), Err(Error::Refused(_))),
                "{refused}"
            );
        }
        for given in ["sdb1", "sdc"] {
            checked(given).unwrap();
        }
        assert!(matches!(checked("sdz"), Err(Error::NotFound(_))));
        let unused = |name: &str| {
            let name = name.parse::<BlockName>().unwrap();
            check_unused_in(&root.join("class"), mounts, &name)
        };
        unused("sdc").unwrap();
        for refused in ["sda", "sdb", "sdb1", "sdd"] {
            assert!(
                matches!(unused(refused), Err(Error::Refused(_))),
                "{refused}"
            );
        }
    }
}
