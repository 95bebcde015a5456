//! The real binary on a socket of its own, and a client that says who calls.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part, and a failure ends the test"
)]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::UnixStream;

/// The service key that the tests give to ADB.
pub const ADB_KEY: &str = "adb-key";

/// A running ADB. Killed when dropped.
pub struct Adb {
    child: Child,
    folder: TempDir,
    /// What the program is started with, such as `nsenter`.
    wrapper: Vec<String>,
}

/// A caller: user and service.
#[derive(Debug, Clone, Copy)]
pub struct As(pub &'static str, pub &'static str);

/// The host.
pub const SYSTEM: As = As("system", "system");

/// What a call ended with: the result, or code, message and data.
pub type Answer = Result<Value, (i64, String, Value)>;

impl Adb {
    /// A new one, without state.
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), Vec::new()).await
    }

    /// A new one in a folder of the test's, started by a program of its choice.
    pub async fn start_in(folder: TempDir, wrapper: Vec<String>) -> Self {
        let adb = Self {
            child: spawn(folder.path(), &wrapper),
            folder,
            wrapper,
        };
        adb.wait().await;
        adb
    }

    /// A new one whose server database is made; returns its id too.
    pub async fn initialized() -> (Self, String) {
        let adb = Self::start().await;
        adb.call(SYSTEM, "init", json!([{"serverDbId": ""}]))
            .await
            .unwrap();
        let config = adb.call(SYSTEM, "getConfig", json!([])).await.unwrap();
        (adb, config["serverDbId"].as_str().unwrap().to_owned())
    }

    /// Kills it as a power cut would, and starts it again on the same state.
    pub async fn kill_and_restart(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.child = spawn(self.folder.path(), &self.wrapper);
        self.wait().await;
    }

    async fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while UnixStream::connect(self.socket()).await.is_err() {
            assert!(Instant::now() < deadline, "ADB does not listen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "ADB does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One JSON-RPC call.
    pub async fn call(&self, who: As, method: &str, params: Value) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, body) = self.post(Some(who), &body.to_string()).await;
        assert!(
            status == StatusCode::OK || status == StatusCode::PAYLOAD_TOO_LARGE,
            "{status}"
        );
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        match answer.get_mut("error") {
            None => Ok(answer["result"].take()),
            Some(error) => Err((
                error["code"].as_i64().unwrap(),
                error["message"].as_str().unwrap().to_owned(),
                error["data"].take(),
            )),
        }
    }

    /// A call that may meet a dying process: `None` when no result came.
    pub async fn try_call(&self, who: As, method: &str, params: Value) -> Option<Value> {
        let stream = UnixStream::connect(self.socket()).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        tokio::spawn(connection);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = request(Some(who), Method::POST, "/_api/adb")
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(body.to_string()))
            .unwrap();
        let body = sender
            .send_request(request)
            .await
            .ok()?
            .into_body()
            .collect()
            .await
            .ok()?;
        let mut answer: Value = serde_json::from_slice(&body.to_bytes()).ok()?;
        answer.get_mut("result").map(Value::take)
    }

    /// The message that a call ends with.
    pub async fn refusal(&self, who: As, method: &str, params: Value) -> String {
        match self.call(who, method, params.clone()).await {
            Ok(result) => panic!("{method} {params} by {who:?} gave {result}"),
            Err((_, message, _)) => message,
        }
    }

    /// A private database of the caller's.
    pub async fn private_db(&self, who: As) -> String {
        let made = self
            .call(who, "dbCreate", json!([{"access": "private"}]))
            .await
            .unwrap();
        made["dbId"].as_str().unwrap().to_owned()
    }

    pub async fn post(&self, who: Option<As>, body: &str) -> (StatusCode, Bytes) {
        let request = request(who, Method::POST, "/_api/adb")
            .header("content-type", "application/json")
            .body(Full::from(body.to_owned()))
            .unwrap();
        let (status, _, body) = self.send(request).await;
        (status, body)
    }

    /// Any request.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> (StatusCode, hyper::HeaderMap, Bytes) {
        let stream = UnixStream::connect(self.socket()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        drop(sender);
        let _ = connection.await;
        (head.status, head.headers, body)
    }

    /// A user record in the server database.
    pub async fn user(&self, server: &str, key: &str, role: &str) {
        let record = json!({"username": key, "hashedPassword": "x", "role": role});
        self.call(
            SYSTEM,
            "recordPut",
            json!([server, ["atek.cloud", "user", key], record]),
        )
        .await
        .unwrap();
    }
}

/// A request by a caller.
pub fn request(who: Option<As>, method: Method, uri: &str) -> hyper::http::request::Builder {
    let builder = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "localhost");
    match who {
        None => builder,
        Some(As(user, service)) => builder
            .header("atek-auth-user", user)
            .header("atek-auth-service", service),
    }
}

impl Drop for Adb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path, wrapper: &[String]) -> Child {
    let program = env!("CARGO_BIN_EXE_atek-adb");
    let mut command = match wrapper {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command
        .arg("--data")
        .arg(folder.join("data"))
        .env("ATEK_ASSIGNED_SOCKET_FILE", folder.join("s"))
        .env("ATEK_ASSIGNED_SERVICE_KEY", ADB_KEY)
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}
