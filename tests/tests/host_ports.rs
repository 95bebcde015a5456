//! Programs that listen on a TCP port, and what any program finds around itself.

use anyhow::Context as _;
use atek_tests::GitRemote;
use atek_tests::host::Host;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::path::Path;

#[tokio::test]
async fn an_ordinary_server_runs_unchanged_at_its_port() -> anyhow::Result<()> {
    let host = Host::boot("ports").await?;
    let alice = host.person("alice", "admin").await?;
    host.install("port-node", "alice").await?;
    host.service_is("port-node", "running").await?;
    assert_eq!(host.page(&alice, "port-node", "/").await?, "hello");
    let app = host.visit(&alice, "port-node").await?;
    let events = app.get("/events").await?.text();
    assert_eq!(events, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    let body = json!("x".repeat(4 << 20));
    let uploaded = app.post_json("/upload", &body).await?.text();
    assert_eq!(uploaded, (body.to_string().len()).to_string());
    let mut socket = app.websocket("/").await?;
    let message = socket.next().await.context("no message")??;
    assert_eq!(message.to_text()?, "hello");

    let found: Value =
        serde_json::from_str(&host.page(&alice, "port-node", "/surroundings").await?)?;
    let state = host.machine.shell("ls -d /var/lib/atek-app-*").await?;
    let state = state
        .lines()
        .find(|folder| !folder.contains("core."))
        .context("no state")?;
    assert_eq!(found["interfaces"], json!(["lo"]), "{found}");
    assert_eq!(found["user"]["username"], "app", "{found}");
    assert_eq!(found["user"]["uid"], found["uid"]);
    assert_eq!(found["user"]["homedir"], state);
    assert_eq!(found["home"], state);
    // The state is a link to where systemd keeps it.
    let folder = found["folder"].as_str().context("no folder")?;
    assert_eq!(Path::new(folder).file_name(), Path::new(state).file_name());
    assert_eq!(found["written"], "written");
    assert_eq!(found["datagram"], "hello");
    // Its parent gives the host sockets for its port, and is as closed to it as another user's.
    let parent = found["parent"].as_str().unwrap_or_default();
    assert!(parent.contains("ENOENT"), "{found}");
    // Without a network a name is not found at once, instead of after a timeout.
    assert!(found["resolved"].is_string(), "{found}");
    assert!(found["resolving"].as_u64() < Some(1_000), "{found}");
    let names = found["environment"].as_array().context("no environment")?;
    for (name, expected) in [
        ("PORT", true),
        ("HOST", true),
        ("ATEK_ASSIGNED_SOCKET_FILE", false),
    ] {
        assert_eq!(names.contains(&json!(name)), expected, "{name}");
    }
    // Another namespace than its own does not reach the port.
    let outside = host
        .machine
        .shell("node -e \"require('net').connect(8080, '127.0.0.1').on('connect', () => console.log('reached')).on('error', () => console.log('closed'))\"")
        .await?;
    assert!(outside.contains("closed"), "{outside}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_ends_ends_its_unit_and_comes_back() -> anyhow::Result<()> {
    let host = Host::boot("ports-end").await?;
    let alice = host.person("alice", "admin").await?;
    host.install("port-node", "alice").await?;
    host.service_is("port-node", "running").await?;
    let before = host.pid("port-node").await?;
    let children = format!("/proc/{before}/task/{before}/children");
    host.machine
        .shell(&format!("kill -KILL $(cat {children})"))
        .await?;
    atek_tests::wait_for("another process", atek_tests::host::SOON, async || {
        let now = host.pid("port-node").await.unwrap_or(before);
        Ok(atek_tests::Seen::if_so(now, |now| *now != before))
    })
    .await?;
    host.service_is("port-node", "running").await?;
    assert_eq!(host.page(&alice, "port-node", "/").await?, "hello");
    // Stopped in good order, it is no failure.
    host.machine
        .exec(["systemctl", "stop", "atek-app-port-node"])
        .await?;
    let stopped = host.service_is("port-node", "stopped").await?;
    let reason = stopped["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("administrator"), "{reason:?}");
    Ok(())
}

#[tokio::test]
async fn a_port_is_reached_also_after_atekd_was_killed_and_the_program_started_again()
-> anyhow::Result<()> {
    let host = Host::boot("ports-adopt").await?;
    let alice = host.person("alice", "admin").await?;
    host.install("port-node", "alice").await?;
    host.service_is("port-node", "running").await?;
    let before = host.pid("port-node").await?;
    host.machine
        .exec(["systemctl", "kill", "-s", "KILL", "atekd.service"])
        .await?;
    host.ready().await?;
    host.service_is("port-node", "running").await?;
    assert_eq!(host.page(&alice, "port-node", "/").await?, "hello");
    assert_eq!(host.pid("port-node").await?, before);
    // The channel of the first process is closed, and that of the second one is taken.
    host.machine.shell(&format!("kill -KILL {before}")).await?;
    atek_tests::wait_for("another process", atek_tests::host::SOON, async || {
        let now = host.pid("port-node").await.unwrap_or(before);
        Ok(atek_tests::Seen::if_so(now, |now| *now != before))
    })
    .await?;
    host.service_is("port-node", "running").await?;
    assert_eq!(host.page(&alice, "port-node", "/").await?, "hello");
    Ok(())
}

#[tokio::test]
async fn a_program_is_told_a_free_port_and_the_way_to_its_hosts() -> anyhow::Result<()> {
    let host = Host::boot("ports-auto").await?;
    let alice = host.person("alice", "admin").await?;
    let asks = json!({ "network": { "hosts": ["example.org"] } });
    let remote = GitRemote::new("auto", host.machine.gateway()?)?;
    remote.tag_app("v0.9.0", "port-node")?;
    remote
        .write(
            "atek.json",
            json!({ "port": "auto", "permissions": asks }).to_string(),
        )?
        .tag("v1.0.0")?;
    host.install_from(json!({
        "sourceUrl": remote.url(), "id": "auto", "user": "alice", "grant": asks,
    }))
    .await?;
    host.service_is("auto", "running").await?;
    let found: Value = serde_json::from_str(&host.page(&alice, "auto", "/surroundings").await?)?;
    let names = found["environment"].as_array().context("no environment")?;
    for name in [
        "HTTP_PROXY",
        "https_proxy",
        "NO_PROXY",
        "NODE_USE_ENV_PROXY",
        "PORT",
    ] {
        assert!(names.contains(&json!(name)), "{name}: {found}");
    }
    assert_eq!(found["folder"], "/app");
    Ok(())
}

const MENU: &str = "
const { argv, env } = process
const found = { argv: argv.slice(2), greeting: env.GREETING, path: env.PATH, version: env.npm_package_version }
require('http').createServer((_, response) => response.end(JSON.stringify(found))).listen(env.PORT, env.HOST)
";

#[tokio::test]
async fn a_start_script_runs_as_npm_start_runs_it() -> anyhow::Result<()> {
    let host = Host::boot("ports-script").await?;
    let alice = host.person("alice", "admin").await?;
    let package = json!({
        "name": "menu",
        "version": "2.0.1",
        "scripts": {
            "prestart": "test -f server.js",
            "start": "GREETING=\"hello $npm_package_name\" node --no-warnings server.js -p $PORT",
        },
    });
    let manifest = json!({ "port": "auto", "args": ["last one"] });
    let remote = GitRemote::new("menu", host.machine.gateway()?)?;
    remote
        .write("server.js", MENU)?
        .write("package.json", package.to_string())?
        .write("atek.json", manifest.to_string())?
        .tag("v1.0.0")?;
    let wanted = json!({ "sourceUrl": remote.url(), "id": "menu", "user": "alice" });
    host.install_from(wanted).await?;
    host.service_is("menu", "running").await?;
    let found: Value = serde_json::from_str(&host.page(&alice, "menu", "/").await?)?;
    assert_eq!(found["greeting"], "hello menu", "{found}");
    assert_eq!(found["version"], "2.0.1", "{found}");
    let path = found["path"].as_str().unwrap_or_default();
    assert!(path.starts_with("/app/node_modules/.bin:"), "{found}");
    assert_eq!(found["argv"][0], "-p", "{found}");
    assert_eq!(found["argv"][2], "last one", "{found}");
    Ok(())
}
