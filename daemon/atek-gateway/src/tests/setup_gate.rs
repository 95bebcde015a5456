//! A box without an owner.

use super::support::client::{Answer, send};
use super::support::{BOB, SYSTEM_TOKEN, World};
use crate::Limits;
use atek_host_model::listener::Origin;
use serde_json::json;

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

async fn setup_gate(users: &'static [&'static str]) -> World {
    let mut world = World::inhabited(Limits::default(), users).await;
    world.service("rss", "system", json!([{ "api": "example.org/test" }]));
    world
}

fn leads_to_setup(answer: &Answer, base: &str) {
    assert_eq!(answer.status, 302, "{}", answer.text);
    assert_eq!(
        answer.header("location"),
        Some(format!("{base}/_atek/setup/").as_str())
    );
    assert_eq!(
        answer.header("cache-control"),
        Some("no-store"),
        "the next answer is another one"
    );
}

fn call(method: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] }).to_string()
}

#[tokio::test]
async fn every_page_of_every_name_and_port_leads_to_setup() {
    let world = setup_gate(&[]).await;
    for host in [
        "localhost",
        "localhost:8080",
        "atek.local",
        "192.168.1.5",
        "192.168.1.5:8080",
        "[fe80::1]",
    ] {
        for path in [
            "/",
            "/x?y=1",
            "/_atek/login",
            "/_atek/login/",
            "/_atek/logs",
        ] {
            let answer = world.get(path, &[BROWSER, ("host", host)]).await;
            leads_to_setup(&answer, "");
        }
    }
    for (host, base) in [
        ("rss.localhost:8080", "http://localhost:8080"),
        ("rss.atek.local", "http://atek.local"),
        ("none.localhost", "http://localhost"),
    ] {
        let answer = world.get("/p?bst=1", &[BROWSER, ("host", host)]).await;
        leads_to_setup(&answer, base);
    }
    let stale = [BROWSER, ("cookie", "session=of-another-box")];
    leads_to_setup(&world.get("/", &stale).await, "");
    let evil = world.get("/", &[BROWSER, ("host", "evil.test")]).await;
    assert_eq!(evil.status, 421, "no name but the box's own");
}

#[tokio::test]
async fn what_is_no_page_is_told_what_to_do() {
    let world = setup_gate(&[]).await;
    let script = ("sec-fetch-mode", "cors");
    for (method, path, headers) in [
        ("GET", "/", &[][..]),
        ("GET", "/", &[BROWSER, script]),
        ("POST", "/", &[BROWSER]),
        ("GET", "/_atek/logs?service=rss", &[]),
        ("GET", "/", &[("host", "rss.localhost")]),
        ("GET", "/_atek/gateway/x?api=example.org/test", &[]),
    ] {
        let answer = send(&world.public, method, path, headers, "").await;
        assert_eq!(answer.status, 503, "{method} {path}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("open its address in a browser"),
            "{message}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn setup_and_whoami_are_answered_and_nothing_else() {
    let world = setup_gate(&[]).await;
    for (api, method, status) in [
        ("atek.cloud/setup-api", "status", 200),
        ("atek.cloud/user-sessions-api", "whoami", 200),
        ("atek.cloud/user-sessions-api", "login", 503),
        ("atek.cloud/user-sessions-api", "listSessions", 401),
        ("atek.cloud/test-api", "whoami", 503),
        ("example.org/test", "hello", 503),
    ] {
        let answer = world
            .call_with(&format!("api={api}"), &call(method), &[])
            .await;
        assert_eq!(answer.status.as_u16(), status, "{api} {method}");
    }
    let foreign = world
        .call_with(
            "api=atek.cloud/setup-api",
            &call("status"),
            &[("origin", "http://evil.test")],
        )
        .await;
    assert_eq!(foreign.status, 403, "a page of another site");
    let page = world.get("/_atek/setup/", &[BROWSER]).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    for file in ["/_atek/ui/atek.svg", "/_atek/js/rpc.js"] {
        assert_eq!(world.get(file, &[]).await.status, 200, "{file}");
    }
}

#[tokio::test]
async fn the_host_itself_and_services_are_not_held_up() {
    let world = setup_gate(&[]).await;
    let answer = world
        .call("api=atek.cloud/test-api", &call("whoami"))
        .await
        .json();
    assert_eq!(answer["result"]["caller"], "system");
    let control = world.socket("control");
    world.listen(&control, Origin::Control);
    assert_eq!(send(&control, "GET", "/", &[], "").await.status, 200);
    let own = world.listen_for("rss");
    let token = [
        ("authorization", "Bearer rss-token"),
        ("content-type", "application/json"),
    ];
    let path = "/_atek/gateway?api=atek.cloud/test-api";
    let answer = send(&own, "POST", path, &token, &call("whoami"))
        .await
        .json();
    assert_eq!(answer["result"]["caller"], "service rss");
    let bearer = format!("Bearer {SYSTEM_TOKEN}");
    let page = [("host", "rss.localhost"), ("authorization", &*bearer)];
    assert_eq!(world.get("/", &page).await.status, 200);
}

#[tokio::test]
async fn users_who_are_no_administrators_can_sign_in_and_the_box_still_waits_for_its_owner() {
    let world = setup_gate(&["bob"]).await;
    leads_to_setup(&world.get("/", &[BROWSER]).await, "");
    assert_eq!(world.get("/_atek/login/", &[BROWSER]).await.status, 200);
    let login = world
        .call_with("api=atek.cloud/user-sessions-api", &call("login"), &[])
        .await;
    assert_eq!(login.status, 200);
    let cookie = format!("session={BOB}");
    let own = world.get("/", &[BROWSER, ("cookie", &cookie)]).await;
    assert_eq!(own.status, 200, "{}", own.text);
}

#[tokio::test]
async fn a_claimed_box_has_no_setup_page() {
    let world = World::new().await;
    for path in ["/_atek/setup", "/_atek/setup/"] {
        let answer = world.get(path, &[BROWSER]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (302, Some("/"))
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let status = world
        .call_with("api=atek.cloud/setup-api", &call("status"), &[])
        .await;
    assert_eq!(status.status, 200);
}
