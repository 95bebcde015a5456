//! The way of a backup job to the server with its target: a socket of this process, which connects
//! there and nowhere else. The job has no network of its own, and looks no name up.

use super::BackupError;
use super::home::Way;
use crate::outgoing::reach;
use atek_api::backup::ServerUrl;
use atek_api::spec::paths;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Connections at one time; a job has some.
const MOST: usize = 16;
const BUFFER: usize = 64 << 10;

/// A line to a server. It is cut when this is dropped.
#[derive(Debug)]
pub(super) struct Line {
    path: PathBuf,
    server: String,
    /// Why the last connection could not be made.
    problem: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Line {
    /// Listens for the job of a unit. To another home there is a way.
    pub(super) fn open(unit: &str, url: &ServerUrl, way: Option<Way>) -> Result<Self, BackupError> {
        let (host, port) = url.host();
        let (server, to) = match way {
            Some(way) => (format!("home {host}"), To::Home(way)),
            None => (format!("server {host}:{port}"), To::Server(host, port)),
        };
        Self::open_in(Path::new(paths::LINES), unit, server, to, 0).map_err(BackupError::Channel)
    }

    /// The same in another folder, for jobs of this user.
    fn open_in(folder: &Path, unit: &str, server: String, to: To, user: u32) -> io::Result<Self> {
        let path = folder.join(unit);
        std::fs::create_dir_all(folder)?;
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        // The folder is of this process alone; the job has the socket and not the folder.
        std::fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        let problem = Arc::new(Mutex::new(None));
        let task = tokio::spawn(serve(listener, to, user, problem.clone()));
        Ok(Self {
            path,
            server,
            problem,
            task,
        })
    }

    /// Why the server cannot be reached, for a person; none when the last connection was made.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        let problem = problem.as_ref()?;
        Some(format!(
            "the {} cannot be reached ({problem}): is it switched on, and is its address right?",
            self.server
        ))
    }
}

/// Where a line leads.
#[derive(Debug, Clone)]
enum To {
    Server(String, u16),
    Home(Way),
}

async fn serve(listener: UnixListener, to: To, user: u32, problem: Arc<Mutex<Option<String>>>) {
    let places = Arc::new(Semaphore::new(MOST));
    // Connections end with the line.
    let mut open = tokio::task::JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let Ok((job, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let is_job = job.peer_cred().is_ok_and(|peer| peer.uid() == user);
        if !is_job {
            continue;
        }
        let (to, problem) = (to.clone(), problem.clone());
        open.spawn(async move {
            let _place = place;
            let tell = |error: Option<&io::Error>| {
                let text = error.map(ToString::to_string);
                *problem.lock().unwrap_or_else(PoisonError::into_inner) = text;
            };
            match &to {
                To::Server(host, port) => {
                    let reached = reach(host, *port).await;
                    tell(reached.as_ref().err());
                    if let Ok(server) = reached {
                        let _ = server.set_nodelay(true);
                        carry(job, server).await;
                    }
                }
                To::Home(way) => {
                    let reached = way.connect().await;
                    tell(reached.as_ref().err());
                    if let Ok(home) = reached {
                        carry(job, home).await;
                    }
                }
            }
        });
    }
}

async fn carry(mut job: UnixStream, mut server: impl AsyncRead + AsyncWrite + Unpin) {
    // An end on either side is seen by the other.
    let _ = tokio::io::copy_bidirectional_with_sizes(&mut job, &mut server, BUFFER, BUFFER).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_line_leads_to_its_server_and_says_why_it_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let to = To::Server(address.ip().to_string(), address.port());
        let own = nix::unistd::getuid().as_raw();
        let line = Line::open_in(folder.path(), "job", "server".into(), to, own).unwrap();
        let mut job = UnixStream::connect(folder.path().join("job"))
            .await
            .unwrap();
        job.write_all(b"ping").await.unwrap();
        let (mut there, _) = server.accept().await.unwrap();
        let mut heard = [0; 4];
        there.read_exact(&mut heard).await.unwrap();
        assert_eq!((&heard, line.problem()), (b"ping", None));
        drop((there, server));
        assert_eq!(job.read(&mut heard).await.unwrap(), 0);

        let mut job = UnixStream::connect(folder.path().join("job"))
            .await
            .unwrap();
        assert_eq!(job.read(&mut heard).await.unwrap(), 0);
        let problem = line.problem().unwrap();
        assert!(problem.contains("refused"), "{problem}");
        drop(line);
        assert!(!folder.path().join("job").exists());
    }

    #[tokio::test]
    async fn a_process_of_another_user_is_not_served() {
        let folder = tempfile::tempdir().unwrap();
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = To::Server("127.0.0.1".into(), server.local_addr().unwrap().port());
        let other = nix::unistd::getuid().as_raw() + 1;
        let _line = Line::open_in(folder.path(), "job", "server".into(), to, other).unwrap();
        let mut job = UnixStream::connect(folder.path().join("job"))
            .await
            .unwrap();
        assert_eq!(job.read(&mut [0]).await.unwrap_or(0), 0);
    }
}
