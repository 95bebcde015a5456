//! Waits until a started service can answer calls.
//!
//! Without a health check a service is ready when its socket file or its port accepts.

use super::definition::Definition;
use crate::error_chain::DisplayChain;
use atek_api::manifest::Healthcheck;
use atek_api::spec::{self, AppPort, paths};
use atek_rpc::body;
use atek_rpc::owned_socket::{Owner, connect_checked};
use atek_rpc::pool::{Endpoint, Pool};
use atek_rpc::port_connector::PortSlot;
use http::{Request, header};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep, timeout};

/// How long a service may take until it is ready, in seconds.
pub(super) const READY_SECS: u64 = 30;
/// The shortest pause between two attempts, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];
/// The shortest for a health check that is a command, whose process takes longer than that.
const COMMAND_PAUSE: Duration = Duration::from_millis(25);
/// A pause is this part of the time that went by, so a service is found ready soon after it is.
const PART: u32 = 8;
/// The most bytes of the message about the command of a health check.
const VERDICT_BYTES: u64 = 400;
/// How long one health check may take.
const HEALTH_CHECK: Duration = Duration::from_secs(5);

/// What a service is tried with.
#[derive(Debug)]
pub(super) struct Probe {
    endpoint: Endpoint,
    /// What the program listens on, for a person.
    listens_on: String,
    healthcheck: Option<Healthcheck>,
    /// Where the command of its health check is run.
    health_socket: PathBuf,
}

impl Probe {
    /// The probe that the manifest asks for.
    pub(super) fn of(definition: &Definition, slot: PortSlot) -> Self {
        let manifest = definition.manifest();
        let listens_on = match manifest.and_then(|manifest| manifest.port) {
            None => "its socket".to_owned(),
            Some(AppPort::Auto) => "the port that PORT names".to_owned(),
            Some(AppPort::Fixed(port)) => format!("port {port}"),
        };
        Self {
            endpoint: Endpoint::Service(paths::app_socket(&definition.key), Owner::OfFolder, slot),
            listens_on,
            health_socket: paths::health_socket(&definition.key),
            healthcheck: manifest.and_then(|manifest| manifest.healthcheck.clone()),
        }
    }

    /// Returns when the service is ready.
    ///
    /// # Errors
    ///
    /// After `deadline`, what the last attempt found, for a person.
    pub(super) async fn ready_within(&self, deadline: Duration) -> Result<(), String> {
        let began = Instant::now();
        let [mut shortest, longest] = PAUSES;
        if let Some(Healthcheck::Command { .. }) = &self.healthcheck {
            shortest = COMMAND_PAUSE;
        }
        loop {
            let Err(reason) = self.attempt().await else {
                return Ok(());
            };
            let pause = (began.elapsed() / PART).clamp(shortest, longest);
            if began.elapsed() + pause > deadline {
                return Err(format!("{reason} within {} s", deadline.as_secs()));
            }
            sleep(pause).await;
        }
    }

    /// Whether a service that runs still answers as it should: its health check, or else that its
    /// page is no failure, where `page_was_fine` before.
    ///
    /// # Errors
    ///
    /// What is wrong, for a person.
    pub(super) async fn still_well(&self, page_was_fine: bool) -> Result<(), String> {
        self.attempt().await?;
        if self.healthcheck.is_some() || !page_was_fine {
            return Ok(());
        }
        match self.page_status().await {
            Some(status) if status < 500 => Ok(()),
            Some(status) => Err(format!(
                "answers its page with {status}, and the version before did not"
            )),
            None => Err(format!(
                "does not answer its page within {} s, and the version before did",
                HEALTH_CHECK.as_secs()
            )),
        }
    }

    /// The status with which it answers its page; none if it does not answer in time.
    pub(super) async fn page_status(&self) -> Option<u16> {
        let request = Request::get("/")
            .header(header::HOST, "localhost")
            .body(body::empty())
            .ok()?;
        // A pool of its own: the connection ends with the attempt.
        let pool = Pool::new(self.endpoint.clone());
        let answer = timeout(HEALTH_CHECK, pool.send(request)).await.ok()?.ok()?;
        Some(answer.status().as_u16())
    }

