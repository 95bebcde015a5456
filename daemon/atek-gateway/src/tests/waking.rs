//! Services that sleep, have died, or take too long.

use super::support::client::send;
use super::support::{SYSTEM_TOKEN, World};
use crate::Limits;
use atek_api::services::State;
use serde_json::{Value, json};
use std::time::Duration;

const API: &str = "api=example.org/test";

fn call(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

async fn world() -> World {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([{ "api": "example.org/test" }]));
    world
}

#[tokio::test]
async fn a_service_that_sleeps_is_woken_and_one_that_cannot_wake_says_why() {
    let mut world = world().await;
    world.change("rss", |entry| entry.state = State::Sleeping);
    let answer = world.call(API, &call("slow", &json!([1]))).await;
    assert_eq!(
        answer.json()["error"]["message"],
        "the service rss cannot be started: it was stopped"
    );

    world.declare("late", "system", json!([{ "api": "example.org/late" }]));
    world.change("late", |entry| entry.state = State::Sleeping);
    let socket = world.socket("late");
    let here = tokio::runtime::Handle::current();
    *world.wake.answer.lock().unwrap() = Some(Box::new(move |_| {
        let _here = here.enter();
        if !socket.exists() {
            super::support::service::start(&socket);
        }
        Ok(())
    }));
    let answer = world
        .call("api=example.org/late", &call("slow", &json!([1])))
        .await;
    assert_eq!(answer.json()["result"], 1);
}

#[tokio::test]
async fn a_dead_service_is_waited_for_and_is_told() {
    let mut world = World::new().await;
    world.declare("dead", "system", json!([{ "api": "example.org/dead" }]));
    let answer = world
        .call("api=example.org/dead", &call("slow", &json!([1])))
        .await
        .json();
    assert_eq!(answer["error"]["code"], -32000);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("the service dead cannot be started"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up() {
    let mut world = World::with(Limits {
        rpc_answer: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    world.service("rss", "system", json!([{ "api": "example.org/test" }]));
    let answer = world.call(API, &call("hang", &json!([]))).await.json();
    assert_eq!(
        answer["error"]["message"],
        "the service rss did not answer within 0 seconds"
    );
}

/// The death of the service was not known yet: what was to be sent to it is still sent.
#[tokio::test]
async fn a_form_sent_to_a_service_that_just_died_reaches_the_next_process() {
    let mut world = World::new().await;
    world.declare("rss", "system", json!([]));
    let socket = world.socket("rss");
    let here = tokio::runtime::Handle::current();
    *world.wake.answer.lock().unwrap() = Some(Box::new(move |_| {
        let _here = here.enter();
        if !socket.exists() {
            super::support::service::start(&socket);
        }
        Ok(())
    }));
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let headers = [("host", "rss.localhost:8080"), ("authorization", &token)];
    let answer = send(&world.public, "POST", "/count", &headers, "12345").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "5"));
}
