//! The card in an emulated machine: one life of a box, from the first boot to a full disk.
//!
//! One test, because a boot is what costs here. `console.log` of `out/emulated/box` has what its screen showed.

use anyhow::{Context as _, ensure};
use atek_tests::emulated::{BOOT, Emulated, GATEWAY};
use atek_tests::host::{PASSWORD, SERVICES, SESSIONS, cookie_named};
use atek_tests::http::{Client, RpcError};
use atek_tests::{GitRemote, Seen, wait_for};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const SETUP: &str = "atek.cloud/setup-api";
const HELLO: &str = "example.test/hello";
const HOG: &str = "example.test/hog";

#[tokio::test]
async fn a_box_is_claimed_used_and_comes_back_from_a_power_cut_with_everything()
-> anyhow::Result<()> {
    let mut emulated = Emulated::new("box")?;
    emulated.start()?;
    println!(
        "figure: setup page after {:.1} s",
        emulated.answers().await?.as_secs_f32()
    );
    emulated.lets_in().await?;
    is_healthy(&emulated).await?;
    data_has_grown(&emulated).await?;

    let owner = claim(&emulated).await?;
    let remote = GitRemote::new("hello", Ipv4Addr::LOCALHOST)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    install(&owner, &remote, "hello").await?;
    assert_eq!(
        owner.call(HELLO, "hello", json!(["box"])).await?,
        "hello box"
    );
    owner.call(HELLO, "put", json!(["note", "kept"])).await?;

    let hogs = GitRemote::new("hog", Ipv4Addr::LOCALHOST)?;
    hogs.tag_app("v1.0.0", "hog-node")?;
    install(&owner, &hogs, "hog").await?;
    limits_hold(&emulated, &owner).await?;

    // Everything above was answered, so it is on the card.
    emulated.cut_power();
    emulated.start()?;
    println!(
        "figure: answers after a power cut after {:.1} s",
        emulated.answers().await?.as_secs_f32()
    );
    let status = emulated.http().call(SETUP, "status", json!([])).await?;
    assert_eq!(status, json!({ "needed": false }));
    running(&owner, "hello").await?;
    assert_eq!(
        owner.call(HELLO, "get", json!(["note"])).await?,
        "kept",
        "the session and the app's file are there"
    );
    emulated.lets_in().await?;
    is_healthy(&emulated).await?;
    figures(&emulated).await?;

    a_full_disk_leaves_the_way_out(&mut emulated, &owner).await
}

/// No failed unit, a kernel that complains of nothing, no unit that was left out to break a cycle.
async fn is_healthy(emulated: &Emulated) -> anyhow::Result<()> {
    let state = wait_for("the boot to end", BOOT, async || {
        let state = emulated.exec("systemctl is-system-running || true").await?;
        Ok(Seen::if_so(state.trim().to_owned(), |state| {
            state == "running" || state == "degraded"
        }))
    })
    .await?;
    let failed = emulated
        .exec("systemctl --failed --no-legend --plain")
        .await?;
    ensure!(
        state == "running" && failed.trim().is_empty(),
        "the system is {state}: {failed}"
    );
    let target = emulated.exec("systemctl get-default").await?;
    assert_eq!(target.trim(), "multi-user.target");
    // Nothing waits for a network, and nothing is made anew that the image has.
    let started = emulated
        .exec("systemctl show -P ActiveEnterTimestampMonotonic systemd-networkd-wait-online.service network-online.target ldconfig.service")
        .await?;
    assert_eq!(
        started.split_whitespace().collect::<Vec<_>>(),
        ["0", "0", "0"],
        "something delays the boot"
    );
    let tainted = emulated.exec("cat /proc/sys/kernel/tainted").await?;
    assert_eq!(tainted.trim(), "0", "the kernel is tainted");
    let cycles = emulated
        .exec("journalctl -b --no-pager -o cat | grep -i 'ordering cycle' || true")
        .await?;
    assert_eq!(cycles, "", "units were left out");
    let root = emulated
        .exec("findmnt -no FSTYPE,OPTIONS / && cat /sys/block/dm-0/dm/name")
        .await?;
    ensure!(
        root.contains("squashfs") && root.contains("ro") && root.contains("atek-root"),
        "the root is {root}"
    );
    let time = emulated
        .exec("systemd-analyze && systemd-analyze critical-chain --no-pager multi-user.target")
        .await?;
    println!("figure: {time}");
    Ok(())
}

