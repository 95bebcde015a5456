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
            "/_atek/ui/assets/login-",
        ),
        (
            "/_atek/login/",
            "text/html; charset=utf-8",
            "/_atek/ui/assets/login-",
        ),
        ("/_atek/ui/atek.svg", "image/svg+xml", "<svg"),
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
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let permissions = answer.header("permissions-policy").unwrap();
        assert!(permissions.contains("camera=()"), "{permissions}");
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

#[tokio::test]
async fn what_is_no_page_can_do_nothing_when_it_is_opened_as_one() {
    let world = World::new().await;
    let cookie = format!("session={ALICE}");
    let own = [("cookie", cookie.as_str())];
    for path in ["/_atek/jobs/1", "/_atek/nothing", "/_atek/bind-session"] {
        let answer = world.get(path, &own).await;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn an_apps_page_is_framed_by_the_box_alone_and_only_if_it_asks() {
    let mut world = World::new().await;
    for id in ["rss", "plain"] {
        world.service(id, "key-alice", json!([]));
    }
    let rss_port = world.listen_at_port("rss", 8101);
    world.change("rss", |entry| {
        let settings = std::sync::Arc::make_mut(&mut entry.settings);
        settings.manifest.as_mut().unwrap().frame = Some(true);
    });
    let rss = world.bound_cookie(ALICE, "rss").await;
    let by_name = format!("atek-session={rss}");
    let by_port = format!("atek-session-8101={rss}");
    let plain = format!("atek-session={}", world.bound_cookie(ALICE, "plain").await);
    let public = world.public.clone();
    for (socket, host, path, cookie, expected) in [
        (
            &public,
            "rss.localhost:8080",
            "/",
            &by_name,
            "'self' http://localhost:8080",
        ),
        (
            &public,
            "rss.atek.local",
            "/",
            &by_name,
            "'self' http://atek.local",
        ),
        (
            &public,
            "rss.atek.local",
            "/no-frames",
            &by_name,
            "'self' http://atek.local",
        ),
        (
            &rss_port,
            "192.168.1.5:8101",
            "/",
            &by_port,
            "'self' http://192.168.1.5",
        ),
        (
            &rss_port,
            "[fd00::5]:8101",
            "/",
            &by_port,
            "'self' http://[fd00::5]",
        ),
        (&public, "plain.atek.local", "/", &plain, "'self'"),
        (&public, "plain.atek.local", "/no-frames", &plain, "'none'"),
    ] {
        let headers = [("host", host), ("cookie", cookie.as_str())];
        let page = send(socket, "GET", path, &headers, "").await;
        assert_eq!(page.status, 200, "{host}");
        let policies: Vec<_> = page
            .headers
            .get_all("content-security-policy")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        let expected = format!("frame-ancestors {expected}");
        assert!(
            policies.contains(&expected.as_str()),
            "{host}{path}: {policies:?}"
        );
        // The app's own policy is kept beside it, and what a browser would ignore is not sent.
        assert_eq!(policies.contains(&"img-src 'self'"), path == "/no-frames");
        assert_eq!(page.header("x-frame-options"), None);
    }
}

#[tokio::test]
async fn an_icon_is_a_picture_and_nothing_else_and_is_not_sent_twice() {
    let world = World::new().await;
    let bearer = format!("Bearer {SYSTEM_TOKEN}");
    let known = ("authorization", bearer.as_str());
    let icon = world.get("/_atek/icon/rss", &[known]).await;
    assert_eq!(icon.status.as_u16(), 200);
    for (name, value) in [
        ("content-type", "image/svg+xml"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "private, max-age=300"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
    ] {
        assert_eq!(icon.header(name), Some(value));
    }
    let tag = icon.header("etag").unwrap();
    let again = world
        .get("/_atek/icon/rss", &[known, ("if-none-match", tag)])
        .await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    for (path, status) in [
        ("/_atek/icon/nothing", 404),
        ("/_atek/icon/", 404),
        ("/_atek/icon/../rss", 404),
    ] {
        assert_eq!(world.get(path, &[known]).await.status, status, "{path}");
    }
    assert_eq!(world.get("/_atek/icon/rss", &[]).await.status, 401);
    let picture = "/_atek/catalogue/atek/rss/pictures/one.svg";
    let shown = world.get(picture, &[known]).await;
    assert_eq!(shown.status, 200);
    let policy = shown.header("content-security-policy").unwrap();
    assert!(policy.contains("sandbox"), "{policy}");
    assert_eq!(world.get(picture, &[]).await.status, 401);
    let missing = world
        .get("/_atek/catalogue/atek/rss/other.svg", &[known])
        .await;
    assert_eq!(missing.status, 404);
}
