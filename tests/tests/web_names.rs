//! Opening apps from another device of the local network: by port, and by name.

use anyhow::Context as _;
use atek_tests::host::{Host, PASSWORD, SERVICES, SESSIONS, SOON, cookie_named};
use atek_tests::phone::BOX;
use atek_tests::{LanClient, Machine, Seen, wait_for};
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
    let nonce_name = format!("atek-bind-{port}");
    let nonce = cookie_named(&nonce_name, to_bind.header("set-cookie"))?;
    let entered = app
        .clone()
        .header("cookie", &format!("{nonce_name}={nonce}"))
        .get(&entry)
        .await?;
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

    // Removed, it has no owner.
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
    // Another device has the first one.
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

#[tokio::test]
async fn a_phone_without_name_resolution_opens_an_app_with_one_sign_in() -> anyhow::Result<()> {
    let host = Host::boot("phone-by-port").await?;
    host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    host.install("native-echo", "alice").await?;
    let app = format!("http://{BOX}:{}", port_of(&host, "hello-node").await?);
    let mut phone = LanClient::join(&host.machine).await?;

    let login = phone.open(&format!("{app}/?a=1&b=2")).await?;
    assert!(
        login.url.starts_with(&format!("http://{BOX}/_atek/login")),
        "{}",
        login.url
    );
    phone
        .sign_in(&format!("http://{BOX}"), "alice", PASSWORD)
        .await?;
    let page = phone.open(&format!("{app}/?a=1&b=2")).await?;
    assert_eq!((page.status, page.url), (200, format!("{app}/?a=1&b=2")));

    // The other app needs no second sign-in.
    let other = format!("http://{BOX}:{}/", port_of(&host, "native-echo").await?);
    let page = phone.open(&other).await?;
    assert_eq!((page.status, page.url), (200, other));

    // A page of one app changes nothing in the other, nor at the host.
    for (url, status) in [
        (format!("{app}/"), 403),
        (format!("http://{BOX}/_atek/gateway?api={SERVICES}"), 403),
    ] {
        let port = port_of(&host, "native-echo").await?;
        let headers =
            json!({ "origin": format!("http://{BOX}:{port}"), "content-type": "application/json" });
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"list"}"#;
        assert_eq!(
            phone.ask("POST", &url, &headers, call).await?.status,
            status,
            "{url}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_phone_finds_the_box_and_its_apps_by_name() -> anyhow::Result<()> {
    let host = Host::boot("lan-names").await?;
    host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let mut phone = LanClient::join(&host.machine).await?;
    let names = ["hello-node.lan-names.local", "hello-node-lan-names.local"];
    phone.knows("lan-names.local").await?;
    for name in names {
        phone.knows(name).await?;
    }
    let shown = addresses(&host, "hello-node", |shown| shown["mdns"][1].is_string()).await?;
    assert_eq!(shown["mdns"], json!(names));
    assert_eq!(shown["subdomain"], "hello-node");

    phone
        .sign_in("http://lan-names.local", "alice", PASSWORD)
        .await?;
    for name in names {
        let page = phone.open(&format!("http://{name}/")).await?;
        assert_eq!(
            (page.status, page.url),
            (200, format!("http://{name}/")),
            "{}",
            page.text
        );
    }

    // A resolver that restarts learns them again; a removed app's are gone.
    host.machine
        .exec(["systemctl", "restart", "avahi-daemon.service"])
        .await?;
    host.install("native-echo", "alice").await?;
    for name in names.into_iter().chain(["native-echo.lan-names.local"]) {
        phone.knows(name).await?;
    }
    host.system()?
        .call(SERVICES, "uninstall", json!(["hello-node"]))
        .await?;
    for name in names {
        phone.forgets(name).await?;
    }
    phone.knows("native-echo-lan-names.local").await?;
    Ok(())
}

#[tokio::test]
async fn the_names_follow_when_the_box_is_renamed() -> anyhow::Result<()> {
    let host = Host::boot("lan-rename").await?;
    host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let mut phone = LanClient::join(&host.machine).await?;
    phone.knows("hello-node.lan-rename.local").await?;
    host.machine
        .exec(["hostnamectl", "set-hostname", "hearth"])
        .await?;
    for name in [
        "hearth.local",
        "hello-node.hearth.local",
        "hello-node-hearth.local",
    ] {
        phone.knows(name).await?;
    }
    phone.forgets("hello-node.lan-rename.local").await?;
    phone
        .sign_in("http://hearth.local", "alice", PASSWORD)
        .await?;
    let page = phone.open("http://hello-node.hearth.local/").await?;
    assert_eq!(page.status, 200, "{}", page.text);

    // A name that was never the box's is a stranger's, who made it point here.
    let headers = json!({ "host": "evil.test" });
    let page = phone
        .ask("GET", &format!("http://{BOX}/"), &headers, "")
        .await?;
    assert_eq!(page.status, 421, "{}", page.text);
    Ok(())
}

#[tokio::test]
async fn a_session_that_an_app_threw_in_ends_when_its_victim_signs_in() -> anyhow::Result<()> {
    let host = Host::boot("tossed-session").await?;
    let alice = host.person("alice", "").await?;
    let mallory = host.person("mallory", "").await?;
    // As a page at another port of the same address can make a browser send it.
    let tossed = format!("session={}", mallory.cookie);
    let whoami = async |cookies: &str| {
        let client = host.stranger().header("cookie", cookies);
        client.call(SESSIONS, "whoami", json!([])).await
    };
    let both = format!("{tossed}; session={}", alice.cookie);
    assert_eq!(
        whoami(&both).await?["isActive"],
        false,
        "of two session cookies neither is trusted"
    );

    let login = json!({
        "jsonrpc": "2.0", "id": 1, "method": "login",
        "params": [{ "username": "alice", "password": PASSWORD }],
    });
    let path = format!("/_atek/gateway?api={SESSIONS}");
    let browser = host.stranger().header("cookie", &both);
    let answer = browser.post_json(&path, &login).await?;
    let cookie = cookie_named("session", answer.header("set-cookie"))?;
    let now = whoami(&format!("{tossed}; session={cookie}")).await?;
    assert_eq!(now["username"], "alice");
    assert_eq!(whoami(&tossed).await?["isActive"], false);
    Ok(())
}

#[tokio::test]
async fn without_avahi_only_the_names_are_missing() -> anyhow::Result<()> {
    let host = Host::boot("no-avahi").await?;
    host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    addresses(&host, "hello-node", |shown| shown["mdns"][0].is_string()).await?;
    // Said once at the start, too, where Avahi starts later than atekd.
    let said = async || {
        let journal = host.machine.journal("atekd.service").await?;
        anyhow::Ok((journal.matches("Avahi does not run").count(), journal))
    };
    let (before, _) = said().await?;
    host.machine
        .exec([
            "systemctl",
            "stop",
            "avahi-daemon.socket",
            "avahi-daemon.service",
        ])
        .await?;
    let shown = addresses(&host, "hello-node", |shown| shown["mdns"] == json!([])).await?;
    assert_eq!(shown["port"], 8100);
    host.install("native-echo", "alice").await?;
    host.service_is("native-echo", "running").await?;
    let is_active = host
        .machine
        .try_exec(["systemctl", "is-active", "avahi-daemon.service"])
        .await?;
    assert_ne!(
        is_active.stdout.trim(),
        "active",
        "atekd does not start what a person stopped"
    );
    let (after, journal) = said().await?;
    assert_eq!(after, before + 1, "{journal}");
    host.machine
        .exec(["systemctl", "start", "avahi-daemon.service"])
        .await?;
    addresses(&host, "native-echo", |shown| shown["mdns"][0].is_string()).await?;
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

#[tokio::test]
async fn the_ports_of_apps_closed_for_the_moment_of_a_restart() -> anyhow::Result<()> {
    let host = Host::boot("app-ports-stay").await?;
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let port = port_of(&host, "hello-node").await?;
    let address = host.machine.address()?;
    let restart = async {
        for command in ["restart", "kill --signal=KILL"] {
            let script = format!("systemctl {command} atekd.service");
            host.machine.shell(&script).await?;
            host.ready().await?;
        }
        anyhow::Ok(())
    };
    tokio::pin!(restart);
    // A neighbour who comes at any moment of it is let in, or waits.
    let mut came = 0u32;
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(5));
    loop {
        let come = async {
            pace.tick().await;
            tokio::net::TcpStream::connect(SocketAddr::from((address, port))).await
        };
        tokio::select! {
            done = &mut restart => break done?,
            connected = come => {
                connected.with_context(|| format!("the port closed; {came} had come before"))?;
                came += 1;
            }
        }
    }
    assert!(came > 0);
    assert_eq!(port_of(&host, "hello-node").await?, port);
    let app = host
        .machine
        .http_on(port)
        .host(&format!("{address}:{port}"));
    assert_eq!(app.get("/").await?.status, 302);

    // Given up with the app, it is free for the next app, also after a restart.
    let (uninstall, hello) = ("uninstall", json!(["hello-node"]));
    host.system()?.call(SERVICES, uninstall, hello).await?;
    wait_for("the port to be closed", SOON, async || {
        let connected = tokio::net::TcpStream::connect(SocketAddr::from((address, port))).await;
        Ok(Seen::if_so(connected.is_ok(), |open| !open))
    })
    .await?;
    host.machine
        .exec(["systemctl", "restart", "atekd.service"])
        .await?;
    host.ready().await?;
    let listening = host
        .machine
        .exec(["ss", "-Hltn", &format!("sport = :{port}")])
        .await?;
    assert_eq!(listening.trim(), "");
    drop(alice);
    Ok(())
}
