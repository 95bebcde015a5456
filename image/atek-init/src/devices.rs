//! Block devices, found in `/sys` by what their partition table says of them.

use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a card or a disk may take to appear. USB disks are the slow ones.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// Waits for the partition with this UUID.
///
/// # Errors
///
/// When it does not appear, with the disks that did.
pub(crate) fn wait_for(uuid: &str) -> anyhow::Result<Partition> {
    let class = Path::new("/sys/class/block");
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(partition) = found(class, "PARTUUID", uuid)? {
            return Ok(partition);
        }
        if Instant::now() > deadline {
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

/// The entry of `folder` whose `uevent` says `key=value`, if there is one. UUIDs are compared without case.
fn found(folder: &Path, key: &str, value: &str) -> anyhow::Result<Option<Partition>> {
    for dir in entries(folder)? {
        // A device may vanish between the listing and this.
        let Ok(uevent) = fs::read_to_string(dir.join("uevent")) else {
            continue;
        };
        let says = |key: &str| field(&uevent, key);
        if says(key).is_some_and(|said| said.eq_ignore_ascii_case(value)) {
            let (Some(major), Some(minor), Some(name)) =
                (says("MAJOR"), says("MINOR"), says("DEVNAME"))
            else {
                continue;
            };
            let sys = fs::canonicalize(&dir)
                .with_context(|| format!("cannot follow {}", dir.display()))?;
            return Ok(Some(Partition {
                sys,
                name: name.to_owned(),
                number: format!("{major}:{minor}"),
            }));
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

    fn partition(disk: &Path, name: &str, label: &str, uuid: &str) {
        let dir = disk.join(name);
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "MAJOR=254\nMINOR=6\nDEVNAME={name}\nDEVTYPE=partition\nPARTN=6\nPARTNAME={label}\nPARTUUID={uuid}\n"
        );
        fs::write(dir.join("uevent"), text).unwrap();
    }

    #[test]
    fn a_partition_is_found_by_uuid_and_its_sibling_by_name_on_the_same_disk_only() {
        let dir = tempfile::tempdir().unwrap();
        let (card, stick) = (dir.path().join("vda"), dir.path().join("sda"));
        partition(&card, "vda4", "root-a", "AB-cd");
        partition(&card, "vda6", "atek-data", "ef");
        partition(&stick, "sda6", "atek-data", "01");
        let root = found(&card, "PARTUUID", "ab-CD").unwrap().unwrap();
        assert_eq!(
            (root.name.as_str(), root.number.as_str()),
            ("vda4", "254:6")
        );
        assert_eq!(root.sibling("atek-data").unwrap().name, "vda6");
        assert!(root.sibling("root-b").is_err());
        assert_eq!(found(&stick, "PARTUUID", "ab-cd").unwrap(), None);
    }
}
