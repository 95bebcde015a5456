//! Updates where the disk has no room: the version and the data before are there, and the disk is
//! as free as it was.

use anyhow::{Context as _, ensure};
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, SERVICES, refusal};
use atek_tests::{Machine, SmallDisk};
use serde_json::{Value, json};
use std::time::Duration;

const RECORDS: &str = "example.test/records";
/// What a job or a copy may leave behind: blocks of folders and journals.
const LEFT: u64 = 8 << 20;
/// A fetch of some hundred MiB on a busy machine.
const LONG: Duration = Duration::from_secs(300);

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?
        .patient(LONG)
        .call(SERVICES, method, params)
        .await
}

async fn with_records(name: &str, disk: &SmallDisk) -> anyhow::Result<(Host, GitRemote)> {
    let config = json!({ "updates": { "probationSeconds": 30 } }).to_string();
    let machine = Machine::builder(name).data_dir(disk.path());
    let host = Host::on(machine.file("/etc/atek/config.json", config, 0o644)).await?;
    let remote = GitRemote::new("records", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "records-node")?;
    let source = json!({ "sourceUrl": remote.url(), "user": "system" });
    host.install_from(source).await?;
    host.service_is("records", "running").await?;
    let add = json!(["precious"]);
    host.system()?.call(RECORDS, "add", add).await?;
    Ok((host, remote))
}

/// Asks for the update, and checks that nothing of it is left. Returns the message.
async fn is_as_before(host: &Host, disk: &SmallDisk, refused: &[&str]) -> anyhow::Result<String> {
    let before = host.state_of("records").await?;
    let free = disk.free()?;
    let error = refusal(call(host, "updatePackage", json!(["records"])).await);
    println!("| {} |", error.message);
    host.service_is("records", "running").await?;
    let version = host.system()?.call(RECORDS, "version", json!([])).await?;
    ensure!(version == "v1.0.0", "{version} runs: {}", error.message);
    let all = host.system()?.call(RECORDS, "all", json!([])).await?;
    ensure!(all == json!(["precious"]), "{all}");
    let after = host.state_of("records").await?;
    ensure!(before == after, "{before}\n{after}");
    let status = call(host, "updateStatus", json!(["records"])).await?;
    let tags: Vec<_> = status["refused"]
        .as_array()
        .context("refused")?
        .iter()
        .map(|one| one["tag"].clone())
        .collect();
    ensure!(tags == refused, "{status}");
    let lost = free.saturating_sub(disk.free()?);
    ensure!(lost <= LEFT, "{} MiB are lost", lost >> 20);
    Ok(error.message)
}

/// A release that writes 50 GB, once over every refusal of the disk and once until the first.
#[tokio::test]
async fn a_release_that_writes_fifty_gigabytes_is_taken_back() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::new(320)? else {
        return Ok(());
    };
    let (host, remote) = with_records("updates-huge", &disk).await?;
    let write = |on_error: &str| {
        format!(
            "exports.later = ({{ state }}) => setTimeout(() => {{
               const fs = require('fs')
               const file = fs.openSync(`${{state}}/huge`, 'w')
               const block = Buffer.alloc(4 << 20, 1)
               let written = 0
               const more = () => {{
                 try {{ written += fs.writeSync(file, block) }} catch (error) {{ {on_error} }}
                 if (written < 50e9) setImmediate(more)
               }}
               more()
             }}, 300)"
        )
    };
    remote
        .write("break.js", write(""))?
        .write("VERSION", "v1.0.1")?
        .tag("v1.0.1")?;
    let message = is_as_before(&host, &disk, &["v1.0.1"]).await?;
    ensure!(message.contains("it filled the disk"), "{message}");
    remote
        .write("break.js", write("throw error"))?
        .write("VERSION", "v1.0.2")?
        .tag("v1.0.2")?;
    let message = is_as_before(&host, &disk, &["v1.0.1", "v1.0.2"]).await?;
    ensure!(message.contains("does not run"), "{message}");
    remote.tag_app("v1.1.0", "records-node")?;
    remote.write("break.js", "")?.tag("v1.1.1")?;
    let done = call(&host, "updatePackage", json!(["records"])).await?;
    ensure!(done["installedVersion"] == "v1.1.1", "{done}");
    Ok(())
}

