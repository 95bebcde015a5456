//! Kills in the middle of updates, and updates under load.

mod updating;

use anyhow::{Context as _, ensure};
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, SERVICES};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use updating::{RECORDS, VERSIONS};

#[tokio::test]
async fn a_kill_at_any_moment_of_an_update_leaves_one_version_whole() -> anyhow::Result<()> {
    updating::survive("updates-kills", 10).await
}

/// Where the host ends and the power goes, and whether the new version is the installed one then.
const POINTS: [(&str, bool); 7] = [
    ("update.ready", false),
    ("update.committed", false),
    ("update.stopped", false),
    ("update.saved", false),
    ("update.started", false),
    ("update.tried", false),
    ("update.stored", true),
];

/// The same of an update that is being taken back.
const UNDOING: [&str; 2] = ["update.undoing", "update.restored"];

/// Starts an update with a host that ends at `point`, and cuts the power there.
async fn lose_power_at(host: &mut Host, point: &str, to: &str) -> anyhow::Result<()> {
    updating::fault_at(host, point).await?;
    host.service_is("records", "running").await?;
    let client = host.system()?;
    let params = json!(["records", { "to": to }]);
    let update = tokio::spawn(async move {
        // It loses its connection.
        let _ = client.call(SERVICES, "updatePackage", params).await;
    });
    updating::lose_power(host, point).await?;
    update.abort();
    Ok(())
}

#[tokio::test]
async fn the_power_goes_at_every_stage_and_the_version_that_is_named_runs() -> anyhow::Result<()> {
    let (mut host, remote) = updating::with_records("updates-power").await?;
    let mut runs = VERSIONS[0];
    for (point, is_new) in POINTS {
        let to = if runs == VERSIONS[0] {
            VERSIONS[1]
        } else {
            VERSIONS[0]
        };
        lose_power_at(&mut host, point, to).await?;
        let version = updating::is_whole(&host).await.context(point)?;
        let expected = if is_new { to } else { runs };
        ensure!(version == expected, "{point}: {version}, not {expected}");
        runs = expected;
    }
    let script =
        "require('fs').writeFileSync(`${process.env.HOME}/records.json`, '{}'); process.exit(3)";
    atek_tests::apps::stage("records-node", &remote.work())?;
    remote
        .write("break.js", script)?
        .write("VERSION", "v1.2.0")?
        .tag("v1.2.0")?;
    for point in UNDOING {
        lose_power_at(&mut host, point, "v1.2.0").await?;
        let version = updating::is_whole(&host).await.context(point)?;
        ensure!(version == runs, "{point}: {version}, not {runs}");
    }
    Ok(())
}

/// Calls until it is told to stop; tries each again until it is answered. Returns what was added
/// and the milliseconds of each call with its retries.
async fn client(host: Arc<Host>, nth: usize, stop: Arc<AtomicBool>) -> (Vec<String>, Vec<u128>) {
    let (mut added, mut took) = (Vec::new(), Vec::new());
    for call in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let text = format!("{nth}-{call}");
        let began = Instant::now();
        loop {
            let Ok(client) = host.system() else { continue };
            let answer = client.call(RECORDS, "add", json!([text])).await;
            if answer.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        took.push(began.elapsed().as_millis());
        added.push(text);
    }
    (added, took)
}

#[tokio::test]
async fn a_good_update_under_load_loses_no_call() -> anyhow::Result<()> {
    let host = Arc::new(Host::boot("updates-load").await?);
    let remote = GitRemote::new("records", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "records-node")?;
    let source = json!({ "sourceUrl": remote.url(), "user": "system" });
    host.install_from(source).await?;
    remote.tag_app("v1.1.0", "records-node")?;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|nth| tokio::spawn(client(host.clone(), nth, stop.clone())))
        .collect();
    let done = host
        .system()?
        .call(SERVICES, "updatePackage", json!(["records"]))
        .await?;
    ensure!(done["installedVersion"] == "v1.1.0", "{done}");
    // What it takes by itself to end and to listen again, with the same clients.
    let mut restart = 0;
    for _ in 0..3 {
        let began = Instant::now();
        host.system()?
            .call(SERVICES, "restart", json!(["records"]))
            .await?;
        restart = restart.max(began.elapsed().as_millis());
    }
    stop.store(true, Ordering::Relaxed);
    let (mut added, mut took) = (Vec::new(), Vec::new());
    for client in clients {
        let (more, times) = client.await?;
        added.extend(more);
        took.extend(times);
    }
    let all = host.system()?.call(RECORDS, "all", json!([])).await?;
    let all = all.as_array().context("a list")?;
    for text in &added {
        ensure!(all.contains(&Value::from(text.as_str())), "{text} is lost");
    }
    took.sort_unstable();
    let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
    let status = host.system()?.call(SERVICES, "updates", json!([])).await?;
    let down = status["updates"][0]["history"][0]["downMs"]
        .as_u64()
        .context("a time")?;
    println!(
        "{} calls, p99 {p99} ms, longest {:?} ms, down {down} ms, a restart takes {restart} ms",
        added.len(),
        took.last()
    );
    ensure!(
        u128::from(down) <= 1_000 + restart,
        "down for {down} ms, restart {restart} ms"
    );
    Ok(())
}
