//! A home that keeps its backups at another one, each behind a router of its own.

use anyhow::{Context as _, ensure};
use atek_tests::host::{Host, SOON, refusal};
use atek_tests::neighbourhood::{Nat, Neighbourhood, home};
use atek_tests::{Seen, skip, wait_for};
use serde_json::{Value, json};

const BACKUPS: &str = "atek.cloud/backups-api";
const HELLO: &str = "example.test/hello";

async fn put(host: &Host, text: &str) -> anyhow::Result<()> {
    let note = json!(["note", text]);
    host.system()?.call(HELLO, "put", note).await.map(drop)
}

#[tokio::test]
async fn a_home_keeps_its_backups_at_another_one_behind_a_router() -> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let berta = home("backups-berta").await?;
    let anna = home("backups-anna").await?;
    net.home(&berta.machine, Nat::Friendly).await?;
    net.home(&anna.machine, Nat::Friendly).await?;
    berta.person("berta", "admin").await?;
    anna.person("anna", "admin").await?;
    anna.install("hello-node", "anna").await?;
    put(&anna, "precious").await?;

    let script = "atek --json backup guests --invite anna --quota 200M --pair";
    let invited: Value = serde_json::from_str(&berta.machine.shell(script).await?)?;
    let key = invited["password"].as_str().context("no key")?;
    anna.machine.write("/root/key", format!("{key}\n")).await?;
    let shell = async |script: &str| anna.machine.shell(script).await;
    // Paired a moment ago, the other home may not be found at once.
    let set = "atek backup target home://anna@berta --every never --server-password /root/key";
    wait_for("the other home", SOON * 2, async || {
        let said = anna.machine.try_exec(["sh", "-c", set]).await?;
        Ok(Seen::if_so(said, |said| said.status.success()))
    })
    .await?;
    let said = shell("atek backup now && atek backup verify").await?;
    ensure!(said.contains("is whole"), "{said}");
    put(&anna, "spoilt").await?;
    shell("atek restore hello-node --yes").await?;
    let note = anna.system()?.call(HELLO, "get", json!(["note"])).await?;
    ensure!(note == "precious", "{note}");

    // The link and the password are in nothing that others may read.
    let (password, link) = key.split_once('@').context("no link")?;
    let seen = "atek --json backup status; systemctl show 'atek-backup*'; journalctl --no-pager; cat /var/lib/atek/backups.json";
    let said = shell(seen).await?;
    ensure!(
        !said.contains(password) && !said.contains(link),
        "a secret is told"
    );
    // Debian's restic reads what lies at the other home.
    let words = shell("atek backup password").await?;
    let kept = berta.machine.outer_path("/var/lib/atek/guests/anna")?;
    match std::process::Command::new("restic")
        .args(["--no-cache", "--no-lock", "--repo"])
        .arg(&kept)
        .args(["check", "--read-data"])
        .env("RESTIC_PASSWORD", words.lines().next().unwrap_or_default())
        .output()
    {
        Ok(checked) => ensure!(checked.status.success(), "{checked:?}"),
        Err(_) => skip("Debian's restic is not installed"),
    }

    // Its device is removed: the backups are there, and it does not come to them.
    let devices: Value = serde_json::from_str(&berta.machine.shell("atek --json devices").await?)?;
    let device = devices[0]["id"].as_str().context("no device")?;
    berta
        .machine
        .exec(["atek", "devices", "remove", device])
        .await?;
    let gone = refusal(anna.system()?.call(BACKUPS, "backUp", json!([])).await);
    ensure!(gone.data["reason"] == "no-target", "{gone:?}");
    ensure!(
        gone.message.contains("home berta cannot be reached"),
        "{gone:?}"
    );
    ensure!(kept.join("config").is_file());
    Ok(())
}
