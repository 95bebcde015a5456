//! What was granted or shared is over for open connections, too, once it is taken back.

use super::support::client::raw;
use super::support::{ALICE, BOB, World, user};
use atek_api::grants::Level;
use atek_host_model::permissions::{Decisions, Shares};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\n";

fn shared(level: Level) -> Arc<Shares> {
    let mut shares = Shares::default();
    shares.add(&user("bob"), level);
    Arc::new(shares)
}

fn get(path: &str, host: &str, cookie: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n{more}\r\n")
}

/// Sends a request and waits for `begin` of its answer; returns the time at which the connection
/// ended.
async fn open(socket: PathBuf, request: String, begin: &'static str) -> JoinHandle<Instant> {
    let (began, mut has_begun) = mpsc::unbounded_channel();
    let reading = tokio::spawn(async move {
        raw(&socket, request.as_bytes(), move |seen| {
            if seen.contains(begin) {
                let _ = began.send(());
            }
            false
        })
        .await;
        Instant::now()
    });
    has_begun.recv().await.expect("the stream begins");
    reading
}

async fn house() -> World {
    let mut world = World::new().await;
    world.service("album", "key-alice", json!([]));
    world.service(
        "rss",
        "key-alice",
        json!([{ "api": "example.org/feed", "transport": "proxy", "path": "/_api/feed" }]),
    );
    for id in ["album", "rss"] {
        world.change(id, |entry| entry.shares = shared(Level::Manage));
    }
    world
}

/// The value below which `percent` of the sorted times are.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_open_connections_end_when_a_share_is_taken_back_and_others_stay() {
    let mut world = house().await;
    let main = format!("session={BOB}");
    let bound = format!("atek-session={}", world.bound_cookie(BOB, "album").await);
    let own = format!("atek-session={}", world.bound_cookie(ALICE, "album").await);
    let at = |cookie: &str| {
        let origin = format!("{UPGRADE}origin: http://album.localhost\r\n");
        get("/socket", "album.localhost", cookie, &origin)
    };
    let proxied = format!("{UPGRADE}origin: http://localhost\r\n");
    let mut opened = Vec::new();
    for nth in 0..200 {
        let (request, begin) = match nth % 4 {
            0 => (at(&bound), "atek-auth-user"),
            1 => (get("/quiet", "album.localhost", &bound, ""), "tick"),
            2 => (
                get("/_atek/logs?service=rss&follow=1", "localhost", &main, ""),
                "follow",
            ),
            _ => {
                let path = "/_atek/gateway?api=example.org/feed";
                (get(path, "localhost", &main, &proxied), "atek-auth-user")
            }
        };
        opened.push(open(world.public.clone(), request, begin).await);
    }
    let stays = open(world.public.clone(), at(&own), "atek-auth-user").await;
    assert!(opened.iter().all(|connection| !connection.is_finished()));

    let begin = Instant::now();
    for id in ["album", "rss"] {
        world.change(id, |entry| entry.shares = Arc::default());
    }
    let mut times = Vec::new();
    for connection in opened {
        let ended = tokio::time::timeout(Duration::from_secs(30), connection).await;
        times.push(ended.expect("every connection ends").unwrap() - begin);
    }
    times.sort();
    println!(
        "revocation: {} connections, p50 {:?}, p99 {:?}, longest {:?}",
        times.len(),
        percentile(&times, 50),
        percentile(&times, 99),
        times[times.len() - 1]
    );
    let p99 = percentile(&times, 99);
    assert!(p99 <= Duration::from_secs(1), "p99 is {p99:?}");
    assert!(!stays.is_finished(), "the owner's own connection goes on");
    // And nothing new is let in.
    let refused = world
        .get("/quiet", &[("host", "album.localhost"), ("cookie", &bound)])
        .await;
    assert_eq!(refused.status, 403);
    world.cancel.cancel();
}

/// A connection that is kept after an answer, as browsers keep it.
struct Kept(tokio::net::UnixStream);

impl Kept {
    async fn new(world: &World) -> Self {
        Self(
            tokio::net::UnixStream::connect(&world.public)
                .await
                .unwrap(),
        )
    }

