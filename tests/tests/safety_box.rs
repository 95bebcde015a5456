//! Disaster drill: the card of a used box is gone, and a new box becomes it with the recovery words
//! and the disk with the backups.

use anyhow::Context as _;
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{ADB, Host, PASSWORD, Person, SERVICES, SETUP, SOON, refusal};
use atek_tests::http::Client;
use atek_tests::{Machine, Seen, npm, skip, wait_for};
use http::Method;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const BACKUPS: &str = "atek.cloud/backups-api";
const HELLO: &str = "example.test/hello";
const KEYS: &str = "atek.cloud/keys-api";
const TIDDLER: &str = "/recipes/default/tiddlers/Note";

/// An install from the registry, or a restore, on a machine that has much else to do.
const LONG: Duration = Duration::from_secs(600);

async fn wiki(host: &Host, person: &Person) -> anyhow::Result<Client> {
    let site = host.visit(person, "tiddlywiki").await?;
    let site = site.header("sec-fetch-site", "same-origin");
    Ok(site.header("x-requested-with", "TiddlyWiki"))
}

async fn sign_in(host: &Host, name: &str) -> anyhow::Result<Person> {
    let cookie = host.sign_in(name, PASSWORD).await?;
    let client = host
        .stranger()
        .header("cookie", &format!("session={cookie}"));
    Ok(Person {
        key: String::new(),
        client: client.header("origin", "http://localhost"),
        cookie,
    })
}

/// The keys of a person, once signing in has opened them.
async fn keys(person: &Person) -> anyhow::Result<Value> {
    wait_for("the keys are open", SOON, async || {
        let list = person.client.call(KEYS, "list", json!([{}])).await?;
        Ok(Seen::if_so(list, |list| list["locked"] == false))
    })
    .await
}

/// What is compared before and after.
async fn remembered(host: &Host, db: &str) -> anyhow::Result<Value> {
    let (anna, bob) = (sign_in(host, "anna").await?, sign_in(host, "bob").await?);
    let system = host.system()?;
    let hello = host.service("hello").await?;
    let users = system
        .call("atek.cloud/users-api", "list", json!([]))
        .await?;
    let backups = system.call(BACKUPS, "status", json!([])).await?;
    Ok(json!({
        "tiddler": wiki(host, &anna).await?.get(TIDDLER).await?.json()?["text"],
        "note": system.call(HELLO, "get", json!(["note"])).await?,
        "record": bob.client.call(ADB, "recordGet", json!([db, "notes/1"])).await?["value"],
        "grants": hello["settings"]["granted"],
        "hello": [hello["key"], hello["state"], hello["settings"]["package"]],
        "users": users,
        "keys": keys(&anna).await?["keys"],
        "backups": backups["settings"],
    }))
}

/// A box with two people, two apps, a database and a key. Returns the database.
async fn used(host: &Host, anna: &Person, bob: &Person) -> anyhow::Result<String> {
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    let app = atek_tests::paths::repository().join("tests/apps/hello-node");
    for file in std::fs::read_dir(&app)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        remote.write(&name, std::fs::read_to_string(file.path())?)?;
    }
    remote.tag("v1.0.0")?;
    let params = json!({ "sourceUrl": remote.url(), "id": "hello", "user": "bob" });
    host.install_from(params).await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    shell("atek cfg hello --allow example.org").await?;
    host.service_is("hello", "running").await?;
    let system = host.system()?;
    system
        .call(HELLO, "put", json!(["note", "precious"]))
        .await?;

    let words = ["atek", "install", "tiddlywiki", "--yes", "--user", "anna"];
    let done = host.machine.exec_within(LONG, words, b"").await?;
    anyhow::ensure!(done.status.success(), "{}{}", done.stdout, done.stderr);
    let tiddler = json!({ "title": "Note", "text": "written down" }).to_string();
    let saved = wiki(host, anna).await?;
    let saved = saved.send(Method::PUT, TIDDLER, tiddler).await?;
    anyhow::ensure!(saved.status < 300, "{}: {}", saved.status, saved.text());
    wait_for("the tiddler's file", SOON, async || {
        let found = shell("find /var/lib/private -name 'Note.tid'").await?;
        Ok(Seen::if_so(found, |found| !found.trim().is_empty()))
    })
    .await?;

    let own = bob.client.clone().header("origin", "http://localhost");
    let made = json!([{ "access": "private" }]);
    let made = own.call(ADB, "dbCreate", made).await?;
    let db = made["dbId"].as_str().context("no id")?.to_owned();
    let put = json!([db, "notes/1", { "text": "hi" }]);
    own.call(ADB, "recordPut", put).await?;
    keys(anna).await?;
    let key = json!([{ "kind": "ed25519", "name": "mine" }]);
    anna.client.call(KEYS, "create", key).await?;
    Ok(db)
}

