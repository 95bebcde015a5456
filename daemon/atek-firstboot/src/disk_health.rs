//! `disk-health`: what disks say of their own health (SMART), for atekd, which may not ask them.
//!
//! Debian's `smartctl` asks; what it answers is judged here. `/run/atek-disk-health/problems.json`
//! has a list of problems in the form of atekd's API, empty while all is well. eMMC and SD cards
//! are left out: the kernel tells of them without rights.

use crate::fsutil::{self, Root};
use crate::say;
use atek_api::system::{StorageProblem, StorageTrouble};
use atek_files::FileError;
use serde::Deserialize;
use std::fs;
use std::process::{Command, Stdio};

/// Where the kernel lists the disks.
const DISKS: &str = "/sys/block";
const SMARTCTL: &str = "/usr/sbin/smartctl";
const FOLDER: &str = "/run/atek-disk-health";
const PROBLEMS: &str = "/run/atek-disk-health/problems.json";
/// Disks that are asked.
const MOST: usize = 32;
/// Kinds of devices that keep such a record.
const KINDS: [&str; 2] = ["sd", "nvme"];
/// Per cent of its life when people are told.
const WORN: u64 = 90;

/// The answer of `smartctl --json`, as far as it is judged. What a disk does not say is missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    smart_status: Status,
    nvme_smart_health_information_log: Nvme,
    ata_smart_attributes: Attributes,
    endurance_used: Used,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    passed: Option<bool>,
}

