//! Disks and cards that fail, or are about to: what the kernel says of them, and whether a file can
//! be written.

use atek_api::backup::{TARGET_FOLDER, Target};
use atek_api::system::{StorageProblem, StorageTrouble};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Tenths of its life that a card has used when people are told: 90 % and more.
const WORN: u32 = 9;
/// Devices that are looked at.
const MOST: usize = 100;
const TEST_FILE: &str = ".write-test";
/// What disks have said of themselves, below the root.
const SAID: &str = "run/atek-disk-health/problems.json";
const MAX_SAID: u64 = 64 * 1024;

/// Everything that the kernel and the disks say is wrong now. Writes nothing: pages ask it every
/// few seconds. `root` is `/`, for tests another folder; `failed` has how many reads and writes of
/// a disk the kernel has logged as failed. Blocks for as long as the disk does.
#[must_use]
pub fn problems(
    root: &Path,
    state: &Path,
    backups: Option<&Target>,
    failed: &BTreeMap<String, u64>,
) -> Vec<StorageProblem> {
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    let mut found = Vec::new();
    let data = mount_of(&mounts, state);
    if has_vanished(root, &data) {
        found.push(problem(
            StorageTrouble::Gone,
            state.display().to_string(),
            "the disk with apps and data is not there any more: nothing is saved. Turn the box off, look at the disk's cable and power, and turn it on again",
        ));
    }
    if data.read_only {
        found.push(problem(
            StorageTrouble::ReadOnly,
            state.display().to_string(),
            "nothing can be saved any more: the kernel has made the disk with apps and data read-only, as it does after errors. Make a backup if that still works, and restore it on another card",
        ));
    }
    found.extend(file_system_errors(root));
    found.extend(devices(root));
    found.extend(of_themselves(root));
    found.extend(logged(failed, &found));
    if let Some(Target::Folder { path }) = backups
        && !path.join(TARGET_FOLDER).is_dir()
    {
        found.push(problem(
            StorageTrouble::Gone,
            path.display().to_string(),
            "the disk of the backups is not there: plug it in, or set another with atek backup target DISK",
        ));
    }
    found
}

/// Why a file cannot be written to the disk now, if it cannot. Each call costs the card some
/// kilobytes.
#[must_use]
pub fn write_problem(state: &Path) -> Option<StorageProblem> {
    let error = write_test(state).err()?;
    let text = format!(
        "a test file could not be written ({error}): free some room, or move to another card"
    );
    let disk = state.display().to_string();
    Some(problem(StorageTrouble::NoWrites, disk, &text))
}

fn problem(kind: StorageTrouble, disk: String, text: &str) -> StorageProblem {
    StorageProblem {
        kind,
        disk,
        text: text.to_owned(),
    }
}

/// A file system, as a line of `mountinfo` has it (proc(5)).
#[derive(Debug, Default, PartialEq, Eq)]
struct Mount<'a> {
    /// The numbers of its device, `8:1`; `0:` and another one where it is on none.
    device: &'a str,
    /// Whether it is so as a whole: a mount may be so for this process alone.
    read_only: bool,
}

/// The file system that holds a path.
fn mount_of<'a>(mounts: &'a str, path: &Path) -> Mount<'a> {
    let mut best = (0, Mount::default());
    for line in mounts.lines() {
        let Some((mount, rest)) = line.split_once(" - ") else {
            continue;
        };
        let mut fields = mount.split(' ').skip(2);
        let (Some(device), Some(point)) = (fields.next(), fields.nth(1)) else {
            continue;
        };
        let options = rest.split(' ').nth(2).unwrap_or_default();
        if path.starts_with(point) && point.len() >= best.0 {
            let read_only = options.split(',').any(|option| option == "ro");
            best = (point.len(), Mount { device, read_only });
        }
    }
    best.1
}

/// Whether the device of a file system is not there any more: a disk that was unplugged, or that
/// the kernel has given up.
fn has_vanished(root: &Path, mount: &Mount<'_>) -> bool {
    let is_device = mount.device.contains(':') && !mount.device.starts_with("0:");
    let devices = root.join("sys/dev/block");
    is_device && devices.is_dir() && !devices.join(mount.device).exists()
}

