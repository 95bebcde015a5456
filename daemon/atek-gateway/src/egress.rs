//! A proxy on a service's own listener: the way to the hosts that its installer granted by name,
//! for a service that has no network otherwise.
//!
//! `CONNECT HOST:PORT` joins two connections, for TLS and anything else; `GET http://HOST/PATH`
//! passes one request of plain HTTP on (RFC 9112 section 3.2.2).
//!
//! A tunnel is closed, and an answer that is under way ends, when the grant is taken back.
//!
//! The host resolves the name and connects to a public address only, so that a
//! name cannot be pointed at the local network or at this machine.

use super::access_end::{Opened, access_end};
use super::admission::Admitted;
use super::body::{self, Body, EarlyAnswer, GuardedBody, IdleTimeoutBody};
use super::edge::headers;
use super::error::Failure;
use super::gateway::Gateway;
use super::session_end::SessionBoundBody;
use super::traffic::{Counted, Traffic};
use super::upstream::{Progress, ProgressBody};
use super::{egress_policy, upgrade};
use atek_api::address::is_public;
use atek_api::audit::AuditOutcome;
use atek_api::permission::HostPattern;
use atek_host_model::audit::Act;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

/// Until a connection stands, over all addresses of a name.
const CONNECT: Duration = Duration::from_secs(15);
/// Bytes of the head of an answer.
const MAX_HEAD: usize = 64 << 10;

/// Connects to `host:port` and joins the two connections.
pub(super) async fn connect(
    gateway: &Gateway,
    admitted: Admitted,
    host: &str,
    port: u16,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let stream = reach(gateway, &admitted, host, port).await?;
    let client = hyper::upgrade::on(&mut request);
    let conn = admitted.conn().clone();
    let cancel = conn.cancel.clone();
    let opened = Opened::Host(host.to_owned(), port);
    let end = access_end(gateway, admitted.caller(), opened);
    conn.tasks.spawn(async move {
        if let Ok(client) = client.await {
            tokio::select! {
                () = upgrade::pipe(TokioIo::new(client), stream, &cancel) => {}
                () = end => {}
            }
        }
        drop(admitted);
    });
    Ok(Response::new(body::empty()))
}

/// Passes one request of plain HTTP on to `host:port`; its target is a path.
///
/// The connection is for this request alone: the next one may be refused.
pub(super) async fn forward(
    gateway: &Gateway,
    admitted: Admitted,
    host: &str,
    port: u16,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let limits = &gateway.deps().limits;
    let stream = reach(gateway, &admitted, host, port).await?;
    let opened = Opened::Host(host.to_owned(), port);
    let end = access_end(gateway, admitted.caller(), opened);
    let (mut head, incoming) = request.into_parts();
    headers::to_outside(&mut head.headers);
    head.version = Version::HTTP_11;
    head.extensions.clear();
    let progress = Progress::new();
    let body = ProgressBody {
        body: IdleTimeoutBody::new(incoming, limits.body_pause),
        progress: progress.clone(),
    };
    let request = Request::from_parts(head, body::boxed(body));
    let tasks = admitted.conn().tasks.clone();
    let waiting = tokio::time::timeout(limits.response, exchange(stream, request, &tasks));
    let shown = || format!("{host}:{port}");
    let mut response = match waiting.await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::debug!(%error, host, port, "a host did not answer in HTTP");
            return Err(Failure::EgressBroken(shown()));
        }
        Err(_) => return Err(Failure::EgressSilent(shown())),
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // It was not asked for.
        return Err(Failure::EgressBroken(shown()));
    }
    headers::from_outside(response.headers_mut());
    if !progress.is_over() {
        response.extensions_mut().insert(EarlyAnswer);
    }
    Ok(response.map(|body| {
        let body = GuardedBody::new(body, admitted);
        body::boxed(SessionBoundBody::new(body, end))
    }))
}

