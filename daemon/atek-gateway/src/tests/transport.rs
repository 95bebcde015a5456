//! The proxy transport.

use super::support::client::{raw, send};
use super::support::{ALICE, SYSTEM_TOKEN, World};
use serde_json::json;

const QUERY: &str = "api=example.org/feed";

async fn world() -> World {
    let mut world = World::new().await;
    world.service(
        "feed",
        "key-alice",
        json!([{ "api": "example.org/feed", "transport": "proxy", "path": "/_api/feed" }]),
    );
    world.service("notes", "key-alice", json!([]));
    world
}

fn handshake(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n{headers}\r\n"
    )
}

#[tokio::test]
async fn a_websocket_is_for_known_callers_of_this_site_only() {
    let world = world().await;
    let own = world.listen_for("notes");
    let (cookie, token) = (
        format!("cookie: session={ALICE}\r\n"),
        format!("authorization: Bearer {SYSTEM_TOKEN}\r\n"),
    );
    let path = format!("/_atek/gateway?{QUERY}");
    for (socket, headers, begin, part) in [
        (
            &own,
            String::new(),
            "HTTP/1.1 101",
            r#""atek-auth-service":"notes""#,
        ),
        (
            &own,
            "authorization: Bearer wrong\r\n".to_owned(),
            "HTTP/1.1 401",
            "Not authorized",
        ),
        (
            &world.public,
            String::new(),
            "HTTP/1.1 401",
            "Not authorized",
        ),
        (
            &world.public,
            token,
            "HTTP/1.1 101",
            r#""atek-auth-user":"system""#,
        ),
        (
            &world.public,
            cookie.clone() + "origin: http://localhost\r\n",
            "HTTP/1.1 101",
            r#""uri":"/_api/feed""#,
        ),
        (
            &world.public,
            cookie.clone() + "origin: http://evil.test\r\n",
            "HTTP/1.1 403",
            "another site",
        ),
    ] {
        let seen = raw(socket, handshake(&path, &headers).as_bytes(), |seen| {
            seen.contains('}')
        })
        .await;
        assert!(
            seen.starts_with(begin) && seen.contains(part),
            "{headers}: {seen}"
        );
        assert!(
            !seen.contains(ALICE) && !seen.contains(SYSTEM_TOKEN),
            "{seen}"
        );
    }
    let none = raw(
        &own,
        handshake("/_atek/gateway?api=example.org/none", "").as_bytes(),
        |seen| seen.contains('}'),
    )
    .await;
    assert!(
        none.starts_with("HTTP/1.1 404") && none.contains("No service available which matches"),
        "{none}"
    );
}

#[tokio::test]
async fn plain_requests_below_an_api_are_passed_on_and_their_pages_can_do_nothing() {
    let world = world().await;
    let cookie = format!("session={ALICE}");
    let headers = [
        ("cookie", cookie.as_str()),
        ("origin", "http://localhost:8080"),
    ];
    let answer = send(
        &world.public,
        "PUT",
        &format!("/_atek/gateway/a/b?{QUERY}&page=2"),
        &headers,
        "x",
    )
    .await;
    let seen = answer.json();
    assert_eq!(
        (&seen["method"], &seen["uri"]),
        (&json!("PUT"), &json!("/_api/feed/a/b?page=2"))
    );
    assert_eq!(seen["headers"].get("cookie"), None);
    assert_eq!(seen["headers"]["atek-auth-user"], "key-alice");
    assert_eq!(
        answer.header("content-security-policy"),
        Some("sandbox; default-src 'none'")
    );
    let outside = world
        .get(&format!("/_atek/gateway/%2e%2e/secret?{QUERY}"), &headers)
        .await;
    assert_eq!(outside.status, 400);
    let anonymous = world.get(&format!("/_atek/gateway/a?{QUERY}"), &[]).await;
    assert_eq!(anonymous.status, 401);
    let rpc_only = world.get("/_atek/gateway", &[("cookie", &cookie)]).await;
    assert_eq!(
        (rpc_only.status.as_u16(), rpc_only.json()),
        (404, json!({ "error": true, "message": "Not found" }))
    );
}

#[tokio::test]
async fn a_page_of_an_app_cannot_ask_another_apps_api_with_the_persons_session() {
    let world = world().await;
    let cookie = format!("session={ALICE}");
    // Over plain HTTP to a name of the local network browsers send no `Sec-Fetch-Site`, and a
    // page can ask for no `Referer`.
    for (name, value, status) in [
        ("x-nothing", "1", 403),
        ("referer", "http://rss.localhost:8080/", 403),
        ("sec-fetch-site", "same-site", 403),
        ("origin", "http://rss.localhost:8080", 403),
        ("referer", "http://localhost:8080/", 200),
        ("sec-fetch-site", "same-origin", 200),
    ] {
        let headers = [("cookie", cookie.as_str()), (name, value)];
        let target = format!("/_atek/gateway/a?{QUERY}");
        let answer = world.get(&target, &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {value}");
    }
}

#[tokio::test]
async fn an_encoded_attribute_does_not_reach_the_provider_beside_the_one_that_was_checked() {
    let world = world().await;
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let own = [("authorization", token.as_str())];
    for extra in [
        "&%61pi=atek.cloud/users-api",
        "&api=atek.cloud/users-api",
        "&s%65rvice=x&service=y",
    ] {
        let target = format!("/_atek/gateway/a?{QUERY}{extra}");
        assert_eq!(world.get(&target, &own).await.status, 400, "{extra}");
    }
    let single = "/_atek/gateway/a?%61pi=example.org/feed&page=1";
    let answer = world.get(single, &own).await.json();
    assert_eq!(answer["uri"], "/_api/feed/a?page=1");
}
