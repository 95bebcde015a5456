//! How fast and how small the host is, beside nginx on the same sockets in the same run.
//!
//! Prints figures; fails only when something cannot be measured. Run with `./tests/run bench`.

use anyhow::{Context as _, bail};
use atek_tests::host::{ADB, Host, INSPECT, Person, SERVICES};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Seconds of each measurement; each pair is measured in turn, three times.
const SECONDS: u32 = 4;
const ROUNDS: usize = 3;
/// Where nginx listens in the machine's network.
const NGINX: u16 = 8900;

/// What one run of wrk says.
#[derive(Debug, Clone, Copy)]
struct Run {
    per_second: f64,
    p50_ms: f64,
    /// Microseconds of processor time of the measured program for one request, which other
    /// programs of this computer change less than they change its rate.
    cpu_us: f64,
    errors: u64,
}

struct Load<'a> {
    machine: i32,
    folder: &'a Path,
}

impl Load<'_> {
    /// wrk inside the machine's network, with the outer machine's files.
    fn wrk(
        &self,
        program: &str,
        (url, script): (&str, &str),
        connections: u32,
    ) -> anyhow::Result<Run> {
        let before = self.cpu_us(program)?;
        let path = self.folder.join("load.lua");
        std::fs::write(&path, format!("{script}\n{REPORT}")).context("cannot write the script")?;
        let output = Command::new("nsenter")
            .args(["--target", &self.machine.to_string(), "--net", "--", "wrk"])
            .args([
                "-t1",
                &format!("-c{connections}"),
                &format!("-d{SECONDS}s"),
                "-s",
            ])
            .arg(&path)
            .arg(url)
            .output()
            .context("cannot run wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("REPORT "))
            .with_context(|| {
                format!(
                    "wrk gave no report: {text}{}",
                    String::from_utf8_lossy(&output.stderr)
                )
            })?;
        let report: Value = serde_json::from_str(line)?;
        let number = |name: &str| report[name].as_f64().unwrap_or_default();
        let spent = self.cpu_us(program)? - before;
        Ok(Run {
            per_second: number("rps"),
            p50_ms: number("p50") / 1000.0,
            cpu_us: spent / number("requests"),
            errors: report["errors"].as_u64().unwrap_or_default(),
        })
    }

    /// Processor time so far of the machine's processes that run `program`, in microseconds.
    fn cpu_us(&self, program: &str) -> anyhow::Result<f64> {
        const TICK_US: f64 = 10_000.0;
        let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let of_machine = network(&self.machine.to_string());
        let mut ticks = 0.0;
        for entry in std::fs::read_dir("/proc")? {
            let pid = entry?.file_name().to_string_lossy().into_owned();
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
                continue;
            };
            // proc_pid_stat(5): the name in brackets, then utime and stime as fields 14 and 15.
            let Some((head, rest)) = stat.rsplit_once(") ") else {
                continue;
            };
            if head
                .split_once('(')
                .is_some_and(|(_, name)| name == program)
                && network(&pid) == of_machine
            {
                let fields = rest.split(' ').skip(11).take(2);
                ticks += fields
                    .filter_map(|field| field.parse::<f64>().ok())
                    .sum::<f64>();
            }
        }
        Ok(ticks * TICK_US)
    }

    /// Two loads in turn, so that both see the same moods of the machine; the medians.
    fn pair(
        &self,
        ours: (&str, &str),
        (program, theirs): (&str, (&str, &str)),
        connections: u32,
    ) -> anyhow::Result<(Run, Run)> {
        let (mut our_runs, mut their_runs) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            our_runs.push(self.wrk("atekd", ours, connections)?);
            their_runs.push(self.wrk(program, theirs, connections)?);
        }
        Ok((median(our_runs), median(their_runs)))
    }
}

const REPORT: &str = r#"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('REPORT {"rps": %f, "requests": %d, "p50": %f, "errors": %d}\n',
    summary.requests / summary.duration * 1e6, summary.requests, latency:percentile(50),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    runs[runs.len() / 2]
}

fn post(headers: &[(&str, &str)]) -> String {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":["hello"]}"#;
    let mut script = format!(
        "wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = 'application/json'\n"
    );
    for (name, value) in headers {
        script += &format!("wrk.headers['{name}'] = '{value}'\n");
    }
    script
}

fn get(headers: &[(&str, &str)]) -> String {
    headers
        .iter()
        .map(|(name, value)| format!("wrk.headers['{name}'] = '{value}'\n"))
        .collect()
}

/// nginx in the machine's network, proxying to an app's own socket with kept-alive connections.
struct Nginx {
    child: std::process::Child,
}

