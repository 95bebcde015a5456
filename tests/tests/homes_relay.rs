//! Two homes whose routers give each peer another port: a relay joins them, and reads nothing.

mod writing_together;

use anyhow::ensure;
use atek_tests::neighbourhood::{BOOTSTRAP, Nat, Neighbourhood, Packet, home_with, modules};
use atek_tests::paths;
use serde_json::json;
use std::net::Ipv4Addr;
use writing_together::{both_write, write_together};

/// Where the relay is, and the two routers.
const RELAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 6);
const ROUTERS: [Ipv4Addr; 2] = [
    Ipv4Addr::new(198, 51, 100, 11),
    Ipv4Addr::new(198, 51, 100, 12),
];
const CONTROL: &str = "words in the clear";
const LETTER: &str = "a letter that only two homes read";

#[tokio::test]
async fn two_homes_with_symmetric_routers_write_together_by_a_relay_that_reads_nothing()
-> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let relay = vec![
        paths::repository()
            .join("tests/homes/relay-node.mjs")
            .into_os_string(),
        modules().await?.into_os_string(),
        BOOTSTRAP.into(),
        RELAY.to_string().into(),
        "5e".repeat(32).into(),
    ];
    let relay = net.run("net", &relay, &[]).await?;
    let boot =
        async |name: &str| home_with(name, json!({ "bootstrap": BOOTSTRAP, "relay": relay })).await;
    let (one, two) = tokio::try_join!(boot("relay-one"), boot("relay-two"))?;
    net.home(&one.machine, Nat::Symmetric).await?;
    net.home(&two.machine, Nat::Symmetric).await?;
    let (alice, bob) = tokio::try_join!(one.person("alice", "admin"), two.person("bob", "admin"))?;
    let recording = net.record().await?;
    let id = write_together(&alice, &bob).await?;
    both_write([&alice, &bob], &id, LETTER).await?;
    // In the clear, as a control: it is found where the other words are looked for.
    let send = format!(
        "require('dgram').createSocket('udp4').send('{CONTROL}', 9, '{RELAY}', () => console.log('sent'))"
    );
    net.run("r1", &["-e".into(), send.into()], &[]).await?;
    recording.holds(CONTROL).await?;
    let packets = recording.end().await?;

    let bytes = |one: Ipv4Addr, other: Ipv4Addr| -> usize {
        let is_between = |packet: &&Packet| {
            (packet.from, packet.to) == (one, other) || (packet.from, packet.to) == (other, one)
        };
        let those = packets.iter().filter(is_between);
        those.map(|packet| packet.payload.len()).sum()
    };
    let through = ROUTERS.map(|router| bytes(router, RELAY));
    let past = bytes(ROUTERS[0], ROUTERS[1]);
    println!("the relay saw {through:?} bytes of the two routers; {past} went past it");
    ensure!(through.iter().all(|bytes| *bytes > 4096), "{through:?}");
    ensure!(past < 2048, "{past} bytes went past the relay");
    let known = |text: &str| packets.iter().filter(|packet| packet.says(text)).count();
    ensure!(known(CONTROL) == 1, "the control was not found");
    for secret in [
        LETTER,
        &alice.key,
        &bob.key,
        &id,
        "atek/person",
        "sharedPut",
        "round",
    ] {
        ensure!(known(secret) == 0, "{secret:?} was in the clear");
    }
    Ok(())
}
