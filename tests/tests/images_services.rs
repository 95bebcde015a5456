//! An app of several processes: Node programs beside PostgreSQL and Redis from images, as one app.

mod images;

use anyhow::{Context as _, ensure};
use atek_tests::GitRemote;
use atek_tests::host::{Host, Person, SERVICES, SOON, refusal};
use atek_tests::registry::EncryptedRegistry;
use atek_tests::{Seen, apps, wait_for};
use images::{nothing_is_left, registry, trust};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

const APP: &str = "ledger-node";
/// The processes of the app, beside its own.
const SIDECARS: [&str; 3] = ["cache", "db", "worker"];

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(SERVICES, method, params).await
}

/// Publishes a version of the app, with a manifest that `change` has changed.
fn publish(
    remote: &GitRemote,
    images: &EncryptedRegistry,
    tag: &str,
    change: impl FnOnce(&mut Value),
) -> anyhow::Result<()> {
    apps::stage(APP, &remote.work())?;
    let file = remote.work().join("atek.json");
    let text = fs::read_to_string(file)?;
    let text = text.replace("registry.test", &images.address().to_string());
    let mut manifest = serde_json::from_str(&text)?;
    change(&mut manifest);
    remote.write("atek.json", manifest.to_string())?;
    remote.write("VERSION", tag)?;
    remote.tag(tag).map(drop)
}

/// The units of the app and what systemd says of one property of each.
async fn units(host: &Host, property: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let list = "systemctl list-units --no-legend --plain 'atek-app-ledger*' | cut -d' ' -f1";
    let mut found = BTreeMap::new();
    for unit in host.machine.shell(list).await?.lines() {
        let words = ["systemctl", "show", "-P", property, unit];
        let value = host.machine.exec(words).await?.trim().to_owned();
        found.insert(unit.to_owned(), value);
    }
    Ok(found)
}

fn unit(sidecar: &str) -> String {
    format!("atek-app-ledger@{sidecar}.service")
}

async fn add(host: &Host, alice: &Person, text: &str) -> anyhow::Result<()> {
    let path = format!("/add?text={text}");
    host.page(alice, "ledger", &path).await.map(drop)
}

/// Waits until the app has exactly these entries; its version.
async fn has(host: &Host, alice: &Person, entries: &[&str]) -> anyhow::Result<String> {
    let all = wait_for("the entries", SOON, async || {
        let page = host.page(alice, "ledger", "/").await;
        let all = page.map_err(|error| error.to_string());
        let all = all.and_then(|text| {
            serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())
        });
        Ok(Seen::if_so(all, |all| {
            all.as_ref()
                .is_ok_and(|all| all["entries"] == json!(entries))
        }))
    })
    .await?;
    let all = all.map_err(anyhow::Error::msg)?;
    Ok(all["version"].as_str().context("a version")?.to_owned())
}

