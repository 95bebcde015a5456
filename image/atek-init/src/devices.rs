//! Block devices, found in `/sys` by what their partition table says of them, and by what lies on
//! them.

use crate::console;
use crate::medium::{self, Medium};
use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a card or a disk may take to appear. USB disks are the slow ones.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a GPT counts in, also on cards whose own sectors are larger.
const SECTOR: u64 = 512;

/// Between two looks: there is no udev here to be told by.
const PAUSE: Duration = Duration::from_millis(10);

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    /// Its folder in `/sys`, below its disk's.
    sys: PathBuf,
    /// Its name in `/dev`.
    pub name: String,
    /// `MAJOR:MINOR`.
    pub number: String,
}

impl Partition {
    #[cfg(test)]
    pub(crate) fn for_tests(name: &str, number: &str) -> Self {
        Self {
            sys: PathBuf::new(),
            name: name.to_owned(),
            number: number.to_owned(),
        }
    }

    /// Its node.
    pub(crate) fn node(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// The kernel's name of its disk.
    ///
    /// # Errors
    ///
    /// When it has none.
    pub(crate) fn disk(&self) -> anyhow::Result<String> {
        let disk = self.sys.parent().and_then(Path::file_name);
        let disk = disk.with_context(|| format!("the partition {} has no disk", self.name))?;
        Ok(disk.to_string_lossy().into_owned())
    }

    /// The partition of the same disk that is called `name` there.
    ///
    /// Only of the same disk: another card in a reader may have the same names.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn sibling(&self, name: &str) -> anyhow::Result<Partition> {
        let disk = self.sys.parent().context("a partition without a disk")?;
        found(disk, "PARTNAME", name)?
            .with_context(|| format!("there is no partition {name} beside {}", self.name))
    }
}

/// Waits for the partition with this UUID on a disk of the kind that booted, if anybody said which.
/// When there are several, or none of that kind, the console is told.
///
/// # Errors
///
/// When none appears, with the disks that did.
pub(crate) fn wait_for(uuid: &str, said: Option<Medium>) -> anyhow::Result<Partition> {
    let class = Path::new("/sys/class/block");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let is_late = Instant::now() > deadline;
        let mut found = with_uuid(class, Path::new("/dev"), uuid)?;
        let media: Vec<_> = found
            .iter()
            .map(|partition| Medium::of(&partition.sys))
            .collect();
        if let Some(index) = medium::choose(&media, said, is_late) {
            let partition = found.swap_remove(index);
            if !found.is_empty() || is_late {
                let line = format!(
                    "several cards, or not the one that the firmware named ({said:?}): the root is on {}",
                    partition.name
                );
                console::say(&line);
            }
            return Ok(partition);
        }
        if is_late {
            let names: Vec<String> = entries(class)?
                .iter()
                .filter_map(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()))
                .collect();
            bail!(
                "there is no partition with PARTUUID {uuid}; block devices: {}",
                names.join(" ")
            );
        }
        std::thread::sleep(PAUSE);
    }
}

/// The nodes of all block devices that the kernel knows now.
///
/// # Errors
///
/// When they cannot be listed.
pub(crate) fn all_nodes() -> anyhow::Result<Vec<PathBuf>> {
    let devices = entries(Path::new("/sys/class/block"))?;
    let names = devices.iter().filter_map(|device| device.file_name());
    Ok(names.map(|name| Path::new("/dev").join(name)).collect())
}

/// The partition that the root's device lies on, set up by this program or by the kernel.
///
/// # Errors
///
/// When the device is not there, or lies on no partition.
pub(crate) fn under_root() -> anyhow::Result<Partition> {
    under(Path::new("/sys/block/dm-0/slaves"))
}

fn under(slaves: &Path) -> anyhow::Result<Partition> {
    let below = entries(slaves)?.into_iter().next();
    let below = below.with_context(|| format!("nothing is in {}", slaves.display()))?;
    let sys =
        fs::canonicalize(&below).with_context(|| format!("cannot follow {}", below.display()))?;
    let uevent = fs::read_to_string(sys.join("uevent"))
        .with_context(|| format!("cannot read what {} is", sys.display()))?;
    let name = sys.display().to_string();
    partition(sys, &uevent).with_context(|| format!("{name} is no partition"))
}

/// The partitions in `class` with this UUID, which the disk's own partition table in `dev` tells:
/// kernels before 6.15 do not say it in `uevent`.
fn with_uuid(class: &Path, dev: &Path, uuid: &str) -> anyhow::Result<Vec<Partition>> {
    let mut found = Vec::new();
    for dir in entries(class)? {
        let Ok(uevent) = fs::read_to_string(dir.join("uevent")) else {
            continue;
        };
        let Some(number) = field(&uevent, "PARTN").and_then(|number| number.parse().ok()) else {
            continue;
        };
        let Ok(sys) = fs::canonicalize(&dir) else {
            continue;
        };
        // A disk may be gone, or be no GPT's: then it is not the one.
        let disk = sys
            .parent()
            .and_then(Path::file_name)
            .map(|name| dev.join(name));
        let said = disk.and_then(|disk| uuid_in_gpt(&disk, number).ok());
        if said.is_some_and(|said| said.eq_ignore_ascii_case(uuid)) {
            found.extend(partition(sys, &uevent));
        }
    }
    Ok(found)
}

