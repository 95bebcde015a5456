//! Data that were moved to another disk (`atek system move`): which one the card's data partition
//! names, and where it is.

use crate::console;
use crate::devices;
use anyhow::{Context as _, bail, ensure};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file at the top of the data partition that says so: the id of the file system, and in a
/// second line what a person knows the disk by.
const POINTER: &str = "atek-moved-to";

/// How long the disk may take to appear. Those at USB are the slow ones.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Where the superblock of ext4 is, and in it its mark and its id.
const SUPERBLOCK: u64 = 1024;
const MARK: std::ops::Range<usize> = 56..58;
const ID: std::ops::Range<usize> = 104..120;

/// After udev's own rules that read file systems (60).
const RULE: &str = "/run/udev/rules.d/62-atek-data.rules";

/// A disk with the data of the box.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// The id of its file system.
    id: String,
    /// What a person knows it by, for messages.
    name: String,
}

/// The disk that the data partition mounted at `var` names, if it names one.
///
/// # Errors
///
/// When it names one that cannot be understood: the data are elsewhere, and it is not known where.
pub(crate) fn named(var: &Path) -> anyhow::Result<Option<Disk>> {
    let path = var.join(POINTER);
    match fs::read(&path) {
        Ok(text) => disk(&String::from_utf8_lossy(&text)).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn disk(text: &str) -> anyhow::Result<Disk> {
    let mut lines = text.lines();
    let id = lines.next().unwrap_or_default();
    let is_id = id.len() == 36
        && id
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    ensure!(is_id, "the data were moved to a disk without an id");
    let name = lines.next().unwrap_or_default();
    let name = name.chars().filter(|c| !c.is_control()).take(60).collect();
    Ok(Disk {
        id: id.to_owned(),
        name,
    })
}

impl Disk {
    /// Waits for it, and returns its node.
    ///
    /// # Errors
    ///
    /// When it does not come, or two come.
    pub(crate) fn node(&self) -> anyhow::Result<PathBuf> {
        let begun = Instant::now();
        loop {
            let nodes = devices::all_nodes()?;
            let mut found: Vec<_> = nodes
                .into_iter()
                .filter(|node| ext4_id(node).is_some_and(|id| id == self.id))
                .collect();
            match (found.len(), found.pop()) {
                (1, Some(node)) => return Ok(node),
                (0, _) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                (0, _) => {
                    self.watch_for();
                    bail!(
                        "the data of this box are on the disk {}, which is not plugged in",
                        self.name
                    );
                }
                _ => bail!(
                    "two disks have the data of this box: one is a copy of {}, pull it out",
                    self.name
                ),
            }
        }
    }

    /// Has udev say when it comes after all: then the box starts again.
    fn watch_for(&self) {
        let rule = rule(&self.id);
        let written = fs::create_dir_all("/run/udev/rules.d").and_then(|()| fs::write(RULE, rule));
        if let Err(error) = written {
            console::say(&format!("cannot watch for the disk: {error}"));
        }
    }
}

fn rule(id: &str) -> String {
    format!(
        "SUBSYSTEM==\"block\", ACTION!=\"remove\", ENV{{ID_FS_UUID}}==\"{id}\", \
         RUN+=\"/usr/bin/touch /run/atek-init/data-came\"\n"
    )
}

/// The id of the ext4 file system on a device, if there is one.
fn ext4_id(node: &Path) -> Option<String> {
    let mut block = [0; 1024];
    File::open(node)
        .ok()?
        .read_exact_at(&mut block, SUPERBLOCK)
        .ok()?;
    if block[MARK] != [0x53, 0xef] {
        return None;
    }
    let mut text = String::with_capacity(36);
    for (nth, byte) in block[ID].iter().enumerate() {
        if matches!(nth, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "8b1f5c0e-6d0c-4a3e-9a5d-a7e4c0000016";

    #[test]
    fn a_data_partition_names_a_disk_or_none_and_nonsense_is_not_none() {
        let var = tempfile::tempdir().unwrap();
        assert_eq!(named(var.path()).unwrap(), None);
        fs::write(var.path().join(POINTER), format!("{ONE}\nACME \x1b[1mT7\n")).unwrap();
        let disk = named(var.path()).unwrap().unwrap();
        assert_eq!((disk.id.as_str(), disk.name.as_str()), (ONE, "ACME [1mT7"));
        for wrong in ["", "\n", "ACME\n", "8b1f5c0e\" OR\n"] {
            fs::write(var.path().join(POINTER), wrong).unwrap();
            assert!(named(var.path()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_id_of_a_file_system_is_read_from_its_superblock() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("sda");
        let mut disk = vec![0; 4096];
        let id = [
            0x8b, 0x1f, 0x5c, 0x0e, 0x6d, 0x0c, 0x4a, 0x3e, 0x9a, 0x5d, 0xa7, 0xe4, 0xc0, 0, 0,
            0x16,
        ];
        disk[1024 + 104..1024 + 120].copy_from_slice(&id);
        fs::write(&node, &disk).unwrap();
        assert_eq!(ext4_id(&node), None);
        disk[1024 + 56..1024 + 58].copy_from_slice(&[0x53, 0xef]);
        fs::write(&node, &disk).unwrap();
        assert_eq!(ext4_id(&node).as_deref(), Some(ONE));
        fs::write(&node, "short").unwrap();
        assert_eq!(ext4_id(&node), None);
        assert_eq!(ext4_id(&folder.path().join("gone")), None);
    }

    #[test]
    fn the_rule_is_about_one_file_system() {
        let text = rule(ONE);
        assert!(
            text.contains(&format!("ENV{{ID_FS_UUID}}==\"{ONE}\",")),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }
}
