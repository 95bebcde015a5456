//! The two places of a move as the machine has them: a disk by the id of its file system, and the
//! data partition of the card.

use super::plan::GiveUp;
use atek_api::moving::{CARD, FileSystemId};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where one of them is mounted. No other process sees it.
const AT: &str = "/run/atek-move/at";
/// How long a disk may take to appear, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// Where the superblock of ext4 is, and in it its mark and its id.
const SUPERBLOCK: u64 = 1024;
const MARK: std::ops::Range<usize> = 56..58;
const ID: std::ops::Range<usize> = 104..120;

/// One of the two places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Disk { id: FileSystemId, name: String },
    Card,
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::Disk { name, .. } => format!("the disk {name}"),
            Self::Card => "the card".to_owned(),
        }
    }
}

/// Gives folders for places.
pub(super) trait Places {
    /// Makes a place a folder, until [`Places::close`].
    fn open(&mut self, place: &Place, writable: bool) -> Result<PathBuf, GiveUp>;
    /// Returns when everything written is on the disk, and nothing of it is remembered.
    fn close(&mut self) -> Result<(), GiveUp>;
}

/// Those of the machine.
#[derive(Debug, Default)]
pub(super) struct OfMachine {
    open: Option<Place>,
}

impl Places for OfMachine {
    fn open(&mut self, place: &Place, writable: bool) -> Result<PathBuf, GiveUp> {
        let device = device(place)?;
        let at = Path::new(AT);
        let failed = |error| GiveUp::Mount(place.name(), error);
        fs::create_dir_all(at).map_err(failed)?;
        let plain =
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
        let flags = match writable {
            true => plain,
            false => plain | MsFlags::MS_RDONLY,
        };
        let options = Some("errors=remount-ro");
        mount(Some(&device), at, Some("ext4"), flags, options)
            .map_err(|error| failed(error.into()))?;
        self.open = Some(place.clone());
        Ok(at.to_owned())
    }

    fn close(&mut self) -> Result<(), GiveUp> {
        let Some(place) = self.open.take() else {
            return Ok(());
        };
        umount2(AT, MntFlags::empty()).map_err(|error| GiveUp::Mount(place.name(), error.into()))
    }
}

/// Waits for the device of a place.
fn device(place: &Place) -> Result<PathBuf, GiveUp> {
    let begun = Instant::now();
    loop {
        let is_late = begun.elapsed() > PATIENCE;
        let found = match place {
            Place::Card => Path::new(CARD).exists().then(|| PathBuf::from(CARD)),
            Place::Disk { id, name } => {
                let mut found = with_id(Path::new("/sys/class/block"), Path::new("/dev"), id);
                if found.len() > 1 {
                    return Err(GiveUp::Twins(name.clone()));
                }
                found.pop()
            }
        };
        match (found, place) {
            (Some(device), _) => return Ok(device),
            (None, Place::Card) if is_late => return Err(GiveUp::NoCard),
            (None, Place::Disk { name, .. }) if is_late => {
                return Err(GiveUp::NoDisk(name.clone()));
            }
            _ => std::thread::sleep(PAUSE),
        }
    }
}

/// The devices with a file system of this id.
fn with_id(class: &Path, dev: &Path, id: &FileSystemId) -> Vec<PathBuf> {
    let devices = fs::read_dir(class).into_iter().flatten().flatten();
    let nodes = devices.map(|device| dev.join(device.file_name()));
    nodes
        .filter(|node| ext4_id(node).is_some_and(|found| found == *id))
        .collect()
}

/// The id of the ext4 file system on a device, if there is one.
fn ext4_id(node: &Path) -> Option<FileSystemId> {
    let mut block = [0; 1024];
    File::open(node)
        .ok()?
        .read_exact_at(&mut block, SUPERBLOCK)
        .ok()?;
    let id = block[ID].try_into().ok()?;
    (block[MARK] == [0x53, 0xef]).then(|| FileSystemId::of(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_found_by_the_id_that_its_file_system_has() {
        let folder = tempfile::tempdir().unwrap();
        let (class, dev) = (folder.path().join("class"), folder.path().join("dev"));
        fs::create_dir_all(&dev).unwrap();
        let put = |name: &str, mark: [u8; 2], id: u8| {
            let mut disk = vec![0; 4096];
            disk[1024 + 56..1024 + 58].copy_from_slice(&mark);
            disk[1024 + 104..1024 + 120].copy_from_slice(&[id; 16]);
            fs::create_dir_all(class.join(name)).unwrap();
            fs::write(dev.join(name), disk).unwrap();
        };
        let id = FileSystemId::of([9; 16]);
        put("sda", [0x53, 0xef], 1);
        put("sdb", [0, 0], 9);
        fs::create_dir_all(class.join("gone")).unwrap();
        assert!(with_id(&class, &dev, &id).is_empty());
        put("sdc", [0x53, 0xef], 9);
        assert_eq!(with_id(&class, &dev, &id), [dev.join("sdc")]);
        put("sdd", [0x53, 0xef], 9);
        assert_eq!(with_id(&class, &dev, &id).len(), 2);
    }
}
