//! People of two homes, each behind a router of its own: they become contacts, let apps call each
//! other, write a database together, and take it all back.

use atek_tests::browser::BrowserStory;
use atek_tests::host::Host;
use atek_tests::neighbourhood::{Nat, Neighbourhood, home};
use serde_json::json;

const HYPERCORE: &str = "atek.cloud/hypercore-api";

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
