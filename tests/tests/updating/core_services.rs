//! Core services that the configuration puts in the place of those that come with Atek.

#![allow(dead_code, reason = "each test file uses a part of it")]

use super::call;
use anyhow::ensure;
use atek_tests::host::{Host, Person, SOON};
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};

pub const HYPERCORE: &str = "core.hypercore";
const HYPERCORE_API: &str = "atek.cloud/hypercore-api";
pub const CONFIG: &str = "/var/lib/atek/config.json";

pub async fn records(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(super::RECORDS, method, params).await
}

/// A box that looks for releases every three seconds and watches new versions for two.
pub async fn boot(name: &str) -> anyhow::Result<Host> {
    let updates = json!({ "probationSeconds": 2, "everySeconds": 3 });
    let config = json!({ "updates": updates, "allowFileInstall": "any" }).to_string();
    let builder = Machine::builder(name).file("/etc/atek/config.json", config, 0o644);
    Host::on(builder.persistent()).await
}

/// Puts something in the place of a core service, and starts the host with it.
pub async fn replace(host: &Host, id: &str, source: &str) -> anyhow::Result<()> {
    host.machine.shell("systemctl stop atekd").await?;
    let mut config: Value = serde_json::from_str(&host.machine.read(CONFIG).await?)?;
    let services = ["adb", "lonestar", "keys", "hypercore"].map(|name| {
        if id == format!("core.{name}") {
            json!({ "sourceUrl": source, "id": id })
        } else {
            json!({ "sourceUrl": format!("builtin:{name}") })
        }
    });
    config["coreServices"] = json!(services);
    host.machine.write(CONFIG, config.to_string()).await?;
    let own = format!("chown atek:atek {CONFIG}; chmod 600 {CONFIG}; systemctl start atekd");
    host.machine.shell(&own).await?;
    host.ready().await
}

pub async fn restart(host: &Host) -> anyhow::Result<()> {
    host.machine.shell("systemctl restart atekd").await?;
    host.ready().await
}

/// Waits until this version was watched for long enough, and is kept.
pub async fn service_is_kept(host: &Host, id: &str, version: &str) -> anyhow::Result<()> {
    wait_for(&format!("{id} {version:?} to be kept"), SOON, async || {
        let status = call(host, "updateStatus", json!([id])).await?;
        let last = &status["history"][0];
        let is_kept = last["to"] == version && last["outcome"] == "updated";
        Ok(Seen::if_so(status, |_| is_kept))
    })
    .await
    .map(drop)
}

/// A release that ends as soon as it is told to, and whenever it is started after that.
pub const MORTAL: &str = "
    const fs = require('fs')
    exports.start = ({ state }) => { if (fs.existsSync(`${state}/dead`)) process.exit(4) }
    exports.answer = (request, response) => {
      if (request.url !== '/die') return false
      const dead = `${process.env.HOME}/dead`
      fs.writeFileSync(dead, '')
      process.exit(4)
    }
";

/// A call of the hypercore service by a person.
pub async fn hypercore(person: &Person, method: &str, params: Value) -> anyhow::Result<Value> {
    person.client.call(HYPERCORE_API, method, params).await
}

/// Waits until the hypercore service that comes with Atek has taken its place again, and says why.
pub async fn built_in_hypercore(host: &Host, because: &str) -> anyhow::Result<()> {
    wait_for(
        &format!("the built-in service, because {because}"),
        SOON,
        async || {
            let service = host.service(HYPERCORE).await?;
            let told = service["reason"].as_str().unwrap_or_default();
            let is_told = told.contains("runs in the place of") && told.contains(because);
            let is_there = service["settings"]["sourceUrl"] == "builtin:hypercore";
            Ok(Seen::if_so(service.clone(), |_| is_told && is_there))
        },
    )
    .await?;
    let shown = host.machine.shell("atek status").await?;
    ensure!(shown.contains(because), "{shown}");
    let status = call(host, "updateStatus", json!([HYPERCORE])).await?;
    let told = status["standsIn"].as_str().unwrap_or_default();
    ensure!(told.contains(because), "{status}");
    Ok(())
}
