//! The database on a booted host: through the gateway, over restarts, and by the command line.

use anyhow::Context as _;
use atek_tests::host::{ADB, Host, SESSIONS, SOON, refusal};
use atek_tests::{Machine, Seen, wait_for};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// A path of ADB's streams, through the gateway.
fn stream(path: &str) -> String {
    format!("/_atek/gateway/{path}?api={ADB}")
}

#[tokio::test]
async fn blobs_are_streamed_and_subscriptions_tell_of_changes_through_the_gateway()
-> anyhow::Result<()> {
    let host = Host::boot("adb-streams").await?;
    let alice = host.person("alice", "").await?;
    let own = alice.client.clone().header("origin", "http://localhost");
    let made = own
        .call(ADB, "dbCreate", json!([{ "access": "private" }]))
        .await?;
    let db = made["dbId"].as_str().context("no id")?;

    let picture = "p".repeat(1 << 20);
    let path = stream(&format!("blobs/{db}/pictures/1"));
    let stored = own.send(Method::PUT, &path, picture.clone()).await?;
    assert_eq!(stored.status, 200, "{}", stored.text());
    assert_eq!(own.get(&path).await?.text(), picture);
    let part = own.clone().header("range", "bytes=0-9").get(&path).await?;
    assert_eq!((part.status, part.text().len()), (206, 10));

    let mut changes = own.websocket(&format!("/_atek/gateway?api={ADB}")).await?;
    let subscribe = json!({ "subscribe": "s", "dbId": db, "path": "notes", "since": 0 });
    changes.send(Message::text(subscribe.to_string())).await?;
    own.call(ADB, "recordPut", json!([db, "notes/1", { "text": "hi" }]))
        .await?;
    let told = async {
        while let Some(message) = changes.next().await {
            let text = message?.into_text()?.to_string();
            if text.contains("notes/1") || text.contains("\"text\":\"hi\"") {
                return Ok(text);
            }
        }
        anyhow::bail!("the subscription ended")
    };
    tokio::time::timeout(SOON, told)
        .await
        .context("no change was told of")??;

    let bob = host.person("bob", "").await?;
    let foreign = bob.client.clone().header("origin", "http://localhost");
    assert_eq!(foreign.get(&path).await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn sign_in_and_routing_go_on_while_the_database_restarts() -> anyhow::Result<()> {
    let host = Host::boot("adb-restarts").await?;
    let alice = host.person("alice", "").await?;
    host.install("hello-node", "alice").await?;
    host.machine
        .exec(["systemctl", "stop", "atek-app-core.adb.service"])
        .await?;
    assert_eq!(
        alice.client.call(SESSIONS, "whoami", json!([])).await?["username"],
        "alice"
    );
    assert_eq!(
        alice
            .client
            .call("example.test/hello", "hello", json!([]))
            .await?,
        "hello world"
    );
    refusal(alice.client.call(ADB, "dbList", json!([])).await);

    host.machine
        .exec(["systemctl", "start", "atek@core.adb"])
        .await?;
    host.service_is("core.adb", "running").await?;
    // What needs the database works again by itself.
    wait_for("a sign-in", SOON, async || {
        Ok(Seen::if_so(
            host.sign_in("alice", atek_tests::host::PASSWORD)
                .await
                .is_ok(),
            |in_| *in_,
        ))
    })
    .await?;
    assert_eq!(
        alice.client.call(ADB, "dbList", json!([])).await?,
        json!([])
    );
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_survives_power_cuts() -> anyhow::Result<()> {
    let mut host = Host::on(Machine::builder("adb-power").persistent()).await?;
    let made = host
        .system()?
        .call(ADB, "dbCreate", json!([{ "access": "private" }]))
        .await?;
    let db = made["dbId"].clone();
    let mut acknowledged = 0_u32;
    for _ in 0..3 {
        let system = host.system()?;
        let (first, db_id) = (acknowledged, db.clone());
        let writing = async {
            let mut last = first;
            loop {
                let put = json!([db_id, format!("n/{:06}", last), { "n": last }]);
                if system.call(ADB, "recordPut", put).await.is_err() {
                    return last;
                }
                last += 1;
                if last - first >= 200 {
                    return last;
                }
            }
        };
        acknowledged = writing.await;
        host.machine.reboot().await?;
        host.ready().await?;
        let list = host
            .system()?
            .call(ADB, "recordList", json!([db, "n"]))
            .await?;
        let found = list["records"].as_array().map_or(0, Vec::len);
        assert!(
            found >= acknowledged as usize,
            "{found} of {acknowledged} records are there"
        );
    }
    assert!(acknowledged >= 200);
    Ok(())
}

#[tokio::test]
async fn an_administrator_lists_reads_exports_and_imports_by_the_command_line() -> anyhow::Result<()>
{
    let host = Host::boot("adb-cli").await?;
    let made = host
        .system()?
        .call(
            ADB,
            "dbGetOrCreate",
            json!(["notes", { "access": "private" }]),
        )
        .await?;
    let db = made["dbId"].as_str().context("no id")?;
    host.system()?
        .call(ADB, "recordPut", json!([db, "list/1", { "text": "hi" }]))
        .await?;
    let listed = host.machine.exec(["atek", "db", "ls"]).await?;
    assert!(listed.contains("notes"), "{listed}");
    let got = host
        .machine
        .exec(["atek", "db", "get", db, "list/1", "--json"])
        .await?;
    let got: Value = serde_json::from_str(&got)?;
    assert_eq!(got["value"]["text"], "hi");
    host.machine
        .exec(["atek", "db", "export", db, "/tmp/notes.tar"])
        .await?;
    host.system()?
        .call(ADB, "recordDelete", json!([db, "list/1"]))
        .await?;
    let imported = host
        .machine
        .exec_within(
            SOON,
            ["atek", "db", "import", "/tmp/notes.tar", "--into", db],
            b"",
        )
        .await?;
    assert!(
        imported.status.success(),
        "{}{}",
        imported.stdout,
        imported.stderr
    );
    let again = host
        .system()?
        .call(ADB, "recordGet", json!([db, "list/1"]))
        .await?;
    assert_eq!(again["value"]["text"], "hi");
    host.machine.exec(["atek", "db", "compact"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_database_that_hangs_fails_writes_in_time_and_nothing_differs_afterwards()
-> anyhow::Result<()> {
    let host = Host::boot("adb-hangs").await?;
    let user = |name: &str| json!([{ "username": name, "password": atek_tests::host::PASSWORD }]);
    let users = "atek.cloud/users-api";
    let kill = |signal: &'static str| {
        let unit = "atek-app-core.adb.service";
        host.machine
            .exec(["systemctl", "kill", "--signal", signal, unit])
    };
    kill("SIGSTOP").await?;
    let began = std::time::Instant::now();
    let (carol, dave) = (user("carol"), user("dave"));
    let system = host.system()?;
    let (first, second) = tokio::join!(
        system.call(users, "create", carol.clone()),
        system.call(users, "create", dave)
    );
    let first = refusal(first);
    assert!(first.message.contains("database"), "{}", first.message);
    refusal(second);
    let waited = began.elapsed();
    println!("told after {waited:?}");
    assert!(waited < SOON, "{waited:?}");
    // What needs no write goes on.
    assert_eq!(
        system
            .call("atek.cloud/inspect-api", "isReady", json!([]))
            .await?,
        true
    );

    kill("SIGCONT").await?;
    wait_for("a write", SOON, async || {
        let written = host.system()?.call(users, "create", user("erin")).await;
        Ok(Seen::if_so(format!("{written:?}"), |text| {
            text.starts_with("Ok") || text.contains("taken")
        }))
    })
    .await?;
    // The requests that the database answered until then are known, and a restart finds them.
    let before = system.call(users, "list", json!([])).await?;
    let restart = ["systemctl", "restart", "atekd.service"];
    host.machine.exec(restart).await?;
    host.ready().await?;
    assert_eq!(host.system()?.call(users, "list", json!([])).await?, before);
    Ok(())
}
