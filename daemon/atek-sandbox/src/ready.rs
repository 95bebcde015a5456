//! Waits until a sidecar of a service is ready.
//!
//! `atek-sandbox ready KEY SIDECAR [port=N] [health]` is the command that systemd runs after the
//! sidecar's program was started (`ExecStartPost=`): what waits for the sidecar starts when it has
//! ended. It runs as the sidecar's user, in its network namespace, and runs nothing of the app.

use anyhow::{Context as _, bail, ensure};
use atek_api::ids::ServiceKey;
use atek_api::manifest::SidecarName;
use atek_api::spec::paths::process_health_socket;
use atek_api::spec::{HEALTH_COMMAND_TIMEOUT, HEALTHY, SIDECAR_READY_TIMEOUT};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io::Read as _;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The word that asks for this on the command line.
pub(crate) const WORD: &str = "ready";
/// The first pause between two attempts, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(250)];
/// Bytes of the longest answer of a health check that is read.
const VERDICT_BYTES: u64 = 400;

/// What must be so before the sidecar is ready.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    port: Option<u16>,
    health: Option<PathBuf>,
}

/// Returns when the sidecar that the rest of the command line names is ready.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> anyhow::Result<()> {
    let words: Vec<String> = args
        .map(|word| word.into_string().ok().context("a word is not text"))
        .collect::<anyhow::Result<_>>()?;
    // As systemd names the process that was started, systemd.exec(5): it does not look after that
    // one while this one runs.
    let program = std::env::var("MAINPID").ok();
    let program = program.and_then(|pid| pid.parse().ok()).map(Pid::from_raw);
    until_ready(&parse(&words)?, program, SIDECAR_READY_TIMEOUT)
}

fn parse(words: &[String]) -> anyhow::Result<Wanted> {
    let [key, name, rest @ ..] = words else {
        bail!("missing the service key, or the sidecar's name");
    };
    let (key, name): (ServiceKey, SidecarName) = (key.parse()?, name.parse()?);
    let (mut port, mut health) = (None, None);
    for word in rest {
        match word.split_once('=') {
            Some(("port", number)) => port = Some(number.parse().context("no port")?),
            None if word == "health" => health = Some(process_health_socket(&key, Some(&name))),
            _ => bail!("unknown option {word}"),
        }
    }
    Ok(Wanted { port, health })
}

fn until_ready(wanted: &Wanted, program: Option<Pid>, patience: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + patience;
    let [mut pause, longest] = PAUSES;
    loop {
        let Err(reason) = attempt(wanted) else {
            return Ok(());
        };
        // Without a signal: only whether there is such a process.
        if program.is_some_and(|program| kill(program, None) == Err(Errno::ESRCH)) {
            bail!("its program has ended");
        }
        if Instant::now() + pause > end {
            bail!("{reason:#}, within {} s", patience.as_secs());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

fn attempt(wanted: &Wanted) -> anyhow::Result<()> {
    if let Some(port) = wanted.port {
        let accepts = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .or_else(|_| TcpStream::connect((Ipv6Addr::LOCALHOST, port)));
        accepts.with_context(|| format!("it does not listen on port {port}"))?;
    }
    match &wanted.health {
        Some(socket) => ask(socket),
        None => Ok(()),
    }
}

/// Has the sidecar's health check run once (see [`crate::health`]).
fn ask(socket: &Path) -> anyhow::Result<()> {
    let stream = UnixStream::connect(socket).context("its health check is not there yet")?;
    let patience = HEALTH_COMMAND_TIMEOUT + Duration::from_secs(5);
    stream
        .set_read_timeout(Some(patience))
        .context("cannot wait for its health check")?;
    let mut said = String::new();
    stream
        .take(VERDICT_BYTES)
        .read_to_string(&mut said)
        .context("its health check does not answer")?;
    ensure!(said == HEALTHY, "it failed its health check: {said}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    fn words(line: &str) -> anyhow::Result<Wanted> {
        let words: Vec<String> = line.split_whitespace().map(ToOwned::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn the_command_line_says_what_to_wait_for() {
        let wanted = words("k1 db port=5432 health").unwrap();
        assert_eq!(wanted.port, Some(5432));
        assert_eq!(
            wanted.health.as_deref(),
            Some(Path::new("/run/atek-app-k1@db/health.sock"))
        );
        for wrong in [
            "",
            "k1",
            "k1 DB port=1",
            "../k db",
            "k1 db port=x",
            "k1 db x",
        ] {
            assert!(words(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_sidecar_is_ready_when_its_port_accepts_and_its_health_check_is_content() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("health.sock");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let wanted = Wanted {
            port: Some(port),
            health: Some(socket.clone()),
        };
        let none = until_ready(&wanted, None, Duration::ZERO).unwrap_err();
        assert!(none.to_string().contains(&format!("port {port}")), "{none}");
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let gone = Pid::from_raw(ended.id().try_into().unwrap());
        let gone = until_ready(&wanted, Some(gone), Duration::from_secs(600)).unwrap_err();
        assert!(gone.to_string().contains("has ended"), "{gone}");

        let health = UnixListener::bind(&socket).unwrap();
        let answers = std::thread::spawn(move || {
            for answer in ["exit code 1", "exit code 1", HEALTHY] {
                let (mut asking, _) = health.accept().unwrap();
                asking.write_all(answer.as_bytes()).unwrap();
            }
        });
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        until_ready(&wanted, Some(Pid::this()), Duration::from_secs(60)).unwrap();
        answers.join().unwrap();
    }
}
