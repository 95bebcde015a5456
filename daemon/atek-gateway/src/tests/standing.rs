//! Every state of a service at its own address: for who looks after it, who only uses it, who may
//! not open it, and who is not signed in.

use super::support::client::{Answer, send};
use super::support::{World, user};
use crate::Limits;
use atek_api::grants::Level;
use atek_api::services::State;
use atek_host_model::directory::Entry;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const NEWS: (&str, &str) = ("host", "news.localhost:8080");
const HTML: (&str, &str) = ("accept", "text/html,*/*");

struct Row {
    state: State,
    reason: Option<&'static str>,
    failure: Option<&'static str>,
    is_updated: bool,
    /// The page's title.
    says: &'static str,
    /// What only who may read the log is told.
    why: Option<&'static str>,
    has_log: bool,
}

const fn row(state: State, says: &'static str) -> Row {
    Row {
        state,
        reason: None,
        failure: None,
        is_updated: false,
        says,
        why: None,
        has_log: false,
    }
}

fn failed(state: State, failure: &'static str, says: &'static str) -> Row {
    Row {
        failure: Some(failure),
        why: Some(failure),
        has_log: true,
        ..row(state, says)
    }
}

/// A service that does not run, in every way.
fn rows() -> Vec<Row> {
    const FAILING: &str = "&lt;news&gt; keeps failing";
    const FAILED: &str = "&lt;news&gt; does not work";
    const UPDATED: &str = "&lt;news&gt; is being updated";
    let updated = |state| Row {
        is_updated: true,
        // How the version on trial fails is told where the update is.
        failure: Some("exit code 9"),
        ..row(state, UPDATED)
    };
    vec![
        row(State::Starting, "&lt;news&gt; is starting"),
        // A crash loop: systemd waits, and then the next process has not answered yet.
        failed(State::Restarting, "exit code 3", FAILING),
        failed(State::Starting, "exit code 3", FAILING),
        failed(
            State::Restarting,
            "killed by the kernel: out of memory (limit 256 MiB)",
            FAILING,
        ),
        failed(
            State::Failed,
            "exit code 3; given up after 10 starts",
            FAILED,
        ),
        failed(
            State::Failed,
            "did not listen on port 8080 within 30 s",
            FAILED,
        ),
        failed(
            State::Failed,
            "answered its health check /health with 500 and did not become ready",
            FAILED,
        ),
        row(State::Stopped, "&lt;news&gt; is stopped"),
        Row {
            reason: Some("ended by itself"),
            why: Some("ended by itself"),
            has_log: true,
            ..row(State::Stopped, "&lt;news&gt; is stopped")
        },
        Row {
            reason: Some("its package is not there"),
            why: Some("its package is not there"),
            ..row(State::Unavailable, "&lt;news&gt; cannot run on this box")
        },
        updated(State::Starting),
        updated(State::Failed),
    ]
}

/// Bob's app, which he shares with carol; alice is an administrator, and dave has nothing to do
/// with it.
async fn world() -> World {
    let mut world = World::inhabited(Limits::default(), &["alice", "bob", "carol", "dave"]).await;
    world.service("news", "key-bob", json!([]));
    world.change("news", |entry| {
        Arc::make_mut(&mut entry.shares).add(&user("carol"), Level::Use);
    });
    world
}

fn become_(entry: &mut Entry, row: &Row) {
    entry.state = row.state;
    entry.reason = row.reason.map(str::to_owned);
    entry.failure = row.failure.map(str::to_owned);
    entry.is_updated = row.is_updated;
}

async fn cookie(world: &World, name: &str) -> String {
    let bound = world.bound_cookie(&format!("{name}-cookie"), "news").await;
    format!("atek-session={bound}")
}

async fn open(world: &World, cookie: &str) -> Answer {
    world.get("/", &[NEWS, HTML, ("cookie", cookie)]).await
}

/// What the page's own script asks.
async fn watch(world: &World, cookie: &str) -> Answer {
    let headers = [
        NEWS,
        ("cookie", cookie),
        ("atek-watch", "1"),
        ("accept", "*/*"),
    ];
    send(&world.public, "HEAD", "/", &headers, "").await
}

