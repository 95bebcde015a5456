//! The component of others that the tests install, see `src/components.rs`.

use super::*;
use anyhow::ensure;
use atek_tests::http::Client;
use atek_tests::{GitRemote, components};
use std::time::Duration;

/// A neighbour on a network of the machine's, with a server of plain HTTP.
pub const NEIGHBOUR: &str = "10.77.0.2";
pub const UNIT: &str = "atek-app-hono.service";
/// For a compiler that is itself compiled for debugging, on a busy machine.
pub const COMPILED: Duration = Duration::from_secs(300);

/// A repository with the component at v1.0.0; `None` (and a skip is recorded) without npm.
pub fn hono(host: &Host) -> anyhow::Result<Option<GitRemote>> {
    let Some(component) = components::hono()? else {
        skip("npm is not installed");
        return Ok(None);
    };
    let remote = GitRemote::new("hono", host.machine.gateway()?)?;
    let wrong = [secure::OTHER_NAME, secure::EXPIRED, secure::UNKNOWN];
    let hosts = wrong.map(|port| format!("{NEIGHBOUR}:{port}"));
    let hosts: Vec<String> = hosts.into_iter().chain([NEIGHBOUR.to_owned()]).collect();
    let manifest = json!({
        "name": "Hono", "runtime": "wasm", "entry": "app.wasm",
        "permissions": { "network": { "hosts": hosts } },
    });
    remote
        .write("atek.json", manifest.to_string())?
        .write("app.wasm", component)?
        .write("version", "1.0.0")?
        // Native code of a package is never used.
        .write(".atek-wasm/theirs.cwasm", "\x7fELF")?
        .tag("v1.0.0")?;
    Ok(Some(remote))
}

pub async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    let client = host.system()?.patient(COMPILED);
    client.call(SERVICES, method, params).await
}

/// Installs it for alice, with all that it asks for.
pub async fn install(host: &Host, remote: &GitRemote) -> anyhow::Result<()> {
    let url = remote.url();
    let words = ["atek", "install", &url, "--yes", "--user", "alice"];
    let installed = host.machine.exec_within(COMPILED, words, b"").await?;
    ensure!(installed.status.success(), "{installed:?}");
    host.service_is("hono", "running").await.map(drop)
}

pub async fn page(app: &Client, path: &str) -> anyhow::Result<String> {
    let answer = app.get(path).await?;
    let text = answer.text();
    ensure!(answer.status == 200, "{path}: {} {text}", answer.status);
    Ok(text)
}
