//! What a start of the machine does about a move: decided here, from what was found.

use crate::files::{CompareError, CopyError, FileError};
use atek_api::moving::{FOLDER, FileSystemId, Here, MoveRequest, POINTER};
use atek_api::spec::paths;
use std::ffi::OsString;
use std::path::Path;

/// Bytes that the copy may take beyond what it is a copy of: what a file system keeps for itself
/// grows with what is in it.
const SPARE: u64 = 32 << 20;

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// The request is void: what it asks for was done.
    Over,
    /// All data to the disk; then the card's partition says where they are.
    ToDisk { id: FileSystemId, name: String },
    /// All data to the card; then its partition says nothing.
    ToCard { from: Here },
    /// What is on the card goes, but for the word where the data are.
    RemoveOld { of: Here },
}

/// Why nothing moves. The box goes on as before.
#[derive(Debug, thiserror::Error)]
pub(super) enum GiveUp {
    #[error("the request cannot be read")]
    Request,
    #[error("the data are on the card already")]
    OnCard,
    #[error("the data are on the disk {0} already: move them back to the card first")]
    OnDisk(String),
    #[error("the disk {0} is not plugged in")]
    NoDisk(String),
    #[error("two disks have the id of {0}: one is a copy of the other, pull it out")]
    Twins(String),
    #[error("the card has no data partition")]
    NoCard,
    #[error("the data partition of this card is not the one from which the data were moved")]
    OtherCard,
    #[error("there is not enough room: the data take {needed} MB, and there are {there} MB")]
    NoRoom { needed: u64, there: u64 },
    #[error("cannot use the file system of {0}")]
    Mount(String, #[source] std::io::Error),
    #[error("cannot say that the data are elsewhere")]
    Say(#[source] std::io::Error),
    #[error("the copy is not the same: nothing was moved")]
    Differs(#[from] CompareError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Decides. `is_moved` tells whether the partition that is in use says that its data are elsewhere,
/// `here` on which disk it is.
pub(super) fn plan(
    request: MoveRequest,
    is_moved: bool,
    here: Option<Here>,
) -> Result<Plan, GiveUp> {
    match (request, here) {
        // The decision was made, and only the request outlived it.
        (_, None) if is_moved => Ok(Plan::Over),
        (MoveRequest::Disk { id, .. }, Some(here)) if here.id == id => Ok(Plan::Over),
        (MoveRequest::Disk { .. }, Some(here)) => Err(GiveUp::OnDisk(here.name)),
        (MoveRequest::Disk { id, name }, None) => Ok(Plan::ToDisk { id, name }),
        (MoveRequest::Card, Some(from)) => Ok(Plan::ToCard { from }),
        (MoveRequest::Nowhere, Some(of)) => match of.old_data {
            true => Ok(Plan::RemoveOld { of }),
            false => Ok(Plan::Over),
        },
        (MoveRequest::Card | MoveRequest::Nowhere, None) => Err(GiveUp::OnCard),
    }
}

/// Whether data of so many bytes and files go where so many bytes are.
pub(super) fn fits(needed: u64, entries: u64, there: u64) -> Result<(), GiveUp> {
    // An entry of a folder, and the rest of a block.
    let wanted = needed
        .saturating_add(entries.saturating_mul(512))
        .saturating_add(SPARE);
    match wanted <= there {
        true => Ok(()),
        false => Err(GiveUp::NoRoom {
            needed: wanted.div_ceil(1_000_000),
            there: there / 1_000_000,
        }),
    }
}

/// Whether a path from the top of `/var` belongs to the partition or to the request, and is not
/// moved.
pub(super) fn stays(path: &[OsString]) -> bool {
    let is = |wanted: &str| path.iter().eq(Path::new(wanted).iter());
    let below_var = |path: &'static str| path.trim_start_matches("/var/");
    is("lost+found")
        || is(POINTER)
        || is(below_var(FOLDER))
        || (path.len() == 3
            && path[2] == paths::MOVE_NAME
            && path[..2]
                .iter()
                .eq(Path::new(below_var(paths::STATE)).iter()))
}

/// The same of what is not compared: the system writes there while it runs.
pub(super) fn is_not_compared(path: &[OsString]) -> bool {
    const WRITTEN: [&str; 4] = ["log", "tmp", "cache", "lib/systemd"];
    let is = |wanted: &&str| path.iter().eq(Path::new(wanted).iter());
    stays(path) || WRITTEN.iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: u8) -> FileSystemId {
        FileSystemId::of([digit; 16])
    }

    fn on(digit: u8, old_data: bool) -> Option<Here> {
        Some(Here {
            id: id(digit),
            name: "ACME".to_owned(),
            old_data,
        })
    }

    #[test]
    fn each_request_in_each_situation_has_one_plan() {
        let to_disk = || MoveRequest::Disk {
            id: id(1),
            name: "ACME".to_owned(),
        };
        let (card, nowhere) = (MoveRequest::Card, MoveRequest::Nowhere);
        let rows = [
            // On the card.
            (to_disk(), false, None, "ToDisk"),
            (card.clone(), false, None, "OnCard"),
            (nowhere.clone(), false, None, "OnCard"),
            // On the card, of which the data have moved: nothing is done with the old ones.
            (to_disk(), true, None, "Over"),
            (card.clone(), true, None, "Over"),
            (nowhere.clone(), true, None, "Over"),
            // On the disk.
            (to_disk(), false, on(1, true), "Over"),
            (to_disk(), false, on(2, true), "OnDisk"),
            (card, false, on(1, true), "ToCard"),
            (nowhere.clone(), false, on(1, true), "RemoveOld"),
            (nowhere, false, on(1, false), "Over"),
        ];
        for (request, is_moved, here, expected) in rows {
            let about = format!("{request:?} {is_moved} {here:?}");
            let found = match plan(request, is_moved, here) {
                Ok(plan) => format!("{plan:?}"),
                Err(error) => format!("{error:?}"),
            };
            assert!(found.starts_with(expected), "{about}: {found}");
        }
    }

    #[test]
    fn data_that_do_not_fit_are_not_moved() {
        let mib = 1 << 20;
        for (needed, entries, there, goes) in [
            (100 * mib, 1000, 1000 * mib, true),
            (100 * mib, 1000, 100 * mib, false),
            (100 * mib, 1000, 132 * mib, false),
            (100 * mib, 1000, 133 * mib, true),
            (100 * mib, 1_000_000, 200 * mib, false),
            (u64::MAX - (1 << 40), u64::MAX, 1000 * mib, false),
        ] {
            assert_eq!(
                fits(needed, entries, there).is_ok(),
                goes,
                "{needed} {there}"
            );
        }
    }

    #[test]
    fn what_belongs_to_the_partition_or_the_request_stays() {
        let parts = |path: &str| -> Vec<OsString> { path.split('/').map(OsString::from).collect() };
        for path in [
            "lost+found",
            "atek-moved-to",
            "lib/atek-move",
            "lib/atek/move",
        ] {
            assert!(stays(&parts(path)), "{path}");
        }
        for path in [
            "lib",
            "lib/atek",
            "lib/atek/moved",
            "home/lost+found",
            "lib/private/move",
            "move",
        ] {
            assert!(
                !stays(&parts(path)) && !is_not_compared(&parts(path)),
                "{path}"
            );
        }
        assert!(is_not_compared(&parts("lib/systemd")) && !stays(&parts("log")));
    }
}
