//! The story of a trial, below a folder that stands for the box.

use super::*;
use std::fs;

fn booted_from(selector: &str, command_line: &str) -> (Root, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    for path in ["/boot", "/proc"] {
        fs::create_dir_all(root.at(path)).unwrap();
    }
    fs::write(root.at("/boot/autoboot.txt"), selector).unwrap();
    fs::write(root.at("/proc/cmdline"), command_line).unwrap();
    (root, folder)
}

fn selector(root: &Root) -> String {
    fs::read_to_string(root.at("/boot/autoboot.txt")).unwrap()
}

const A: &str = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
const B: &str = "[all]\ntryboot_a_b=1\nboot_partition=3\n[tryboot]\nboot_partition=2\n";

#[test]
fn a_good_boot_on_trial_is_kept_and_the_old_slot_is_the_other_one() {
    let (root, _folder) = booted_from(A, "atek.slot=b");
    keep(&root).unwrap();
    assert_eq!(selector(&root), B);
    keep(&root).unwrap();
    assert_eq!(selector(&root), B);
    assert!(!is_on_trial(&root).unwrap());
}

#[test]
fn a_boot_from_the_slot_in_use_writes_nothing() {
    let by_hand = format!("# mine\n{A}");
    let (root, _folder) = booted_from(&by_hand, "atek.slot=a");
    keep(&root).unwrap();
    assert_eq!(selector(&root), by_hand);
}

#[test]
fn only_a_slot_on_trial_that_nobody_kept_is_given_up() {
    let (root, _folder) = booted_from(A, "atek.slot=b");
    assert!(is_on_trial(&root).unwrap());
    assert_eq!(selector(&root), A, "looking changes nothing");
    // What the firmware does at the next start: the slot in use, which is never given up.
    fs::write(root.at("/proc/cmdline"), "atek.slot=a").unwrap();
    assert!(!is_on_trial(&root).unwrap());
}

#[test]
fn the_firmware_is_believed_before_the_command_line() {
    let (root, _folder) = booted_from(A, "atek.slot=a");
    let chosen = root.at("/proc/device-tree/chosen/bootloader");
    fs::create_dir_all(&chosen).unwrap();
    fs::write(chosen.join("partition"), [0, 0, 0, 3]).unwrap();
    keep(&root).unwrap();
    assert_eq!(selector(&root), B);
}

#[test]
fn doubt_writes_nothing() {
    for (text, line) in [
        (A, "quiet"),
        ("garbage", "atek.slot=b"),
        (
            "[all]\nboot_partition=7\n[tryboot]\nboot_partition=8\n",
            "atek.slot=b",
        ),
    ] {
        let (root, _folder) = booted_from(text, line);
        assert!(keep(&root).is_err(), "{text} {line}");
        assert!(is_on_trial(&root).is_err(), "{text} {line}");
        assert_eq!(selector(&root), text);
    }
}

#[test]
fn a_board_without_slots_is_fine() {
    let (root, _folder) = booted_from(A, "");
    fs::remove_file(root.at("/boot/autoboot.txt")).unwrap();
    keep(&root).unwrap();
    assert!(!is_on_trial(&root).unwrap());
}
