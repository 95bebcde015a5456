//! The loop that accepts connections, and answers them one request after another.

use crate::answer::answer;
use atek_web_embed::Bundle;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

const BUNDLE: Bundle = atek_web_embed::bundle!();

/// A request's head comes at once: the gateway sends it. Also the time that an end waits for answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// A failed `accept` is tried again after this: no descriptors, mostly, and some come free.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens on `socket`, in place of a process that left its socket behind.
pub(crate) fn bind(socket: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}

/// Serves until `stop`, and then what is under way.
pub(crate) async fn serve(
    listener: UnixListener,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (end, ending) = watch::channel(false);
    // Every connection holds a sender: when all are gone, so are the connections.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (ending, open) = (ending.clone(), open.clone());
                tokio::spawn(async move {
                    connection(stream, ending).await;
                    drop(open);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    drop((listener, open));
    // Whoever does not listen any more has ended already.
    let _ = end.send(true);
    let _ = tokio::time::timeout(PATIENCE, all_closed.recv()).await;
    Ok(())
}

/// Answers one connection's requests; at the end, the one under way and no more.
async fn connection(stream: UnixStream, mut ending: watch::Receiver<bool>) {
    let service = service_fn(async |request: http::Request<hyper::body::Incoming>| {
        let path = request.uri().path();
        Ok::<_, Infallible>(answer(&BUNDLE, request.method(), path, request.headers()))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // The other side left, or sent nonsense: nothing that this side could mend.
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|end| *end) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn a_page_is_served_on_the_socket_and_the_end_is_orderly() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("app.sock");
        // A socket that was left behind is no obstacle.
        drop(bind(&socket).unwrap());
        let listener = bind(&socket).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, async {
            let _ = stopped.await;
        }));

        let mut stream = UnixStream::connect(&socket).await.unwrap();
        stream
            .write_all(b"GET /p/install HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");

        stop.send(()).unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("<div id=\"app\">"), "{rest}");
        server.await.unwrap().unwrap();
    }
}
