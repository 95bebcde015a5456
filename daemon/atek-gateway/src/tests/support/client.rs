//! A client: requests by hyper, and raw bytes where hyper is too well-behaved.

use super::{SYSTEM_TOKEN, World};
use crate::body;
use atek_rpc::pool::Pool;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Nothing here takes longer, however busy the machine is.
pub(in super::super) const DEADLINE: Duration = Duration::from_secs(60);

/// A response in memory.
#[derive(Debug)]
pub(in super::super) struct Answer {
    pub(in super::super) status: StatusCode,
    pub(in super::super) headers: HeaderMap,
    pub(in super::super) text: String,
}

impl Answer {
    pub(in super::super) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    pub(in super::super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The first cookie that is set, as a browser sends it back: `NAME=VALUE`.
    pub(in super::super) fn cookie(&self) -> &str {
        let set = self.header("set-cookie").unwrap_or_default();
        set.split(';').next().unwrap_or_default()
    }
}

/// Sends a request to a socket.
pub(in super::super) async fn send(
    socket: &Path,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    text: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(target);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:8080");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(if text.is_empty() {
            body::empty()
        } else {
            body::full(text.to_owned())
        })
        .unwrap();
    let sending = async {
        let response = Pool::unix(socket).send(request).await.unwrap();
        let (head, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&text).into_owned(),
        }
    };
    tokio::time::timeout(DEADLINE, sending)
        .await
        .expect("an answer in time")
}

impl World {
    /// `GET` on the public listener.
    pub(in super::super) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        send(&self.public, "GET", target, headers, "").await
    }

    /// A JSON-RPC call on the public listener as the host itself.
    pub(in super::super) async fn call(&self, query: &str, text: &str) -> Answer {
        let authorization = format!("Bearer {SYSTEM_TOKEN}");
        self.call_with(query, text, &[("authorization", &authorization)])
            .await
    }

    /// A JSON-RPC call on the public listener.
    pub(in super::super) async fn call_with(
        &self,
        query: &str,
        text: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        call_at(&self.public, query, text, headers).await
    }
}

pub(in super::super) async fn call_at(
    socket: &Path,
    query: &str,
    text: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut headers = headers.to_vec();
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        headers.push(("content-type", "application/json"));
    }
    send(
        socket,
        "POST",
        &format!("/_atek/gateway?{query}"),
        &headers,
        text,
    )
    .await
}

/// Writes bytes and reads until the other side closes, or `enough` is satisfied.
pub(in super::super) async fn raw(
    socket: &Path,
    bytes: &[u8],
    enough: impl Fn(&str) -> bool,
) -> String {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        // A server that has seen enough may close while the rest is on its way.
        let _ = stream.write_all(bytes).await;
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            seen.extend_from_slice(&buffer[..length]);
            if enough(&String::from_utf8_lossy(&seen)) {
                break;
            }
        }
        String::from_utf8_lossy(&seen).into_owned()
    };
    tokio::time::timeout(DEADLINE, exchange)
        .await
        .expect("the server closes or answers in time")
}
