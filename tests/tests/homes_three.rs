//! Three homes behind routers of their own, and a laptop in a fourth network: people become
//! contacts by the command line, call each other's apps, share, follow and write together, and take
//! it back.

mod writing_together;

use anyhow::{Context as _, ensure};
use atek_tests::host::{ADB, Host, Person, SOON, refusal};
use atek_tests::http::Client;
use atek_tests::neighbourhood::{Nat, Neighbourhood, atek, home, sign_in};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use writing_together::{HYPERCORE, call, first, put_shared, shared_value};

const HELLO: &str = "example.test/hello";
/// What is taken back ends in this time, at every home.
const REVOKED: Duration = Duration::from_secs(1);

/// The contact of this name, as the command line of a box tells it.
async fn contact(host: &Host, name: &str, status: &str) -> anyhow::Result<Value> {
    wait_for(&format!("{name} to be {status}"), SOON, async || {
        let list = atek(host, &["contacts"]).await?;
        let list = list.as_array().context("contacts are a list")?;
        let found = list.iter().find(|contact| contact["label"] == name);
        Ok(Seen::if_so(found.cloned().unwrap_or_default(), |contact| {
            contact["status"] == status
        }))
    })
    .await
}

/// One person invites, another one of another home takes that up, and both compare the number: all
/// of it by the command line.
async fn befriend(one: (&Host, &str), two: (&Host, &str)) -> anyhow::Result<()> {
    let ((host, name), (other, their_name)) = (one, two);
    let begin = Instant::now();
    let words = ["contacts", "invite", "--label", their_name, "--name", name];
    let invitation = atek(host, &words).await?;
    let link = invitation["link"].as_str().context("no link")?;
    ensure!(link.starts_with("atek://person/"), "{link}");
    atek(other, &["contacts", "add", link, "--name", their_name]).await?;
    let asks = contact(host, their_name, "asks").await?;
    let waits = contact(other, name, "waiting").await?;
    ensure!(
        asks["number"].is_string() && asks["number"] == waits["number"],
        "the numbers differ: {asks}, {waits}"
    );
    let shown = host.machine.exec(["atek", "contacts"]).await?;
    ensure!(shown.contains("asks you to confirm"), "{shown}");
    let shown = other.machine.exec(["atek", "contacts"]).await?;
    ensure!(shown.contains("waits for the other"), "{shown}");
    atek(host, &["contacts", "confirm", their_name]).await?;
    contact(host, their_name, "confirmed").await?;
    contact(other, name, "confirmed").await?;
    println!(
        "{name} and {their_name} are contacts after {:?}",
        begin.elapsed()
    );
    Ok(())
}

/// The key of a contact, by which a call goes to their home.
async fn key_of(host: &Host, name: &str) -> anyhow::Result<String> {
    let found = contact(host, name, "confirmed").await?;
    Ok(found["key"].as_str().context("no key")?.to_owned())
}

/// A call of an app of another home.
async fn remote(person: &Person, home: &str, method: &str, params: Value) -> anyhow::Result<Value> {
    let path = format!("/_atek/gateway?api={HELLO}&home={home}");
    person.client.call_at(&path, method, params).await
}

/// Calls again and again until it is refused: how long that took.
async fn until_refused(person: &Person, home: &str, since: Instant) -> anyhow::Result<Duration> {
    loop {
        let called = Instant::now();
        let answer = remote(person, home, "hello", json!([])).await;
        if answer.is_err() {
            let refused = refusal(answer);
            // Before it began, or while it was under way.
            let words = ["does not let you call", "the permission was taken back"];
            ensure!(
                words.iter().any(|words| refused.message.contains(words)),
                "{refused:?}"
            );
            return Ok(called.saturating_duration_since(since));
        }
        ensure!(since.elapsed() < SOON, "it is still answered");
    }
}

