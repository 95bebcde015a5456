//! The move of the data to another disk: which disks there are for it, and the request that the
//! next start of the machine carries out (`atek-spawnd move`). While that works, this host shows
//! how far it is, and serves nothing else.

use crate::backups::{Listed, WholeDisk};
use atek_api::moving::{
    FOLDER, HERE, Here, MoveDisk, MoveRequest, OUTCOME, Outcome, PROGRESS, Phase, Progress,
};
use atek_api::spec::{BlockName, paths};
use atek_files::FileError;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::Path;

/// What a disk has to have beyond the data that are there now.
const SPARE: u64 = 512 << 20;
/// The smallest disk that is offered.
const SMALLEST: u64 = 1 << 30;
/// Bytes of the longest file that is read.
const SMALL: u64 = 4096;
/// The file beside [`PROGRESS`] that says that this start of the machine carries nothing out.
const LOOKED: &str = "looked";

/// On which disk the data are; none: on the card.
pub fn here() -> Option<Here> {
    read(&Path::new(FOLDER).join(HERE))
}

/// How the last move ended.
pub fn last() -> Option<Outcome> {
    read(&Path::new(FOLDER).join(OUTCOME))
}

/// Writes a request down, durably.
///
/// # Errors
///
/// [`FileError`]; nothing was asked for.
pub fn ask(state: &Path, request: &MoveRequest) -> Result<(), FileError> {
    let text = serde_json::to_vec(request).unwrap_or_default();
    atek_files::write_atomic(&state.join(paths::MOVE_NAME), &text, 0o600)
}

/// Removes it: the machine goes on.
///
/// # Errors
///
/// [`FileError`]; the next start will move the data.
pub fn take_back(state: &Path) -> Result<(), FileError> {
    atek_files::remove(&state.join(paths::MOVE_NAME))
}

/// Whether one is asked for.
pub fn is_asked(state: &Path) -> bool {
    state.join(paths::MOVE_NAME).exists()
}

/// What to do while a move is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now {
    /// It was given up, or is over without a restart.
    GoOn,
    /// It was decided, or was asked for after this start had looked: the machine starts again.
    Restart,
    /// It is under way.
    Wait(Option<Progress>),
}

/// Looks what to do.
pub fn now(state: &Path) -> Now {
    let progress: Option<Progress> = read(Path::new(PROGRESS));
    let has_looked = Path::new(PROGRESS).with_file_name(LOOKED).exists();
    decide(is_asked(state), progress, has_looked)
}

fn decide(is_asked: bool, progress: Option<Progress>, has_looked: bool) -> Now {
    match progress {
        Some(progress) if progress.phase == Phase::Restarts => Now::Restart,
        _ if !is_asked => Now::GoOn,
        _ if has_looked => Now::Restart,
        progress => Now::Wait(progress),
    }
}

/// How far it is, for a person.
pub fn in_words(progress: Option<Progress>) -> String {
    let Some(progress) = progress else {
        return "It begins.".to_owned();
    };
    let percent = progress.done.saturating_mul(100) / progress.total.max(1);
    match progress.phase {
        Phase::Prepares => "It looks for the disk and makes room.".to_owned(),
        Phase::Copies => format!("It copies: {percent} %."),
        Phase::Compares => format!("It reads the copy and compares: {percent} %."),
        Phase::Restarts => "It is done; the box starts again.".to_owned(),
    }
}

/// The disks of a list to which data of so many bytes could move, as they are told, and why others
/// could not.
pub fn disks(listed: &Listed, used: u64, backups: Option<&str>) -> Vec<MoveDisk> {
    let whole = listed.whole_disks();
    let disks = whole.into_iter().map(|disk| {
        let refused = refusal(&disk, used, backups);
        let mut hash = Sha256::new();
        for part in [&disk.device, &disk.name, &disk.size.to_string()] {
            hash.update(part);
            hash.update([0]);
        }
        for part in &disk.holds {
            hash.update(part);
            hash.update([0]);
        }
        for id in &disk.ids {
            hash.update(id);
            hash.update([0]);
        }
        MoveDisk {
            id: hex::encode(&hash.finalize()[..8]),
            device: disk.device,
            name: disk.name,
            size: disk.size,
            holds: disk.holds,
            refused,
        }
    });
    disks.collect()
}

