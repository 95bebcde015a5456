//! A plain page in place of everything else, on a system on which no service can start: it names
//! what is missing.
//!
//! Without it every page is 503 for ever, and systemd calls the system `running`.

use atek_system_check::{Report, Severity};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that are answered at the same time; more wait.
const CONNECTIONS: usize = 32;
/// How long a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request that are read: nothing of it counts.
const REQUEST_MAX_BYTES: usize = 16 * 1024;

/// Answers every request at `listeners` with the page until `stop`.
pub(super) fn serve(
    listeners: Vec<TcpListener>,
    report: &Report,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let answer: Arc<[u8]> = response(&page(report)).into_bytes().into();
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    for listener in listeners {
        let (answer, slots, stop) = (Arc::clone(&answer), Arc::clone(&slots), stop.clone());
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
                let answer = Arc::clone(&answer);
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

fn response(page: &str) -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         X-Content-Type-Options: nosniff\r\nRetry-After: 60\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}

fn page(report: &Report) -> String {
    let mut items = String::new();
    for miss in &report.missing {
        if miss.severity == Severity::Fatal {
            let _ = write!(
                items,
                "<li><p><strong>{}.</strong></p><p>{}</p></li>",
                escaped(&miss.problem),
                escaped(&miss.advice)
            );
        }
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>Atek cannot start</title>\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}</style>\
         <h1>Atek cannot start on this system</h1>\
         <p>The system lacks something that every app needs. Your data are not touched.</p><ul>{items}</ul>\
         <p>Afterwards, turn the box off and on again. <code>atek check-system</code> shows all checks.</p></html>"
    )
}

/// Text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_system_check::Miss;
    use std::net::Ipv4Addr;

    fn without_seccomp() -> Report {
        let miss = |need, severity, problem: &str| Miss {
            need,
            severity,
            problem: problem.to_owned(),
            advice: "Build systemd with <libseccomp>.".to_owned(),
        };
        Report {
            met: Vec::new(),
            missing: vec![
                miss(
                    "systemd-seccomp",
                    Severity::Fatal,
                    "systemd was built without seccomp",
                ),
                miss("time-zones", Severity::Degraded, "there are no time zones"),
            ],
        }
    }

    #[tokio::test]
    async fn every_request_is_answered_with_what_is_missing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        serve(vec![listener], &without_seccomp(), &tasks, &stop);
        for request in [
            "GET / HTTP/1.1\r\nHost: box.local\r\n\r\n",
            // With its body in one piece: the wait for a head at the end of what came timed out.
            "POST /_atek/gateway?api=x HTTP/1.1\r\nHost: box.local\r\nContent-Length: 2\r\n\r\n{}",
        ] {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(
                answer.contains("systemd was built without seccomp."),
                "{answer}"
            );
            assert!(
                answer.contains("Build systemd with &lt;libseccomp&gt;."),
                "{answer}"
            );
            assert!(
                !answer.contains("time zones"),
                "what is not fatal: {answer}"
            );
        }
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
