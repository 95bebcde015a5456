//! The host's own paths.

use super::support::client::{raw, send};
use super::support::{ALICE, SYSTEM_TOKEN, World};
use serde_json::json;

#[tokio::test]
async fn the_login_page_and_its_files_are_there_for_everybody() {
    let world = World::new().await;
    for (path, kind, part) in [
        (
            "/_atek/login",
            "text/html; charset=utf-8",
            "Sign in to Atek",
        ),
        (
            "/_atek/login/",
            "text/html; charset=utf-8",
            "<label for=\"password\">",
        ),
        (
            "/_atek/login/login.js",
            "text/javascript; charset=utf-8",
            "user-sessions-api",
        ),
        (
            "/_atek/login/home.js",
            "text/javascript; charset=utf-8",
            "logout",
        ),
        ("/_atek/login/atek.css", "text/css; charset=utf-8", "main"),
        (
            "/_atek/js/rpc.js",
            "text/javascript; charset=utf-8",
            "export function create",
        ),
    ] {
        let answer = world.get(path, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, Some(kind)),
            "{path}"
        );
        assert!(answer.text.contains(part), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            Some("same-origin")
        );
    }
    let page = world.get("/_atek/login", &[]).await.text;
    assert!(
        !page.contains("<script>") && !page.contains("style=") && !page.contains("onclick"),
        "nothing inline"
    );
}

#[tokio::test]
async fn other_paths_and_methods_of_the_host_are_refused_in_json() {
    let world = World::new().await;
    for (method, path, status) in [
        ("GET", "/_atek/", 404),
        ("GET", "/_atek", 404),
        ("GET", "/_atek/nothing", 404),
        ("GET", "/_atek/login/../x", 404),
        ("POST", "/_atek/login", 405),
        ("DELETE", "/_atek/bind-session", 405),
        ("GET", "/_atek/gateway", 401),
    ] {
        let answer = send(&world.public, method, path, &[], "").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (status, &json!(true)),
            "{method} {path}"
        );
    }
    let head = send(&world.public, "HEAD", "/_atek/login", &[], "").await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn logs_and_jobs_come_as_lines() {
    let world = World::new().await;
    let cookie = format!("session={ALICE}");
    let own = [("cookie", cookie.as_str())];
    let answer = world.get("/_atek/logs?service=rss", &own).await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(
        answer.text,
        "{\"caller\":\"user key-alice\",\"follow\":false}\n"
    );
    assert_eq!(
        world.get("/_atek/jobs/1", &own).await.text,
        "{\"event\":\"done\"}\n"
    );
    for (target, headers, status) in [
        ("/_atek/logs?service=rss", &[][..], 401),
        ("/_atek/jobs/1", &[], 401),
        ("/_atek/logs?service=other", &own, 403),
        ("/_atek/logs", &own, 400),
        ("/_atek/logs?service=rss&lines=x", &own, 400),
        ("/_atek/jobs/2", &own, 403),
    ] {
        assert_eq!(
            world.get(target, headers).await.status.as_u16(),
            status,
            "{target}"
        );
    }
}

#[tokio::test]
async fn whoever_follows_a_log_does_not_hold_up_the_stop() {
    let world = World::new().await;
    let request = format!(
        "GET /_atek/logs?service=rss&follow=1 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {SYSTEM_TOKEN}\r\n\r\n"
    );
    let cancel = world.cancel.clone();
    let seen = raw(&world.public, request.as_bytes(), move |seen| {
        if seen.contains("follow") {
            cancel.cancel();
        }
        false
    })
    .await;
    assert!(
        seen.ends_with("0\r\n\r\n"),
        "the stream ends as it should: {seen}"
    );
}
