//! Programs of the npm registry that devices of the home speak to without a browser: an MQTT
//! broker, unchanged, and a sensor on the phone; a lamp that announces itself, and the phone's
//! Avahi.

use anyhow::{Context as _, ensure};
use atek_tests::host::Host;
use atek_tests::phone::BOX;
use atek_tests::{LanClient, Machine, Seen, npm, wait_for};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Devices ask again after a while.
const LONG: Duration = Duration::from_secs(90);

/// Puts such a folder on a machine and installs it with all that it asks for.
async fn install(host: &Host, folder: &Path, id: &str) -> anyhow::Result<()> {
    let there = format!("/srv/apps/{id}");
    host.machine.copy_in(folder, &there).await?;
    host.machine
        .exec(["chmod", "--recursive", "a+rX", "/srv/apps"])
        .await?;
    let words = ["atek", "install", &there, "--user", "alice", "--yes"];
    host.machine.exec(words).await?;
    host.service_is(id, "running").await.map(drop)
}

#[tokio::test]
async fn a_broker_of_npm_serves_sensors_of_the_home_while_its_port_is_granted() -> anyhow::Result<()>
{
    let Some(folder) = npm::installed("broker-app")? else {
        return Ok(());
    };
    let host = Host::boot("program-broker").await?;
    let phone = LanClient::join(&host.machine).await?;
    host.person("alice", "admin").await?;
    let phone = phone.machine();
    phone.copy_in(&folder, "/srv/sensor").await?;
    let url = format!("mqtt://{BOX}:1883");
    let sensor = async || {
        let words = ["node", "/srv/sensor/sensor.mjs", &url, "home/door", "open"];
        let said = phone.try_exec(words).await?;
        anyhow::Ok(said.stdout.trim().to_owned())
    };
    install(&host, &folder, "broker").await?;
    let granted = host.machine.exec(["atek", "get", "broker"]).await?;
    ensure!(granted.contains("tcp/1883"), "{granted}");
    assert_eq!(sensor().await?, "home/door open");

    host.machine
        .exec(["atek", "cfg", "broker", "--deny", "tcp/1883"])
        .await?;
    host.service_is("broker", "running").await?;
    assert_eq!(sensor().await?, "ECONNREFUSED");
    host.machine
        .exec(["atek", "cfg", "broker", "--allow", "tcp/1883"])
        .await?;
    host.service_is("broker", "running").await?;
    assert_eq!(sensor().await?, "home/door open");
    Ok(())
}

/// What the phone's Avahi says of a lamp: its host, address and port.
async fn lamp(phone: &Machine, name: &str) -> anyhow::Result<Option<Value>> {
    let call = "call org.freedesktop.Avahi / org.freedesktop.Avahi.Server2 ResolveService iisssiu -- -1 -1";
    let rest = [name, "_lamp._tcp", "local", "0", "0"];
    let words = ["busctl", "--json=short"]
        .into_iter()
        .chain(call.split(' '))
        .chain(rest);
    let said = phone.try_exec(words).await?;
    if !said.status.success() {
        let why = &said.stderr;
        ensure!(
            why.contains("Timeout") || why.contains("not found"),
            "{why}"
        );
        return Ok(None);
    }
    let answer: Value = serde_json::from_str(&said.stdout)?;
    let data = &answer["data"];
    Ok(Some(json!([data[5], data[7], data[8]])))
}

#[tokio::test]
async fn a_program_of_npm_is_found_at_home_and_finds_others_while_mdns_is_granted()
-> anyhow::Result<()> {
    let Some(folder) = npm::installed("mdns-app")? else {
        return Ok(());
    };
    let host = Host::boot("program-mdns").await?;
    let phone = LanClient::join(&host.machine).await?;
    let alice = host.person("alice", "admin").await?;
    let printer = "<service-group><name>Office</name><service><type>_ipp._tcp</type>\
                   <port>631</port></service></service-group>";
    let file = "/etc/avahi/services/printer.service";
    let device = phone.machine();
    device.shell("mkdir -p /etc/avahi/services").await?;
    device.write(file, printer).await?;
    device
        .exec(["systemctl", "restart", "avahi-daemon"])
        .await?;
    let name = host.machine.exec(["hostname"]).await?;
    let name = format!("{}.local", name.trim());
    phone.knows(&name).await?;

    install(&host, &folder, "lights").await?;
    let granted = host.machine.exec(["atek", "get", "lights"]).await?;
    ensure!(granted.contains("announce itself"), "{granted}");
    let is_found = async || {
        let found = wait_for("the lamp to be found", LONG, async || {
            let found = lamp(device, "Kitchen lights").await?;
            Ok(Seen::if_so(found, Option::is_some))
        });
        found.await?.context("it was found")
    };
    // Its host is the box, whatever the app calls itself.
    assert_eq!(is_found().await?, json!([name, BOX.to_string(), 7000]));
    // A port that it was not given is not announced, and names of devices are not its own.
    assert_eq!(lamp(device, "Back door").await?, None);
    assert_eq!(phone.resolve("victim.local").await?, None);
    assert_eq!(phone.resolve(&name).await?, Some(BOX));
    let printers = async || {
        let page = host.page(&alice, "lights", "/printers").await?;
        anyhow::Ok(serde_json::from_str::<Value>(&page)?)
    };
    wait_for("the printer to be found", LONG, async || {
        let found = printers().await?;
        Ok(Seen::if_so(found, |found| found["Office"]["port"] == 631))
    })
    .await?;

    let change = async |word: &str| {
        let words = ["atek", "cfg", "lights", word, "mdns"];
        host.machine.exec(words).await?;
        host.service_is("lights", "running").await.map(drop)
    };
    change("--deny").await?;
    wait_for("the lamp to be forgotten", LONG, async || {
        let found = lamp(device, "Kitchen lights").await?;
        Ok(Seen::if_so(found, Option::is_none))
    })
    .await?;
    // It asked for printers when it started again, before the phone asked in vain for some seconds.
    assert_eq!(printers().await?, json!({}));
    change("--allow").await?;
    is_found().await?;
    host.machine
        .exec(["atek", "uninstall", "lights", "--yes"])
        .await?;
    wait_for("the lamp to be forgotten", LONG, async || {
        let found = lamp(device, "Kitchen lights").await?;
        Ok(Seen::if_so(found, Option::is_none))
    })
    .await
    .map(drop)
}
