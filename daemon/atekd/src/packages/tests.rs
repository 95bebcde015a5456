//! Jobs with an atek-spawnd and an atek-package that are played on socket pairs.

use super::*;
use crate::systemd::Bus;
use atek_api::package::{Event, FailureCode, Phase, Progress};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use tokio::sync::mpsc;

/// What the played job says after it was asked.
type Script = fn(&mut UnixStream);

struct FakeSpawnd {
    script: Script,
    dropped: mpsc::UnboundedSender<String>,
    /// How many calls find another one at work.
    busy: u32,
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "cloud.atek.Spawn1.Error")]
enum Refused {
    #[zbus(error)]
    Zbus(zbus::Error),
    Busy(String),
}

#[zbus::interface(name = "cloud.atek.Spawn1")]
impl FakeSpawnd {
    fn run_package(&self, job: String, _request: String, channel: zbus::OwnedFd) -> String {
        let mut stream = UnixStream::from(OwnedFd::from(channel));
        let script = self.script;
        std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap())
                .read_line(&mut line)
                .unwrap();
            assert!(serde_json::from_str::<Request>(&line).is_ok(), "{line}");
            script(&mut stream);
        });
        job
    }

    fn drop_package(&mut self, job: String) -> Result<(), Refused> {
        if let Some(left) = self.busy.checked_sub(1) {
            self.busy = left;
            return Err(Refused::Busy(format!("another call works on {job}")));
        }
        let _ = self.dropped.send(job);
        Ok(())
    }
}

async fn packages(script: Script) -> (Packages, mpsc::UnboundedReceiver<String>, zbus::Connection) {
    packages_beside(script, 0).await
}

/// With an atek-spawnd in which a call of before is at work on the job for so many calls.
async fn packages_beside(
    script: Script,
    busy: u32,
) -> (Packages, mpsc::UnboundedReceiver<String>, zbus::Connection) {
    let (theirs, ours) = UnixStream::pair().unwrap();
    let (dropped, seen) = mpsc::unbounded_channel();
    let serve = zbus::connection::Builder::unix_stream(theirs)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at(
            "/cloud/atek/Spawn1",
            FakeSpawnd {
                script,
                dropped,
                busy,
            },
        )
        .build();
    let dial = zbus::connection::Builder::unix_stream(ours).p2p().build();
    let (server, client) = tokio::try_join!(serve, dial).unwrap();
    (
        Packages::new(
            Spawn::new(Bus::fixed(client)),
            Authorities::read("/nonexistent".into()),
        ),
        seen,
        server,
    )
}

fn say(stream: &mut UnixStream, event: &Event) {
    let mut line = serde_json::to_string(event).unwrap();
    line.push('\n');
    stream.write_all(line.as_bytes()).unwrap();
}

fn source() -> Source {
    "https://example.org/app".parse().unwrap()
}

/// Waits for the clearing at the begin of a job and for the one at its end.
async fn cleared(dropped: &mut mpsc::UnboundedReceiver<String>) {
    for _ in 0..2 {
        assert_eq!(dropped.recv().await.as_deref(), Some("build"));
    }
}

#[tokio::test]
async fn a_job_passes_its_progress_on_and_gives_its_result() {
    let (packages, mut dropped, _server) = packages(|stream| {
        let progress = Progress {
            phase: Phase::Resolve,
            message: "asking\u{1b}[1m".into(),
            percent: None,
        };
        say(stream, &Event::Progress(progress));
        say(
            stream,
            &Event::Done {
                result: Outcome::Releases(Vec::new()),
            },
        );
    })
    .await;
    assert!(
        packages
            .releases(&source(), Access::default())
            .await
            .unwrap()
            .is_empty()
    );
    cleared(&mut dropped).await;
}

#[tokio::test]
async fn an_update_failed_because_a_page_had_left_the_job_before_in_the_middle() {
    let done = |stream: &mut UnixStream| {
        let result = Outcome::Releases(Vec::new());
        say(stream, &Event::Done { result });
    };
    let (packages, mut dropped, _server) = packages_beside(done, 3).await;
    packages
        .releases(&source(), Access::default())
        .await
        .unwrap();
    cleared(&mut dropped).await;
}

#[tokio::test]
async fn a_failure_keeps_its_words_and_nothing_is_left() {
    let (packages, mut dropped, _server) = packages(|stream| {
        let message = "No release (git tag) has been set for X".to_owned();
        let code = FailureCode::NoRelease;
        say(stream, &Event::Failed(Failure { code, message }));
    })
    .await;
    let error = packages
        .releases(&source(), Access::default())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "No release (git tag) has been set for X");
    cleared(&mut dropped).await;
}

