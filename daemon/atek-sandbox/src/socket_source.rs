//! Runs a program that listens on a TCP port, and gives atekd sockets that connect there.
//!
//! ```text
//!  atekd ──`4` or `6`──▶ this process            the address family
//!  atekd ◀──port, socket── this process          an unconnected socket (`SCM_RIGHTS`)
//!  atekd ──connect──▶ 127.0.0.1:PORT             the program, a child of this process
//! ```
//!
//! A socket belongs to the network namespace in which it was made, so atekd reaches the program
//! and no process passes bytes on. This process is the unit's main process and ends as the program
//! ends. It is confined as the program is, and cannot be traced by it: the program must not share
//! a socket with atekd, see `atek_rpc::port_connector`.

use anyhow::Context as _;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket,
};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus};
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::signal::unix::{SignalKind, signal};

/// Makes sockets for one port.
#[derive(Debug)]
pub(crate) struct SocketSource {
    channel: UnixStream,
    port: u16,
}

impl SocketSource {
    /// A source, and atekd's end of its channel.
    ///
    /// # Errors
    ///
    /// The channel cannot be made.
    pub(crate) fn new(port: u16) -> anyhow::Result<(Self, UnixStream)> {
        let (channel, theirs) = UnixStream::pair().context("cannot make a channel to atekd")?;
        Ok((Self { channel, port }, theirs))
    }

    /// Runs `command` until it ends, and gives sockets while it runs.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub(crate) fn run(self, command: Command) -> anyhow::Result<ExitCode> {
        // Its memory and descriptors are not the program's, though both have the same user.
        nix::sys::prctl::set_dumpable(false).context("cannot keep the program out")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot wait for the program")?;
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
                error = self.give() => Err(error).context("cannot give sockets to atekd"),
            }
        })?;
        Ok(end_as(status))
    }

    /// Answers atekd; returns only for an error.
    async fn give(self) -> io::Error {
        match self.answer_all().await {
            // atekd asks no more; the program may end its work.
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    }

    /// Answers until atekd hangs up.
    async fn answer_all(self) -> io::Result<()> {
        self.channel.set_nonblocking(true)?;
        let mut channel = tokio::net::UnixStream::from_std(self.channel)?;
        let mut asked = [0];
        loop {
            if !matches!(channel.read(&mut asked).await, Ok(1)) {
                return Ok(());
            }
            let socket = make(asked[0]);
            let port = self.port.to_be_bytes();
            let sent = channel.async_io(Interest::WRITABLE, || {
                send(channel.as_raw_fd(), &port, socket.as_ref())
            });
            match sent.await {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                other => other?,
            }
        }
    }
}

/// An unconnected TCP socket; none of a family that the kernel does not have.
fn make(family: u8) -> Option<OwnedFd> {
    let family = match family {
        b'4' => AddressFamily::Inet,
        b'6' => AddressFamily::Inet6,
        _ => return None,
    };
    socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).ok()
}

fn send(channel: i32, text: &[u8], socket: Option<&OwnedFd>) -> io::Result<()> {
    let socket = socket.map(|socket| [socket.as_raw_fd()]);
    let rights = socket.as_ref().map(|one| [ControlMessage::ScmRights(one)]);
    let rights = rights.as_ref().map_or(&[][..], |rights| &rights[..]);
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    sendmsg::<UnixAddr>(channel, &[IoSlice::new(text)], rights, flags, None)?;
    Ok(())
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

#[cfg(test)]
mod tests;