#[tokio::test]
async fn a_box_whose_card_died_is_itself_again_on_a_new_card() -> anyhow::Result<()> {
    let package = json!({ "name": "recipe", "version": "1.0.0", "private": true,
        "dependencies": { "tiddlywiki": "5.3.6" } });
    if npm::lockfile("tiddlywiki-5.3.6", &package.to_string())?.is_none() {
        skip("tiddlywiki: the npm registry cannot be reached");
        return Ok(());
    }
    let old = Host::on(Machine::builder("box-old").internet(true)).await?;
    let anna = old.person("anna", "admin").await?;
    let bob = old.person("bob", "").await?;
    let db = used(&old, &anna, &bob).await?;
    let words = json!([{ "password": PASSWORD }]);
    let words = anna.client.call(KEYS, "words", words).await?;
    let words: Vec<String> = serde_json::from_value(words["words"].clone())?;
    let words = words.join(" ");
    let target = "mkdir -p /mnt/disk && atek backup target /mnt/disk --every never --keep 5,6,7";
    old.machine.shell(target).await?;
    let said = old.machine.shell("atek backup now").await?;
    assert!(said.contains("made the backup"), "{said}");
    let before = remembered(&old, &db).await?;
    assert_eq!(before["tiddler"], "written down", "{before}");

    // The disk is all that is left.
    let disk = tempfile::tempdir()?;
    let copied = Command::new("cp")
        .arg("--archive")
        .arg(old.machine.outer_path("/mnt/disk")?)
        .arg(disk.path())
        .status()?;
    assert!(copied.success());
    drop(old);

    // Without a network.
    let new = Host::on(Machine::builder("box-new")).await?;
    new.machine
        .copy_in(&disk.path().join("disk"), "/mnt/disk")
        .await?;
    let restore = ["atek", "restore", "--box", "/mnt/disk"];
    let wrong = format!("{}art\n", "abandon ".repeat(23));
    let refused = new
        .machine
        .exec_within(LONG, restore, wrong.as_bytes())
        .await?;
    assert!(!refused.status.success(), "{}", refused.stdout);
    assert!(refused.stderr.contains("do not fit"), "{}", refused.stderr);
    // From the network it takes the claim code.
    let stranger = json!([{ "code": "0000-0000", "words": words,
        "target": { "kind": "folder", "path": "/mnt/disk" } }]);
    let refused = refusal(new.stranger().call(SETUP, "restoreBox", stranger).await);
    assert_eq!(refused.data["field"], "code");

    let begun = Instant::now();
    let done = new
        .machine
        .exec_within(LONG, restore, format!("{words}\n").as_bytes())
        .await?;
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(done.status.success(), "{said}");
    eprintln!("the box was itself again within {:?}", begun.elapsed());
    for id in ["hello", "tiddlywiki"] {
        new.service_is(id, "running").await?;
    }
    assert_eq!(remembered(&new, &db).await?, before);

    // Backups go on where they were, with the same words; nothing of the restore is left.
    let said = new
        .machine
        .shell("atek backup now && atek backup list")
        .await?;
    assert_eq!(said.matches("yes").count(), 2, "{said}");
    let left =
        "ls -A /var/lib/atek/staging; ls /var/lib/atek/restore.json /var/lib/atek/claim-code;
        ls -d /var/lib/private/atek-snapshots/*/restored*";
    let left = new
        .machine
        .shell(&format!("({left}) 2>/dev/null || true"))
        .await?;
    assert_eq!(left.trim(), "");
    let again = new
        .machine
        .exec_within(LONG, restore, words.as_bytes())
        .await?;
    assert!(again.stderr.contains("new card"), "{}", again.stderr);
    let installed = new.system()?.call(SERVICES, "list", json!([])).await?;
    assert!(installed.to_string().contains("tiddlywiki"), "{installed}");
    Ok(())
}
