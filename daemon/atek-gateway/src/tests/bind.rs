//! How a session comes to a subdomain.

use super::support::client::Answer;
use super::support::{ALICE, BOB, World};
use serde_json::json;

const RSS: (&str, &str) = ("host", "rss.localhost:8080");

async fn world() -> World {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([]));
    world
}

#[tokio::test]
async fn the_bind_flow_carries_a_session_to_a_subdomain() {
    let world = world().await;
    let first = world.get("/a%20b?x=1&y=2", &[RSS]).await;
    assert_eq!(first.status, 302);
    let to = first.header("location").unwrap();
    let (to_the_host, hash) = to.split_once("&nonce=").unwrap();
    assert_eq!(
        to_the_host,
        "http://localhost:8080/_atek/bind-session?service=rss&path=/a%2520b%3Fx%3D1%26y%3D2"
    );
    let set = first.header("set-cookie").unwrap();
    assert!(
        set.starts_with("atek-bind=")
            && set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=1800"),
        "{set}"
    );
    let nonce = first.cookie();
    assert!(!to.contains(nonce.split_once('=').unwrap().1));
    let bind = to.strip_prefix("http://localhost:8080").unwrap();

    let to_login = world.get(bind, &[]).await;
    let login = to_login.header("location").unwrap();
    assert!(
        login.starts_with("/_atek/login?redirect=/_atek/bind-session%3Fservice%3Drss")
            && login.ends_with(&format!("%26nonce%3D{hash}")),
        "{login}"
    );

    let cookie = format!("session={ALICE}");
    let bound = world.get(bind, &[("cookie", &cookie)]).await;
    let to = bound.header("location").unwrap();
    let with_token = to.strip_prefix("http://rss.localhost:8080").unwrap();
    assert!(
        with_token.starts_with("/a%20b?x=1&y=2&bst="),
        "{with_token}"
    );

    let welcomed = world.get(with_token, &[RSS, ("cookie", nonce)]).await;
    assert_eq!(
        (welcomed.status.as_u16(), welcomed.header("location")),
        (302, Some("/a%20b?x=1&y=2"))
    );
    let set = welcomed.header("set-cookie").unwrap();
    assert!(
        set.starts_with("atek-session=")
            && set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=7776000"),
        "{set}"
    );
    let mut sets = welcomed.headers.get_all("set-cookie").iter();
    assert_eq!(
        sets.next_back().unwrap(),
        "atek-bind=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    );
    let own = format!("theme=dark; {nonce}; {}", welcomed.cookie());

    let page = world
        .get("/a%20b?x=1&y=2", &[RSS, ("cookie", &own)])
        .await
        .json();
    assert_eq!(page["uri"], "/a%20b?x=1&y=2");
    assert_eq!(
        page["headers"]["cookie"], "theme=dark",
        "hole 3: the host's cookie stays here"
    );
    assert_eq!(page["headers"]["atek-auth-user"], "key-alice");
    assert_eq!(page["headers"]["atek-auth-service"], "rss");
    assert_eq!(page["headers"]["host"], "rss.localhost:8080");

    let again = world.get(with_token, &[RSS, ("cookie", nonce)]).await;
    assert!(
        again.header("location").unwrap().contains("bind-session"),
        "a token works once"
    );
    let stripped = world.get(with_token, &[RSS, ("cookie", &own)]).await;
    assert_eq!(
        stripped.header("location"),
        Some("/a%20b?x=1&y=2"),
        "a service never sees a token"
    );
}

#[tokio::test]
async fn a_session_is_bound_only_to_what_its_user_may_visit() {
    let world = world().await;
    let bob = format!("session={BOB}");
    for (target, cookie) in [
        ("/_atek/bind-session?service=rss&path=/", bob.as_str()),
        ("/_atek/bind-session?service=none&path=/", bob.as_str()),
        ("/_atek/bind-session?service=../x&path=/", bob.as_str()),
        ("/_atek/bind-session", ""),
    ] {
        let answer = world.get(target, &[("cookie", cookie)]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text.as_str()),
            (400, r#"{"error":"Not authorized"}"#),
            "{target}"
        );
    }
    let alice = format!("session={ALICE}");
    for path in [
        "//evil.test",
        "http://evil.test/",
        "/%5Cevil.test",
        "@evil.test",
    ] {
        let nonce = "0".repeat(64);
        let answer = world
            .get(
                &format!("/_atek/bind-session?service=rss&path={path}&nonce={nonce}"),
                &[("cookie", &alice)],
            )
            .await;
        let to = answer.header("location").unwrap();
        assert!(
            to.starts_with("http://rss.localhost:8080/?bst="),
            "{path}: {to}"
        );
    }
}

#[tokio::test]
async fn a_session_of_one_subdomain_is_worth_nothing_at_another() {
    let mut world = world().await;
    world.service("notes", "key-alice", json!([]));
    let cookie = format!("atek-session={}", world.bound_cookie(ALICE, "rss").await);
    assert_eq!(
        world.get("/", &[RSS, ("cookie", &cookie)]).await.status,
        200
    );
    assert_eq!(
        world
            .get("/", &[("host", "notes.localhost"), ("cookie", &cookie)])
            .await
            .status,
        302
    );
    let as_main = cookie.replace("atek-session", "session");
    assert_eq!(world.get("/", &[("cookie", &as_main)]).await.status, 302);
}

#[tokio::test]
async fn a_link_with_somebody_elses_token_signed_a_visitor_in_as_him() {
    let world = world().await;
    // Alice begins the flow in her browser, and sends the link of its last step to a visitor.
    let first = world.get("/", &[RSS]).await;
    let own = first.cookie();
    let bind = |from: &str| {
        from.strip_prefix("http://localhost:8080")
            .unwrap()
            .to_owned()
    };
    let bind = bind(first.header("location").unwrap());
    let alice = format!("session={ALICE}");
    let link = async || {
        let bound = world.get(&bind, &[("cookie", &alice)]).await;
        let to = bound.header("location").unwrap();
        to.strip_prefix("http://rss.localhost:8080")
            .unwrap()
            .to_owned()
    };
    let other = format!("atek-bind={}", "0".repeat(32));
    for cookies in ["theme=dark", other.as_str(), "atek-bind="] {
        let opened = world.get(&link().await, &[RSS, ("cookie", cookies)]).await;
        let set: Vec<_> = opened.headers.get_all("set-cookie").iter().collect();
        assert!(
            set.len() == 1 && set[0].to_str().unwrap().starts_with("atek-bind="),
            "{cookies}: {set:?}"
        );
        assert!(
            opened
                .header("location")
                .unwrap()
                .contains("/_atek/bind-session?"),
            "{cookies}: it begins again, as the person who is signed in there"
        );
    }
    let opened = world.get(&link().await, &[RSS, ("cookie", own)]).await;
    assert!(
        opened.cookie().starts_with("atek-session="),
        "in her own it works"
    );
}

#[tokio::test]
async fn a_flow_that_began_elsewhere_begins_at_the_app() {
    let world = world().await;
    let alice = format!("session={ALICE}");
    for nonce in ["", "&nonce=", "&nonce=x"] {
        let bind = format!("/_atek/bind-session?service=rss&path=/a%3Fb%3D1{nonce}");
        let answer = world.get(&bind, &[("cookie", &alice)]).await;
        assert_eq!(
            answer.header("location"),
            Some("http://rss.localhost:8080/a?b=1"),
            "{nonce}"
        );
    }
}

#[tokio::test]
async fn two_tabs_that_open_an_app_share_the_nonce() {
    let world = world().await;
    let first = world.get("/", &[RSS]).await;
    let second = world.get("/b", &[RSS, ("cookie", first.cookie())]).await;
    assert_eq!(second.cookie(), first.cookie());
}

const HTML: (&str, &str) = ("accept", "text/html");

/// The last step of the flow for alice, in a browser with these cookies.
async fn last_step(world: &World, cookies: &str) -> Answer {
    let first = world.get("/a?b=1", &[RSS, HTML]).await;
    let nonce = first.cookie().to_owned();
    let bind = first.header("location").unwrap();
    let bind = bind.strip_prefix("http://localhost:8080").unwrap();
    let alice = format!("session={ALICE}");
    let bound = world.get(bind, &[("cookie", &alice)]).await;
    let to = bound.header("location").unwrap();
    let to = to.strip_prefix("http://rss.localhost:8080").unwrap();
    let cookies = format!("{nonce}; {cookies}");
    world.get(to, &[RSS, HTML, ("cookie", &cookies)]).await
}

#[tokio::test]
async fn a_new_app_read_what_a_browser_stored_for_the_one_that_had_its_name_before() {
    let world = world().await;
    let own = "atek-owner=rss";
    for (cookies, is_cleaned) in [
        ("theme=dark", true),
        ("atek-owner=key-of-another; theme=dark", true),
        (&format!("{own}; atek-owner=key-of-another"), true),
        (&format!("{own}; theme=dark"), false),
    ] {
        let answer = last_step(&world, cookies).await;
        let set: Vec<&str> = answer
            .headers
            .get_all("set-cookie")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        assert!(
            set.iter().any(|set| set.starts_with("atek-session=")),
            "{cookies}: {set:?}"
        );
        assert!(
            set.iter().any(|set| set.starts_with(&format!("{own};"))),
            "{cookies}: {set:?}"
        );
        if !is_cleaned {
            assert_eq!(
                (answer.status.as_u16(), answer.header("location")),
                (302, Some("/a?b=1"))
            );
            assert_eq!(set.len(), 3, "{set:?}");
            continue;
        }
        assert_eq!(answer.status, 200, "{cookies}");
        assert_eq!(
            answer.header("clear-site-data"),
            Some(r#""cache", "storage""#)
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(
            answer.text.contains(r#"data-to="/a?b=1""#),
            "{}",
            answer.text
        );
        if cookies.contains("theme") {
            assert!(set.contains(&"theme=; Path=/; Max-Age=0"), "{set:?}");
        }
    }
    let page = world.get("/", &[RSS, HTML]).await;
    assert_eq!(page.status, 302, "no page without a token");
}

#[tokio::test]
async fn a_service_worker_of_an_app_that_is_gone_stayed_in_the_browser() {
    let world = world().await;
    let own = "atek-owner=rss";
    let script = ("service-worker", "script");
    for (host, cookie) in [
        ("rss.localhost:8080", "atek-owner=key-of-another"),
        ("rss.localhost:8080", ""),
        ("gone.localhost:8080", "atek-owner=key-of-another"),
    ] {
        let answer = world
            .get("/sw.js", &[("host", host), script, ("cookie", cookie)])
            .await;
        assert_eq!(answer.status, 200, "{host} {cookie}");
        assert!(
            answer.text.contains("registration.unregister()"),
            "{}",
            answer.text
        );
        assert_eq!(
            answer.header("content-type"),
            Some("text/javascript; charset=utf-8")
        );
    }
    // The app's own keeps what it has until its person signs in again.
    let signed_out = world.get("/sw.js", &[RSS, script, ("cookie", own)]).await;
    assert_eq!(signed_out.status, 302);
}
