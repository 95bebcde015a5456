//! The install of a program of npm beside npm itself: on one machine, from one registry, by one
//! lockfile, without a cache. Prints figures; fails only when something cannot be measured.

use anyhow::Context as _;
use atek_tests::host::{Host, SERVICES};
use atek_tests::{GitRemote, Machine, npm, skip};
use serde_json::json;
use std::time::{Duration, Instant};

/// Installs of each kind, in turn; the first of each fills the registry's store and does not count.
const ROUNDS: usize = 4;
/// One install, on a machine that has much else to do.
const INSTALL: Duration = Duration::from_secs(600);

/// `npm ci`, in a folder and with a cache of its own.
async fn by_npm(host: &Host, package: &str, lockfile: &str) -> anyhow::Result<Duration> {
    let script = format!(
        "rm -rf /root/by-npm /root/.npm
         mkdir /root/by-npm
         cd /root/by-npm
         cat >package.json <<'END'\n{package}\nEND
         cat >package-lock.json
         exec npm ci --no-audit --no-fund"
    );
    let began = Instant::now();
    let words = ["sh", "-euc", &script];
    let done = host
        .machine
        .exec_within(INSTALL, words, lockfile.as_bytes())
        .await?;
    let took = began.elapsed();
    anyhow::ensure!(done.status.success(), "npm: {}", done.stderr);
    Ok(took)
}

/// From the call to an app that answers: fetch, `npm ci`, checks, start.
async fn by_atek(host: &Host, remote: &GitRemote) -> anyhow::Result<Duration> {
    let params = json!([{ "sourceUrl": remote.url(), "id": "program", "user": "owner" }]);
    let system = host.system()?.patient(INSTALL);
    let began = Instant::now();
    let info = system.call(SERVICES, "install", params).await?;
    let took = began.elapsed();
    anyhow::ensure!(info["state"] == "running", "{info}");
    system
        .call(SERVICES, "uninstall", json!(["program"]))
        .await?;
    Ok(took)
}

async fn compare(host: &Host, name: &str, version: &str, atek: &str) -> anyhow::Result<()> {
    let package = json!({
        "name": "recipe", "version": "1.0.0", "private": true, "dependencies": { name: version },
    });
    let package = package.to_string();
    let lockfile = npm::lockfile(&format!("{name}-{version}"), &package)?;
    let lockfile = lockfile.context("the lockfile is kept")?;
    let remote = GitRemote::new(name, host.machine.gateway()?)?;
    remote
        .write("atek.json", atek)?
        .write("package.json", &package)?
        .write("package-lock.json", &lockfile)?
        .tag("v1.0.0")?;
    let (mut npm, mut atek) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        npm.push(by_npm(host, &package, &lockfile).await?);
        atek.push(by_atek(host, &remote).await?);
    }
    let median = |times: &mut Vec<Duration>| {
        times.remove(0);
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };
    let (npm, atek) = (median(&mut npm), median(&mut atek));
    println!(
        "{name} {version}: npm ci {npm:.1} s, install to running {atek:.1} s, {:.2}",
        atek / npm
    );
    Ok(())
}

#[tokio::test]
async fn an_install_beside_npm_itself() -> anyhow::Result<()> {
    let package = r#"{ "name": "probe", "version": "1.0.0", "dependencies": { "ms": "2.1.3" } }"#;
    if npm::lockfile("probe", package)?.is_none() {
        skip("the npm registry cannot be reached");
        return Ok(());
    }
    let machine = Machine::builder("bench-npm").internet(true).npm_registry();
    let host = Host::on(machine).await?;
    host.claimed().await?;
    let json_server = r#"{ "port": 3000, "workdir": "state", "args": ["db.json"],
        "entry": "node_modules/json-server/lib/cli/bin.js" }"#;
    compare(&host, "json-server", "0.17.4", json_server).await?;
    let node_red = r#"{ "port": 1880, "workdir": "state", "args": ["--userDir", "."],
        "entry": "node_modules/node-red/red.js" }"#;
    compare(&host, "node-red", "4.1.15", node_red).await
}