#[tokio::test]
async fn a_job_that_dies_or_talks_nonsense_is_an_error() {
    for script in [
        (|_| {}) as Script,
        |stream| stream.write_all(b"{\"event\":\"done\"").unwrap(),
        |stream| stream.write_all(b"what?\n").unwrap(),
        |stream| {
            // Endless, without a line break.
            while stream.write_all(&[b'x'; 65_536]).is_ok() {}
        },
    ] {
        let (packages, mut dropped, _server) = packages(script).await;
        let error = packages
            .releases(&source(), Access::default())
            .await
            .unwrap_err();
        assert!(matches!(error, PackageError::Channel(_)), "{error:?}");
        cleared(&mut dropped).await;
    }
}

#[tokio::test]
async fn a_job_whose_asker_goes_away_is_ended_and_the_next_one_begins_after_that() {
    let (packages, mut dropped, _server) = packages(|stream| {
        // Says nothing until it is ended.
        let _ = std::io::copy(stream, &mut std::io::sink());
    })
    .await;
    let asker = packages.clone();
    let waiting = tokio::spawn(async move { asker.releases(&source(), Access::default()).await });
    assert_eq!(dropped.recv().await.as_deref(), Some("build"));
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(dropped.recv().await.as_deref(), Some("build"));
    let _next = packages.turn.lock().await;
}

const COMMIT: &str = "0123456789012345678901234567890123456789";

/// Says that it has built the release v1.0.0.
fn built(stream: &mut UnixStream) {
    let release = serde_json::json!({ "tag": "v1.0.0", "version": "1.0.0" });
    let package = serde_json::json!({
        "release": release,
        "commit": COMMIT,
        "program": { "kind": "node", "entry": "index.js" },
        "bytes": 1,
        "files": 1,
    });
    let result = Outcome::Package(serde_json::from_value(package).unwrap());
    say(stream, &Event::Done { result });
}

fn shown(version: &str, commit: &str) -> Inspected {
    Inspected {
        version: version.to_owned(),
        commit: commit.to_owned(),
    }
}

async fn fetch(packages: &Packages) -> (FetchedPackage, Staged) {
    let (source, reporter) = (source(), Reporter::unheard());
    let fetched = packages.fetch(&source, Wanted::default(), Access::default(), &reporter);
    fetched.await.unwrap()
}

#[tokio::test]
async fn what_was_shown_was_fetched_and_built_again_for_its_install() {
    let (packages, mut dropped, _server) = packages(built).await;
    let (package, staged) = fetch(&packages).await;
    assert_eq!(dropped.recv().await.as_deref(), Some("build"));
    packages.keep_inspected(source(), package, staged);
    let other = "https://example.org/other".parse().unwrap();
    let moved = COMMIT.replace('0', "f");
    for (source, version, commit) in [
        (&other, "v1.0.0", COMMIT),
        (&source(), "v1.0.1", COMMIT),
        (&source(), "v1.0.0", moved.as_str()),
    ] {
        let taken = packages.take_inspected(source, &shown(version, commit));
        assert!(taken.is_none(), "{source} {version} {commit}");
    }
    let (package, staged) = packages
        .take_inspected(&source(), &shown("v1.0.0", COMMIT))
        .unwrap();
    assert_eq!(package.release.tag, "v1.0.0");
    assert!(dropped.try_recv().is_err(), "its files are still there");
    let again = packages.take_inspected(&source(), &shown("v1.0.0", COMMIT));
    assert!(again.is_none());
    drop(staged);
    assert_eq!(dropped.recv().await.as_deref(), Some("build"));
}

#[tokio::test]
async fn what_was_shown_makes_room_for_the_next_job() {
    let (packages, _dropped, _server) = packages(built).await;
    let (package, staged) = fetch(&packages).await;
    packages.keep_inspected(source(), package, staged);
    let (package, staged) = fetch(&packages).await;
    let gone = packages.take_inspected(&source(), &shown("v1.0.0", COMMIT));
    assert!(gone.is_none());
    // Another job waits already when this one would be kept.
    let waiting = tokio::spawn({
        let packages = packages.clone();
        async move { fetch(&packages).await.0 }
    });
    while !packages.inspected.is_wanted() {
        tokio::task::yield_now().await;
    }
    packages.keep_inspected(source(), package, staged);
    assert_eq!(waiting.await.unwrap().commit, COMMIT);
}

#[tokio::test]
async fn what_was_shown_is_not_kept_for_ever() {
    let (mut packages, mut dropped, _server) = packages(built).await;
    packages.inspected = InspectedPackageCache::new(Duration::from_millis(1));
    let (package, staged) = fetch(&packages).await;
    assert_eq!(dropped.recv().await.as_deref(), Some("build"));
    packages.keep_inspected(source(), package, staged);
    assert_eq!(dropped.recv().await.as_deref(), Some("build"));
    let gone = packages.take_inspected(&source(), &shown("v1.0.0", COMMIT));
    assert!(gone.is_none());
}
