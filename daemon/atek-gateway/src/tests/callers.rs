//! Who is calling: listeners, cookies and tokens.

use super::support::client::{call_at, raw, send};
use super::support::{ALICE, BOB, SYSTEM_TOKEN, World};
use atek_host_model::listener::Origin;
use serde_json::{Value, json};

const API: &str = "api=example.org/test";
const MIRROR: &str = r#"{"jsonrpc":"2.0","id":1,"method":"mirror"}"#;

async fn world() -> World {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([{ "api": "example.org/test" }]));
    world.service("notes", "key-alice", json!([]));
    world
}

fn seen(answer: &Value) -> (&str, &str) {
    let headers = &answer["result"]["request"]["headers"];
    (
        headers["atek-auth-user"].as_str().unwrap_or("-"),
        headers["atek-auth-service"].as_str().unwrap_or("-"),
    )
}

#[tokio::test]
async fn a_service_is_known_by_its_listener() {
    let world = world().await;
    let own = world.listen_for("notes");
    for (headers, expected) in [
        (vec![], ("key-alice", "notes")),
        (
            vec![("authorization", "Bearer notes-token")],
            ("key-alice", "notes"),
        ),
        (
            vec![
                ("atek-auth-user", "system"),
                ("atek-auth-service", "system"),
            ],
            ("key-alice", "notes"),
        ),
        (
            vec![("cookie", "session=alice-cookie")],
            ("key-alice", "notes"),
        ),
    ] {
        let answer = call_at(&own, API, MIRROR, &headers).await;
        assert_eq!(seen(&answer.json()), expected, "{headers:?}");
    }
    for token in [
        "Bearer rss-token",
        "Bearer undefined",
        &format!("Bearer {SYSTEM_TOKEN}"),
        "Bearer notes-toke",
    ] {
        let answer = call_at(&own, API, MIRROR, &[("authorization", token)]).await;
        assert_eq!(answer.status, 401, "{token}");
    }
}

