//! Homes that find each other, each behind a router of its own: databases that are shared, and
//! devices that reach their box from elsewhere. The other end is real each time: another box, the
//! npm package `atek-connect`, a plain `hyperbee`.

use anyhow::{Context as _, ensure};
use atek_tests::browser::BrowserStory;
use atek_tests::host::{ADB, Host, INSPECT, Person, SOON, refusal};
use atek_tests::http::Client;
use atek_tests::neighbourhood::{
    BOOTSTRAP, Nat, Neighbourhood, Packet, Recording, atek, home, home_with, modules, sign_in,
};
use atek_tests::{Seen, paths, wait_for};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

const HYPERCORE: &str = "atek.cloud/hypercore-api";
/// A story of the browser comes to its point in this time.
const LATER: Duration = Duration::from_secs(300);
/// A removed device is cut off in this time.
const REVOKED: Duration = Duration::from_secs(1);
const UNIT: &str = "atek-app-core.hypercore.service";

async fn share(person: &Person, db: &str) -> anyhow::Result<Value> {
    let allow = json!([db, { "replicated": true }]);
    person.client.call(ADB, "adminEditDbConfig", allow).await?;
    person.client.call(HYPERCORE, "share", json!([db])).await
}

async fn database(person: &Person, count: usize) -> anyhow::Result<String> {
    let made = person.client.call(ADB, "dbCreate", json!([{}])).await?;
    let db = made["dbId"].as_str().context("no dbId")?.to_owned();
    for first in (0..count).step_by(500) {
        let operations: Vec<Value> = (first..count.min(first + 500))
            .map(|n| json!({ "type": "put", "path": format!("/posts/{n}"), "value": { "n": n } }))
            .collect();
        person
            .client
            .call(ADB, "recordBatch", json!([db, operations]))
            .await?;
    }
    Ok(db)
}

async fn put(person: &Person, db: &str, path: &str, value: Value) -> anyhow::Result<()> {
    let params = json!([db, path, value]);
    person.client.call(ADB, "recordPut", params).await.map(drop)
}

/// The same after a kill.
async fn put_when_it_answers(person: &Person, db: &str, n: i32) -> anyhow::Result<()> {
    wait_for("the database", SOON, async || {
        let written = put(person, db, "/after-kill", json!({ "n": n })).await;
        Ok(Seen::if_so(written.is_ok(), |written| *written))
    })
    .await
    .map(drop)
}

/// Waits until a record of the copy has this value.
async fn becomes(person: &Person, db: &str, path: &str, value: &Value) -> anyhow::Result<()> {
    wait_for(&format!("{path} in the copy"), SOON, async || {
        let found = person
            .client
            .call(ADB, "recordGet", json!([db, path]))
            .await;
        let found = found.map_or(Value::Null, |record| record["value"].clone());
        Ok(Seen::if_so(found, |found| found == value))
    })
    .await
    .map(drop)
}

async fn follow(person: &Person, share: &Value) -> anyhow::Result<String> {
    let link = json!([share["link"]]);
    let copy = person.client.call(HYPERCORE, "follow", link).await?;
    Ok(copy["dbId"].as_str().context("no dbId")?.to_owned())
}

#[tokio::test]
async fn a_box_that_shares_nothing_runs_no_hypercore_and_starts_it_when_it_is_called()
-> anyhow::Result<()> {
    let host = home("hypercore").await?;
    let alice = host.person("alice", "admin").await?;
    host.service_is("core.hypercore", "sleeping").await?;
    let before = Instant::now();
    let status = alice.client.call(HYPERCORE, "status", json!([])).await?;
    println!(
        "first answer of the sleeping service: {:?}",
        before.elapsed()
    );
    ensure!(status["online"] == false, "{status}");
    let memory = status["memory"].as_u64().context("no memory")?;
    println!("memory, off the network: {} MiB", memory >> 20);
    ensure!(memory < 100 << 20, "{status}");
    // An app needs a grant, and the service has none for the host's own APIs.
    let refused = host.install("caller-node", "alice").await;
    refused.context("the app is not installed")?;
    host.service_is("caller-node", "running").await?;
    keys_are_derived_from_the_words(&host, &alice).await?;
    let exposure = host
        .machine
        .shell(&format!(
            "systemd-analyze security --no-pager {UNIT} | tail -n 1"
        ))
        .await?;
    println!("{}", exposure.trim());
    let links = host
        .machine
        .shell("ip -o link show | grep -c atek- || :")
        .await?;
    ensure!(links.trim() == "1", "links: {links}");
    Ok(())
}

