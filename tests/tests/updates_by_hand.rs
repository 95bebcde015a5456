//! What an administrator decides about updates at the command line, on a box that looks for
//! releases every second.

mod updating;

use anyhow::{Context as _, bail, ensure};
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, SOON};
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;
use updating::{RECORDS, call};

/// For how long it is watched that a box does not ask, at one look a second.
const SEVERAL_LOOKS: Duration = Duration::from_secs(5);

fn config(metered: bool) -> String {
    json!({ "updates": { "everySeconds": 1, "probationSeconds": 1, "metered": metered } })
        .to_string()
}

/// A host with the app `records` 1.0.0, which holds one record.
async fn with_records(name: &str, metered: bool) -> anyhow::Result<(Host, GitRemote)> {
    let machine = Machine::builder(name).file("/etc/atek/config.json", config(metered), 0o644);
    let host = Host::on(machine).await?;
    let remote = GitRemote::new("records", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "records-node")?;
    host.machine
        .exec(["atek", "install", "-y", &remote.url()])
        .await?;
    host.service_is("records", "running").await?;
    add(&host, "one").await?;
    Ok((host, remote))
}

async fn add(host: &Host, text: &str) -> anyhow::Result<Value> {
    host.system()?.call(RECORDS, "add", json!([text])).await
}

async fn all(host: &Host) -> anyhow::Result<Value> {
    host.system()?.call(RECORDS, "all", json!([])).await
}

async fn status(host: &Host) -> anyhow::Result<Value> {
    call(host, "updateStatus", json!(["records"])).await
}

/// Waits until this version is installed, and answers.
async fn is_installed(host: &Host, version: &str) -> anyhow::Result<()> {
    wait_for(&format!("version {version}"), SOON, async || {
        let status = status(host).await?;
        Ok(Seen::if_so(status, |status| {
            status["installedVersion"] == version && status["underWay"].is_null()
        }))
    })
    .await?;
    host.service_is("records", "running").await?;
    let answered = host.system()?.call(RECORDS, "version", json!([])).await?;
    ensure!(answered == version, "{answered} answers, not {version}");
    Ok(())
}

/// Waits until the box has looked once more, and found this release.
async fn is_found(host: &Host, version: &str) -> anyhow::Result<Value> {
    let before = status(host).await?["checkedAt"].clone();
    wait_for(&format!("a look that finds {version}"), SOON, async || {
        let status = status(host).await?;
        Ok(Seen::if_so(status, |status| {
            status["available"]["version"] == version && status["checkedAt"] != before
        }))
    })
    .await
}

/// What `atek` prints, with each word that it must have.
async fn says(host: &Host, command: &str, words: &[&str]) -> anyhow::Result<String> {
    let text = host.machine.shell(&format!("{command} 2>&1")).await?;
    for word in words {
        ensure!(text.contains(word), "{command}: no {word:?} in\n{text}");
    }
    Ok(text)
}

#[tokio::test]
async fn pinned_and_held_releases_wait_and_the_others_install_themselves() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-pinned", false).await?;
    says(&host, "atek pin records ~1.0", &["the releases of ~1.0"]).await?;
    // Held until a time that this test does not see.
    let until = "2999-01-01T00:00:00Z";
    let hold = format!("atek hold records --mode automatic --delay-hours 0 --until {until}");
    says(&host, &hold, &["by themselves", "not before 2999"]).await?;
    remote.tag_app("v1.0.1", "records-node")?;
    remote.tag_app("v1.1.0", "records-node")?;
    is_found(&host, "v1.0.1").await?;
    says(&host, "atek outdated", &["v1.0.1", "2999"]).await?;
    let plan = says(
        &host,
        "atek update records --dry-run",
        &["would be updated from v1.0.0 to v1.0.1", "commit: "],
    )
    .await?;
    ensure!(!plan.contains("v1.1.0"), "{plan}");
    // Several looks later it still waits.
    is_found(&host, "v1.0.1").await?;
    is_found(&host, "v1.0.1").await?;
    is_installed(&host, "v1.0.0").await?;
    says(&host, "atek hold records --end", &["by themselves"]).await?;
    is_installed(&host, "v1.0.1").await?;
    // With the pin gone, the next minor version follows by itself; a major one asks.
    says(&host, "atek pin records latest", &["every release"]).await?;
    is_installed(&host, "v1.1.0").await?;
    remote.tag_app("v2.0.0", "records-node")?;
    is_found(&host, "v2.0.0").await?;
    says(&host, "atek outdated", &["after a yes (major version)"]).await?;
    is_installed(&host, "v1.1.0").await?;
    says(&host, "atek update records", &["from v1.1.0 to v2.0.0"]).await?;
    is_installed(&host, "v2.0.0").await?;
    ensure!(all(&host).await? == json!(["one"]));
    Ok(())
}

#[tokio::test]
async fn a_person_goes_back_at_the_command_line() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-back-by-hand", false).await?;
    for tag in ["v1.1.0", "v1.2.0"] {
        remote.tag_app(tag, "records-node")?;
    }
    says(
        &host,
        "atek update records --to v1.1.0",
        &["updated records from v1.0.0 to v1.1.0"],
    )
    .await?;
    is_installed(&host, "v1.1.0").await?;
    add(&host, "two").await?;
    says(
        &host,
        "atek rollback -y records",
        &["from v1.1.0 to v1.0.0"],
    )
    .await?;
    is_installed(&host, "v1.0.0").await?;
    ensure!(all(&host).await? == json!(["one"]), "the files of then");
    // A copy before something risky, and back to it.
    let made = says(&host, "atek snapshot records", &["copied the files"]).await?;
    let name = made.trim().rsplit(' ').next().context("a name")?.to_owned();
    add(&host, "risky").await?;
    says(&host, "atek snapshot records --list", &[&name, "a person"]).await?;
    says(&host, &format!("atek restore -y records {name}"), &[]).await?;
    host.service_is("records", "running").await?;
    ensure!(all(&host).await? == json!(["one"]), "the files of the copy");
    says(
        &host,
        &format!("atek snapshot records --remove {name}"),
        &["deleted the copy"],
    )
    .await?;
    let gone = host
        .machine
        .shell(&format!("! atek restore -y records {name} 2>&1"))
        .await?;
    ensure!(gone.contains("has no snapshot"), "{gone}");
    Ok(())
}

#[tokio::test]
async fn a_metered_network_is_used_when_a_person_asks_and_not_before() -> anyhow::Result<()> {
    let (host, remote) = with_records("updates-metered", true).await?;
    let hold = "atek hold records --mode automatic --delay-hours 0";
    says(&host, hold, &["by themselves"]).await?;
    let before = status(&host).await?["checkedAt"].clone();
    remote.tag_app("v1.0.1", "records-node")?;
    let looked = wait_for("a look by itself", SEVERAL_LOOKS, async || {
        let status = status(&host).await?;
        Ok(Seen::if_so(status, |status| status["checkedAt"] != before))
    })
    .await;
    if let Ok(status) = looked {
        bail!("a metered network was used: {status}");
    }
    is_installed(&host, "v1.0.0").await?;
    says(&host, "atek outdated --look", &["v1.0.1"]).await?;
    // Without the setting the same box installs it by itself.
    let shipped = config(false);
    let change =
        format!("printf '%s' '{shipped}' > /etc/atek/config.json; systemctl restart atekd");
    host.machine.shell(&change).await?;
    host.ready().await?;
    is_installed(&host, "v1.0.1").await
}
