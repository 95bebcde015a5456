//! The machine's network: one link to the outer machine, and a NAT to the rest of the world, or to
//! an npm registry, where asked for.

use super::protocol::{OUTSIDE, Registry};
use super::registry;
use crate::command::{run, run_with_input};
use anyhow::Context as _;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// How long nft may take to read a line.
const TABLE: Duration = Duration::from_secs(60);

/// The link between the outer machine and one machine. A slot has its own, so links never clash.
///
/// The addresses are of the block reserved for benchmarks (198.18.0.0/15): no real network uses it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Network {
    link: String,
    /// The outer machine's address.
    pub(super) host: Ipv4Addr,
    /// The machine's address.
    pub(super) machine: Ipv4Addr,
}

impl Network {
    pub(super) fn of(slot: u8) -> Self {
        Self {
            link: format!("atek-{slot}"),
            host: Ipv4Addr::new(198, 18, slot, 1),
            machine: Ipv4Addr::new(198, 18, slot, 2),
        }
    }

    /// Makes the link between this namespace and that of `pid`. It vanishes with either.
    pub(super) fn connect(&self, pid: Pid) -> anyhow::Result<()> {
        let Self { link, host, .. } = self;
        let script = format!(
            "link add {link} type veth peer name eth0 netns {pid}\n\
             addr add {host}/30 dev {link}\n\
             link set {link} up\n"
        );
        // The slot is ours, so a link of its name is what the kernel has not taken down yet
        // of the machine before: namespaces end a moment after their last process.
        let _ = batch(&format!("link delete {}\n", self.link));
        batch(&script).context("cannot connect the machine")
    }

    /// Sets up the machine's end; for the machine's own namespace.
    pub(super) fn configure(&self) -> anyhow::Result<()> {
        let Self { host, machine, .. } = self;
        let script = format!(
            "link set lo up\n\
             addr add {machine}/30 dev eth0\n\
             link set eth0 up\n\
             route add default via {host}\n"
        );
        batch(&script).context("cannot set up the machine's network")
    }

    /// Lets the machine reach what the outer machine reaches, or the npm registry at its address,
    /// and servers of the test at [`OUTSIDE`], while the returned value lives.
    ///
    /// Turns on IPv4 forwarding in the outer machine, and leaves it on: other machines may need it.
    pub(super) fn translate(&self, internet: bool, registry: bool) -> anyhow::Result<Nat> {
        let Self {
            link,
            host,
            machine,
        } = self;
        let mut redirects = format!("iifname {link} ip daddr {OUTSIDE} dnat to {host}; ");
        let mut chains = String::new();
        if internet {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")
                .context("cannot turn on IPv4 forwarding")?;
            chains += &format!(
                "chain out {{ type nat hook postrouting priority srcnat; policy accept; \
                 ip saddr {machine} masquerade; }}; "
            );
        }
        if registry {
            redirects += &format!(
                "iifname {link} ip daddr {} tcp dport 80 dnat to {host}:{}; ",
                Registry::ADDRESS,
                registry::PORT
            );
        }
        chains += &format!(
            "chain in {{ type nat hook prerouting priority dstnat; policy accept; {redirects} }}; "
        );
        // The kernel removes an owned table when the connection that made it closes, however that
        // happens.
        let table = format!("table ip {link} {{ flags owner; {chains}}}\n");
        let mut owner = Command::new("nft")
            .arg("--interactive")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start nft")?;
        let mut stdin = owner.stdin.take().context("nft has no standard input")?;
        stdin
            .write_all(table.as_bytes())
            .context("cannot tell nft the NAT's table")?;
        let nat = Nat {
            owner,
            stdin: Some(stdin),
        };
        // nft reads when it is its turn: the machine may be up before the table is.
        until_listed(link)?;
        Ok(nat)
    }
}

/// A NAT table: it exists as long as this value, and not longer than this process.
#[derive(Debug)]
pub(super) struct Nat {
    owner: Child,
    stdin: Option<ChildStdin>,
}

impl Drop for Nat {
    fn drop(&mut self) {
        // nft ends with its input.
        self.stdin = None;
        let _ = self.owner.wait();
    }
}

/// Waits until the table of this name is there.
fn until_listed(name: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    while let Err(error) = run(Command::new("nft").args(["list", "table", "ip", name])) {
        if started.elapsed() > TABLE {
            return Err(error.context("nft did not make the NAT's table"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn batch(script: &str) -> anyhow::Result<()> {
    run_with_input(Command::new("ip").args(["-batch", "-"]), script).map(drop)
}
