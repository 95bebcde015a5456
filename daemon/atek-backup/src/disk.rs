//! A disk that the job mounts for itself, where no other process sees it.
//!
//! It is the first thing that the process does; then it gives up the right to mount, before it has
//! read anything of the disk or of atekd. With the process, however that ends, the mount ends.

use atek_api::backup::{DiskContents, TARGET_FOLDER};
use atek_api::spec::{BlockName, FileSystem, paths};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the mount of a job that has just ended may last, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// What ext4 makes in the first folder of each file system.
const OF_FILE_SYSTEM: &str = "lost+found";

/// What the job does with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing of it changes: a journal that another computer left is not played back either.
    Look,
    /// Its files are read. Its journal may be played back.
    Read,
    /// Backups are added.
    Write,
}

/// Why a disk is not mounted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    #[error("the job was started with arguments that are none: {0}")]
    Arguments(&'static str),
    #[error("this box has no driver for the file system of the disk ({0})")]
    NoDriver(&'static str),
    #[error("something else on this box uses the disk")]
    InUse,
    #[error("the disk is not there any more: plug it in again")]
    Gone,
    #[error("the disk is write-protected")]
    Protected,
    #[error(
        "the file system of the disk cannot be used: it is damaged, or was not removed safely from another computer. Have it checked there; nothing on it was changed"
    )]
    Unusable(#[source] Errno),
    #[error("cannot keep the disk from being written to")]
    Protect(#[source] Errno),
    #[error("cannot give up the right to mount")]
    GiveUp(#[source] io::Error),
}

/// The disk of the arguments after `--disk`: device, driver and access.
pub(crate) fn arguments(rest: &[OsString]) -> Result<(BlockName, FileSystem, Access), DiskError> {
    let [device, driver, access] = rest else {
        return Err(DiskError::Arguments("there are three"));
    };
    let text = |argument: &OsString| argument.to_str().unwrap_or_default().to_owned();
    let device = text(device).parse();
    let driver = text(driver).parse();
    let access = match text(access).as_str() {
        "look" => Access::Look,
        "read" => Access::Read,
        "write" => Access::Write,
        _ => return Err(DiskError::Arguments("the access")),
    };
    Ok((
        device.map_err(|_| DiskError::Arguments("the device"))?,
        driver.map_err(|_| DiskError::Arguments("the driver"))?,
        access,
    ))
}

/// Mounts a disk at [`paths::DISK`], for this process alone, and gives up the right to mount.
pub(crate) fn mount_and_give_up(
    device: &BlockName,
    kind: FileSystem,
    access: Access,
) -> Result<PathBuf, DiskError> {
    let at = Path::new(paths::DISK);
    let mounted = mount_at(Path::new(&device.path()), at, kind, access);
    let mut rights = capabilities(None).map_err(|error| DiskError::GiveUp(error.into()))?;
    for set in [
        &mut rights.effective,
        &mut rights.permitted,
        &mut rights.inheritable,
    ] {
        set.remove(CapabilitySet::SYS_ADMIN);
    }
    set_capabilities(None, rights).map_err(|error| DiskError::GiveUp(error.into()))?;
    mounted.map(|()| at.to_owned())
}

fn mount_at(device: &Path, at: &Path, kind: FileSystem, access: Access) -> Result<(), DiskError> {
    let driver = kind.driver();
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
    let begun = Instant::now();
    let try_with = |flags: MsFlags, options: &str| {
        loop {
            match mount(Some(device), at, Some(driver), plain | flags, Some(options)) {
                Err(Errno::EBUSY) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                mounted => return mounted,
            }
        }
    };
    let look = || try_with(MsFlags::MS_RDONLY, untouched(kind));
    let mounted = match access {
        Access::Look => look(),
        Access::Write => try_with(MsFlags::empty(), owned(kind)),
        // Another job may have it mounted to write, and the kernel has it mounted one way only.
        Access::Read => match try_with(MsFlags::empty(), owned(kind)) {
            Ok(()) => {
                let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
                let none = None::<&Path>;
                return mount(none, at, none, plain | read_only, none).map_err(DiskError::Protect);
            }
            // A switch on the disk, or a file system that the kernel does not write to as it is.
            Err(Errno::EROFS | Errno::EACCES | Errno::EINVAL) => look(),
            Err(error) => Err(error),
        },
    };
    mounted.map_err(|error| match error {
        Errno::ENODEV => DiskError::NoDriver(driver),
        Errno::EBUSY => DiskError::InUse,
        Errno::ENOENT | Errno::ENXIO | Errno::ENOMEDIUM | Errno::ENOTBLK => DiskError::Gone,
        Errno::EROFS | Errno::EACCES => DiskError::Protected,
        error => DiskError::Unusable(error),
    })
}

/// Options with which the kernel writes nothing, not even what a journal asks for.
fn untouched(kind: FileSystem) -> &'static str {
    match kind {
        FileSystem::Ext4 => "noload",
        FileSystem::Xfs => "norecovery",
        FileSystem::Btrfs => "rescue=nologreplay",
        FileSystem::Vfat | FileSystem::Exfat | FileSystem::Ntfs => "umask=0077",
    }
}

/// Options for a disk that is used. File systems without owners give the files to root.
fn owned(kind: FileSystem) -> &'static str {
    match kind {
        FileSystem::Ext4 => "errors=remount-ro",
        FileSystem::Xfs | FileSystem::Btrfs => "",
        FileSystem::Vfat | FileSystem::Exfat | FileSystem::Ntfs => "umask=0077",
    }
}

