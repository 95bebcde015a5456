//! Container images beside Debian's podman, in one run: pull and unpack, start to the first answer,
//! requests a second at the port, memory and disk of ten apps of one image. Prints figures; fails
//! only when something cannot be measured.

mod images;

use anyhow::{Context as _, ensure};
use atek_tests::debian_images::DebianImages;
use atek_tests::host::{Host, Person, SERVICES};
use atek_tests::phone::BOX;
use atek_tests::registry::{Registry, layer};
use atek_tests::{LanClient, Machine, skip};
use images::{FILE, busybox, registry, site};
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts of each.
const STARTS: usize = 7;
/// Apps, and containers, of one image.
const APPS: usize = 10;
/// Rounds of requests of each.
const ROUNDS: usize = 5;
/// Its second port, whose requests it does not log: the one that is published.
const PORT: u16 = 8081;
const MIB: u64 = 1 << 20;
/// For a pull on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// The mount namespace of all commands of podman, with control groups as a system of today has
/// them. It is one, since the network of a container is a mount in it: another one would not find
/// it, and leave the rules of its ports.
const NAMESPACE: &str = "mount --make-rprivate /; mount -t tmpfs none /sys/fs/cgroup; \
    mount -t cgroup2 none /sys/fs/cgroup; echo ready; exec cat";

/// What every command of podman begins with: files of its own, and no service of the system.
const PODMAN: &str = "H=$(ulimit -Hn); \
    podman() { command podman --root $ROOT/root --runroot $ROOT/run --cgroup-manager=cgroupfs \
      --events-backend=file \"$@\"; }; \
    start() { podman run -d --cgroups=disabled --ulimit nofile=$H:$H --ulimit nproc=4096:4096 \"$@\" >/dev/null; }; ";

/// podman's files, and what runs in them; removed with the value.
struct Podman {
    folder: tempfile::TempDir,
    /// The process in the namespace; it ends with its input.
    namespace: Child,
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.run("podman rm --all --force >/dev/null; podman rmi --all --force >/dev/null");
        drop(self.namespace.stdin.take());
        let _ = self.namespace.wait();
    }
}

