//! A hostile home in a network of its own beside two booted homes, with the npm modules of the real
//! one. After each attack the box answers, its honest partner has what it wrote, its memory is
//! bounded, and the log says who reached which bound.

mod writing_together;

use anyhow::{Context as _, ensure};
use atek_tests::host::{ADB, Host, Person, SOON};
use atek_tests::http::Client;
use atek_tests::neighbourhood::{BOOTSTRAP, Nat, Neighbourhood, atek, home_with, modules};
use atek_tests::{Seen, paths, wait_for};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use writing_together::{both_write, call, first, write_together};

const HELLO: &str = "example.test/hello";
const UNIT: &str = "atek-app-core.hypercore.service";
/// A service that is attacked answers in this time.
const ANSWERS: Duration = Duration::from_secs(5);
/// An attack has come to its end in this time.
const LATER: Duration = Duration::from_secs(120);
/// What the service's process may have had at any moment of an attack, and some time after it.
const MOST: u64 = 150 << 20;
/// The router of the attacked box, and words that are the last ones recorded.
const ROUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 11);
const CONTROL: &str = "words in the clear";
const QUOTA: usize = 8 << 20;
/// The router of the hostile home, by its number, and KiB a second that come to a peer that stalls.
const HOSTILE: u8 = 3;
const STALLS: u32 = 1024;

struct Scene {
    net: Neighbourhood,
    one: Host,
    _two: Host,
    alice: Person,
    bob: Person,
    hostile: Client,
    /// A public database of Alice's, its key, and Bob's copy of it.
    db: String,
    key: Value,
    copy: String,
    /// A database that both write.
    shared: String,
    /// Alice's public key, by which she is called.
    identity: Value,
    pid: String,
    rounds: u32,
}

impl Scene {
    async fn begin(name: &str) -> anyhow::Result<Self> {
        let mut net = Neighbourhood::new().await?;
        let boot = async |which: &str| {
            let config = json!({ "bootstrap": BOOTSTRAP, "quota": QUOTA.to_string() });
            home_with(&format!("{name}-{which}"), config).await
        };
        let (one, two) = tokio::try_join!(boot("one"), boot("two"))?;
        net.home(&one.machine, Nat::Friendly).await?;
        net.home(&two.machine, Nat::Friendly).await?;
        net.computer("hostile", Nat::Friendly).await?;
        let (alice, bob) =
            tokio::try_join!(one.person("alice", "admin"), two.person("bob", "admin"))?;
        one.install("hello-node", "alice").await?;
        let shared = write_together(&alice, &bob).await?;
        let made = json!([{ "access": "public", "replicated": true }]);
        let made = alice.client.call(ADB, "dbCreate", made).await?;
        let db = made["dbId"].as_str().context("no dbId")?.to_owned();
        for n in 0..40 {
            let record = json!([db, format!("/r/{n}"), { "text": "x".repeat(20_000) }]);
            alice.client.call(ADB, "recordPut", record).await?;
        }
        let public = call(&alice, "share", json!([db, { "access": "public" }])).await?;
        let copy = call(&bob, "follow", json!([public["link"]])).await?;
        let identity = call(&alice, "identity", json!([])).await?;
        let socket = net.folder().join("hostile.sock");
        let arguments = vec![
            paths::repository()
                .join("tests/homes/hostile.mjs")
                .into_os_string(),
            modules().await?.into_os_string(),
            socket.clone().into_os_string(),
            BOOTSTRAP.into(),
        ];
        net.run("hostile", &arguments, &[]).await?;
        let mut scene = Self {
            net,
            pid: pid(&one).await?,
            one,
            _two: two,
            alice,
            bob,
            hostile: Client::unix(socket).patient(LATER),
            db,
            key: public["key"].clone(),
            copy: copy["dbId"].as_str().context("no copy")?.to_owned(),
            shared,
            identity: identity["key"].clone(),
            rounds: 0,
        };
        scene.goes_on("before any attack", &[]).await?;
        Ok(scene)
    }

    /// Lets the hostile home do something; what came of it.
    async fn attack(&self, attack: &str, mut how: Value) -> anyhow::Result<Value> {
        how["attack"] = attack.into();
        let begin = Instant::now();
        let answer = self.hostile.post_json("/", &how).await?.json()?;
        println!("{attack}: {answer}, after {:?}", begin.elapsed());
        ensure!(answer["error"].is_null(), "the attack failed: {answer}");
        Ok(answer)
    }

    /// What the hostile home knows of the box: its public keys, and the link of a device.
    fn known(&self, device: &Value) -> Value {
        json!({ "identity": self.identity, "device": device["link"], "core": self.key })
    }

