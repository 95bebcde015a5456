//! Backups beside Debian's `restic`: the same files, the same disk, the same format.
//!
//! Prints figures; fails only when something cannot be measured. Run with `./tests/run bench`.
//! `ATEK_BENCH_MB` is how many megabytes (5,000), in ten times as many files.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

#[allow(dead_code, reason = "the safety suite uses the rest")]
#[path = "safety/session.rs"]
mod session;
#[allow(dead_code, reason = "only its numbers by chance are used here")]
#[path = "safety/tree.rs"]
mod tree;

use atek_tests::skip;
use serde_json::json;
use session::{PASSWORD, Session, state};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tree::Chance;

/// The most memory that a process has had, in MiB.
fn most_memory(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Runs restic to its end; how long it took, and the most memory that it had.
fn restic(repository: &Path, arguments: &[&str], folder: &Path) -> (Duration, u64) {
    let begun = Instant::now();
    let mut child = Command::new("restic")
        .args(["--no-cache", "--quiet", "--repo"])
        .arg(repository)
        .args(arguments)
        .current_dir(folder)
        .env("RESTIC_PASSWORD", PASSWORD)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    loop {
        // Its figure is gone with it, so it is looked at while it runs.
        most = most.max(most_memory(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "restic {arguments:?}: {status}");
            return (begun.elapsed(), most);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn fill(folder: &Path, files: u64, bytes: usize, chance: &mut Chance) {
    for nth in 0..files {
        let parent = folder.join(format!("{}/{}", nth % 50, nth / 50 % 50));
        fs::create_dir_all(&parent).unwrap();
        fs::write(parent.join(nth.to_string()), chance.bytes(bytes)).unwrap();
    }
}

fn line(what: &str, ours: (Duration, u64), theirs: (Duration, u64)) {
    let ratio = ours.0.as_secs_f64() / theirs.0.as_secs_f64();
    println!(
        "figure: {what}: atek-backup {:.1?} {} MiB, restic {:.1?} {} MiB, ratio {ratio:.2}",
        ours.0, ours.1, theirs.0, theirs.1
    );
}

#[test]
fn backups_beside_restic() {
    if Command::new("restic").arg("version").output().is_err() {
        skip("Debian's restic is not installed");
        return;
    }
    let megabytes: u64 = std::env::var("ATEK_BENCH_MB").map_or(5_000, |text| text.parse().unwrap());
    let folder = tempfile::tempdir_in(atek_tests::paths::cache()).unwrap();
    let at = |name: &str| folder.path().join(name);
    let (root, disk) = (at("root"), at("disk"));
    let (files, theirs) = (state(&root, "k1"), at("restic"));
    for path in [&files, &disk] {
        fs::create_dir_all(path).unwrap();
    }
    let mut chance = Chance::new(3);
    fill(&files, megabytes * 10, 100_000, &mut chance);
    restic(&theirs, &["init"], folder.path());
    for (run, what) in [
        ("20260101T000000Z", "first backup"),
        ("20260102T000000Z", "nothing changed"),
        ("20260103T000000Z", "1 % changed"),
    ] {
        if what == "1 % changed" {
            fill(&files, megabytes.div_ceil(10), 100_000, &mut chance);
        }
        let begun = Instant::now();
        let mut session = Session::open(&root, &disk);
        session.back_up(run, &["state:k1"]);
        let ours = (begun.elapsed(), most_memory(session.child.id()));
        drop(session);
        // A copy has new times of change: both read everything.
        let arguments = ["backup", "--force", "."];
        line(what, ours, restic(&theirs, &arguments, &files));
    }
    // At most three times the files are on the disk at one time.
    fs::remove_dir_all(&files).unwrap();
    let begun = Instant::now();
    let mut session = Session::open(&root, &disk);
    let restore = json!({"request": "restore", "run": "20260103T000000Z", "part": "state:k1"});
    let answer = session.ask(restore);
    assert_eq!(answer["event"], "restored", "{answer}");
    let ours = (begun.elapsed(), most_memory(session.child.id()));
    drop(session);
    fs::remove_dir_all(&root).unwrap();
    let place = at("by-restic");
    let arguments = ["restore", "latest", "--target", place.to_str().unwrap()];
    line("restore", ours, restic(&theirs, &arguments, folder.path()));
}
