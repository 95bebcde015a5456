//! Backups without a machine around them: what is restored is what was stored, Debian's `restic`
//! agrees, and damage, kills and full disks cost nothing that was whole.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

#[path = "safety/session.rs"]
mod session;
#[path = "safety/tree.rs"]
mod tree;

use atek_tests::skip;
use serde_json::json;
use session::{PASSWORD, Session, open, restic, restored, state};
use std::fs;
use std::path::{Path, PathBuf};
use tree::{Chance, assert_same, change, describe};

/// A machine with one app, and a disk.
fn machine() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (root, disk) = (folder.path().join("root"), folder.path().join("disk"));
    fs::create_dir_all(root.join("var/lib/atek/packages/k1/versions/v1")).unwrap();
    fs::write(
        root.join("var/lib/atek/packages/k1/versions/v1/app.js"),
        "app",
    )
    .unwrap();
    fs::write(root.join("var/lib/atek/config.json"), "{}").unwrap();
    fs::write(root.join("var/lib/atek/claim-code"), "secret").unwrap();
    fs::create_dir_all(state(&root, "k1")).unwrap();
    fs::create_dir_all(&disk).unwrap();
    (folder, root, disk)
}

/// The largest file below a folder.
fn largest(folder: &Path) -> PathBuf {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort_by_key(|path| path.metadata().unwrap().len());
    found.pop().unwrap()
}

const PARTS: [&str; 3] = ["state:k1", "package:k1:v1", "host"];

fn has_restic() -> bool {
    let found = std::process::Command::new("restic")
        .arg("version")
        .output()
        .is_ok();
    if !found {
        skip("Debian's restic is not installed");
    }
    found
}

#[test]
fn what_is_restored_is_what_was_stored_and_restic_agrees() {
    if !has_restic() {
        return;
    }
    for seed in 0..4 {
        let (_folder, root, disk) = machine();
        let mut chance = Chance::new(seed);
        let mut expected = Vec::new();
        for run in ["20260101T000000Z", "20260102T000000Z", "20260103T000000Z"] {
            change(&state(&root, "k1"), &mut chance, 60);
            Session::open(&root, &disk).back_up(run, &PARTS);
            expected.push((run, describe(&state(&root, "k1"))));
        }
        let (fine, said) = restic(&disk, &["check", "--read-data"]);
        assert!(fine, "seed {seed}: {said}");
        // Everything is lost but the disk.
        fs::remove_dir_all(&root).unwrap();
        fs::create_dir_all(&root).unwrap();
        let mut session = Session::open(&root, &disk);
        for (run, expected) in &expected {
            let restore = json!({"request": "restore", "run": run, "part": "state:k1"});
            let answer = session.ask(restore);
            assert_eq!(answer["event"], "restored", "seed {seed}: {answer}");
            assert_same(expected, &describe(&restored(&root, "k1")));
        }
        drop(session);
        restore_with_restic(&root, &disk, &expected[2].1);
    }
}

fn restore_with_restic(
    root: &Path,
    disk: &Path,
    expected: &std::collections::BTreeMap<Vec<u8>, String>,
) {
    let by_restic = root.join("by-restic");
    let place = by_restic.to_str().unwrap();
    let arguments = [
        "restore",
        "latest",
        "--tag",
        "part:state:k1",
        "--target",
        place,
    ];
    let (fine, said) = restic(disk, &arguments);
    assert!(fine, "{said}");
    // Older versions of restic restore each name of a file as a file, and no holes.
    let plain = |line: &String| line.split(" same as").next().unwrap().to_owned();
    let plain = |all: &std::collections::BTreeMap<Vec<u8>, String>| {
        all.iter()
            .map(|(name, line)| (name.clone(), plain(line)))
            .collect()
    };
    assert_same(&plain(expected), &plain(&describe(&by_restic)));
}

#[test]
fn wrong_words_open_nothing_and_change_nothing() {
    let (_folder, root, disk) = machine();
    let mut session = Session::start(&root);
    let answer = session.ask(open(&disk, PASSWORD, false));
    assert_eq!(answer["code"], "noBackup", "{answer}");
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0);
    let gone = disk.join("unplugged");
    let answer = session.ask(open(&gone, PASSWORD, true));
    assert_eq!(answer["code"], "noTarget", "{answer}");
    assert!(!gone.exists());
    drop(session);
    Session::open(&root, &disk).back_up("20260101T000000Z", &PARTS);
    let before = describe(&disk);
    for create in [false, true] {
        let wrong = PASSWORD.replace('0', "1");
        let answer = Session::start(&root).ask(open(&disk, &wrong, create));
        assert_eq!(answer["code"], "password", "{answer}");
    }
    let same = |tree: &std::collections::BTreeMap<Vec<u8>, String>| -> Vec<Vec<u8>> {
        tree.keys().cloned().collect()
    };
    assert_eq!(same(&before), same(&describe(&disk)));
}