/// What is in the first folder of a disk.
pub(crate) fn contents(at: &Path) -> io::Result<DiskContents> {
    let mut others = 0;
    for entry in fs::read_dir(at)? {
        let name = entry?.file_name();
        if name == TARGET_FOLDER || name == OF_FILE_SYSTEM {
            continue;
        }
        others += 1;
        if others == DiskContents::MOST {
            break;
        }
    }
    let stat = nix::sys::statvfs::statvfs(at)?;
    Ok(DiskContents {
        has_backup: has_backup(at),
        others,
        free: stat.blocks_available() * stat.fragment_size(),
    })
}

/// Whether backups are in a folder of its own: a link would lead elsewhere.
fn has_backup(at: &Path) -> bool {
    let folder = at.join(TARGET_FOLDER);
    let found = fs::symlink_metadata(&folder);
    found.is_ok_and(|found| found.is_dir()) && folder.join("config").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_name_a_device_a_driver_and_an_access() {
        let read = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            arguments(&words)
        };
        let (device, kind, access) = read(&["sda1", "vfat", "look"]).unwrap();
        assert_eq!((device.as_str(), kind), ("sda1", FileSystem::Vfat));
        assert_eq!(access, Access::Look);
        for wrong in [
            &["sda1", "vfat"][..],
            &["../mem", "vfat", "look"],
            &["sda1", "proc", "look"],
            &["sda1", "vfat", "format"],
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn files_beside_the_backups_are_counted() {
        let disk = tempfile::tempdir().unwrap();
        let empty = contents(disk.path()).unwrap();
        assert_eq!((empty.has_backup, empty.others), (false, 0));
        fs::create_dir_all(disk.path().join(TARGET_FOLDER)).unwrap();
        fs::create_dir_all(disk.path().join(OF_FILE_SYSTEM)).unwrap();
        fs::write(disk.path().join(TARGET_FOLDER).join("config"), "").unwrap();
        fs::write(disk.path().join("holiday.jpg"), "").unwrap();
        let used = contents(disk.path()).unwrap();
        assert_eq!((used.has_backup, used.others), (true, 1));
        for number in 0..1_100 {
            fs::write(disk.path().join(number.to_string()), "").unwrap();
        }
        let full = contents(disk.path()).unwrap();
        assert_eq!(full.others, DiskContents::MOST);
    }
}
