//! A disk without one free block: a small file system in memory, in a mount namespace of the
//! test's.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use common::{Adb, As, SYSTEM, request};
use http_body_util::Full;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const BOB: As = As("bob", "notes");
/// More than what is kept for the host (32 MiB), and little enough to be filled at once.
const SIZE: &str = "44m";

/// The disk, as long as this value.
struct Disk {
    holder: Child,
    /// Where it is mounted, for who is in the namespace.
    folder: PathBuf,
}

impl Disk {
    /// Mounts one at `folder`; `None` where that is not permitted.
    fn mounted_at(folder: &Path) -> Option<Self> {
        fs::create_dir(folder).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={SIZE},mode=700 tmpfs '{}' && echo mounted && exec cat",
            folder.display()
        );
        // Ends with its standard input, and so with the test.
        let mut holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        if line != "mounted\n" {
            holder.wait().unwrap();
            eprintln!("skipped: this user may not mount a file system");
            return None;
        }
        Some(Self {
            holder,
            folder: folder.to_owned(),
        })
    }

    /// What starts a program that sees it.
    fn wrapper(&self) -> Vec<String> {
        let mounts = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        vec!["nsenter".to_owned(), mounts]
    }

    /// A file of it, as the test sees it.
    fn path(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.folder.strip_prefix("/").unwrap()).join(name)
    }

    /// Takes every block that is free. Returns how many bytes that were.
    fn fill(&self) -> usize {
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("hog"))
            .unwrap();
        let mut taken = 0;
        for piece in [1 << 20, 4096] {
            let bytes = vec![7; piece];
            while let Ok(count) = file.write(&bytes) {
                taken += count;
            }
        }
        taken
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

async fn put(adb: &Adb, who: As, db: &str, key: &str, bytes: usize) -> common::Answer {
    let value = json!({ "text": "x".repeat(bytes) });
    adb.call(who, "recordPut", json!([db, key, value])).await
}

/// Whether an answer says that the disk is full, in words and for programs.
fn is_full(answer: &common::Answer) -> bool {
    matches!(answer, Err((_, message, data)) if message.contains("the disk is full") && data["diskFull"] == true)
}

#[tokio::test]
async fn when_apps_have_filled_the_disk_the_host_still_writes_and_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mounted_at(&folder.path().join("data")) else {
        return;
    };
    let mut adb = Adb::start_in(folder, disk.wrapper()).await;
    adb.call(SYSTEM, "init", json!([{"serverDbId": ""}]))
        .await
        .unwrap();
    let config = adb.call(SYSTEM, "getConfig", json!([])).await.unwrap();
    let server = config["serverDbId"].as_str().unwrap().to_owned();
    let db = adb.private_db(BOB).await;

    fs::write(disk.path("music"), vec![7; 4 << 20]).unwrap();

    // Through the database an app gets as far as the host's reserve, not into it.
    let mut last = 0;
    for n in 1.. {
        let answer = put(&adb, BOB, &db, &format!("big/{n}"), 900_000).await;
        if answer.is_err() {
            assert!(is_full(&answer), "{answer:?}");
            break;
        }
        last = n;
    }
    assert!(last > 0, "there was no room at all");
    let upload = request(
        Some(BOB),
        Method::PUT,
        &format!("/_api/adb/stream/blobs/{db}/b"),
    )
    .body(Full::from(vec![0; 1 << 20]))
    .unwrap();
    assert_eq!(adb.send(upload).await.0, StatusCode::INSUFFICIENT_STORAGE);
    let mut sessions: Vec<String> = Vec::new();
    for n in 0..50 {
        let key = format!("session/{n}");
        put(&adb, SYSTEM, &server, &key, 300).await.unwrap();
        sessions.push(key);
    }

    // Through files of its own it gets everything.
    assert!(disk.fill() > 16 << 20, "the reserve was not there");
    let pid = adb.pid();
    let mut refused = 0;
    for (n, bytes) in [300, 300, 300, 300, 30_000, 900_000]
        .into_iter()
        .enumerate()
    {
        let key = format!("full/{n}");
        match put(&adb, SYSTEM, &server, &key, bytes).await {
            Ok(_) => sessions.push(key),
            answer => {
                assert!(is_full(&answer), "{answer:?}");
                refused += 1;
            }
        }
    }
    println!("with no block free: {} of 6 writes were refused", refused);
    assert!(refused > 0, "the disk was not full");
    assert!(is_full(&put(&adb, BOB, &db, "small", 10).await));
    let known = async |adb: &Adb| {
        for key in &sessions {
            adb.call(SYSTEM, "recordGet", json!([server, key]))
                .await
                .unwrap_or_else(|error| panic!("{key}: {error:?}"));
        }
        for n in 1..=last {
            adb.call(BOB, "recordGet", json!([db, format!("big/{n}")]))
                .await
                .unwrap();
        }
        let gone = adb.call(BOB, "recordGet", json!([db, "small"])).await;
        assert!(gone.is_err(), "what was refused is there");
    };
    known(&adb).await;
    assert_eq!(adb.pid(), pid);

    // A power cut now.
    adb.kill_and_restart().await;
    let init: Value = json!([{ "serverDbId": server }]);
    adb.call(SYSTEM, "init", init.clone()).await.unwrap();
    known(&adb).await;

    // What filled the disk goes, and all is as before, without a restart.
    for name in ["hog", "music"] {
        fs::remove_file(disk.path(name)).unwrap();
    }
    put(&adb, SYSTEM, &server, "session/after", 300)
        .await
        .unwrap();
    put(&adb, BOB, &db, "small", 10).await.unwrap();
}
