//! What a session carries ends with it.

use super::support::client::raw;
use super::support::{ALICE, World};
use crate::Accounts as _;
use serde_json::json;
use std::path::PathBuf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

async fn world() -> World {
    let mut world = World::new().await;
    world.service(
        "feed",
        "key-alice",
        json!([
            { "api": "example.org/feed", "transport": "proxy", "path": "/_api/feed" },
            { "api": "example.org/long" },
        ]),
    );
    world
}

/// Sends a request and waits for `begin` of its answer; the task ends when the connection does.
async fn open(socket: PathBuf, request: String, begin: &'static str) -> JoinHandle<String> {
    let (began, mut has_begun) = mpsc::unbounded_channel();
    let reading = tokio::spawn(async move {
        raw(&socket, request.as_bytes(), move |seen| {
            if seen.contains(begin) {
                let _ = began.send(());
            }
            false
        })
        .await
    });
    has_begun.recv().await.expect("the stream begins");
    reading
}

fn get(path: &str, host: &str, cookie: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n{more}\r\n")
}

#[tokio::test]
async fn open_websockets_streams_and_long_answers_end_with_the_session() {
    let world = world().await;
    let main = format!("session={ALICE}");
    let bound = format!("atek-session={}", world.bound_cookie(ALICE, "feed").await);
    let upgrade = "connection: Upgrade\r\nupgrade: websocket\r\n";
    let open_at = |request: String, begin| open(world.public.clone(), request, begin);
    let streams = [
        open_at(
            get("/_atek/logs?service=rss&follow=1", "localhost", &main, ""),
            "follow",
        )
        .await,
        open_at(
            get(
                "/_atek/gateway?api=example.org/feed",
                "localhost",
                &main,
                &format!("{upgrade}origin: http://localhost\r\n"),
            ),
            "atek-auth-user",
        )
        .await,
        open_at(get("/quiet", "feed.localhost", &bound, ""), "tick").await,
        open_at(
            get(
                "/socket",
                "feed.localhost",
                &bound,
                &format!("{upgrade}origin: http://feed.localhost\r\n"),
            ),
            "atek-auth-user",
        )
        .await,
    ];
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"long-quiet"}"#;
    let long_answer = format!(
        "POST /_atek/gateway?api=example.org/long HTTP/1.1\r\nhost: localhost\r\ncookie: {main}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{call}",
        call.len()
    );
    let mut streams = Vec::from(streams);
    streams.push(open_at(long_answer, "long").await);
    assert!(
        streams.iter().all(|stream| !stream.is_finished()),
        "a stream ended by itself"
    );
    let alice = world.accounts.of_cookie(ALICE).unwrap();
    world.accounts.sign_out(&alice.session);
    for stream in streams {
        stream.await.unwrap();
    }
}

#[tokio::test]
async fn streams_of_the_session_that_stays_go_on() {
    let world = world().await;
    let main = format!("session={ALICE}");
    let request = get("/_atek/logs?service=rss&follow=1", "localhost", &main, "");
    let stream = open(world.public.clone(), request, "follow").await;
    let bound = format!("atek-session={}", world.bound_cookie(ALICE, "feed").await);
    let own = open(
        world.public.clone(),
        get("/quiet", "feed.localhost", &bound, ""),
        "tick",
    )
    .await;
    let alice = world.accounts.of_cookie(ALICE).unwrap();
    world.accounts.sign_out_others(&alice);
    // A request after it is answered, so that the change has been seen by everything.
    let answer = world.get("/_atek/jobs/1", &[("cookie", &main)]).await;
    assert_eq!(answer.status, 200);
    assert!(!stream.is_finished() && !own.is_finished());
    world.cancel.cancel();
    stream.await.unwrap();
    own.abort();
}
