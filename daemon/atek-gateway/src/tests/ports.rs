//! Apps at ports of the box. A browser sends the cookies of one address to all its ports:
//! here is what a hostile app can make of that.

use super::support::client::{Answer, call_at, send};
use super::support::{ALICE, BOB, World};
use serde_json::json;
use std::path::{Path, PathBuf};

/// As a phone without name resolution asks for the app `rss`.
const RSS: (&str, &str) = ("host", "192.168.1.5:8101");
const MAIN: (&str, &str) = ("host", "192.168.1.5");

struct Box {
    world: World,
    rss: PathBuf,
    notes: PathBuf,
}

/// Two apps of alice's, at the ports 8101 and 8102.
async fn two_apps() -> Box {
    let mut world = World::new().await;
    world.service("rss", "key-alice", json!([]));
    world.service("notes", "key-alice", json!([]));
    let rss = world.listen_at_port("rss", 8101);
    let notes = world.listen_at_port("notes", 8102);
    Box { world, rss, notes }
}

async fn get(socket: &Path, target: &str, headers: &[(&str, &str)]) -> Answer {
    send(socket, "GET", target, headers, "").await
}

/// The path and query of a redirect that must lead to `origin`.
fn onward(answer: &Answer, origin: &str) -> String {
    assert_eq!(answer.status, 302, "{}", answer.text);
    let to = answer.header("location").unwrap();
    to.strip_prefix(origin)
        .unwrap_or_else(|| panic!("{to} does not begin with {origin}"))
        .to_owned()
}

#[tokio::test]
async fn one_sign_in_opens_an_app_by_address_and_port() {
    let Box { world, rss, .. } = two_apps().await;
    let first = get(&rss, "/a?b=1&c=2", &[RSS]).await;
    let bind = onward(&first, "http://192.168.1.5");
    assert!(
        bind.starts_with("/_atek/bind-session?service=rss&path=/a%3Fb%3D1%26c%3D2&at=port&nonce="),
        "{bind}"
    );
    let nonce = first.cookie();
    assert!(nonce.starts_with("atek-bind-8101="), "{nonce}");

    let to_login = world.get(&bind, &[MAIN]).await;
    let login = to_login.header("location").unwrap();
    assert!(
        login.contains("%26at%3Dport%26nonce%3D"),
        "the port survives the login: {login}"
    );

    let cookie = format!("session={ALICE}");
    let bound = world.get(&bind, &[MAIN, ("cookie", &cookie)]).await;
    let with_token = onward(&bound, "http://192.168.1.5:8101");
    let welcomed = get(&rss, &with_token, &[RSS, ("cookie", nonce)]).await;
    assert_eq!(welcomed.header("location"), Some("/a?b=1&c=2"));
    let set = welcomed.header("set-cookie").unwrap();
    assert!(
        set.starts_with("atek-session-8101=")
            && set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=7776000"),
        "{set}"
    );
    let all = format!("{cookie}; {nonce}; {}; theme=dark", welcomed.cookie());
    let page = get(&rss, "/a?b=1&c=2", &[RSS, ("cookie", &all)])
        .await
        .json();
    assert_eq!(
        page["headers"]["cookie"], "theme=dark",
        "no session reaches the app"
    );
    assert_eq!(page["headers"]["atek-auth-user"], "key-alice");
    assert_eq!(page["headers"]["host"], "192.168.1.5:8101");
}