/// The seed is the key service's, is not stored by the hypercore service, and is told to nothing
/// else: not to an administrator, and not to an app.
async fn keys_are_derived_from_the_words(host: &Host, alice: &Person) -> anyhow::Result<()> {
    let state = "/var/lib/private/atek-app-core.hypercore";
    let files = host.machine.exec(["ls", state]).await?;
    let files: Vec<_> = files.split_whitespace().collect();
    ensure!(
        files.contains(&"seed-id") && !files.contains(&"seed"),
        "{files:?}"
    );
    let services = atek_tests::host::SERVICES;
    let told = alice.client.call(services, "ownSeed", json!([])).await;
    ensure!(refusal(told).message.contains("Not authorized"));
    let app = host.visit(alice, "caller-node").await?;
    let told = app
        .get(&format!("/call?api={services}&method=ownSeed"))
        .await?;
    ensure!(told.text().contains("Not authorized"), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn a_database_is_shared_between_two_homes_behind_nat_until_it_is_not() -> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let (one, two) = tokio::try_join!(home("home-one"), home("home-two"))?;
    net.home(&one.machine, Nat::Friendly).await?;
    net.home(&two.machine, Nat::Friendly).await?;
    let (alice, bob) = (
        one.person("alice", "admin").await?,
        two.person("bob", "admin").await?,
    );

    let db = database(&alice, 2000).await?;
    // By the command line at both ends; the first home then goes on without a person.
    let words = ["share", "link", &db, "--label", "for Bob"];
    let shared = atek(&one, &words).await?;
    let begin = Instant::now();
    let link = shared["link"].as_str().context("no link")?;
    let copy = atek(&two, &["follow", link, "--label", "from Alice"]).await?;
    let copy = copy["dbId"].as_str().context("no copy")?.to_owned();
    becomes(&bob, &copy, "/posts/1999", &json!({ "n": 1999 })).await?;
    let first = begin.elapsed();
    println!("2000 records, from the link to the last one, with the connection: {first:?}");
    // Live, with queries of the box's own; no app writes there.
    put(&alice, &db, "/posts/1", json!({ "n": "changed" })).await?;
    becomes(&bob, &copy, "/posts/1", &json!({ "n": "changed" })).await?;
    let mut delays = Vec::new();
    for n in 0..20 {
        let begin = Instant::now();
        put(&alice, &db, "/live", json!({ "n": n })).await?;
        becomes(&bob, &copy, "/live", &json!({ "n": n })).await?;
        delays.push(begin.elapsed());
    }
    delays.sort();
    println!(
        "a put until it is seen: p50 {:?}, max {:?}",
        delays[10], delays[19]
    );
    let write = bob
        .client
        .call(ADB, "recordPut", json!([copy, "/x", {}]))
        .await;
    let refused = refusal(write);
    ensure!(refused.message.contains("Not authorized"), "{refused:?}");

    // Killed at either end, it goes on with what was written in that time.
    for (host, n) in [(&one, 1), (&two, 2)] {
        host.machine
            .exec(["systemctl", "kill", "-s", "KILL", UNIT])
            .await?;
        put(&alice, &db, "/after-kill", json!({ "n": n })).await?;
        becomes(&bob, &copy, "/after-kill", &json!({ "n": n })).await?;
    }
    // The database's process, too.
    for host in [&one, &two] {
        let unit = "atek-app-core.adb.service";
        host.machine
            .exec(["systemctl", "kill", "-s", "KILL", unit])
            .await?;
    }
    put_when_it_answers(&alice, &db, 3).await?;
    becomes(&bob, &copy, "/after-kill", &json!({ "n": 3 })).await?;

    // Ended: what is written later does not arrive, while another share of the same database works.
    let other = share(&alice, &db).await?;
    let second = follow(&bob, &other).await?;
    becomes(&bob, &second, "/posts/5", &json!({ "n": 5 })).await?;
    let links = atek(&one, &["share", "links"]).await?;
    ensure!(links[0]["label"] == "for Bob", "{links}");
    ensure!(links[0]["sentBytes"].as_u64() > Some(0), "{links}");
    let shown = one.machine.exec(["atek", "share", "links"]).await?;
    ensure!(
        shown.contains("for Bob") && shown.contains("with the link"),
        "{shown}"
    );
    let id = shared["id"].as_str().context("no id")?;
    atek(&one, &["share", "unlink", id]).await?;
    put(&alice, &db, "/secret", json!({ "n": 1 })).await?;
    becomes(&bob, &second, "/secret", &json!({ "n": 1 })).await?;
    let ended = bob
        .client
        .call(ADB, "recordGet", json!([copy, "/secret"]))
        .await;
    ensure!(ended.is_err(), "it came through an ended share");
    becomes(&bob, &copy, "/posts/5", &json!({ "n": 5 })).await?;
    // No longer followed and kept, the copy is Bob's own, who writes it.
    let shown = two.machine.exec(["atek", "follow"]).await?;
    ensure!(shown.contains("from Alice"), "{shown}");
    atek(&two, &["unfollow", &copy, "--keep"]).await?;
    put(&bob, &copy, "/own", json!({ "n": 7 })).await?;
    becomes(&bob, &copy, "/own", &json!({ "n": 7 })).await
}

#[tokio::test]
async fn a_paired_device_opens_the_box_from_another_network_until_it_is_removed()
-> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let host = home("home-away").await?;
    net.home(&host.machine, Nat::Friendly).await?;
    net.computer("laptop", Nat::Friendly).await?;
    let alice = host.person("alice", "admin").await?;
    host.install("hello-node", "alice").await?;
    let device = atek(&host, &["devices", "pair", "--label", "Laptop"]).await?;
    let laptop = net.connect("laptop", &device["link"], &[]).await?;

    // A stranger until she signs in.
    let front = laptop.get("/").await?;
    ensure!(
        front.header("location").contains("/_atek/login"),
        "{front:?}"
    );
    ensure!(laptop.call(INSPECT, "getConfig", json!([])).await.is_err());
    let person = sign_in(&laptop, &alice, "alice").await?;
    ensure!(person.client.get("/").await?.status == 200);
    let whoami = person.client.call(HYPERCORE, "devices", json!([])).await?;
    ensure!(
        whoami[0]["label"] == "Laptop" && whoami[0]["connections"].as_u64() > Some(0),
        "{whoami}"
    );
    subdomain(&laptop, &person).await?;
    upload(&person).await?;

    // Killed, the service listens again, and the same link works.
    host.machine
        .exec(["systemctl", "kill", "-s", "KILL", UNIT])
        .await?;
    wait_for("the box after a kill", SOON, async || {
        let page = person.client.get("/").await.map(|page| page.status);
        Ok(Seen::if_so(page.ok(), |status| *status == Some(200)))
    })
    .await?;

    let shown = host.machine.exec(["atek", "devices"]).await?;
    ensure!(shown.contains("Laptop"), "{shown}");

    // Removed: the connection that is open is cut at once, and no new one is let in.
    let mut open = echo(&person).await?;
    say(&mut open, "before").await?;
    let begin = Instant::now();
    let removal = json!([device["id"]]);
    let removed = alice.client.call(HYPERCORE, "unpairDevice", removal);
    let (removed, cut) = tokio::join!(removed, async {
        while let Some(Ok(_)) = open.next().await {}
        begin.elapsed()
    });
    removed?;
    println!("a removed device, from the owner's word to the cut at the device: {cut:?}");
    ensure!(cut < REVOKED, "cut after {cut:?}");
    ensure!(
        person.client.get("/").await.is_err(),
        "a removed device is let in"
    );
    let left = atek(&host, &["devices"]).await?;
    ensure!(left == json!([]), "{left}");
    // Without the program of the device's end, the command line says what to install.
    let connect = [
        "atek",
        "connect",
        device["link"].as_str().context("no link")?,
    ];
    let said = host.machine.try_exec(connect).await?;
    ensure!(
        said.status.code() == Some(2) && said.stderr.contains("npm install"),
        "{said:?}"
    );
    Ok(())
}

