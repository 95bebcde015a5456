//! One call and its answer; streams of JSON lines.

use crate::body::{self, Body};
use crate::owned_socket::Owner;
use crate::pool::{Endpoint, Pool, PooledBody, SendError};
use atek_api::ids::SYSTEM;
use atek_api::jsonrpc::{self, Answer, RpcError};
use atek_api::secret::Secret;
use bytes::{Buf as _, BytesMut};
use futures_util::stream::{self, Stream};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::path::Path;

/// The largest answer a client keeps in memory, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server answered with an error.
    #[error(transparent)]
    Rpc(RpcError),
    /// The server did not take part; see [`SendError`].
    #[error(transparent)]
    Send(#[from] SendError),
    /// The server refused on the level of HTTP.
    #[error("{endpoint} answered with HTTP status {status}{}", if message.is_empty() { String::new() } else { format!(": {message}") })]
    Status {
        /// The server.
        endpoint: Endpoint,
        /// Its status.
        status: StatusCode,
        /// What its body says, if it says it in the usual shape.
        message: String,
    },
    /// The body ended early, or is too large.
    #[error("cannot read the answer of {endpoint}")]
    Body {
        /// The server.
        endpoint: Endpoint,
        /// The cause.
        #[source]
        source: crate::body::BoxError,
    },
    /// The body is not a JSON-RPC answer.
    #[error("{endpoint} gave an answer to {method} that cannot be understood")]
    Malformed {
        /// The server.
        endpoint: Endpoint,
        /// The method that was called.
        method: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A parameter or header cannot be expressed.
    #[error("cannot express the call of {0}")]
    Unexpressible(String),
}

/// A client of one HTTP server that speaks JSON-RPC.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool,
    host: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Client {
    /// A client of the server on a socket file.
    #[must_use]
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self {
            pool: Pool::unix(path),
            host: HeaderValue::from_static("localhost"),
            headers: Vec::new(),
        }
    }

    /// A client of a TCP server, with a bearer token if it wants one.
    ///
    /// # Errors
    ///
    /// [`CallError::Unexpressible`] for a host name or token that cannot stand in a header.
    pub fn tcp(host: &str, port: u16, bearer: Option<&Secret>) -> Result<Self, CallError> {
        let unexpressible = || CallError::Unexpressible(format!("host {host}"));
        let authority =
            HeaderValue::from_str(&format!("{host}:{port}")).map_err(|_| unexpressible())?;
        let mut headers = Vec::new();
        if let Some(token) = bearer {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| CallError::Unexpressible("the bearer token".to_owned()))?;
            value.set_sensitive(true);
            headers.push((AUTHORIZATION, value));
        }
        Ok(Self {
            pool: Pool::new(Endpoint::Tcp(host.to_owned(), port)),
            host: authority,
            headers,
        })
    }

    /// A client of the server of `owner`, on a socket file in a folder which `owner` writes.
    #[must_use]
    pub fn owned(path: impl AsRef<Path>, owner: Owner) -> Self {
        Self {
            pool: Pool::owned(path, owner),
            host: HeaderValue::from_static("localhost"),
            headers: Vec::new(),
        }
    }

    /// A client of a core service, as the host itself: the owner of the socket's folder must
    /// serve it, and every request is one of `system`.
    #[must_use]
    pub fn core_service(socket: &Path) -> Self {
        let system = || HeaderValue::from_static(SYSTEM);
        Self::owned(socket, Owner::OfFolder)
            .with_header(HeaderName::from_static("atek-auth-user"), system())
            .with_header(HeaderName::from_static("atek-auth-service"), system())
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Calls a method of an API through a host's gateway.
    ///
    /// `params` must serialize to an array (a tuple or a list).
    ///
    /// # Errors
    ///
    /// [`CallError::Rpc`] when the call was refused or failed; the others when it was not answered.
    pub async fn call(
        &self,
        api: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<Box<RawValue>, CallError> {
        let query: String = url::form_urlencoded::byte_serialize(api.as_bytes()).collect();
        self.post(&format!("/_atek/gateway?api={query}"), method, params)
            .await
    }

    /// As [`Client::call`], with the result read into a type.
    ///
    /// # Errors
    ///
    /// As [`Client::call`], and [`CallError::Malformed`].
    pub async fn call_as<T: DeserializeOwned>(
        &self,
        api: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<T, CallError> {
        let result = self.call(api, method, params).await?;
        self.read(method, &result)
    }

    /// Calls a method of the JSON-RPC endpoint at `path`.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn post(
        &self,
        path: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<Box<RawValue>, CallError> {
        #[derive(Serialize)]
        struct Call<'a, P> {
            jsonrpc: &'static str,
            id: u32,
            method: &'a str,
            params: P,
        }
        let body = serde_json::to_vec(&Call {
            jsonrpc: "2.0",
            id: 1,
            method,
            params,
        })
        .map_err(|_| CallError::Unexpressible(method.to_owned()))?;
        let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = self
            .request(Method::POST, path, &[json], body::full(body))
            .await?;
        let answer: Answer = {
            let bytes = self.collect(response.into_body()).await?;
            serde_json::from_slice(&bytes).map_err(|source| self.malformed(method, source))?
        };
        match answer {
            Answer {
                error: Some(error), ..
            } => Err(CallError::Rpc(error)),
            Answer {
                result: Some(result),
                ..
            } => Ok(result),
            Answer {
                result: None,
                error: None,
            } => jsonrpc::raw(&()).map_err(CallError::Rpc),
        }
    }

    /// As [`Client::post`], with the result read into a type.
    ///
    /// # Errors
    ///
    /// As [`Client::call_as`].
    pub async fn post_as<T: DeserializeOwned>(
        &self,
        path: &str,
        method: &str,
        params: impl Serialize,
    ) -> Result<T, CallError> {
        let result = self.post(path, method, params).await?;
        self.read(method, &result)
    }

    /// Any request; a status other than 2xx is an error.
    ///
    /// # Errors
    ///
    /// [`CallError::Send`] and [`CallError::Status`].
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Body,
    ) -> Result<Response<PooledBody>, CallError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .body(body)
            .map_err(|_| CallError::Unexpressible(path.to_owned()))?;
        for (name, value) in self.headers.iter().chain(headers) {
            request.headers_mut().insert(name, value.clone());
        }
        let response = self.pool.send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = self.collect(response.into_body()).await.unwrap_or_default();
        let message = message_of(&bytes);
        Err(CallError::Status {
            endpoint: self.pool.endpoint().clone(),
            status,
            message,
        })
    }

    /// `GET`s a stream of JSON lines.
    ///
    /// # Errors
    ///
    /// As [`Client::request`]; then each item that cannot be read.
    pub async fn lines<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<T, CallError>> + Unpin + use<T>, CallError> {
        let response = self.request(Method::GET, path, &[], body::empty()).await?;
        let state = (
            response.into_body(),
            BytesMut::new(),
            self.clone(),
            path.to_owned(),
        );
        Ok(Box::pin(stream::try_unfold(
            state,
            |(mut body, mut buffer, client, path)| async move {
                loop {
                    if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                        let line = buffer.split_to(end);
                        buffer.advance(1);
                        if line.iter().all(u8::is_ascii_whitespace) {
                            continue;
                        }
                        let item = serde_json::from_slice(&line)
                            .map_err(|source| client.malformed(&path, source))?;
                        return Ok(Some((item, (body, buffer, client, path))));
                    }
                    match body.frame().await {
                        Some(Ok(frame)) => {
                            if let Ok(data) = frame.into_data() {
                                buffer.extend_from_slice(&data);
                            }
                        }
                        Some(Err(source)) => return Err(client.body_error(source)),
                        None => return Ok(None),
                    }
                }
            },
        )))
    }

    async fn collect(&self, body: PooledBody) -> Result<bytes::Bytes, CallError> {
        match Limited::new(body, MAX_ANSWER).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(source) => Err(self.body_error(source)),
        }
    }

    fn read<T: DeserializeOwned>(&self, method: &str, result: &RawValue) -> Result<T, CallError> {
        serde_json::from_str(result.get()).map_err(|source| self.malformed(method, source))
    }

    fn malformed(&self, method: &str, source: serde_json::Error) -> CallError {
        CallError::Malformed {
            endpoint: self.pool.endpoint().clone(),
            method: method.to_owned(),
            source,
        }
    }

    fn body_error(&self, source: crate::body::BoxError) -> CallError {
        CallError::Body {
            endpoint: self.pool.endpoint().clone(),
            source,
        }
    }
}

/// The `message` of an error body in Atek's shape, or the first line of a text.
fn message_of(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct ErrorBody {
        message: String,
    }
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(error) => error.message,
        Err(_) => String::from_utf8_lossy(body)
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect(),
    }
}
