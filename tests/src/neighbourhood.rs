//! Homes behind routers of their own, and an internet between them with a DHT: network namespaces
//! of this machine. Nothing outside is reached.
//!
//! `198.51.100.0/24` (RFC 5737) is the internet: nodes of the DHT at `.1` to `.6`, the routers from
//! `.11` on. Each home is `10.70.0.0/24` behind a router that translates addresses and admits no
//! connection from outside, as home routers do.

use crate::host::{Host, Person};
use crate::http::Client;
use crate::{Builder, Machine, paths};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Where the nodes of the DHT are; the first one is known to all.
const NODES: [&str; 6] = [
    "198.51.100.1",
    "198.51.100.2",
    "198.51.100.3",
    "198.51.100.4",
    "198.51.100.5",
    "198.51.100.6",
];

/// The node that homes and devices are told of.
pub const BOOTSTRAP: &str = "198.51.100.1:49737";

/// Boots a box whose hypercore service knows the test's DHT and no other.
///
/// # Errors
///
/// When it is not ready in time.
pub async fn home(name: &str) -> anyhow::Result<Host> {
    home_with(name, json!({ "bootstrap": BOOTSTRAP })).await
}

/// The same with a configuration of the hypercore service.
///
/// # Errors
///
/// When it is not ready in time.
pub async fn home_with(name: &str, hypercore: Value) -> anyhow::Result<Host> {
    boot(Machine::builder(name), hypercore).await
}

/// The same on a machine with wishes of its own.
///
/// # Errors
///
/// When it is not ready in time.
pub async fn home_on(builder: Builder) -> anyhow::Result<Host> {
    boot(builder, json!({ "bootstrap": BOOTSTRAP })).await
}

async fn boot(builder: Builder, hypercore: Value) -> anyhow::Result<Host> {
    let config = json!({
        "updates": { "probationSeconds": 2 },
        "coreServices": [
            { "sourceUrl": "builtin:adb" },
            { "sourceUrl": "builtin:keys" },
            { "sourceUrl": "builtin:lonestar" },
            { "sourceUrl": "builtin:hypercore", "config": hypercore },
        ],
    });
    Host::on(builder.file("/etc/atek/config.json", config.to_string(), 0o644)).await
}

/// What the command line of a box answers, for programs.
///
/// # Errors
///
/// When the command fails, or answers otherwise.
pub async fn atek(host: &Host, words: &[&str]) -> anyhow::Result<Value> {
    let command = ["atek", "--json"].iter().chain(words);
    let said = host.machine.exec(command).await?;
    if said.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&said).with_context(|| format!("atek {words:?} said {said}"))
}

/// A person who signs in through the tunnel of a device.
///
/// # Errors
///
/// When the box refuses.
pub async fn sign_in(device: &Client, person: &Person, name: &str) -> anyhow::Result<Person> {
    let login = json!({
        "jsonrpc": "2.0", "id": 1, "method": "login",
        "params": [{ "username": name, "password": crate::host::PASSWORD }],
    });
    let path = format!("/_atek/gateway?api={}", crate::host::SESSIONS);
    let answer = device.post_json(&path, &login).await?;
    let cookie = crate::host::cookie_named("session", answer.header("set-cookie"))?;
    Ok(Person {
        key: person.key.clone(),
        client: device
            .clone()
            .header("cookie", &format!("session={cookie}")),
        cookie,
    })
}

/// How a router translates addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// One port outside for each socket inside.
    Friendly,
    /// Another port for each peer: a peer cannot be told where to knock.
    Symmetric,
}

/// The internet and what is connected to it; all of it goes with this.
#[derive(Debug)]
pub struct Neighbourhood {
    prefix: String,
    homes: u8,
    programs: Vec<Child>,
    folder: tempfile::TempDir,
}

impl Neighbourhood {
    /// Makes the internet, and waits until its DHT works.
    ///
    /// # Errors
    ///
    /// When a namespace or a node cannot be made.
    pub async fn new() -> anyhow::Result<Self> {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let prefix = format!("n{}{number}", std::process::id());
        let mut this = Self {
            prefix,
            homes: 0,
            programs: Vec::new(),
            folder: tempfile::tempdir().context("cannot make a temporary folder")?,
        };
        let net = this.namespace("net");
        let addresses: String = NODES
            .iter()
            .map(|node| format!("ip -n {net} address add {node}/24 dev net0\n"))
            .collect();
        // The bridge has an address of its own: it changes otherwise as homes join it, and those
        // that knew it reach nothing until they have asked again.
        this.shell(&format!(
            "ip netns add {net}; ip -n {net} link set lo up
             ip -n {net} link add net0 address 02:00:00:00:00:01 type bridge; ip -n {net} link set net0 up\n{addresses}"
        ))
        .await?;
        let modules = modules().await?;
        let script = paths::repository().join("tests/homes/internet.mjs");
        let mut arguments = vec![script.into_os_string(), modules.into_os_string()];
        arguments.extend(NODES.iter().map(|node| (*node).into()));
        this.run("net", &arguments, &[]).await?;
        Ok(this)
    }