type Socket = tokio_tungstenite::WebSocketStream<Box<dyn atek_tests::http::Connection>>;

/// A WebSocket of the app that answers what it hears.
async fn echo(person: &Person) -> anyhow::Result<Socket> {
    let from_page = person
        .client
        .clone()
        .header("origin", "http://localhost:8989");
    let mut socket = from_page
        .websocket("/_atek/gateway?api=example.test/echo")
        .await?;
    // The app first says who is calling.
    let told = socket.next().await.context("the socket ended")??;
    ensure!(told.to_string().contains(&person.key), "{told}");
    Ok(socket)
}

async fn say(socket: &mut Socket, text: &str) -> anyhow::Result<()> {
    socket.send(Message::text(text)).await?;
    let heard = socket.next().await.context("the socket ended")??;
    ensure!(heard.to_string().contains(text), "{heard}");
    Ok(())
}

/// The app's own origin, through the bind flow, with a WebSocket.
async fn subdomain(laptop: &Client, person: &Person) -> anyhow::Result<()> {
    use atek_tests::host::{cookie_named, path_of};
    let name = "hello-node.localhost";
    let app = laptop.clone().host(&format!("{name}:8989"));
    let to_bind = app.get("/").await?;
    let bind = path_of(to_bind.header("location"), "localhost")?;
    let nonce = cookie_named("atek-bind", to_bind.header("set-cookie"))?;
    let to_app = person.client.get(&bind).await?;
    ensure!(
        to_app.header("location").contains(&format!("{name}:8989")),
        "{to_app:?}"
    );
    let entry = path_of(to_app.header("location"), name)?;
    let entered = app
        .clone()
        .header("cookie", &format!("atek-bind={nonce}"))
        .get(&entry)
        .await?;
    let cookie = cookie_named("atek-session", entered.header("set-cookie"))?;
    let app = app.header("cookie", &format!("atek-session={cookie}"));
    ensure!(app.get("/").await?.status == 200);
    say(&mut echo(person).await?, "through two routers").await?;
    Ok(())
}

