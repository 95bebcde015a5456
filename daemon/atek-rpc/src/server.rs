//! A method table as an axum route: JSON-RPC 2.0 over one HTTP POST.
//!
//! The quirks of the original's servers are kept, since its clients rely on them:
//! what is no call (a notification, a batch, another content type) is answered
//! with `{}` and not executed, and an error object is sent back as it came.
//!
//! A body that is no JSON, or too long, gets an error object without an id in
//! HTTP 400 or 413: the original's clients reject on it, where they would resolve
//! to `undefined` on anything else.

use crate::linger::Lingering;
use atek_api::jsonrpc::{Request, Response, RpcError, RpcResult, code};
use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

/// One call, as a [`Service`] sees it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The method's name, unchecked.
    pub method: &'a str,
    /// An array or an object, unread; see [`atek_api::jsonrpc::positional`].
    pub params: Option<&'a RawValue>,
    /// The request's headers; the host sets the two that name the caller.
    pub headers: &'a HeaderMap,
}

/// Something that answers calls.
///
/// Dispatch on `call.method` with a `match` or a table, never by reflection, and
/// answer [`RpcError::method_not_found`] for the rest.
pub trait Service: Send + Sync + 'static {
    /// Answers one call. Dropped when the caller goes away.
    fn call(&self, call: Call<'_>) -> impl Future<Output = RpcResult> + Send;
}

/// Reads the body of a POST (at most `limit` bytes), lets `service` answer the call in it, and puts
/// the answer into HTTP 200.
///
/// ```ignore
/// Router::new().route("/_api/x", post(move |request| async move { answer(&*service, request, 1 << 20).await }))
/// ```
pub async fn answer<S: Service>(
    service: &S,
    request: http::Request<Body>,
    limit: usize,
) -> http::Response<Body> {
    let (head, body) = request.into_parts();
    if !is_json(&head.headers) {
        return json(StatusCode::OK, "{}");
    }
    let body = match collect(body, limit).await {
        Ok(body) => body,
        Err(Unread::TooLong) => {
            let error = RpcError::new(
                code::INVALID_REQUEST,
                format!("The request is longer than {limit} bytes: send less at once"),
            );
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, error);
        }
        // The peer has closed the connection and reads no answer.
        Err(Unread::Broken) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let request = match read(&body) {
        Incoming::Call(request) => request,
        Incoming::Echo => return json(StatusCode::OK, body.clone()),
        Incoming::Nothing => return json(StatusCode::OK, "{}"),
        Incoming::NotJson(problem) => {
            let error = RpcError {
                code: code::PARSE,
                message: "Parse error".to_owned(),
                data: Some(problem.into()),
            };
            return refusal(StatusCode::BAD_REQUEST, error);
        }
    };
    let call = Call {
        method: &request.method,
        params: request.params,
        headers: &head.headers,
    };
    let outcome = service.call(call).await;
    respond(
        StatusCode::OK,
        request.id.unwrap_or(RawValue::NULL),
        &outcome,
    )
}

/// Binds a Unix socket at `path`, in place of one that a dead process left there.
///
/// The mode is the process's umask's affair.
///
/// # Errors
///
/// What the system says; `path` may hold something else than a socket.
pub fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        _ => {}
    }
    UnixListener::bind(path)
}

/// Accepts connections for [`axum::serve()`] that [linger](crate::linger) when they end.
#[derive(Debug)]
pub struct LingeringListener(pub UnixListener);

impl axum::serve::Listener for LingeringListener {
    type Io = Lingering<UnixStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
        (Lingering::new(stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Why there is no body.
enum Unread {
    TooLong,
    Broken,
}

/// Reads a body of at most `limit` bytes.
///
/// Of a longer one some more is read and thrown away: a client that is still
/// sending when the connection closes sees a broken pipe instead of the answer.
async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Unread> {
    let (mut kept, mut length) = (Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= limit {
            kept.extend_from_slice(&data);
        } else {
            kept = Vec::new();
            if length > limit.saturating_mul(DRAIN) {
                break;
            }
        }
    }
    if length > limit {
        Err(Unread::TooLong)
    } else {
        Ok(kept.into())
    }
}

/// A body is read to its end when it is not longer than so many times the limit.
const DRAIN: usize = 8;

/// What a body turns out to be.
enum Incoming<'a> {
    /// To be executed.
    Call(Request<'a>),
    /// An error object.
    Echo,
    /// A notification, a batch, a result: anything that is answered with `{}`.
    Nothing,
    /// Not JSON, and why.
    NotJson(String),
}

fn read(body: &[u8]) -> Incoming<'_> {
    match serde_json::from_slice::<Request<'_>>(body) {
        Ok(request) if request.jsonrpc == "2.0" && request.id.is_some_and(is_id) => {
            Incoming::Call(request)
        }
        Ok(_) => Incoming::Nothing,
        Err(error) if error.is_data() && is_error_object(body) => Incoming::Echo,
        Err(error) if error.is_data() => match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(IgnoredAny) => Incoming::Nothing,
            Err(error) => Incoming::NotJson(error.to_string()),
        },
        Err(error) => Incoming::NotJson(error.to_string()),
    }
}

