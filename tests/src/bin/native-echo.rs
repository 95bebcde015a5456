//! The smallest native app: a JSON-RPC echo, quick enough to measure the host with. With `PORT` it
//! listens there instead of on its socket file.

#![forbid(unsafe_code)]

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    method: String,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    result: serde_json::Value,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    if let Ok(port) = std::env::var("PORT") {
        let port = port.parse().map_err(io::Error::other)?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            serve(stream);
        }
    }
    let path = std::env::var_os("ATEK_ASSIGNED_SOCKET_FILE");
    let path = path.ok_or_else(|| io::Error::other("ATEK_ASSIGNED_SOCKET_FILE is not set"))?;
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    loop {
        let (stream, _) = listener.accept().await?;
        serve(stream);
    }
}

fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
}

/// `POST` is a call: `echo` gives its params back, `who` the host's headers. Anything else gets
/// "ok".
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() != hyper::Method::POST {
        return Ok(Response::new(Full::from("ok")));
    }
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let who = [header("atek-auth-user"), header("atek-auth-service")];
    let body = request.into_body().collect().await?.to_bytes();
    let answer = serde_json::from_slice(&body).and_then(|call: Call<'_>| {
        let result = match call.method.as_str() {
            "who" => serde_json::to_value(who),
            _ => serde_json::to_value(call.params),
        };
        serde_json::to_vec(&Answer {
            jsonrpc: "2.0",
            id: call.id,
            result: result?,
        })
    });
    let mut response = Response::new(Full::from(
        answer.unwrap_or_else(|error| error.to_string().into_bytes()),
    ));
    response.headers_mut().insert(
        "content-type",
        http::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}