/// A blob up and down, with the speed.
async fn upload(person: &Person) -> anyhow::Result<()> {
    let made = person.client.call(ADB, "dbCreate", json!([{}])).await?;
    let db = made["dbId"].as_str().context("no dbId")?;
    let path = format!("/_atek/gateway/blobs/{db}/photo?api={ADB}");
    let bytes = vec![b'x'; 16 << 20];
    let from_page = person
        .client
        .clone()
        .header("origin", "http://localhost:8989");
    let begin = Instant::now();
    let put = from_page
        .send(http::Method::PUT, &path, bytes.clone())
        .await?;
    ensure!(put.status == 200, "{put:?}");
    let up = begin.elapsed();
    let begin = Instant::now();
    let got = from_page.get(&path).await?;
    ensure!(got.body.len() == bytes.len(), "{}", got.body.len());
    let rate = |time: std::time::Duration| 16.0 / time.as_secs_f64();
    println!(
        "through the tunnel: up {:.1}, down {:.1} MiB/s",
        rate(up),
        rate(begin.elapsed())
    );
    Ok(())
}

#[tokio::test]
async fn a_person_shares_and_pairs_by_the_pages_of_the_box() -> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let host = home("home-pages").await?;
    net.home(&host.machine, Nat::Friendly).await?;
    net.computer("laptop", Nat::Friendly).await?;
    host.person("alice", "admin").await?;
    let file = paths::repository().join("out/web/homes/link");
    let _ = std::fs::remove_file(&file);
    let mut story = BrowserStory::new(host);
    let laptop = async {
        // The story writes the link as a person carries it to the laptop.
        let link = wait_for("the link of the device", LATER, async || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            Ok(Seen::if_so(text, |text| !text.is_empty()))
        });
        net.connect("laptop", &Value::String(link.await?), &[])
            .await
    };
    tokio::try_join!(story.run("homes"), laptop).map(drop)
}