#[tokio::test]
async fn contacts_are_made_and_call_each_other_by_the_command_line_until_that_is_taken_back()
-> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let (one, two) = tokio::try_join!(home("contacts-one"), home("contacts-two"))?;
    net.home(&one.machine, Nat::Friendly).await?;
    net.home(&two.machine, Nat::Friendly).await?;
    let (_, bob) = tokio::try_join!(one.person("alice", "admin"), two.person("bob", "admin"))?;
    tokio::try_join!(
        one.install("hello-node", "alice"),
        two.install("hello-node", "bob")
    )?;
    befriend((&one, "Alice"), (&two, "Bob")).await?;

    let alice_key = key_of(&two, "Alice").await?;
    let refused = refusal(remote(&bob, &alice_key, "hello", json!([])).await);
    ensure!(
        refused.message.contains("does not let you call"),
        "{refused:?}"
    );
    atek(&one, &["contacts", "allow", "Bob", HELLO]).await?;
    let said = remote(&bob, &alice_key, "hello", json!(["from Bob's home"])).await?;
    ensure!(said == "hello from Bob's home", "{said}");
    // Nearly as much as a call between homes may have.
    let long = "x".repeat(900_000);
    let said = remote(&bob, &alice_key, "hello", json!([long])).await?;
    let bytes = said.as_str().map(str::len);
    ensure!(bytes == Some("hello ".len() + long.len()), "{bytes:?}");
    // The app hears whose key has called, and no user of its own box.
    let caller = remote(&bob, &alice_key, "whoCalls", json!([])).await?;
    ensure!(caller["user"] == key_of(&one, "Bob").await?, "{caller}");
    let shown = one.machine.exec(["atek", "contacts"]).await?;
    ensure!(
        shown.contains(HELLO) && shown.contains("confirmed"),
        "{shown}"
    );

    // Taken back while Bob calls without a pause.
    let begin = Instant::now();
    let deny = ["contacts", "deny", "Bob", HELLO];
    let (denied, refused) = tokio::join!(atek(&one, &deny), until_refused(&bob, &alice_key, begin));
    denied?;
    let refused = refused?;
    println!("a permission, from `atek contacts deny` to the first refused call: {refused:?}");
    ensure!(refused < REVOKED, "{refused:?}");

    // Removed: cut off, and not let in again.
    atek(&one, &["contacts", "allow", "Bob", HELLO]).await?;
    remote(&bob, &alice_key, "hello", json!([])).await?;
    let begin = Instant::now();
    atek(&one, &["contacts", "remove", "Bob"]).await?;
    let cut = wait_for("the line to be cut", SOON, async || {
        let alice = contact(&two, "Alice", "confirmed").await?;
        Ok(Seen::if_so(begin.elapsed(), |_| {
            alice["connected"] == false
        }))
    });
    println!("a removed contact is cut off after {:?}", cut.await?);
    let gone = refusal(remote(&bob, &alice_key, "hello", json!([])).await);
    ensure!(
        gone.message.contains("not reached") || gone.message.contains("ended"),
        "{gone:?}"
    );
    ensure!(atek(&one, &["contacts"]).await? == json!([]));
    Ok(())
}

/// A database with a link to it, made by its owner at the command line.
async fn share(host: &Host, owner: &Person) -> anyhow::Result<(String, Value)> {
    let made = owner.client.call(ADB, "dbCreate", json!([{}])).await?;
    let db = made["dbId"].as_str().context("no dbId")?.to_owned();
    put(owner, &db, 0).await?;
    let shared = atek(host, &["share", "link", &db, "--label", "to both"]).await?;
    Ok((db, shared))
}

async fn put(person: &Person, db: &str, n: u32) -> anyhow::Result<()> {
    let record = json!([db, "/news", { "n": n }]);
    person.client.call(ADB, "recordPut", record).await.map(drop)
}

async fn follow(host: &Host, shared: &Value) -> anyhow::Result<String> {
    let link = shared["link"].as_str().context("no link")?;
    let copy = atek(host, &["follow", link]).await?;
    Ok(copy["dbId"].as_str().context("no copy")?.to_owned())
}

