//! How fast the gateway is beside nginx, which proxies to the same socket files.
//!
//! Not a test: run it alone, built with optimisation.
//! `cargo test --release -p atek-gateway tests::bench -- --ignored --nocapture`
//! Needs `nginx` and `wrk`. `BENCH_SECONDS` (default 2) is the length of one measurement,
//! `BENCH_ROUNDS` (default 5) how often each is made; the best of each is shown, being the
//! least disturbed. `BENCH_CASES` picks cases by a part of their name, `BENCH_CONNECTIONS` one
//! number of connections.
//! The CPU time of the proxy alone is the figure that a busy machine spoils least.

use super::bench_floor;
use super::support::{ALICE, SYSTEM_TOKEN, World, service};
use crate::edge::bucket::Rate;
use crate::{Limits, body};
use atek_api::audit::AuditOutcome;
use atek_host_model::audit::{Act, Tally};
use atek_host_model::listener::{Listener, Origin};
use atek_host_model::permissions::Caller;
use http::StatusCode;
use serde_json::json;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":"hello, here is an answer of a usual length for a call"}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"hello","params":["world"]}"#;

struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        // Not SIGKILL: the workers would stay.
        if let Ok(id) = i32::try_from(self.0.id()) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(id),
                nix::sys::signal::Signal::SIGTERM,
            );
        }
        let _ = self.0.wait();
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn start_nginx(folder: &Path, port: u16, socket: &Path) -> Nginx {
    let config = folder.join("nginx.conf");
    let text = format!(
        "user root; worker_processes auto; daemon off; pid {folder}/nginx.pid; error_log stderr emerg;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n\
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         keepalive_requests 1000000000;\n\
         upstream app {{ server unix:{socket}; keepalive 64; keepalive_requests 1000000000; }}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; }} }} }}\n",
        folder = folder.display(),
        socket = socket.display(),
    );
    std::fs::write(&config, text).unwrap();
    Nginx(
        Command::new("nginx")
            .arg("-c")
            .arg(&config)
            .arg("-p")
            .arg(folder)
            .spawn()
            .unwrap(),
    )
}

/// Requests per second, the median latency in microseconds, and the number of requests.
fn wrk(
    folder: &Path,
    url: &str,
    connections: usize,
    headers: &[String],
    body: Option<&str>,
) -> (f64, f64, f64) {
    let script = folder.join("wrk.lua");
    let mut lua = std::fs::File::create(&script).unwrap();
    if let Some(body) = body {
        writeln!(lua, "wrk.method = 'POST'\nwrk.body = [[{body}]]\nwrk.headers['Content-Type'] = 'application/json'").unwrap();
    }
    writeln!(
        lua,
        "done = function(summary, latency)\n\
         local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout\n\
         io.write(string.format('RESULT %d %d %d %d\\n', summary.requests, summary.duration, latency:percentile(50), bad))\nend"
    )
    .unwrap();
    let mut command = Command::new("wrk");
    command.args([
        "-t",
        "1",
        "-c",
        &connections.to_string(),
        "-d",
        &format!("{}s", setting("BENCH_SECONDS", 2)),
    ]);
    for header in headers {
        command.args(["-H", header]);
    }
    let output = command
        .arg("-s")
        .arg(&script)
        .arg(url)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .unwrap_or_else(|| panic!("{text}"));
    let numbers: Vec<f64> = line
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    assert!(numbers[3] == 0.0, "{url}: {} errors", numbers[3]);
    (numbers[0] / numbers[1] * 1e6, numbers[2], numbers[0])
}

/// CPU time so far in microseconds of the threads and processes called `name`; `folder` lists them.
fn cpu(folder: &str, name: &str) -> f64 {
    let tick = 1e6 / 100.0;
    let stats = std::fs::read_dir(folder).unwrap().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        let (head, rest) = stat.split_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let spent: f64 =
            fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        head.split_once('(')?
            .1
            .starts_with(name)
            .then_some(spent * tick)
    });
    stats.sum()
}

fn best(values: &[f64], better: fn(f64, f64) -> f64) -> f64 {
    values.iter().copied().reduce(better).unwrap()
}

