//! Services' pages: subdomains and the main service.

use super::support::client::{DEADLINE, raw, send};
use super::support::service::{json_body, serve};
use super::support::{ALICE, BOB, SYSTEM_TOKEN, World};
use crate::Limits;
use atek_api::services::State;
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

const RSS: (&str, &str) = ("host", "rss.localhost:8080");

async fn world() -> World {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([]));
    world
}

#[tokio::test]
async fn scripts_without_a_session_get_an_error_and_not_a_login_page() {
    let world = world().await;
    for (method, headers, status) in [
        ("GET", vec![RSS], 302),
        ("GET", vec![RSS, ("sec-fetch-mode", "navigate")], 302),
        ("GET", vec![RSS, ("sec-fetch-mode", "cors")], 401),
        ("POST", vec![RSS], 401),
        ("OPTIONS", vec![RSS], 204),
        ("GET", vec![("host", "none.localhost")], 302),
        ("GET", vec![("host", "a.b.localhost")], 404),
    ] {
        let answer = send(&world.public, method, "/x", &headers, "").await;
        assert_eq!(answer.status.as_u16(), status, "{method} {headers:?}");
    }
}

#[tokio::test]
async fn the_hosts_token_opens_every_subdomain_and_reaches_no_service() {
    let world = world().await;
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let page = world
        .get(
            "/",
            &[RSS, ("authorization", &token), ("atek-auth-user", "bob")],
        )
        .await
        .json();
    assert_eq!(page["headers"]["atek-auth-user"], "system");
    assert_eq!(page["headers"].get("authorization"), None);
    let none = world
        .get(
            "/",
            &[("host", "none.localhost:8080"), ("authorization", &token)],
        )
        .await;
    assert_eq!(
        (none.status.as_u16(), none.text.as_str()),
        (
            404,
            "Not found: no service is currently hosted at none.localhost:8080"
        )
    );
}

#[tokio::test]
async fn a_service_cannot_touch_the_hosts_cookies_and_keeps_its_own_redirects() {
    let world = world().await;
    let cookie = format!("atek-session={}", world.bound_cookie(ALICE, "rss").await);
    let answer = world.get("/cookies", &[RSS, ("cookie", &cookie)]).await;
    let set: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(set, ["a=1"]);
    let moved = world.get("/moved", &[RSS, ("cookie", &cookie)]).await;
    assert_eq!(
        (moved.status.as_u16(), moved.header("location")),
        (302, Some("http://localhost:1/x"))
    );
}

#[tokio::test]
async fn another_services_page_cannot_use_this_ones_cookie() {
    let world = world().await;
    let cookie = format!("atek-session={}", world.bound_cookie(ALICE, "rss").await);
    for (origin, status) in [
        ("http://rss.localhost:8080", 200),
        ("http://notes.localhost:8080", 403),
        ("null", 403),
    ] {
        let answer = send(
            &world.public,
            "POST",
            "/x",
            &[RSS, ("cookie", &cookie), ("origin", origin)],
            "a",
        )
        .await;
        assert_eq!(answer.status.as_u16(), status, "{origin}");
    }
}