fn refusal(disk: &WholeDisk, used: u64, backups: Option<&str>) -> Option<String> {
    let needed = used.saturating_add(SPARE).max(SMALLEST);
    let text = if disk.device.parse::<BlockName>().is_err() {
        "it has a name that is none".to_owned()
    } else if disk.used {
        "something on it is in use".to_owned()
    } else if backups.is_some_and(|id| disk.ids.iter().any(|on| on == id)) {
        "it has the backups of this box".to_owned()
    } else if disk.read_only {
        "it is write-protected".to_owned()
    } else if disk.size < needed {
        format!(
            "it is too small: {} MB are needed",
            needed.div_ceil(1_000_000)
        )
    } else {
        return None;
    };
    Some(text)
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let about = fs::symlink_metadata(path).ok()?;
    if !about.is_file() || about.len() > SMALL {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_machine_starts_again_only_for_what_was_decided_or_not_seen() {
        let at = |phase| {
            Some(Progress {
                phase,
                done: 1,
                total: 2,
            })
        };
        let copies = at(Phase::Copies);
        for (is_asked, progress, has_looked, expected) in [
            // Asked for by a host that was ended before it could restart the machine.
            (true, None, true, Now::Restart),
            (true, None, false, Now::Wait(None)),
            (true, copies, false, Now::Wait(copies)),
            // Given up.
            (false, copies, true, Now::GoOn),
            (false, None, true, Now::GoOn),
            // Decided.
            (false, at(Phase::Restarts), false, Now::Restart),
            (true, at(Phase::Restarts), false, Now::Restart),
        ] {
            let found = decide(is_asked, progress, has_looked);
            assert_eq!(found, expected, "{is_asked} {progress:?} {has_looked}");
        }
        assert_eq!(in_words(copies), "It copies: 50 %.");
    }

    #[test]
    fn only_a_disk_that_nothing_uses_and_that_is_large_enough_is_offered() {
        let disk = WholeDisk {
            device: "sda".to_owned(),
            size: 64 << 30,
            ids: vec!["aaaa".to_owned()],
            ..WholeDisk::default()
        };
        let refused = |change: &dyn Fn(&mut WholeDisk), used, backups| {
            let mut disk = disk.clone();
            change(&mut disk);
            refusal(&disk, used, backups).unwrap_or_default()
        };
        for (change, used, backups, expected) in [
            (
                &(|_: &mut WholeDisk| {}) as &dyn Fn(&mut WholeDisk),
                1 << 30,
                None,
                "",
            ),
            (&|_| {}, 64 << 30, None, "too small"),
            (&|_| {}, 1 << 30, Some("aaaa"), "has the backups"),
            (&|_| {}, 1 << 30, Some("bbbb"), ""),
            (&|disk| disk.used = true, 1 << 30, None, "in use"),
            (
                &|disk| disk.read_only = true,
                1 << 30,
                None,
                "write-protected",
            ),
            (&|disk| disk.size = 100 << 20, 0, None, "too small"),
            (&|disk| disk.device = "../mem".to_owned(), 0, None, "name"),
        ] {
            let found = refused(change, used, backups);
            assert!(
                found.contains(expected) && found.is_empty() == expected.is_empty(),
                "{expected}: {found}"
            );
        }
    }

    #[test]
    fn a_disk_is_chosen_by_what_is_on_it() {
        let list = |label: &str| {
            let part = json!({ "kname": "sda1", "type": "part", "size": 1_u64 << 35, "ro": false, "fstype": "vfat",
                "label": label, "uuid": "AAAA-BBBB", "mountpoints": [null] });
            let device = json!({ "kname": "sda", "type": "disk", "size": 1_u64 << 35, "ro": false, "vendor": "ACME",
                "model": "Stick", "mountpoints": [null], "children": [part] });
            let root = json!({ "kname": "mmcblk0", "type": "disk", "size": 1_u64 << 35, "ro": false, "mountpoints": ["/"] });
            let listed = json!({ "blockdevices": [device, root] });
            disks(&serde_json::from_value(listed).unwrap(), 0, None)
        };
        let [one] = list("ONE").try_into().unwrap();
        assert_eq!(
            (
                one.device.as_str(),
                one.name.as_str(),
                one.refused.as_deref()
            ),
            ("sda", "ACME Stick", None)
        );
        assert_eq!(one.holds, ["vfat \"ONE\""]);
        assert_ne!(one.id, list("TWO")[0].id);
        assert_eq!(one.id, list("ONE")[0].id);
    }
}
