//! Opening apps from another device of the local network: by port, and by name.

use anyhow::Context as _;
use atek_tests::host::{Host, SERVICES, SOON, cookie_named};
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The configuration's file, with two ports for apps.
const TWO_PORTS: &str = r#"{"appPorts": "8100-8101"}"#;

async fn host_with(name: &str, config: &str) -> anyhow::Result<Host> {
    Host::on(Machine::builder(name).file("/etc/atek/config.json", config, 0o644)).await
}

/// Waits until an app's addresses satisfy `wanted`.
async fn addresses(
    host: &Host,
    id: &str,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    wait_for(&format!("the addresses of {id}"), SOON, async || {
        let service = host.service(id).await?;
        Ok(Seen::if_so(service["addresses"].clone(), &wanted))
    })
    .await
}

fn has_port(addresses: &Value) -> bool {
    addresses["port"].is_u64()
}

/// The port of an app that is listened on.
async fn port_of(host: &Host, id: &str) -> anyhow::Result<u16> {
    let port = addresses(host, id, has_port).await?["port"].as_u64();
    Ok(port.unwrap_or_default().try_into()?)
}

#[tokio::test]
async fn an_app_is_opened_by_address_and_port_with_one_sign_in() -> anyhow::Result<()> {
    let host = Host::boot("app-by-port").await?;
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let port = port_of(&host, "hello-node").await?;
    assert_eq!(port, 8100);
    let address = host.machine.address()?;
    let app = host
        .machine
        .http_on(port)
        .host(&format!("{address}:{port}"));

    let to_bind = app.get("/?x=1&y=2").await?;
    let bind = after(to_bind.header("location"), &format!("http://{address}"))?;
    let main = alice.client.clone().host(&address.to_string());
    let to_app = main.get(&bind).await?;
    let entry = after(
        to_app.header("location"),
        &format!("http://{address}:{port}"),
    )?;
    let entered = app.get(&entry).await?;
    let cookie = cookie_named(
        &format!("atek-session-{port}"),
        entered.header("set-cookie"),
    )?;
    let signed_in = app.header(
        "cookie",
        &format!("atek-session-{port}={cookie}; session={}", alice.cookie),
    );
    let page = signed_in.get("/").await?;
    assert_eq!(page.status, 200, "{}", page.text());

    // The port is the app's, and the session lasts, also over a restart of the host.
    host.machine
        .exec(["systemctl", "restart", "atekd.service"])
        .await?;
    host.ready().await?;
    assert_eq!(port_of(&host, "hello-node").await?, port);
    assert_eq!(signed_in.get("/").await?.status, 200);

    // Removed, it is nobody's.
    host.system()?
        .call(SERVICES, "uninstall", json!(["hello-node"]))
        .await?;
    wait_for("the port to be closed", SOON, async || {
        let connected = tokio::net::TcpStream::connect(SocketAddr::from((address, port))).await;
        Ok(Seen::if_so(connected.is_ok(), |open| !open))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn apps_run_where_no_port_is_left_and_say_so_in_words() -> anyhow::Result<()> {
    let host = host_with("ports-run-out", TWO_PORTS).await?;
    // Somebody else has the first one.
    host.machine
        .exec([
            "systemd-run",
            "--unit=squatter",
            "node",
            "-e",
            "require('net').createServer().listen(8100)",
        ])
        .await?;
    wait_for("the squatter", SOON, async || {
        let squatter = host.machine.exec(["ss", "-Hltn", "sport = :8100"]).await?;
        Ok(Seen::if_so(squatter, |lines| !lines.trim().is_empty()))
    })
    .await?;
    host.person("alice", "").await?;
    for id in ["one", "two", "three"] {
        let source = host.machine.place_app("hello-node").await?;
        let params = json!({ "sourceUrl": source, "id": id, "user": "alice" });
        host.install_from(params).await?;
        host.service_is(id, "running").await?;
    }
    let one = addresses(&host, "one", |one| one["problem"].is_string()).await?;
    assert_eq!(one["port"], Value::Null);
    let words = one["problem"].as_str().context("no words")?;
    assert!(
        words.contains("port 8100") && words.contains("another program"),
        "{words}"
    );
    assert_eq!(port_of(&host, "two").await?, 8101);
    let three = addresses(&host, "three", |three| three["problem"].is_string()).await?;
    let words = three["problem"].as_str().context("no words")?;
    assert!(
        words.contains("8100-8101") && words.contains("appPorts"),
        "{words}"
    );

    // Each is mended as soon as its cause is gone.
    host.machine
        .exec(["systemctl", "stop", "squatter.service"])
        .await?;
    assert_eq!(port_of(&host, "one").await?, 8100);
    host.system()?
        .call(SERVICES, "uninstall", json!(["two"]))
        .await?;
    assert_eq!(port_of(&host, "three").await?, 8101);
    Ok(())
}

/// The path of a URL that must be at `origin`.
fn after(location: &str, origin: &str) -> anyhow::Result<String> {
    let path = location
        .strip_prefix(origin)
        .filter(|path| path.starts_with('/'));
    Ok(path
        .with_context(|| format!("{location} does not lead to {origin}"))?
        .to_owned())
}
