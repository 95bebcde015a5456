//! The card in an emulated machine: one life of a box, from the first boot to a full disk.
//!
//! One test, because a boot is what costs here. `console.log` of `out/emulated/box` has what its
//! screen showed.

use anyhow::{Context as _, ensure};
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::host::{PASSWORD, SERVICES, SESSIONS, cookie_named};
use atek_tests::http::{Client, RpcError};
use atek_tests::{GitRemote, Seen, wait_for, wear};
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
    lacks_nothing(&emulated).await?;
    exposes_what_the_list_says(&emulated).await?;
    data_has_grown(&emulated).await?;

    let owner = claim(&emulated).await?;
    let remote = GitRemote::new("hello", Ipv4Addr::LOCALHOST)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    emulated.install(&owner, &remote, "hello").await?;
    assert_eq!(
        owner.call(HELLO, "hello", json!(["box"])).await?,
        "hello box"
    );
    owner.call(HELLO, "put", json!(["note", "kept"])).await?;

    writes_next_to_nothing(&emulated).await?;

    let hogs = GitRemote::new("hog", Ipv4Addr::LOCALHOST)?;
    hogs.tag_app("v1.0.0", "hog-node")?;
    emulated.install(&owner, &hogs, "hog").await?;
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

/// An idle box with an app leaves its card alone: the short form of the suite `soak`'s hour.
async fn writes_next_to_nothing(emulated: &Emulated) -> anyhow::Result<()> {
    wear::settle(emulated).await?;
    let written = wear::while_idle(emulated, wear::SHORT).await?;
    println!("figure: {written}");
    ensure!(written.is_little(), "an idle box writes much: {written}");
    if written.has_quiet_minutes() {
        return Ok(());
    }
    // What is written once an hour, as the counts of the audit log, fell into these minutes. What
    // is written all the time comes again.
    let again = wear::while_idle(emulated, wear::SHORT).await?;
    println!("figure: {again}");
    ensure!(
        again.is_little() && again.has_quiet_minutes(),
        "something writes to the card all the time: {written}{again}"
    );
    Ok(())
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
    // Nothing waits for a network, and nothing is rebuilt that the image has.
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
        .exec("grep ' / / ' /proc/self/mountinfo; cat /sys/block/dm-0/dm/name")
        .await?;
    ensure!(
        root.contains(" - squashfs ") && root.contains(" / / ro") && root.contains("atek-root"),
        "the root is {root}"
    );
    let time = emulated
        .exec("systemd-analyze && systemd-analyze critical-chain --no-pager multi-user.target")
        .await?;
    println!("figure: {time}");
    Ok(())
}

/// `atek check-system` finds everything that Atek needs.
async fn lacks_nothing(emulated: &Emulated) -> anyhow::Result<()> {
    let text = emulated.exec("atek check-system --json").await?;
    let report: Value = serde_json::from_str(&text).context("this is no report")?;
    assert_eq!(report["missing"], json!([]), "the system lacks something");
    Ok(())
}

/// Ports that a box opens to its network: web and ssh, Avahi's names, the address of the router.
/// Those of apps (8100-8199) come with the apps.
const PORTS: &[u16] = &[22, 80, 5353];

/// networkd's service names it as `Also=`, so it is enabled with it.
const COMES_WITH_NETWORKD: &str = "systemd-networkd.socket";

/// The name server of the emulator's network.
const NAME_SERVER: &str = "10.0.2.3";

/// What listens, which units are enabled, and of whom names are asked.
async fn exposes_what_the_list_says(emulated: &Emulated) -> anyhow::Result<()> {
    let sockets = emulated
        .exec("for kind in tcp tcp6 udp udp6; do sed \"1d; s/^/$kind /\" /proc/net/$kind; done")
        .await?;
    let open = open_ports(&sockets);
    let unknown: Vec<_> = open
        .iter()
        .filter(|(_, port)| !PORTS.contains(port))
        .collect();
    // Avahi asks from a port of its own choice; DHCP's client is bound to the box's own address.
    ensure!(
        unknown
            .iter()
            .all(|(kind, port)| kind.starts_with("udp") && (*port > 1024 || *port == 546)),
        "ports are open that no list names: {unknown:?}"
    );
    ensure!(
        !open.iter().any(|(_, port)| *port == 5355),
        "LLMNR is open: {open:?}"
    );
    let resolver = emulated
        .exec("systemd-analyze cat-config systemd/resolved.conf | grep -v '^#'")
        .await?;
    for line in [
        "DNSSEC=no",
        "DNSOverTLS=no",
        "LLMNR=no",
        "MulticastDNS=no",
        "FallbackDNS=",
    ] {
        let last = resolver
            .lines()
            .rfind(|found| found.starts_with(line.split('=').next().unwrap_or(line)));
        assert_eq!(last, Some(line), "{resolver}");
    }
    let waits = emulated
        .exec("systemctl is-enabled systemd-networkd-wait-online.service || true")
        .await?;
    assert_eq!(waits.trim(), "masked");
    // The router's alone, which DHCP names.
    let asked = emulated
        .exec("grep ^nameserver /run/systemd/resolve/resolv.conf")
        .await?;
    assert!(
        asked
            .lines()
            .all(|line| line == format!("nameserver {NAME_SERVER}")),
        "names are asked of others: {asked}"
    );
    // The presets are the list: what else is enabled was enabled behind their back.
    let units = emulated
        .exec("systemctl list-unit-files --state=enabled --no-legend --plain")
        .await?;
    let (known, strange): (Vec<&str>, Vec<&str>) = units.lines().partition(|line| {
        let preset = line.split_whitespace().nth(2);
        preset == Some("enabled") || line.starts_with(COMES_WITH_NETWORKD)
    });
    ensure!(
        known.iter().any(|line| line.starts_with("atekd.service")),
        "no unit of Atek is enabled: {units}"
    );
    ensure!(strange.is_empty(), "units no preset enables: {strange:?}");
    Ok(())
}

