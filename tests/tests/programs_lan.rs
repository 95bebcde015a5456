//! A program of the npm registry that devices of the home speak to without a browser: an MQTT
//! broker, unchanged, and a sensor on the phone.

use anyhow::ensure;
use atek_tests::host::Host;
use atek_tests::phone::BOX;
use atek_tests::{LanClient, paths, skip};
use std::process::Command;

#[tokio::test]
async fn a_broker_of_npm_serves_sensors_of_the_home_while_its_port_is_granted() -> anyhow::Result<()>
{
    let folder = paths::repository().join("tests/npm/broker-app");
    let installed = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .arg("--cache")
        .arg(paths::cache().join("npm"))
        .current_dir(&folder)
        .output()?;
    if !installed.status.success() {
        skip("aedes-cli and mqtt (the npm registry cannot be reached)");
        return Ok(());
    }
    let host = Host::boot("program-broker").await?;
    let phone = LanClient::join(&host.machine).await?;
    host.person("alice", "admin").await?;
    host.machine.copy_in(&folder, "/srv/apps/broker").await?;
    host.machine
        .exec(["chmod", "--recursive", "a+rX", "/srv/apps"])
        .await?;
    let phone = phone.machine();
    phone.copy_in(&folder, "/srv/sensor").await?;
    let url = format!("mqtt://{BOX}:1883");
    let sensor = async || {
        let words = ["node", "/srv/sensor/sensor.mjs", &url, "home/door", "open"];
        let said = phone.try_exec(words).await?;
        anyhow::Ok(said.stdout.trim().to_owned())
    };
    host.machine
        .exec([
            "atek",
            "install",
            "/srv/apps/broker",
            "--user",
            "alice",
            "--yes",
        ])
        .await?;
    host.service_is("broker", "running").await?;
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