    /// The box answers, both honest homes have what both write, the service was not restarted, and
    /// its log has these words.
    async fn goes_on(&mut self, after: &str, log: &[&str]) -> anyhow::Result<()> {
        self.rounds += 1;
        let begin = Instant::now();
        call(&self.alice, "status", json!([])).await?;
        let answered = begin.elapsed();
        ensure!(answered < ANSWERS, "answered after {answered:?}");
        let record = json!([self.db, "/news", { "n": self.rounds }]);
        self.alice.client.call(ADB, "recordPut", record).await?;
        wait_for("what Alice wrote at Bob's", SOON, async || {
            let record = json!([self.copy, "/news"]);
            let found = self.bob.client.call(ADB, "recordGet", record).await;
            let found = found.map_or(Value::Null, |record| record["value"]["n"].clone());
            Ok(Seen::if_so(found, |found| *found == self.rounds))
        })
        .await?;
        both_write([&self.alice, &self.bob], &self.shared, after).await?;
        let now = pid(&self.one).await?;
        ensure!(now == self.pid, "{after}: the service ended");
        let script =
            format!("grep -E 'VmHWM|VmRSS' /proc/{now}/status; echo 5 > /proc/{now}/clear_refs");
        let said = self.one.machine.shell(&script).await?;
        let kib: Vec<u64> = said
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        println!(
            "{after}: answers in {answered:?}; memory at most {} MiB, then {} MiB",
            kib[0] >> 10,
            kib[1] >> 10
        );
        ensure!(kib[0] << 10 < MOST, "{after}: {said}");
        for words in log {
            self.said(words).await?;
        }
        Ok(())
    }

    /// Mallory, a contact whom Alice has confirmed and lets call an app; her key.
    async fn befriend(&self) -> anyhow::Result<String> {
        let options = json!([{ "label": "Mallory" }]);
        let invitation = call(&self.alice, "inviteContact", options).await?;
        let met = self
            .attack("befriend", json!({ "link": invitation["link"] }))
            .await?;
        let contacts = atek(&self.one, &["contacts"]).await?;
        let contacts = contacts.as_array().context("contacts are a list")?;
        let found = contacts
            .iter()
            .find(|contact| contact["label"] == "Mallory");
        let id = &found.context("Mallory did not come")?["id"];
        call(&self.alice, "confirmContact", json!([id])).await?;
        call(&self.alice, "allowContact", json!([id, HELLO])).await?;
        call(&self.alice, "cancelInvitation", json!([invitation["id"]])).await?;
        Ok(met["key"].as_str().context("no key")?.to_owned())
    }

    async fn device(&self) -> anyhow::Result<Value> {
        call(&self.alice, "pairDevice", json!([{ "label": "Tablet" }])).await
    }

    /// How often apps of Alice's were called by people of other homes.
    async fn calls(&self) -> anyhow::Result<u64> {
        let contacts = call(&self.alice, "contacts", json!([])).await?;
        let contacts = contacts.as_array().context("contacts are a list")?;
        Ok(contacts
            .iter()
            .filter_map(|contact| contact["calls"].as_u64())
            .sum())
    }

    /// Everything that passes between two homes, sent once more as it was.
    async fn replay(&mut self) -> anyhow::Result<()> {
        let bob = first(&self.alice, "contacts", Value::is_object).await?;
        call(&self.alice, "allowContact", json!([bob["id"], HELLO])).await?;
        let recording = self.net.record().await?;
        let key = self.identity.as_str().context("no key")?;
        let path = format!("/_atek/gateway?api={HELLO}&home={key}");
        self.bob
            .client
            .call_at(&path, "put", json!(["order", "one pizza"]))
            .await?;
        both_write([&self.alice, &self.bob], &self.shared, "recorded").await?;
        let send = format!(
            "require('dgram').createSocket('udp4').send('{CONTROL}', 9, '198.51.100.1', () => console.log('sent'))"
        );
        self.net
            .run("hostile", &["-e".into(), send.into()], &[])
            .await?;
        recording.holds(CONTROL).await?;
        let packets = recording.end().await?;
        let packets = packets.iter().filter(|packet| packet.to == ROUTER).count();
        self.alice
            .client
            .call(HELLO, "put", json!(["order", "no pizza"]))
            .await?;
        let before = (self.calls().await?, self.received().await?);
        self.net.send_again().await?;
        let arrived = wait_for("the packets of before", SOON, async || {
            let arrived = self.received().await? - before.1;
            Ok(Seen::if_so(arrived, |arrived| *arrived >= packets as u64))
        })
        .await?;
        println!("replay: {packets} packets to the box sent again, {arrived} came");
        let order = self
            .alice
            .client
            .call(HELLO, "get", json!(["order"]))
            .await?;
        ensure!(order == "no pizza", "ordered again: {order}");
        ensure!(self.calls().await? == before.0, "called again");
        Ok(())
    }

