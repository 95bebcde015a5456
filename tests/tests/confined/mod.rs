//! What the attacks on the confinement of apps share: the box around them, and what systemd says of
//! their units.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use atek_tests::host::{Host, SOON};
use atek_tests::{Seen, wait_for};
use std::collections::BTreeMap;

/// A neighbour on a network of the box's, and servers at every place that an app could reach for.
pub async fn surroundings(host: &Host) -> anyhow::Result<()> {
    let server = "const listen = (...at) => require('net').createServer().listen(...at)";
    let script = format!(
        "ip netns add neighbour
         ip link add near type veth peer name far netns neighbour
         ip address add 10.77.0.1/24 dev near
         ip address add 2001:db8:77::1/64 dev near nodad
         ip link set near up
         ip -n neighbour address add 10.77.0.2/24 dev far
         ip -n neighbour address add 2001:db8:77::2/64 dev far nodad
         ip -n neighbour link set far up
         systemd-run --unit=neighbour --property=NetworkNamespacePath=/run/netns/neighbour node -e \"{server}; listen(7777)\"
         systemd-run --unit=server node -e \"{server}; listen(7777); listen(7778, '127.0.0.1'); listen('\\0abstract')\"
         echo secret > /tmp/secret; chmod 644 /tmp/secret; rm -rf /var/lib/own; mkdir /var/lib/own"
    );
    host.machine.shell(&script).await?;
    for probe in [
        "grep -q @abstract /proc/net/unix",
        "ip netns exec neighbour ss -Hltn | grep -q 7777",
    ] {
        wait_for("the servers", SOON, async || {
            let found = host
                .machine
                .shell(&format!("{probe} && echo yes || :"))
                .await?;
            Ok(Seen::if_so(found, |found| found.trim() == "yes"))
        })
        .await?;
    }
    Ok(())
}

/// Properties of a unit that confine it, as systemd shows them.
pub async fn shown(host: &Host, unit: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let text = host.machine.exec(["systemctl", "show", unit]).await?;
    let lines = text.lines().filter_map(|line| line.split_once('='));
    Ok(lines
        .filter(|(name, _)| !is_momentary(name))
        .map(|(name, value)| {
            // Lists come in any order.
            let mut words: Vec<&str> = value.split_whitespace().collect();
            words.sort_unstable();
            (name.to_owned(), words.join(" "))
        })
        .collect())
}

/// Whether a property tells what a unit is doing, and not what it may do.
fn is_momentary(name: &str) -> bool {
    [
        "Memory",
        "CPUUsage",
        "Tasks",
        "IO",
        "IP",
        "Exec",
        "Effective",
        "Timestamp",
        "NFile",
    ]
    .iter()
    .any(|part| {
        name.contains(part)
            && ![
                "MemoryMax",
                "TasksMax",
                "IPAddressAllow",
                "IPAddressDeny",
                "IOWeight",
            ]
            .contains(&name)
    }) || [
        "InvocationID",
        "StateChangeTimestamp",
        "MainPID",
        "NRestarts",
        "ControlPID",
    ]
    .contains(&name)
}

/// Whether addresses are denied beside those that were: atekd closes new networks of the home.
fn is_wider(name: &str, before: &str, after: Option<&String>) -> bool {
    let denied: Vec<&str> = after.map_or(vec![], |text| text.split_whitespace().collect());
    name == "IPAddressDeny" && before.split_whitespace().all(|one| denied.contains(&one))
}

/// What systemd 257 loses, and what holds in its place.
const LOST: [(&str, &str); 1] = [("RestrictNamespaces", "the filter of atek-sandbox")];

/// Properties that a unit had `before` and has not any more, beside those that systemd loses.
pub fn lost(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    before
        .iter()
        .filter(|(name, value)| after.get(*name) != Some(value))
        .filter(|(name, _)| !LOST.iter().any(|(lost, _)| lost == name))
        .filter(|(name, value)| !is_wider(name, value, after.get(*name)))
        .map(|(name, value)| format!("{name}: {value} -> {:?}", after.get(name)))
        .collect()
}