async fn news(person: &Person, copy: &str, n: u32) -> anyhow::Result<()> {
    wait_for("the news in the copy", SOON, async || {
        let found = person
            .client
            .call(ADB, "recordGet", json!([copy, "/news"]))
            .await;
        let found = found.map_or(Value::Null, |record| record["value"]["n"].clone());
        Ok(Seen::if_so(found, |found| *found == n))
    })
    .await
    .map(drop)
}

/// A database that all three write: what each wrote is at all, and of what all wrote at once all
/// have the same.
async fn write_in_three_homes(people: [&Person; 3], names: [&str; 2]) -> anyhow::Result<String> {
    let made = call(people[0], "createShared", json!([])).await?;
    let id = made["id"].as_str().context("no id")?.to_owned();
    let contacts = call(people[0], "contacts", json!([])).await?;
    let contacts = contacts.as_array().context("contacts are a list")?;
    for (person, name) in people[1..].iter().zip(names) {
        let found = contacts.iter().find(|contact| contact["label"] == name);
        let contact = found.context("no such contact")?;
        call(people[0], "inviteWriter", json!([id, contact["id"]])).await?;
        first(person, "sharedDatabases", Value::is_object).await?;
        call(person, "joinShared", json!([id])).await?;
    }
    let begin = Instant::now();
    let same = |n: usize| put_shared(people[n], &id, "/same", n);
    tokio::try_join!(same(0), same(1), same(2))?;
    for (n, person) in people.iter().enumerate() {
        put_shared(person, &id, &format!("/own/{n}"), n).await?;
    }
    for person in people {
        for n in 0..people.len() {
            wait_for("what each wrote", SOON, async || {
                let found = shared_value(person, &format!("/own/{n}")).await?;
                Ok(Seen::if_so(found, |found| *found == n))
            })
            .await?;
        }
    }
    let agreed = wait_for("one winner in three homes", SOON, async || {
        let mut found = Vec::new();
        for person in people {
            let value = shared_value(person, "/same").await?;
            let who = call(person, "sharedWho", json!([id, "/same"])).await?;
            found.push((value, who["by"].clone(), who["signature"].clone()));
        }
        let is_one = found[0].0.is_u64() && found.iter().all(|each| *each == found[0]);
        Ok(Seen::if_so(found, |_| is_one))
    })
    .await?;
    println!(
        "three writers agree after {:?}: {} wins",
        begin.elapsed(),
        agreed[0].0
    );
    Ok(id)
}

/// The owner removes a writer: nothing that they write from then on is at the others.
async fn remove_writer(people: [&Person; 3], id: &str) -> anyhow::Result<()> {
    let [alice, bob, carol] = people;
    let identity = call(carol, "identity", json!([])).await?;
    call(alice, "removeWriter", json!([id, identity["key"]])).await?;
    let _ = put_shared(carol, id, "/late", 1).await;
    wait_for("the removed writer to be told", SOON, async || {
        let refused = put_shared(carol, id, "/late", 1).await.err();
        Ok(Seen::if_so(
            refused.map(|error| error.to_string()),
            |said| {
                said.as_ref()
                    .is_some_and(|said| said.contains("do not write"))
            },
        ))
    })
    .await?;
    put_shared(bob, id, "/after", 1).await?;
    wait_for("what the others write", SOON, async || {
        Ok(Seen::if_so(shared_value(alice, "/after").await?, |found| {
            *found == 1
        }))
    })
    .await?;
    for person in [alice, bob] {
        let late = shared_value(person, "/late").await?;
        ensure!(late.is_null(), "a removed writer wrote {late}");
    }
    Ok(())
}