/// The data partition took what the card has beyond the image.
async fn data_has_grown(emulated: &Emulated) -> anyhow::Result<()> {
    wait_for("the data partition to grow", BOOT, async || {
        let size = emulated
            .exec("df --output=size -B1M /var | tail -n 1")
            .await?;
        let size: u64 = size.trim().parse().context("df did not print a number")?;
        Ok(Seen::if_so(size, |size| *size > 1500))
    })
    .await
    .map(drop)
}

/// Carries setup out with the code on the screen; returns the owner's own client.
async fn claim(emulated: &Emulated) -> anyhow::Result<Client> {
    let anybody = emulated.http();
    let status = anybody.call(SETUP, "status", json!([])).await?;
    assert_eq!(
        (&status["needed"], &status["problems"]),
        (&json!(true), &json!([]))
    );
    emulated.claim().await
}

async fn install(owner: &Client, remote: &GitRemote, id: &str) -> anyhow::Result<()> {
    let url = remote.url().replace("127.0.0.1", GATEWAY);
    owner
        .call(SERVICES, "install", json!([{ "sourceUrl": url, "id": id }]))
        .await?;
    running(owner, id).await.map(drop)
}

async fn running(owner: &Client, id: &str) -> anyhow::Result<Value> {
    is(owner, id, "running").await
}

async fn is(owner: &Client, id: &str, state: &str) -> anyhow::Result<Value> {
    wait_for(&format!("{id} to be {state}"), BOOT, async || {
        let service = owner.call(SERVICES, "get", json!([id])).await?;
        Ok(Seen::if_so(service, |service| service["state"] == state))
    })
    .await
}

/// An app that takes all it can get of one thing gets its share, is named, and stands in nobody's way.
async fn limits_hold(emulated: &Emulated, owner: &Client) -> anyhow::Result<()> {
    let unit = "atek-app-hog.service";
    let limits = emulated
        .exec(&format!(
            "systemctl show -p MemoryMax,TasksMax --value {unit}"
        ))
        .await?;
    assert_eq!(
        limits.split_whitespace().collect::<Vec<_>>(),
        ["536870912", "128"]
    );

    owner.call(HOG, "hog", json!(["processes"])).await?;
    wait_for("the app to be refused more processes", BOOT, async || {
        let refusals = owner.call(HOG, "refusals", json!([])).await?;
        Ok(Seen::if_so(refusals, |refusals| refusals[0] == "EAGAIN"))
    })
    .await?;
    let tasks = emulated
        .exec(&format!("systemctl show -P TasksCurrent {unit}"))
        .await?;
    assert!(tasks.trim().parse::<u32>()? <= 128, "{tasks} tasks");
    others_are_answered(emulated, "processes").await?;

    restart(owner).await?;
    owner
        .call(
            SERVICES,
            "configure",
            json!(["hog", { "limits": { "cpuQuota": 50 } }]),
        )
        .await?;
    restart(owner).await?;
    owner.call(HOG, "hog", json!(["processors"])).await?;
    others_are_answered(emulated, "processors").await?;
    // Both clocks are the box's, read by one script: however slow the emulator, the share is the share.
    let looked = emulated
        .exec(&format!(
            "look() {{ systemctl show -P CPUUsageNSec {unit}; cut -d' ' -f1 /proc/uptime; }}; \
             look; sleep 10; look; cat /sys/fs/cgroup$(systemctl show -P ControlGroup {unit})/cpu.stat"
        ))
        .await?;
    let numbers = looked.lines().take(4).map(str::parse::<f64>);
    let numbers = numbers
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("these are no times: {looked}"))?;
    let share = (numbers[2] - numbers[0]) / 1e9 / (numbers[3] - numbers[1]);
    println!("figure: an app that may use half a processor used {share:.2} of one");
    // Two processors' work is asked for. A tenth more may be used before it is counted.
    ensure!(
        share < 0.75,
        "an app that may use half a processor used {share:.2} of one"
    );
    ensure!(
        !looked.contains("nr_throttled 0\n"),
        "nothing was held back: {looked}"
    );

    restart(owner).await?;
    owner.call(HOG, "hog", json!(["memory"])).await?;
    let reason = wait_for("the app to be named for its memory", BOOT, async || {
        let service = owner.call(SERVICES, "get", json!(["hog"])).await?;
        Ok(Seen::if_so(service["reason"].to_string(), |reason| {
            reason.contains("memory")
        }))
    })
    .await?;
    println!("figure: the culprit's reason is {reason}");
    others_are_answered(emulated, "memory").await?;
    owner.call(SERVICES, "stop", json!(["hog"])).await?;
    Ok(())
}

async fn restart(owner: &Client) -> anyhow::Result<()> {
    owner.call(SERVICES, "restart", json!(["hog"])).await?;
    running(owner, "hog").await.map(drop)
}