#[test]
fn a_target_of_a_random_password_is_opened_by_the_words_from_then_on() {
    let (_folder, root, disk) = machine();
    let mut session = Session::start(&root);
    let random = "f".repeat(64);
    let opened = session.ask(open(&disk, &random, true));
    assert_eq!(opened["event"], "opened", "{opened}");
    session.back_up("20260101T000000Z", &PARTS);
    drop(session);
    // A wrong one beside it opens nothing.
    let with = |password: &str, older: &str| {
        let mut request = open(&disk, password, false);
        request["older"] = json!(older);
        request
    };
    let wrong = "e".repeat(64);
    let answer = Session::start(&root).ask(with(PASSWORD, &wrong));
    assert_eq!(answer["code"], "password", "{answer}");
    let mut session = Session::start(&root);
    let opened = session.ask(with(PASSWORD, &random));
    assert_eq!(opened["event"], "opened", "{opened}");
    session.back_up("20260102T000000Z", &PARTS);
    drop(session);
    // Both do, and Debian's restic reads everything with what follows from the words.
    for password in [PASSWORD, &random] {
        let mut session = Session::start(&root);
        let opened = session.ask(open(&disk, password, false));
        assert_eq!(opened["event"], "opened", "{opened}");
        assert_eq!(session.whole_runs().len(), 2);
    }
    if has_restic() {
        let (fine, said) = restic(&disk, &["check", "--read-data"]);
        assert!(fine, "{said}");
    }
}

#[test]
fn two_jobs_do_not_use_a_target_at_once() {
    let (_folder, root, disk) = machine();
    let mut first = Session::open(&root, &disk);
    let answer = Session::start(&root).ask(open(&disk, PASSWORD, true));
    assert_eq!(answer["code"], "busy", "{answer}");
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    // What a kill leaves is in no one's way.
    Session::open(&root, &disk).back_up("20260101T000000Z", &PARTS);
}

#[test]
fn a_flipped_bit_and_a_pack_cut_short_are_found_and_never_restored() {
    for cut in [false, true] {
        let (_folder, root, disk) = machine();
        let content = Chance::new(9).bytes(300_000);
        fs::write(state(&root, "k1").join("file"), &content).unwrap();
        Session::open(&root, &disk).back_up("20260101T000000Z", &PARTS);
        let pack = largest(&disk.join("atek-backup/data"));
        let mut bytes = fs::read(&pack).unwrap();
        match cut {
            true => bytes.truncate(100_000),
            false => bytes[150_000] ^= 1,
        }
        fs::write(&pack, bytes).unwrap();
        let mut session = Session::open(&root, &disk);
        let checked = session.ask(json!({"request": "check", "read": true}));
        let problems = checked["problems"].as_array().unwrap();
        assert!(!problems.is_empty(), "cut {cut}: {checked}");
        let restore = json!({"request": "restore", "run": "20260101T000000Z", "part": "state:k1"});
        let answer = session.ask(restore);
        assert_eq!(answer["event"], "failed", "cut {cut}: {answer}");
        assert!(!restored(&root, "k1").exists(), "cut {cut}");
    }
}

#[test]
fn a_backup_of_a_file_that_cannot_be_read_is_no_backup() {
    let (_folder, root, disk) = machine();
    let mut session = Session::open(&root, &disk);
    let store =
        json!({"request": "store", "run": "20260101T000000Z", "part": "state:k2", "prove": 1});
    let answer = session.ask(store);
    assert_eq!(answer["code"], "source", "{answer}");
    assert!(session.whole_runs().is_empty());
}

