//! Pages of other sites: they can neither act with a person's cookies nor pretend to be the box.

use super::support::client::send;
use super::support::{ALICE, World};
use serde_json::json;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"whoami"}"#;
const GATEWAY: &str = "/_atek/gateway?api=atek.cloud/user-sessions-api";

async fn world() -> World {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([]));
    world
}

#[tokio::test]
async fn a_name_that_was_rebound_to_the_box_reaches_nothing_of_it() {
    let world = world().await;
    let cookie = format!("session={ALICE}");
    for host in [
        "evil.test",
        "evil.test:8080",
        "localhost.evil.test",
        "rss.evil.test",
    ] {
        for (method, path, body) in [
            ("GET", "/", ""),
            ("GET", "/_atek/login/", ""),
            ("GET", "/_atek/setup/", ""),
            ("GET", "/_atek/ui/atek.svg", ""),
            ("GET", "/_atek/logs?service=rss", ""),
            ("POST", GATEWAY, CALL),
        ] {
            let origin = format!("http://{host}");
            let headers = [
                ("host", host),
                ("origin", &*origin),
                ("cookie", &*cookie),
                ("content-type", "application/json"),
            ];
            let answer = send(&world.public, method, path, &headers, body).await;
            assert_eq!(answer.status, 421, "{method} {host}{path}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_with_a_persons_cookies() {
    let world = world().await;
    let main = format!("session={ALICE}");
    let bound = format!("atek-session={}", world.bound_cookie(ALICE, "rss").await);
    let app = "rss.localhost:8080";
    for (host, cookie, path, own) in [
        ("localhost:8080", &main, GATEWAY, "http://localhost:8080"),
        (app, &bound, "/anything", "http://rss.localhost:8080"),
    ] {
        for (name, value, status) in [
            ("origin", "http://evil.test", 403),
            ("origin", "null", 403),
            // Another app, and another port, are other sites too.
            ("origin", "http://notes.localhost:8080", 403),
            ("origin", "http://localhost:8101", 403),
            ("sec-fetch-site", "cross-site", 403),
            ("sec-fetch-site", "same-site", 403),
            ("origin", own, 200),
        ] {
            let headers = [
                ("host", host),
                ("cookie", cookie.as_str()),
                ("content-type", "application/json"),
                (name, value),
            ];
            let body = if host == app { "" } else { CALL };
            let answer = send(&world.public, "POST", path, &headers, body).await;
            let got = answer.status.as_u16();
            // The test's app knows no such call; that it was asked is what counts.
            assert!(
                got == status || (status == 200 && got != 403),
                "{host} {name}: {value}: {got}"
            );
        }
    }
}

#[tokio::test]
async fn a_form_of_another_site_cannot_call_even_without_an_origin() {
    let world = world().await;
    let cookie = format!("session={ALICE}");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let headers = [("cookie", &*cookie), ("content-type", kind)];
        let answer = send(&world.public, "POST", GATEWAY, &headers, CALL).await;
        assert_eq!(answer.status, 415, "{kind}");
    }
}