/// Sends a request on a new connection; the head of the answer. `tasks` drive the connection.
async fn exchange<S>(
    stream: S,
    request: Request<Body>,
    tasks: &TaskTracker,
) -> Result<Response<Incoming>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .preserve_header_case(true)
        .handshake(TokioIo::new(stream))
        .await?;
    // Ends with the answer's body, or when that is dropped.
    tasks.spawn(connection);
    sender.send_request(request).await
}

/// A connection to a host, if the caller was granted it; what it carries is counted.
async fn reach(
    gateway: &Gateway,
    admitted: &Admitted,
    host: &str,
    port: u16,
) -> Result<Counted<TcpStream>, Failure> {
    let caller = admitted.caller();
    let pattern = egress_policy::grant(caller, host, port)?;
    let shown = || format!("{host}:{port}");
    let opened = match tokio::time::timeout(CONNECT, open(host, port, pattern)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(OpenError::Refused)) => Err(Failure::EgressRefused(shown())),
        Ok(Err(OpenError::Failed)) | Err(_) => Err(Failure::EgressFailed(shown())),
    };
    let outcome = opened
        .as_ref()
        .map_or_else(Failure::outcome, |_| AuditOutcome::Done);
    let tally = &gateway.deps().audit;
    tally.note(caller, Act::Host { host, port }, outcome);
    let traffic = Traffic::new(tally.clone(), caller.clone(), host, port);
    Ok(Counted::new(opened?, traffic))
}

enum OpenError {
    Refused,
    Failed,
}

async fn open(host: &str, port: u16, pattern: &HostPattern) -> Result<TcpStream, OpenError> {
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| OpenError::Failed)?
        .collect();
    let allowed = found.iter().filter(|address| {
        // An address of the local network only where the grant says this very address.
        is_public(address.ip()) || pattern.is_private_address()
    });
    let mut error = if found.is_empty() {
        OpenError::Failed
    } else {
        OpenError::Refused
    };
    for address in allowed {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(_) => error = OpenError::Failed,
        }
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Sends a request to a server that answers with `answer`; what it saw, and what came back.
    async fn sent(
        request: Request<Body>,
        answer: &'static str,
    ) -> (String, Result<Response<Incoming>, hyper::Error>) {
        let (here, mut there) = tokio::io::duplex(64 << 10);
        let server = tokio::spawn(async move {
            let mut seen = Vec::new();
            while !seen.ends_with(b"end") {
                seen.push(there.read_u8().await.unwrap());
            }
            // A client that has seen enough hangs up.
            let _ = there.write_all(answer.as_bytes()).await;
            String::from_utf8(seen).unwrap()
        });
        let tasks = TaskTracker::new();
        let response = exchange(here, request, &tasks).await;
        (server.await.unwrap(), response)
    }

    #[tokio::test]
    async fn a_request_is_sent_with_its_path_and_its_answer_comes_back() {
        let request = Request::post("/feed?x=1")
            .header("Host", "example.org")
            .body(body::full("the end"))
            .unwrap();
        let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone";
        let (seen, response) = sent(request, answer).await;
        assert!(seen.starts_with("POST /feed?x=1 HTTP/1.1\r\n"), "{seen}");
        assert!(seen.ends_with("\r\n\r\nthe end"), "{seen}");
        let response = response.unwrap();
        assert_eq!(response.status(), 404);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "none");
    }

    #[tokio::test]
    async fn what_is_no_http_and_a_head_without_end_are_errors() {
        static ENDLESS: std::sync::LazyLock<String> =
            std::sync::LazyLock::new(|| format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(80 << 10)));
        for answer in ["SSH-2.0-OpenSSH_10.0\r\n", ENDLESS.as_str()] {
            let request = Request::post("/").body(body::full("end")).unwrap();
            let sending = async { sent(request, answer).await.1 };
            assert!(sending.await.is_err(), "{}", &answer[..12]);
        }
    }
}
