//! What is answered at the host's own port while the host is put together: "starting", in the
//! browser's language, with a word to look again in a second.
//!
//! On a small board a host needs seconds before it can route a request. A browser that waits so
//! long without an answer shows a blank page, and people reload it.

use super::body::Body;
use super::error::Failure;
use super::pages::Browser;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Connections that are answered at the same time; more wait.
const CONNECTIONS: usize = 64;
/// How long a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request's body that are read before it is answered: a connection that is closed
/// over an unread body may lose the answer.
const BODY_MAX_BYTES: usize = 64 << 10;
/// Pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers everything with "starting" until it is ended.
#[derive(Debug)]
pub struct Starting {
    listeners: Vec<Arc<TcpListener>>,
    tasks: Vec<JoinHandle<Option<()>>>,
    stop: CancellationToken,
}

impl Starting {
    /// Answers at `listeners` from `after` on. A start that is over by then answers nothing here:
    /// requests wait in the listeners' queues until the host takes them.
    #[must_use]
    pub fn serve(listeners: Vec<TcpListener>, after: Duration) -> Self {
        let listeners: Vec<Arc<TcpListener>> = listeners.into_iter().map(Arc::new).collect();
        let stop = CancellationToken::new();
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let tasks = listeners
            .iter()
            .map(|listener| {
                let accepting = accept(Arc::clone(listener), Arc::clone(&slots), after);
                tokio::spawn(stop.clone().run_until_cancelled_owned(accepting))
            })
            .collect();
        Self {
            listeners,
            tasks,
            stop,
        }
    }

    /// Takes no further connection and returns the listeners. Answers under way are finished.
    pub async fn end(self) -> Vec<TcpListener> {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
        let listeners = self.listeners.into_iter();
        listeners.filter_map(Arc::into_inner).collect()
    }
}

/// Accepts and answers. Never ends.
async fn accept(listener: Arc<TcpListener>, slots: Arc<Semaphore>, after: Duration) {
    tokio::time::sleep(after).await;
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((connection, _)) => drop(tokio::spawn(async move {
                let _ = tokio::time::timeout(PATIENCE, answer(connection)).await;
                drop(slot);
            })),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Answers one request; the next one of the same client shall reach the host.
async fn answer(connection: TcpStream) -> Result<(), hyper::Error> {
    let service = service_fn(async |request: Request<Incoming>| {
        let browser = Browser::of(request.headers());
        let _ = Limited::new(request.into_body(), BODY_MAX_BYTES)
            .collect()
            .await;
        let response: Response<Body> = Failure::Starting.to_page(browser.as_ref());
        Ok::<_, Infallible>(response)
    });
    http1::Builder::new()
        .keep_alive(false)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(connection), service)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn a_listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_browser_is_told_in_its_language_and_looks_again_by_itself() {
        let (listener, address) = a_listener().await;
        let starting = Starting::serve(vec![listener], Duration::ZERO);
        for (language, words) in [
            ("en", "Atek is starting"),
            ("de-AT,en;q=0.5", "Atek startet"),
        ] {
            let request = format!(
                "GET / HTTP/1.1\r\nHost: atek.local\r\nAccept: text/html\r\nAccept-Language: {language}\r\n\r\n"
            );
            let said = ask(address, &request).await;
            assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
            for part in [
                words,
                "\r\nretry-after: 1\r\n",
                "\r\nrefresh: 1\r\n",
                "no-store",
            ] {
                assert!(said.contains(part), "no {part:?} in {said}");
            }
        }
        // A program that sends something gets a whole answer as well.
        let body = "x".repeat(10_000);
        let request = format!(
            "POST /_atek/gateway?api=a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let said = ask(address, &request).await;
        assert!(
            said.starts_with("HTTP/1.1 503 ") && said.ends_with('}'),
            "{said}"
        );
        assert_eq!(starting.end().await.len(), 1);
    }

    #[tokio::test]
    async fn the_listener_is_handed_over_with_everybody_who_waits_at_it() {
        let (listener, address) = a_listener().await;
        // So quick a start answers nothing itself.
        let starting = Starting::serve(vec![listener], Duration::from_secs(3600));
        let mut waiting = TcpStream::connect(address).await.unwrap();
        waiting.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let listener = starting.end().await.pop().unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        let mut head = [0; 14];
        accepted.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"GET / HTTP/1.1");
    }
}
