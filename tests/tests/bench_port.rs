//! Requests a second of one server at a TCP port and at its socket file: alone, and through the
//! gateway as a visitor sees it; and how long a start takes. All in one run. Prints figures; fails
//! only when something cannot be measured.

use anyhow::Context as _;
use atek_tests::GitRemote;
use atek_tests::host::{Host, SERVICES};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Seconds of one measurement, and measurements of each.
const SECONDS: u64 = 3;
const ROUNDS: usize = 5;
/// Connections at once.
const CONNECTIONS: usize = 8;
/// Starts of each program.
const STARTS: usize = 9;

/// Where requests go.
#[derive(Debug, Clone)]
enum Server {
    Socket(PathBuf),
    /// A port in a network namespace.
    Port(PathBuf, u16),
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Server {
    /// A connection; moves the calling thread into the server's network namespace.
    fn connect(&self) -> anyhow::Result<Box<dyn Stream>> {
        match self {
            Self::Socket(path) => Ok(Box::new(UnixStream::connect(path)?)),
            Self::Port(namespace, port) => {
                let namespace = std::fs::File::open(namespace)?;
                setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot join the network")?;
                let stream = TcpStream::connect(("127.0.0.1", *port))?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }

    /// Asks again and again on one connection, until `until`.
    fn ask(&self, request: &str, until: Instant) -> anyhow::Result<u64> {
        let mut stream = BufReader::new(self.connect()?);
        let mut answers = 0;
        while Instant::now() < until {
            stream.get_mut().write_all(request.as_bytes())?;
            let mut status = String::new();
            stream.read_line(&mut status)?;
            anyhow::ensure!(status.starts_with("HTTP/1.1 200"), "{status:?}");
            let mut length = 0;
            loop {
                let mut line = String::new();
                anyhow::ensure!(stream.read_line(&mut line)? > 0, "the connection ended");
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse()?;
                }
                if line == "\r\n" {
                    break;
                }
            }
            stream.read_exact(&mut vec![0; length])?;
            answers += 1;
        }
        Ok(answers)
    }

    fn per_second(&self, request: &str) -> anyhow::Result<f64> {
        let started = Instant::now();
        let until = started + Duration::from_secs(SECONDS);
        let answers: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CONNECTIONS)
                .map(|_| scope.spawn(|| self.ask(request, until)))
                .collect();
            let answers = threads.into_iter().map(|thread| match thread.join() {
                Ok(answers) => answers,
                Err(_) => anyhow::bail!("a client panicked"),
            });
            answers.sum::<anyhow::Result<u64>>()
        })?;
        Ok(answers as f64 / started.elapsed().as_secs_f64())
    }
}

/// Installs `app` once with a port and once without: the ids.
async fn both(host: &Host, app: &str) -> anyhow::Result<[String; 2]> {
    let mut ids = Vec::new();
    for (kind, manifest) in [("socket", json!({})), ("port", json!({ "port": 8080 }))] {
        let id = format!("{app}-{kind}");
        let remote = GitRemote::new(&id, host.machine.gateway()?)?;
        remote.tag_app("v0.9.0", app)?;
        let mut own: Value = serde_json::from_str(&std::fs::read_to_string(
            atek_tests::paths::repository()
                .join("tests/apps")
                .join(app)
                .join("atek.json"),
        )?)?;
        let own = own.as_object_mut().context("no manifest")?;
        own.remove("port");
        own.extend(manifest.as_object().cloned().unwrap_or_default());
        remote
            .write("atek.json", json!(own).to_string())?
            .tag("v1.0.0")?;
        let wanted = json!({ "sourceUrl": remote.url(), "id": id, "user": "alice" });
        host.install_from(wanted).await?;
        host.service_is(&id, "running").await?;
        ids.push(id);
    }
    let [socket, port] = ids.as_slice() else {
        anyhow::bail!("two apps")
    };
    Ok([socket.clone(), port.clone()])
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_beside_a_socket_file() -> anyhow::Result<()> {
    let config = r#"{ "maxRequestsPerMinute": 0 }"#;
    let builder = atek_tests::Machine::builder("bench-port");
    let host = Host::on(builder.file("/etc/atek/config.json", config, 0o644)).await?;
    let alice = host.person("alice", "admin").await?;
    let [socket, port] = both(&host, "port-node").await?;
    let machine = format!("/proc/{}/root", host.machine.pid()?);
    let namespace = |pid: u32| format!("{machine}/proc/{pid}/ns/net");
    let service = host.service(&socket).await?;
    let key = service["settings"]["key"]
        .as_str()
        .or(service["key"].as_str())
        .context("no key")?;
    let file = format!("{machine}/run/atek-app-{key}/app.sock");
    let direct = "GET / HTTP/1.1\r\nhost: app\r\n\r\n".to_owned();
    let mut loads = vec![
        (
            "socket file, direct",
            Server::Socket(file.into()),
            direct.clone(),
        ),
        (
            "port, direct",
            Server::Port(namespace(host.pid(&port).await?).into(), 8080),
            direct,
        ),
    ];
    for (name, id) in [
        ("socket file, through the host", &socket),
        ("port, through the host", &port),
    ] {
        let cookie = host.visit_cookie(&alice, id).await?;
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {id}.localhost\r\ncookie: atek-session={cookie}\r\n\r\n"
        );
        loads.push((name, Server::Port(namespace(1).into(), 80), request));
    }
    let mut figures = vec![Vec::new(); loads.len()];
    for _ in 0..ROUNDS {
        for ((_, server, request), figures) in loads.iter().zip(&mut figures) {
            let (server, request) = (server.clone(), request.clone());
            let measuring = tokio::task::spawn_blocking(move || server.per_second(&request));
            figures.push(measuring.await??);
        }
    }
    let mut before = f64::NAN;
    for (at, ((name, ..), figures)) in loads.iter().zip(figures).enumerate() {
        let figure = median(figures);
        if at % 2 == 0 {
            println!("{name:32} {figure:8.0} requests/s");
        } else {
            println!("{name:32} {figure:8.0} requests/s, {:.2}", figure / before);
        }
        before = figure;
    }
    for app in ["port-node", "native-echo"] {
        start_times(&host, app).await?;
    }
    Ok(())
}

/// From the call to the answer, which comes when the program is ready.
async fn start_times(host: &Host, app: &str) -> anyhow::Result<()> {
    let ids = match app {
        "port-node" => ["port-node-socket", "port-node-port"].map(str::to_owned),
        _ => both(host, app).await?,
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..STARTS {
        for (id, times) in ids.iter().zip(&mut times) {
            let system = host.system()?;
            system.call(SERVICES, "stop", json!([id])).await?;
            let started = Instant::now();
            system.call(SERVICES, "start", json!([id])).await?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
    }
    for (id, times) in ids.iter().zip(times) {
        println!("start call to serving, {id:20} {:6.0} ms", median(times));
    }
    Ok(())
}
