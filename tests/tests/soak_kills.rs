//! kill -9 of atekd, again and again: apps never die, nothing is left half-done.
//!
//! `ATEK_SOAK_KILLS` and `ATEK_SOAK_INSTALLS` shorten it for a look.

use anyhow::{Context as _, bail};
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, Person, SERVICES};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn rounds(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// A cheap sequence of moments to kill at; the same in every run.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below_ms: u64) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((self.0 >> 33) % below_ms)
    }
}

async fn host_pid(host: &Host) -> anyhow::Result<String> {
    let shown = ["systemctl", "show", "-P", "MainPID", "atekd.service"];
    Ok(host.machine.exec(shown).await?.trim().to_owned())
}

/// kill -9, and back again as another process.
async fn kill(host: &Host) -> anyhow::Result<()> {
    let before = host_pid(host).await?;
    let kill = [
        "systemctl",
        "kill",
        "--signal=KILL",
        "--kill-whom=main",
        "atekd.service",
    ];
    host.machine.exec(kill).await?;
    // Now, not after the pause that systemd makes between restarts.
    host.machine
        .exec(["systemctl", "start", "atekd.service"])
        .await?;
    wait_for("another atekd", Duration::from_secs(20), async || {
        let now = host_pid(host).await?;
        Ok(Seen::if_so(now, |now| now != "0" && *now != before))
    })
    .await?;
    host.ready().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_kills_under_load_end_no_app_and_lose_no_call_after_the_reconnect()
-> anyhow::Result<()> {
    let kills = rounds("ATEK_SOAK_KILLS", 1000);
    let host = Arc::new(Host::boot("soak-kills").await?);
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    host.install("native-echo", "alice").await?;
    let pids = [
        host.pid("hello-node").await?,
        host.pid("native-echo").await?,
        host.pid("core.adb").await?,
    ];

    let stop = Arc::new(AtomicBool::new(false));
    let (answered, broken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let loads: Vec<_> = (0..4)
        .map(|_| {
            let (stop, answered, broken) = (stop.clone(), answered.clone(), broken.clone());
            let client = alice.client.clone();
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match client
                        .call("example.test/native-echo", "echo", json!(["x"]))
                        .await
                    {
                        Ok(result) if result == json!(["x"]) => {
                            answered.fetch_add(1, Ordering::Relaxed)
                        }
                        Ok(result) => panic!("a wrong answer: {result}"),
                        Err(_) => broken.fetch_add(1, Ordering::Relaxed),
                    };
                }
            })
        })
        .collect();

    let mut moments = Moments(1);
    let mut worst = Duration::ZERO;
    for round in 1..=kills {
        tokio::time::sleep(moments.next(60)).await;
        let started = Instant::now();
        kill(&host).await.with_context(|| format!("kill {round}"))?;
        worst = worst.max(started.elapsed());
        // Every call after the reconnect succeeds, over the app's own listener too.
        let answer = alice
            .client
            .call("example.test/hello", "hello", json!(["again"]))
            .await;
        let answer = answer.with_context(|| format!("the call after kill {round}"))?;
        assert_eq!(answer, "hello again");
        if round % 100 == 0 {
            println!(
                "{round} kills, {} calls answered, {} broken by a kill",
                answered.load(Ordering::Relaxed),
                broken.load(Ordering::Relaxed)
            );
        }
    }
    stop.store(true, Ordering::Relaxed);
    for load in loads {
        load.await?;
    }
    let after = [
        host.pid("hello-node").await?,
        host.pid("native-echo").await?,
        host.pid("core.adb").await?,
    ];
    assert_eq!(after, pids, "a process of an app changed");
    println!(
        "{kills} kills; longest from kill to ready {worst:?}; {} calls answered, {} broken by a kill",
        answered.load(Ordering::Relaxed),
        broken.load(Ordering::Relaxed)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_during_install_and_uninstall_leave_nothing_half_done() -> anyhow::Result<()> {
    let kills = rounds("ATEK_SOAK_INSTALLS", 200);
    let host = Host::boot("soak-installs").await?;
    let alice = host.person("alice", "").await?;
    let remote = GitRemote::new("soak", host.machine.gateway()?)?;
    remote.tag_app("v1.0.0", "native-echo")?;
    let mut moments = Moments(2);
    let (mut kept, mut undone) = (0, 0);
    for round in 1..=kills {
        let install = json!([{ "sourceUrl": remote.url(), "id": "app" }]);
        interrupted(&host, &alice, "install", install, moments.next(700)).await?;
        whole(&host)
            .await
            .with_context(|| format!("after kill {round}, during install"))?;
        if host.service("app").await.is_err() {
            undone += 1;
            continue;
        }
        kept += 1;
        host.service_is("app", "running").await?;
        interrupted(
            &host,
            &alice,
            "uninstall",
            json!(["app"]),
            moments.next(200),
        )
        .await?;
        whole(&host)
            .await
            .with_context(|| format!("after kill {round}, during uninstall"))?;
        if host.service("app").await.is_ok() {
            host.system()?
                .call(SERVICES, "uninstall", json!(["app"]))
                .await?;
        }
    }
    whole(&host).await?;
    println!(
        "{kills} kills during install ({kept} had been installed, {undone} were undone) and uninstall: nothing left over"
    );
    Ok(())
}

/// Begins a call and kills the host after `delay`.
async fn interrupted(
    host: &Host,
    person: &Person,
    method: &str,
    params: Value,
    delay: Duration,
) -> anyhow::Result<()> {
    let client = person.client.clone();
    let method = method.to_owned();
    let call = tokio::spawn(async move { client.call(SERVICES, &method, params).await });
    tokio::time::sleep(delay).await;
    kill(host).await?;
    // Whatever it says, or that it says nothing.
    let _ = call.await?;
    Ok(())
}

/// Units, packages, staging and state folders are exactly those of the services that exist.
async fn whole(host: &Host) -> anyhow::Result<()> {
    wait_for("nothing to be left over", Duration::from_secs(30), async || {
        let list = host.system()?.call(SERVICES, "list", json!([])).await?;
        let services = list["services"].as_array().context("no list")?;
        let installed: Vec<&Value> = services.iter().filter(|s| s["settings"]["id"] == "app").collect();
        let keys: BTreeSet<String> =
            installed.iter().filter_map(|s| Some(s["key"].as_str()?.to_owned())).collect();
        if keys.len() > 1 {
            bail!("installed {} times", keys.len());
        }
        let names = |script: &'static str| async move {
            let listed = host.machine.shell(script).await?;
            anyhow::Ok(listed.split_whitespace().map(str::to_owned).collect::<BTreeSet<String>>())
        };
        let packages = names("ls /var/lib/atek/packages 2>/dev/null || true").await?;
        let staging = names("ls /var/lib/atek/staging 2>/dev/null || true").await?;
        let states = names("ls /var/lib/private | sed -n 's/^atek-app-//p' | grep -v '^core' || true").await?;
        let units = names("systemctl list-units --all --no-legend --plain 'atek-app-app*' 'atek-package-*' | cut -d' ' -f1").await?;
        let staged = names("ls /run/atek/tokens | grep -v '^core' || true").await?;
        let expected_units = if keys.is_empty() { 0 } else { 1 };
        let clean = packages == keys && staging.is_empty() && states.is_subset(&keys) && units.len() <= expected_units && staged.is_subset(&keys);
        Ok(if clean {
            Seen::Wanted(())
        } else {
            Seen::other((keys, packages, staging, states, units, staged))
        })
    })
    .await
}