impl Nginx {
    fn start(host: &Host, key: &str, folder: &Path) -> anyhow::Result<Self> {
        let machine = host.machine.pid()?;
        let socket = host
            .machine
            .outer_path(&format!("/run/atek-app-{key}/app.sock"))?;
        let config = format!(
            "daemon off; master_process on; worker_processes 2; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; keepalive_requests 1000000000;\n\
               client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};\n\
               upstream app {{ server unix:{socket}; keepalive 64; keepalive_requests 1000000000; }}\n\
               server {{ listen 127.0.0.1:{NGINX}; location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n",
            folder = folder.display(),
            socket = socket.display(),
        );
        let path = folder.join("nginx.conf");
        std::fs::write(&path, config).context("cannot write nginx.conf")?;
        let child = Command::new("nsenter")
            .args([
                "--target",
                &machine.to_string(),
                "--net",
                "--",
                "nginx",
                "-c",
            ])
            .arg(&path)
            .spawn()
            .context("cannot start nginx")?;
        Ok(Self { child })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

/// A machine whose host does not count the requests of one user.
fn unlimited(name: &str) -> atek_tests::Builder {
    let config = r#"{ "maxRequestsPerMinute": 0 }"#;
    atek_tests::Machine::builder(name).file("/etc/atek/config.json", config, 0o644)
}

fn system_token(config: &str) -> anyhow::Result<String> {
    let config: Value = serde_json::from_str(config)?;
    Ok(config["systemAuthTokens"][0]
        .as_str()
        .context("no system token")?
        .to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_and_proxy_beside_nginx() -> anyhow::Result<()> {
    let host = Host::on(unlimited("bench-gateway")).await?;
    let alice: Person = host.person("alice", "").await?;
    let app = host.install("native-echo", "alice").await?;
    let key = app["key"].as_str().context("no key")?;
    let visitor = host.visit_cookie(&alice, "native-echo").await?;
    let token = system_token(&host.machine.read("/var/lib/atek/config.json").await?)?;
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    let _nginx = Nginx::start(&host, key, folder.path())?;
    let load = Load {
        machine: host.machine.pid()?,
        folder: folder.path(),
    };
    wait_for_port(host.machine.pid()?).await?;

    let rpc = "http://127.0.0.1:80/_atek/gateway?api=example.test/native-echo";
    let nginx = format!("http://127.0.0.1:{NGINX}/");
    let bearer = post(&[
        ("Host", "localhost"),
        ("Authorization", &format!("Bearer {token}")),
    ]);
    let cookie = post(&[
        ("Host", "localhost"),
        ("Cookie", &format!("session={}", alice.cookie)),
    ]);
    let plain_post = post(&[]);
    let page = get(&[
        ("Host", "native-echo.localhost"),
        ("Cookie", &format!("atek-session={visitor}")),
    ]);
    let plain_get = get(&[]);

    println!(
        "| load | conns | atek req/s | nginx req/s | ratio | atek p50 ms | nginx p50 ms | atek CPU us | nginx CPU us |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for connections in [1, 32] {
        let rows = [
            ("RPC, bearer", rpc, &bearer, &plain_post),
            ("RPC, cookie", rpc, &cookie, &plain_post),
            (
                "subdomain GET, cookie",
                "http://127.0.0.1:80/",
                &page,
                &plain_get,
            ),
        ];
        for (name, url, ours, theirs) in rows {
            let (a, n) = load.pair((url, ours), ("nginx", (&nginx, theirs)), connections)?;
            if a.errors + n.errors > 0 {
                bail!("{name}: {} errors of atek, {} of nginx", a.errors, n.errors);
            }
            println!(
                "| {name} | {connections} | {:.0} | {:.0} | {:.2} | {:.3} | {:.3} | {:.1} | {:.1} |",
                a.per_second,
                n.per_second,
                a.per_second / n.per_second,
                a.p50_ms,
                n.p50_ms,
                a.cpu_us,
                n.cpu_us
            );
        }
        let (c, b) = load.pair((rpc, &cookie), ("atekd", (rpc, &bearer)), connections)?;
        println!(
            "cookie / bearer at {connections} connections: {:.3}",
            c.per_second / b.per_second
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_through_the_gateway() -> anyhow::Result<()> {
    let host = Host::on(unlimited("bench-database")).await?;
    let alice = host.person("alice", "").await?;
    let made = alice
        .client
        .call(ADB, "dbCreate", json!([{ "access": "private" }]))
        .await?;
    let db = made["dbId"].as_str().context("no id")?;
    let folder = tempfile::tempdir()?;
    let load = Load {
        machine: host.machine.pid()?,
        folder: folder.path(),
    };
    let url = "http://127.0.0.1:80/_atek/gateway?api=atek.cloud/adb-api";
    let call = |method: &str, params: &str| {
        format!(
            "local n = 0\nlocal headers = {{['Host'] = 'localhost', ['Content-Type'] = 'application/json', ['Cookie'] = 'session={}'}}\n\
             request = function()\n  n = (n + 7919) % 20000\n  \
             return wrk.format('POST', nil, headers, string.format('{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":[\"{db}\",\"notes/%06d\"{params}]}}', n))\nend\n",
            alice.cookie
        )
    };
    for (name, method, params, connections) in [
        (
            "durable puts, 1 writer",
            "recordPut",
            ",{\\\"text\\\":\\\"hello\\\"}",
            1,
        ),
        (
            "durable puts, 32 writers",
            "recordPut",
            ",{\\\"text\\\":\\\"hello\\\"}",
            32,
        ),
        ("gets, 1 reader", "recordGet", "", 1),
        ("gets, 32 readers", "recordGet", "", 32),
    ] {
        let runs = (0..ROUNDS)
            .map(|_| {
                load.wrk(
                    "atekd",
                    (url, &call(method, &params.replace("\\\"", "\""))),
                    connections,
                )
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let run = median(runs);
        println!(
            "{name}: {:.0} a second, p50 {:.3} ms, {} errors",
            run.per_second, run.p50_ms, run.errors
        );
    }
    Ok(())
}

async fn wait_for_port(machine: i32) -> anyhow::Result<()> {
    atek_tests::wait_for("nginx", Duration::from_secs(10), async || {
        let listening = Command::new("nsenter")
            .args([
                "--target",
                &machine.to_string(),
                "--net",
                "--",
                "ss",
                "-ltnH",
                &format!("sport = :{NGINX}"),
            ])
            .output()?;
        Ok(atek_tests::Seen::if_so(listening.stdout, |out| {
            !out.is_empty()
        }))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn start_and_memory() -> anyhow::Result<()> {
    let host = Host::boot("bench-start").await?;
    host.person("alice", "").await?;

    let mut ready = Vec::new();
    for _ in 0..7 {
        host.machine
            .exec([
                "systemctl",
                "stop",
                "atekd.service",
                "atek-app-core.adb.service",
            ])
            .await?;
        let started = Instant::now();
        host.machine
            .exec(["systemctl", "start", "--no-block", "atekd.service"])
            .await?;
        until_ready(&host).await?;
        ready.push(started.elapsed());
    }
    println!("start to ready, database included: {}", spread(&mut ready));
    let mut adopted = Vec::new();
    for _ in 0..7 {
        let started = Instant::now();
        host.machine
            .exec(["systemctl", "kill", "-s", "KILL", "atekd.service"])
            .await?;
        host.machine
            .exec(["systemctl", "start", "--no-block", "atekd.service"])
            .await?;
        until_ready(&host).await?;
        adopted.push(started.elapsed());
    }
    println!("kill -9 to ready, apps adopted: {}", spread(&mut adopted));

    for app in ["native-echo", "hello-node"] {
        host.install(app, "alice").await?;
        let mut serving = Vec::new();
        for _ in 0..9 {
            host.system()?.call(SERVICES, "stop", json!([app])).await?;
            let started = Instant::now();
            host.system()?.call(SERVICES, "start", json!([app])).await?;
            serving.push(started.elapsed());
        }
        println!("start call to serving, {app}: {}", spread(&mut serving));
    }

    // Idle: atek-spawnd leaves after half a minute.
    tokio::time::sleep(Duration::from_secs(35)).await;
    let script = r#"for p in /proc/[0-9]*; do c=$(cat $p/comm 2>/dev/null) || continue
      case $c in atekd|atek-*|lonestar) echo "$c $(awk '/^Pss:/ {print $2}' $p/smaps_rollup)";; esac; done"#;
    let mut sum = 0;
    for line in host.machine.shell(script).await?.lines() {
        println!("idle PSS KiB: {line}");
        sum += line
            .split_whitespace()
            .last()
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0);
    }
    println!(
        "idle PSS of all Atek processes together: {:.1} MiB",
        sum as f64 / 1024.0
    );
    Ok(())
}

async fn until_ready(host: &Host) -> anyhow::Result<()> {
    let system = host.system()?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if system.call(INSPECT, "isReady", json!([])).await.is_ok() {
            return Ok(());
        }
    }
    bail!("the host is not ready again")
}

fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    format!(
        "median {:.0} ms, {:.0} to {:.0} ms ({} times)",
        ms(times[times.len() / 2]),
        ms(times[0]),
        ms(times[times.len() - 1]),
        times.len()
    )
}
