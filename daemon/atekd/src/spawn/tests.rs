//! A helper that is played on a socket pair: what goes over the wire.

use super::*;
use crate::systemd::Bus;
use std::sync::{Arc, Mutex};

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "cloud.atek.Spawn1.Error")]
enum Refusal {
    #[zbus(error)]
    ZBus(zbus::Error),
    NotFound(String),
    Refused(String),
}

#[derive(Default)]
struct FakeSpawnd {
    specs: Arc<Mutex<Vec<String>>>,
}

#[zbus::interface(name = "cloud.atek.Spawn1")]
impl FakeSpawnd {
    fn start_service(&self, spec: String) -> String {
        self.specs.lock().unwrap().push(spec);
        "failed".to_owned()
    }

    fn stop_service(&self, id: String, timeout_ms: u64) -> Result<(), Refusal> {
        assert!(timeout_ms >= 10_000);
        Err(Refusal::NotFound(format!("no unit for {id}")))
    }

    fn wipe_state(&self, key: String) -> Result<(), Refusal> {
        Err(Refusal::Refused(format!("{key} runs")))
    }

    fn run_package(&self, job: String, request: String, channel: zbus::OwnedFd) -> String {
        use std::io::Write as _;
        let mut stream = std::os::unix::net::UnixStream::from(OwnedFd::from(channel));
        writeln!(stream, "{job} {request}").unwrap();
        format!("atek-package-{job}.service")
    }
}

async fn helper() -> (zbus::Connection, Spawn, Arc<Mutex<Vec<String>>>) {
    let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
    let fake = FakeSpawnd::default();
    let specs = fake.specs.clone();
    let serve = zbus::connection::Builder::unix_stream(theirs)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at("/cloud/atek/Spawn1", fake)
        .build();
    let dial = zbus::connection::Builder::unix_stream(ours).p2p().build();
    let (server, client) = tokio::try_join!(serve, dial).unwrap();
    (server, Spawn::new(Bus::fixed(client)), specs)
}

#[tokio::test]
async fn a_start_job_that_failed_is_an_error_that_names_the_service() {
    let (_server, spawn, specs) = helper().await;
    let spec: ServiceSpec = serde_json::from_value(serde_json::json!({
        "id": "rss", "key": "k1", "owner": "u1", "title": "News",
        "program": {"kind": "node", "entry": "index.js"},
        "package": {"folder": "/srv/rss"},
    }))
    .unwrap();
    let error = spawn.start_service(&spec).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start rss: systemd's job ended with \"failed\""
    );
    let sent: ServiceSpec = serde_json::from_str(&specs.lock().unwrap()[0]).unwrap();
    assert_eq!(sent, spec);
}

#[tokio::test]
async fn stopping_what_is_not_there_is_no_error_and_a_refusal_keeps_its_words() {
    let (_server, spawn, _) = helper().await;
    spawn.stop_service(&"rss".parse().unwrap()).await.unwrap();
    let error = spawn.wipe_state(&"k1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, SpawnError::Refused { .. }), "{error:?}");
    assert_eq!(error.to_string(), "may not remove the state of k1: k1 runs");
}

#[tokio::test]
async fn a_package_job_gets_its_channel() {
    let (_server, spawn, _) = helper().await;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    spawn
        .run_package(
            &"j1".parse().unwrap(),
            &PackageSpec::default(),
            theirs.into(),
        )
        .await
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(ours), &mut line).unwrap();
    assert!(line.starts_with("j1 {"), "{line}");
}