/// NVM Express base specification, "SMART / Health Information".
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nvme {
    critical_warning: u64,
    percentage_used: u64,
    media_errors: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attributes {
    table: Vec<Attribute>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attribute {
    id: u64,
    raw: Raw,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    value: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Used {
    current_percent: u64,
}

/// Asks every disk and writes down what is wrong.
///
/// # Errors
///
/// When the file cannot be written.
pub fn run(root: &Root) -> Result<(), FileError> {
    let mut found = Vec::new();
    for disk in disks(root) {
        if let Some(answer) = ask(&disk) {
            found.extend(judge(&disk, &answer));
        }
    }
    for problem in &found {
        say::warn(&format!("{}: {}", problem.disk, problem.text));
    }
    let text = serde_json::to_vec(&found).unwrap_or_default();
    fsutil::make_folder(&root.at(FOLDER))?;
    atek_files::write_atomic(&root.at(PROBLEMS), &text, 0o644)
}

/// Names of the disks to ask, `sda`, in order.
fn disks(root: &Root) -> Vec<String> {
    let entries = fs::read_dir(root.at(DISKS)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_asked = |name: &str| KINDS.iter().any(|kind| name.starts_with(kind));
    let mut names: Vec<String> = names
        .filter(|name| is_name(name) && is_asked(name))
        .collect();
    names.sort();
    names.truncate(MOST);
    names
}

/// What one disk answers. A disk that sleeps is not woken, and one behind a bridge that passes no
/// questions on says nothing.
fn ask(disk: &str) -> Option<Answer> {
    let asked = Command::new(SMARTCTL)
        .args(["--json=c", "--health", "--attributes", "--nocheck=standby"])
        .arg(format!("/dev/{disk}"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match asked {
        // Its exit code says what the answer says, too.
        Ok(asked) => serde_json::from_slice(&asked.stdout).ok(),
        Err(error) => {
            say::warn(&format!("{disk} cannot be asked: {error}"));
            None
        }
    }
}

/// What is wrong with a disk, in the words for a person; the worst alone.
fn judge(disk: &str, answer: &Answer) -> Option<StorageProblem> {
    let nvme = &answer.nvme_smart_health_information_log;
    let raw = |id: u64| {
        let table = &answer.ata_smart_attributes.table;
        let found = table.iter().find(|attribute| attribute.id == id);
        // Some makers keep other numbers in the upper bytes.
        found.map_or(0, |attribute| attribute.raw.value & 0xffff_ffff)
    };
    let bit = |bit: u32| nvme.critical_warning & (1 << bit) != 0;
    // Sectors that could not be read, and wait to be written again; 198: when it looked by itself.
    let lost = nvme.media_errors.max(raw(197)).max(raw(198));
    let used = nvme
        .percentage_used
        .max(answer.endurance_used.current_percent);
    let (kind, text) = if bit(3) {
        let text = "it can only be read any more, it says: make a backup to another disk, and restore it on a new one";
        (StorageTrouble::Worn, text.to_owned())
    } else if bit(0) {
        let text = "its spare memory is used up, it says: move to another disk before it fails";
        (StorageTrouble::Worn, text.to_owned())
    } else if bit(2) || bit(4) || answer.smart_status.passed == Some(false) && !only_hot(nvme) {
        let text =
            "it expects to fail soon, it says: make a backup to another disk, and replace it";
        (StorageTrouble::Errors, text.to_owned())
    } else if lost > 0 {
        let text = format!(
            "{lost} of its blocks could not be read, it says: make a backup to another disk, and replace it if they get more"
        );
        (StorageTrouble::Errors, text)
    } else if used >= WORN {
        let text = format!("{used} % of its life are used, it says: plan to move to another disk");
        (StorageTrouble::Worn, text)
    } else {
        return None;
    };
    Some(StorageProblem {
        kind,
        disk: disk.to_owned(),
        text,
    })
}

/// Whether heat is all that an NVMe disk warns of: that passes.
fn only_hot(nvme: &Nvme) -> bool {
    nvme.critical_warning == 1 << 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str) -> Option<(StorageTrouble, String)> {
        let answer: Answer = serde_json::from_str(answer).unwrap();
        judge("sda", &answer).map(|problem| (problem.kind, problem.text))
    }

    #[test]
    fn a_disk_that_is_well_or_says_nothing_is_not_told_of() {
        for answer in [
            "{}",
            r#"{"smartctl": {"exit_status": 2}, "smart_status": {"passed": true}}"#,
            r#"{"smart_status": {"passed": true}, "nvme_smart_health_information_log":
                {"critical_warning": 0, "percentage_used": 42, "media_errors": 0}}"#,
            // Too hot, for a while.
            r#"{"smart_status": {"passed": false}, "nvme_smart_health_information_log": {"critical_warning": 2}}"#,
            // A maker's other number above the count.
            r#"{"ata_smart_attributes": {"table": [{"id": 197, "raw": {"value": 4294967296}}, {"id": 5, "raw": {"value": 9}}]}}"#,
        ] {
            assert_eq!(told(answer), None, "{answer}");
        }
    }

    #[test]
    fn a_disk_that_warns_of_its_end_is_told_of_by_what_it_says() {
        for (answer, kind, words) in [
            (
                r#"{"smart_status": {"passed": false}, "nvme_smart_health_information_log": {"critical_warning": 1}}"#,
                StorageTrouble::Worn,
                "spare memory",
            ),
            (
                r#"{"nvme_smart_health_information_log": {"critical_warning": 12}}"#,
                StorageTrouble::Worn,
                "only be read",
            ),
            (
                r#"{"nvme_smart_health_information_log": {"critical_warning": 4}}"#,
                StorageTrouble::Errors,
                "fail soon",
            ),
            (
                r#"{"nvme_smart_health_information_log": {"media_errors": 3}}"#,
                StorageTrouble::Errors,
                "3 of its blocks",
            ),
            (
                r#"{"nvme_smart_health_information_log": {"percentage_used": 103}}"#,
                StorageTrouble::Worn,
                "103 %",
            ),
            (
                r#"{"smart_status": {"passed": false}}"#,
                StorageTrouble::Errors,
                "fail soon",
            ),
            (
                r#"{"ata_smart_attributes": {"table": [{"id": 198, "raw": {"value": 8}}]}}"#,
                StorageTrouble::Errors,
                "8 of its blocks",
            ),
            (
                r#"{"endurance_used": {"current_percent": 95}}"#,
                StorageTrouble::Worn,
                "95 %",
            ),
        ] {
            let (found, text) = told(answer).unwrap();
            assert_eq!(found, kind, "{answer}");
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn disks_are_asked_and_cards_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        assert_eq!(disks(&root), Vec::<String>::new());
        for name in [
            "sdb", "sda", "nvme0n1", "mmcblk0", "loop0", "dm-0", "sr0", "vda",
        ] {
            fs::create_dir_all(root.at(DISKS).join(name)).unwrap();
        }
        assert_eq!(disks(&root), ["nvme0n1", "sda", "sdb"]);
    }
}
