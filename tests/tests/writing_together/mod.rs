//! Two people of two homes who write one database together.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod steps;

use anyhow::{Context as _, ensure};
use atek_tests::host::{ADB, Host, Person, SOON};
use atek_tests::neighbourhood::{Nat, Neighbourhood, home_on};
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub const HYPERCORE: &str = "atek.cloud/hypercore-api";

pub async fn call(person: &Person, method: &str, params: Value) -> anyhow::Result<Value> {
    person.client.call(HYPERCORE, method, params).await
}

/// Waits until the first of what `method` lists is as wanted.
pub async fn first(
    person: &Person,
    method: &str,
    wanted: fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    wait_for(method, SOON, async || {
        let list = call(person, method, json!([])).await?;
        Ok(Seen::if_so(list[0].clone(), wanted))
    })
    .await
}

/// Makes two people contacts, and a database that both write; its id.
pub async fn write_together(alice: &Person, bob: &Person) -> anyhow::Result<String> {
    let invitation = call(alice, "inviteContact", json!([{ "label": "Bob" }])).await?;
    call(bob, "addContact", json!([invitation["link"]])).await?;
    let asks = first(alice, "contacts", |contact| contact["status"] == "asks").await?;
    call(alice, "confirmContact", json!([asks["id"]])).await?;
    first(bob, "contacts", |contact| contact["status"] == "confirmed").await?;
    let made = call(alice, "createShared", json!([])).await?;
    call(alice, "inviteWriter", json!([made["id"], asks["id"]])).await?;
    first(bob, "sharedDatabases", Value::is_object).await?;
    call(bob, "joinShared", json!([made["id"]])).await?;
    Ok(made["id"].as_str().context("no id")?.to_owned())
}

/// Both write, and each waits for what the other wrote.
pub async fn both_write(people: [&Person; 2], id: &str, round: &str) -> anyhow::Result<()> {
    let begin = Instant::now();
    for person in people {
        let path = format!("/{}/{round}", person.key);
        call(person, "sharedPut", json!([id, path, { "round": round }])).await?;
    }
    for (reader, writer) in [(people[0], people[1]), (people[1], people[0])] {
        let copy = first(reader, "sharedDatabases", |found| found["dbId"].is_string()).await?;
        let path = json!([copy["dbId"], format!("/{}/{round}", writer.key)]);
        wait_for("what the other wrote", SOON, async || {
            let found = reader.client.call(ADB, "recordGet", path.clone()).await;
            let value = found.map_or(Value::Null, |record| record["value"]["round"].clone());
            Ok(Seen::if_so(value, |value| value == round))
        })
        .await?;
    }
    println!(
        "{round}: both have what both wrote after {:?}",
        begin.elapsed()
    );
    Ok(())
}

/// What is killed in a home.
#[derive(Debug, Clone, Copy)]
pub enum Victim {
    Unit(&'static str),
    Power,
}

/// The processes of a home that carry what two people write.
pub const PARTS: [Victim; 5] = [
    Victim::Unit("atek-app-core.hypercore.service"),
    Victim::Unit("atek-app-core.adb.service"),
    Victim::Unit("atekd.service"),
    Victim::Unit("atek-spawnd.service"),
    Victim::Unit("atek-app-core.keys.service"),
];

/// Two homes behind routers, whose disks outlive their power, and a database that both write.
pub struct Pair {
    net: Neighbourhood,
    hosts: [Host; 2],
    people: [Person; 2],
    id: String,
    acknowledged: Vec<String>,
    round: usize,
}

impl Pair {
    /// # Errors
    ///
    /// When the homes do not find each other in time.
    pub async fn begin(name: &str) -> anyhow::Result<Self> {
        let mut pair = Self::strangers(name).await?;
        pair.id = write_together(&pair.people[0], &pair.people[1]).await?;
        Ok(pair)
    }

    /// The same with people who do not know each other.
    ///
    /// # Errors
    ///
    /// When a home does not boot in time.
    pub async fn strangers(name: &str) -> anyhow::Result<Self> {
        let mut net = Neighbourhood::new().await?;
        let boot = |which: &str| home_on(Machine::builder(&format!("{name}-{which}")).persistent());
        let (one, two) = tokio::try_join!(boot("one"), boot("two"))?;
        net.home(&one.machine, Nat::Friendly).await?;
        net.home(&two.machine, Nat::Friendly).await?;
        let people = tokio::try_join!(one.person("alice", "admin"), two.person("bob", "admin"))?;
        Ok(Self {
            net,
            hosts: [one, two],
            people: people.into(),
            id: String::new(),
            acknowledged: Vec::new(),
            round: 0,
        })
    }

    /// Lets the routers of both homes lose so many of a hundred packets.
    ///
    /// # Errors
    ///
    /// When they cannot.
    pub async fn loses(&self, percent: u8) -> anyhow::Result<()> {
        self.net.lose(percent).await
    }

