//! Requests a second of one server at a TCP port, through the forwarder, beside its socket file and
//! beside systemd-socket-proxyd. Prints figures; fails only when something cannot be measured.

use anyhow::Context as _;
use atek_tests::GitRemote;
use atek_tests::host::{Host, SOON};
use atek_tests::{Seen, wait_for};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Seconds of one measurement, and measurements of each.
const SECONDS: u64 = 3;
const ROUNDS: usize = 3;
/// Connections at once.
const CONNECTIONS: usize = 8;

/// Asks again and again on one connection, until `until`.
fn ask(socket: &Path, until: Instant) -> anyhow::Result<u64> {
    let stream = UnixStream::connect(socket)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut answers = 0;
    while Instant::now() < until {
        (&stream).write_all(b"GET / HTTP/1.1\r\nhost: app\r\n\r\n")?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            anyhow::ensure!(reader.read_line(&mut line)? > 0, "the connection ended");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        answers += 1;
    }
    Ok(answers)
}

fn per_second(socket: &Path) -> anyhow::Result<f64> {
    let started = Instant::now();
    let until = started + Duration::from_secs(SECONDS);
    let answers: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| scope.spawn(|| ask(socket, until)))
            .collect();
        let answers = threads.into_iter().map(|thread| match thread.join() {
            Ok(answers) => answers,
            Err(_) => anyhow::bail!("a client panicked"),
        });
        answers.sum::<anyhow::Result<u64>>()
    })?;
    Ok(answers as f64 / started.elapsed().as_secs_f64())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_beside_a_socket_file_and_beside_socket_proxyd() -> anyhow::Result<()> {
    let host = Host::boot("bench-port").await?;
    host.person("alice", "admin").await?;
    host.install("port-node", "alice").await?;
    let remote = GitRemote::new("plain", host.machine.gateway()?)?;
    remote.tag_app("v0.9.0", "port-node")?;
    remote
        .write("atek.json", json!({}).to_string())?
        .tag("v1.0.0")?;
    let plain = json!({ "sourceUrl": remote.url(), "id": "plain", "user": "alice" });
    host.install_from(plain).await?;
    let root = PathBuf::from(format!("/proc/{}/root", host.machine.pid()?));
    let socket = async |id: &str| {
        host.service_is(id, "running").await?;
        let service = host.service(id).await?;
        let key = service["settings"]["key"]
            .as_str()
            .or(service["key"].as_str());
        let key = key.context("no key")?;
        anyhow::Ok(root.join(format!("run/atek-app-{key}/app.sock")))
    };
    let (forwarded, plain) = (socket("port-node").await?, socket("plain").await?);
    let pid = host.pid("port-node").await?;
    let namespace = format!("--property=NetworkNamespacePath=/proc/{pid}/ns/net");
    host.machine
        .exec([
            "systemd-run",
            "--unit=proxyd",
            &namespace,
            "systemd-socket-activate",
            "--listen=/run/proxyd.sock",
            "/usr/lib/systemd/systemd-socket-proxyd",
            "127.0.0.1:8080",
        ])
        .await?;
    let proxyd = root.join("run/proxyd.sock");
    wait_for("socket-proxyd", SOON, async || {
        Ok(Seen::if_so(UnixStream::connect(&proxyd).is_ok(), |up| *up))
    })
    .await?;
    let mut figures = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (socket, figures) in [&plain, &forwarded, &proxyd].into_iter().zip(&mut figures) {
            figures.push(per_second(socket)?);
        }
    }
    let [plain, forwarded, proxyd] = figures.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[ROUNDS / 2]
    });
    println!("socket file        {plain:8.0} requests/s");
    println!(
        "port, forwarded    {forwarded:8.0} requests/s, {:.2}",
        forwarded / plain
    );
    println!(
        "socket-proxyd      {proxyd:8.0} requests/s, {:.2}",
        proxyd / plain
    );
    Ok(())
}
