//! Backups in a folder of another machine: Debian's OpenSSH by SFTP, a REST server of restic, and
//! S3.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

#[path = "safety/note.rs"]
mod note;
#[path = "safety/server_box.rs"]
mod server_box;
#[path = "safety/servers.rs"]
mod servers;
#[allow(dead_code, reason = "the names of runs are looked at by other suites")]
#[path = "safety/session.rs"]
mod session;
#[path = "safety/tree.rs"]
mod tree;

use atek_tests::small_disk::SmallDisk;
use serde_json::{Value, json};
use servers::{Begin, Line, SECRET, Server};
use session::{PASSWORD, Session, restored, state};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use tree::{Chance, assert_same, change, describe};

const PARTS: [&str; 3] = ["state:k1", "package:k1:v1", "host"];

const KINDS: [(&str, Begin); 3] = [
    ("sftp", Server::sftp),
    ("rest", Server::rest),
    ("s3", Server::s3),
];

/// A machine with one app, and a folder for a server's files.
fn machine() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (root, kept) = (folder.path().join("root"), folder.path().join("kept"));
    fs::create_dir_all(root.join("var/lib/atek/packages/k1/versions/v1")).unwrap();
    fs::write(
        root.join("var/lib/atek/packages/k1/versions/v1/app.js"),
        "app",
    )
    .unwrap();
    fs::write(root.join("var/lib/atek/config.json"), "{}").unwrap();
    fs::create_dir_all(state(&root, "k1")).unwrap();
    fs::create_dir_all(&kept).unwrap();
    (folder, root, kept)
}

fn request(server: &Server, target: &Value, secret: &str, create: bool) -> Value {
    json!({ "request": "open", "target": target, "password": PASSWORD, "create": create,
        "login": { "password": secret, "authorities": server.authority } })
}

fn opened(root: &Path, server: &Server) -> Session {
    let mut session = Session::start(root);
    let answer = session.ask(request(server, &server.target(), SECRET, true));
    assert_eq!(answer["event"], "opened", "{answer}");
    session
}

#[test]
fn what_a_server_keeps_is_what_was_stored_and_restic_agrees() {
    for (name, begin) in KINDS {
        let (_folder, root, kept) = machine();
        let Some(server) = begin(Ipv4Addr::LOCALHOST, &kept) else {
            continue;
        };
        let _line = Line::open(&root, server.address);
        let mut chance = Chance::new(3);
        let runs = ["20260101T000000Z", "20260102T000000Z", "20260103T000000Z"];
        for run in runs {
            change(&state(&root, "k1"), &mut chance, 60);
            opened(&root, &server).back_up(run, &PARTS);
        }
        let expected = describe(&state(&root, "k1"));
        let (fine, said) = server.restic(&kept, PASSWORD, &["check", "--read-data"]);
        assert!(fine, "{name}: {said}");
        let mut session = opened(&root, &server);
        assert_eq!(session.whole_runs().len(), 3, "{name}");
        let retention = json!({ "hourly": 0, "daily": 1, "weekly": 0 });
        let tidied =
            session.ask(json!({"request": "tidy", "retention": retention, "now": runs[2]}));
        assert_eq!(tidied["event"], "tidied", "{name}: {tidied}");
        let checked = session.ask(json!({"request": "check", "read": true}));
        assert_eq!(checked["problems"], json!([]), "{name}: {checked}");
        drop(session);
        let (fine, said) = server.restic(&kept, PASSWORD, &["check", "--read-data"]);
        assert!(fine, "{name}: {said}");

        // A new machine has nothing but the address and what opens it.
        let (_folder, new, _) = machine();
        let _line = Line::open(&new, server.address);
        let mut session = Session::start(&new);
        let mut only_read = request(&server, &server.target(), SECRET, false);
        only_read["read"] = json!(true);
        let answer = session.ask(only_read);
        assert_eq!(answer["event"], "opened", "{name}: {answer}");
        let answer = session.ask(json!({"request": "restore", "run": runs[2], "part": "state:k1"}));
        assert_eq!(answer["event"], "restored", "{name}: {answer}");
        assert_same(&expected, &describe(&restored(&new, "k1")));
    }
}