    /// Packets that came from the home's router.
    async fn received(&self) -> anyhow::Result<u64> {
        let file = "/sys/class/net/home/statistics/rx_packets";
        let said = self.one.machine.exec(["cat", file]).await?;
        said.trim().parse().context("no number of packets")
    }

    /// Follows a log of the hostile home until its error has these words, and no longer.
    async fn follow(&self, key: &Value, told: &str) -> anyhow::Result<()> {
        let followed = call(&self.alice, "follow", json!([key])).await?;
        let what = format!("{told:?} of a log");
        let error = wait_for(&what, SOON, async || {
            let follows = call(&self.alice, "follows", json!([])).await?;
            let error = follows[0]["error"].as_str().unwrap_or_default().to_owned();
            Ok(Seen::if_so(error, |error| {
                !error.is_empty() && error.contains(told)
            }))
        });
        println!("  told: {}", error.await?);
        call(&self.alice, "unfollow", json!([followed["id"]]))
            .await
            .map(drop)
    }

    /// Follows a log of which another one is given later, signed by the same key.
    async fn follow_two(&self, key: &Value) -> anyhow::Result<()> {
        let followed = call(&self.alice, "follow", json!([key])).await?;
        wait_for("the first of two logs", SOON, async || {
            let follows = call(&self.alice, "follows", json!([])).await?;
            Ok(Seen::if_so(follows[0]["cursor"].as_u64(), |cursor| {
                *cursor > Some(20)
            }))
        })
        .await?;
        self.attack("tell", json!({ "other": true })).await?;
        self.said("has signed two logs").await?;
        self.attack("tell", json!({ "other": false })).await?;
        let record = json!([followed["dbId"], "/one/7"]);
        let kept = self.alice.client.call(ADB, "recordGet", record).await?;
        ensure!(kept["value"]["n"] == 7, "the first log was lost: {kept}");
        call(&self.alice, "unfollow", json!([followed["id"]]))
            .await
            .map(drop)
    }

    /// Waits until the log of the service has these words.
    async fn said(&self, words: &str) -> anyhow::Result<()> {
        let line = wait_for(words, SOON, async || {
            let journal = self.one.machine.journal(UNIT).await?;
            let line = journal.lines().find(|line| line.contains(words));
            Ok(Seen::if_so(line.map(str::to_owned), Option::is_some))
        });
        let line = line.await?.unwrap_or_default();
        println!(
            "  log: {}",
            line.split_once("]: ").map_or(&*line, |(_, said)| said)
        );
        Ok(())
    }

    /// The same until the log of the service has these words.
    async fn follow_until_said(&self, key: &Value, words: &str) -> anyhow::Result<()> {
        let followed = call(&self.alice, "follow", json!([key])).await?;
        self.said(words).await?;
        call(&self.alice, "unfollow", json!([followed["id"]]))
            .await
            .map(drop)
    }
}

async fn pid(host: &Host) -> anyhow::Result<String> {
    host.pid("core.hypercore").await.map(|pid| pid.to_string())
}

#[tokio::test]
async fn strangers_replays_garbage_and_floods_leave_a_box_as_it_was() -> anyhow::Result<()> {
    let mut scene = Scene::begin("hostile").await?;
    let device = scene.device().await?;
    let invitation = call(&scene.alice, "inviteContact", json!([])).await?;
    let how = json!({ "links": [device["link"], invitation["link"]], "identity": scene.identity, "count": 20 });
    let knocked = scene.attack("wrongKey", how).await?;
    ensure!(knocked["opened"] == 0, "{knocked}");
    ensure!(
        knocked["forged"]
            .as_str()
            .is_some_and(|said| said.contains("not proven")),
        "{knocked}"
    );
    let words = [
        "is of no contact of",
        "is not that of device",
        "is not that of invitation",
    ];
    scene.goes_on("wrong keys", &words).await?;

    scene.replay().await?;
    scene.goes_on("replay", &[]).await?;

    let mallory = scene.befriend().await?;
    let garbage = scene.attack("garbage", scene.known(&device)).await?;
    ensure!(
        garbage["messages"] == json!([true, true, true, true]),
        "a connection goes on after garbage: {garbage}"
    );
    let who = format!(
        "the person {} of another home sends what is no message",
        &mallory[..8]
    );
    scene.goes_on("garbage", &[&who]).await?;

    let flood = scene.attack("flood", scene.known(&device)).await?;
    ensure!(flood["ended"] == flood["of"], "{flood}");
    ensure!(
        flood["devices"].as_u64() <= Some(128) && flood["homes"].as_u64() <= Some(64),
        "{flood}"
    );
    let who = format!(
        "the person {} of another home sends more than 400 messages",
        &mallory[..8]
    );
    let calls = format!(
        "the person {} of another home has 16 calls under way",
        &mallory[..8]
    );
    scene.goes_on("flood", &[&who, &calls]).await?;
    scene.attack("release", json!({})).await?;
    wait_for("the end of their connections", SOON, async || {
        let peers = call(&scene.alice, "status", json!([])).await?["peers"].clone();
        Ok(Seen::if_so(peers.as_u64(), |peers| *peers < Some(8)))
    })
    .await?;
    scene.goes_on("the end of the flood", &[]).await
}

