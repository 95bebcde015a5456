//! A release that migrates its records and crashes: its database is what it was, and what others
//! wrote since is still there.

use anyhow::{Context as _, ensure};
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{ADB, Host, SERVICES, SOON, refusal};
use atek_tests::http::Client;
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An app that keeps its records in a database of the box.
const APP: &str = "
    const http = require('http')
    const adb = async (method, ...params) => {
      const host = `http://127.0.0.1:${process.env.ATEK_HOST_PORT}`
      const answer = await fetch(`${host}/_atek/gateway?api=atek.cloud/adb-api`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${process.env.ATEK_HOST_BEARER_TOKEN}`
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
      })
      const { result, error } = await answer.json()
      if (error) throw new Error(error.message)
      return result
    }
    const methods = {
      db: async () => (await adb('dbGetOrCreate', 'main', {})).dbId,
      put: async (key, value) => adb('recordPut', await methods.db(), key, value),
      all: async () => (await adb('recordList', await methods.db(), '')).records
    }
    const answer = (request, response) => {
      let body = ''
      request.on('data', (chunk) => (body += chunk))
      request.on('end', async () => {
        if (request.method !== 'POST') return response.end('fine')
        const { id, method, params = [] } = JSON.parse(body)
        const result = await methods[method](...params)
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result: result ?? null }))
      })
    }
    http.createServer(answer).listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
    require('./migrate')(adb, methods).catch((error) => {
      console.error(error)
      process.exit(1)
    })
";

/// Changes, removes and adds records; ends when a person has written one called `go`.
const MIGRATE: &str = "
    module.exports = async (adb, methods) => {
      const db = await methods.db()
      for (const { key, value } of await methods.all()) {
        await adb('recordPut', db, key, { schema: 2, was: value })
      }
      await adb('recordDelete', db, 'b')
      await adb('recordPut', db, 'index', { schema: 2 })
      await adb('recordPut', db, 'migrated', {})
      for (;;) {
        const found = await methods.all()
        if (found.some(({ key }) => key === 'go')) process.exit(6)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
";

fn publish(remote: &GitRemote, name: &str, tag: &str, migrate: &str) -> anyhow::Result<()> {
    let export = json!({ "api": format!("example.test/{name}"), "path": "/" });
    remote
        .write("atek.json", json!({ "exports": [export] }).to_string())?
        .write("index.js", APP)?
        .write("migrate.js", migrate)?
        .write("RELEASE", tag)?
        .tag(tag)?;
    Ok(())
}

async fn app(host: &Host, name: &str, method: &str, params: Value) -> anyhow::Result<Value> {
    let api = format!("example.test/{name}");
    host.system()?.call(&api, method, params).await
}

/// The records of a database, by key, as its owner sees them.
async fn records(owner: &Client, db: &Value) -> anyhow::Result<BTreeMap<String, Value>> {
    let list = owner.call(ADB, "recordList", json!([db, ""])).await?;
    let list = list["records"].as_array().context("records")?;
    list.iter()
        .map(|record| {
            let key = record["key"].as_str().context("a key")?;
            Ok((key.to_owned(), record["value"].clone()))
        })
        .collect()
}

#[tokio::test]
async fn a_migration_that_crashes_leaves_its_records_and_what_others_wrote() -> anyhow::Result<()> {
    let config = json!({ "updates": { "probationSeconds": 120 } }).to_string();
    let machine = Machine::builder("updates-databases");
    let host = Host::on(machine.file("/etc/atek/config.json", config, 0o644)).await?;
    let alice = host.person("alice", "admin").await?;
    let own = alice.client.clone().header("origin", "http://localhost");
    let nothing = "module.exports = async () => {}";
    let mut remotes = Vec::new();
    for name in ["ledger", "diary"] {
        let remote = GitRemote::new(name, host.machine.gateway()?)?;
        publish(&remote, name, "v1.0.0", nothing)?;
        let source = json!({ "sourceUrl": remote.url(), "id": name, "user": "alice" });
        host.install_from(source).await?;
        host.service_is(name, "running").await?;
        for (key, n) in [("a", 1), ("b", 2), ("c", 3)] {
            app(&host, name, "put", json!([key, { "n": n }])).await?;
        }
        remotes.push(remote);
    }
    let ledger = app(&host, "ledger", "db", json!([])).await?;
    let diary = app(&host, "diary", "db", json!([])).await?;
    let before = records(&own, &ledger).await?;
    let is = |pairs: &[(&str, u64)]| -> BTreeMap<String, Value> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, n)| ((*key).to_owned(), json!({ "n": n })))
            .collect()
    };
    ensure!(before == is(&[("a", 1), ("b", 2), ("c", 3)]), "{before:?}");

    publish(&remotes[0], "ledger", "v1.1.0", MIGRATE)?;
    let system = host.system()?.patient(SOON);
    let update = tokio::spawn(async move {
        system
            .call(SERVICES, "updatePackage", json!(["ledger"]))
            .await
    });
    wait_for("the migration", SOON, async || {
        let now = records(&own, &ledger).await?;
        Ok(Seen::if_so(now, |now| now.contains_key("migrated")))
    })
    .await?;
    let migrated = records(&own, &ledger).await?;
    ensure!(
        migrated["a"] == json!({ "schema": 2, "was": { "n": 1 } }) && !migrated.contains_key("b"),
        "{migrated:?}"
    );
    // During the trial another app writes in its database, and a person beside and over it.
    app(&host, "diary", "put", json!(["d", { "n": 4 }])).await?;
    for (key, n) in [("mine", 7), ("c", 31), ("go", 0)] {
        let put = json!([ledger, key, { "n": n }]);
        own.call(ADB, "recordPut", put).await?;
    }
    let error = refusal(update.await?);
    ensure!(error.message.contains("exit code 6"), "{}", error.message);
    host.service_is("ledger", "running").await?;
    let after = records(&own, &ledger).await?;
    let expected = is(&[("a", 1), ("b", 2), ("c", 31), ("mine", 7), ("go", 0)]);
    ensure!(after == expected, "{after:?}");
    let seen = app(&host, "ledger", "all", json!([])).await?;
    let seen = seen.as_array().map(Vec::len);
    ensure!(
        seen == Some(expected.len()),
        "the app sees {seen:?} records"
    );
    let diary = records(&own, &diary).await?;
    ensure!(
        diary == is(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]),
        "{diary:?}"
    );
    let status = host
        .system()?
        .call(SERVICES, "updateStatus", json!(["ledger"]))
        .await?;
    ensure!(
        status["installedVersion"] == "v1.0.0" && status["refused"][0]["tag"] == "v1.1.0",
        "{status}"
    );
    Ok(())
}