#[test]
fn a_server_is_known_again_and_whom_it_does_not_know_is_told() {
    let (_folder, root, kept) = machine();
    let Some(mut server) = Server::sftp(Ipv4Addr::LOCALHOST, &kept) else {
        return;
    };
    let _line = Line::open(&root, server.address);
    let ask = |target: &Value, secret: &str| asked(&root, "", target, secret);
    // No person has agreed to its key: it is shown, and no password is sent.
    let answer = ask(&json!({ "kind": "server", "url": server.url }), SECRET);
    assert_eq!(answer["code"], "hostKey", "{answer}");
    assert_eq!(answer["hostKey"], json!(server.host_key()), "{answer}");
    let answer = ask(&server.target(), "wrong");
    assert_eq!(answer["code"], "login", "{answer}");
    let missing = json!({ "kind": "server", "url": format!("{}/none", server.url),
        "hostKey": server.host_key() });
    let answer = ask(&missing, SECRET);
    assert_eq!(answer["code"], "noTarget", "{answer}");
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);
    // A link in the place of the folder leads to files of others.
    let elsewhere = root.join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, kept.join("atek-backup")).unwrap();
    assert_eq!(ask(&server.target(), SECRET)["code"], "noTarget");
    fs::remove_file(kept.join("atek-backup")).unwrap();

    let answer = ask(&server.target(), &server.user_key());
    assert_eq!(answer["event"], "opened", "{answer}");
    let known = server.target();
    server.new_host_key();
    let answer = ask(&known, SECRET);
    assert_eq!(answer["code"], "hostKey", "{answer}");
    assert!(
        answer["message"].as_str().unwrap().contains("another key"),
        "{answer}"
    );
    assert_eq!(ask(&server.target(), SECRET)["event"], "opened");

    let Some(server) = Server::rest(Ipv4Addr::LOCALHOST, &root.join("elsewhere")) else {
        return;
    };
    let _line = Line::open(&root, server.address);
    assert_eq!(ask(&server.target(), "wrong")["code"], "login");
    assert_eq!(ask(&server.target(), SECRET)["event"], "opened");
}

/// The answer to a request that opens a target.
fn asked(root: &Path, authority: &str, target: &Value, secret: &str) -> Value {
    let mut session = Session::start(root);
    let answer = session.ask(
        json!({ "request": "open", "target": target, "password": PASSWORD,
        "create": true, "login": { "password": secret, "authorities": authority } }),
    );
    assert!(!answer.to_string().contains(SECRET), "{answer}");
    answer
}

#[test]
fn an_s3_server_is_trusted_by_its_certificate_and_says_what_is_wrong() {
    let (_folder, root, kept) = machine();
    let Some(mut server) = Server::s3(Ipv4Addr::LOCALHOST, &kept) else {
        return;
    };
    let _line = Line::open(&root, server.address);
    let target = server.target();
    // No authority that this box trusts: nothing was sent to it.
    let answer = asked(&root, "", &target, SECRET);
    assert!(
        answer["message"].to_string().contains("authority"),
        "{answer}"
    );
    let ask = |target: &Value, secret: &str| asked(&root, &server.authority, target, secret);
    assert_eq!(ask(&target, "wrong")["code"], "login");
    let named = |from: &str, to: &str| {
        let url = server.url.replace(from, to);
        json!({ "kind": "server", "url": url })
    };
    assert_eq!(ask(&named("anna@", "bob@"), SECRET)["code"], "login");
    let answer = ask(&named("/backups", "/others"), SECRET);
    assert_eq!(answer["code"], "noTarget", "{answer}");
    assert!(
        answer["message"].to_string().contains("no bucket others"),
        "{answer}"
    );
    // A folder of the bucket, beside which nothing is touched.
    let folder = named("/backups", "/backups/of anna/home");
    assert_eq!(ask(&folder, SECRET)["created"], true);
    assert_eq!(ask(&folder, SECRET)["created"], false);
    assert_eq!(ask(&target, SECRET)["created"], true);
    server.stop();
    let answer = asked(&root, &server.authority, &target, SECRET);
    assert_eq!(answer["event"], "failed", "{answer}");
}

