//! One plain page in place of everything else, for a host that cannot serve yet.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Makes the page, for each request.
pub(super) type Page = Arc<dyn Fn() -> String + Send + Sync>;

/// Connections that are answered at the same time; more wait.
const CONNECTIONS: usize = 32;
/// How long a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request that are read: nothing of it counts.
const REQUEST_MAX_BYTES: usize = 16 * 1024;

/// Answers every request at `listeners` with the page until `stop`. A browser asks again after so
/// many seconds.
pub(super) fn serve(
    listeners: Vec<TcpListener>,
    page: Page,
    again: u32,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    for listener in listeners {
        let (page, slots, stop) = (Arc::clone(&page), Arc::clone(&slots), stop.clone());
        tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                    return;
                };
                let Ok((connection, _)) = accepted else {
                    // Too many open files, for one: later there may be room.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let answer = response(&page(), again).into_bytes();
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(PATIENCE, respond(connection, &answer)).await;
                    drop(slot);
                });
            }
        });
    }
}

/// Reads the head of a request, sends the page, and closes the connection.
async fn respond(mut connection: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 2048];
    let is_whole = |head: &[u8]| head.windows(4).any(|part| part == b"\r\n\r\n");
    while !is_whole(&head) && head.len() < REQUEST_MAX_BYTES {
        match connection.read(&mut part).await? {
            0 => break,
            read => head.extend_from_slice(part.get(..read).unwrap_or_default()),
        }
    }
    connection.write_all(answer).await?;
    connection.shutdown().await
}

fn response(page: &str, again: u32) -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         X-Content-Type-Options: nosniff\r\nRetry-After: {again}\r\nRefresh: {again}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}

/// A page with a title and a body in HTML.
pub(super) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}</title>\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}</style>\
         {body}</html>"
    )
}

/// Text for HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
