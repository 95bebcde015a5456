//! The disk of a backup job.

use crate::text::checked_text;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A text names no block device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a block device has a name of lower-case letters and digits, as sda1")]
pub struct InvalidBlockName;

/// The kernel's name of a block device: `sda1`, `nvme0n1p2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlockName(String);

checked_text!(BlockName);

impl BlockName {
    /// Its path.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/dev/{}", self.0)
    }
}

impl FromStr for BlockName {
    type Err = InvalidBlockName;

    fn from_str(text: &str) -> Result<Self, InvalidBlockName> {
        let fits = (1..=31).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidBlockName),
        }
    }
}

/// A file system that can keep backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileSystem {
    /// ext2, ext3 and ext4: one driver.
    Ext4,
    /// FAT with long names.
    Vfat,
    /// exFAT.
    Exfat,
    /// NTFS.
    Ntfs,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
}

impl FileSystem {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ext4,
        Self::Vfat,
        Self::Exfat,
        Self::Ntfs,
        Self::Xfs,
        Self::Btrfs,
    ];

    /// The kernel's driver.
    #[must_use]
    pub fn driver(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Vfat => "vfat",
            Self::Exfat => "exfat",
            Self::Ntfs => "ntfs3",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }
}

impl FromStr for FileSystem {
    type Err = InvalidBlockName;

    fn from_str(driver: &str) -> Result<Self, InvalidBlockName> {
        let found = Self::ALL.into_iter().find(|kind| kind.driver() == driver);
        found.ok_or(InvalidBlockName)
    }
}

/// A disk that a job mounts for itself, at [`super::paths::DISK`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiskSpec {
    /// Its device.
    pub device: BlockName,
    /// Its file system.
    pub kind: FileSystem,
    /// Whether it is only looked at: no bit of it changes, not even its journal.
    #[serde(default)]
    pub look: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_a_name_and_no_path() {
        for name in ["sda1", "nvme0n1p2", "mmcblk1p1", "loop12"] {
            assert_eq!(name.parse::<BlockName>().unwrap().as_str(), name);
        }
        for wrong in [
            "",
            "../mem",
            "sda 1",
            "sd:a",
            "mapper/x",
            "SDA",
            &"a".repeat(32),
        ] {
            assert!(wrong.parse::<BlockName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn drivers_have_names() {
        for kind in FileSystem::ALL {
            assert_eq!(kind.driver().parse(), Ok(kind));
        }
        assert!("fuse".parse::<FileSystem>().is_err());
    }
}
