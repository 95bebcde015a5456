//! Runs a program as a child, and beside it what the host asks of its sandbox: sockets to
//! the program's port ([`SocketSource`]), and its health check and what it does before a backup
//! ([`HealthCheck`]).
//!
//! What the program of an image prints goes through pipes: images open `/dev/stdout` and
//! `/dev/stderr` as their log files, which is possible for a pipe and not for the journal's socket.
//!
//! This process is the unit's main process and ends as the program ends. It is confined as the
//! program is, and cannot be traced by it.

use crate::health::HealthCheck;
use crate::socket_source::SocketSource;
use anyhow::Context as _;
use atek_api::image::StopSignal;
use nix::sys::signal::Signal;
use std::convert::Infallible;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::signal::unix::{SignalKind, signal};

/// Runs `command` until it ends.
///
/// # Errors
///
/// The program cannot be started, or the host not be answered.
pub(crate) fn run(
    command: Command,
    source: Option<SocketSource>,
    checks: [Option<HealthCheck>; 2],
    with_pipes: bool,
) -> anyhow::Result<ExitCode> {
    // Its memory and descriptors are not the program's, though both have the same user.
    nix::sys::prctl::set_dumpable(false).context("cannot keep the program out")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot wait for the program")?;
    let status = runtime.block_on(async {
        // systemd asks every process of the unit to end: this one ends after the program.
        let asked = StopSignal::all().map(|asked| signal(SignalKind::from_raw(asked.number())));
        let _caught: Vec<_> = asked
            .collect::<Result<_, _>>()
            .context("cannot catch signals")?;
        let program = command.get_program().to_owned();
        let mut command = tokio::process::Command::from(command);
        if with_pipes {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = command
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot execute {}", program.display()))?;
        let out = child.stdout.take();
        let out = out.map(|from| tokio::spawn(pass(from, tokio::io::stdout())));
        let err = child.stderr.take();
        let err = err.map(|from| tokio::spawn(pass(from, tokio::io::stderr())));
        let give = unless_none(source.map(SocketSource::give));
        let [health, backup] = checks.map(|check| unless_none(check.map(HealthCheck::answer_all)));
        let status = tokio::select! {
            status = child.wait() => status.context("cannot wait for the program"),
            error = give => Err(error).context("cannot give sockets to atekd"),
            error = health => Err(error).context("cannot answer for the health check"),
            error = backup => Err(error).context("cannot answer for backups"),
        };
        for task in [out, err].into_iter().flatten() {
            // A child of the program may hold the pipe, and say more.
            let _ = tokio::time::timeout(LAST_WORDS, task).await;
        }
        status
    })?;
    Ok(end_as(status))
}

/// How long what a program printed may take to be passed on when it has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Bytes of what a program prints that are passed on at once: what a pipe holds.
const PRINTED_BYTES: usize = 64 * 1024;

/// How long what a program prints next may wait, to be passed on with what it prints then. A
/// program that logs each of thousands of requests a second otherwise wakes this process and the
/// journal with each line.
const GATHERING: Duration = Duration::from_millis(5);

/// Passes on what a program prints. A journal that does not take it is no reason to end.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut printed = vec![0; PRINTED_BYTES];
    while let Ok(count @ 1..) = from.read(&mut printed).await {
        let written = to.write_all(&printed[..count]).await;
        if written.is_err() || to.flush().await.is_err() {
            return;
        }
        tokio::time::sleep(GATHERING).await;
    }
}

async fn unless_none(part: Option<impl Future<Output = io::Error>>) -> io::Error {
    match part {
        Some(part) => part.await,
        None => match std::future::pending::<Infallible>().await {},
    }
}

/// The exit code of this process for the status of the program's. A signal ends this process, too.
fn end_as(status: ExitStatus) -> ExitCode {
    let signal = status.signal().and_then(|raw| Signal::try_from(raw).ok());
    if let Some(signal) = signal {
        // Returns for those that are caught here.
        let _ = nix::sys::signal::raise(signal);
    }
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
