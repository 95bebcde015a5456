//! How fast ADB is, beside what it stands on and what the original stood on, in one run on one
//! disk.
//!
//! ```text
//! cargo bench -p atek-adb               rates: ADB over its socket, redb bare, hyperbee (npm)
//! cargo bench -p atek-adb -- --million  also memory with a million records
//! ```
//!
//! Every put is durable in ADB and in redb (acknowledged after fsync); hyperbee does
//! not sync at all. ADB's figures include HTTP, JSON and the client, which runs on
//! the same processors.

#![allow(clippy::unwrap_used, reason = "a failure ends the benchmark")]

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use redb::{Database, ReadableDatabase as _, TableDefinition};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;

/// Records in the database before anything is measured.
const RECORDS: u64 = 20_000;
/// How long each figure is measured.
const SECONDS: u64 = 3;
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

struct Adb {
    child: Child,
    socket: PathBuf,
}

impl Drop for Adb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One kept connection.
struct Client(SendRequest<Full<Bytes>>);

impl Client {
    async fn connect(socket: &Path) -> Self {
        let deadline = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    async fn raw(&mut self, service: &str, body: String) -> Bytes {
        let request = hyper::Request::post("/_api/adb")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("atek-auth-user", service)
            .header("atek-auth-service", service)
            .body(Full::from(body))
            .unwrap();
        self.0.ready().await.unwrap();
        let response = self.0.send_request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(
            !body.windows(8).take(40).any(|w| w == b"\"error\":"),
            "{body:?}"
        );
        body
    }

    async fn call(&mut self, service: &str, method: &str, params: Value) -> Value {
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        serde_json::from_slice::<Value>(&self.raw(service, body).await).unwrap()["result"].take()
    }
}

fn random() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);
    let mut x = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn key(n: u64) -> String {
    format!("{n:08}")
}

fn value(n: u64) -> Value {
    json!({"n": n, "text": "x".repeat(100)})
}

/// Calls per second of `clients` callers, each of which sends the next call after the last answer.
async fn rate(socket: &Path, clients: usize, call: impl Fn() -> String) -> f64 {
    let mut list = Vec::new();
    for _ in 0..clients {
        list.push(Client::connect(socket).await);
    }
    let start = Instant::now();
    let end = start + Duration::from_secs(SECONDS);
    let counts = futures_util::future::join_all(list.into_iter().map(async |mut client| {
        let mut count = 0_u64;
        while Instant::now() < end {
            client.raw("bench", call()).await;
            count += 1;
        }
        count
    }))
    .await;
    counts.iter().sum::<u64>() as f64 / start.elapsed().as_secs_f64()
}

/// Proportional set size of a process, in KiB.
fn pss(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn start(folder: &Path) -> Adb {
    let socket = folder.join("s");
    let child = Command::new(env!("CARGO_BIN_EXE_atek-adb"))
        .arg("--data")
        .arg(folder.join("data"))
        .env("ATEK_ASSIGNED_SOCKET_FILE", &socket)
        .env("ATEK_ASSIGNED_SERVICE_KEY", "adb")
        .env("RUST_LOG", "warn")
        .spawn()
        .unwrap();
    Adb { child, socket }
}

#[derive(Debug, Default, serde::Deserialize)]
struct Rates {
    put1: f64,
    put32: f64,
    get: f64,
    list: f64,
    diff: f64,
}

async fn measure_adb(folder: &Path, million: bool) -> Rates {
    let adb = start(folder);
    let mut client = Client::connect(&adb.socket).await;
    client
        .call("system", "init", json!([{"serverDbId": ""}]))
        .await;
    println!("memory: {} KiB PSS idle after init", pss(adb.child.id()));
    let made = client
        .call("bench", "dbCreate", json!([{"access": "private"}]))
        .await;
    let db = made["dbId"].as_str().unwrap().to_owned();
    fill(&mut client, &db, 0..RECORDS).await;
    let call = |method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
    };
    let put = || {
        call(
            "recordPut",
            json!([
                db,
                format!("bench.example/r/{}", key(random() % RECORDS)),
                value(1)
            ]),
        )
    };
    let get = || {
        call(
            "recordGet",
            json!([db, format!("bench.example/r/{}", key(random() % RECORDS))]),
        )
    };
    let list = || {
        call(
            "recordList",
            json!([db, "bench.example/r", {"gte": key(random() % (RECORDS - 100)), "limit": 100}]),
        )
    };
    let rates = Rates {
        put1: rate(&adb.socket, 1, put).await,
        put32: rate(&adb.socket, 32, put).await,
        get: rate(&adb.socket, 32, get).await,
        list: rate(&adb.socket, 4, list).await,
        diff: {
            let seq = client
                .call(
                    "bench",
                    "recordDiff",
                    json!([db, "/", {"since": 0, "limit": 1}]),
                )
                .await;
            assert!(seq["changes"].is_array());
            let info = client.call("bench", "dbDescribe", json!([db])).await;
            let since = info["usage"]["seq"].as_u64().unwrap() - 100;
            rate(&adb.socket, 4, || {
                call(
                    "recordDiff",
                    json!([db, "/", {"since": since, "limit": 100}]),
                )
            })
            .await
        },
    };
    println!("memory: {} KiB PSS after the load", pss(adb.child.id()));
    if million {
        let begin = Instant::now();
        fill(&mut client, &db, RECORDS..1_000_000).await;
        println!(
            "a million records after {:.0} s: {} KiB PSS",
            begin.elapsed().as_secs_f64(),
            pss(adb.child.id())
        );
        println!(
            "with a million: {:.0} gets/s, {:.0} puts/s",
            rate(&adb.socket, 32, get).await,
            rate(&adb.socket, 32, put).await
        );
        println!("memory: {} KiB PSS after that", pss(adb.child.id()));
        drop((client, adb));
        let begin = Instant::now();
        let adb = start(folder);
        let mut client = Client::connect(&adb.socket).await;
        client
            .call(
                "bench",
                "recordGet",
                json!([db, format!("bench.example/r/{}", key(1))]),
            )
            .await;
        println!(
            "after kill -9, with a million records: answers after {:.2} s, {} KiB PSS",
            begin.elapsed().as_secs_f64(),
            pss(adb.child.id())
        );
    }
    rates
}

