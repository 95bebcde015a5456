//! Attacks by what HTTP/1.1 leaves open: requests inside of requests, other forms of the target,
//! and headers of an app that mean more than its own site.

use super::support::client::raw;
use super::support::{ALICE, SYSTEM_TOKEN, World};
use serde_json::{Value, json};

async fn world() -> World {
    let mut world = World::new().await;
    let exports = json!([
        { "api": "example.org/whole", "path": "/", "transport": "proxy" },
    ]);
    world.service("rss", "key-alice", exports);
    world
}

/// The answers on one connection, until the host closes it.
async fn answers(world: &World, bytes: &str) -> String {
    // The last request closes the connection, or a refusal does.
    raw(&world.public, bytes.as_bytes(), |_| false).await
}

#[tokio::test]
async fn a_request_hidden_in_another_ones_body_reaches_no_app() {
    let world = world().await;
    let head = format!("host: rss.localhost\r\nauthorization: Bearer {SYSTEM_TOKEN}\r\n");
    let hidden = format!("GET /hidden HTTP/1.1\r\n{head}connection: close\r\n\r\n");
    let last = format!("GET /last HTTP/1.1\r\n{head}connection: close\r\n\r\n");
    let chunked = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for (framing, body) in [
        // Both: chunks count (RFC 9112, section 6.3), or the request is refused.
        (
            "content-length: 3\r\ntransfer-encoding: chunked\r\n".to_string(),
            &chunked,
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 3\r\n".to_string(),
            &chunked,
        ),
        (format!("content-length: {}\r\n", hidden.len()), &hidden),
        (
            format!(
                "content-length: {0}\r\ncontent-length: {0}\r\n",
                hidden.len()
            ),
            &hidden,
        ),
        // Refused: lengths that differ, codings and spaces that others read differently.
        (
            format!("content-length: 0\r\ncontent-length: {}\r\n", hidden.len()),
            &hidden,
        ),
        (format!("content-length: {}, 0\r\n", hidden.len()), &hidden),
        (format!("content-length: +{}\r\n", hidden.len()), &hidden),
        ("transfer-encoding: identity\r\n".to_owned(), &hidden),
        (
            "transfer-encoding: chunked, identity\r\n".to_owned(),
            &hidden,
        ),
        ("transfer-encoding: xchunked\r\n".to_owned(), &hidden),
        ("transfer-encoding : chunked\r\n".to_owned(), &chunked),
        (
            "x: y\r\n transfer-encoding: chunked\r\n".to_owned(),
            &chunked,
        ),
    ] {
        let seen = answers(
            &world,
            &format!("POST /first HTTP/1.1\r\n{head}{framing}\r\n{body}{last}"),
        )
        .await;
        let refused = seen.starts_with("HTTP/1.1 400");
        assert!(refused || seen.contains("/first"), "{framing:?}: {seen}");
        assert!(!seen.contains("/hidden"), "{framing:?}: {seen}");
        if !refused {
            // After two framings nothing more on the connection is believed.
            let closed = seen.contains("connection: close");
            assert!(seen.contains("/last") || closed, "{framing:?}: {seen}");
            // What the app gets has one framing, which is the host's.
            let both = seen.contains("transfer-encoding") && seen.contains("\"content-length\"");
            assert!(!both, "{framing:?}: {seen}");
        }
    }
}

