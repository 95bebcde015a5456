//! Devices of the box that a person gives to an app.

use atek_tests::host::{Host, Person, SERVICES, refusal};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

/// Plugs in a serial adapter: a terminal whose other end writes down what it hears.
async fn plug_in(host: &Host, name: &str) -> anyhow::Result<()> {
    let other_end = format!("tty > /run/{name}.tty; exec sleep infinity");
    let log = format!("/run/{name}.heard");
    let unit = format!("--unit=adapter-{name}");
    let words = [
        "systemd-run",
        &unit,
        "script",
        "-q",
        "-f",
        "-c",
        &other_end,
        &log,
    ];
    host.machine.exec(words).await?;
    let soon = Duration::from_secs(60);
    let tty = wait_for("the adapter", soon, async || {
        let path = format!("cat /run/{name}.tty 2>/dev/null || :");
        let tty = host.machine.shell(&path).await?;
        Ok(Seen::if_so(tty, |tty| tty.starts_with("/dev/pts/")))
    })
    .await?;
    let tty = tty.trim();
    let script = format!(
        "chown root:dialout {tty} && chmod 660 {tty} && touch /dev/{name} && mount --bind {tty} /dev/{name}"
    );
    host.machine.shell(&script).await.map(drop)
}

async fn say(host: &Host, alice: &Person, device: &str, text: &str) -> anyhow::Result<Value> {
    let path = format!("/say?device={device}&text={text}");
    let answer = host.page(alice, "adapter-node", &path).await?;
    Ok(serde_json::from_str(&answer)?)
}

async fn heard(host: &Host, name: &str, text: &str) -> anyhow::Result<bool> {
    let log = host.machine.read(&format!("/run/{name}.heard")).await?;
    Ok(log.contains(text))
}

#[tokio::test]
async fn an_app_uses_the_device_that_it_was_given_and_no_other() -> anyhow::Result<()> {
    let host = Host::boot("devices").await?;
    let alice = host.person("alice", "admin").await?;
    for name in ["ttyUSB0", "ttyUSB1"] {
        plug_in(&host, name).await?;
    }
    host.install("adapter-node", "alice").await?;
    host.service_is("adapter-node", "running").await?;
    // It asks for one, and has none before a person agreed.
    let first = "/dev/ttyUSB0";
    assert_eq!(
        say(&host, &alice, first, "early").await?,
        json!({ "error": "ENOENT" })
    );

    host.machine
        .exec(["atek", "cfg", "adapter-node", "--allow", first])
        .await?;
    host.service_is("adapter-node", "running").await?;
    assert_eq!(
        say(&host, &alice, first, "ping").await?,
        json!({ "terminal": true })
    );
    assert!(heard(&host, "ttyUSB0", "ping").await?);
    assert!(!heard(&host, "ttyUSB0", "early").await?);
    let more = [
        "/dev/ttyUSB1",
        "/dev/pts/1",
        "/dev/sda",
        "/dev/mem",
        "/dev/kmsg",
    ];
    for other in more {
        let refused = say(&host, &alice, other, "x").await?;
        assert!(refused["error"].is_string(), "{other}: {refused}");
    }
    assert!(!heard(&host, "ttyUSB1", "x").await?);
    // It holds over a reload and a restart of the host.
    host.machine.exec(["systemctl", "daemon-reload"]).await?;
    host.machine
        .exec(["systemctl", "restart", "atekd.service"])
        .await?;
    host.ready().await?;
    host.service_is("adapter-node", "running").await?;
    assert_eq!(
        say(&host, &alice, first, "again").await?,
        json!({ "terminal": true })
    );

    host.machine
        .exec(["atek", "cfg", "adapter-node", "--deny", first])
        .await?;
    host.service_is("adapter-node", "running").await?;
    assert_eq!(
        say(&host, &alice, first, "late").await?,
        json!({ "error": "ENOENT" })
    );
    assert!(!heard(&host, "ttyUSB0", "late").await?);
    Ok(())
}

#[tokio::test]
async fn an_app_starts_without_a_device_that_is_not_plugged_in() -> anyhow::Result<()> {
    let host = Host::boot("devices-none").await?;
    let alice = host.person("alice", "admin").await?;
    host.install("adapter-node", "alice").await?;
    let allowed = ["atek", "cfg", "adapter-node", "--allow", "/dev/ttyUSB0"];
    host.machine.exec(allowed).await?;
    host.service_is("adapter-node", "running").await?;
    let missing = json!({ "error": "ENOENT" });
    assert_eq!(say(&host, &alice, "/dev/ttyUSB0", "x").await?, missing);
    plug_in(&host, "ttyUSB0").await?;
    host.machine
        .exec(["atek", "restart", "adapter-node"])
        .await?;
    host.service_is("adapter-node", "running").await?;
    let reached = json!({ "terminal": true });
    assert_eq!(say(&host, &alice, "/dev/ttyUSB0", "x").await?, reached);
    Ok(())
}

#[tokio::test]
async fn only_an_administrator_gives_a_device_away_and_only_of_known_kinds() -> anyhow::Result<()> {
    let host = Host::boot("devices-rights").await?;
    let alice = host.person("alice", "admin").await?;
    let bob = host.person("bob", "").await?;
    host.install("adapter-node", "bob").await?;
    let give = |device: &str| json!(["adapter-node", { "grant": { "devices": [device] } }]);
    let configure = |person: &Person, device: &str| {
        let (client, params) = (person.client.clone(), give(device));
        async move { client.call(SERVICES, "configure", params).await }
    };
    refusal(configure(&bob, "/dev/ttyUSB0").await);
    for device in [
        "/dev/sda",
        "/dev/mem",
        "/dev/../etc/shadow",
        "/dev/input/event0",
    ] {
        refusal(configure(&alice, device).await);
    }
    let info = host.service("adapter-node").await?;
    assert_eq!(info["settings"]["granted"]["devices"], Value::Null);
    configure(&alice, "/dev/ttyUSB0").await?;
    let info = host.service("adapter-node").await?;
    assert_eq!(
        info["settings"]["granted"]["devices"],
        json!(["/dev/ttyUSB0"])
    );
    Ok(())
}