#[tokio::test]
async fn an_app_answers_at_its_port_under_the_boxs_names_and_no_other() {
    let Box {
        world: _world, rss, ..
    } = two_apps().await;
    for (host, base) in [
        ("192.168.1.5:8101", "http://192.168.1.5/"),
        ("[fd00::5]:8101", "http://[fd00::5]/"),
        ("atek.local:8101", "http://atek.local/"),
        ("localhost:8101", "http://localhost/"),
    ] {
        let answer = get(&rss, "/", &[("host", host)]).await;
        assert!(
            answer
                .header("location")
                .unwrap_or_default()
                .starts_with(base),
            "{host}: {answer:?}"
        );
    }
    // A page that made its own name point here, and a subdomain, whose cookies are another jar's.
    for host in [
        "evil.test:8101",
        "rss.atek.local:8101",
        "notes.localhost:8101",
    ] {
        assert_eq!(
            get(&rss, "/", &[("host", host)]).await.status,
            421,
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_session_is_worth_nothing_at_another_port() {
    let Box { world, rss, notes } = two_apps().await;
    let bound = world.bound_cookie(ALICE, "rss").await;
    let right = format!("atek-session-8101={bound}");
    assert_eq!(get(&rss, "/", &[RSS, ("cookie", &right)]).await.status, 200);
    for name in ["atek-session", "atek-session-8102", "session"] {
        let cookie = format!("{name}={bound}");
        for socket in [&rss, &notes] {
            let answer = get(
                socket,
                "/",
                &[("host", "192.168.1.5:8102"), ("cookie", &cookie)],
            )
            .await;
            assert_eq!(answer.status, 302, "{name}");
        }
    }
    let main = format!("session={ALICE}; atek-session-8102={ALICE}");
    assert_eq!(
        get(&notes, "/", &[("host", "10.0.0.1:8102"), ("cookie", &main)])
            .await
            .status,
        302
    );
}

#[tokio::test]
async fn cookies_that_an_apps_script_throws_in_do_not_confuse_the_host() {
    let Box { world, rss, notes } = two_apps().await;
    let rss_bound = world.bound_cookie(ALICE, "rss").await;
    // What the page of `rss` may have set: as many as a browser keeps, before the right one.
    let junk: String = (0..180)
        .map(|n| format!("session=x{n}; atek-session-8102=y{n}; "))
        .collect();
    let main = format!("{junk}session={ALICE}");
    let whoami = r#"{"jsonrpc":"2.0","id":1,"method":"whoami"}"#;
    let answer = call_at(
        &world.public,
        "api=atek.cloud/user-sessions-api",
        whoami,
        &[MAIN, ("cookie", &main)],
    )
    .await;
    assert_eq!(
        answer.json()["result"]["caller"],
        "user key-alice",
        "{}",
        answer.text
    );

    let own = world.bound_cookie(ALICE, "notes").await;
    let cookie = format!("{junk}atek-session-8102={rss_bound}; atek-session-8102={own}");
    let page = get(
        &notes,
        "/",
        &[("host", "192.168.1.5:8102"), ("cookie", &cookie)],
    )
    .await;
    assert_eq!(page.json()["headers"]["atek-auth-user"], "key-alice");

    // Another user's session beside the right one: neither is meant for certain.
    let both = format!("session={BOB}; session={ALICE}");
    let bind = "/_atek/bind-session?service=rss&path=/&at=port";
    let answer = world.get(bind, &[MAIN, ("cookie", &both)]).await;
    assert!(answer.header("location").unwrap().contains("/_atek/login"));
    drop(rss);
}

#[tokio::test]
async fn an_app_cannot_set_the_cookies_of_the_host_or_of_another_app() {
    let Box { world, rss, .. } = two_apps().await;
    let cookie = format!(
        "atek-session-8101={}",
        world.bound_cookie(ALICE, "rss").await
    );
    let answer = get(&rss, "/hostile-cookies", &[RSS, ("cookie", &cookie)]).await;
    let set: Vec<&str> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert_eq!(set, ["atek-app-8101-sid=1; Path=/; HttpOnly", "theme=dark"]);

    let all = format!("{cookie}; atek-app-8101-sid=1; atek-app-8102-sid=2; theme=dark");
    let page = get(&rss, "/", &[RSS, ("cookie", &all)]).await.json();
    assert_eq!(page["headers"]["cookie"], "sid=1; theme=dark");
}

#[tokio::test]
async fn a_page_at_one_port_changes_nothing_at_another() {
    let Box { world, rss, notes } = two_apps().await;
    let notes_session = world.bound_cookie(ALICE, "notes").await;
    // All cookies of the address, as a browser sends them.
    let cookies = format!("session={ALICE}; atek-session-8102={notes_session}");
    let from = |origin: &'static str| [("cookie", cookies.as_str()), ("origin", origin)];
    let whoami = r#"{"jsonrpc":"2.0","id":1,"method":"whoami"}"#;
    let notes_host = ("host", "192.168.1.5:8102");
    for (origin, allowed) in [
        ("http://192.168.1.5:8101", false),
        ("http://192.168.1.5:8102", false),
        ("null", false),
        ("http://192.168.1.5", true),
    ] {
        let mut headers = from(origin).to_vec();
        headers.push(MAIN);
        let answer = call_at(
            &world.public,
            "api=atek.cloud/user-sessions-api",
            whoami,
            &headers,
        )
        .await;
        assert_eq!(
            answer.status == 200,
            allowed,
            "host from {origin}: {}",
            answer.text
        );
    }
    for (origin, allowed) in [
        ("http://192.168.1.5:8101", false),
        ("http://192.168.1.5", false),
        ("null", false),
        ("http://192.168.1.5:8102", true),
    ] {
        let mut headers = from(origin).to_vec();
        headers.push(notes_host);
        let answer = send(&notes, "POST", "/count", &headers, "body").await;
        assert_eq!(
            answer.status == 200,
            allowed,
            "notes from {origin}: {}",
            answer.text
        );
        let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
        if !allowed {
            headers.extend(upgrade);
            assert_eq!(
                get(&notes, "/socket", &headers).await.status,
                403,
                "{origin}"
            );
        }
    }
    // And no page of another origin may read what it asks for.
    let asked = [
        notes_host,
        ("origin", "http://192.168.1.5:8101"),
        ("cookie", cookies.as_str()),
    ];
    let preflight = send(&world.public, "OPTIONS", "/_atek/gateway", &asked[1..], "").await;
    assert!(preflight.header("access-control-allow-origin").is_none());
    drop(rss);
}

#[tokio::test]
async fn the_bind_flow_leads_to_a_port_of_the_record_only() {
    let Box { mut world, rss, .. } = two_apps().await;
    let alice = format!("session={ALICE}");
    let bind = |rest: &str| format!("/_atek/bind-session?service=rss&path=/{rest}");
    for rest in [
        "&at=port&port=9999",
        "&at=port&host=evil.test",
        "%40evil.test&at=port",
    ] {
        let answer = world.get(&bind(rest), &[MAIN, ("cookie", &alice)]).await;
        onward(&answer, "http://192.168.1.5:8101/");
    }
    let bob = format!("session={BOB}");
    let answer = world
        .get(&bind("&at=port"), &[MAIN, ("cookie", &bob)])
        .await;
    assert_eq!(answer.status, 400);

    // The port is another app's now; the old listener has not closed yet.
    world.change("rss", |entry| {
        std::sync::Arc::make_mut(&mut entry.settings).port = None;
    });
    let answer = world
        .get(&bind("&at=port"), &[MAIN, ("cookie", &alice)])
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(get(&rss, "/", &[RSS]).await.status, 404);
}
