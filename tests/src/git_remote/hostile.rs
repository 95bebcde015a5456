//! Remotes that hang, never end, or lie.

use super::server::{Body, Handler, Server};
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a hostile remote does with every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hostility {
    /// Takes the request, and never answers.
    Hangs,
    /// Answers like a repository, one byte a second: its first line takes more than an hour.
    Trickles,
    /// Answers like a repository, as fast as it can, for ever.
    Floods,
    /// Answers with a status: 404, 401, 500.
    Status(u16),
    /// Redirects to another address.
    Redirects(String),
    /// Redirects to itself.
    RedirectsInCircles,
    /// Answers with a web page.
    ServesAPage,
    /// Answers like a repository, then with bytes that are not git's.
    Garbles,
}

/// A hostile remote, until the value is dropped.
#[derive(Debug)]
pub struct HostileRemote {
    server: Server,
    requests: Arc<AtomicUsize>,
}

impl HostileRemote {
    /// Serves on `address`: `machine.gateway()?`, or the loopback address.
    ///
    /// # Errors
    ///
    /// When the server cannot be started.
    pub fn new(hostility: Hostility, address: impl Into<IpAddr>) -> anyhow::Result<Self> {
        let requests = Arc::new(AtomicUsize::new(0));
        let server = Server::start(address.into(), handler(hostility, Arc::clone(&requests)))?;
        Ok(Self { server, requests })
    }

    /// Where a client would expect a repository.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/app.git", self.server.address())
    }

    /// How many requests it got.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// How the first answer of a repository begins.
const ADVERTISEMENT: &str = "001e# service=git-upload-pack\n0000";

fn handler(hostility: Hostility, requests: Arc<AtomicUsize>) -> Handler {
    Arc::new(move |request| {
        requests.fetch_add(1, Ordering::SeqCst);
        let hostility = hostility.clone();
        let path = request.uri().to_string();
        Box::pin(async move { answer(&hostility, &path).await })
    })
}

async fn answer(hostility: &Hostility, path: &str) -> Response<Body> {
    let repository = |body: Body| {
        let response = Response::builder().header(
            "content-type",
            "application/x-git-upload-pack-advertisement",
        );
        response.body(body)
    };
    let answer = match hostility {
        Hostility::Hangs => std::future::pending().await,
        // Four of them are the length of a line: 4369 bytes.
        Hostility::Trickles => repository(endless(b"1", Duration::from_secs(1))),
        Hostility::Floods => repository(endless(&[b'0'; 64 << 10], Duration::ZERO)),
        Hostility::Status(status) => Response::builder().status(*status).body(whole("no\n")),
        Hostility::Redirects(to) => Response::builder()
            .status(302)
            .header("location", to)
            .body(whole("")),
        Hostility::RedirectsInCircles => Response::builder()
            .status(302)
            .header("location", path)
            .body(whole("")),
        Hostility::ServesAPage => Response::builder()
            .header("content-type", "text/html")
            .body(whole("<!doctype html>\n<title>Welcome</title>\n")),
        Hostility::Garbles => {
            repository(whole(&format!("{ADVERTISEMENT}zzzz not a packet line\n")))
        }
    };
    answer.unwrap_or_else(|_| Response::new(whole("a header that cannot be")))
}

fn whole(text: &str) -> Body {
    Full::from(text.to_owned()).boxed_unsync()
}

fn endless(chunk: &'static [u8], pause: Duration) -> Body {
    let first = futures_util::stream::iter([Bytes::from(ADVERTISEMENT)]);
    let rest = futures_util::stream::repeat(()).then(move |()| async move {
        // Also without a pause, others get a turn.
        tokio::time::sleep(pause).await;
        Bytes::from_static(chunk)
    });
    let frames = first
        .chain(rest)
        .map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    StreamBody::new(frames).boxed_unsync()
}
