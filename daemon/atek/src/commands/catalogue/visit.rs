//! Requests to an app's own site, as a program on the box makes them.

use crate::cli::Global;
use crate::connect;
use crate::error::Failure;
use atek_api::ids::ServiceId;
use atek_api::secret::Secret;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer that are looked at.
const LOOKED_AT: u64 = 4 << 20;

/// What is needed to make requests to the sites of the box's apps.
#[derive(Debug)]
pub(crate) struct Visitor {
    port: u16,
    token: Secret,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Visitor {
    /// As the host itself, whose token is in its configuration.
    pub(crate) fn new(flags: &Global) -> Result<Self, Failure> {
        let (port, token) = connect::own_token(flags)?;
        Ok(Self { port, token })
    }

    /// Asks the site of an app.
    pub(super) async fn get(&self, id: &ServiceId, path: &str) -> Result<Answer, String> {
        let asked = tokio::time::timeout(PATIENCE, self.ask(id, path)).await;
        match asked {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn ask(&self, id: &ServiceId, path: &str) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        // HTTP/1.0: the answer ends with the connection, and has no parts.
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: {id}.localhost\r\nAuthorization: Bearer {}\r\n\
             Accept: text/html, */*\r\nSec-Fetch-Site: same-origin\r\n\r\n",
            self.token.expose()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.take(LOOKED_AT).read_to_end(&mut bytes).await?;
        let text = String::from_utf8_lossy(&bytes);
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok(Answer {
            status: status.unwrap_or_default(),
            text: body.to_owned(),
        })
    }
}