/// Each process is confined by itself, and they share network, user, data and bounds.
async fn is_one_confined_app(host: &Host) -> anyhow::Result<()> {
    let mut expected: BTreeSet<String> = SIDECARS.map(unit).into();
    expected.insert("atek-app-ledger.service".to_owned());
    for (property, value) in [
        ("ActiveState", "active"),
        ("DynamicUser", "yes"),
        ("PrivateNetwork", "yes"),
        ("PrivateUsers", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
    ] {
        let found = units(host, property).await?;
        let names: BTreeSet<String> = found.keys().cloned().collect();
        ensure!(names == expected, "{found:?}");
        ensure!(
            found.values().all(|it| it == value),
            "{property}: {found:?}"
        );
    }
    let slices: BTreeSet<String> = units(host, "Slice").await?.into_values().collect();
    let [slice] = &slices.iter().collect::<Vec<_>>()[..] else {
        anyhow::bail!("{slices:?}");
    };
    ensure!(slice.ends_with("-ledger.slice"), "{slice}");
    for limit in ["MemoryMax", "TasksMax"] {
        let words = ["systemctl", "show", "-P", limit, slice];
        let of_all = host.machine.exec(words).await?;
        ensure!(of_all.trim().parse::<u64>().is_ok(), "{limit}: {of_all}");
    }
    let (mut networks, mut users) = (BTreeSet::new(), BTreeSet::new());
    for pid in units(host, "MainPID").await?.values() {
        let script = format!("readlink /proc/{pid}/ns/net; stat -c %u /proc/{pid}");
        let said = host.machine.shell(&script).await?;
        let (network, user) = said.trim().split_once('\n').context("two lines")?;
        networks.insert(network.to_owned());
        users.insert(user.to_owned());
    }
    ensure!(networks.len() == 1, "{networks:?}");
    ensure!(users.len() == 1 && !users.contains("0"), "{users:?}");
    // Started in order: none before what it waits for.
    let started = units(host, "ExecMainStartTimestampMonotonic").await?;
    let at = |unit: &str| started[unit].parse::<u64>().unwrap_or_default();
    ensure!(at(&unit("db")) < at(&unit("worker")), "{started:?}");
    let own = at("atek-app-ledger.service");
    ensure!(SIDECARS.iter().all(|it| at(&unit(it)) < own), "{started:?}");
    Ok(())
}

/// As such files are published, with a key that no app can have.
const COMPOSE: &str = r#"name: Notes
services:
  web:
    image: registry.test/notes:1.0.0
    ports: ["8080:80"]
    environment:
      DATABASE_HOST: my_db
      CACHE_HOST: ${CACHE:-cache}
    depends_on:
      my_db: { condition: service_healthy }
      cache: { condition: service_started }
    restart: unless-stopped
  my_db:
    image: registry.test/postgres:1.0.0
    environment: [POSTGRES_PASSWORD=secret]
    volumes: ["db:/var/lib/postgresql/data"]
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -h 127.0.0.1 -U postgres"]
      interval: 5s
  cache:
    image: registry.test/redis:1.0.0
    privileged: true
    entrypoint: [sh, -c]
    command:
      - |
        if true; then
        	exec redis-server --appendonly yes --save ""
        fi
    volumes: ["./cache:/data"]
volumes: { db: {} }
"#;

/// What a visit of the page says: how often it was visited, and all notes.
async fn visit(host: &Host, alice: &Person, query: &str) -> anyhow::Result<String> {
    let path = format!("/cgi-bin/notes{query}");
    let page = host.page(alice, "notes", &path).await?;
    Ok(page.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn a_compose_file_becomes_an_app_that_is_used() -> anyhow::Result<()> {
    let host = Host::boot("images-compose").await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    for name in ["notes", "postgres", "redis"] {
        images.push(name, &registry, "1.0.0")?;
    }
    let encrypted = registry.encrypted();
    trust(&host, &encrypted).await?;

    let file = COMPOSE.replace("registry.test", &encrypted.address().to_string());
    host.machine.write("/root/compose.yaml", file).await?;
    let import = "atek import /root/compose.yaml 2>/root/left-out";
    let manifest = host.machine.shell(import).await?;
    let left_out = host.machine.read("/root/left-out").await?;
    let line = COMPOSE.lines().position(|line| line.contains("privileged"));
    let line = line.context("no such line")? + 1;
    let expected = format!("/root/compose.yaml:{line}: services.cache.privileged: ");
    ensure!(
        left_out.starts_with(&expected) && left_out.lines().count() == 1,
        "{left_out}"
    );
    let remote = GitRemote::new("notes", host.machine.gateway()?)?;
    remote.write("atek.json", &manifest)?.tag("v1.0.0")?;
    let install = ["atek", "install", &remote.url(), "--yes", "--user", "alice"];
    host.machine.exec(install).await?;
    host.service_is("notes", "running").await?;

    // Each of the three by its own client: a browser, psql, redis-cli.
    let said = visit(&host, &alice, "?bread").await?;
    ensure!(said == "1 bread", "{said}");
    let said = visit(&host, &alice, "?milk").await?;
    ensure!(said == "2 bread milk", "{said}");
    // The cache is started by a script of several lines.
    host.machine.exec(["systemctl", "daemon-reload"]).await?;
    call(&host, "restart", json!(["notes"])).await?;
    host.service_is("notes", "running").await?;
    let said = visit(&host, &alice, "").await?;
    ensure!(said == "3 bread milk", "{said}");
    call(&host, "uninstall", json!(["notes"])).await?;
    nothing_is_left(&host).await
}

/// While entries come in, a backup is made; what comes back from it are the entries of one moment,
/// in the database or still in the queue. One that the worker has in its hands is in neither.
async fn a_backup_has_all_processes_of_one_moment(
    host: &Host,
    alice: &Person,
) -> anyhow::Result<()> {
    let shell = async |script: &str| host.machine.shell(script).await;
    shell("mkdir -p /mnt/disk && atek backup target /mnt/disk --every never").await?;
    let mut all: Vec<String> = vec!["bread".to_owned(), "milk".to_owned()];
    let (before, mut last) = (20, None);
    // One visit: each begins with requests of an unknown browser, and these are limited.
    let app = host.visit(alice, "ledger").await?;
    let mut backup = std::pin::pin!(async {
        let made = shell("atek backup now").await;
        anyhow::Ok((made?, all_processes_go_on(host).await?))
    });
    for n in 0.. {
        let text = format!("n{n}");
        let added = app.get(&format!("/add?text={text}")).await?;
        ensure!(added.status == 200, "{text}: {}", added.status);
        all.push(text);
        if n < before {
            continue;
        }
        // Beside the next ones.
        let next = tokio::time::timeout(Duration::from_millis(1), &mut backup);
        if let Ok(made) = next.await {
            made?;
            last = Some(n);
            break;
        }
    }
    ensure!(last > Some(before), "nothing came in during the backup");
    add(host, alice, "late").await?;
    all.push("late".to_owned());
    let texts: Vec<&str> = all.iter().map(String::as_str).collect();
    has(host, alice, &texts).await?;
    shell("atek restore ledger --yes").await?;
    host.service_is("ledger", "running").await?;
    let known = 2 + before;
    let restored = wait_for("the entries of the backup", SOON, async || {
        let page = host.page(alice, "ledger", "/").await;
        let found = page
            .ok()
            .and_then(|page| serde_json::from_str::<Value>(&page).ok());
        let found = found.and_then(|found| found["entries"].as_array().cloned());
        Ok(Seen::if_so(found.unwrap_or_default(), |found| {
            found.len() + 1 >= known
        }))
    })
    .await?;
    let restored: Vec<&str> = restored.iter().filter_map(Value::as_str).collect();
    // In their order, each once, and of those before the backup all but one at most.
    let mut places = restored
        .iter()
        .map(|text| texts.iter().position(|it| it == text));
    ensure!(
        places.clone().is_sorted() && places.all(|it| it.is_some()),
        "{restored:?}"
    );
    let missing = texts[..known]
        .iter()
        .filter(|it| !restored.contains(it))
        .count();
    ensure!(missing <= 1 && !restored.contains(&"late"), "{restored:?}");
    let dumped = entries_of_the_dump(host).await?;
    let dumped: Vec<&str> = dumped.lines().collect();
    ensure!(
        dumped.len() >= 2 && texts.starts_with(&dumped),
        "{dumped:?}"
    );
    Ok(())
}

/// What PostgreSQL reads from the dump that its own `pg_dump` made before the backup, and that came
/// back with it.
async fn entries_of_the_dump(host: &Host) -> anyhow::Result<String> {
    let read = "set -eu
        export PATH=/usr/lib/postgresql/17/bin:/usr/bin:/bin PGHOST=127.0.0.1 PGUSER=postgres
        createdb again
        pg_restore --exit-on-error --dbname=again /var/lib/postgresql/data/ledger.dump
        psql --no-align --tuples-only --command='select text from entries order by at' again
        dropdb again";
    host.machine.write("/root/read-dump", read).await?;
    let enter = "nsenter --target=$(systemctl show -P MainPID atek-app-ledger@db) \
                 --mount --net --root --wd sh -s < /root/read-dump";
    host.machine.shell(enter).await
}

/// None is left paused.
async fn all_processes_go_on(host: &Host) -> anyhow::Result<()> {
    let states = units(host, "FreezerState").await?;
    ensure!(states.values().all(|it| it == "running"), "{states:?}");
    Ok(())
}

#[tokio::test]
async fn an_app_of_four_processes_is_started_updated_put_back_and_removed_as_one()
-> anyhow::Result<()> {
    let host = Host::boot("images-services").await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    for name in ["postgres", "redis"] {
        images.push(name, &registry, "1.0.0")?;
    }
    let encrypted = registry.encrypted();
    trust(&host, &encrypted).await?;
    let remote = GitRemote::new("ledger", host.machine.gateway()?)?;
    publish(&remote, &encrypted, "v1.0.0", |_| {})?;
    let install = ["atek", "install", &remote.url(), "--yes", "--user", "alice"];
    host.machine.exec(install).await?;
    host.service_is("ledger", "running").await?;
    is_one_confined_app(&host).await?;

    add(&host, &alice, "bread").await?;
    ensure!(has(&host, &alice, &["bread"]).await? == "v1.0.0");
    // Its data is the app's, and each process says what it has to say.
    let journal = host.machine.journal(&unit("db")).await?;
    ensure!(journal.contains("ready to accept connections"), "{journal}");
    let logs = host.machine.exec(["atek", "logs", "ledger"]).await?;
    ensure!(logs.contains("the worker is ready"), "{logs}");

    // One that ends comes back alone.
    let before = host.pid("ledger").await?;
    host.machine
        .shell("kill -9 $(systemctl show -P MainPID atek-app-ledger@db)")
        .await?;
    wait_for("the database to be back", SOON, async || {
        let words = ["systemctl", "show", "-P", "NRestarts", "atek-app-ledger@db"];
        let times = host.machine.exec(words).await?;
        let state = units(&host, "ActiveState").await?;
        let is_back = times.trim() == "1" && state.values().all(|it| it == "active");
        Ok(Seen::if_so((times, state), |_| is_back))
    })
    .await?;
    ensure!(host.pid("ledger").await? == before);
    add(&host, &alice, "milk").await?;
    has(&host, &alice, &["bread", "milk"]).await?;

    // A restart is one of all of them.
    let before = units(&host, "MainPID").await?;
    call(&host, "restart", json!(["ledger"])).await?;
    host.service_is("ledger", "running").await?;
    let after = units(&host, "MainPID").await?;
    ensure!(
        before
            .iter()
            .all(|(unit, pid)| after.get(unit) != Some(pid)),
        "{before:?} {after:?}"
    );
    has(&host, &alice, &["bread", "milk"]).await?;

    publish(&remote, &encrypted, "v1.1.0", |_| {})?;
    let done = call(&host, "updatePackage", json!(["ledger"])).await?;
    ensure!(done["installedVersion"] == "v1.1.0", "{done}");
    ensure!(has(&host, &alice, &["bread", "milk"]).await? == "v1.1.0");
    is_one_confined_app(&host).await?;
    // A release whose database does not start is none.
    publish(&remote, &encrypted, "v1.2.0", |manifest| {
        manifest["services"]["db"]["runtime"]["args"] = json!(["sh", "-c", "exit 3"]);
    })?;
    let error = refusal(call(&host, "updatePackage", json!(["ledger"])).await);
    for part in ["its service db did not become ready", "v1.1.0 was put back"] {
        ensure!(error.message.contains(part), "{}", error.message);
    }
    host.service_is("ledger", "running").await?;
    ensure!(has(&host, &alice, &["bread", "milk"]).await? == "v1.1.0");

    a_backup_has_all_processes_of_one_moment(&host, &alice).await?;
    call(&host, "stop", json!(["ledger"])).await?;
    ensure!(units(&host, "ActiveState").await?.is_empty());
    call(&host, "uninstall", json!(["ledger"])).await?;
    nothing_is_left(&host).await?;
    let left = "systemctl list-units --all --no-legend --plain '*ledger*'; ls /run/atek-accounts";
    let left = host.machine.shell(left).await?;
    ensure!(!left.contains("ledger") && !left.contains('@'), "{left}");
    Ok(())
}