/// Sockets of `/proc/net` that anybody in the network reaches, with the protocol before each line:
/// TCP that listens, UDP that is bound, neither to a loopback address nor to one of the box's own.
fn open_ports(sockets: &str) -> Vec<(String, u16)> {
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (kind, local, state) = (*fields.first()?, *fields.get(2)?, *fields.get(4)?);
        let (address, port) = local.split_once(':')?;
        // 0A listens; 07 is UDP without a peer.
        let waits = if kind.starts_with("tcp") {
            state == "0A"
        } else {
            state == "07"
        };
        let everywhere = address.bytes().all(|digit| digit == b'0');
        (waits && everywhere).then_some((kind.to_owned(), u16::from_str_radix(port, 16).ok()?))
    };
    sockets.lines().filter_map(port).collect()
}

#[test]
fn only_sockets_that_the_network_reaches_count_as_open() {
    let sockets = "tcp 0: 00000000:0050 00000000:0000 0A 0\ntcp 1: 3500007F:0035 00000000:0000 0A 0\n\
                   tcp 2: 00000000:0016 0202000A:1234 01 0\nudp 3: 00000000:14EB 00000000:0000 07 0\n\
                   udp6 4: 00000000000000000000000000000000:14E9 0:0 07 0\n";
    assert_eq!(
        open_ports(sockets),
        [
            ("tcp".to_owned(), 0x50),
            ("udp".to_owned(), 5355),
            ("udp6".to_owned(), 5353)
        ]
    );
}

/// The data partition took what the card has beyond the image.
async fn data_has_grown(emulated: &Emulated) -> anyhow::Result<()> {
    wait_for("the data partition to grow", BOOT, async || {
        let size = space(emulated).await?.size;
        Ok(Seen::if_so(size >> 20, |size| *size > 1500))
    })
    .await
    .map(drop)
}

/// Bytes of the data partition.
struct Space {
    size: u64,
    free: u64,
    /// Free for programs that are not in the group of the reserve.
    available: u64,
}

/// Asks the kernel by Node, which every card has: `df` and `stat` of Buildroot's busybox know none
/// of the options.
async fn space(emulated: &Emulated) -> anyhow::Result<Space> {
    const ASK: &str = "const s = fs.statfsSync('/var'); console.log(s.bsize * s.blocks, s.bsize * s.bfree, s.bsize * s.bavail)";
    let text = emulated.exec(&format!("node -e \"{ASK}\"")).await?;
    let numbers = text.split_whitespace().map(str::parse::<u64>);
    let numbers = numbers
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("these are no sizes: {text}"))?;
    let [size, free, available] = numbers[..] else {
        anyhow::bail!("these are no three sizes: {text}");
    };
    Ok(Space {
        size,
        free,
        available,
    })
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

/// An app that takes all it can get of one thing gets its share, is named, and hinders no other.
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
    // Both clocks are the box's, read by one script: however slow the emulator, the share is the
    // share.
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

/// Pages of the host are answered while the app hogs. How fast is a figure, not a condition: the
/// emulated processor is as fast as this machine has time for it.
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
    let memory = emulated.exec("grep -e MemTotal -e MemAvailable /proc/meminfo; systemd-analyze security --no-pager | grep atek || true").await?;
    let space = space(emulated).await?;
    println!(
        "figure: memory and units\n{memory}figure: {} MiB of the data partition are used",
        (space.size - space.free) >> 20
    );
    Ok(())
}

/// An app has taken the last block that apps can have: people sign in, also after a power cut, and
/// take it away.
async fn a_full_disk_leaves_the_way_out(
    emulated: &mut Emulated,
    owner: &Client,
) -> anyhow::Result<()> {
    let before = space(emulated).await?;
    let reserve = (before.free - before.available) >> 20;
    println!("figure: {reserve} MiB are kept back for the host");
    // 16 of them are the file system's own; the rest shows that the reserve has grown with it.
    ensure!(
        reserve >= 32,
        "only {reserve} MiB are kept back for the host"
    );
    // Most of it at once: an emulated card is slow.
    let most = (before.available >> 20).saturating_sub(150);
    // Without `fallocate` it is written.
    let take = format!(
        "if command -v fallocate >/dev/null; then fallocate -l {most}M /var/most; \
         else head -c {most}M /dev/zero >/var/most; fi"
    );
    emulated.exec(&take).await?;
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
    emulated.exec("rm /var/most").await?;
    let free = space(emulated).await?.available >> 20;
    ensure!(free > 1000, "{free} MiB are free again");
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
        let free = space(emulated).await?.available >> 10;
        Ok(Seen::if_so(free, |free| *free == 0))
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
