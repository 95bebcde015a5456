//! A home that keeps backups of another one: for the job of Atek, and for Debian's restic.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

#[allow(dead_code, reason = "only its line is used here")]
#[path = "safety/servers.rs"]
mod servers;
#[allow(dead_code, reason = "the names of runs are looked at by other suites")]
#[path = "safety/session.rs"]
mod session;
#[allow(dead_code, reason = "only its numbers by chance are used here")]
#[path = "safety/tree.rs"]
mod tree;

use atek_tests::host::{Host, SOON};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use servers::Line;
use session::{PASSWORD, Session, restored, state};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tree::Chance;

const PARTS: [&str; 2] = ["state:k1", "host"];

async fn invite(host: &Host, name: &str, quota: &str) -> anyhow::Result<(String, String)> {
    let script = format!("atek --json backup guests --invite {name} --quota {quota}");
    let invited: Value = serde_json::from_str(&host.machine.shell(&script).await?)?;
    let text = |key: &str| invited[key].as_str().unwrap().to_owned();
    Ok((text("path"), text("password")))
}

fn open(root: &Path, url: &str, password: &str) -> (Session, Value) {
    let mut session = Session::start(root);
    let target = json!({ "kind": "server", "url": url });
    let answer = session.ask(
        json!({ "request": "open", "target": target, "password": PASSWORD,
        "create": true, "login": { "password": password, "authorities": "" } }),
    );
    (session, answer)
}

/// Whether Debian's restic is content, with what it said.
fn restic(repository: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("restic")
        .args(["--no-cache", "--repo", repository])
        .args(arguments)
        .env("RESTIC_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

#[tokio::test]
async fn a_guest_keeps_its_backups_within_its_bound_until_it_is_shown_out() -> anyhow::Result<()> {
    let host = Host::boot("guests").await?;
    host.person("berta", "admin").await?;
    let (path, password) = invite(&host, "anna", "20M").await?;
    let (_, of_bob) = invite(&host, "bob", "20M").await?;
    let address = SocketAddr::new(host.machine.address()?.into(), 80);
    let url = format!("http://anna@{}{path}", address.ip());

    let folder = tempfile::tempdir()?;
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("var/lib/atek"))?;
    fs::write(root.join("var/lib/atek/config.json"), "{}")?;
    fs::create_dir_all(state(&root, "k1"))?;
    let mut chance = Chance::new(11);
    let first = chance.bytes(3_000_000);
    fs::write(state(&root, "k1").join("first"), &first)?;
    let _line = Line::open(&root, address);

    // Another guest's password, and another guest's folder.
    for (url, wrong) in [
        (url.clone(), of_bob.as_str()),
        (url.replace("anna@", "bob@"), of_bob.as_str()),
        (url.replace("/anna", "/.."), password.as_str()),
    ] {
        let (_, answer) = open(&root, &url, wrong);
        assert_eq!(answer["event"], "failed", "{url}: {answer}");
    }
    let (mut session, answer) = open(&root, &url, &password);
    assert_eq!(answer["event"], "opened", "{answer}");
    for day in 1..=5 {
        session.back_up(&format!("2026010{day}T000000Z"), &PARTS);
    }
    let retention = json!({ "hourly": 0, "daily": 1, "weekly": 0 });
    let tidy = json!({"request": "tidy", "retention": retention, "now": "20260105T000000Z"});
    // The newest three stay whatever was decided.
    let tidied = session.ask(tidy);
    assert_eq!(tidied["removed"].as_array().unwrap().len(), 2, "{tidied}");
    let kept = session.whole_runs();

    // More than was agreed: the run before stays.
    fs::write(state(&root, "k1").join("large"), chance.bytes(30_000_000))?;
    let store =
        json!({"request": "store", "run": "20260106T000000Z", "part": "state:k1", "prove": 0});
    let answer = session.ask(store);
    assert_eq!(answer["code"], "noRoom", "{answer}");
    drop(session);

    // Restarted, the home knows its guests, and what is there.
    host.machine.shell("systemctl restart atekd").await?;
    wait_for("the home", SOON, async || {
        let (_, answer) = open(&root, &url, &password);
        Ok(Seen::if_so(answer, |answer| answer["event"] == "opened"))
    })
    .await?;
    let (mut session, _) = open(&root, &url, &password);
    assert_eq!(session.whole_runs(), kept);
    let checked = session.ask(json!({"request": "check", "read": true}));
    assert_eq!(checked["problems"], json!([]), "{checked}");
    let answer =
        session.ask(json!({"request": "restore", "run": "20260105T000000Z", "part": "state:k1"}));
    assert_eq!(answer["event"], "restored", "{answer}");
    assert_eq!(fs::read(restored(&root, "k1").join("first"))?, first);
    drop(session);

    // Debian's restic by the network, and on the home's own disk.
    let far = format!(
        "rest:http://anna:{password}@{}{path}/atek-backup/",
        address.ip()
    );
    let (fine, said) = restic(&far, &["check", "--read-data"]);
    assert!(fine, "{said}");
    let here = host.machine.outer_path("/var/lib/atek/guests/anna")?;
    let (fine, said) = restic(
        &here.display().to_string(),
        &["check", "--read-data", "--no-lock"],
    );
    assert!(fine, "{said}");
    let listed = host.machine.shell("atek backup guests").await?;
    assert!(
        listed.contains("anna") && listed.contains("bob"),
        "{listed}"
    );
    // No password where others may read it.
    let seen =
        "atek --json backup guests; cat /var/lib/atek/backup-guests.json; journalctl --no-pager";
    assert!(!host.machine.shell(seen).await?.contains(&password));

    host.machine
        .shell("atek backup guests --remove anna --yes")
        .await?;
    let (_, answer) = open(&root, &url, &password);
    assert_eq!(answer["code"], "login", "{answer}");
    assert!(!here.exists());
    Ok(())
}