#[tokio::test]
async fn a_target_with_a_host_of_its_own_does_not_change_whose_request_it_is() {
    let world = world().await;
    let head = format!("authorization: Bearer {SYSTEM_TOKEN}\r\nconnection: close\r\n");
    // The target's host counts (RFC 9112, section 3.2.2), and decides about admission too.
    for (target, host) in [
        ("http://rss.localhost/x", "rss.localhost"),
        ("http://rss.localhost/x", "localhost"),
        ("http://rss.localhost/x", "notes.localhost"),
        ("http://localhost/x", "rss.localhost"),
        ("http://evil.test/x", "rss.localhost"),
        ("http://user:password@rss.localhost/x", "rss.localhost"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n{head}\r\n");
        let seen = answers(&world, &request).await;
        let at_app = seen.contains("\"uri\"");
        let to_app = target.ends_with("rss.localhost/x");
        assert!(to_app || !at_app, "{target} {host}: {seen}");
        if !at_app {
            continue;
        }
        let (_, shown) = seen.split_once("\r\n\r\n").unwrap();
        let shown: Value = serde_json::from_str(shown).unwrap_or_else(|_| panic!("{seen}"));
        // The app is told a path, and the host that the request was admitted for.
        assert_eq!(shown["uri"], "/x", "{target} {host}");
        assert_eq!(shown["headers"]["host"], "rss.localhost", "{target} {host}");
    }
    for hosts in [
        "",
        "host: rss.localhost\r\nhost: localhost\r\n",
        "host: rss.localhost, localhost\r\n",
    ] {
        let seen = answers(&world, &format!("GET /x HTTP/1.1\r\n{hosts}{head}\r\n")).await;
        assert!(seen.starts_with("HTTP/1.1 400"), "{hosts:?}: {seen}");
    }
}

#[tokio::test]
async fn a_line_that_was_encoded_in_a_target_is_no_header_of_the_apps() {
    let world = world().await;
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let headers = [("host", "rss.localhost"), ("authorization", token.as_str())];
    for path in [
        "/x%0d%0aatek-auth-user:%20system",
        "/x?a=%0d%0aatek-auth-user:system",
        "/%00/%0a",
    ] {
        let answer = world.get(path, &headers).await;
        assert_eq!(answer.json()["uri"], path);
        assert_eq!(
            answer.json()["headers"]["atek-auth-user"],
            "system",
            "the caller's own"
        );
        assert_eq!(answer.header("location"), None);
    }
    // The same in the bind flow, whose path ends in a redirect.
    for path in [
        "/%0d%0aset-cookie:session=x",
        "/\t//evil.test",
        "/%09//evil.test",
    ] {
        let bind = format!("/_atek/bind-session?service=rss&path={path}");
        let cookie = format!("session={ALICE}");
        let Ok(uri) = bind.parse::<http::Uri>() else {
            continue;
        };
        let answer = world.get(&uri.to_string(), &[("cookie", &cookie)]).await;
        assert_eq!(answer.header("set-cookie"), None, "{path}");
        let to = answer.header("location").unwrap_or("http://rss.localhost");
        assert!(
            to.starts_with("http://rss.localhost"),
            "{path} leads to {to}"
        );
    }
}

#[tokio::test]
async fn an_app_signed_people_out_of_the_box_and_moved_its_pages_elsewhere() {
    let world = world().await;
    let bound = world.bound_cookie(ALICE, "rss").await;
    let own = format!("atek-session={bound}");
    let at_its_site = world
        .get(
            "/for-the-whole-box",
            &[("host", "rss.localhost:8080"), ("cookie", &own)],
        )
        .await;
    assert_eq!(at_its_site.status, 401);
    assert_eq!(at_its_site.header("strict-transport-security"), None);
    assert_eq!(at_its_site.header("clear-site-data"), Some("\"storage\""));
    // At its own site an app may ask for passwords of its own.
    assert!(at_its_site.header("www-authenticate").is_some());

    let cookie = format!("session={ALICE}");
    let own_page = [
        ("cookie", cookie.as_str()),
        ("origin", "http://localhost:8080"),
    ];
    let on_main = world
        .get(
            "/_atek/gateway/for-the-whole-box?api=example.org/whole",
            &own_page,
        )
        .await;
    assert_eq!(on_main.status, 401, "{}", on_main.text);
    for name in [
        "strict-transport-security",
        "clear-site-data",
        "www-authenticate",
        "refresh",
        "alt-svc",
        "nel",
        "report-to",
        "accept-ch",
        "access-control-allow-origin",
    ] {
        assert_eq!(on_main.header(name), None, "{name}");
    }
}
