//! What no honest client sends.

use super::support::client::{raw, send};
use super::support::{SYSTEM_TOKEN, World};
use crate::Limits;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use std::time::Duration;

async fn world() -> World {
    let mut world = World::with(Limits {
        head: Duration::from_millis(200),
        body_pause: Duration::from_millis(200),
        rpc_body: Duration::from_secs(1),
        ..Limits::default()
    })
    .await;
    world.service("rss", "system", json!([{ "api": "example.org/test" }]));
    world
}

/// Reads until the connection closes.
const TO_THE_END: fn(&str) -> bool = |_| false;

#[tokio::test]
async fn malformed_requests_are_refused_and_their_connection_closed() {
    let world = world().await;
    let get = |rest: &str| format!("GET / HTTP/1.1\r\n{rest}\r\n\r\n");
    for (request, status) in [
        (get("x: 1"), "400"),
        (get("host: localhost\r\nhost: localhost"), "400"),
        (get("host: local host"), "400"),
        (get("host: evil.test"), "421"),
        (get("host: localhost\r\n folded: x"), "400"),
        (get("host: localhost\r\nx y: 1"), "400"),
        (get("host: localhost\r\nx : 1"), "400"),
        (get("host: localhost\r\nx: a\0b"), "400"),
        ("GET http://evil.test/ HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), "421"),
        ("GET ftp://localhost/ HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), "400"),
        ("GET * HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), "400"),
        ("CONNECT evil.test:443 HTTP/1.1\r\nhost: evil.test\r\n\r\n".to_owned(), "405"),
        ("GET / HTTP/9.9\r\nhost: localhost\r\n\r\n".to_owned(), "400"),
        ("\x16\x03\x01\x02\x00\x01\x00".to_owned(), "400"),
        (get(&format!("host: localhost\r\nx: {}", "a".repeat(100_000))), "431"),
        (get(&format!("host: localhost\r\n{}y: 1", "x: 1\r\n".repeat(200))), "431"),
        (format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(70_000)), "414|431"),
        ("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n".to_owned(), "400"),
        ("POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked, gzip\r\n\r\n".to_owned(), "400"),
        ("POST / HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "400"),
    ] {
        let seen = raw(&world.public, request.as_bytes(), TO_THE_END).await;
        let shown = &request[..request.len().min(90)];
        let got = seen.get(9..12).unwrap_or("none");
        assert!(status.split('|').any(|status| status == got), "{shown:?}: {seen}");
    }
}

#[tokio::test]
async fn no_second_request_is_smuggled_to_a_service() {
    let world = world().await;
    let head = format!("host: rss.localhost\r\nauthorization: Bearer {SYSTEM_TOKEN}\r\n");
    let smuggled =
        "GET /smuggled HTTP/1.1\r\nhost: rss.localhost\r\natek-auth-user: system\r\n\r\n";
    // Both lengths: the chunks count, and the service is told one length.
    let both = format!(
        "POST /count HTTP/1.1\r\n{head}content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        100
    );
    let seen = raw(&world.public, both.as_bytes(), TO_THE_END).await;
    assert!(
        seen.starts_with("HTTP/1.1 4") || seen.contains("\r\n\r\n3"),
        "{seen}"
    );
    // A body that looks like a request is a body.
    let inside = format!(
        "POST /count HTTP/1.1\r\n{head}content-length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    let seen = raw(&world.public, inside.as_bytes(), TO_THE_END).await;
    assert_eq!(seen.matches("HTTP/1.1 ").count(), 1, "{seen}");
    assert!(seen.ends_with(&smuggled.len().to_string()), "{seen}");
}

#[tokio::test]
async fn slow_clients_are_let_go() {
    let world = world().await;
    let head = format!(
        "authorization: Bearer {SYSTEM_TOKEN}\r\ncontent-type: application/json\r\ncontent-length: 100"
    );
    for (begin, end) in [
        ("", ""),
        ("GET / HTTP/1.1\r\nhost: loc", ""),
        (
            &*format!(
                "POST /_atek/gateway?api=example.org/test HTTP/1.1\r\nhost: localhost\r\n{head}\r\n\r\n{{"
            ),
            "408",
        ),
        (
            &*format!("POST /count HTTP/1.1\r\nhost: rss.localhost\r\n{head}\r\n\r\n{{"),
            "502",
        ),
    ] {
        let seen = raw(&world.public, begin.as_bytes(), TO_THE_END).await;
        assert_eq!(
            seen.get(9..12).unwrap_or_default(),
            end,
            "{begin:?}: {seen}"
        );
    }
}

#[tokio::test]
async fn a_panic_in_one_request_harms_no_other() {
    let world = world().await;
    let panic = r#"{"jsonrpc":"2.0","id":1,"method":"panic"}"#;
    let answer = world.call("api=atek.cloud/test-api", panic).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["error"], true);
    assert!(!answer.text.contains("asked to panic"), "{}", answer.text);
    let after = world
        .call("api=atek.cloud/test-api", &panic.replace("panic", "whoami"))
        .await;
    assert_eq!(after.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let world = world().await;
    let request = format!(
        "GET /hang HTTP/1.1\r\nhost: rss.localhost\r\nauthorization: Bearer {SYSTEM_TOKEN}\r\n\r\n"
    );
    for _ in 0..50 {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = tokio::net::UnixStream::connect(&world.public)
            .await
            .unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let answer = send(
        &world.public,
        "GET",
        "/x",
        &[("host", "rss.localhost"), ("authorization", &token)],
        "",
    )
    .await;
    assert_eq!(answer.status, 200);
}

/// Whatever comes in: an answer, no panic, and the next request works.
#[test]
fn any_envelope_and_any_header_get_an_answer() {
    // Of one thread: client and gateway see the short limits from the same place.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(world());
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let name = prop::sample::select(vec![
        "cookie",
        "authorization",
        "origin",
        "connection",
        "upgrade",
        "te",
        "expect",
        "content-type",
        "x-y",
        "host",
        "transfer-encoding",
        "content-length",
        "atek-auth-user",
        "accept",
        "sec-fetch-site",
    ]);
    let value = prop_oneof![
        "[ -~]{0,40}",
        Just("session=alice-cookie".to_owned()),
        Just("Upgrade".to_owned()),
        Just("websocket".to_owned())
    ];
    let path = prop_oneof![
        "/_atek/[a-z/?=&%.0-9]{0,30}",
        "/[ -~&&[^ #]]{0,40}",
        Just("/_atek/gateway?api=example.org/test".to_owned())
    ];
    let input = (
        prop::sample::select(vec![
            "GET", "POST", "OPTIONS", "PUT", "HEAD", "CONNECT", "FOO",
        ]),
        path,
        prop::collection::vec((name, value), 0..5),
        prop::collection::vec(any::<u8>(), 0..60),
    );
    runner
        .run(&input, |(method, path, headers, body)| {
            let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
            for (name, value) in headers {
                bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(&body);
            let seen =
                runtime.block_on(raw(&world.public, &bytes, |seen| seen.contains("\r\n\r\n")));
            prop_assert!(
                !seen.starts_with("HTTP/1.1 5"),
                "{}: {}",
                String::from_utf8_lossy(&bytes),
                seen
            );
            Ok(())
        })
        .unwrap();
    let answer = runtime.block_on(world.call(
        "api=example.org/test",
        r#"{"jsonrpc":"2.0","id":1,"method":"slow","params":[1]}"#,
    ));
    assert_eq!(answer.json()["result"], 1);
}