#[tokio::test]
async fn where_both_routers_give_each_peer_another_port_a_relay_joins_them() -> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let seed = "5e".repeat(32);
    let relay = vec![
        paths::repository()
            .join("tests/homes/relay-node.mjs")
            .into_os_string(),
        modules().await?.into_os_string(),
        BOOTSTRAP.into(),
        RELAY.into(),
        seed.into(),
    ];
    let relay = net.run("net", &relay, &[]).await?;
    let hypercore = json!({ "bootstrap": BOOTSTRAP, "relay": relay });
    let host = home_with("home-symmetric", hypercore).await?;
    net.home(&host.machine, Nat::Symmetric).await?;
    net.computer("laptop", Nat::Symmetric).await?;
    let alice = host.person("alice", "admin").await?;
    let device = alice
        .client
        .call(
            HYPERCORE,
            "pairDevice",
            json!([{ "label": "Kitchen tablet" }]),
        )
        .await?;
    wait_for("the service to know its router", SOON, async || {
        let status = alice.client.call(HYPERCORE, "status", json!([])).await?;
        Ok(Seen::if_so(status, |status| status["symmetricNat"] == true))
    })
    .await?;
    let recording = net.record().await?;
    let laptop = net
        .connect("laptop", &device["link"], &["--relay", &relay])
        .await?;
    let front = laptop.get("/").await?;
    ensure!(
        front.header("location").contains("/_atek/login"),
        "{front:?}"
    );
    let person = sign_in(&laptop, &alice, "alice").await?;
    let db = person.client.call(ADB, "dbCreate", json!([{}])).await?;
    let db = db["dbId"].as_str().context("no dbId")?;
    let path = format!("/_atek/gateway/blobs/{db}/{FILE}?api={ADB}");
    let from_page = person
        .client
        .clone()
        .header("origin", "http://localhost:8989");
    let body = BODY.repeat(FILE_BYTES / BODY.len());
    let sent = from_page.send(http::Method::PUT, &path, body.clone().into_bytes());
    ensure!(sent.await?.status == 200);
    ensure!(from_page.get(&path).await?.body == body.as_bytes());
    // In the clear, as a control: it is found where the other words are looked for.
    let send = format!(
        "require('dgram').createSocket('udp4').send('{CONTROL}', 9, '{RELAY}', () => console.log('sent'))"
    );
    net.run("laptop", &["-e".into(), send.into()], &[]).await?;
    let packets = wait_for_control(recording).await?;
    relay_is_blind(
        &packets,
        &person,
        device["link"].as_str().context("no link")?,
    )
}

/// Where the relay of the test is, and the two routers.
const RELAY: &str = "198.51.100.6";
const ROUTERS: [&str; 2] = ["198.51.100.11", "198.51.100.12"];
const CONTROL: &str = "words in the clear";
const FILE: &str = "letter-to-bob";
const BODY: &str = "Dear Bob, this is for you alone. ";
const FILE_BYTES: usize = 1 << 20;

/// What was recorded; the control is its last packet.
async fn wait_for_control(recording: Recording) -> anyhow::Result<Vec<Packet>> {
    recording.holds(CONTROL).await?;
    recording.end().await
}

/// What both ends said passed through the relay, and neither it nor any other on the way can read
/// a word of it.
fn relay_is_blind(packets: &[Packet], person: &Person, link: &str) -> anyhow::Result<()> {
    let is = |packet: &Packet, one: &str, other: &str| {
        let ends = [packet.from.to_string(), packet.to.to_string()];
        ends.contains(&one.to_owned()) && ends.contains(&other.to_owned())
    };
    let bytes = |one: &str, other: &str| -> usize {
        let those = packets.iter().filter(|packet| is(packet, one, other));
        those.map(|packet| packet.payload.len()).sum()
    };
    let through = ROUTERS.map(|router| bytes(router, RELAY));
    let past = bytes(ROUTERS[0], ROUTERS[1]);
    println!(
        "the relay saw {through:?} bytes of the two routers, in {} packets; {past} bytes went past it",
        packets.len()
    );
    ensure!(
        through.iter().all(|bytes| *bytes > 2 * FILE_BYTES),
        "{through:?}"
    );
    ensure!(past < FILE_BYTES / 8, "{past} bytes went past the relay");
    let known = |text: &str| packets.iter().filter(|packet| packet.says(text)).count();
    ensure!(known(CONTROL) > 0, "the control was not found");
    let key = link.trim_start_matches("hs://s000");
    for secret in [
        "alice",
        &person.key,
        &person.cookie,
        atek_tests::host::PASSWORD,
        "Kitchen tablet",
        "home-symmetric",
        "localhost",
        "HTTP/1.1",
        "session",
        "atek.cloud",
        FILE,
        "Dear Bob",
        key,
    ] {
        ensure!(known(secret) == 0, "{secret:?} was in the clear");
    }
    Ok(())
}

