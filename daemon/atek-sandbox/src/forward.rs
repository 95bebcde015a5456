//! Runs a program that listens on a TCP port, and forwards its socket file there.
//!
//! ```text
//!  atekd ──app.sock──▶ this process ──127.0.0.1:PORT──▶ the program, its child
//! ```
//!
//! This process is the unit's main process: it begins to listen on the socket file when the
//! program answers at its port, and ends as the program ends. It is confined as the program is.

use anyhow::Context as _;
use nix::sys::signal::Signal;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections at once; more wait in the backlog of the socket file.
const MAX_CONNECTIONS: usize = 256;
/// Bytes that are on their way in one direction of a connection.
const BUFFER: usize = 16 * 1024;
/// The first pause between two looks for the program's port, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(100)];
/// How long a client may go on sending what the program does not read any more.
const LINGER: Duration = Duration::from_secs(30);
/// How long a client may go on sending after the program has ended its own side.
const HALF_CLOSED: Duration = Duration::from_secs(600);
/// The addresses at which a program may listen, in the order in which they are tried.
const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Runs `command` until it ends, and forwards `socket` to `port` while it runs.
///
/// # Errors
///
/// The program cannot be started, or the socket file cannot be made; the program is then killed.
pub(crate) fn run(command: Command, socket: &Path, port: u16) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the forwarder")?;
    let status = runtime.block_on(async {
        // systemd asks every process of the unit to end: this one ends after the program.
        let _terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
        let program = command.get_program().to_owned();
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot execute {}", program.display()))?;
        tokio::select! {
            status = child.wait() => status.context("cannot wait for the program"),
            error = forward(socket, port) => Err(error).context("cannot forward the socket file"),
        }
    })?;
    Ok(end_as(status))
}

/// The exit code of this process for the status of the program's. A signal ends this process, too.
fn end_as(status: ExitStatus) -> ExitCode {
    let signal = status.signal().and_then(|raw| Signal::try_from(raw).ok());
    if let Some(signal) = signal {
        // Returns only for SIGTERM, which is caught here.
        let _ = nix::sys::signal::raise(signal);
    }
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Waits for the program's port, then forwards connections until the socket file fails.
async fn forward(socket: &Path, port: u16) -> io::Error {
    until_it_listens(port).await;
    match listen(socket) {
        Ok(listener) => serve(listener, port).await,
        Err(error) => error,
    }
}

fn listen(socket: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(socket)
}

async fn until_it_listens(port: u16) {
    let [mut pause, longest] = PAUSES;
    while connect(port).await.is_err() {
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn connect(port: u16) -> io::Result<TcpStream> {
    let [first, second] = LOOPBACK;
    match TcpStream::connect((first, port)).await {
        Err(_) => TcpStream::connect((second, port)).await,
        connected => connected,
    }
}

async fn serve(listener: UnixListener, port: u16) -> io::Error {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return io::ErrorKind::Other.into();
        };
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(async move {
                    let _permit = permit;
                    // Without the program the client sees its connection end.
                    if let Ok(program) = connect(port).await {
                        let _ = program.set_nodelay(true);
                        exchange(client, program).await;
                    }
                });
            }
            // Out of descriptors, most likely: some are closed in a moment.
            Err(error) if error.raw_os_error().is_some() => sleep(PAUSES[1]).await,
            Err(error) => return error,
        }
    }
}

/// Passes bytes in both directions until both have ended.
///
/// A program may answer an upload early and stop to read: the client still gets the answer, and
/// what it sends after that is dropped.
async fn exchange(mut client: UnixStream, mut program: TcpStream) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_program, mut to_program) = program.split();
    let refused = AtomicBool::new(false);
    let request = async {
        if copy(&mut from_client, &mut to_program).await == Copied::NotTaken {
            refused.store(true, Ordering::Relaxed);
            let mut rest = vec![0; BUFFER];
            while matches!(from_client.read(&mut rest).await, Ok(1..)) {}
        }
    };
    let answer = copy(&mut from_program, &mut to_client);
    let (mut request, mut answer) = (std::pin::pin!(request), std::pin::pin!(answer));
    tokio::select! {
        () = &mut request => {
            answer.await;
        }
        _ = &mut answer => {
            let patience = if refused.load(Ordering::Relaxed) { LINGER } else { HALF_CLOSED };
            let _ = timeout(patience, request).await;
        }
    }
}

/// How the copying of one direction ended.
#[derive(Debug, PartialEq, Eq)]
enum Copied {
    /// With the end of what was read; it was passed on.
    All,
    /// The other side takes no more.
    NotTaken,
}

/// Copies until `from` ends, then ends `to`.
async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> Copied {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => {
                let _ = to.shutdown().await;
                return Copied::All;
            }
            Ok(length) => {
                if to.write_all(&buffer[..length]).await.is_err() {
                    return Copied::NotTaken;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