#[test]
fn a_connection_that_breaks_in_the_middle_is_made_again_and_one_that_is_gone_costs_nothing() {
    for (name, begin) in KINDS {
        let (_folder, root, kept) = machine();
        let Some(server) = begin(Ipv4Addr::LOCALHOST, &kept) else {
            continue;
        };
        let line = Line::open(&root, server.address);
        let mut chance = Chance::new(5);
        fs::write(state(&root, "k1").join("first"), chance.bytes(1_000_000)).unwrap();
        opened(&root, &server).back_up("20260101T000000Z", &PARTS);

        // It breaks, and can be made again a moment later.
        let content = chance.bytes(24_000_000);
        fs::write(state(&root, "k1").join("large"), &content).unwrap();
        let mut session = opened(&root, &server);
        line.cut_after(9_000_000);
        let store =
            |run: &str| json!({"request": "store", "run": run, "part": "state:k1", "prove": 4});
        session.send(&store("20260102T000000Z"));
        until(|| line.is_cut());
        line.mend();
        let answer = session.answer();
        assert_eq!(answer["event"], "stored", "{name}: {answer}");
        drop(session);

        // The job is killed in the middle, which is as a cut of the power; the server stays.
        fs::write(state(&root, "k1").join("larger"), chance.bytes(24_000_000)).unwrap();
        let mut session = opened(&root, &server);
        line.cut_after(9_000_000);
        session.send(&store("20260103T000000Z"));
        until(|| line.is_cut());
        drop(session);
        line.mend();

        let mut session = opened(&root, &server);
        assert_eq!(session.whole_runs(), ["20260101T000000Z"], "{name}");
        let checked = session.ask(json!({"request": "check", "read": true}));
        assert_eq!(checked["problems"], json!([]), "{name}: {checked}");
        session.back_up("20260104T000000Z", &PARTS);
        drop(session);
        let (fine, said) = server.restic(&kept, PASSWORD, &["check", "--read-data"]);
        assert!(fine, "{name}: {said}");
    }
}

fn until(seen: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !seen() {
        assert!(std::time::Instant::now() < deadline, "it did not happen");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[tokio::test]
async fn a_full_server_is_told_and_its_backups_stay() -> anyhow::Result<()> {
    for (name, begin) in KINDS {
        let Some(disk) = SmallDisk::new(56)? else {
            return Ok(());
        };
        let (_folder, root, _) = machine();
        let kept = disk.path();
        let Some(mut server) = begin(Ipv4Addr::LOCALHOST, &kept) else {
            continue;
        };
        let _line = Line::open(&root, server.address);
        let mut chance = Chance::new(8);
        fs::write(state(&root, "k1").join("first"), chance.bytes(1_000_000))?;
        opened(&root, &server).back_up("20260101T000000Z", &PARTS);
        fs::write(state(&root, "k1").join("large"), chance.bytes(60_000_000))?;
        let mut session = opened(&root, &server);
        let store =
            json!({"request": "store", "run": "20260102T000000Z", "part": "state:k1", "prove": 0});
        let answer = session.ask(store);
        match name {
            // s3rver ends the connection, or says that it failed.
            "s3" => assert_eq!(answer["code"], "target", "{answer}"),
            // rclone says no more than that it failed.
            "rest" => assert!(answer["message"].to_string().contains("full?"), "{answer}"),
            _ => assert_eq!(answer["code"], "noRoom", "{name}: {answer}"),
        }
        if name == "s3" {
            // It does not survive a full disk. What is on it does.
            drop(session);
            server.stop();
            server.start();
            session = opened(&root, &server);
        }
        assert_eq!(session.whole_runs(), ["20260101T000000Z"], "{name}");
        let answer = session
            .ask(json!({"request": "restore", "run": "20260101T000000Z", "part": "state:k1"}));
        assert_eq!(answer["event"], "restored", "{name}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_box_keeps_its_backups_on_an_sftp_server() -> anyhow::Result<()> {
    // The same on a REST server is in `soak_backups`.
    server_box::used("sftp", Server::sftp).await
}

#[tokio::test]
async fn a_box_keeps_its_backups_in_a_bucket_of_s3() -> anyhow::Result<()> {
    server_box::used("s3", Server::s3).await
}