#[test]
fn old_runs_are_removed_with_what_only_they_held() {
    let (_folder, root, disk) = machine();
    let mut session = Session::open(&root, &disk);
    let mut chance = Chance::new(5);
    let runs: Vec<String> = (1..=5).map(|day| format!("2026010{day}T000000Z")).collect();
    for run in &runs {
        fs::write(state(&root, "k1").join("file"), chance.bytes(2_000_000)).unwrap();
        session.back_up(run, &PARTS);
    }
    // A run that was cut off before the last is given up.
    let cut = "20260103T120000Z";
    session.ask(json!({"request": "store", "run": cut, "part": "state:k1", "prove": 0}));
    let size = || {
        let all = describe(&disk);
        all.len()
    };
    let before = size();
    let retention = json!({"hourly": 0, "daily": 2, "weekly": 0});
    let tidied = session.ask(json!({"request": "tidy", "retention": retention, "now": runs[4]}));
    assert_eq!(tidied["removed"].as_array().unwrap().len(), 3, "{tidied}");
    assert!(size() < before);
    // The newest three are kept whatever the rule is.
    let kept = [runs[4].clone(), runs[3].clone(), runs[2].clone()];
    assert_eq!(session.whole_runs(), kept);
    let checked = session.ask(json!({"request": "check", "read": true}));
    assert_eq!(checked["problems"], json!([]), "{checked}");
    let answer = session.ask(json!({"request": "restore", "run": runs[4], "part": "state:k1"}));
    assert_eq!(answer["event"], "restored", "{answer}");
    // The clock jumped ahead and back again: nothing is removed because of it.
    session.back_up("20990101T000000Z", &PARTS);
    let tidied = session.ask(json!({"request": "tidy", "retention": retention, "now": runs[4]}));
    assert_eq!(tidied["removed"], json!([]), "{tidied}");
}

#[test]
fn a_kill_at_any_moment_leaves_what_was_whole() {
    let (_folder, root, disk) = machine();
    let mut chance = Chance::new(77);
    change(&state(&root, "k1"), &mut chance, 60);
    Session::open(&root, &disk).back_up("20250101T000000Z", &PARTS);
    let expected = describe(&state(&root, "k1"));
    let kills: u64 = std::env::var("ATEK_KILLS").map_or(20, |text| text.parse().unwrap());
    for kill in 0..kills {
        fs::write(state(&root, "k1").join("more"), chance.bytes(3_000_000)).unwrap();
        let run = format!("20260101T{:02}{:02}00Z", kill / 60, kill % 60);
        let mut session = Session::open(&root, &disk);
        let retention = json!({"hourly": 0, "daily": 0, "weekly": 500});
        for part in PARTS {
            session.send(&json!({"request": "store", "run": run, "part": part, "prove": 5}));
        }
        session.send(&json!({"request": "finish", "run": run, "manifest": {}}));
        session.send(&json!({"request": "tidy", "retention": retention, "now": run}));
        session.send(&json!({"request": "restore", "run": run, "part": "state:k1"}));
        // The length of the whole is about a second in a debug build.
        let moment = std::time::Duration::from_millis(chance.below(1_200));
        std::thread::sleep(moment);
        session.child.kill().unwrap();
        session.child.wait().unwrap();
        drop(session);
        let mut session = Session::open(&root, &disk);
        assert!(
            session
                .whole_runs()
                .contains(&"20250101T000000Z".to_owned()),
            "kill {kill}"
        );
        let checked = session.ask(json!({"request": "check", "read": kill % 10 == 9}));
        assert_eq!(
            checked["problems"],
            json!([]),
            "kill {kill} after {moment:?}"
        );
    }
    let mut session = Session::open(&root, &disk);
    let answer =
        session.ask(json!({"request": "restore", "run": "20250101T000000Z", "part": "state:k1"}));
    assert_eq!(answer["event"], "restored", "{answer}");
    assert_same(&expected, &describe(&restored(&root, "k1")));
    drop(session);
    if has_restic() {
        let (fine, said) = restic(&disk, &["check", "--read-data"]);
        assert!(fine, "{said}");
    }
}

/// A unit of a backup has 768 MiB, and a person's pictures or a database are more.
#[test]
fn a_large_app_is_restored_with_the_memory_of_a_small_one() {
    const MOST: u64 = 256 << 10;
    let (_folder, root, disk) = machine();
    let files = state(&root, "k1");
    let mut chance = Chance::new(11);
    for nth in 0..3 {
        fs::write(
            files.join(format!("pictures-{nth}")),
            chance.bytes(60_000_000),
        )
        .unwrap();
    }
    // Ten times as much as it is on the target.
    let rows: String = (0..12_000_000).map(|row| format!("{row:016}\n")).collect();
    fs::write(files.join("database"), rows).unwrap();
    let stored = describe(&files);
    let mut session = Session::open(&root, &disk);
    session.back_up("20260101T000000Z", &["state:k1"]);
    drop(session);

    let mut session = Session::open(&root, &disk);
    let restore = json!({"request": "restore", "run": "20260101T000000Z", "part": "state:k1"});
    let answer = session.ask(restore);
    assert_eq!(answer["event"], "restored", "{answer}");
    let status = format!("/proc/{}/status", session.child.id());
    let status = fs::read_to_string(status).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let most = most.unwrap().trim().trim_end_matches(" kB");
    assert!(most.parse::<u64>().unwrap() < MOST, "{most} KiB");
    drop(session);
    assert_same(&stored, &describe(&restored(&root, "k1")));
}