/// The UUID of a disk's partition, counted from 1.
fn uuid_in_gpt(disk: &Path, number: u64) -> std::io::Result<String> {
    let file = File::open(disk)?;
    let mut header = [0; 92];
    file.read_exact_at(&mut header, SECTOR)?;
    let little = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let (table, size) = (little(&header[72..80]), little(&header[84..88]));
    if !header.starts_with(b"EFI PART") || !(128..=4096).contains(&size) || number == 0 {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut id = [0; 16];
    let entry = table
        .saturating_mul(SECTOR)
        .saturating_add((number - 1).saturating_mul(size));
    file.read_exact_at(&mut id, entry.saturating_add(16))?;
    // The first three groups have their least significant byte first.
    let (a, b, c) = (little(&id[0..4]), little(&id[4..6]), little(&id[6..8]));
    let tail: String = id[8..].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!(
        "{a:08x}-{b:04x}-{c:04x}-{}-{}",
        &tail[..4],
        &tail[4..]
    ))
}

/// A partition as its `uevent` describes it.
fn partition(sys: PathBuf, uevent: &str) -> Option<Partition> {
    let (major, minor) = (field(uevent, "MAJOR")?, field(uevent, "MINOR")?);
    Some(Partition {
        sys,
        name: field(uevent, "DEVNAME")?.to_owned(),
        number: format!("{major}:{minor}"),
    })
}

/// The entry of `folder` whose `uevent` says `key=value`, if there is one.
fn found(folder: &Path, key: &str, value: &str) -> anyhow::Result<Option<Partition>> {
    for dir in entries(folder)? {
        // A device may vanish between the listing and this.
        let Ok(uevent) = fs::read_to_string(dir.join("uevent")) else {
            continue;
        };
        if field(&uevent, key) == Some(value) {
            let sys = fs::canonicalize(&dir)
                .with_context(|| format!("cannot follow {}", dir.display()))?;
            return Ok(partition(sys, &uevent));
        }
    }
    Ok(None)
}

fn field<'t>(uevent: &'t str, key: &str) -> Option<&'t str> {
    uevent
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing = || format!("cannot list {}", folder.display());
    let mut dirs = fs::read_dir(folder)
        .with_context(listing)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(listing)?;
    dirs.sort();
    Ok(dirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(disk: &Path, name: &str, number: u64, label: &str) {
        let dir = disk.join(name);
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "MAJOR=254\nMINOR={number}\nDEVNAME={name}\nDEVTYPE=partition\nPARTN={number}\nPARTNAME={label}\n"
        );
        fs::write(dir.join("uevent"), text).unwrap();
    }

    #[test]
    fn a_partition_is_found_by_uuid_and_its_sibling_by_name_on_the_same_disk_only() {
        let dir = tempfile::tempdir().unwrap();
        let (class, dev) = (dir.path().join("class"), dir.path().join("dev"));
        let (card, stick) = (dir.path().join("vda"), dir.path().join("sda"));
        add(&card, "vda4", 4, "root-a");
        add(&card, "vda6", 6, "atek-data");
        add(&stick, "sda6", 6, "atek-data");
        fs::create_dir_all(&class).unwrap();
        fs::create_dir_all(&dev).unwrap();
        for (disk, name) in [(&stick, "sda6"), (&card, "vda4"), (&card, "vda6")] {
            std::os::unix::fs::symlink(disk.join(name), class.join(name)).unwrap();
        }
        let mut table = vec![0; 8192];
        table[512..520].copy_from_slice(b"EFI PART");
        table[584] = 2;
        table[596] = 128;
        let id: Vec<u8> = (1..=16).collect();
        table[1024 + 3 * 128 + 16..1024 + 3 * 128 + 32].copy_from_slice(&id);
        fs::write(dev.join("vda"), table).unwrap();
        fs::write(dev.join("sda"), vec![0; 8192]).unwrap();
        let root = with_uuid(&class, &dev, "04030201-0605-0807-090A-0B0C0D0E0F10");
        let [root] = root.unwrap().try_into().unwrap();
        assert_eq!(
            (root.name.as_str(), root.number.as_str()),
            ("vda4", "254:4")
        );
        assert_eq!(root.sibling("atek-data").unwrap().name, "vda6");
        assert!(root.sibling("root-b").is_err());
        assert_eq!(with_uuid(&class, &dev, "ef").unwrap(), []);
        assert_eq!(root.disk().unwrap(), "vda");
    }

    #[test]
    fn the_roots_own_partition_is_found_below_its_device() {
        let dir = tempfile::tempdir().unwrap();
        let (card, slaves) = (dir.path().join("mmcblk0"), dir.path().join("slaves"));
        add(&card, "mmcblk0p4", 4, "root-a");
        add(&card, "mmcblk0p6", 6, "atek-data");
        fs::create_dir_all(&slaves).unwrap();
        assert!(under(&slaves).is_err());
        std::os::unix::fs::symlink(card.join("mmcblk0p4"), slaves.join("mmcblk0p4")).unwrap();
        let root = under(&slaves).unwrap();
        assert_eq!(
            (root.name.as_str(), root.disk().unwrap().as_str()),
            ("mmcblk0p4", "mmcblk0")
        );
        assert_eq!(root.sibling("atek-data").unwrap().name, "mmcblk0p6");
    }
}
