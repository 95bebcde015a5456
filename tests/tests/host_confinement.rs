//! What services keep from each other, and how systemd judges the units.

use anyhow::Context as _;
use atek_tests::host::{ADB, Host, SERVICES};
use serde_json::{Value, json};

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

/// What `systemd-analyze security` says of a unit: 0 is best, 10 is no confinement.
async fn exposure(host: &Host, words: &[&str]) -> anyhow::Result<f64> {
    let command = ["systemd-analyze", "security", "--no-pager"];
    let judged = host.machine.exec(command.iter().chain(words)).await?;
    let line = judged.lines().last().unwrap_or_default();
    line.split_whitespace()
        .find_map(|word| word.parse().ok())
        .with_context(|| format!("no score in {line:?}"))
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
        ("atek-app-hello-node.service", 0.8),
        ("atek-app-native-echo.service", 0.8),
        ("atek-app-core.adb.service", 0.8),
        ("atekd.service", 2.0),
        ("avahi-daemon.service", 2.0),
    ] {
        let score = exposure(&host, &[unit]).await?;
        assert!(score <= most, "{unit}: {score}");
    }
    // Of what does not run here, or has a name for each use, systemd judges the file.
    let files = host
        .machine
        .shell("ls /usr/lib/systemd/system/atek*.service")
        .await?;
    let files: Vec<&str> = files.lines().collect();
    assert!(files.len() >= 7, "{files:?}");
    for file in files {
        let score = exposure(&host, &["--offline=true", file]).await?;
        // It mounts a disk, and gives files of every user to their owners.
        let most = match file.ends_with("atek-move.service") {
            true => 2.3,
            false => 2.0,
        };
        assert!(score <= most, "{file}: {score}");
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