    /// Kills something of one home while both people write, and waits until both homes have all
    /// that either acknowledged.
    ///
    /// # Errors
    ///
    /// When something is lost, or the homes do not come together in time.
    pub async fn survives(
        &mut self,
        home: usize,
        victim: Victim,
        after: Duration,
    ) -> anyhow::Result<()> {
        self.round += 1;
        let began = Instant::now();
        let stop = Arc::new(AtomicBool::new(false));
        let writers = [0, 1].map(|nth| {
            let (person, id) = (self.people[nth].clone(), self.id.clone());
            let prefix = format!("/{}/{}", self.round, person.key);
            tokio::spawn(write_until(person, id, prefix, stop.clone()))
        });
        // The moment of the kill is the test's own choice, not a wait for something.
        tokio::time::sleep(after).await;
        self.kill(home, victim).await?;
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            self.acknowledged.extend(writer.await?);
        }
        self.hosts[home].ready().await?;
        self.come_together().await?;
        println!(
            "home {home}, {victim:?} after {after:?}: {} acknowledged writes in both homes, {:?} after the kill",
            self.acknowledged.len(),
            began.elapsed() - after
        );
        Ok(())
    }

    async fn kill(&mut self, home: usize, victim: Victim) -> anyhow::Result<()> {
        let machine = &mut self.hosts[home].machine;
        match victim {
            Victim::Unit(unit) => {
                // The first one each time: systemd waits longer before each start otherwise.
                let kill = format!("systemctl reset-failed {unit}; systemctl kill -s KILL {unit}");
                machine.shell(&kill).await?;
            }
            Victim::Power => {
                machine.cut_power().await?;
                machine.power_on().await?;
                self.net.plug_again(home, machine).await?;
                // The machine may have another address on the tests' own network.
                let cookie = format!("session={}", self.people[home].cookie);
                self.people[home].client = self.hosts[home].stranger().header("cookie", &cookie);
            }
        }
        Ok(())
    }

    /// Waits until both homes have the same records, with all that were acknowledged.
    async fn come_together(&self) -> anyhow::Result<()> {
        wait_for(
            "all that was acknowledged in both homes",
            SOON,
            async || {
                let one = paths(&self.people[0]).await?;
                let two = paths(&self.people[1]).await?;
                let lost = |found: &[String]| {
                    let is_lost = |path: &&String| found.binary_search(path).is_err();
                    self.acknowledged.iter().filter(is_lost).count()
                };
                let missing = [lost(&one), lost(&two)];
                let seen = (one.len(), two.len(), missing);
                let is_whole = one == two && missing == [0, 0];
                Ok(Seen::if_so(seen, |_| is_whole))
            },
        )
        .await
        .map(drop)
    }
}

/// Writes one record after the other; the paths of those that were acknowledged.
async fn write_until(
    person: Person,
    id: String,
    prefix: String,
    stop: Arc<AtomicBool>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        let path = format!("{prefix}/{n:05}");
        let written = call(&person, "sharedPut", json!([id, path, { "n": n }])).await;
        match written {
            Ok(_) => acknowledged.push(path),
            Err(_) if stop.load(Ordering::Relaxed) => break,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    acknowledged
}

/// The paths of all records of the shared database in a person's home, in order.
async fn paths(person: &Person) -> anyhow::Result<Vec<String>> {
    let shared = call(person, "sharedDatabases", json!([])).await?;
    let db = shared[0]["dbId"].as_str().context("no copy")?;
    let mut found = Vec::new();
    let mut cursor = Value::String(String::new());
    loop {
        let options = json!({ "limit": 500, "cursor": cursor });
        let page = person
            .client
            .call(ADB, "recordList", json!([db, "/", options]))
            .await?;
        let records = page["records"].as_array().context("no records")?;
        for record in records {
            found.push(record["path"].as_str().context("no path")?.to_owned());
        }
        cursor = page["cursor"].clone();
        if cursor.as_str().is_none_or(str::is_empty) {
            break;
        }
        ensure!(!records.is_empty(), "a cursor and no records: {page}");
    }
    found.sort();
    Ok(found)
}

/// Writes a number into the shared database.
pub async fn put_shared(person: &Person, id: &str, at: &str, n: usize) -> anyhow::Result<()> {
    let record = json!([id, at, { "n": n }]);
    call(person, "sharedPut", record).await.map(drop)
}

/// The number at a path of the only shared database in a person's home; null if there is none.
pub async fn shared_value(person: &Person, at: &str) -> anyhow::Result<Value> {
    let shared = call(person, "sharedDatabases", json!([])).await?;
    let record = json!([shared[0]["dbId"], at]);
    let found = person.client.call(ADB, "recordGet", record).await;
    Ok(found.map_or(Value::Null, |record| record["value"]["n"].clone()))
}
