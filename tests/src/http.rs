//! A small HTTP client for tests: one connection a request, nothing hidden, no redirects followed.

use anyhow::{Context as _, bail};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::WebSocketStream;

/// How long one request may take, from connecting to the last byte, unless a client is more
/// patient.
const DEADLINE: Duration = Duration::from_secs(90);

/// A connection of either kind.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// Whom to talk to, and what every request carries.
#[derive(Debug, Clone)]
pub struct Client {
    peer: Peer,
    headers: HeaderMap,
    patience: Duration,
}

#[derive(Debug, Clone)]
enum Peer {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A whole answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// One header's value; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// When it is not; the message has the body.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| {
            format!(
                "status {} with a body that is not JSON: {}",
                self.status,
                self.text()
            )
        })
    }
}

impl Client {
    /// A client of a TCP server.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        Self {
            peer: Peer::Tcp(address),
            headers: HeaderMap::new(),
            patience: DEADLINE,
        }
        .host("localhost")
    }

    /// A client of a server on a Unix socket.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self {
            peer: Peer::Unix(path.into()),
            headers: HeaderMap::new(),
            patience: DEADLINE,
        }
        .host("localhost")
    }

    /// The same client, which waits longer (or shorter) for an answer than usual.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same client, naming another host (`hello.localhost`).
    #[must_use]
    pub fn host(self, host: &str) -> Self {
        self.header("host", host)
    }

    /// The same client, with a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// The same client, with a header on every request; one of the same name is replaced.
    ///
    /// # Panics
    ///
    /// When the name or the value cannot stand in a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers
            .insert(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// `GET path`.
    ///
    /// # Errors
    ///
    /// When there is no whole answer in time. Any status is an answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.send(Method::GET, path, "").await
    }

    /// `POST path` with JSON.
    ///
    /// # Errors
    ///
    /// When there is no whole answer in time. Any status is an answer.
    pub async fn post_json(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        self.clone()
            .header("content-type", "application/json")
            .send(Method::POST, path, body.to_string())
            .await
    }

    /// Any request.
    ///
    /// # Errors
    ///
    /// When there is no whole answer in time. Any status is an answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Response> {
        let exchange = async {
            let (parts, body) = self.open(method, path, body).await?.into_parts();
            let body = body
                .collect()
                .await
                .with_context(|| format!("the answer to {path} broke off"))?;
            anyhow::Ok(Response {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: body.to_bytes(),
            })
        };
        tokio::time::timeout(self.patience, exchange)
            .await
            .with_context(|| format!("no whole answer to {path} within {:?}", self.patience))?
    }

    /// Any request; the answer's body is yet to be read (for streams).
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<http::Response<Incoming>> {
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .context("cannot speak HTTP")?;
        tokio::spawn(connection);
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = path
            .parse()
            .with_context(|| format!("not a path: {path}"))?;
        request.headers_mut().extend(self.headers.clone());
        sender
            .send_request(request)
            .await
            .with_context(|| format!("no answer to {path}"))
    }

    /// Calls a method of an API through the gateway, and returns its result.
    ///
    /// # Errors
    ///
    /// [`RpcError`] when the answer is an error object; otherwise when it is no JSON-RPC answer.
    pub async fn call(&self, api: &str, method: &str, params: Value) -> anyhow::Result<Value> {
        self.call_at(&format!("/_atek/gateway?api={api}"), method, params)
            .await
    }

    /// Calls a method at a path of the peer's own, as the host calls a service.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn call_at(&self, path: &str, method: &str, params: Value) -> anyhow::Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let response = self.post_json(path, &request).await?;
        let mut answer = response.json()?;
        if let Some(error) = answer.get_mut("error").map(Value::take)
            && let Ok(error) = serde_json::from_value::<RpcError>(error)
        {
            return Err(error.into());
        }
        match answer.get_mut("result").map(Value::take) {
            Some(result) => Ok(result),
            None => bail!(
                "status {}, and no JSON-RPC answer: {answer}",
                response.status
            ),
        }
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    ///
    /// When the peer does not upgrade the connection.
    pub async fn websocket(
        &self,
        path: &str,
    ) -> anyhow::Result<WebSocketStream<Box<dyn Connection>>> {
        let stream = self.connect().await?;
        let mut request = Request::new(());
        *request.uri_mut() = format!("ws://localhost{path}")
            .parse()
            .with_context(|| format!("not a path: {path}"))?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        let key = tokio_tungstenite::tungstenite::handshake::client::generate_key();
        headers.insert(
            header::SEC_WEBSOCKET_KEY,
            key.parse().context("a key that is no header value")?,
        );
        let handshake = tokio_tungstenite::client_async(request, stream);
        let opened = tokio::time::timeout(self.patience, handshake)
            .await
            .context("the upgrade took too long")?;
        Ok(opened
            .with_context(|| format!("cannot open a WebSocket at {path}"))?
            .0)
    }

    /// Opens a bare connection.
    ///
    /// # Errors
    ///
    /// When there is no listener.
    pub async fn connect(&self) -> anyhow::Result<Box<dyn Connection>> {
        Ok(match &self.peer {
            Peer::Tcp(address) => {
                let stream = TcpStream::connect(address).await;
                let stream = stream.with_context(|| format!("cannot connect to {address}"))?;
                stream
                    .set_nodelay(true)
                    .context("cannot turn off Nagle's algorithm")?;
                Box::new(stream)
            }
            Peer::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                Box::new(stream.with_context(|| format!("cannot connect to {}", path.display()))?)
            }
        })
    }
}

/// A JSON-RPC error object.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// The code.
    pub code: i64,
    /// The message.
    pub message: String,
    /// More, where there is more.
    #[serde(default)]
    pub data: Value,
}