    /// Puts a booted machine into a home of its own: its way to the internet is the home's router.
    ///
    /// # Errors
    ///
    /// When something cannot be made.
    pub async fn home(&mut self, machine: &Machine, nat: Nat) -> anyhow::Result<()> {
        let router = self.router(nat).await?;
        self.plug(&router, machine).await
    }

    /// Puts a machine whose power was cut back into its home; the first home is 0.
    ///
    /// # Errors
    ///
    /// When something cannot be made.
    pub async fn plug_again(&self, home: usize, machine: &Machine) -> anyhow::Result<()> {
        let router = self.namespace(&format!("r{}", home + 1));
        // The end in the machine went with it, and this one with that, unless the kernel is late.
        self.shell(&format!("ip -n {router} link del lan 2>/dev/null || :"))
            .await?;
        self.plug(&router, machine).await
    }

    /// Joins a machine to a home's network.
    async fn plug(&self, router: &str, machine: &Machine) -> anyhow::Result<()> {
        let (pid, end) = (machine.pid()?, format!("{}m", self.prefix));
        self.shell(&format!(
            "ip -n {router} link add lan type veth peer name {end}
             ip -n {router} link set {end} netns {pid}
             ip -n {router} address add 10.70.0.1/24 dev lan; ip -n {router} link set lan up"
        ))
        .await?;
        machine
            .shell(&format!(
                "set -e; ip link set {end} name home; ip address add 10.70.0.2/24 dev home; ip link set home up
                 ip route replace default via 10.70.0.1"
            ))
            .await
            .map(drop)
    }

    /// A computer in a network of its own; the name of its namespace.
    ///
    /// # Errors
    ///
    /// When something cannot be made.
    pub async fn computer(&mut self, name: &str, nat: Nat) -> anyhow::Result<()> {
        let router = self.router(nat).await?;
        let own = self.namespace(name);
        self.shell(&format!(
            "ip netns add {own}; ip -n {own} link set lo up
             ip -n {router} link add lan type veth peer name eth0 netns {own}
             ip -n {router} address add 10.70.0.1/24 dev lan; ip -n {router} link set lan up
             ip -n {own} address add 10.70.0.2/24 dev eth0; ip -n {own} link set eth0 up
             ip -n {own} route add default via 10.70.0.1"
        ))
        .await
    }

    /// Makes a router between the internet and a home; the name of its namespace.
    async fn router(&mut self, nat: Nat) -> anyhow::Result<String> {
        self.homes += 1;
        let (net, router) = (
            self.namespace("net"),
            self.namespace(&format!("r{}", self.homes)),
        );
        let (port, address) = (format!("w{}", self.homes), 10 + self.homes);
        let how = match nat {
            Nat::Friendly => "masquerade",
            Nat::Symmetric => "masquerade fully-random",
        };
        self.shell(&format!(
            "ip netns add {router}; ip -n {router} link set lo up
             ip -n {router} link add wan type veth peer name {port} netns {net}
             ip -n {net} link set {port} master net0; ip -n {net} link set {port} up
             ip -n {router} address add 198.51.100.{address}/24 dev wan; ip -n {router} link set wan up
             ip netns exec {router} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
             ip netns exec {router} nft '{}'",
            rules(how)
        ))
        .await?;
        Ok(router)
    }

    /// Gives a router another address outside, as a provider does at night.
    ///
    /// # Errors
    ///
    /// When there is no such router.
    pub async fn move_home(&self, home: u8) -> anyhow::Result<()> {
        let router = self.namespace(&format!("r{home}"));
        let (old, new) = (10 + home, 110 + home);
        self.shell(&format!(
            "ip -n {router} address add 198.51.100.{new}/24 dev wan; ip -n {router} address del 198.51.100.{old}/24 dev wan
             ip -n {router} address add 198.51.100.{new}/24 dev wan 2>/dev/null || :
             ip netns exec {router} nft 'delete table ip home; {}'",
            rules("masquerade")
        ))
        .await
    }