#[tokio::test]
async fn the_token_of_a_stopped_service_is_worth_nothing() {
    let mut world = world().await;
    let own = world.listen_for("notes");
    world.change("notes", |entry| entry.token = None);
    let answer = call_at(
        &own,
        API,
        MIRROR,
        &[("authorization", "Bearer notes-token")],
    )
    .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn the_control_socket_speaks_for_the_host() {
    let world = world().await;
    let control = world.socket("control");
    world.listen(&control, Origin::Control);
    let answer = call_at(&control, API, MIRROR, &[("host", "anything.test")]).await;
    assert_eq!(seen(&answer.json()), ("system", "system"));
}

#[tokio::test]
async fn on_the_public_listener_a_cookie_decides_and_tokens_of_services_are_worth_nothing() {
    let world = world().await;
    let system = format!("Bearer {SYSTEM_TOKEN}");
    let alice = format!("session={ALICE}");
    let both = format!("session={ALICE}; session={BOB}");
    let with_noise = format!("session=tossed; session={ALICE}");
    for (headers, status) in [
        (vec![("authorization", system.as_str())], 200),
        (vec![("cookie", alice.as_str())], 200),
        (
            vec![
                ("cookie", "session=wrong"),
                ("authorization", system.as_str()),
            ],
            401,
        ),
        (vec![("authorization", "Bearer rss-token")], 401),
        (vec![("authorization", "Bearer")], 401),
        (vec![("authorization", "Bearer ")], 401),
        (vec![], 401),
        (vec![("cookie", both.as_str())], 401),
        (vec![("cookie", with_noise.as_str())], 200),
    ] {
        let answer = call_at(&world.public, API, MIRROR, &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
    }
}

#[tokio::test]
async fn another_sites_page_can_change_nothing() {
    let world = world().await;
    let cookie = format!("session={ALICE}");
    for (headers, status) in [
        (vec![("origin", "http://localhost:8080")], 200),
        (vec![("origin", "http://rss.localhost:8080")], 403),
        (vec![("origin", "http://evil.test")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![], 200),
    ] {
        let mut headers = headers;
        headers.push(("cookie", &cookie));
        let answer = call_at(&world.public, API, MIRROR, &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    let preflight = [
        ("origin", "http://evil.test"),
        ("access-control-request-method", "POST"),
    ];
    let answer = send(&world.public, "OPTIONS", "/_atek/gateway", &preflight, "").await;
    assert_eq!(answer.status, 204);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn while_the_host_starts_a_cookie_is_not_called_invalid() {
    let mut world = world().await;
    world.starting();
    let answer = world.get("/", &[("cookie", "session=perhaps")]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (503, Some("1"))
    );
    let bound = [
        ("cookie", "atek-session=perhaps"),
        ("host", "rss.localhost"),
    ];
    assert_eq!(world.get("/", &bound).await.status, 503);
    assert_eq!(world.get("/", &[]).await.status, 302);
    let sessions = "api=atek.cloud/user-sessions-api";
    let answer = world
        .call_with(sessions, &MIRROR.replace("mirror", "whoami"), &[])
        .await;
    assert_eq!(answer.json()["error"]["code"], -32603);
}

#[tokio::test]
async fn the_way_to_other_hosts_is_for_services_and_granted_hosts() {
    let mut world = world().await;
    let own = world.listen_for("notes");
    world.change("notes", |entry| {
        let granted = json!({ "network": { "hosts": ["no-such-host.invalid"] } });
        entry.granted = std::sync::Arc::new(serde_json::from_value(granted).unwrap());
    });
    for (target, headers, status) in [
        ("other.invalid:443", "", "403"),
        ("no-such-host.invalid:22", "", "403"),
        ("127.0.0.1:443", "", "403"),
        ("no-such-host.invalid:443", "", "502"),
        ("no-such-host.invalid", "", "400"),
        (
            "no-such-host.invalid:443",
            "authorization: Bearer wrong\r\n",
            "401",
        ),
    ] {
        let request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{headers}\r\n");
        let seen = raw(&own, request.as_bytes(), |seen| seen.contains('}')).await;
        assert_eq!(
            seen.get(9..12),
            Some(status),
            "{target} {headers:?}: {seen}"
        );
    }
}

#[tokio::test]
async fn plain_http_to_other_hosts_has_the_same_rules_and_its_authorization_is_the_hosts() {
    let mut world = world().await;
    let own = world.listen_for("notes");
    world.change("notes", |entry| {
        let granted = json!({ "network": { "hosts": ["no-such-host.invalid"] } });
        entry.granted = std::sync::Arc::new(serde_json::from_value(granted).unwrap());
    });
    let theirs = "authorization: Bearer theirs\r\n";
    for (target, headers, status) in [
        ("http://other.invalid/", "", "403"),
        ("http://no-such-host.invalid:22/", "", "403"),
        ("http://192.168.1.1/", "", "403"),
        ("http://no-such-host.invalid/feed", "", "502"),
        ("http://no-such-host.invalid/feed", theirs, "502"),
        // A path of the host's own name is the host's, elsewhere.
        ("http://no-such-host.invalid/_atek/logs", "", "502"),
        ("https://no-such-host.invalid/feed", "", "400"),
        ("http://user:secret@no-such-host.invalid/", "", "400"),
        ("http://localhost/_atek/logs", theirs, "401"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        let seen = raw(&own, request.as_bytes(), |seen| seen.contains("\r\n\r\n")).await;
        assert_eq!(
            seen.get(9..12),
            Some(status),
            "{target} {headers:?}: {seen}"
        );
    }
    // From outside of the box it is a request for a name that is not the box's.
    let request = "GET http://no-such-host.invalid/ HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let seen = raw(&world.public, request.as_bytes(), |seen| {
        seen.contains("\r\n\r\n")
    })
    .await;
    assert_eq!(seen.get(9..12), Some("421"), "{seen}");
}
