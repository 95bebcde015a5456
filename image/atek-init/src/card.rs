//! The names of the card's partitions for everybody after this program: `/dev/atek/NAME`.
//!
//! `/dev/disk/by-partlabel/NAME` may be another card's in a reader. udev makes these by a rule that
//! only this boot has.

use crate::devices::Partition;
use anyhow::{Context as _, ensure};
use std::fs;
use std::path::Path;

/// After udev's own rule that reads the partition table (60).
const RULE: &str = "/run/udev/rules.d/61-atek-card.rules";

/// Leaves the rule for the disk that the root lies on.
///
/// # Errors
///
/// When it cannot be written; `/boot` is then missing.
pub(crate) fn name_partitions(root: &Partition) -> anyhow::Result<()> {
    let path = Path::new(RULE);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, rule(&root.disk()?)?).with_context(|| format!("cannot write {RULE}"))
}

fn rule(disk: &str) -> anyhow::Result<String> {
    ensure!(
        disk.chars().all(|c| c.is_ascii_alphanumeric()),
        "{disk:?} is no name of a disk"
    );
    Ok(format!(
        "SUBSYSTEM==\"block\", ENV{{DEVTYPE}}==\"partition\", KERNELS==\"{disk}\", ENV{{ID_PART_ENTRY_NAME}}==\"?*\", \
         SYMLINK+=\"atek/$env{{ID_PART_ENTRY_NAME}}\"\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_about_one_disk_by_its_whole_name() {
        let text = rule("mmcblk0").unwrap();
        assert!(text.contains("KERNELS==\"mmcblk0\","), "{text}");
        assert_eq!(text.lines().count(), 1);
        // A pattern, or a second rule, would name other disks.
        for wrong in ["sd*", "sda\" OR", "sda\n", "sd[ab]"] {
            assert!(rule(wrong).is_err(), "{wrong:?}");
        }
    }
}