    /// Lets each router lose so many of a hundred packets of UDP that come from the internet, at
    /// random; 0: none.
    ///
    /// # Errors
    ///
    /// When nft refuses.
    pub async fn lose(&self, percent: u8) -> anyhow::Result<()> {
        let drop =
            format!("iifname \"wan\" ip protocol udp numgen random mod 100 < {percent} drop;");
        let rules = format!(
            "table ip lossy {{}}; delete table ip lossy; \
             table ip lossy {{ chain in {{ type filter hook forward priority -10; {drop} }}; }}"
        );
        for home in 1..=self.homes {
            let router = self.namespace(&format!("r{home}"));
            self.shell(&format!("ip netns exec {router} nft '{rules}'"))
                .await?;
        }
        Ok(())
    }

    /// Lets so many KiB of UDP a second come to a home; what is more is lost, as on a slow line.
    ///
    /// # Errors
    ///
    /// When nft refuses.
    pub async fn narrow(&self, home: u8, kib: u32) -> anyhow::Result<()> {
        let router = self.namespace(&format!("r{home}"));
        let over =
            format!("iifname \"wan\" ip protocol udp limit rate over {kib} kbytes/second drop;");
        let chain = format!("chain in {{ type filter hook forward priority -10; {over} }};");
        self.shell(&format!(
            "ip netns exec {router} nft 'table ip narrow {{ {chain} }}'"
        ))
        .await
    }

    /// A client that reaches a box through `atek-connect` on a computer of this.
    ///
    /// # Errors
    ///
    /// When the box does not answer the device.
    pub async fn connect(
        &mut self,
        computer: &str,
        link: &Value,
        more: &[&str],
    ) -> anyhow::Result<Client> {
        let socket = self.folder().join(format!("{computer}.sock"));
        let repository = paths::repository();
        let mut arguments = vec![
            repository.join("tests/homes/relay.mjs").into_os_string(),
            atek_connect().await?.into_os_string(),
            socket.clone().into_os_string(),
            BOOTSTRAP.into(),
        ];
        arguments.extend(more.iter().map(|word| (*word).into()));
        let link = link.as_str().context("no link")?;
        let said = self
            .run(computer, &arguments, &[("ATEK_CONNECT_LINK", link)])
            .await?;
        ensure!(said.starts_with("open"), "atek-connect: {said}");
        println!("atek-connect, from its start to the first answer of the box: {said} ms");
        Ok(Client::unix(socket).host("localhost:8989"))
    }

    /// Runs a Node program on a computer until the end of this, and waits for its first line.
    ///
    /// # Errors
    ///
    /// When it ends before that; what it wrote to its standard error is shown as the test's own.
    pub async fn run(
        &mut self,
        name: &str,
        arguments: &[std::ffi::OsString],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.namespace(name), "node"])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run ip netns exec")?;
        let output = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let first = tokio::time::timeout(crate::host::SOON, lines.next_line())
            .await
            .context("the program says nothing")??;
        self.programs.push(child);
        first.with_context(|| format!("{arguments:?} ended"))
    }

    /// Lets a program of [`Neighbourhood::run`], the latest one, end at once.
    pub async fn kill_latest(&mut self) {
        if let Some(mut child) = self.programs.pop() {
            let _ = child.kill().await;
        }
    }

    /// Records each packet of UDP on the internet, between all that are there, until it is ended.
    ///
    /// # Errors
    ///
    /// When Python cannot do that.
    pub async fn record(&self) -> anyhow::Result<Recording> {
        let net = self.namespace("net");
        // Packets between others pass a bridge unseen otherwise.
        self.shell(&format!("ip -n {net} link set net0 promisc on"))
            .await?;
        let file = self.folder().join("packets");
        let mut child = Command::new("ip")
            .args(["netns", "exec", &net, "python3"])
            .arg(paths::repository().join("tests/homes/wire.py"))
            .args(["record", "net0"])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run ip netns exec")?;
        let output = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let ready = tokio::time::timeout(crate::host::SOON, lines.next_line());
        let ready = ready.await.context("the recorder says nothing")??;
        ensure!(ready.is_some(), "the recorder ended");
        Ok(Recording { child, file })
    }

    /// A folder for what programs of this make.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Sends each packet that was recorded once more, with the address of who sent it first.
    ///
    /// # Errors
    ///
    /// When Python cannot do that.
    pub async fn send_again(&self) -> anyhow::Result<()> {
        let file = self.folder().join("packets");
        self.shell(&format!(
            "ip netns exec {} python3 {} replay net0 {}",
            self.namespace("net"),
            paths::repository().join("tests/homes/wire.py").display(),
            file.display()
        ))
        .await
    }

    async fn shell(&self, script: &str) -> anyhow::Result<()> {
        let output = Command::new("sh")
            .args(["-ec", script])
            .output()
            .await
            .context("cannot run sh")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{script}\nfailed: {said}");
        Ok(())
    }
}