/// Nanoseconds of CPU that one note for the audit log costs, on as many threads as the gateway has.
fn audit_cost() -> f64 {
    const NOTES: u32 = 1_000_000;
    let tally = Tally::default();
    let act = Act::Call {
        api: "example.org/bench",
        method: "hello",
        provider: Some("rss"),
    };
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..setting("BENCH_WORKERS", 2) {
            scope.spawn(|| {
                for _ in 0..NOTES {
                    tally.note(&Caller::System, act, AuditOutcome::Done);
                }
            });
        }
    });
    // Each thread was busy, or waited for the other, for all of this time.
    began.elapsed().as_nanos() as f64 / f64::from(NOTES)
}

#[test]
#[ignore = "a benchmark: run it alone, with --release"]
fn beside_nginx() {
    let runtime = |name: &str, workers| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name(name)
            .enable_all()
            .build()
            .unwrap()
    };
    let backend = runtime("backend", 1);
    let host = runtime("gateway", setting("BENCH_WORKERS", 2));
    let folder = tempfile::tempdir().unwrap();
    let unlimited = Rate::per_minute(u32::MAX, u32::MAX);
    let limits = Limits {
        known: Some(unlimited),
        anonymous: Some(unlimited),
        ..Limits::default()
    };
    let mut world = host.block_on(World::with(limits));
    let socket = world.socket("rss");
    backend.block_on(async {
        service::serve(&socket, |request| async move {
            if request.method() == http::Method::POST {
                service::body(request).await;
            }
            body::json(StatusCode::OK, ANSWER)
        });
    });
    world.declare("rss", "key-alice", json!([{ "api": "example.org/bench" }]));
    let listener = host.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (gateway, cancel) = (world.gateway.clone(), world.cancel.clone());
    let _served = host.spawn(async move {
        gateway
            .serve(Listener::Tcp(listener), Origin::Public, cancel)
            .await
    });
    let _nginx = start_nginx(folder.path(), free, &socket);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", free)).is_err() {
        assert!(std::time::Instant::now() < until, "nginx does not listen");
        std::thread::yield_now();
    }
    let bare = bench_floor::serve_bare(&socket, setting("BENCH_WORKERS", 2));
    let pooled = runtime("pooled", setting("BENCH_WORKERS", 2));
    let pooled_port = pooled.block_on(bench_floor::serve_pooled(&socket));
    let bound = host.block_on(world.bound_cookie(ALICE, "rss"));
    let bearer = format!("Authorization: Bearer {SYSTEM_TOKEN}");
    let rpc = format!("http://127.0.0.1:{port}/_atek/gateway?api=example.org/bench");
    let sub = format!("http://127.0.0.1:{port}/page");
    let sub_host = format!("Host: rss.localhost:{port}");
    let nginx = format!("http://127.0.0.1:{free}/page");
    let bare = format!("http://127.0.0.1:{bare}/page");
    let pooled = format!("http://127.0.0.1:{pooled_port}/page");
    let cases: [(&str, &str, Vec<String>, Option<&str>); 8] = [
        ("nginx POST", &nginx, vec![bearer.clone()], Some(CALL)),
        ("rpc bearer", &rpc, vec![bearer.clone()], Some(CALL)),
        (
            "rpc cookie",
            &rpc,
            vec![format!("Cookie: session={ALICE}")],
            Some(CALL),
        ),
        ("nginx GET", &nginx, vec![bearer.clone()], None),
        ("bare hyper", &bare, vec![bearer.clone()], None),
        ("hyper-util", &pooled, vec![bearer.clone()], None),
        ("proxy bearer", &sub, vec![bearer, sub_host.clone()], None),
        (
            "proxy cookie",
            &sub,
            vec![format!("Cookie: atek-session={bound}"), sub_host],
            None,
        ),
    ];
    let wanted = std::env::var("BENCH_CASES").unwrap_or_default();
    let cases: Vec<_> = cases
        .into_iter()
        .filter(|(name, ..)| name.contains(&wanted))
        .collect();
    let audit = (0..5).map(|_| audit_cost()).reduce(f64::min).unwrap();
    let numbers = match setting("BENCH_CONNECTIONS", 0) {
        0 => vec![1, 32],
        number => vec![number],
    };
    for connections in numbers {
        let mut results = vec![(Vec::new(), Vec::new(), Vec::new()); cases.len()];
        for _ in 0..setting("BENCH_ROUNDS", 5) {
            for (result, (name, url, headers, body)) in results.iter_mut().zip(&cases) {
                let spent = || match name.split_once(' ').map_or(*name, |(first, _)| first) {
                    "nginx" => cpu("/proc", "nginx"),
                    "bare" => cpu("/proc/self/task", "bare"),
                    "hyper-util" => cpu("/proc/self/task", "pooled"),
                    _ => cpu("/proc/self/task", "gateway"),
                };
                let before = spent();
                let (rate, latency, requests) =
                    wrk(folder.path(), url, connections, headers, *body);
                result.0.push(rate);
                result.1.push(latency);
                result.2.push((spent() - before) / requests);
            }
        }
        println!("{connections} connections");
        let mut base = (1.0, 0.0);
        for ((rates, latencies, cpus), (name, ..)) in results.iter().zip(&cases) {
            let (rate, latency) = (best(rates, f64::max), best(latencies, f64::min));
            if name.starts_with("nginx") {
                base = (rate, latency);
            }
            println!(
                "  {name:13} {rate:8.0}/s  {:5.2} of nginx   p50 {latency:5.0} us  {:+5.0} us   cpu {:5.1} us",
                rate / base.0,
                latency - base.1,
                best(cpus, f64::min),
            );
            if name.starts_with("rpc") {
                let share = audit / 10.0 / best(cpus, f64::min);
                println!("    of which the audit log {audit:.0} ns, {share:.1} %");
                assert!(share <= 3.0, "the audit log costs {share:.1} % of a call");
            }
        }
    }
}

