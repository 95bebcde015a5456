//! Container images beside Debian's podman, in one run: pull and unpack, start to the first answer,
//! requests a second at the port, memory and disk of ten apps of one image. Prints figures; fails
//! only when something cannot be measured.

mod images;

use anyhow::{Context as _, ensure};
use atek_tests::host::{Host, SERVICES};
use atek_tests::registry::layer;
use atek_tests::skip;
use images::{FILE, busybox, registry, site};
use serde_json::json;
use std::process::Command;
use std::time::{Duration, Instant};

/// Starts of each.
const STARTS: usize = 7;
/// Apps, and containers, of one image.
const APPS: usize = 10;
const MIB: u64 = 1 << 20;

/// What every command of podman begins with: files of its own, no service of the system, and
/// control groups as a system of today has them.
const PODMAN: &str = "mount --make-rprivate /; mount -t tmpfs none /sys/fs/cgroup; \
    mount -t cgroup2 none /sys/fs/cgroup; H=$(ulimit -Hn); \
    podman() { command podman --root $ROOT/root --runroot $ROOT/run --cgroup-manager=cgroupfs \
      --events-backend=file \"$@\"; }; \
    start() { podman run -d --cgroups=disabled --ulimit nofile=$H:$H --ulimit nproc=4096:4096 \"$@\" >/dev/null; }; ";

/// podman's files, and what runs in them; removed with the value.
struct Podman {
    folder: tempfile::TempDir,
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.run("podman rm --all --force >/dev/null; podman rmi --all --force >/dev/null");
    }
}

impl Podman {
    fn run(&self, script: &str) -> anyhow::Result<String> {
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-euc", &format!("{PODMAN}{script}")])
            .env("ROOT", self.folder.path())
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{script}: {errors}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn shell(script: &str) -> anyhow::Result<String> {
    let output = Command::new("sh").args(["-euc", script]).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{script}: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A shell's loop that ends with the first answer at this port.
fn until_answered(port: u16) -> String {
    format!("until curl -sf -o /dev/null http://127.0.0.1:{port}/; do :; done")
}

/// Requests a second, as wrk says.
fn requests(before: &str, url: &str, headers: &str) -> anyhow::Result<f64> {
    let said = shell(&format!("{before} wrk -t2 -c32 -d5s {headers} {url}"))?;
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    Ok(line.context("wrk says nothing")?.trim().parse()?)
}

/// Proportional memory of these processes, in KiB.
fn memory(pids: &str) -> anyhow::Result<u64> {
    let files: Vec<String> = pids
        .split_whitespace()
        .map(|pid| format!("/proc/{pid}/smaps_rollup"))
        .collect();
    let sum = shell(&format!(
        "cat {} | awk '/^Pss:/ {{ sum += $2 }} END {{ print sum }}'",
        files.join(" ")
    ))?;
    Ok(sum.parse()?)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// Bytes that do not get smaller: a linear congruential generator's.
fn noise(bytes: u64) -> String {
    let mut state = 1u64;
    (0..bytes)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b' ' + (state >> 58) as u8)
        })
        .collect()
}

/// Proportional memory of the processes of these units, in KiB.
async fn memory_of_units(host: &Host, units: &str) -> anyhow::Result<u64> {
    let script = format!(
        "for unit in $(systemctl list-units --no-legend --plain '{units}' | cut -d' ' -f1); do
           for pid in $(cat /sys/fs/cgroup$(systemctl show -P ControlGroup $unit)/cgroup.procs); do
             cat /proc/$pid/smaps_rollup
           done
         done | awk '/^Pss:/ {{ sum += $2 }} END {{ print sum }}'"
    );
    Ok(host.machine.shell(&script).await?.trim().parse()?)
}

#[tokio::test]
async fn images_beside_podman() -> anyhow::Result<()> {
    if Command::new("podman").arg("--version").output().is_err() {
        skip("podman is not installed");
        return Ok(());
    }
    let host = Host::boot("bench-images").await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    let podman = Podman {
        folder: tempfile::tempdir()?,
    };
    println!("load: {}", std::fs::read_to_string("/proc/loadavg")?.trim());

    // Pull and unpack.
    let big = layer(&[(FILE, "srv/noise", &noise(200 * MIB))]);
    registry.push("big", "1.0.0", site(), &[busybox(&images)?, big]);
    let began = Instant::now();
    podman.run(&format!(
        "podman pull -q --tls-verify=false {}/big:1.0.0",
        registry.address()
    ))?;
    let theirs = began.elapsed();
    let began = Instant::now();
    let get = ["atek", "get", &registry.source("big:1.0.0")];
    host.machine.exec(get).await?;
    println!(
        "pull and unpack 200 MiB: podman {theirs:.2?}, atek {:.2?}",
        began.elapsed()
    );

    // Start to the first answer, of a real server.
    images.push("nginx", &registry, "1.0.0")?;
    let source = registry.source("nginx");
    let install = async |id: &str| {
        let params =
            json!({ "sourceUrl": source, "id": id, "user": "alice", "grant": { "root": true } });
        host.install_from(params).await?;
        host.service_is(id, "running").await.map(drop)
    };
    install("web0").await?;
    let image = format!("{}/nginx:1.0.0", registry.address());
    podman.run(&format!("podman pull -q --tls-verify=false {image}"))?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let began = Instant::now();
        podman.run(&format!(
            "start --name web0 -p 127.0.0.1:18080:80 {image}; {}",
            until_answered(18080)
        ))?;
        theirs.push(began.elapsed());
        podman.run("podman rm -f web0 >/dev/null")?;
        host.system()?
            .call(SERVICES, "stop", json!(["web0"]))
            .await?;
        let began = Instant::now();
        host.system()?
            .call(SERVICES, "start", json!(["web0"]))
            .await?;
        host.page(&alice, "web0", "/").await?;
        ours.push(began.elapsed());
    }
    let (theirs, ours) = (median(theirs), median(ours));
    println!(
        "start to the first answer: podman {theirs:.0} ms, atek {ours:.0} ms ({:.2})",
        ours / theirs
    );