    /// Sends a request and reads the answer's status line.
    async fn status(&mut self, request: &str) -> String {
        self.0.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let mut chunk = [0; 4096];
        while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
            let read = self.0.read(&mut chunk).await.unwrap();
            assert!(read > 0, "the connection ended");
            seen.extend_from_slice(&chunk[..read]);
        }
        String::from_utf8_lossy(&seen)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

#[tokio::test]
async fn the_next_request_of_a_connection_that_was_kept_is_refused() {
    let mut world = house().await;
    let bound = format!("atek-session={}", world.bound_cookie(BOB, "album").await);
    let request = get("/page", "album.localhost", &bound, "");
    let mut times = Vec::new();
    for _ in 0..40 {
        world.change("album", |entry| entry.shares = shared(Level::Use));
        let mut kept = Kept::new(&world).await;
        assert!(kept.status(&request).await.contains("200"));
        let begin = Instant::now();
        world.change("album", |entry| entry.shares = Arc::default());
        assert!(kept.status(&request).await.contains("403"));
        times.push(begin.elapsed());
    }
    times.sort();
    let p99 = percentile(&times, 99);
    println!(
        "revocation: kept connections, p50 {:?}, p99 {p99:?}",
        percentile(&times, 50)
    );
    assert!(p99 <= Duration::from_secs(1), "p99 is {p99:?}");
    world.cancel.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_things_that_are_taken_back_at_the_same_time_both_end_everywhere() {
    let mut world = house().await;
    let main = format!("session={BOB}");
    let bound = format!("atek-session={}", world.bound_cookie(BOB, "album").await);
    let mut opened = Vec::new();
    for nth in 0..20 {
        let (request, begin) = if nth % 2 == 0 {
            (get("/quiet", "album.localhost", &bound, ""), "tick")
        } else {
            let path = "/_atek/logs?service=rss&follow=1";
            (get(path, "localhost", &main, ""), "follow")
        };
        opened.push(open(world.public.clone(), request, begin).await);
    }
    let begin = Instant::now();
    // Without a moment between them for the gateway to see the first alone.
    world.change("album", |entry| entry.shares = Arc::default());
    world.change("rss", |entry| entry.shares = Arc::default());
    for connection in opened {
        let ended = tokio::time::timeout(Duration::from_secs(30), connection).await;
        let took = ended.expect("every connection ends").unwrap() - begin;
        assert!(took <= Duration::from_secs(1), "it took {took:?}");
    }
    world.cancel.cancel();
}

#[tokio::test]
async fn who_may_only_view_an_app_changes_nothing_there() {
    let mut world = house().await;
    let bound = format!("atek-session={}", world.bound_cookie(BOB, "album").await);
    for (level, get_status, post_status) in [
        (Some(Level::View), 200, 403),
        (Some(Level::Use), 200, 200),
        (None, 403, 403),
    ] {
        world.change("album", |entry| {
            entry.shares = level.map(shared).unwrap_or_default();
        });
        let seen = world
            .get("/page", &[("host", "album.localhost"), ("cookie", &bound)])
            .await;
        assert_eq!(seen.status, get_status, "{level:?}");
        let request = format!(
            "POST /page HTTP/1.1\r\nhost: album.localhost\r\ncookie: {bound}\r\n\
             origin: http://album.localhost\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx"
        );
        let answer = raw(&world.public, request.as_bytes(), |_| false).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {post_status}")),
            "{level:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn an_app_reaches_a_shared_provider_only_after_a_pick_and_loses_it_with_the_pick() {
    let mut world = house().await;
    world.service("reader", "key-bob", json!([]));
    let socket = world.listen_for("reader");
    let request = get(
        "/_atek/gateway?api=example.org/feed",
        "localhost",
        "",
        UPGRADE,
    );
    let refused = raw(&socket, request.as_bytes(), |seen| {
        seen.contains("\r\n\r\n")
    })
    .await;
    assert!(refused.starts_with("HTTP/1.1 404"), "{refused}");

    world.change("reader", |entry| {
        entry.decisions = Arc::new(Decisions {
            providers: vec![("example.org/feed".parse().unwrap(), "rss".parse().unwrap())],
            ..Decisions::default()
        });
    });
    let open = open(socket, request, "atek-auth-user").await;
    assert!(!open.is_finished());
    world.change("reader", |entry| entry.decisions = Arc::default());
    let ended = tokio::time::timeout(Duration::from_secs(30), open).await;
    ended.expect("the connection ends with the pick").unwrap();
}