#[tokio::test]
async fn every_state_says_what_it_is_to_those_who_may_know_it() {
    let mut world = world().await;
    let mut cookies = Vec::new();
    for name in ["bob", "alice", "carol", "dave"] {
        cookies.push((name, cookie(&world, name).await));
    }
    for row in rows() {
        world.change("news", |entry| become_(entry, &row));
        let told = format!("{:?} {:?} {:?}", row.state, row.reason, row.failure);
        for (name, cookie) in &cookies {
            let told = format!("{told} to {name}");
            let page = open(&world, cookie).await;
            let watched = watch(&world, cookie).await;
            if *name == "dave" {
                assert_eq!(
                    (page.status.as_u16(), watched.status.as_u16()),
                    (403, 403),
                    "{told}"
                );
                assert!(page.text.contains("This is not yours to open"), "{told}");
                assert!(!page.text.contains(row.says), "{told}");
                assert_eq!(watched.header("atek-state"), None, "{told}");
                continue;
            }
            let looks_after = *name != "carol";
            assert_eq!(page.status, 503, "{told}");
            assert!(page.text.contains(row.says), "{told}: {}", page.text);
            let why = row.why.unwrap_or("exit code 9");
            let knows_why = page.text.contains(why);
            assert_eq!(knows_why, row.why.is_some() && looks_after, "{told}");
            let sees_log = page.text.contains("&lt;the end of the log&gt;");
            assert_eq!(sees_log, row.has_log && looks_after, "{told}");
            assert!(!page.text.contains("Started atek-app"), "{told}");
            let leads_to_it = page.text.contains("//localhost:8080/p/apps/news\"");
            assert_eq!(leads_to_it, looks_after, "{told}");
            // It looks again by itself, and finds what it says.
            assert!(page.text.contains("fetch(location.href"), "{told}");
            assert_eq!(page.header("cache-control"), Some("no-store"), "{told}");
            assert_eq!(watched.status, 204, "{told}");
            let state = page.header("atek-state");
            assert!(state.is_some(), "{told}");
            assert_eq!(state, watched.header("atek-state"), "{told}");
        }
        let stranger = world.get("/", &[NEWS, HTML]).await;
        assert_eq!(stranger.status, 302, "{told}");
        let location = stranger.header("location").unwrap();
        assert!(location.contains("/_atek/bind-session?"), "{location}");
        let watched = watch(&world, "").await;
        assert_eq!(watched.status, 302, "{told}");
        assert_eq!(watched.header("atek-state"), None, "{told}");
    }
}

#[tokio::test]
async fn a_page_about_a_service_knows_when_it_runs_again_and_the_service_never_hears_of_it() {
    let mut world = world().await;
    let bob = cookie(&world, "bob").await;
    let loops = failed(State::Restarting, "exit code 3", "");
    world.change("news", |entry| become_(entry, &loops));
    let shown = open(&world, &bob).await;
    let shown = shown.header("atek-state").unwrap().to_owned();
    // The next process has begun: the page stays as it is.
    world.change("news", |entry| entry.state = State::Starting);
    let same = watch(&world, &bob).await;
    assert_eq!(same.header("atek-state"), Some(shown.as_str()));
    world.change("news", |entry| {
        become_(entry, &row(State::Running, ""));
    });
    let up = watch(&world, &bob).await;
    assert_eq!(up.header("atek-state"), Some("up"));
    assert_eq!((up.status.as_u16(), up.text.as_str()), (204, ""));
    let app = open(&world, &bob).await;
    assert_eq!(app.status, 200);
    assert_eq!(app.json()["headers"].get("atek-watch"), None);
}

#[tokio::test]
async fn the_words_are_the_readers_and_the_page_may_be_in_the_frame_of_its_app() {
    let mut world = world().await;
    let carol = cookie(&world, "carol").await;
    world.change("news", |entry| {
        let settings = Arc::make_mut(&mut entry.settings);
        settings.manifest.as_mut().unwrap().frame = Some(true);
        become_(entry, &row(State::Stopped, ""));
    });
    let german = ("accept-language", "de-AT");
    let headers = [NEWS, HTML, german, ("cookie", carol.as_str())];
    let page = world.get("/", &headers).await;
    assert!(
        page.text.contains("&lt;news&gt; ist angehalten"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("Die Person, der die App gehört"),
        "{}",
        page.text
    );
    let policies = page.headers.get_all("content-security-policy").iter();
    let policies: Vec<_> = policies.map(|value| value.to_str().unwrap()).collect();
    let framed = "frame-ancestors 'self' http://localhost:8080";
    assert!(policies.contains(&framed), "{policies:?}");
    assert!(
        !policies
            .iter()
            .any(|policy| policy.contains("frame-ancestors 'none'")),
        "{policies:?}"
    );
}

/// What is woken and does not come within a moment has a page; a program goes on waiting.
#[tokio::test]
async fn a_page_of_a_service_that_takes_long_to_wake_says_that_it_is_starting() {
    let mut world = world().await;
    world.wake.never.store(true, Ordering::Relaxed);
    world.change("news", |entry| entry.state = State::Sleeping);
    let bob = cookie(&world, "bob").await;
    let page = open(&world, &bob).await;
    assert_eq!(page.status, 503);
    assert!(
        page.text.contains("&lt;news&gt; is starting"),
        "{}",
        page.text
    );
    assert!(page.text.contains("fetch(location.href"), "{}", page.text);
}
