//! atekd, systemd and the bus come and go: apps do not.

use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, SERVICES, SOON};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Apps of every kind of network that there is by default.
const APPS: [&str; 2] = ["hello-node", "caller-node"];

async fn boot(name: &str) -> anyhow::Result<(Host, Vec<u32>)> {
    let host = Host::boot(name).await?;
    for app in APPS {
        host.install(app, "system").await?;
    }
    let pids = pids(&host).await?;
    Ok((host, pids))
}

async fn pids(host: &Host) -> anyhow::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for app in APPS.into_iter().chain(["core.adb"]) {
        pids.push(host.pid(app).await?);
    }
    Ok(pids)
}

async fn hello(host: &Host) -> anyhow::Result<Value> {
    let api = "example.test/hello";
    host.system()?.call(api, "hello", json!(["you"])).await
}

/// Every app runs, as the same process, and answers a call from outside.
async fn all_is_well(host: &Host, before: &[u32]) -> anyhow::Result<()> {
    host.ready().await?;
    for app in APPS {
        let service = host.service_is(app, "running").await?;
        assert_eq!(service["reason"], Value::Null, "{service}");
    }
    assert_eq!(pids(host).await?, before);
    assert_eq!(hello(host).await?, "hello you");
    Ok(())
}

async fn kill_atekd(host: &Host) -> anyhow::Result<()> {
    let words = ["systemctl", "kill", "--signal=KILL", "atekd.service"];
    host.machine.exec(words).await.map(drop)
}

#[tokio::test]
async fn a_killed_atekd_finds_its_apps_again_and_soon() -> anyhow::Result<()> {
    let (host, before) = boot("adopt-kill").await?;
    for _ in 0..5 {
        kill_atekd(&host).await?;
        all_is_well(&host, &before).await?;
    }
    let journal = host.machine.journal("atekd.service").await?;
    assert!(
        !journal.contains("runs without a way to the host"),
        "{journal}"
    );
    let median = start_to_ready(&host).await?;
    println!("from start to ready: {median:?} (wanted: half a second)");
    assert!(median < SOON, "took {median:?}");
    Ok(())
}

/// From systemd's start of atekd to "ready", which comes after every adoption; the median
/// of all starts since the machine booted.
async fn start_to_ready(host: &Host) -> anyhow::Result<Duration> {
    let script = "journalctl -u atekd.service -o short-unix --no-pager \
                  -g '^(Starting atekd.service|the host is ready)'";
    let lines = host.machine.shell(script).await?;
    let mut began = None;
    let mut times = Vec::new();
    for line in lines.lines() {
        let moment: f64 = line.split(' ').next().unwrap_or_default().parse()?;
        if line.contains("Starting atekd.service") {
            began = Some(moment);
        } else if let Some(began) = began.take() {
            times.push(Duration::from_secs_f64(moment - began));
        }
    }
    times.sort();
    times
        .get(times.len() / 2)
        .copied()
        .ok_or_else(|| anyhow::anyhow!("no start in the journal: {lines}"))
}

#[tokio::test]
async fn a_restart_of_atekd_does_not_touch_an_app() -> anyhow::Result<()> {
    let (host, before) = boot("adopt-restart").await?;
    let began = Instant::now();
    host.machine
        .exec(["systemctl", "restart", "atekd.service"])
        .await?;
    all_is_well(&host, &before).await?;
    println!("restarted and well after {:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_stopped_atekd_starts_its_apps_anew_only_when_their_listeners_are_lost()
-> anyhow::Result<()> {
    let (host, _) = boot("adopt-stop").await?;
    for words in [
        ["systemctl", "stop", "atekd.service"],
        ["systemctl", "start", "atekd.service"],
    ] {
        host.machine.exec(words).await?;
    }
    host.ready().await?;
    for app in APPS {
        host.service_is(app, "running").await?;
    }
    wait_for("an answer", SOON, async || {
        Ok(Seen::if_so(hello(&host).await?, |answer| {
            answer == "hello you"
        }))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn systemd_reloads_and_executes_itself_again() -> anyhow::Result<()> {
    let (host, before) = boot("adopt-systemd").await?;
    for word in ["daemon-reload", "daemon-reexec", "daemon-reload"] {
        host.machine.exec(["systemctl", word]).await?;
        all_is_well(&host, &before).await?;
    }
    // What happens afterwards is still seen.
    let unit = "atek-app-hello-node.service";
    host.machine.exec(["systemctl", "stop", unit]).await?;
    host.service_is("hello-node", "stopped").await?;
    Ok(())
}

#[tokio::test]
async fn the_bus_restarts() -> anyhow::Result<()> {
    let (host, before) = boot("adopt-bus").await?;
    host.machine
        .exec(["systemctl", "restart", "dbus.service"])
        .await?;
    all_is_well(&host, &before).await?;
    // Both ways over the bus work again: what systemd says, and what atek-spawnd is asked.
    let stopped = wait_for("a stop", SOON, async || {
        let system = host.system()?;
        system.call(SERVICES, "stop", json!(["hello-node"])).await?;
        Ok(Seen::Wanted(()))
    });
    stopped.await?;
    host.service_is("hello-node", "stopped").await?;
    let system = host.system()?;
    system
        .call(SERVICES, "start", json!(["hello-node"]))
        .await?;
    host.service_is("hello-node", "running").await?;
    let unit = "atek-app-hello-node.service";
    host.machine.exec(["systemctl", "stop", unit]).await?;
    host.service_is("hello-node", "stopped").await?;
    Ok(())
}

#[tokio::test]
async fn what_stops_while_atekd_is_away_is_seen_when_it_is_back() -> anyhow::Result<()> {
    let (host, _) = boot("adopt-away").await?;
    let away = "systemctl kill --signal=STOP --kill-whom=main atekd.service; \
                systemctl stop atek-app-caller-node.service; \
                systemctl kill --signal=KILL atekd.service";
    host.machine.shell(away).await?;
    host.ready().await?;
    // It is wanted, so it is started: atekd cannot know who stopped it.
    host.service_is("caller-node", "running").await?;
    host.service_is("hello-node", "running").await?;
    Ok(())
}

#[tokio::test]
async fn a_reboot_starts_what_is_wanted_and_leaves_what_was_stopped() -> anyhow::Result<()> {
    let mut host = Host::on(atek_tests::Machine::builder("adopt-reboot").persistent()).await?;
    let remote = GitRemote::new("hello", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    for id in ["wanted", "unwanted"] {
        host.install_from(json!({ "sourceUrl": remote.url(), "id": id, "user": "system" }))
            .await?;
    }
    let system = host.system()?;
    system.call(SERVICES, "stop", json!(["unwanted"])).await?;
    host.machine.cut_power().await?;
    host.machine.power_on().await?;
    host.ready().await?;
    host.service_is("wanted", "running").await?;
    assert_eq!(host.service("unwanted").await?["state"], "stopped");
    assert_eq!(hello(&host).await?, "hello you");
    Ok(())
}