/// What a router does with packets. Those that it drops leave no trace by which the answer of the
/// home would get another port.
fn rules(translate: &str) -> String {
    let filter = |hook| {
        format!("type filter hook {hook} priority filter; iifname \"wan\" ct state new drop;")
    };
    format!(
        "table ip home {{ chain out {{ type nat hook postrouting priority srcnat; oifname \"wan\" {translate}; }}; \
         chain closed {{ {} }}; chain own {{ {} }}; }}",
        filter("forward"),
        filter("input")
    )
}

/// Packets that are being recorded.
#[derive(Debug)]
pub struct Recording {
    child: Child,
    file: PathBuf,
}

impl Recording {
    /// Waits until a packet that says this was recorded.
    ///
    /// # Errors
    ///
    /// When there is none in time.
    pub async fn holds(&self, text: &str) -> anyhow::Result<()> {
        crate::wait_for("a packet", crate::host::SOON, async || {
            let recorded = std::fs::read(&self.file).context("cannot read the packets")?;
            let mut parts = recorded.windows(text.len());
            let is_there = parts.any(|part| part == text.as_bytes());
            Ok(crate::Seen::if_so(is_there, |is_there| *is_there))
        })
        .await
        .map(drop)
    }

    /// What was recorded.
    ///
    /// # Errors
    ///
    /// When the recorder failed.
    pub async fn end(mut self) -> anyhow::Result<Vec<Packet>> {
        drop(self.child.stdin.take());
        let ended = self.child.wait().await.context("no end of the recorder")?;
        ensure!(ended.success(), "the recorder failed: {ended}");
        let recorded = std::fs::read(&self.file).context("cannot read the packets")?;
        let mut rest = recorded.as_slice();
        let mut packets = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            // The last one may have been cut by the end.
            let Some((frame, after)) = after.split_at_checked(u32::from_be_bytes(*length) as usize)
            else {
                break;
            };
            packets.extend(Packet::read(frame));
            rest = after;
        }
        Ok(packets)
    }
}

/// A packet of UDP as it was on the wire.
#[derive(Debug)]
pub struct Packet {
    /// Who sent it.
    pub from: Ipv4Addr,
    /// To whom.
    pub to: Ipv4Addr,
    /// What it says.
    pub payload: Vec<u8>,
}

impl Packet {
    /// From a frame of Ethernet.
    fn read(frame: &[u8]) -> Option<Self> {
        let ip = frame.get(14..)?;
        let header = 4 * usize::from(ip.first()? & 15);
        let address = |at: usize| <[u8; 4]>::try_from(ip.get(at..at + 4)?).ok();
        Some(Self {
            from: address(12)?.into(),
            to: address(16)?.into(),
            payload: ip.get(header + 8..)?.to_vec(),
        })
    }

    /// Whether these bytes are in it.
    #[must_use]
    pub fn says(&self, text: &str) -> bool {
        self.payload
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    }
}

impl Drop for Neighbourhood {
    fn drop(&mut self) {
        for child in &mut self.programs {
            let _ = child.start_kill();
        }
        let list = std::process::Command::new("ip")
            .args(["netns", "list"])
            .output();
        let listed = list.map(|output| output.stdout).unwrap_or_default();
        let prefix = format!("{}-", self.prefix);
        for name in String::from_utf8_lossy(&listed)
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| name.starts_with(&prefix))
        {
            let _ = std::process::Command::new("ip")
                .args(["netns", "del", name])
                .status();
        }
    }
}

/// The folder into which npm has installed the package `atek-connect` from its tarball.
///
/// # Errors
///
/// When the registry cannot be reached.
async fn atek_connect() -> anyhow::Result<PathBuf> {
    let service = paths::repository().join("daemon/hypercore");
    let made = Command::new(service.join("clients/install"))
        .status()
        .await
        .context("cannot run daemon/hypercore/clients/install")?;
    ensure!(
        made.success(),
        "npm cannot install atek-connect from its tarball"
    );
    Ok(service.join("dist/atek-connect"))
}

/// The folder with the npm packages of the hypercore service, made if it is not there.
///
/// # Errors
///
/// When the registry cannot be reached.
pub async fn modules() -> anyhow::Result<PathBuf> {
    let arch = crate::layer::node_arch();
    let service = paths::repository().join("daemon/hypercore");
    let made = Command::new(service.join("package"))
        .arg(arch)
        .status()
        .await
        .context("cannot run daemon/hypercore/package")?;
    ensure!(made.success(), "daemon/hypercore/package failed");
    Ok(service.join(format!("dist/linux-{arch}")))
}