/// Pages of the host are answered while the app hogs. How fast is a figure, not a condition: the emulated processor
/// is as fast as this machine has time for it.
async fn others_are_answered(emulated: &Emulated, what: &str) -> anyhow::Result<()> {
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let started = Instant::now();
        let page = emulated.http().get("/_atek/login/").await?;
        assert!(page.status < 400, "the page answered {}", page.status);
        slowest = slowest.max(started.elapsed());
    }
    println!(
        "figure: pages within {} ms while an app hogs {what}",
        slowest.as_millis()
    );
    Ok(())
}

async fn figures(emulated: &Emulated) -> anyhow::Result<()> {
    let memory = emulated.exec("free -m | sed -n 2p; df -h --output=used,target /var | tail -n 1; systemd-analyze security --no-pager | grep atek || true").await?;
    println!("figure: memory and data\n{memory}");
    Ok(())
}

/// An app has taken the last block that apps can have: people sign in, also after a power cut, and take it away.
async fn a_full_disk_leaves_the_way_out(
    emulated: &mut Emulated,
    owner: &Client,
) -> anyhow::Result<()> {
    let kept_back = "set -- $(stat -f -c '%f %a %S' /var); echo $((($1 - $2) * $3 >> 20))";
    let reserve = emulated.exec(kept_back).await?;
    println!("figure: {} MiB are kept back for the host", reserve.trim());
    // 16 of them are the file system's own; the rest shows that the reserve has grown with it.
    ensure!(
        reserve.trim().parse::<u32>()? >= 32,
        "only {reserve} MiB are kept back for the host"
    );
    // Most of it at once: an emulated card is slow.
    let most =
        "free=$(df --output=avail -B1M /var | tail -n 1); fallocate -l $((free - 150))M /var/most";
    emulated.exec(most).await?;
    fill(emulated, owner).await?;
    let mut here = vec![sign_in(emulated).await?, sign_in(emulated).await?];

    emulated.cut_power();
    emulated.start()?;
    println!(
        "figure: answers with a full disk after {:.1} s",
        emulated.answers().await?.as_secs_f32()
    );
    fill(emulated, owner).await?;
    here.push(sign_in(emulated).await?);
    for person in &here {
        let who = person.call(SESSIONS, "whoami", json!([])).await?;
        ensure!(who["isActive"] == true, "a session is gone: {who}");
    }
    here[0].call(SESSIONS, "logout", json!([])).await?;
    here[2].call(SERVICES, "uninstall", json!(["hog"])).await?;
    let gone = owner.call(SERVICES, "get", json!(["hog"])).await;
    ensure!(
        gone.is_err_and(|error| error.is::<RpcError>()),
        "the app is still there"
    );
    let free = emulated
        .exec("rm /var/most; df --output=avail -B1M /var | tail -n 1")
        .await?;
    ensure!(
        free.trim().parse::<u32>()? > 1000,
        "{free} MiB are free again"
    );
    owner.call(HELLO, "put", json!(["after", "kept"])).await?;
    is_healthy(emulated).await
}

async fn fill(emulated: &Emulated, owner: &Client) -> anyhow::Result<()> {
    owner.call(SERVICES, "start", json!(["hog"])).await?;
    running(owner, "hog").await?;
    owner.call(HOG, "hog", json!(["disk"])).await?;
    wait_for("the app to be refused more of the disk", BOOT, async || {
        let refusals = owner.call(HOG, "refusals", json!([])).await?;
        Ok(Seen::if_so(refusals, |refusals| refusals[0] == "ENOSPC"))
    })
    .await?;
    emulated.lets_in().await?;
    // What the box itself gives back, such as an old journal, the app takes as well.
    wait_for("the disk to be full", BOOT, async || {
        let free = emulated
            .exec("df --output=avail -B1K /var | tail -n 1")
            .await?;
        Ok(Seen::if_so(free, |free| free.trim() == "0"))
    })
    .await
    .map(drop)
}

async fn sign_in(emulated: &Emulated) -> anyhow::Result<Client> {
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "login", "params": [{ "username": "owner", "password": PASSWORD }],
    });
    let path = format!("/_atek/gateway?api={SESSIONS}");
    let response = emulated.http().post_json(&path, &request).await?;
    let answer = response.json()?;
    ensure!(answer["error"].is_null(), "sign-in answered {answer}");
    let cookie = cookie_named("session", response.header("set-cookie"))?;
    Ok(emulated
        .http()
        .header("cookie", &format!("session={cookie}")))
}
