//! Many requests: by one caller, and at once.

use super::support::client::{DEADLINE, call_at};
use super::support::{ALICE, BOB, World};
use crate::Limits;
use crate::edge::bucket::Rate;
use serde_json::{Value, json};

const API: &str = "api=example.org/test";

fn call(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

#[tokio::test]
async fn too_many_requests_are_refused_with_the_time_to_wait() {
    let limits = Limits {
        known: Some(Rate::per_minute(1, 3)),
        known_at_once: 1,
        ..Limits::default()
    };
    let mut world = World::with(limits).await;
    world.service("rss", "system", json!([{ "api": "example.org/test" }]));
    let cookie = format!("session={ALICE}");
    let quick = call("slow", &json!([0]));
    for _ in 0..3 {
        assert_eq!(
            world
                .call_with(API, &quick, &[("cookie", &cookie)])
                .await
                .status,
            200
        );
    }
    let refused = world.call_with(API, &quick, &[("cookie", &cookie)]).await;
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.json(),
        json!({ "error": "RateLimitError", "message": "Rate limit exceeded" })
    );
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    let other = world
        .call_with(API, &quick, &[("cookie", &format!("session={BOB}"))])
        .await;
    assert_eq!(other.status, 200, "another user is not concerned");
    let batch = format!("[{}]", [quick.as_str(); 9].join(","));
    let batch = world
        .call_with(API, &batch, &[("cookie", &format!("session={BOB}"))])
        .await;
    assert_eq!(batch.status, 429, "each call of a batch counts");
}

#[tokio::test]
async fn two_hundred_callers_at_once_get_their_own_answers() {
    let mut world = World::new().await;
    world.service("rss", "system", json!([{ "api": "example.org/test" }]));
    let calls = (0..200).map(|number| {
        let public = world.public.clone();
        async move {
            let token = format!("Bearer {}", super::support::SYSTEM_TOKEN);
            let answer = call_at(
                &public,
                API,
                &call("slow", &json!([number])),
                &[("authorization", &token)],
            )
            .await;
            assert_eq!(answer.json()["result"], number);
        }
    });
    tokio::time::timeout(DEADLINE, futures_util::future::join_all(calls))
        .await
        .unwrap();
}
