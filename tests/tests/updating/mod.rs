//! An app that is updated again and again while processes and the machine are killed.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod core_services;

use anyhow::{Context as _, ensure};
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, SERVICES, SOON};
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

pub const RECORDS: &str = "example.test/records";
pub const VERSIONS: [&str; 2] = ["v1.0.0", "v1.1.0"];

/// What is killed in a round.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Host,
    Launcher,
    PackageStep,
    App,
    Power,
}

/// A generator whose numbers are the same in every run (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

pub async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(SERVICES, method, params).await
}

async fn records(host: &Host, method: &str) -> anyhow::Result<Value> {
    host.system()?.call(RECORDS, method, json!([])).await
}

/// A machine that keeps its disk, with the first version of the app and data.
///
/// # Errors
///
/// When it cannot be installed.
pub async fn with_records(name: &str) -> anyhow::Result<(Host, GitRemote)> {
    let config = json!({ "updates": { "probationSeconds": 1 } }).to_string();
    let builder = Machine::builder(name).file("/etc/atek/config.json", config, 0o644);
    let host = Host::on(builder.persistent()).await?;
    let remote = GitRemote::new("records", host.machine.gateway()?)?;
    for version in VERSIONS {
        remote.tag_app(version, "records-node")?;
    }
    let source = json!({ "sourceUrl": remote.url(), "user": "system", "desiredVersion": "1.0.0" });
    host.install_from(source).await?;
    let add = json!(["precious"]);
    host.system()?.call(RECORDS, "add", add).await?;
    Ok((host, remote))
}

/// Kills at `rounds` random moments of updates, and checks after each that one of the two versions
/// runs whole, with its data.
///
/// # Errors
///
/// What was not whole, with the round.
pub async fn survive(name: &str, rounds: u64) -> anyhow::Result<()> {
    let (mut host, _remote) = with_records(name).await?;
    let mut dice = Dice(20);
    let (mut updated, mut undone) = (0, 0);
    for round in 0..rounds {
        let before = records(&host, "version").await?;
        let to = if before == VERSIONS[0] {
            VERSIONS[1]
        } else {
            VERSIONS[0]
        };
        let victim = match dice.below(8) {
            0..4 => Victim::Host,
            4 => Victim::Launcher,
            5 => Victim::PackageStep,
            6 => Victim::App,
            _ => Victim::Power,
        };
        let moment = Duration::from_millis(dice.below(5_000));
        let client = host.system()?;
        let update = tokio::spawn(async move {
            // It may succeed, fail, or lose its connection.
            let _ = client
                .call(SERVICES, "updatePackage", json!(["records", { "to": to }]))
                .await;
        });
        // Where in the update the kill comes is a matter of chance; that is the test.
        tokio::time::sleep(moment).await;
        kill(&mut host, victim).await?;
        let _ = tokio::time::timeout(SOON, update).await;
        host.ready().await?;
        let after = is_whole(&host)
            .await
            .with_context(|| format!("round {round}: {victim:?} after {moment:?}, {to}"))?;
        if after == to {
            updated += 1
        } else {
            undone += 1
        }
    }
    println!("{rounds} kills: {updated} updates finished, {undone} undone");
    Ok(())
}

async fn kill(host: &mut Host, victim: Victim) -> anyhow::Result<()> {
    let unit = match victim {
        Victim::Host => "atekd.service",
        Victim::Launcher => "atek-spawnd.service",
        Victim::PackageStep => "atek-package-build.service",
        Victim::App => "atek-app-records.service",
        Victim::Power => {
            host.machine.cut_power().await?;
            return host.machine.power_on().await;
        }
    };
    // There may be none at this moment.
    let script = format!("systemctl kill --signal=KILL {unit} || :");
    host.machine.shell(&script).await.map(drop)
}

/// Starts the host so that it ends at `point`, and is not started again.
///
/// # Errors
///
/// When it does not start.
pub async fn fault_at(host: &Host, point: &str) -> anyhow::Result<()> {
    let script = format!(
        "mkdir -p /run/systemd/system/atekd.service.d
         printf '[Service]\\nEnvironment=ATEK_FAULT={point}:kill\\nRestart=no\\n' \
           >/run/systemd/system/atekd.service.d/fault.conf
         systemctl daemon-reload
         systemctl restart atekd"
    );
    host.machine.shell(&script).await?;
    host.ready().await
}

/// Waits until the host has ended there, and cuts the power.
///
/// # Errors
///
/// When it does not come back.
pub async fn lose_power(host: &mut Host, point: &str) -> anyhow::Result<()> {
    wait_for(&format!("the host to end at {point}"), SOON, async || {
        let told = host.machine.shell("systemctl is-active atekd || :").await?;
        Ok(Seen::if_so(told, |told| told.trim() == "failed"))
    })
    .await?;
    host.machine.cut_power().await?;
    // The fault was in /run, which is gone.
    host.machine.power_on().await?;
    host.ready().await
}

/// Waits until nothing of an update is under way, and checks version and data. Returns the version.
///
/// # Errors
///
/// What is not whole.
pub async fn is_whole(host: &Host) -> anyhow::Result<String> {
    wait_for("the update to be over", SOON, async || {
        let left = host
            .machine
            .shell("ls /var/lib/atek/updates 2>/dev/null || :")
            .await?;
        Ok(Seen::if_so(left, |left| !left.contains(".json")))
    })
    .await?;
    host.service_is("records", "running").await?;
    let version = wait_for("an answer", SOON, async || {
        let answer = records(host, "version").await.unwrap_or_default();
        Ok(Seen::if_so(answer, Value::is_string))
    })
    .await?;
    let installed = call(host, "get", json!(["records"])).await?;
    let installed = installed["settings"]["package"]["installedVersion"].clone();
    ensure!(
        installed == version,
        "{version} runs and {installed} is installed"
    );
    ensure!(
        records(host, "all").await? == json!(["precious"]),
        "the data"
    );
    let states = host
        .machine
        .shell("ls -d /var/lib/private/atek-app-* | grep -v core | wc -l")
        .await?;
    ensure!(states.trim() == "1", "{states} folders of data");
    Ok(version.as_str().unwrap_or_default().to_owned())
}