async fn fill(client: &mut Client, db: &str, range: std::ops::Range<u64>) {
    let all: Vec<u64> = range.collect();
    for part in all.chunks(1000) {
        let ops: Vec<Value> = part
            .iter()
            .map(|n| json!({"type": "put", "path": format!("bench.example/r/{}", key(*n)), "value": value(*n)}))
            .collect();
        client.call("bench", "recordBatch", json!([db, ops])).await;
    }
}

fn measure_redb(folder: &Path) -> Rates {
    let db = Database::create(folder.join("bare.redb")).unwrap();
    let text = |n| serde_json::to_vec(&value(n)).unwrap();
    let path = |n| format!("bench.example\0r\0{}", key(n)).into_bytes();
    let write = |keys: &[u64]| {
        let txn = db.begin_write().unwrap();
        {
            let mut table = txn.open_table(TABLE).unwrap();
            for n in keys {
                table
                    .insert(path(*n).as_slice(), text(*n).as_slice())
                    .unwrap();
            }
        }
        txn.commit().unwrap();
    };
    write(&(0..RECORDS).collect::<Vec<_>>());
    let timed = |each: u64, work: &dyn Fn()| {
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(SECONDS) {
            work();
            count += each;
        }
        count as f64 / start.elapsed().as_secs_f64()
    };
    let some = |n: usize| (0..n).map(|_| random() % RECORDS).collect::<Vec<_>>();
    Rates {
        put1: timed(1, &|| write(&some(1))),
        put32: timed(32, &|| write(&some(32))),
        get: timed(1, &|| {
            let table = db.begin_read().unwrap().open_table(TABLE).unwrap();
            assert!(
                table
                    .get(path(random() % RECORDS).as_slice())
                    .unwrap()
                    .is_some()
            );
        }),
        list: timed(1, &|| {
            let table = db.begin_read().unwrap().open_table(TABLE).unwrap();
            let from = path(random() % (RECORDS - 100));
            assert_eq!(
                table
                    .range::<&[u8]>(from.as_slice()..)
                    .unwrap()
                    .take(100)
                    .count(),
                100
            );
        }),
        diff: f64::NAN,
    }
}

/// Installs hyperbee once, beside the build's other files.
fn measure_hyperbee(folder: &Path) -> Result<Rates, String> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-npm");
    if !cache.join("node_modules/hyperbee").exists() {
        std::fs::create_dir_all(&cache).unwrap();
        std::fs::write(cache.join("package.json"), r#"{"private": true}"#).unwrap();
        let args = [
            "install",
            "--no-audit",
            "--no-fund",
            "hyperbee@2.24.3",
            "hypercore@10.38.2",
        ];
        let status = Command::new("npm")
            .args(args)
            .current_dir(&cache)
            .status()
            .map_err(|e| e.to_string())?;
        if !status.success() {
            return Err("npm cannot install hyperbee".to_owned());
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/hyperbee.mjs");
    let output = Command::new("node")
        .arg(script)
        .args([folder.join("bee"), cache])
        .args([RECORDS.to_string(), SECONDS.to_string()])
        .output()
        .map_err(|e| e.to_string())?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::main]
async fn main() {
    let million = std::env::args().any(|arg| arg == "--million");
    // On the build's disk: /tmp may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let adb = measure_adb(folder.path(), million).await;
    let redb = measure_redb(folder.path());
    let bee = measure_hyperbee(folder.path()).unwrap_or_else(|problem| {
        println!("hyperbee not measured: {problem}");
        Rates {
            put1: f64::NAN,
            put32: f64::NAN,
            get: f64::NAN,
            list: f64::NAN,
            diff: f64::NAN,
        }
    });
    println!(
        "\n{:<34}{:>12}{:>12}{:>12}{:>10}{:>10}",
        "per second", "ADB", "redb bare", "hyperbee", "ADB/redb", "ADB/bee"
    );
    for (name, get) in [
        (
            "durable puts, 1 writer",
            (|r: &Rates| r.put1) as fn(&Rates) -> f64,
        ),
        ("durable puts, 32 writers (redb: 32 a commit)", |r| r.put32),
        ("gets, 32 readers (redb: 1)", |r| r.get),
        ("lists of 100", |r| r.list),
        ("diffs of 100 changes", |r| r.diff),
    ] {
        let (a, r, b) = (get(&adb), get(&redb), get(&bee));
        println!(
            "{name:<44}{a:>9.0}{r:>12.0}{b:>12.0}{:>10.2}{:>10.2}",
            a / r,
            a / b
        );
    }
}
