//! People of two homes, each behind a router of its own: they become contacts, let apps call each
//! other, write a database together, and take it all back.

mod writing_together;

use anyhow::{Context as _, ensure};
use atek_tests::browser::BrowserStory;
use atek_tests::host::{ADB, Host, SOON};
use atek_tests::neighbourhood::{Nat, Neighbourhood, home};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use writing_together::{HYPERCORE, both_write, call, first, write_together};

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
