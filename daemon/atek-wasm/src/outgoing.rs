//! Requests of the component: as any app's, to the host's API and by the host's proxy to the hosts
//! that were granted.
//!
//! The unit has a network of its own, and what is not reached there cannot be reached. A
//! component that knows no environment (one of plain `wasi:http/proxy`) calls the host's API at
//! `http://localhost/`: the app's token is added here.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::error::Context as _;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::listener::Stream;

/// Connections that all instances may have at once.
const CONNECTIONS: usize = 256;
/// For a component that sets no time of its own.
const CONNECT: Duration = Duration::from_secs(30);
const FIRST_BYTE: Duration = Duration::from_secs(600);

/// By which way a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The host's API.
    Host,
    /// The host's proxy.
    Proxy,
    /// A tunnel through the host's proxy, with TLS inside.
    Tunnel,
    /// The unit's own network.
    Direct,
}

/// What the environment tells of the ways.
pub(crate) struct Ways {
    host_port: u16,
    token: Option<HeaderValue>,
    has_proxy: bool,
    tls: tokio_native_tls::TlsConnector,
    connections: Arc<Semaphore>,
}

impl Ways {
    /// As atek-sandbox told it.
    pub(crate) fn from_environment() -> wasmtime::Result<Self> {
        Self::new(&std::env::vars().collect())
    }

    fn new(variables: &BTreeMap<String, String>) -> wasmtime::Result<Self> {
        let port = variables.get("ATEK_HOST_PORT");
        let token = match variables.get("ATEK_HOST_BEARER_TOKEN") {
            Some(token) => {
                let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        // Reads the certificates, which is more than a moment's work.
        let tls = native_tls::TlsConnector::new().context("cannot set up TLS")?;
        Ok(Self {
            host_port: port.and_then(|port| port.parse().ok()).unwrap_or(80),
            token,
            has_proxy: variables.contains_key("HTTP_PROXY"),
            tls: tls.into(),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
        })
    }

    fn way(&self, host: &str, port: u16, tls: bool) -> Way {
        let is_own = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match (is_own, self.has_proxy, tls) {
            (true, _, false) if port == self.host_port => Way::Host,
            (true, ..) | (_, false, _) => Way::Direct,
            (_, true, false) => Way::Proxy,
            (_, true, true) => Way::Tunnel,
        }
    }

    async fn connect(
        &self,
        way: Way,
        host: &str,
        port: u16,
        tls: bool,
    ) -> Result<Box<dyn Stream>, Error> {
        let own = ("127.0.0.1", self.host_port);
        let stream: Box<dyn Stream> = match way {
            Way::Host | Way::Proxy => Box::new(tcp(own.0, own.1).await?),
            Way::Tunnel => tunnel(tcp(own.0, own.1).await?, host, port).await?,
            Way::Direct => {
                let name = host.trim_start_matches('[').trim_end_matches(']');
                Box::new(tcp(name, port).await?)
            }
        };
        if !tls {
            return Ok(stream);
        }
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let secured = self.tls.connect(name, stream).await;
        Ok(Box::new(secured.map_err(|error| {
            eprintln!("<4>no TLS with {host}: {error}");
            Error::TlsCertificateError
        })?))
    }

    async fn send(
        &self,
        mut request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<(Response<WasiBody>, Connection), Error> {
        let uri = request.uri().clone();
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let way = self.way(&host, port, tls);
        if way == Way::Host
            && let Some(token) = &self.token
        {
            request
                .headers_mut()
                .entry(AUTHORIZATION)
                .or_insert(token.clone());
        }
        if way != Way::Proxy {
            *request.uri_mut() = in_origin_form(&uri);
        }
        let permit = self.connections.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Error::ConnectionLimitReached)?;
        let patience = options.connect_timeout.unwrap_or(CONNECT).min(CONNECT);
        let stream = timeout(patience, self.connect(way, &host, port, tls)).await;
        let stream = stream.map_err(|_| Error::ConnectionTimeout)??;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let task = wasmtime_wasi::runtime::spawn(connection);
        let patience = options
            .first_byte_timeout
            .unwrap_or(FIRST_BYTE)
            .min(FIRST_BYTE);
        let response = timeout(patience, sender.send_request(request)).await;
        let response = response.map_err(|_| Error::ConnectionReadTimeout)??;
        let body = |body: hyper::body::Incoming| body.map_err(Error::from).boxed_unsync();
        let connection = Connection {
            task,
            _permit: permit,
        };
        Ok((response.map(body), connection))
    }
}

/// A connection, which ends when this is dropped.
struct Connection {
    task: wasmtime_wasi::runtime::AbortOnDropJoinHandle<hyper::Result<()>>,
    _permit: OwnedSemaphorePermit,
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, Error> {
    TcpStream::connect((host, port))
        .await
        .map_err(Error::Connect)
}

/// Has the host's proxy connect to a host.
async fn tunnel(proxy: TcpStream, host: &str, port: u16) -> Result<Box<dyn Stream>, Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(proxy)).await?;
    let task = wasmtime_wasi::runtime::spawn(connection.with_upgrades());
    let target = format!("{host}:{port}");
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(target.as_str())
        .header(http::header::HOST, target.as_str())
        .body(Empty::<Bytes>::new())
        .map_err(|_| Error::HttpRequestUriInvalid)?;
    let response = sender.send_request(request).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::FORBIDDEN => return Err(Error::HttpRequestDenied),
        _ => return Err(Error::DestinationUnavailable),
    }
    let tunnel = hyper::upgrade::on(response).await?;
    // It has ended: the connection is the tunnel's.
    drop(task);
    Ok(Box::new(TokioIo::new(tunnel)))
}

