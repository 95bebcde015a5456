//! Serves the web home as static files on the Unix socket that the host assigned.
//!
//! The browser does the rest with its user's own session: this program has no rights, keeps no
//! state and makes no calls. It ends with code 0 on SIGTERM and SIGINT.

#![forbid(unsafe_code)]

mod pages;
mod policy;

use anyhow::Context as _;
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

// One thread: everything that is served lies in memory.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let socket = std::env::var_os("ATEK_ASSIGNED_SOCKET_FILE")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .context("ATEK_ASSIGNED_SOCKET_FILE is not set: the host sets it")?;
    let listener =
        bind(&socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    axum::serve(listener, pages::router())
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await
        .context("cannot accept connections")
}

/// Listens on `socket`, in place of a process that left its socket behind.
fn bind(socket: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    /// Sends one request on a connection of its own and returns the whole response.
    async fn exchange(socket: &Path, request: &str) -> String {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        let request = format!("{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn pages_are_served_on_the_socket_until_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("app.sock");
        // A socket that an earlier process left behind is replaced.
        drop(bind(&socket).unwrap());
        let listener = bind(&socket).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = axum::serve(listener, pages::router()).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let server = tokio::spawn(async move { server.await });

        let page = exchange(&socket, "GET /p/install HTTP/1.1").await;
        assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
        assert!(page.contains("<div id=\"app\">"), "{page}");
        let head = exchange(&socket, "HEAD / HTTP/1.1").await;
        assert!(head.ends_with("\r\n\r\n"), "a HEAD has no body: {head}");

        // An idle connection does not hold the end up.
        let _idle = UnixStream::connect(&socket).await.unwrap();
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    }
}
