//! Disks that are plugged in, and why one cannot keep backups.

use crate::spec::FileSystem;
use crate::text::checked_text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A text names no file system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a disk is named by the id of its file system, as 2A1C-77F0")]
pub struct InvalidDiskId;

/// The id that a file system was given when it was made: a UUID, or the shorter number of FAT and
/// NTFS. It stays the same in each socket and on each box.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct DiskId(String);

checked_text!(DiskId);

impl FromStr for DiskId {
    type Err = InvalidDiskId;

    fn from_str(text: &str) -> Result<Self, InvalidDiskId> {
        let fits = (4..=36).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidDiskId),
        }
    }
}

/// A disk that is plugged in, or a part of one. The disk that the system runs from is not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "PluggedDisk", optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// Its device now: `sda1`.
    pub device: String,
    /// What a person knows it by: its label, or who made it. Anyone may have written it.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// What is on it, as the system calls that: `ext4`, `crypto_LUKS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
    /// By what it is chosen; none where it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<DiskId>,
    /// Why it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<DiskRefusal>,
    /// What was found on it, where it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<DiskContents>,
    /// Why it could not be looked at, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Why a disk is not used. Nothing is ever written to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum DiskRefusal {
    /// Nothing on it that is known: new, or of another system.
    Unknown,
    /// Encrypted by another system.
    Encrypted,
    /// One of several disks that belong together (RAID, LVM, ZFS).
    PartOfMany,
    /// It can only be read: a CD's contents, or a packed file system.
    ReadOnlyKind,
    /// A file system that Atek does not use.
    OtherKind,
    /// Memory of another system that was put on the disk.
    Swap,
    /// Used by this system already: as a folder, or as part of another disk.
    InUse,
    /// Its file system has no id.
    NoId,
    /// Another disk has the same id, as copies have.
    Twin,
}

impl fmt::Display for DiskRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => {
                "nothing on it is known: format it on another computer, as exFAT or ext4"
            }
            Self::Encrypted => "it is encrypted by another system",
            Self::PartOfMany => "it is one of several disks that belong together",
            Self::ReadOnlyKind => "what is on it can only be read",
            Self::OtherKind => "Atek does not use this file system",
            Self::Swap => "it is the swap space of another system",
            Self::InUse => "this box uses it already",
            Self::NoId => "its file system has no id",
            Self::Twin => "another disk has the same id: unplug one of them",
        })
    }
}

/// What is on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DiskContents {
    /// Whether there are backups of a box.
    pub has_backup: bool,
    /// Files and folders beside them, in its first folder; at most [`DiskContents::MOST`].
    pub others: u64,
    /// Bytes that are free.
    pub free: u64,
}

impl DiskContents {
    /// Entries that are counted.
    pub const MOST: u64 = 1_000;
}

/// What is on a disk, of the name that `lsblk` has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A file system that can keep backups.
    Usable(FileSystem),
    /// Something else.
    Refused(DiskRefusal),
}

impl Holds {
    /// Of `FSTYPE`, which is libblkid's.
    #[must_use]
    pub fn of(kind: Option<&str>) -> Self {
        let refused = match kind {
            None => DiskRefusal::Unknown,
            Some("ext2" | "ext3" | "ext4") => return Self::Usable(FileSystem::Ext4),
            Some("vfat") => return Self::Usable(FileSystem::Vfat),
            Some("exfat") => return Self::Usable(FileSystem::Exfat),
            Some("ntfs") => return Self::Usable(FileSystem::Ntfs),
            Some("xfs") => return Self::Usable(FileSystem::Xfs),
            Some("btrfs") => return Self::Usable(FileSystem::Btrfs),
            Some("swap" | "swsuspend") => DiskRefusal::Swap,
            Some("iso9660" | "udf" | "squashfs" | "erofs" | "cramfs" | "romfs") => {
                DiskRefusal::ReadOnlyKind
            }
            Some("crypto_LUKS" | "BitLocker" | "FVE" | "ecryptfs") => DiskRefusal::Encrypted,
            // LVM, md and the RAIDs of BIOSes, bcache, DRBD, ZFS, VMware.
            Some(kind) if kind.ends_with("_member") || kind == "bcache" || kind == "drbd" => {
                DiskRefusal::PartOfMany
            }
            Some(_) => DiskRefusal::OtherKind,
        };
        Self::Refused(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_named_by_the_ids_of_file_systems() {
        for id in [
            "2A1C-77F0",
            "01D9A7C3E5B2F481",
            "3b0e6a8e-0f9c-4c1e-9c1d-1f4b2b1f7a10",
        ] {
            assert_eq!(id.parse::<DiskId>().unwrap().to_string(), id);
        }
        for wrong in [
            "",
            "abc",
            "../../etc",
            "2A1C 77F0",
            "a\nb-c",
            &"a".repeat(37),
        ] {
            assert!(wrong.parse::<DiskId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_file_systems_for_files_of_people_are_used() {
        assert_eq!(Holds::of(Some("vfat")), Holds::Usable(FileSystem::Vfat));
        for (kind, refused) in [
            (None, DiskRefusal::Unknown),
            (Some("crypto_LUKS"), DiskRefusal::Encrypted),
            (Some("LVM2_member"), DiskRefusal::PartOfMany),
            (Some("linux_raid_member"), DiskRefusal::PartOfMany),
            (Some("zfs_member"), DiskRefusal::PartOfMany),
            (Some("swap"), DiskRefusal::Swap),
            (Some("iso9660"), DiskRefusal::ReadOnlyKind),
            (Some("minix"), DiskRefusal::OtherKind),
            (Some("ext4 "), DiskRefusal::OtherKind),
        ] {
            assert_eq!(Holds::of(kind), Holds::Refused(refused), "{kind:?}");
        }
    }
}
