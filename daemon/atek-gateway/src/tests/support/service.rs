//! A service that shows what it was sent, and misbehaves on demand.

use crate::body::{self as bodies, Body, BoxError};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

/// Serves every connection to a socket file with `handler`.
pub(in super::super) fn serve<F, R>(socket: &Path, handler: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handler = handler.clone();
            let service = hyper::service::service_fn(move |request| {
                let answer = handler(request);
                async move {
                    let response = answer.await;
                    // As a crash looks from outside.
                    if response.status() == StatusCode::IM_A_TEAPOT {
                        Err("broke off")
                    } else {
                        Ok(response)
                    }
                }
            });
            tokio::spawn(async move {
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                let _ = serving.with_upgrades().await;
            });
        }
    });
}

/// The usual service.
pub(in super::super) fn start(socket: &Path) {
    serve(socket, |request| async move {
        if request.headers().contains_key(http::header::UPGRADE) {
            return websocket(request);
        }
        if request
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == "application/json")
        {
            return rpc(request).await;
        }
        pages(request).await
    });
}

async fn rpc(request: Request<Incoming>) -> Response<Body> {
    let shown = show(&request);
    let text = body(request).await;
    let Ok(call) = serde_json::from_slice::<Value>(&text) else {
        return plain("not JSON");
    };
    let answer =
        |result: Value| json_body(&json!({ "jsonrpc": "2.0", "id": call["id"], "result": result }));
    match call["method"].as_str().unwrap_or_default() {
        "mirror" => {
            answer(json!({ "request": shown, "body": String::from_utf8(text.to_vec()).unwrap() }))
        }
        "error" => json_body(
            &json!({ "jsonrpc": "2.0", "id": call["id"], "error": { "code": -7, "message": "no", "data": [1] } }),
        ),
        "empty" => json_body(&json!({})),
        "html" => plain("<html>"),
        "crash" => fail(StatusCode::IM_A_TEAPOT),
        "status" => fail(StatusCode::INTERNAL_SERVER_ERROR),
        "hang" => std::future::pending().await,
        "slow" => {
            tokio::time::sleep(Duration::from_millis(call["params"][0].as_u64().unwrap())).await;
            answer(call["params"][0].clone())
        }
        "long" => answer(
            "x".repeat(usize::try_from(call["params"][0].as_u64().unwrap()).unwrap())
                .into(),
        ),
        "long-quiet" => {
            let begin = format!("{{\"result\":\"long{}", "x".repeat(1 << 20));
            let first = Ok::<_, BoxError>(Frame::data(Bytes::from(begin)));
            let parts = stream::iter([first]).chain(stream::pending());
            Response::new(bodies::boxed(StreamBody::new(parts)))
        }
        "long-html" => plain(&"<".repeat(1 << 20)),
        other => panic!("the test's service has no method {other}"),
    }
}

async fn pages(request: Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        "/cookies" => {
            let mut response = plain("");
            for cookie in [
                "a=1; Domain=localhost",
                "session=stolen",
                "atek-session=stolen",
            ] {
                response
                    .headers_mut()
                    .append(SET_COOKIE, HeaderValue::from_static(cookie));
            }
            response
        }
        "/no-frames" => {
            let mut response = plain("");
            for (name, value) in [
                ("x-frame-options", "DENY"),
                ("content-security-policy", "img-src 'self'"),
            ] {
                response
                    .headers_mut()
                    .insert(name, HeaderValue::from_static(value));
            }
            response
        }
        "/for-the-whole-box" => {
            let mut response = fail(StatusCode::UNAUTHORIZED);
            for (name, value) in [
                ("strict-transport-security", "max-age=31536000"),
                ("clear-site-data", "\"cookies\", \"storage\""),
                ("www-authenticate", "Basic realm=\"Atek password\""),
                ("refresh", "0; url=http://evil.test/login"),
                ("alt-svc", "h3=\"evil.test:443\""),
                ("nel", "{}"),
                ("report-to", "{}"),
                ("accept-ch", "Sec-CH-UA-Model"),
                ("access-control-allow-origin", "*"),
            ] {
                let value = HeaderValue::from_static(value);
                response.headers_mut().insert(name, value);
            }
            response
        }
        "/hostile-cookies" => {
            let mut response = plain("");
            for cookie in [
                "sid=1; Path=/; HttpOnly",
                "theme=dark",
                "session=stolen; HttpOnly",
                "atek-session-8101=stolen; HttpOnly",
                "atek-session-8102=stolen; HttpOnly",
                "atek-app-8102-sid=stolen; HttpOnly",
                "=session=stolen",
            ] {
                response
                    .headers_mut()
                    .append(SET_COOKIE, HeaderValue::from_static(cookie));
            }
            response
        }
        "/count" => {
            let length = body(request).await.len();
            plain(&length.to_string())
        }
        "/endless" => {
            let parts = stream::unfold((), |()| async {
                Some((
                    Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"tick\n"))),
                    (),
                ))
            });
            Response::new(bodies::boxed(StreamBody::new(parts)))
        }
        "/quiet" => {
            let first = Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"tick\n")));
            let parts = stream::iter([first]).chain(stream::pending());
            Response::new(bodies::boxed(StreamBody::new(parts)))
        }
        "/crash" => fail(StatusCode::IM_A_TEAPOT),
        "/hang" => std::future::pending().await,
        "/moved" => {
            let mut response = fail(StatusCode::FOUND);
            response.headers_mut().insert(
                http::header::LOCATION,
                HeaderValue::from_static("http://localhost:1/x"),
            );
            response
        }
        _ => json_body(&show(&request)),
    }
}

/// Echoes bytes in capitals.
fn websocket(mut request: Request<Incoming>) -> Response<Body> {
    let shown = show(&request).to_string();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        io.write_all(shown.as_bytes()).await.unwrap();
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = io.read(&mut buffer).await {
            io.write_all(&buffer[..length].to_ascii_uppercase())
                .await
                .unwrap();
        }
    });
    let mut response = fail(StatusCode::SWITCHING_PROTOCOLS);
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", "yes"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Method, target and headers as JSON.
fn show(request: &Request<Incoming>) -> Value {
    let headers: serde_json::Map<String, Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("?").into()))
        .collect();
    json!({ "method": request.method().as_str(), "uri": request.uri().to_string(), "headers": headers })
}

pub(in super::super) async fn body(request: Request<Incoming>) -> Bytes {
    request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default()
}

pub(in super::super) fn json_body(value: &Value) -> Response<Body> {
    bodies::json(StatusCode::OK, value.to_string())
}

fn plain(text: &str) -> Response<Body> {
    bodies::text(StatusCode::OK, text.to_owned())
}

fn fail(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(bodies::empty());
    *response.status_mut() = status;
    response
}