    // Requests at the port itself, and from outside.
    podman.run(&format!(
        "start --name web0 -p 127.0.0.1:18080:80 {image}; {}",
        until_answered(18080)
    ))?;
    let their_pid = podman.run("podman inspect -f '{{.State.Pid}}' web0")?;
    let their_network = format!("/proc/{}/ns/net", their_pid.trim());
    let our_network = format!("/proc/{}/ns/net", host.pid("web0").await?);
    let our_network = host.machine.outer_path(&our_network)?.display().to_string();
    let inside = |network: &str| format!("nsenter --net={network}");
    let local = "http://127.0.0.1:80/";
    let theirs = requests(&inside(&their_network), local, "")?;
    let ours = requests(&inside(&our_network), local, "")?;
    println!(
        "requests/s in its network: podman {theirs:.0}, atek {ours:.0} ({:.2})",
        ours / theirs
    );
    let theirs = requests("", "http://127.0.0.1:18080/", "")?;
    let cookie = host.visit_cookie(&alice, "web0").await?;
    let headers = format!("-H 'Host: web0.localhost' -H 'Cookie: atek-session={cookie}'");
    let ours = requests(
        "",
        &format!("http://{}/", host.machine.address()?),
        &headers,
    )?;
    println!(
        "requests/s from outside (published port; gateway with session): podman {theirs:.0}, atek {ours:.0} ({:.2})",
        ours / theirs
    );

    // Ten of one image.
    for n in 1..APPS {
        install(&format!("web{n}")).await?;
        podman.run(&format!("start --name web{n} {image}"))?;
    }
    let theirs = podman.run("for n in $(podman ps -q); do podman inspect -f '{{.State.Pid}} {{.State.ConmonPid}}' $n; done")?;
    let children = shell(&format!(
        "for pid in {}; do cat /proc/$pid/task/*/children; done",
        theirs.replace('\n', " ")
    ))?;
    let mut theirs: Vec<&str> = theirs
        .split_whitespace()
        .chain(children.split_whitespace())
        .collect();
    theirs.sort_unstable();
    theirs.dedup();
    let theirs = memory(&theirs.join(" "))?;
    let ours = memory_of_units(&host, "atek-app-web*").await?;
    println!("memory of {APPS}: podman {theirs} KiB, atek {ours} KiB");
    let folder = podman.folder.path().join("root").display().to_string();
    let theirs: u64 = shell(&format!("du -sk {folder} | cut -f1"))?.parse()?;
    let ours = host
        .machine
        .shell("du -sk /var/lib/atek/packages | cut -f1")
        .await?;
    println!(
        "disk of {APPS} (and of the large image at podman): podman {theirs} KiB, atek {} KiB",
        ours.trim()
    );
    Ok(())
}