/// The path alone, as servers take it.
fn in_origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    // Of `http://host?query` the path is empty.
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    path.parse().unwrap_or_default()
}

/// How an instance sends requests.
pub(crate) struct Hooks {
    ways: Arc<Ways>,
}

impl Hooks {
    pub(crate) fn new(ways: Arc<Ways>) -> Self {
        Self { ways }
    }
}

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Done,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Done), Error>> + Send> {
        let ways = self.ways.clone();
        Box::new(async move {
            let (response, connection) = ways.send(request, options.unwrap_or_default()).await?;
            let Connection { task, _permit } = connection;
            let done = async move {
                let ended = task.await;
                drop(_permit);
                ended.map_err(Error::from)
            };
            Ok((response, Box::new(done) as Done))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(variables: &[(&str, &str)]) -> Ways {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Ways::new(&variables.iter().map(own).collect()).unwrap()
    }

    #[test]
    fn hosts_are_reached_by_the_proxy_and_the_hosts_api_never_is() {
        let granted = ways(&[
            ("ATEK_HOST_PORT", "80"),
            ("HTTP_PROXY", "http://127.0.0.1:80"),
        ]);
        let alone = ways(&[("ATEK_HOST_PORT", "4000")]);
        for (ways, host, port, tls, way) in [
            (&granted, "localhost", 80, false, Way::Host),
            (&granted, "127.0.0.1", 80, false, Way::Host),
            (&granted, "[::1]", 80, false, Way::Host),
            (&granted, "localhost", 443, true, Way::Direct),
            (&granted, "localhost", 5432, false, Way::Direct),
            (&granted, "example.org", 80, false, Way::Proxy),
            (&granted, "example.org", 443, true, Way::Tunnel),
            (&granted, "127.0.0.1.example.org", 80, false, Way::Proxy),
            (&alone, "localhost", 4000, false, Way::Host),
            (&alone, "localhost", 80, false, Way::Direct),
            (&alone, "example.org", 443, true, Way::Direct),
        ] {
            assert_eq!(ways.way(host, port, tls), way, "{host}:{port} {tls}");
        }
    }

    #[test]
    fn a_path_is_sent_without_its_host() {
        for (uri, expected) in [
            ("http://a.org", "/"),
            ("http://a.org?b", "/?b"),
            ("http://a.org/b?c", "/b?c"),
            ("http://u:p@a.org//b", "//b"),
        ] {
            assert_eq!(in_origin_form(&uri.parse().unwrap()).to_string(), expected);
        }
    }

    #[tokio::test]
    async fn the_token_goes_to_the_hosts_api_and_nowhere_else() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port().to_string();
        let ways = ways(&[
            ("ATEK_HOST_PORT", &port),
            ("ATEK_HOST_BEARER_TOKEN", "secret"),
            ("HTTP_PROXY", "http://proxy"),
        ]);
        let seen = tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..2 {
                let (mut stream, _) = server.accept().await.unwrap();
                seen.push(head(&mut stream).await);
            }
            seen
        });
        for uri in [
            format!("http://localhost:{port}/_atek/gateway?api=a.b/c"),
            "http://example.org/x".to_owned(),
        ] {
            let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
            let request = Request::get(uri).body(body).unwrap();
            let (response, _connection) =
                ways.send(request, RequestOptions::default()).await.unwrap();
            assert_eq!(response.status(), StatusCode::NO_CONTENT);
        }
        let seen = seen.await.unwrap();
        assert!(
            seen[0].starts_with("GET /_atek/gateway?api=a.b/c HTTP/1.1\r\n"),
            "{}",
            seen[0]
        );
        assert!(
            seen[0].contains("authorization: Bearer secret\r\n"),
            "{}",
            seen[0]
        );
        assert!(
            seen[1].starts_with("GET http://example.org/x HTTP/1.1\r\n"),
            "{}",
            seen[1]
        );
        assert!(!seen[1].contains("secret"), "{}", seen[1]);
    }

    #[tokio::test]
    async fn a_host_that_is_not_granted_is_denied() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let answer = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt as _;
            let (mut stream, _) = server.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                seen.push(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap());
            }
            let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(refusal).await.unwrap();
            String::from_utf8(seen).unwrap()
        });
        let port = port.to_string();
        let ways = ways(&[("ATEK_HOST_PORT", &port), ("HTTP_PROXY", "http://proxy")]);
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = Request::get("https://example.org/x").body(body).unwrap();
        let sent = ways.send(request, RequestOptions::default()).await;
        assert!(matches!(sent.map(|_| ()), Err(Error::HttpRequestDenied)));
        assert!(
            answer
                .await
                .unwrap()
                .starts_with("CONNECT example.org:443 HTTP/1.1\r\n")
        );
    }

    /// Reads the head of a request, and answers it.
    async fn head(stream: &mut TcpStream) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(seen).unwrap()
    }
}
