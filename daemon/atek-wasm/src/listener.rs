//! Where the app listens: its socket file, or its port.

use std::fs;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use wasmtime::error::Context as _;
use wasmtime::{Result, bail};

/// A connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// What atek-sandbox told the program.
#[derive(Debug)]
pub(crate) enum Listener {
    Socket(UnixListener),
    Port(TcpListener),
}

impl Listener {
    /// Listens as the environment says.
    pub(crate) async fn open() -> Result<Self> {
        let told = |name: &str| std::env::var(name).ok();
        if let Some(path) = told("ATEK_ASSIGNED_SOCKET_FILE") {
            let path = Path::new(&path);
            // Of an earlier process of this unit.
            let _ = fs::remove_file(path);
            let cannot = || format!("cannot listen on {}", path.display());
            return Ok(Self::Socket(UnixListener::bind(path).with_context(cannot)?));
        }
        let Some(port) = told("PORT").and_then(|port| port.parse::<u16>().ok()) else {
            bail!("neither ATEK_ASSIGNED_SOCKET_FILE nor PORT is set");
        };
        let host = told("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
        let bound = TcpListener::bind((host.as_str(), port)).await;
        Ok(Self::Port(bound.with_context(|| {
            format!("cannot listen on {host}:{port}")
        })?))
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Socket(socket) => Box::new(socket.accept().await?.0),
            Self::Port(port) => Box::new(port.accept().await?.0),
        })
    }
}
