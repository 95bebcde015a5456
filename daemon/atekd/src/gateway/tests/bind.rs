//! How a session comes to a subdomain.

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
    assert_eq!(
        to,
        "http://localhost:8080/_atek/bind-session?service=rss&path=/a%2520b%3Fx%3D1%26y%3D2"
    );
    let bind = to.strip_prefix("http://localhost:8080").unwrap();

    let to_login = world.get(bind, &[]).await;
    let login = to_login.header("location").unwrap();
    assert!(
        login.starts_with(
            "http://localhost:8080/_atek/login?redirect=/_atek/bind-session%3Fservice%3Drss"
        ),
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

    let welcomed = world.get(with_token, &[RSS]).await;
    assert_eq!(
        (welcomed.status.as_u16(), welcomed.header("location")),
        (302, Some("/a%20b?x=1&y=2"))
    );
    let set = welcomed.header("set-cookie").unwrap();
    assert!(
        set.starts_with("atek-session=") && set.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{set}"
    );
    let own = format!("theme=dark; {}", set.split(';').next().unwrap());

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

    let again = world.get(with_token, &[RSS]).await;
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
        let answer = world
            .get(
                &format!("/_atek/bind-session?service=rss&path={path}"),
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
