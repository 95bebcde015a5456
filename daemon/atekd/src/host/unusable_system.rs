//! The page on a system on which no service can start: it names what is missing.
//!
//! Without it every page is 503 for ever, and systemd calls the system `running`.

use super::plain_page::{document, escaped};
use atek_system_check::{Report, Severity};
use std::fmt::Write as _;

/// The page about a report.
pub(super) fn page(report: &Report) -> String {
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
    let body = format!(
        "<h1>Atek cannot start on this system</h1>\
         <p>The system lacks something that every app needs. Your data are not touched.</p><ul>{items}</ul>\
         <p>Afterwards, turn the box off and on again. <code>atek check-system</code> shows all checks.</p>"
    );
    document("Atek cannot start", &body)
}

#[cfg(test)]
mod tests {
    use super::super::plain_page::serve;
    use super::*;
    use atek_system_check::Miss;
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

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
        let page = Arc::new(|| page(&without_seccomp()));
        serve(vec![listener], page, 60, &tasks, &stop);
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
