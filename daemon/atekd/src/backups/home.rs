//! The way to another home: connections that the hypercore service makes by the link of a device
//! that was paired there. They pass through any router, and need no address.

use super::BackupError;
use crate::error_chain::DisplayChain;
use crate::services::Operations;
use atek_api::backup::{Failure, FailureCode};
use atek_api::ids::ServiceKey;
use atek_api::secret::Secret;
use atek_rpc::owned_socket::{Owner, connect_checked};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// The path of the hypercore service's endpoint for such connections.
const ENDPOINT: &str = "/_api/hypercore/way";
/// How links of devices begin; the hypercore service reads the rest.
const LINK: &str = "hs://";
/// Bytes of its answer.
const ANSWER: usize = 2048;
/// How long the service may take to start, and the other home to be found.
const PATIENCE: Duration = Duration::from_secs(60);

/// The hypercore service, as backups use it.
#[derive(Debug, Clone)]
pub struct HomeService {
    /// Its key; none where its name can be no key.
    pub key: Option<ServiceKey>,
    /// Its socket.
    pub socket: PathBuf,
}

/// The way to one home.
#[derive(Debug, Clone)]
pub(super) struct Way {
    services: Arc<Operations>,
    service: HomeService,
    link: Secret,
}

/// The password of a home, and the link that leads there: `PASSWORD@LINK`.
pub(super) fn parts(secret: Option<&Secret>) -> Result<(Secret, Secret), BackupError> {
    let parts = secret.and_then(|secret| secret.expose().trim().split_once('@'));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    match parts.filter(|(_, link)| link.starts_with(LINK) && plain(link)) {
        Some((password, link)) => Ok((Secret::new(password), Secret::new(link))),
        None => Err(BackupError::Failed(Failure {
            code: FailureCode::Login,
            message:
                "the key of another home is what atek backup guests --invite --pair showed there"
                    .to_owned(),
            host_key: None,
        })),
    }
}

impl Way {
    pub(super) fn new(services: Arc<Operations>, service: HomeService, link: Secret) -> Self {
        Self {
            services,
            service,
            link,
        }
    }

    /// Connects, through the hypercore service.
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer");
        let connected = tokio::time::timeout(PATIENCE, self.made()).await;
        connected.map_err(|_| late())?
    }

    async fn made(&self) -> io::Result<UnixStream> {
        let other = |error: &(dyn std::error::Error + 'static)| {
            io::Error::other(DisplayChain(error).to_string())
        };
        let key = self.service.key.as_ref();
        let key = key.ok_or_else(|| io::Error::other("there is no hypercore service"))?;
        self.services
            .wake(key, PATIENCE)
            .await
            .map_err(|error| other(&error))?;
        let connected = connect_checked(&self.service.socket, Owner::OfFolder).await;
        let mut stream = connected.map_err(|error| other(&error))?;
        let request = format!(
            "GET {ENDPOINT} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: atek-way\r\nAtek-Auth-User: system\r\nAtek-Auth-Service: system\r\nAtek-Link: {}\r\n\r\n",
            self.link.expose()
        );
        stream.write_all(request.as_bytes()).await?;
        answered(&mut stream).await?;
        Ok(stream)
    }
}

/// Reads the head of the answer, and nothing of what follows it.
async fn answered(stream: &mut UnixStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == ANSWER {
            return Err(io::Error::other("the hypercore service answers too much"));
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    if head.starts_with("HTTP/1.1 101 ") {
        return Ok(());
    }
    let why = head
        .lines()
        .find_map(|line| line.strip_prefix("Atek-Error: "));
    let why: String = why
        .unwrap_or("the hypercore service refuses")
        .chars()
        .take(200)
        .collect();
    Err(io::Error::other(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_home_is_a_password_and_a_link() {
        let (password, link) = parts(Some(&Secret::new("0f3a@hs://s000abc\n"))).unwrap();
        assert_eq!((password.expose(), link.expose()), ("0f3a", "hs://s000abc"));
        for wrong in ["", "0f3a", "0f3a@http://x", "0f3a@hs://s000\r\nX: y"] {
            assert!(parts(Some(&Secret::new(wrong))).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_end_and_no_further() {
        for (said, fine) in [
            ("HTTP/1.1 101 Switching Protocols\r\n\r\nbytes", true),
            (
                "HTTP/1.1 502 Bad Gateway\r\nAtek-Error: it does not answer\r\n\r\n",
                false,
            ),
        ] {
            let (mut near, mut far) = UnixStream::pair().unwrap();
            far.write_all(said.as_bytes()).await.unwrap();
            drop(far);
            let answer = answered(&mut near).await;
            assert_eq!(answer.is_ok(), fine);
            if let Err(error) = answer {
                assert_eq!(error.to_string(), "it does not answer");
            }
            let mut rest = String::new();
            near.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest == "bytes", fine);
        }
    }
}