impl Podman {
    fn new() -> anyhow::Result<Self> {
        let mut namespace = Command::new("unshare")
            .args(["--mount", "sh", "-euc", NAMESPACE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = namespace.stdout.as_mut().context("no output")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        ensure!(line == "ready\n", "podman has no mount namespace");
        let folder = tempfile::tempdir()?;
        Ok(Self { folder, namespace })
    }

    fn run(&self, script: &str) -> anyhow::Result<String> {
        let output = Command::new("nsenter")
            .arg(format!("--target={}", self.namespace.id()))
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
    format!(
        "timeout 60 sh -c 'until curl -sf -m 5 -o /dev/null http://127.0.0.1:{port}/; do :; done'"
    )
}

/// Where requests are made: in whose network, of what, with which headers.
struct Way {
    network: String,
    url: String,
    headers: String,
}

impl Way {
    fn inside(network: &str, url: &str) -> Self {
        Self {
            network: network.to_owned(),
            url: url.to_owned(),
            headers: String::new(),
        }
    }

    /// Requests a second, as wrk says.
    fn requests(&self) -> anyhow::Result<f64> {
        let Self {
            network,
            url,
            headers,
        } = self;
        let wrk = format!("nsenter --net={network} wrk -t2 -c32 -d3s {headers} {url}");
        let said = shell(&wrk)?;
        ensure!(!said.contains("Non-2xx"), "{url}: {said}");
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"));
        Ok(line.context("wrk says nothing")?.trim().parse()?)
    }
}

/// The middle of some rounds, in which each has its turn.
fn compare(what: &str, theirs: &Way, ours: &Way) -> anyhow::Result<()> {
    let (mut podman, mut atek) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        podman.push(theirs.requests()?);
        atek.push(ours.requests()?);
    }
    podman.sort_by(f64::total_cmp);
    atek.sort_by(f64::total_cmp);
    let (podman, atek) = (podman[ROUNDS / 2], atek[ROUNDS / 2]);
    println!(
        "requests/s {what}: podman {podman:.0}, atek {atek:.0} ({:.2})",
        atek / podman
    );
    Ok(())
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

/// Proportional memory of the processes of these units, in KiB; and that of those which are Atek's.
async fn memory_of_units(host: &Host, units: &str) -> anyhow::Result<(u64, u64)> {
    let script = format!(
        "for unit in $(systemctl list-units --no-legend --plain '{units}' | cut -d' ' -f1); do
           for pid in $(cat /sys/fs/cgroup$(systemctl show -P ControlGroup $unit)/cgroup.procs); do
             own=other; grep -qz ^/run/atek-sandbox/ /proc/$pid/cmdline && own=atek
             echo \"$own $(grep ^Pss: /proc/$pid/smaps_rollup)\"
           done
         done | awk '{{ all += $3 }} /^atek/ {{ own += $3 }} END {{ print all, own + 0 }}'"
    );
    let said = host.machine.shell(&script).await?;
    let (all, own) = said.trim().split_once(' ').context("two numbers")?;
    Ok((all.parse()?, own.parse()?))
}

/// As the image's own, with a second port.
fn configuration() -> String {
    let paths = ["client", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| {
        let option = if kind == "client" {
            "client_body"
        } else {
            kind
        };
        format!("{option}_temp_path /var/cache/nginx/{kind}_temp;")
    });
    format!(
        "user www-data; pid /run/nginx.pid; error_log /var/log/nginx/error.log notice; events {{}}
         http {{ access_log /var/log/nginx/access.log; {}
           server {{ listen 80; root /var/www/html; }}
           server {{ listen {PORT}; root /var/www/html; access_log off; }} }}",
        paths.join(" ")
    )
}

/// Both sides, with what they run.
struct Sides {
    host: Host,
    alice: Person,
    podman: Podman,
    registry: Registry,
    /// The image, as podman calls it.
    image: String,
}

impl Sides {
    /// Pull and unpack.
    async fn pull(&self, images: &DebianImages) -> anyhow::Result<()> {
        let big = layer(&[(FILE, "srv/noise", &noise(200 * MIB))]);
        let layers = [busybox(images)?, big];
        self.registry.push("big", "1.0.0", site(), &layers);
        let began = Instant::now();
        self.podman.run(&format!(
            "podman pull -q --tls-verify=false {}/big:1.0.0",
            self.registry.address()
        ))?;
        let theirs = began.elapsed();
        let began = Instant::now();
        let source = json!([{ "sourceUrl": self.registry.source("big") }]);
        let host = self.host.system()?.patient(PATIENCE);
        host.call(SERVICES, "inspect", source).await?;
        let ours = began.elapsed();
        println!(
            "pull and unpack 200 MiB: podman {theirs:.2?}, atek {ours:.2?} ({:.2})",
            ours.as_secs_f64() / theirs.as_secs_f64()
        );
        self.podman
            .run("podman rmi --all --force >/dev/null")
            .map(drop)
    }

    async fn install(&self, id: &str) -> anyhow::Result<()> {
        let listen = format!("tcp/{PORT}");
        let params = json!({
            "sourceUrl": self.registry.source("nginx"), "id": id, "user": "alice",
            "grant": { "root": true, "listen": if id == "web0" { vec![listen] } else { vec![] } },
        });
        self.host.install_from(params).await?;
        self.host.service_is(id, "running").await.map(drop)
    }

    fn start(&self) -> anyhow::Result<()> {
        self.podman
            .run(&format!(
                "start --name web0 -p 127.0.0.1:18080:80 -p {PORT}:{PORT} {}; {}",
                self.image,
                until_answered(18080)
            ))
            .map(drop)
    }

    /// Start to the first answer.
    async fn starts(&self) -> anyhow::Result<()> {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        let call = async |method: &str| {
            let system = self.host.system()?;
            system.call(SERVICES, method, json!(["web0"])).await
        };
        // As podman's, whose client has no session to ask for.
        let page = self.host.visit(&self.alice, "web0").await?;
        for _ in 0..STARTS {
            let began = Instant::now();
            self.start()?;
            theirs.push(began.elapsed());
            self.podman.run("podman rm -f web0 >/dev/null")?;
            call("stop").await?;
            let began = Instant::now();
            call("start").await?;
            let answer = page.get("/").await?;
            ensure!(answer.status == 200, "{}", answer.text());
            ours.push(began.elapsed());
        }
        let (theirs, ours) = (median(theirs), median(ours));
        println!(
            "start to the first answer: podman {theirs:.0} ms, atek {ours:.0} ms ({:.2})",
            ours / theirs
        );
        Ok(())
    }

    /// Requests in its own network, at a port that is published, and through the gateway.
    async fn requests(&self) -> anyhow::Result<()> {
        self.start()?;
        let machine = format!("/proc/{}/ns/net", self.host.machine.pid()?);
        let pid = self.podman.run("podman inspect -f '{{.State.Pid}}' web0")?;
        let theirs = format!("/proc/{}/ns/net", pid.trim());
        let ours = format!("/proc/{}/ns/net", self.host.pid("web0").await?);
        let ours = self.host.machine.outer_path(&ours)?.display().to_string();
        for (what, port) in [
            ("in its network, with a line in the log", 80),
            ("in its network", PORT),
        ] {
            let url = format!("http://127.0.0.1:{port}/");
            compare(what, &Way::inside(&theirs, &url), &Way::inside(&ours, &url))?;
        }
        // From another network over a link, each by its own translation of addresses.
        let phone = LanClient::join(&self.host.machine).await?;
        let gateway = self.host.machine.gateway()?;
        let published = Way::inside(&machine, &format!("http://{gateway}:{PORT}/"));
        let network = format!("/proc/{}/ns/net", phone.machine().pid()?);
        let at_home = Way::inside(&network, &format!("http://{BOX}:{PORT}/"));
        compare("at the published port", &published, &at_home)?;
        let cookie = self.host.visit_cookie(&self.alice, "web0").await?;
        let through = Way {
            network: "/proc/self/ns/net".to_owned(),
            url: format!("http://{}/", self.host.machine.address()?),
            headers: format!("-H 'Host: web0.localhost' -H 'Cookie: atek-session={cookie}'"),
        };
        compare("through the gateway with a session", &published, &through)
    }

    /// Memory and disk of ten of one image.
    async fn ten(&self) -> anyhow::Result<()> {
        for n in 1..APPS {
            self.install(&format!("web{n}")).await?;
            self.podman
                .run(&format!("start --name web{n} {}", self.image))?;
        }
        let theirs = self.podman.run("for n in $(podman ps -q); do podman inspect -f '{{.State.Pid}} {{.State.ConmonPid}}' $n; done")?;
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
        let (ours, own) = memory_of_units(&self.host, "atek-app-web*").await?;
        println!(
            "memory of {APPS}: podman {theirs} KiB, atek {ours} KiB ({:.2}), of it {own} KiB of atek-sandbox",
            ours as f64 / theirs as f64
        );
        let folder = self.podman.folder.path().join("root");
        let theirs: u64 = shell(&format!("du -sk {} | cut -f1", folder.display()))?.parse()?;
        let du = "du -sk /var/lib/atek/packages | cut -f1";
        let ours: u64 = self.host.machine.shell(du).await?.trim().parse()?;
        println!(
            "disk of {APPS}: podman {theirs} KiB, atek {ours} KiB ({:.2})",
            ours as f64 / theirs as f64
        );
        Ok(())
    }
}

#[tokio::test]
async fn images_beside_podman() -> anyhow::Result<()> {
    if Command::new("podman").arg("--version").output().is_err() {
        skip("podman is not installed");
        return Ok(());
    }
    // One person asks for more than one may.
    let config = r#"{ "maxRequestsPerMinute": 0 }"#;
    let machine = Machine::builder("bench-images").file("/etc/atek/config.json", config, 0o644);
    let host = Host::on(machine).await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    let image = format!("{}/nginx:1.1.0", registry.address());
    let sides = Sides {
        host,
        alice,
        podman: Podman::new()?,
        registry,
        image,
    };
    println!("load: {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    sides.pull(&images).await?;
    images.push("nginx", &sides.registry, "1.0.0")?;
    let settings = layer(&[(FILE, "etc/nginx/nginx.conf", &configuration())]);
    sides.registry.extend("nginx", "1.0.0", "1.1.0", &settings);
    let pull = format!("podman pull -q --tls-verify=false {}", sides.image);
    sides.podman.run(&pull)?;
    sides.install("web0").await?;
    sides.starts().await?;
    sides.requests().await?;
    sides.ten().await
}
