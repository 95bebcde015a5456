//! Attempts on the network, and on sockets of the system and of other apps.

use crate::Attempt;
use crate::files::errno;
use crate::raw::call;
use nix::errno::Errno;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

pub(crate) const ATTEMPTS: &[(&str, Attempt)] = &[
    ("reach a TCP server", |to| tcp(&to.tcp)),
    ("reach the host's loopback", |to| tcp(&to.loopback)),
    ("reach the box by its address", |to| tcp(&to.the_box)),
    ("reach the box by its end of a link", |to| tcp(&to.link)),
    ("send a datagram to the box's end of a link", |to| {
        send(&to.link)
    }),
    ("reach a device at home", |to| tcp(&to.home)),
    ("reach a device at home by global IPv6", |to| {
        tcp(&to.home_v6)
    }),
    ("send a datagram to a device at home", |to| send(&to.home)),
    ("send a datagram by global IPv6", |to| send(&to.home_v6)),
    ("reach a UDP server", |to| send(&to.udp)),
    ("listen on TCP", |_| {
        TcpListener::bind("0.0.0.0:0")
            .map(drop)
            .map_err(|error| errno(&error))
    }),
    ("listen without binding", |_| {
        let socket = call(libc::SYS_socket, &[2, 1, 0])?;
        call(libc::SYS_listen, &[socket, 1]).map(drop)
    }),
    ("listen on the gateway's port", |_| {
        TcpListener::bind("0.0.0.0:8080")
            .map(drop)
            .map_err(|error| errno(&error))
    }),
    ("join a multicast group", |_| {
        UdpSocket::bind("0.0.0.0:0")
            .and_then(|socket| {
                socket.join_multicast_v4(&[224, 0, 0, 251].into(), &[0, 0, 0, 0].into())
            })
            .map_err(|error| errno(&error))
    }),
    ("an IPv6 raw socket", |_| {
        socket(libc::AF_INET6, libc::SOCK_RAW, 58)
    }),
    ("a ping socket", |_| {
        socket(libc::AF_INET, libc::SOCK_DGRAM, 1)
    }),
    ("a UDP-Lite socket", |_| {
        socket(libc::AF_INET, libc::SOCK_DGRAM, 136)
    }),
    ("a Bluetooth socket", |_| socket(31, libc::SOCK_RAW, 1)),
    ("a CAN socket", |_| socket(29, libc::SOCK_RAW, 1)),
    ("a TIPC socket", |_| socket(30, libc::SOCK_STREAM, 0)),
    ("an RDS socket", |_| socket(21, libc::SOCK_SEQPACKET, 0)),
    ("an XDP socket", |_| socket(44, libc::SOCK_RAW, 0)),
    ("an IPsec key socket", |_| socket(15, libc::SOCK_RAW, 2)),
    ("a UDP socket", |_| {
        socket(libc::AF_INET, libc::SOCK_DGRAM, 0)
    }),
    ("a raw socket", |_| socket(libc::AF_INET, libc::SOCK_RAW, 1)),
    ("a packet socket", |_| {
        socket(libc::AF_PACKET, libc::SOCK_RAW, 0)
    }),
    ("a netlink socket", |_| {
        socket(libc::AF_NETLINK, libc::SOCK_RAW, 0)
    }),
    ("a vsock socket", |_| {
        socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)
    }),
    ("a kernel crypto socket", |_| {
        socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0)
    }),
    ("an MPTCP socket", |_| {
        socket(libc::AF_INET, libc::SOCK_STREAM, 262)
    }),
    ("an SCTP socket", |_| {
        socket(libc::AF_INET, libc::SOCK_STREAM, 132)
    }),
    ("reach an abstract socket", |to| {
        let name = std::os::unix::net::SocketAddr::from_abstract_name(&to.abstract_socket);
        name.and_then(|name| UnixStream::connect_addr(&name))
            .map(drop)
            .map_err(|error| errno(&error))
    }),
    ("reach another app's socket", |to| stream(&to.other_socket)),
    ("reach the host's control socket", |to| {
        stream(&to.control_socket)
    }),
    ("reach the folder of another app's host", |_| {
        list("/run/atek/host/..")
    }),
    ("read the apps' tokens", |_| list("/run/atek/tokens")),
    ("reach the name service cache", |_| {
        stream("/run/systemd/resolve/io.systemd.Resolve")
    }),
    ("reach the system bus", |_| {
        stream("/run/dbus/system_bus_socket")
    }),
    ("reach the manager", |_| stream("/run/systemd/private")),
    ("reach the user database", |_| {
        stream("/run/systemd/userdb/io.systemd.DynamicUser")
    }),
    ("write to the journal", |_| {
        datagram("/run/systemd/journal/socket")
    }),
    ("write to the system log", |_| datagram("/dev/log")),
    ("notify the manager", |_| datagram("/run/systemd/notify")),
];

fn tcp(to: &str) -> Result<(), Errno> {
    let address: SocketAddr = to.parse().map_err(|_| Errno::EINVAL)?;
    TcpStream::connect_timeout(&address, Duration::from_secs(2))
        .map(drop)
        .map_err(|error| match error.kind() {
            ErrorKind::TimedOut => Errno::ETIMEDOUT,
            _ => errno(&error),
        })
}

/// Names of the host's folders beside the one that an app may see.
fn list(path: &str) -> Result<(), Errno> {
    let entries = std::fs::read_dir(path).map_err(|error| errno(&error))?;
    let seen = entries
        .flatten()
        .any(|entry| entry.file_name() == "control.sock" || entry.file_name().len() > 10);
    if seen { Ok(()) } else { Err(Errno::ENOENT) }
}

/// How often a datagram is sent, with a pause of [`ANSWER`] after each. The kernel tells a sender
/// of refusals at most once a second after the first six (`icmp_ratelimit`, icmp(7)), so that a
/// single datagram can be refused in silence.
const DATAGRAMS: usize = 6;
/// How long each datagram waits for its refusal.
const ANSWER: Duration = Duration::from_millis(500);

/// Sends datagrams until a firewall refuses one. One that the machine itself refuses, for want of
/// a server, has arrived.
fn send(to: &str) -> Result<(), Errno> {
    let to: SocketAddr = to.parse().map_err(|_| Errno::EINVAL)?;
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    for _ in 0..DATAGRAMS {
        let sent = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(to)?;
            socket.set_read_timeout(Some(ANSWER))?;
            socket.send(b"escaped")?;
            socket.recv(&mut [0; 16])
        });
        match sent.map_err(|error| (error.kind(), error)) {
            Err((ErrorKind::WouldBlock | ErrorKind::TimedOut, _)) => {}
            Ok(_) | Err((ErrorKind::ConnectionRefused, _)) => return Ok(()),
            Err((_, error)) => return Err(errno(&error)),
        }
    }
    Ok(())
}

fn socket(family: i32, kind: i32, protocol: usize) -> Result<(), Errno> {
    let number = |value: i32| usize::try_from(value).unwrap_or(0);
    call(libc::SYS_socket, &[number(family), number(kind), protocol]).map(drop)
}

fn stream(path: &str) -> Result<(), Errno> {
    UnixStream::connect(path)
        .map(drop)
        .map_err(|error| errno(&error))
}

fn datagram(path: &str) -> Result<(), Errno> {
    let socket = UnixDatagram::unbound().map_err(|error| errno(&error))?;
    socket.connect(path).map_err(|error| errno(&error))
}
