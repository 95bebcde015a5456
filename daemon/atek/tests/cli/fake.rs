//! A host on a Unix socket (or TCP port) that answers what a test tells it to.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a fake host answers to a method.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Result(Value),
    Error(i64, String),
}

/// What it answers to a `GET` or an upload.
#[derive(Debug, Clone)]
enum Page {
    Lines { lines: Vec<String>, endless: bool },
    Status(u16, Value),
}

/// One call that arrived: API, method, parameters.
pub(crate) type Call = (String, String, Value);

#[derive(Debug, Default)]
struct State {
    answers: HashMap<(String, String), Vec<Answer>>,
    pages: HashMap<String, Page>,
    calls: Vec<Call>,
    requests: Vec<(String, String, Vec<u8>)>,
    token: Option<String>,
}

/// The host; its threads end with the test's process.
pub(crate) struct FakeHost {
    state: Arc<Mutex<State>>,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

pub(crate) const SERVICES: &str = "atek.cloud/services-api";
pub(crate) const USERS: &str = "atek.cloud/users-api";
pub(crate) const ADB: &str = "atek.cloud/adb-api";

impl FakeHost {
    /// A host on a Unix socket that knows no method yet.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let listener = {
            let _guard = runtime.enter();
            UnixListener::bind(folder.path().join("control.sock")).unwrap()
        };
        let shared = state.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, shared.clone());
            }
        });
        Self {
            state,
            folder,
            runtime,
        }
    }

    /// Also listens on a TCP port, where it wants this bearer token.
    pub(crate) fn on_tcp(&self, token: &str) -> u16 {
        self.state.lock().unwrap().token = Some(token.to_owned());
        let listener = self
            .runtime
            .block_on(TcpListener::bind(("127.0.0.1", 0)))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = self.state.clone();
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, shared.clone());
            }
        });
        port
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// A folder of the test's own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Answers a method; several answers are given one after the other, the last one for ever.
    pub(crate) fn answer(&self, api: &str, method: &str, answer: Answer) -> &Self {
        let key = (api.to_owned(), method.to_owned());
        self.state
            .lock()
            .unwrap()
            .answers
            .entry(key)
            .or_default()
            .push(answer);
        self
    }

    pub(crate) fn result(&self, api: &str, method: &str, result: Value) -> &Self {
        self.answer(api, method, Answer::Result(result))
    }

    pub(crate) fn error(&self, api: &str, method: &str, code: i64, message: &str) -> &Self {
        self.answer(api, method, Answer::Error(code, message.to_owned()))
    }

    /// Answers `GET path` with lines and the end.
    pub(crate) fn lines(&self, path: &str, lines: &[Value]) -> &Self {
        self.page(
            path,
            Page::Lines {
                lines: texts(lines),
                endless: false,
            },
        )
    }

    /// Answers `GET path` with lines, and keeps the stream open.
    pub(crate) fn endless_lines(&self, path: &str, lines: &[Value]) -> &Self {
        self.page(
            path,
            Page::Lines {
                lines: texts(lines),
                endless: true,
            },
        )
    }

    /// Answers a request to `path` with a status.
    pub(crate) fn status(&self, path: &str, status: u16, body: Value) -> &Self {
        self.page(path, Page::Status(status, body))
    }

    fn page(&self, path: &str, page: Page) -> &Self {
        self.state
            .lock()
            .unwrap()
            .pages
            .insert(path.to_owned(), page);
        self
    }

    /// The calls that arrived so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    /// The calls of one method, by their parameters.
    pub(crate) fn calls_of(&self, method: &str) -> Vec<Value> {
        self.calls()
            .into_iter()
            .filter(|(_, name, _)| name == method)
            .map(|(_, _, params)| params)
            .collect()
    }

    /// The other requests that arrived so far: method, path and query, body.
    pub(crate) fn requests(&self) -> Vec<(String, String, Vec<u8>)> {
        self.state.lock().unwrap().requests.clone()
    }
}

fn texts(lines: &[Value]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<Mutex<State>>) {
    tokio::spawn(async move {
        let service = service_fn(move |request| {
            let state = state.clone();
            async move { Ok::<_, Infallible>(respond(request, &state).await) }
        });
        // A client that goes away early is part of the tests.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
}

async fn respond(request: Request<Incoming>, state: &Mutex<State>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let path = head
        .uri
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let token = state.lock().unwrap().token.clone();
    if let Some(token) = token {
        let given = head
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        if given != Some(&format!("Bearer {token}")) {
            return status(401, &json!({ "error": true, "message": "Not authorized" }));
        }
    }
    if head.method == Method::POST && path.starts_with("/_atek/gateway?api=") {
        return gateway(&path, &body, &mut state.lock().unwrap());
    }
    let mut state = state.lock().unwrap();
    state
        .requests
        .push((head.method.to_string(), path.clone(), body.to_vec()));
    match state.pages.get(&path).cloned() {
        Some(Page::Status(code, body)) => status(code, &body),
        Some(Page::Lines { lines, endless }) => {
            let frames: Vec<_> = lines
                .into_iter()
                .map(|line| Ok(Frame::data(Bytes::from(line + "\n"))))
                .collect();
            let frames = futures_util::stream::iter(frames);
            if endless {
                let body = StreamBody::new(frames.chain(futures_util::stream::pending()));
                Response::new(body.boxed_unsync())
            } else {
                Response::new(StreamBody::new(frames).boxed_unsync())
            }
        }
        None => status(404, &json!({ "error": true, "message": "Not found" })),
    }
}

fn gateway(path: &str, body: &[u8], state: &mut State) -> Response<Body> {
    let query = path
        .split_once('?')
        .map(|(_, query)| query)
        .unwrap_or_default();
    let api = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "api")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    let call: Value = serde_json::from_slice(body).unwrap();
    let method = call["method"].as_str().unwrap_or_default().to_owned();
    state
        .calls
        .push((api.clone(), method.clone(), call["params"].clone()));
    let answer = match state.answers.get_mut(&(api.clone(), method.clone())) {
        Some(list) if list.len() > 1 => Some(list.remove(0)),
        Some(list) => list.first().cloned(),
        None => None,
    };
    let answer =
        answer.unwrap_or_else(|| Answer::Error(-32601, format!("Method not found: {method}")));
    let mut envelope = json!({ "jsonrpc": "2.0", "id": call["id"] });
    match answer {
        Answer::Result(result) => envelope["result"] = result,
        Answer::Error(code, message) => {
            envelope["error"] = json!({ "code": code, "message": message })
        }
    }
    status(200, &envelope)
}

fn status(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}
