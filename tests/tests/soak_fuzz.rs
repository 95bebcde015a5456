//! A million hostile inputs: the crates' own parsers, and a booted host from its network.

use anyhow::Context as _;
use atek_tests::host::Host;
use atek_tests::paths;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Inputs of each of the crates' tests whose name holds `fuzz`; there are eight or more.
const INPUTS: u64 = 150_000;
/// The least sum over all of them.
const ALL_INPUTS: u64 = 1_000_000;
/// Requests to a booted host.
const REQUESTS: u64 = 30_000;
/// Memory that the host may keep after them, in KiB.
const KEPT_KIB: u64 = 32 << 10;

#[tokio::test]
async fn a_million_hostile_inputs_break_no_parser() -> anyhow::Result<()> {
    let started = Instant::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let child = tokio::process::Command::new(cargo)
        .args([
            "nextest",
            "run",
            "--workspace",
            "--profile",
            "soak",
            "--no-fail-fast",
            "--success-output",
            "immediate",
            "-E",
            "test(/(^|::)fuzz_/) & not package(atek-tests)",
        ])
        .current_dir(paths::repository())
        .env("ATEK_FUZZ_INPUTS", INPUTS.to_string())
        // Set by the run that this test belongs to.
        .env_remove("NEXTEST_PROFILE")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = child.await.context("cannot run cargo nextest")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let mut sum = 0;
    for line in said.lines().map(str::trim) {
        // `fuzz NAME: N inputs, M accepted, …`
        let Some((_, counts)) = line
            .strip_prefix("fuzz ")
            .and_then(|rest| rest.split_once(": "))
        else {
            continue;
        };
        println!("{line}");
        let inputs = counts.split(' ').next().unwrap_or_default();
        sum += inputs.parse::<u64>().context("a count is no number")?;
    }
    assert!(output.status.success(), "{said}");
    assert!(sum >= ALL_INPUTS, "only {sum} inputs were tried: {said}");
    println!("{sum} inputs in {:?}", started.elapsed());
    Ok(())
}

/// Requests of which one part is hostile, in turn. `nth` makes each a little different.
fn request(nth: u64) -> Vec<u8> {
    let long = "x".repeat(usize::try_from(nth % 4_000).unwrap_or_default());
    let deep = "[".repeat(usize::try_from(nth % 900).unwrap_or_default());
    let byte = char::from_u32(u32::try_from(nth % 256).unwrap_or_default()).unwrap_or('?');
    let (mut host, mut cookie, mut path) = (
        "localhost".to_owned(),
        "session=x".to_owned(),
        "/_atek/gateway?api=atek.cloud/services-api".to_owned(),
    );
    let mut body = r#"{"jsonrpc":"2.0","id":1,"method":"list","params":[]}"#.to_owned();
    match nth % 12 {
        0 => host = format!("{long}.localhost"),
        1 => host = format!("[{byte}::{nth:x}]:80"),
        2 => host = format!("a{byte}b.localhost"),
        3 => cookie = format!("session={long}{byte}; =session=y; {long}"),
        4 => cookie = "a=b; ".repeat(usize::try_from(nth % 500).unwrap_or_default()),
        5 => path = format!("/_atek/gateway?api={byte}{long}&&%zz=%00&transport=proxy"),
        6 => path = format!("/%2e%2e/{byte}/..//{long}"),
        7 => body = deep,
        8 => {
            body = format!(
                "[{}0]",
                "0,".repeat(usize::try_from(nth % 3_000).unwrap_or(0))
            )
        }
        9 => {
            body = format!(
                r#"{{"jsonrpc":"2.0","id":{nth}e9,"method":"{byte}","params":{{"{long}":{deep}"#
            )
        }
        10 => body = format!(r#"{{"jsonrpc":"2.0","id":"\ud800","method":"\u0000{long}"}}"#),
        _ => body = format!("{byte}{long}{deep}"),
    }
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Memory of the host daemon in use, in KiB.
async fn memory_of_atekd(host: &Host) -> anyhow::Result<u64> {
    let pid = host
        .machine
        .exec(["systemctl", "show", "-P", "MainPID", "atekd.service"])
        .await?;
    let status = host
        .machine
        .read(&format!("/proc/{}/status", pid.trim()))
        .await?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.context("no VmRSS")?.trim();
    Ok(line.trim_end_matches(" kB").parse()?)
}

#[tokio::test]
async fn hostile_requests_from_the_network_leave_the_host_as_it_was() -> anyhow::Result<()> {
    let host = Host::boot("soak-fuzz").await?;
    let address = (host.machine.address()?, 80);
    let pid = host
        .machine
        .exec(["systemctl", "show", "-P", "MainPID", "atekd.service"])
        .await?;
    let before = memory_of_atekd(&host).await?;
    let started = Instant::now();
    let (mut answered, mut cut) = (0_u64, 0_u64);
    for nth in 0..REQUESTS {
        let exchange = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(&request(nth)).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        match tokio::time::timeout(Duration::from_secs(30), exchange).await? {
            Ok(answer) if answer.starts_with(b"HTTP/1.1 ") => {
                answered += 1;
                assert!(
                    !answer.starts_with(b"HTTP/1.1 500"),
                    "{:?}",
                    String::from_utf8_lossy(&request(nth))
                );
            }
            // Refused before the whole of it was read.
            _ => cut += 1,
        }
    }
    let after = memory_of_atekd(&host).await?;
    println!(
        "{REQUESTS} requests in {:?}: {answered} answered, {cut} cut off; atekd {before} KiB before, {after} KiB after",
        started.elapsed()
    );
    let same = host
        .machine
        .exec(["systemctl", "show", "-P", "MainPID", "atekd.service"])
        .await?;
    assert_eq!(same, pid, "atekd was started again");
    assert!(
        after.saturating_sub(before) <= KEPT_KIB,
        "the memory grew from {before} KiB to {after} KiB"
    );
    Ok(())
}
