//! People of two homes, each behind a router of its own: they become contacts, let apps call each
//! other, write a database together, and take it all back.

use anyhow::{Context as _, ensure};
use atek_tests::browser::BrowserStory;
use atek_tests::host::{ADB, Host, Person, SOON};
use atek_tests::neighbourhood::{Nat, Neighbourhood, home};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::time::Instant;

const HYPERCORE: &str = "atek.cloud/hypercore-api";
const UNIT: &str = "atek-app-core.hypercore.service";

/// The app of the feed, for one person.
async fn feed(host: &Host, user: &str) -> anyhow::Result<()> {
    let source = host.machine.place_app("social-feed").await?;
    host.install_from(json!({
        "sourceUrl": source, "id": "feed", "user": user, "grant": { "hostApis": [HYPERCORE] },
    }))
    .await?;
    host.service_is("feed", "running").await.map(drop)
}

#[tokio::test]
async fn two_people_become_contacts_by_a_link_and_use_a_feed_until_one_takes_it_back()
-> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let (one, two) = tokio::try_join!(home("people-one"), home("people-two"))?;
    net.home(&one.machine, Nat::Friendly).await?;
    net.home(&two.machine, Nat::Friendly).await?;
    tokio::try_join!(one.person("alice", "admin"), two.person("bob", "admin"))?;
    tokio::try_join!(feed(&one, "alice"), feed(&two, "bob"))?;
    BrowserStory::new(one).with_other(&two)?.run("people").await
}

async fn call(person: &Person, method: &str, params: Value) -> anyhow::Result<Value> {
    person.client.call(HYPERCORE, method, params).await
}

/// Waits until the first of what `method` lists is as wanted.
async fn first(person: &Person, method: &str, wanted: fn(&Value) -> bool) -> anyhow::Result<Value> {
    wait_for(method, SOON, async || {
        let list = call(person, method, json!([])).await?;
        Ok(Seen::if_so(list[0].clone(), wanted))
    })
    .await
}

/// Makes two people contacts, and a database that both write; its id.
async fn write_together(alice: &Person, bob: &Person) -> anyhow::Result<String> {
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
async fn both_write(people: [&Person; 2], id: &str, round: &str) -> anyhow::Result<()> {
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

#[tokio::test]
async fn what_two_people_write_comes_together_after_a_new_address_and_a_suspended_home()
-> anyhow::Result<()> {
    let mut net = Neighbourhood::new().await?;
    let (one, two) = tokio::try_join!(home("writers-one"), home("writers-two"))?;
    net.home(&one.machine, Nat::Friendly).await?;
    net.home(&two.machine, Nat::Friendly).await?;
    let (alice, bob) = tokio::try_join!(one.person("alice", "admin"), two.person("bob", "admin"))?;
    let id = write_together(&alice, &bob).await?;
    let people = [&alice, &bob];
    both_write(people, &id, "at first").await?;

    net.move_home(1).await?;
    both_write(people, &id, "after another address of the first home").await?;
    net.move_home(2).await?;
    both_write(people, &id, "after another address of the second home").await?;

    // As a laptop that is closed: nothing of it runs, and its connections end at the other home.
    let signal = async |signal: &str| {
        let command = ["systemctl", "kill", "-s", signal, UNIT];
        two.machine.exec(command).await.map(drop)
    };
    signal("STOP").await?;
    first(&alice, "contacts", |contact| contact["connected"] == false).await?;
    call(&alice, "sharedPut", json!([id, "/meantime", { "n": 1 }])).await?;
    signal("CONT").await?;
    wait_for("an answer of the second home", SOON, async || {
        let status = call(&bob, "status", json!([])).await;
        Ok(Seen::if_so(status.is_ok(), |answers| *answers))
    })
    .await?;
    both_write(people, &id, "after a suspension").await?;

    let status = call(&alice, "status", json!([])).await?;
    let memory = status["memory"].as_u64().context("no memory")?;
    println!("memory of a service that shares: {} MiB", memory >> 20);
    ensure!(memory < 100 << 20, "{status}");
    let writer = first(&alice, "contacts", Value::is_object).await?;
    call(&alice, "removeWriter", json!([id, writer["key"]])).await?;
    // His home may not have heard of it yet, and hers takes nothing more.
    let late = call(&bob, "sharedPut", json!([id, "/late", {}])).await;
    println!("a removed person writes: {:?}", late.map(drop));
    call(&alice, "sharedPut", json!([id, "/after", {}])).await?;
    let shared = first(&alice, "sharedDatabases", Value::is_object).await?;
    ensure!(
        shared["writers"]
            .as_array()
            .is_some_and(|left| left.len() == 1),
        "{shared}"
    );
    for (path, is_there) in [("/after", true), ("/late", false)] {
        let record = json!([shared["dbId"], path]);
        let found = alice.client.call(ADB, "recordGet", record).await;
        ensure!(found.is_ok() == is_there, "{path}: {found:?}");
    }
    Ok(())
}
