//! What a hostile app can do, and how systemd judges the units.

use anyhow::Context as _;
use atek_tests::host::{ADB, Host, SERVICES, SOON};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};

/// What a confined app can still do, known and accepted: each is its own business.
const ACCEPTED: &[&str] = &[
    // Inside its own network namespace, where nobody else is.
    "listen on TCP",
];

#[tokio::test]
async fn a_hostile_app_reaches_nothing_but_its_own() -> anyhow::Result<()> {
    let host = Host::boot("confinement").await?;
    let alice = host.person("alice", "admin").await?;
    let victim = host.install("hello-node", "alice").await?;
    let key = victim["key"].as_str().context("no key")?;
    alice
        .client
        .call("example.test/hello", "put", json!(["secret", "x"]))
        .await?;
    let escape = host.install("escape", "alice").await?;
    let own = escape["key"].as_str().context("no key")?;
    let server = "require('net').createServer().listen(7777); require('net').createServer().listen('\\0abstract')";
    host.machine
        .exec(["systemd-run", "--unit=server", "node", "-e", server])
        .await?;
    // Nobody there would refuse as well.
    wait_for("the server", SOON, async || {
        let sockets = host.machine.exec(["cat", "/proc/net/unix"]).await?;
        Ok(Seen::if_so(sockets, |sockets| {
            sockets.contains("@abstract")
        }))
    })
    .await?;
    let targets = json!({
        "otherState": format!("/var/lib/private/atek-app-{key}/secret"),
        "otherSocket": format!("/run/atek-app-{key}/app.sock"),
        "hostFile": "/var/lib/atek/config.json",
        "controlSocket": "/run/atek/control.sock",
        "pid": host.pid("hello-node").await?,
        "tcp": format!("{}:7777", host.machine.address()?),
        "udp": format!("{}:7777", host.machine.address()?),
        "abstractSocket": "abstract",
        "code": "/app",
        "own": format!("/var/lib/atek-app-{own}"),
    });
    let table = alice
        .client
        .call("example.test/escape", "escape", json!([targets]))
        .await?;
    let table = table.as_object().context("no table")?;
    assert!(table.len() > 70, "only {} attempts", table.len());
    let mut lines: Vec<String> = table
        .iter()
        .map(|(name, outcome)| format!("{name}: {outcome}"))
        .collect();
    lines.sort();
    println!("{}", lines.join("\n"));
    let possible: Vec<&String> = table
        .iter()
        .filter(|(name, outcome)| {
            **outcome == json!("possible") && !ACCEPTED.contains(&name.as_str())
        })
        .map(|(name, _)| name)
        .collect();
    assert!(possible.is_empty(), "a confined app could: {possible:?}");
    Ok(())
}

#[tokio::test]
async fn two_services_do_not_read_each_others_private_databases() -> anyhow::Result<()> {
    let host = Host::boot("private-databases").await?;
    let alice = host.person("alice", "").await?;
    for name in ["one", "two"] {
        let source = host.machine.place_app("caller-node").await?;
        host.install_from(json!({ "sourceUrl": source, "id": name, "user": "alice" }))
            .await?;
    }
    let ask = async |app: &str, method: &str, params: Value| {
        let params: String =
            url::form_urlencoded::byte_serialize(params.to_string().as_bytes()).collect();
        let path = format!("/call?api={ADB}&method={method}&params={params}");
        let report: Value = serde_json::from_str(&host.page(&alice, app, &path).await?)?;
        let body: Value = serde_json::from_str(report["body"].as_str().context("no body")?)?;
        anyhow::Ok(body)
    };
    let made = ask("one", "dbCreate", json!([{ "access": "private" }])).await?;
    let db = &made["result"]["dbId"];
    let put = ask(
        "one",
        "recordPut",
        json!([db, "notes/1", { "text": "mine" }]),
    )
    .await?;
    assert!(put["error"].is_null(), "{put}");
    let own = ask("one", "recordGet", json!([db, "notes/1"])).await?;
    assert_eq!(own["result"]["value"]["text"], "mine", "{own}");
    for (method, params) in [
        ("recordGet", json!([db, "notes/1"])),
        ("recordList", json!([db, "notes"])),
        ("recordPut", json!([db, "notes/1", { "text": "theirs" }])),
        ("recordDelete", json!([db, "notes/1"])),
        ("adminDeleteDb", json!([db])),
    ] {
        let other = ask("two", method, params).await?;
        assert!(other["error"].is_object(), "{method}: {other}");
    }
    Ok(())
}

