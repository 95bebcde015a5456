//! Connections to a TCP port in the network namespace of a less trusted process.
//!
//! A socket belongs to the network namespace of the process that made it. A *socket source*, a
//! process inside the namespace (`atek-sandbox`, before and beside the service's program), makes
//! unconnected sockets and passes them here (`SCM_RIGHTS`); this side chooses the address and
//! connects. So no process passes bytes on, and the service cannot choose where is connected to.
//!
//! ```text
//!  connector ──`4` or `6`──▶ source          a request: the address family
//!  connector ◀──port, socket── source        an answer: the port, two bytes, big-endian
//!  connector ──connect──▶ 127.0.0.1:port or [::1]:port
//! ```
//!
//! The source must not share its sockets with the service: flags such as `O_NONBLOCK` belong to
//! the open file, so a process that shares it could make this one wait in a system call.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{socket_domain, socket_protocol, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketType, ipproto,
};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

/// Asks a socket source for an IPv4 socket.
pub const IPV4: u8 = b'4';
/// Asks a socket source for an IPv6 socket.
pub const IPV6: u8 = b'6';
/// How long a source may take to answer; it only has to make a socket.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the port may take to accept.
const CONNECT: Duration = Duration::from_secs(10);

/// Connects to one service's port.
#[derive(Debug)]
pub struct PortConnector {
    channel: tokio::sync::Mutex<Channel>,
    /// Tells whether the source is there while the channel is in use.
    watched: OwnedFd,
    /// The last connection was to `::1`, so it is tried first.
    prefers_ipv6: AtomicBool,
}

#[derive(Debug)]
struct Channel {
    stream: UnixStream,
    /// Answers that were asked for and not received, because the asking future was dropped.
    owed: usize,
}

impl PortConnector {
    /// A connector that asks the source at the other end of `channel`.
    ///
    /// # Errors
    ///
    /// It is no Unix stream socket, or cannot be watched.
    pub fn new(channel: OwnedFd) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        if socket_domain(&channel)? != AddressFamily::UNIX
            || socket_type(&channel)? != SocketType::STREAM
        {
            return Err(invalid());
        }
        let watched = channel.try_clone()?;
        let stream = StdUnixStream::from(channel);
        stream.set_nonblocking(true)?;
        Ok(Self {
            channel: tokio::sync::Mutex::new(Channel {
                stream: UnixStream::from_std(stream)?,
                owed: 0,
            }),
            watched,
            prefers_ipv6: AtomicBool::new(false),
        })
    }

    /// Whether the source is still there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        is_open(&self.watched)
    }

    /// Connects to the port, at `127.0.0.1` or `::1`.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` if nothing listens or the source is gone, `TimedOut`, or
    /// `InvalidData` if the source answers with something else than a new TCP socket.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let first = self.prefers_ipv6.load(Ordering::Relaxed);
        match self.connect_by(first).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let stream = self.connect_by(!first).await.map_err(|_| error)?;
                self.prefers_ipv6.store(!first, Ordering::Relaxed);
                Ok(stream)
            }
            other => other,
        }
    }

    async fn connect_by(&self, ipv6: bool) -> io::Result<TcpStream> {
        let (port, socket) = tokio::time::timeout(ANSWER, self.ask(ipv6))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        let ip = if ipv6 {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        } else {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        };
        let stream = std::net::TcpStream::from(socket);
        stream.set_nonblocking(true)?;
        let connecting = TcpSocket::from_std_stream(stream).connect(SocketAddr::new(ip, port));
        let stream = tokio::time::timeout(CONNECT, connecting)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// An unconnected socket of the namespace, and the port to connect to.
    async fn ask(&self, ipv6: bool) -> io::Result<(u16, OwnedFd)> {
        let mut channel = self.channel.lock().await;
        let family = [if ipv6 { IPV6 } else { IPV4 }];
        channel.stream.write_all(&family).await.map_err(gone)?;
        channel.owed += 1;
        loop {
            let (port, socket) = receive(&channel.stream).await?;
            channel.owed -= 1;
            // Answers come in the order of the requests: the last one is this request's.
            if channel.owed == 0 {
                let socket = socket.ok_or(io::ErrorKind::ConnectionRefused)?;
                check(&socket, ipv6)?;
                return Ok((port, socket));
            }
        }
    }
}

fn is_open(channel: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(channel, PollFlags::empty())];
    let now = Timespec::default();
    match poll(&mut watched, Some(&now)) {
        Ok(_) => !watched[0].revents().contains(PollFlags::HUP),
        // Unknown: taken for open, which only makes a newcomer wait.
        Err(_) => true,
    }
}

/// A source that is gone is a port at which nothing listens.
fn gone(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            io::ErrorKind::ConnectionRefused.into()
        }
        _ => error,
    }
}

/// One answer. Without a socket where the source could not make one.
async fn receive(stream: &UnixStream) -> io::Result<(u16, Option<OwnedFd>)> {
    let receiving = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut port = [0; 2];
        let mut into = [IoSliceMut::new(&mut port)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = rustix::net::recvmsg(stream, &mut into, &mut control, flags)?;
        let sockets = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut owned) => owned.next(),
            _ => None,
        });
        let socket = sockets.last();
        match received.bytes {
            2 => Ok((u16::from_be_bytes(port), socket)),
            0 => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    };
    stream
        .async_io(Interest::READABLE, receiving)
        .await
        .map_err(gone)
}

/// Refuses what is not a TCP socket of the family.
fn check(socket: &OwnedFd, ipv6: bool) -> io::Result<()> {
    let family = if ipv6 {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let is_tcp = socket_domain(socket)? == family
        && socket_type(socket)? == SocketType::STREAM
        && socket_protocol(socket)? == Some(ipproto::TCP);
    if is_tcp {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Where the connector of a service's present start is; empty while the service does not run, and
/// for one that listens on its socket file. Cheap to clone; clones are the same place.
#[derive(Debug, Clone, Default)]
pub struct PortSlot(Arc<Mutex<Option<Arc<PortConnector>>>>);

impl PortSlot {
    /// The connector.
    #[must_use]
    pub fn get(&self) -> Option<Arc<PortConnector>> {
        self.lock().clone()
    }

    /// Replaces the connector.
    pub fn set(&self, connector: Option<PortConnector>) {
        *self.lock() = connector.map(Arc::new);
    }

    /// Whether another clone is in use.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<PortConnector>>> {
        // Nothing in here panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for PortSlot {
    /// Whether both are the same place.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for PortSlot {}

#[cfg(test)]
mod tests;