#[tokio::test]
async fn logs_that_lie_logs_without_end_and_peers_that_stall_hold_up_nothing_of_a_box()
-> anyhow::Result<()> {
    let mut scene = Scene::begin("liars").await?;
    let device = scene.device().await?;
    let mallory = scene.befriend().await?;
    let lies = scene.attack("lies", json!({})).await?;
    for (name, key) in lies.as_object().context("no keys")? {
        println!("{name}:");
        match name.as_str() {
            "blocks that were not signed" => scene.follow_until_said(key, "has not signed").await?,
            "two logs under one key" => scene.follow_two(key).await?,
            _ => scene.follow(key, "damaged, or made to mislead").await?,
        }
    }
    scene
        .goes_on("logs that lie", &["damaged, or made to mislead"])
        .await?;

    let giants = scene.attack("giants", json!({})).await?;
    let reader = async |key: &Value| {
        let core = json!({ "key": key });
        call(&scene.alice, "setReplication", json!([core, true])).await?;
        wait_for("10 GiB to be announced", SOON, async || {
            let info = call(&scene.alice, "info", json!([core])).await?;
            Ok(Seen::if_so(info["byteLength"].as_u64(), |bytes| {
                *bytes == Some(10 << 30)
            }))
        })
        .await?;
        // Eight blocks fill the quota, and one more is too much.
        let mut told = String::new();
        for index in 0..=QUOTA >> 20 {
            let block = json!([core, index, { "timeout": 5000 }]);
            if let Err(error) = call(&scene.alice, "get", block).await {
                told = error.to_string();
                break;
            }
        }
        call(&scene.alice, "setReplication", json!([core, false])).await?;
        anyhow::Ok(told)
    };
    for (which, expected) in [
        ("given", "and may have 8388608"),
        ("claimed", "no peer sent it in time"),
        ("wrong", "no peer sent it in time"),
        ("long", "and may have 1048576"),
    ] {
        let told = reader(&giants[which]).await?;
        println!("10 GiB that are {which}: {told}");
        ensure!(told.contains(expected), "{which}: {told}");
    }
    let script = "du -sm /var/lib/private/atek-app-core.hypercore/cores | cut -f1";
    let disk: usize = scene.one.machine.shell(script).await?.trim().parse()?;
    println!("40 GiB announced: {disk} MiB are on the disk of the box");
    ensure!(disk < 8 * (QUOTA >> 20), "{disk} MiB");
    scene.goes_on("logs of 10 GiB", &[]).await?;

    let stalled = scene.attack("stalledLog", json!({})).await?;
    call(&scene.alice, "follow", json!([stalled["key"]])).await?;
    scene.attack("listens", scene.known(&device)).await?;
    let path = format!("/_atek/gateway?api={HELLO}&home={mallory}");
    scene.net.narrow(HOSTILE, STALLS).await?;
    let stall = async {
        let stalled = scene.attack("stall", scene.known(&device)).await?;
        ensure!(
            stalled["isCut"] == true && stalled["isPersonCut"] == true,
            "{stalled}"
        );
        anyhow::Ok(())
    };
    let unanswered = async {
        let refused = scene.alice.client.clone().patient(LATER);
        let refused = refused.call_at(&path, "hello", json!([])).await;
        println!("a call of a home that does not answer: {refused:?}");
        ensure!(refused.is_err(), "answered");
        Ok(())
    };
    tokio::try_join!(stall, unanswered)?;
    let words = [
        "asks for more than 4096 blocks",
        "does not read 16777216 bytes of answers",
    ];
    scene.goes_on("peers that stall", &words).await?;
    Ok(())
}
