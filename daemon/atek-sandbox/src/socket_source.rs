//! Gives atekd sockets that connect to the TCP port on which a program listens.
//!
//! ```text
//!  atekd ──`4` or `6`──▶ this process            the address family
//!  atekd ◀──port, socket── this process          an unconnected socket (`SCM_RIGHTS`)
//!  atekd ──connect──▶ 127.0.0.1:PORT             the program, a child of this process
//! ```
//!
//! A socket belongs to the network namespace in which it was made, so atekd reaches the program
//! and no process passes bytes on. The program must not share a socket with atekd, see
//! `atek_rpc::port_connector`; this process cannot be traced by it ([`crate::companion`]).

use anyhow::Context as _;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket,
};
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use tokio::io::{AsyncReadExt as _, Interest};

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

    /// Answers atekd; returns only for an error.
    pub(crate) async fn give(self) -> io::Error {
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

#[cfg(test)]
mod tests;