/// Installs the app with its npm packages; `granted`: it may use the swarm of the box.
async fn npm_app(host: &Host, user: &str, granted: bool) -> anyhow::Result<()> {
    let repository = paths::repository();
    let from = repository.join("tests/npm/homes-app");
    let to = "/srv/apps/drive";
    host.machine.copy_in(&from, to).await?;
    let stand_in = repository.join("daemon/hypercore/clients/hyperswarm");
    let place = format!("{to}/node_modules/hyperswarm");
    host.machine.copy_in(&stand_in, &place).await?;
    host.machine
        .exec(["chmod", "--recursive", "a+rX", "/srv/apps"])
        .await?;
    let grant = if granted {
        json!({ "hostApis": [HYPERCORE] })
    } else {
        json!({})
    };
    let id = if granted { "drive" } else { "denied" };
    host.install_from(json!({
        "sourceUrl": format!("file://{to}"), "id": id, "user": user, "grant": grant,
    }))
    .await?;
    host.service_is(id, "running").await.map(drop)
}

async fn ask(host: &Host, person: &Person, id: &str, task: Value) -> anyhow::Result<Value> {
    let app = host.visit(person, id).await?;
    app.post_json("/", &task).await?.json()
}

/// Both write one list, and both have what both wrote.
async fn autobase_is_written_by_both(apps: [(&Host, &Person); 2]) -> anyhow::Result<()> {
    let [(one, alice), (two, bob)] = apps;
    let list = ask(one, alice, "drive", json!({ "task": "list" })).await?;
    let key = json!({ "task": "list", "key": list["key"] });
    let other = ask(two, bob, "drive", key).await?;
    let invite = json!({ "task": "add", "writer": other["own"] });
    ensure!(ask(one, alice, "drive", invite).await? == true, "invited");
    ask(one, alice, "drive", json!({ "task": "add", "text": "one" })).await?;
    wait_for("the invitation", SOON, async || {
        let added = ask(two, bob, "drive", json!({ "task": "add", "text": "two" })).await?;
        Ok(Seen::if_so(added, |added| *added == true))
    })
    .await?;
    for (host, person) in apps {
        wait_for("what both wrote", SOON, async || {
            let lines = ask(host, person, "drive", json!({ "task": "lines" })).await?;
            Ok(Seen::if_so(lines, |lines| *lines == json!(["one", "two"])))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn hyperbee_hyperdrive_and_autobase_of_npm_replicate_between_apps_that_have_no_network()
-> anyhow::Result<()> {
    let folder = paths::repository().join("tests/npm/homes-app");
    let installed = std::process::Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output()?;
    if !installed.status.success() {
        atek_tests::skip("npm packages of the app (the npm registry cannot be reached)");
        return Ok(());
    }
    let mut net = Neighbourhood::new().await?;
    let (one, two) = tokio::try_join!(home("apps-one"), home("apps-two"))?;
    net.home(&one.machine, Nat::Friendly).await?;
    net.home(&two.machine, Nat::Friendly).await?;
    let alice = one.person("alice", "admin").await?;
    let bob = two.person("bob", "admin").await?;
    npm_app(&one, "alice", true).await?;
    npm_app(&two, "bob", true).await?;

    let text = "from a home to another";
    let keys = ask(
        &one,
        &alice,
        "drive",
        json!({ "task": "write", "text": text }),
    )
    .await?;
    let read = json!({ "task": "read", "bee": keys["bee"], "drive": keys["drive"] });
    wait_for("what the other app wrote", SOON, async || {
        let found = ask(&two, &bob, "drive", read.clone()).await?;
        let expected = json!({ "bee": text, "drive": text });
        Ok(Seen::if_so(found, |found| *found == expected))
    })
    .await?;
    autobase_is_written_by_both([(&one, &alice), (&two, &bob)]).await?;
    // It has no network, and without the permission no swarm either.
    let out = json!({ "task": "connect", "host": "198.51.100.1", "port": 49737 });
    let out = ask(&two, &bob, "drive", out).await?;
    ensure!(out == "ENETUNREACH", "{out}");
    npm_app(&two, "bob", false).await?;
    let denied = ask(
        &two,
        &bob,
        "denied",
        json!({ "task": "write", "text": "x" }),
    )
    .await?;
    ensure!(denied["error"].is_string(), "{denied}");
    Ok(())
}