/// A pack that is larger than the disk, and then a release of ordinary size.
#[tokio::test]
async fn a_pack_that_is_larger_than_the_disk_changes_nothing() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::new(160)? else {
        return Ok(());
    };
    let (host, remote) = with_records("updates-pack", &disk).await?;
    // Bytes that nothing makes smaller.
    let mut bytes = vec![0; 150 << 20];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    remote.git(["config", "core.compression", "0"])?;
    std::fs::write(remote.work().join("huge"), bytes)?;
    remote.write("VERSION", "v1.0.1")?.tag("v1.0.1")?;
    let message = is_as_before(&host, &disk, &[]).await?;
    let words = "the disk of this box is full: uninstall an app that is not needed";
    ensure!(message.contains(words), "{message}");
    std::fs::remove_file(remote.work().join("huge"))?;
    remote.write("VERSION", "v1.0.2")?.tag("v1.0.2")?;
    let done = call(&host, "updatePackage", json!(["records"])).await?;
    ensure!(done["installedVersion"] == "v1.0.2", "{done}");
    Ok(())
}

/// There is room when the copy begins, and a stranger takes it before the copy is done.
#[tokio::test]
async fn a_disk_that_fills_while_the_data_is_copied_ends_on_the_old_version() -> anyhow::Result<()>
{
    let Some(disk) = SmallDisk::new(640)? else {
        return Ok(());
    };
    let (host, remote) = with_records("updates-filling", &disk).await?;
    let key = host.service("records").await?["key"].clone();
    let key = key.as_str().context("a key")?;
    // Many files, so that the copy takes a while.
    let script = format!(
        "cd /var/lib/private/atek-app-{key}
         mkdir many
         head -c 64M /dev/urandom | split -b 4096 -a 4 - many/
         chown -R --reference=records.json many
         sync"
    );
    host.machine.shell(&script).await?;
    remote.tag_app("v1.0.1", "records-node")?;
    // As soon as there is a copy, everything that is free is taken, before the copy is whole also
    // on a busy machine: no program is started to look, and the stranger goes before others.
    let snapshots = format!("/var/lib/private/atek-snapshots/{key}");
    let script = format!(
        "systemd-run --quiet --unit=stranger --property=Nice=-15 sh -c '
           until set -- {snapshots}/*.new/many; test -d \"$1\"; do :; done
           free=$(df --output=avail -B1 /var/lib | tail -n 1)
           fallocate --length $free /var/lib/ballast || head -c $free /dev/zero >/var/lib/ballast'"
    );
    host.machine.shell(&script).await?;
    let before = host.state_of("records").await?;
    let error = refusal(call(&host, "updatePackage", json!(["records"])).await);
    println!("| {} |", error.message);
    let words = "the disk filled up while its data was copied";
    ensure!(error.message.contains(words), "{}", error.message);
    host.service_is("records", "running").await?;
    let version = host.system()?.call(RECORDS, "version", json!([])).await?;
    ensure!(version == "v1.0.0", "{version} runs");
    ensure!(host.state_of("records").await? == before, "its data");
    host.machine.shell("rm /var/lib/ballast").await?;
    let left = host
        .machine
        .shell(&format!("ls {snapshots} /var/lib/atek/updates"))
        .await?;
    ensure!(!left.contains(".new") && !left.contains(".json"), "{left}");
    let status = call(&host, "updateStatus", json!(["records"])).await?;
    ensure!(status["refused"] == json!([]), "{status}");
    let done = call(&host, "updatePackage", json!(["records"])).await?;
    ensure!(done["installedVersion"] == "v1.0.1", "{done}");
    Ok(())
}

/// Without room for a copy of the data nothing is tried, and the release is not blamed for it.
#[tokio::test]
async fn without_room_for_a_copy_of_the_data_nothing_is_tried() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::new(320)? else {
        return Ok(());
    };
    let (host, remote) = with_records("updates-copy", &disk).await?;
    let key = host.service("records").await?["key"].clone();
    let key = key.as_str().context("a key")?;
    // Data of the app, and a stranger's file that leaves less free than a copy of it needs.
    let script = format!(
        "cd /var/lib/private/atek-app-{key}
         head -c 90M /dev/urandom >pictures
         chown --reference=records.json pictures
         sync
         free=$(df --output=avail -B1 /var/lib | tail -n 1)
         fallocate --length $((free - (100 << 20))) /var/lib/ballast"
    );
    host.machine.shell(&script).await?;
    remote.tag_app("v1.0.1", "records-node")?;
    let message = is_as_before(&host, &disk, &[]).await?;
    ensure!(
        message.contains("there is no room for a copy of its data"),
        "{message}"
    );
    host.machine.shell("rm /var/lib/ballast").await?;
    let done = call(&host, "updatePackage", json!(["records"])).await?;
    ensure!(done["installedVersion"] == "v1.0.1", "{done}");
    Ok(())
}
