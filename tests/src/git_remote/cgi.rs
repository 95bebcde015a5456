//! `git http-backend` behind HTTP: the CGI protocol, as far as git needs it.

use super::server::{Body, Handler};
use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Serves the repositories in the folder `root`, for reading.
pub(super) fn handler(root: PathBuf) -> Handler {
    Arc::new(move |request| {
        let root = root.clone();
        Box::pin(async move {
            answer(&root, request).await.unwrap_or_else(|error| {
                let mut response = Response::new(Full::from(format!("{error:#}\n")).boxed_unsync());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            })
        })
    })
}

async fn answer(root: &Path, request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .context("the request broke off")?
        .to_bytes();
    let mut backend = Command::new("git");
    backend
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string());
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        if let Some(value) = parts
            .headers
            .get(header)
            .and_then(|value| value.to_str().ok())
        {
            backend.env(variable, value);
        }
    }
    let pipes = backend
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = pipes.spawn().context("cannot start git http-backend")?;
    let mut stdin = child
        .stdin
        .take()
        .context("git http-backend has no standard input")?;
    let feed = async move {
        // It need not read everything to answer.
        let _ = stdin.write_all(&body).await;
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    let output = output.context("cannot wait for git http-backend")?;
    parse(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// A CGI answer: header lines, an empty line, the body. `Status` is the status line.
fn parse(output: &[u8]) -> anyhow::Result<Response<Body>> {
    let Some(end) = output.windows(4).position(|window| window == b"\r\n\r\n") else {
        bail!("git http-backend gave no answer");
    };
    let head = std::str::from_utf8(&output[..end]).context("the answer's head is not text")?;
    let mut response = Response::builder();
    for line in head.lines() {
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("not a header: {line}"))?;
        response = match name {
            "Status" => response.status(value.trim().split(' ').next().unwrap_or_default()),
            _ => response.header(name, value.trim()),
        };
    }
    let body = Full::new(Bytes::copy_from_slice(&output[end + 4..])).boxed_unsync();
    response
        .body(body)
        .context("the answer's head is not one of HTTP")
}
