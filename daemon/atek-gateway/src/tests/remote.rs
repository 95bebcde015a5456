//! Calls to and from apps of other homes.

use super::support::World;
use super::support::client::call_at;
use atek_api::permission::Permissions;
use serde_json::{Value, json};
use std::sync::Arc;

const MIRROR: &str = r#"{"jsonrpc":"2.0","id":1,"method":"mirror","params":[1]}"#;
const TO_FEED: &str = "api=example.org/feed";

async fn world() -> World {
    let mut world = World::new().await;
    let hypercore = json!([{ "api": "atek.cloud/hypercore-api", "path": "/_api/hypercore" }]);
    world.service("core.hypercore", "system", hypercore);
    let feed = json!([{ "api": "example.org/feed", "path": "/_api/feed" }]);
    world.service("feed", "key-alice", feed.clone());
    world.service("other", "key-bob", feed);
    for (id, granted) in [
        ("feed", json!({ "hostApis": ["atek.cloud/hypercore-api"] })),
        ("other", json!({})),
    ] {
        let granted: Permissions = serde_json::from_value(granted).unwrap();
        world.change(id, |entry| entry.granted = Arc::new(granted));
    }
    world
}

fn seen(answer: &Value) -> (&Value, &Value, &Value) {
    let request = &answer["result"]["request"];
    let headers = &request["headers"];
    (
        &request["uri"],
        &headers["atek-auth-user"],
        &headers["atek-auth-service"],
    )
}

#[tokio::test]
async fn a_call_to_another_home_goes_to_the_hypercore_service_of_who_may() {
    let world = world().await;
    let query = format!("{TO_FEED}&home=0a%261b");
    let own = world.listen_for("feed");
    let answer = call_at(&own, &query, MIRROR, &[]).await.json();
    let uri = json!("/_api/hypercore/remote?home=0a%261b&api=example%2Eorg%2Ffeed");
    let (user, service) = (json!("key-alice"), json!("feed"));
    assert_eq!(seen(&answer), (&uri, &user, &service));
    // Without the grant, and for a stranger, there is no way.
    let own = world.listen_for("other");
    let refused = call_at(&own, &query, MIRROR, &[]).await.json();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("hypercore-api"), "{refused}");
}

#[tokio::test]
async fn long_answers_to_and_from_another_home_come_whole() {
    let world = world().await;
    let long = "x".repeat(900_000);
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"mirror","params":["{long}"]}}"#);
    let key = "0f".repeat(32);
    let of_bob = [("atek-for-user", "key-alice"), ("atek-for-contact", &*key)];
    let to_home = format!("{TO_FEED}&home=0a");
    for (caller, query, headers) in [
        ("core.hypercore", TO_FEED, &of_bob[..]),
        ("feed", &to_home, &[]),
    ] {
        let own = world.listen_for(caller);
        let answer = call_at(&own, query, &call, headers).await.json();
        let body = answer["result"]["body"].as_str().unwrap();
        assert!(body.contains(&long), "{caller}");
    }
}

#[tokio::test]
async fn a_contact_reaches_an_app_of_its_owner_and_nothing_else() {
    let world = world().await;
    let own = world.listen_for("core.hypercore");
    let key = "0f".repeat(32);
    let of_bob = [("atek-for-user", "key-alice"), ("atek-for-contact", &*key)];
    let answer = call_at(&own, TO_FEED, MIRROR, &of_bob).await.json();
    let (uri, user, service) = (json!("/_api/feed"), json!(key), json!("core.hypercore"));
    assert_eq!(seen(&answer), (&uri, &user, &service));
    let contact = &answer["result"]["request"]["headers"]["atek-auth-contact"];
    assert_eq!(contact, &user);
    for api in [
        "atek.cloud/hypercore-api",
        "atek.cloud/test-api",
        "example.org/feed&service=other",
        "example.org/none",
    ] {
        let answer = call_at(&own, &format!("api={api}"), MIRROR, &of_bob).await;
        let message = &answer.json()["error"]["message"];
        assert!(message.as_str().unwrap().contains("No service"), "{api}");
    }
    // An app that sends these headers is itself, as ever.
    let own = world.listen_for("feed");
    let answer = call_at(&own, TO_FEED, MIRROR, &of_bob).await.json();
    let (user, service) = (json!("key-alice"), json!("feed"));
    assert_eq!(seen(&answer), (&uri, &user, &service));
    let headers = &answer["result"]["request"]["headers"];
    assert_eq!(headers["atek-auth-contact"], Value::Null);
}