#[tokio::test]
async fn three_homes_and_a_laptop_share_write_together_and_take_it_back() -> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let (one, two, three) =
        tokio::try_join!(home("three-one"), home("three-two"), home("three-three"))?;
    for host in [&one, &two, &three] {
        net.home(&host.machine, Nat::Friendly).await?;
    }
    net.computer("laptop", Nat::Friendly).await?;
    let (alice, bob, carol) = tokio::try_join!(
        one.person("alice", "admin"),
        two.person("bob", "admin"),
        three.person("carol", "admin")
    )?;
    two.install("hello-node", "bob").await?;
    befriend((&one, "Alice"), (&two, "Bob")).await?;
    befriend((&one, "Alice"), (&three, "Carol")).await?;

    // One shares, two follow; from two links, one of which ends.
    let (db, shared) = share(&one, &alice).await?;
    let other = call(&alice, "share", json!([db, { "label": "to Carol" }])).await?;
    let (to_bob, to_carol) = tokio::try_join!(follow(&two, &shared), follow(&three, &other))?;
    put(&alice, &db, 1).await?;
    tokio::try_join!(news(&bob, &to_bob, 1), news(&carol, &to_carol, 1))?;
    let id = shared["id"].as_str().context("no id")?;
    atek(&one, &["share", "unlink", id]).await?;
    put(&alice, &db, 2).await?;
    news(&carol, &to_carol, 2).await?;
    news(&bob, &to_bob, 1).await?;

    let people = [&alice, &bob, &carol];
    let id = write_in_three_homes(people, ["Bob", "Carol"]).await?;

    // From a fourth network through Alice's home to an app of Bob's.
    let device = atek(&one, &["devices", "pair", "--label", "Laptop"]).await?;
    let laptop = net.connect("laptop", &device["link"], &[]).await?;
    let away = sign_in(&laptop, &alice, "alice").await?;
    let bob_key = key_of(&one, "Bob").await?;
    ensure!(remote(&away, &bob_key, "hello", json!([])).await.is_err());
    atek(&two, &["contacts", "allow", "Alice", HELLO]).await?;
    let said = remote(&away, &bob_key, "hello", json!(["from afar"])).await?;
    ensure!(said == "hello from afar", "{said}");
    put_shared(&away, &id, "/from-afar", 7).await?;
    for person in [&bob, &carol] {
        wait_for("what the laptop wrote", SOON, async || {
            let found = shared_value(person, "/from-afar").await?;
            Ok(Seen::if_so(found, |found| *found == 7))
        })
        .await?;
    }

    remove_writer(people, &id).await?;
    let device = device["id"].as_str().context("no device")?;
    unpair(&one, &laptop, device).await?;
    ensure!(
        away.client.get("/").await.is_err(),
        "a removed device is let in"
    );
    memory(people).await
}

/// Removes a device by the command line: a connection of it that is open ends in a second.
async fn unpair(host: &Host, device: &Client, id: &str) -> anyhow::Result<()> {
    let mut open = device.connect().await?;
    // Not the end of a request, so that the box waits for more.
    open.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        .await?;
    wait_for("the connection of the device", SOON, async || {
        let devices = atek(host, &["devices"]).await?;
        Ok(Seen::if_so(devices[0]["connections"].as_u64(), |open| {
            *open > Some(0)
        }))
    })
    .await?;
    let begin = Instant::now();
    let remove = ["devices", "remove", id];
    let (removed, cut) = tokio::join!(atek(host, &remove), async {
        let _ = open.read_to_end(&mut Vec::new()).await;
        begin.elapsed()
    });
    removed?;
    println!("a removed device, from `atek devices remove` to the end of its connection: {cut:?}");
    ensure!(cut < REVOKED, "{cut:?}");
    Ok(())
}

async fn memory(people: [&Person; 3]) -> anyhow::Result<()> {
    for person in people {
        let status = person.client.call(HYPERCORE, "status", json!([])).await?;
        let memory = status["memory"].as_u64().context("no memory")? >> 20;
        println!("memory of the service: {memory} MiB");
        ensure!(memory < 100, "{status}");
    }
    Ok(())
}