#[tokio::test]
async fn bodies_are_streamed_in_both_directions() {
    let world = world().await;
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let big = "x".repeat(5 << 20);
    let answer = send(
        &world.public,
        "POST",
        "/count",
        &[RSS, ("authorization", &token)],
        &big,
    )
    .await;
    assert_eq!(
        answer.text,
        big.len().to_string(),
        "larger than a JSON-RPC request may be"
    );
    let request =
        format!("GET /endless HTTP/1.1\r\nhost: rss.localhost\r\nauthorization: {token}\r\n\r\n");
    let seen = raw(&world.public, request.as_bytes(), |seen| {
        seen.matches("tick").count() > 10_000
    })
    .await;
    assert!(seen.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_service_that_fails_is_shown_as_a_page_or_as_json() {
    let mut world = world().await;
    world.declare("dead", "key-alice", json!([]));
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let dead = ("host", "dead.localhost");
    let json = world.get("/", &[dead, ("authorization", &token)]).await;
    assert_eq!(
        (json.status.as_u16(), &json.json()["error"]),
        (503, &json!(true))
    );
    let page = world
        .get(
            "/",
            &[dead, ("authorization", &token), ("accept", "text/html,*/*")],
        )
        .await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.text
            .contains("the service dead cannot be started: it was stopped"),
        "{}",
        page.text
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let crash = world.get("/crash", &[RSS, ("authorization", &token)]).await;
    assert_eq!(crash.status, 502);
    world.change("dead", |entry| entry.state = State::Failed);
    assert_eq!(
        world
            .get("/", &[dead, ("authorization", &token)])
            .await
            .status,
        503
    );
}

#[tokio::test]
async fn a_websocket_to_a_service_stays_open_until_a_side_leaves() {
    let world = world().await;
    let cookie = format!("atek-session={}", world.bound_cookie(ALICE, "rss").await);
    let handshake = format!(
        "GET /live HTTP/1.1\r\nhost: rss.localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: k\r\ncookie: {cookie}\r\norigin: http://rss.localhost\r\n\r\n"
    );
    let other = handshake.replace("origin: http://rss.localhost", "origin: http://evil.test");
    assert!(
        raw(&world.public, other.as_bytes(), |_| true)
            .await
            .starts_with("HTTP/1.1 403")
    );
    let exchange = async {
        let mut stream = tokio::net::UnixStream::connect(&world.public)
            .await
            .unwrap();
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let mut read_until = async |stream: &mut tokio::net::UnixStream, wanted: &str| {
            while !String::from_utf8_lossy(&seen).contains(wanted) {
                assert_ne!(
                    stream.read_buf(&mut seen).await.unwrap(),
                    0,
                    "{:?}",
                    String::from_utf8_lossy(&seen)
                );
            }
            String::from_utf8_lossy(&seen).into_owned()
        };
        let head = read_until(&mut stream, "}}").await;
        assert!(
            head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
            "{head}"
        );
        assert!(
            head.contains(r#""atek-auth-user":"key-alice""#) && !head.contains("atek-session"),
            "{head}"
        );
        stream.write_all(b"hello").await.unwrap();
        read_until(&mut stream, "HELLO").await;
        world.cancel.cancel();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    };
    tokio::time::timeout(DEADLINE, exchange)
        .await
        .expect("the stop of the host ends the pipe");
}

#[tokio::test]
async fn the_main_page_is_the_users_main_service_or_a_list_of_what_they_have() {
    let mut world = world().await;
    let alice = format!("session={ALICE}");
    let home = world.get("/", &[("cookie", &alice)]).await;
    assert!(
        home.text
            .contains(r#"<a href="//rss.localhost:8080/">&lt;rss&gt;</a>"#),
        "{}",
        home.text
    );
    assert!(home.text.contains("Signed in as alice"));
    let by_address = world
        .get("/", &[("cookie", &alice), ("host", "192.168.1.5:8080")])
        .await;
    assert!(
        by_address.text.contains("//rss.atek.local:8080/"),
        "{}",
        by_address.text
    );
    let bobs = world
        .get("/", &[("cookie", &format!("session={BOB}"))])
        .await;
    assert!(
        bobs.text.contains("No apps are installed yet"),
        "{}",
        bobs.text
    );
    assert_eq!(
        world.get("/elsewhere", &[("cookie", &alice)]).await.status,
        404
    );

    world.service("home", "system", json!([]));
    world.change("home", |entry| entry.core = true);
    let page = world
        .get("/any/path?x=1", &[("cookie", &format!("{alice}; mine=1"))])
        .await
        .json();
    assert_eq!(
        (&page["uri"], &page["headers"]["cookie"]),
        (&json!("/any/path?x=1"), &json!("mine=1"))
    );
    assert_eq!(page["headers"]["atek-auth-service"], "home");

    let system = world
        .get("/", &[("authorization", &format!("Bearer {SYSTEM_TOKEN}"))])
        .await;
    assert_eq!(
        (system.status.as_u16(), system.text.as_str()),
        (200, r#"{"message":"Atek online"}"#)
    );
    let anonymous = world.get("/", &[]).await;
    assert_eq!(
        (anonymous.status.as_u16(), anonymous.header("location")),
        (302, Some("/_atek/login"))
    );
}

#[tokio::test]
async fn the_sites_of_core_services_lead_to_their_pages_on_the_main_domain() {
    let mut world = World::new().await;
    for id in ["core.lonestar", "core.adb", "core.other"] {
        world.service(id, "system", json!([]));
        world.change(id, |entry| entry.core = true);
    }
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let visit = async |host: &str, target: &str, mode: &str| {
        let headers = [
            ("authorization", token.as_str()),
            ("host", host),
            ("sec-fetch-mode", mode),
        ];
        let answer = world.get(target, &headers).await;
        let location = answer.header("location").map(str::to_owned);
        (answer.status.as_u16(), location)
    };
    for (host, target, mode, expected) in [
        (
            "core.lonestar.localhost:8080",
            "/p/apps?x=1",
            "navigate",
            (302, Some("http://localhost:8080/p/apps?x=1")),
        ),
        (
            "core.adb.localhost:8080",
            "/",
            "navigate",
            (302, Some("http://localhost:8080/p/databases")),
        ),
        ("core.adb.localhost:8080", "/", "cors", (200, None)),
        ("core.other.localhost:8080", "/", "navigate", (200, None)),
    ] {
        let (status, location) = visit(host, target, mode).await;
        assert_eq!((status, location.as_deref()), expected, "{host}{target}");
    }
}

#[tokio::test]
async fn a_home_of_the_persons_own_is_opened_at_its_own_site_and_never_on_the_main_domain() {
    let mut world = World::new().await;
    world.service("home", "key-alice", json!([]));
    let alice = format!("session={ALICE}");
    for (host, path, to) in [
        ("localhost:8080", "/", "http://home.localhost:8080/"),
        ("localhost", "/a/b?c=d", "http://home.localhost/a/b?c=d"),
        ("192.168.1.5:8080", "/", "http://home.atek.local:8080/"),
        (
            "localhost",
            "//evil.test/",
            "http://home.localhost/evil.test/",
        ),
    ] {
        let answer = world.get(path, &[("cookie", &alice), ("host", host)]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (302, Some(to)),
            "{host}{path}"
        );
    }
    let script = [("cookie", alice.as_str()), ("sec-fetch-mode", "cors")];
    assert_eq!(world.get("/_api", &script).await.status, 404);
    // Bob's setting names the same app, which is another user's.
    let bob = [("cookie", "session=bob-cookie")];
    let own = world.get("/", &bob).await;
    assert!(own.text.contains("Signed in as bob"), "{}", own.text);
    // The built-in home has its pages and their files where they were.
    world.service("core.lonestar", "system", json!([]));
    world.change("core.lonestar", |entry| entry.core = true);
    for (path, mode) in [
        ("/p/databases", "navigate"),
        ("/app/rss", "navigate"),
        ("/assets/page.js", "no-cors"),
    ] {
        let answer = world
            .get(path, &[("cookie", &alice), ("sec-fetch-mode", mode)])
            .await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.json()["headers"]["atek-auth-service"],
            "core.lonestar",
            "{path}"
        );
    }
    for path in ["/pages", "/apps/rss"] {
        let answer = world.get(path, &[("cookie", &alice)]).await;
        assert_eq!(answer.status, 302, "{path}");
    }
}

#[tokio::test]
async fn requests_in_flight_are_answered_before_the_gateway_stops() {
    let mut world = World::with(Limits {
        grace: DEADLINE,
        ..Limits::default()
    })
    .await;
    world.declare("rss", "key-alice", json!([]));
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (news, word) = (arrived.clone(), go_on.clone());
    serve(&world.socket("rss"), move |_| {
        let (news, word) = (news.clone(), word.clone());
        async move {
            news.notify_one();
            word.notified().await;
            json_body(&json!("late"))
        }
    });
    let token = format!("Bearer {SYSTEM_TOKEN}");
    let headers = [RSS, ("authorization", token.as_str())];
    let answering = send(&world.public, "GET", "/", &headers, "");
    let stopping = async {
        arrived.notified().await;
        world.cancel.cancel();
        let until = tokio::time::Instant::now() + DEADLINE;
        while tokio::net::UnixStream::connect(&world.public).await.is_ok() {
            assert!(tokio::time::Instant::now() < until, "it still listens");
            tokio::task::yield_now().await;
        }
        go_on.notify_one();
    };
    let (answer, ()) = tokio::join!(answering, stopping);
    assert_eq!(answer.json(), "late");
}

#[tokio::test]
async fn cookies_that_no_app_can_read_are_removed_instead_of_locking_the_browser_out() {
    let world = world().await;
    let bound = world.bound_cookie(ALICE, "rss").await;
    let junk: String = (0..20)
        .map(|nth| format!("junk{nth}={}; ", "x".repeat(4_000)))
        .collect();
    let cookies = format!("{junk}atek-session={bound}");
    let page = world.get("/a/b", &[RSS, ("cookie", &cookies)]).await;
    assert_eq!(page.status, 431);
    assert!(page.text.contains("Reload this page"), "{}", page.text);
    let removed: Vec<&str> = page
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    for expected in [
        "junk19=; Path=/; Max-Age=0",
        "junk19=; Path=/a; Max-Age=0",
        "junk19=; Path=/; Max-Age=0; Domain=localhost",
    ] {
        assert!(removed.contains(&expected), "{expected}: {removed:?}");
    }
    assert!(!removed.iter().any(|set| set.starts_with("atek-session")));
    let script = [
        RSS,
        ("cookie", cookies.as_str()),
        ("sec-fetch-mode", "cors"),
    ];
    assert_eq!(world.get("/a", &script).await.status, 431);

    // The main domain needs only its own cookie.
    let main = format!("{junk}session={ALICE}");
    let whoami = r#"{"jsonrpc":"2.0","id":1,"method":"whoami"}"#;
    let query = "api=atek.cloud/user-sessions-api";
    let answer = world.call_with(query, whoami, &[("cookie", &main)]).await;
    assert_eq!(answer.json()["result"]["caller"], "user key-alice");
}

#[tokio::test]
async fn a_cookie_with_bytes_beyond_ascii_locks_no_browser_out() {
    let world = world().await;
    let bound = world.bound_cookie(ALICE, "rss").await;
    let mut request = b"GET /a HTTP/1.1\r\nhost: rss.localhost\r\ncookie: junk=\xff\xe4; ".to_vec();
    request
        .extend_from_slice(format!("atek-session={bound}\r\nconnection: close\r\n\r\n").as_bytes());
    let seen = raw(&world.public, &request, |_| false).await;
    assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
}

#[tokio::test]
async fn a_home_at_its_own_site_can_ask_who_is_signed_in_and_sign_out_and_call_nothing_else() {
    let mut world = World::new().await;
    world.service("home", "key-alice", json!([]));
    world.service("rss", "key-alice", json!([]));
    let call = |method: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": method }).to_string();
    let own = world.bound_cookie(ALICE, "home").await;
    let own = format!("atek-session={own}");
    let ask = async |host: &'static str, cookie: &str, api: &str, method: &str| {
        let headers = [
            ("host", host),
            ("cookie", cookie),
            ("content-type", "application/json"),
        ];
        let path = format!("/_atek/gateway?api={api}");
        send(&world.public, "POST", &path, &headers, &call(method)).await
    };
    let sessions = "atek.cloud/user-sessions-api";
    let whoami = ask("home.localhost", &own, sessions, "whoami").await;
    assert_eq!(whoami.json()["result"]["caller"], "user key-alice");
    for method in ["login", "list", "revoke"] {
        let answer = ask("home.localhost", &own, sessions, method).await;
        assert_eq!(answer.status, 403, "{method}");
    }
    // Any other API, and any other app, is the app's own business: the host answers nothing.
    let api = ask("home.localhost", &own, "atek.cloud/test-api", "whoami").await;
    assert!(!api.text.contains("user key-alice"), "{}", api.text);
    let rss = format!("atek-session={}", world.bound_cookie(ALICE, "rss").await);
    let other = ask("rss.localhost", &rss, sessions, "whoami").await;
    assert!(!other.text.contains("user key-alice"), "{}", other.text);
    let login = world
        .get(
            "/_atek/login",
            &[("host", "home.localhost:8080"), ("cookie", &own)],
        )
        .await;
    assert_eq!(
        login.header("location"),
        Some("http://localhost:8080/_atek/login")
    );
}
