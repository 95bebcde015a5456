//! The move of the box's data to another disk, and back: what `atek.cloud/system-api` tells and
//! takes, and the files by which the start that carries it out and the host agree.
//!
//! | file | is |
//! |---|---|
//! | [`paths::MOVE_NAME`] in the host's state | the request; there until it is carried out or given up |
//! | [`HERE`] | on a disk with moved data: which one it is |
//! | [`OUTCOME`] | how the last request ended |
//! | [`POINTER`] | at the top of the card's data partition: data are elsewhere, read by atek-init |
//! | [`PROGRESS`] | how far a move is, while it is carried out |
//!
//! [`paths::MOVE_NAME`]: crate::spec::paths::MOVE_NAME

use crate::secret::Secret;
use crate::text::checked_text;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The folder of what a move leaves behind for the host. Owned by root.
pub const FOLDER: &str = "/var/lib/atek-move";
/// The name in [`FOLDER`] of a [`Here`].
pub const HERE: &str = "here.json";
/// The name in [`FOLDER`] of an [`Outcome`].
pub const OUTCOME: &str = "outcome.json";
/// The name of a file at the top of the card's data partition. Its first line is the id of the file
/// system with the data, its second what a person knows the disk by.
pub const POINTER: &str = "atek-moved-to";
/// A [`Progress`].
pub const PROGRESS: &str = "/run/atek-move/progress.json";
/// The data partition of the card that the box started from.
pub const CARD: &str = "/dev/atek/atek-data";
/// The label of a file system with the data of a box.
pub const LABEL: &str = "atek-data";

/// A text is no id of a file system that a move makes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the id of a file system is 32 hexadecimal digits in five groups")]
pub struct InvalidFileSystemId;

/// The id of an ext4 file system: `0b5c…-….-….-….-…`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileSystemId(String);

checked_text!(FileSystemId);

impl FileSystemId {
    /// The one of these bytes.
    #[must_use]
    pub fn of(bytes: [u8; 16]) -> Self {
        let mut text = String::with_capacity(36);
        for (nth, byte) in bytes.iter().enumerate() {
            if matches!(nth, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        Self(text)
    }
}

impl FromStr for FileSystemId {
    type Err = InvalidFileSystemId;

    fn from_str(text: &str) -> Result<Self, InvalidFileSystemId> {
        let fits = text.len() == 36
            && text.bytes().enumerate().all(|(nth, byte)| match nth {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidFileSystemId),
        }
    }
}

/// Where data are to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "to")]
pub enum MoveRequest {
    /// To a file system that was made for them.
    Disk {
        /// Its id.
        id: FileSystemId,
        /// What a person knows the disk by.
        name: String,
    },
    /// From that disk back to the card.
    Card,
    /// Nowhere: the data that stayed on the card are removed.
    Nowhere,
}

/// On a disk with moved data: which one it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Here {
    /// The id of its file system.
    pub id: FileSystemId,
    /// What a person knows the disk by.
    pub name: String,
    /// Whether the data from before the move are still on the card.
    pub old_data: bool,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "MoveOutcome"))]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Whether it was carried out.
    pub done: bool,
    /// For a person.
    pub text: String,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is done now.
    pub phase: Phase,
    /// Bytes of it that are done.
    pub done: u64,
    /// Bytes of it in all.
    pub total: u64,
}

/// What a move does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// It looks for the disk, and removes what is in the way.
    Prepares,
    /// It copies.
    Copies,
    /// It reads the copy and compares it.
    Compares,
    /// It is over, and the machine is to start again.
    Restarts,
}

/// A disk to which the data could move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct MoveDisk {
    /// Its device now: `sda`.
    pub device: String,
    /// What a person knows it by. Anyone may have written it.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// What is known to be on it: `vfat "HOLIDAY"`. Nothing known does not mean nothing.
    pub holds: Vec<String>,
    /// By what it is chosen: it changes with what is on the disk.
    pub id: String,
    /// Why it cannot be chosen, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Where the data are and could be, as `moveTargets` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct MoveTargets {
    /// The disk to which the data were moved; none: they are on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// Whether the data from before a move are still on the card.
    pub old_data: bool,
    /// Bytes that the data take.
    pub used: u64,
    /// What is plugged in.
    pub disks: Vec<MoveDisk>,
    /// How the last move ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Outcome>,
}

/// The parameter of `moveData`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct MoveData {
    /// What is wanted.
    pub to: MoveTo,
    /// With `disk`: the `id` of a [`MoveDisk`]. Everything that is on the disk is lost.
    #[serde(default)]
    pub disk: Option<String>,
    /// The password of the administrator who asks; the host itself has none.
    #[serde(default)]
    pub password: Option<Secret>,
}

/// Where data are to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum MoveTo {
    /// To a disk.
    Disk,
    /// Back to the card.
    Card,
    /// Nowhere: the data that stayed on the card are removed.
    Nowhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_file_system_is_written_one_way_only() {
        let id = FileSystemId::of([
            0x8b, 0x1f, 0x5c, 0x0e, 0x6d, 0x0c, 0x4a, 0x3e, 0x9a, 0x5d, 0xa7, 0xe4, 0xc0, 0, 0,
            0x16,
        ]);
        assert_eq!(id.as_str(), "8b1f5c0e-6d0c-4a3e-9a5d-a7e4c0000016");
        assert_eq!(id.as_str().parse(), Ok(id));
        for wrong in [
            "",
            "8B1F5C0E-6D0C-4A3E-9A5D-A7E4C0000016",
            "8b1f5c0e6d0c4a3e9a5da7e4c0000016",
            "8b1f5c0e-6d0c-4a3e-9a5d-a7e4c000001/",
            "-U random-6d0c-4a3e-9a5d-a7e4c000001",
        ] {
            assert!(wrong.parse::<FileSystemId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let request = MoveRequest::Disk {
            id: FileSystemId::of([7; 16]),
            name: "ACME".to_owned(),
        };
        for request in [request, MoveRequest::Card, MoveRequest::Nowhere] {
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<MoveRequest>(&text).unwrap(), request);
        }
        assert!(
            serde_json::from_str::<MoveRequest>(r#"{"to":"disk","id":"x","name":""}"#).is_err()
        );
    }
}