#[tokio::test]
async fn systemd_finds_the_units_correct_and_tight() -> anyhow::Result<()> {
    let host = Host::boot("units").await?;
    host.person("alice", "").await?;
    for app in ["hello-node", "native-echo"] {
        host.install(app, "alice").await?;
    }
    let verify = host
        .machine
        .shell("systemd-analyze verify /usr/lib/systemd/system/atek*.service /usr/lib/systemd/system/atek*.socket /usr/lib/systemd/system/atek*.slice 2>&1 || true")
        .await?;
    assert_eq!(verify.trim(), "");
    for (unit, most) in [
        ("atekd.service", 2.0),
        ("atek-app-hello-node.service", 0.8),
        ("atek-app-native-echo.service", 0.8),
        ("atek-app-core.adb.service", 0.8),
    ] {
        let judged = host
            .machine
            .exec(["systemd-analyze", "security", "--no-pager", unit])
            .await?;
        let line = judged.lines().last().unwrap_or_default();
        println!("{line}");
        let score: f64 = line
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .with_context(|| format!("no score in {line:?}"))?;
        assert!(score <= most, "{line}");
    }
    let failed = host
        .machine
        .exec(["systemctl", "--failed", "--no-legend"])
        .await?;
    assert_eq!(failed.trim(), "");
    Ok(())
}

#[tokio::test]
async fn an_administrator_finds_apps_where_systemd_keeps_them() -> anyhow::Result<()> {
    let host = Host::boot("administrator").await?;
    host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    let machine = &host.machine;
    let status = machine
        .exec(["systemctl", "status", "--no-pager", "atek-app-hello-node"])
        .await?;
    assert!(status.contains("Active: active (running)"), "{status}");

    machine
        .exec(["systemctl", "restart", "atek-app-hello-node"])
        .await?;
    host.service_is("hello-node", "running").await?;
    machine
        .exec(["systemctl", "stop", "atek-app-hello-node"])
        .await?;
    let stopped = host.service_is("hello-node", "stopped").await?;
    let reason = stopped["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("administrator"), "{reason:?}");
    machine
        .exec(["systemctl", "start", "atek@hello-node"])
        .await?;
    host.service_is("hello-node", "running").await?;
    machine
        .exec(["systemctl", "stop", "atek@hello-node"])
        .await?;
    host.service_is("hello-node", "stopped").await?;
    machine.exec(["atek", "start", "hello-node"]).await?;
    host.service_is("hello-node", "running").await?;

    let journal = machine
        .exec(["journalctl", "--no-pager", "-u", "atek-app-hello-node"])
        .await?;
    assert!(journal.contains("hello listens"), "{journal}");
    let by_field = machine
        .exec(["journalctl", "--no-pager", "ATEK_SERVICE_ID=hello-node"])
        .await?;
    assert!(by_field.contains("hello listens"), "{by_field}");
    let logs = host
        .system()?
        .call(SERVICES, "logs", json!(["hello-node", { "lines": 200 }]))
        .await?;
    assert!(logs.to_string().contains("hello listens"), "{logs}");
    let listed = machine.exec(["atek", "ls"]).await?;
    assert!(
        listed.contains("hello-node") && listed.contains("running"),
        "{listed}"
    );
    Ok(())
}