/// A string or an integer; `null` is no id.
fn is_id(id: &RawValue) -> bool {
    let text = id.get();
    text.starts_with('"') || text.parse::<i64>().is_ok()
}

/// Whether a body is an answer with an error. It is not parsed into a tree, which would take many
/// times the memory of a hostile body.
fn is_error_object(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        jsonrpc: Cow<'a, str>,
        method: Option<IgnoredAny>,
        #[serde(rename = "id")]
        _id: IgnoredAny,
        #[serde(rename = "error")]
        _error: ErrorObject,
    }
    #[derive(Deserialize)]
    struct ErrorObject {
        #[serde(rename = "message")]
        _message: IgnoredAny,
        #[serde(rename = "code")]
        _code: IgnoredAny,
    }
    // An array would do for a struct.
    body.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<Envelope<'_>>(body)
            .is_ok_and(|envelope| envelope.jsonrpc == "2.0" && envelope.method.is_none())
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn refusal(status: StatusCode, error: RpcError) -> http::Response<Body> {
    respond(status, RawValue::NULL, &Err(error))
}

fn respond(status: StatusCode, id: &RawValue, outcome: &RpcResult) -> http::Response<Body> {
    match serde_json::to_vec(&Response::new(id, outcome)) {
        Ok(text) => json(status, text),
        Err(error) => {
            // Raw values and strings cannot fail to serialize.
            tracing::error!(%error, "cannot write a JSON-RPC answer");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> http::Response<Body> {
    let mut response = http::Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Service for Echo {
        async fn call(&self, call: Call<'_>) -> RpcResult {
            match call.method {
                "echo" => Ok(call.params.unwrap_or(RawValue::NULL).to_owned()),
                other => Err(RpcError::method_not_found(other)),
            }
        }
    }

    async fn post(kind: &str, body: &str) -> (StatusCode, String) {
        let request = http::Request::post("/")
            .header(CONTENT_TYPE, kind)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = answer(&Echo, request, 200).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_is_no_call_is_answered_as_the_original_does() {
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"message":"m","code":-3}}"#;
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":[1,"a"]}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":[1,"a"]}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":"x","method":"echo"}"#,
                r#"{"jsonrpc":"2.0","id":"x","result":null}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"toString"}"#,
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found: toString"}}"#,
            ),
            (r#"{"jsonrpc":"2.0","method":"echo"}"#, "{}"),
            (r#"{"jsonrpc":"2.0","id":null,"method":"echo"}"#, "{}"),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"echo"}"#, "{}"),
            (r#"{"id":1,"method":"echo"}"#, "{}"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"echo"}"#, "{}"),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"echo"}]"#, "{}"),
            (r#"{"jsonrpc":"2.0","id":1,"result":3}"#, "{}"),
            (error, error),
        ] {
            let (status, answer) = post("application/json; charset=utf-8", body).await;
            assert_eq!(
                (status, answer.as_str()),
                (StatusCode::OK, expected),
                "{body}"
            );
        }
        assert_eq!(
            post("text/plain", r#"{"jsonrpc":"2.0","id":1,"method":"echo"}"#)
                .await
                .1,
            "{}"
        );
    }

    #[tokio::test]
    async fn a_body_that_is_no_json_or_too_long_gets_an_error_object() {
        let (status, answer) = post("application/json", "{").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(
            answer.contains("-32700") && answer.contains(r#""id":null"#),
            "{answer}"
        );
        let (status, answer) = post(
            "application/json",
            &format!(r#"{{"a":"{}"}}"#, "x".repeat(300)),
        )
        .await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(answer.contains("longer than 200 bytes"), "{answer}");
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(bind_unix(&path).unwrap());
        assert!(path.exists());
        let _listener = bind_unix(&path).unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(
            bind_unix(&file).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
