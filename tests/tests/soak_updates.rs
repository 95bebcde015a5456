//! Two hundred kills in the middle of updates, and a core service of another author.

mod updating;

use anyhow::{Context as _, ensure};
use atek_tests::GitRemote;
use atek_tests::host::refusal;
use serde_json::json;
use updating::call;
use updating::core_services::{
    HYPERCORE, MORTAL, boot, built_in_hypercore, hypercore, records, replace, restart,
    service_is_kept,
};

#[tokio::test]
async fn two_hundred_kills_of_updates_leave_one_version_whole() -> anyhow::Result<()> {
    updating::survive("soak-updates", 200).await
}

/// A service of another author under the same API.
const OTHER_HYPERCORE: &str = r#"{ "name": "Other", "exports": [
    { "api": "example.test/records", "path": "/_api/records" },
    { "api": "atek.cloud/hypercore-api", "path": "/_api/records" }] }"#;

#[tokio::test]
async fn a_hypercore_service_from_git_is_updated_taken_back_and_given_up() -> anyhow::Result<()> {
    let host = boot("core-hypercore-git").await?;
    let alice = host.person("alice", "admin").await?;
    let version = async || hypercore(&alice, "version", json!([])).await;
    let remote = GitRemote::new("my-hypercore", host.machine.gateway()?)?;
    atek_tests::apps::stage("records-node", &remote.work())?;
    remote
        .write("VERSION", "v1.0.0")?
        .write("atek.json", OTHER_HYPERCORE)?
        .tag("v1.0.0")?;
    replace(&host, HYPERCORE, &remote.url()).await?;
    service_is_kept(&host, HYPERCORE, "v1.0.0").await?;
    ensure!(version().await? == "v1.0.0");
    records(&host, "add", json!(["mine"])).await?;
    remote.write("VERSION", "v1.1.0")?.tag("v1.1.0")?;
    let done = call(&host, "updatePackage", json!([HYPERCORE])).await?;
    ensure!(done["installedVersion"] == "v1.1.0", "{done}");
    ensure!(version().await? == "v1.1.0");
    // One that does not work is taken back with its data.
    let before = host.state_of(HYPERCORE).await?;
    let spoils = "require('fs').rmSync(`${process.env.HOME}/records.json`); process.exit(3)";
    remote
        .write("VERSION", "v1.2.0")?
        .write("break.js", spoils)?
        .tag("v1.2.0")?;
    let error = refusal(call(&host, "updatePackage", json!([HYPERCORE])).await);
    let told = &error.message;
    ensure!(told.contains("v1.1.0 was put back"), "{told}");
    ensure!(version().await? == "v1.1.0");
    ensure!(host.state_of(HYPERCORE).await? == before, "its data");
    // One that runs for a while, and then not any more.
    remote
        .write("VERSION", "v1.3.0")?
        .write("break.js", MORTAL)?
        .tag("v1.3.0")?;
    call(&host, "updatePackage", json!([HYPERCORE])).await?;
    ensure!(version().await? == "v1.3.0");
    let key = host.service(HYPERCORE).await?["key"].clone();
    let key = key.as_str().context("a key")?;
    let pid = host.pid(HYPERCORE).await?;
    let dead = format!("touch /var/lib/private/atek-app-{key}/dead; kill -9 {pid}");
    host.machine.shell(&dead).await?;
    built_in_hypercore(&host, "exit code 4").await?;
    let status = hypercore(&alice, "status", json!([])).await?;
    ensure!(status["online"] == false, "{status}");
    restart(&host).await?;
    built_in_hypercore(&host, "exit code 4").await?;
    let status = hypercore(&alice, "status", json!([])).await?;
    ensure!(status["online"] == false, "{status}");
    Ok(())
}