/// Writes a file, has it on the disk, and removes it.
fn write_test(folder: &Path) -> io::Result<()> {
    let path = folder.join(TEST_FILE);
    let written = fs::File::create(&path).and_then(|mut file| {
        file.write_all(b"test")?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn number(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.take(MOST).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Errors that ext4 has counted since the last check of the file system.
fn file_system_errors(root: &Path) -> Vec<StorageProblem> {
    let counted = entries(&root.join("sys/fs/ext4")).into_iter().filter_map(|disk| {
        let count = number(&disk.join("errors_count")).filter(|count| *count > 0)?;
        let text = format!(
            "its file system has met {count} errors: make a backup, and restore it on another disk"
        );
        Some(problem(StorageTrouble::Errors, name(&disk), &text))
    });
    counted.collect()
}

/// What cards and disks count themselves.
fn devices(root: &Path) -> Vec<StorageProblem> {
    let mut found = Vec::new();
    for disk in entries(&root.join("sys/block")) {
        let device = disk.join("device");
        // JEDEC eMMC 5: the life that is used, in tenths, of two kinds of memory.
        let life = fs::read_to_string(device.join("life_time")).unwrap_or_default();
        let used = life
            .split_whitespace()
            .filter_map(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
        // 1: normal, 2: 80 % of the spare blocks are used, 3: nearly all.
        let spare = number(&device.join("pre_eol_info")).unwrap_or(0);
        match (used.max().unwrap_or(0), spare) {
            (11.., _) | (_, 3) => found.push(problem(
                StorageTrouble::Worn,
                name(&disk),
                "its memory is used up: move to another card before it fails",
            )),
            (used @ WORN.., _) => {
                let text = format!(
                    "{} % of its life are used: plan to move to another card",
                    used.min(10) * 10
                );
                found.push(problem(StorageTrouble::Worn, name(&disk), &text));
            }
            (_, 2) => found.push(problem(
                StorageTrouble::Worn,
                name(&disk),
                "most of its spare memory is used: plan to move to another card",
            )),
            _ => {}
        }
        // The kernel uses a SCSI or USB disk no more once it does not answer.
        let state = fs::read_to_string(device.join("state")).unwrap_or_default();
        if state.trim() == "offline" {
            found.push(problem(
                StorageTrouble::Errors,
                name(&disk),
                "it does not answer any more, and nothing on it can be used: look at its cable and power, and plug it in again",
            ));
        }
        // SCSI and USB disks count failed commands.
        if let Some(errors) = number(&device.join("ioerr_cnt")).filter(|count| *count > SOME_ERRORS)
        {
            let text =
                format!("{errors} reads or writes have failed: check its cable, and make a backup");
            found.push(problem(StorageTrouble::Errors, name(&disk), &text));
        }
    }
    found
}

/// What disks say of themselves, as `atek-disk-health.service` has asked them last.
fn of_themselves(root: &Path) -> Vec<StorageProblem> {
    let Ok(file) = fs::File::open(root.join(SAID)) else {
        return Vec::new();
    };
    let mut text = String::new();
    if file.take(MAX_SAID).read_to_string(&mut text).is_err() {
        return Vec::new();
    }
    let said: Vec<StorageProblem> = serde_json::from_str(&text).unwrap_or_default();
    let is_there = |disk: &str| root.join("sys/block").join(disk).exists();
    said.into_iter()
        .filter(|problem| is_there(&problem.disk))
        .collect()
}

/// Reads and writes that the kernel has logged as failed, of disks that are not told of already.
fn logged(failed: &BTreeMap<String, u64>, told: &[StorageProblem]) -> Vec<StorageProblem> {
    let is_told = |disk: &str| {
        told.iter()
            .any(|problem| problem.disk == disk && problem.kind == StorageTrouble::Errors)
    };
    let new = failed.iter().filter(|(disk, _)| !is_told(disk));
    new.map(|(disk, count)| {
        let text = format!(
            "{count} reads or writes have failed since the box was started: check its cable, make a backup to another disk, and replace it if more fail"
        );
        problem(StorageTrouble::Errors, disk.clone(), &text)
    })
    .collect()
}

/// Failed commands that are ordinary: a reader is asked for things that it does not know.
const SOME_ERRORS: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn kinds(root: &Path, state: &Path, target: Option<&Target>) -> Vec<(StorageTrouble, String)> {
        let found = problems(root, state, target, &BTreeMap::new());
        found
            .into_iter()
            .map(|problem| (problem.kind, problem.disk))
            .collect()
    }

    #[test]
    fn a_healthy_box_has_no_problem_and_no_test_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (root, state) = (folder.path().join("root"), folder.path().join("state"));
        fs::create_dir_all(&state).unwrap();
        put(&root, "sys/block/mmcblk0/device/life_time", "0x01 0x02\n");
        put(&root, "sys/block/mmcblk0/device/pre_eol_info", "0x01\n");
        put(&root, "sys/block/sda/device/ioerr_cnt", "0x3\n");
        put(&root, "sys/fs/ext4/mmcblk0p3/errors_count", "0\n");
        put(
            &root,
            "proc/self/mountinfo",
            "1 1 8:1 / / rw - ext4 /dev/a rw\n",
        );
        let target = Target::Folder {
            path: folder.path().to_owned(),
        };
        fs::create_dir(folder.path().join(TARGET_FOLDER)).unwrap();
        assert_eq!(kinds(&root, &state, Some(&target)), []);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
        assert_eq!(write_problem(&state), None);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
    }

    #[test]
    fn what_fails_is_told_with_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        put(&root, "sys/block/mmcblk0/device/life_time", "0x09 0x0b\n");
        put(&root, "sys/block/mmcblk1/device/life_time", "0x09 0x01\n");
        put(&root, "sys/block/mmcblk2/device/pre_eol_info", "0x02\n");
        put(&root, "sys/block/sda/device/ioerr_cnt", "0x40\n");
        put(&root, "sys/fs/ext4/mmcblk0p3/errors_count", "7\n");
        let target = Target::Folder {
            path: "/mnt/unplugged".into(),
        };
        let gone = folder.path().join("no state");
        let unwritable = write_problem(&gone).unwrap();
        assert_eq!(unwritable.kind, StorageTrouble::NoWrites);
        let found = kinds(&root, &gone, Some(&target));
        let expected = [
            (StorageTrouble::Errors, "mmcblk0p3".to_owned()),
            (StorageTrouble::Worn, "mmcblk0".to_owned()),
            (StorageTrouble::Worn, "mmcblk1".to_owned()),
            (StorageTrouble::Worn, "mmcblk2".to_owned()),
            (StorageTrouble::Errors, "sda".to_owned()),
            (StorageTrouble::Gone, "/mnt/unplugged".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_disks_say_of_themselves_and_what_the_kernel_logs_is_told_once_for_each() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for disk in ["nvme0n1", "sda", "sdb"] {
            put(root, &format!("sys/block/{disk}/device/model"), "disk\n");
        }
        put(root, "sys/block/sda/device/ioerr_cnt", "0x40\n");
        let failed = [("sda".to_owned(), 64), ("sdb".to_owned(), 1)].into();
        let told = |said: &str| {
            put(root, SAID, said);
            let found = problems(root, Path::new("/var/lib/atek"), None, &failed);
            let short = found.into_iter().map(|told| (told.kind, told.disk));
            short.collect::<Vec<_>>()
        };
        let errors = |disk: &str| (StorageTrouble::Errors, disk.to_owned());
        let worn = (StorageTrouble::Worn, "nvme0n1".to_owned());
        // The last one is not plugged in any more.
        let said = r#"[{ "kind": "worn", "disk": "nvme0n1", "text": "its spare memory is used up" },
            { "kind": "worn", "disk": "nvme1n1", "text": "its spare memory is used up" }]"#;
        assert_eq!(told(said), [errors("sda"), worn, errors("sdb")]);
        for nothing in ["", "[]", "{}", "[{}]", "half a li"] {
            assert_eq!(told(nothing), [errors("sda"), errors("sdb")], "{nothing}");
        }
    }

    #[test]
    fn a_disk_that_the_kernel_made_read_only_is_told_from_a_mount_that_is() {
        let state = Path::new("/var/lib/atek");
        let mounts = |line: &str| format!("1 1 8:1 / / ro - ext4 /dev/a rw\n{line}\nbroken line");
        for (line, read_only, device) in [
            ("2 1 8:2 / /var ro - ext4 /dev/b rw", false, "8:2"),
            (
                "2 1 8:2 / /var rw - ext4 /dev/b ro,errors=remount-ro",
                true,
                "8:2",
            ),
            ("2 1 8:2 / /var/li rw - ext4 /dev/b ro", false, "8:1"),
            ("2 1 8:2 /", false, "8:1"),
        ] {
            assert_eq!(
                mount_of(&mounts(line), state),
                Mount { device, read_only },
                "{line}"
            );
        }
        assert_eq!(mount_of("", state), Mount::default());
    }

    #[test]
    fn a_disk_that_was_unplugged_while_it_was_used_is_told_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let gone = |device: &str| {
            let read_only = false;
            has_vanished(root, &Mount { device, read_only })
        };
        assert!(!gone("8:1"), "a kernel that lists no devices");
        put(root, "sys/dev/block/8:1/dev", "8:1\n");
        for (device, expected) in [("8:1", false), ("8:2", true), ("0:42", false), ("", false)] {
            assert_eq!(gone(device), expected, "{device}");
        }
        put(root, "sys/block/sda/device/state", "running\n");
        put(root, "sys/block/sdb/device/state", "offline\n");
        put(
            root,
            "proc/self/mountinfo",
            "1 1 8:2 / / rw - ext4 /dev/a rw\n",
        );
        let state = Path::new("/var/lib/atek");
        let expected = [
            (StorageTrouble::Gone, "/var/lib/atek".to_owned()),
            (StorageTrouble::Errors, "sdb".to_owned()),
        ];
        assert_eq!(kinds(root, state, None), expected);
    }
}