/// A gateway before an app that answers at once; its threads have this name.
fn served(backend: &Runtime, name: &str, audit: Tally) -> (Runtime, World, u16) {
    let host = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(setting("BENCH_WORKERS", 2))
        .thread_name(name)
        .enable_all()
        .build()
        .unwrap();
    let unlimited = Rate::per_minute(u32::MAX, u32::MAX);
    let limits = Limits {
        known: Some(unlimited),
        anonymous: Some(unlimited),
        ..Limits::default()
    };
    let mut world = host.block_on(World::noting(limits, Arc::new(audit)));
    let socket = world.socket("rss");
    backend.block_on(async {
        service::serve(&socket, |request| async move {
            service::body(request).await;
            body::json(StatusCode::OK, ANSWER)
        });
    });
    world.declare("rss", "key-alice", json!([{ "api": "example.org/bench" }]));
    let listener = host.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (gateway, cancel) = (world.gateway.clone(), world.cancel.clone());
    host.spawn(async move {
        gateway
            .serve(Listener::Tcp(listener), Origin::Public, cancel)
            .await
    });
    (host, world, port)
}

/// The same calls through a gateway that notes them and one that does not, in turns. What one note
/// costs of a call's CPU time is judged: the difference of two rates is smaller than their noise.
#[test]
#[ignore = "a benchmark: run it alone, with --release"]
fn with_and_without_the_audit_log() {
    let backend = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("backend")
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let names = ["noting", "silent"];
    let gateways = [
        served(&backend, names[0], Tally::default()),
        served(&backend, names[1], Tally::silent()),
    ];
    let bearer = [format!("Authorization: Bearer {SYSTEM_TOKEN}")];
    let connections = setting("BENCH_CONNECTIONS", 32);
    let (mut rates, mut cpus) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..2 * setting("BENCH_ROUNDS", 5) {
        let which = (round + round / 2) % 2;
        let url = format!(
            "http://127.0.0.1:{}/_atek/gateway?api=example.org/bench",
            gateways[which].2
        );
        // The workers of both have this name, and those of the other are idle.
        let spent = || cpu("/proc/self/task", "gateway");
        let before = spent();
        let (rate, _, requests) = wrk(folder.path(), &url, connections, &bearer, Some(CALL));
        rates[which].push(rate);
        cpus[which].push((spent() - before) / requests);
    }
    let (noted, bare) = (best(&rates[0], f64::max), best(&rates[1], f64::max));
    let (cost, floor) = (best(&cpus[0], f64::min), best(&cpus[1], f64::min));
    println!("with the audit log    {noted:8.0}/s  cpu {cost:5.2} us");
    println!("without it            {bare:8.0}/s  cpu {floor:5.2} us");
    println!(
        "rate {:.3}, cpu {:.3} of what it is without",
        noted / bare,
        cost / floor
    );
    let note = (0..5).map(|_| audit_cost()).reduce(f64::min).unwrap() / 1000.0;
    let share = 100.0 * note / floor;
    println!("one note costs {note:.2} us, {share:.1} % of a call");
    assert!(share <= 3.0, "the audit log costs {share:.1} % of a call");
}