    async fn attempt(&self) -> Result<(), String> {
        // A pool of its own: the connection ends with the attempt.
        let pool = Pool::new(self.endpoint.clone());
        if let Err(error) = pool.connection().await {
            tracing::trace!(error = %DisplayChain(&error), "not ready");
            return Err(format!("did not listen on {}", self.listens_on));
        }
        match &self.healthcheck {
            None => Ok(()),
            Some(Healthcheck::Path(path)) => check_health(&pool, path).await,
            Some(Healthcheck::Command { command }) => {
                run_command(&self.health_socket, command).await
            }
        }
    }
}

async fn check_health(pool: &Pool, path: &str) -> Result<(), String> {
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .body(body::empty())
        .map_err(|error| format!("has an unusable health check ({error})"))?;
    match timeout(HEALTH_CHECK, pool.send(request)).await {
        Ok(Ok(answer)) if answer.status().as_u16() < 400 => Ok(()),
        Ok(Ok(answer)) => Err(format!(
            "answered its health check {path} with {} and did not become ready",
            answer.status().as_u16()
        )),
        Ok(Err(_)) | Err(_) => Err(format!("did not answer its health check {path}")),
    }
}

/// Asks the service's sandbox to run the command of its health check.
async fn run_command(socket: &Path, command: &[String]) -> Result<(), String> {
    let asked = async {
        let stream = connect_checked(socket, Owner::OfFolder).await.ok()?;
        let mut said = String::new();
        let read = stream.take(VERDICT_BYTES).read_to_string(&mut said).await;
        read.ok().filter(|bytes| *bytes > 0).map(|_| said)
    };
    let said = match timeout(spec::HEALTH_COMMAND_TIMEOUT + HEALTH_CHECK, asked).await {
        Ok(Some(said)) => said,
        Ok(None) => "its sandbox does not answer".to_owned(),
        Err(_) => "no answer".to_owned(),
    };
    if said == spec::HEALTHY {
        return Ok(());
    }
    let command = spec::sanitize_title(&command.join(" "));
    let said = spec::sanitize_title(&said);
    Err(format!(
        "failed its health check ({command}: {said}) and did not become ready"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    fn socket_of(folder: &Path) -> PathBuf {
        folder.join("app.sock")
    }

    fn probe(folder: &Path, healthcheck: Option<&str>) -> Probe {
        let socket = socket_of(folder);
        Probe {
            endpoint: Endpoint::Service(socket, Owner::OfFolder, PortSlot::default()),
            listens_on: "port 8080".to_owned(),
            health_socket: folder.join("health.sock"),
            healthcheck: healthcheck.map(|path| Healthcheck::Path(path.to_owned())),
        }
    }

    #[tokio::test]
    async fn a_service_is_ready_when_its_socket_accepts_and_not_when_its_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let probe = probe(folder.path(), None);
        let socket = socket_of(folder.path());
        drop(UnixListener::bind(&socket).unwrap());
        let reason = probe.ready_within(Duration::ZERO).await.unwrap_err();
        assert_eq!(reason, "did not listen on port 8080 within 0 s");
        std::fs::remove_file(&socket).unwrap();
        let waiting =
            tokio::spawn(async move { probe.ready_within(Duration::from_secs(60)).await });
        let _listener = UnixListener::bind(&socket).unwrap();
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_link_to_another_socket_is_not_a_ready_service() {
        let folder = tempfile::tempdir().unwrap();
        let probe = probe(folder.path(), None);
        let _host = UnixListener::bind(folder.path().join("control.sock")).unwrap();
        std::os::unix::fs::symlink("control.sock", socket_of(folder.path())).unwrap();
        assert!(probe.ready_within(Duration::ZERO).await.is_err());
    }

    #[tokio::test]
    async fn a_service_with_a_health_check_is_ready_when_it_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let probe = probe(folder.path(), Some("/healthz"));
        let listener = UnixListener::bind(socket_of(folder.path())).unwrap();
        let server = std::thread::spawn(move || {
            let mut asked = Vec::new();
            let mut answers = ["503 Not Ready", "404 Not Found", "204 No Content"].into_iter();
            let mut answer = answers.next();
            while let Some(status) = answer {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 1024];
                // The connection that only tries the socket sends nothing.
                let length = stream.read(&mut head).unwrap();
                if length > 0 {
                    asked.push(String::from_utf8_lossy(&head[..length]).into_owned());
                    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
                    answer = answers.next();
                }
            }
            asked
        });
        probe.ready_within(Duration::from_secs(60)).await.unwrap();
        let asked = server.join().unwrap();
        assert_eq!(asked.len(), 3);
        assert!(
            asked[0].starts_with("GET /healthz HTTP/1.1\r\n"),
            "{asked:?}"
        );
    }
}
