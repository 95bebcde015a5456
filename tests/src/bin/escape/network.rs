//! Attempts on the network, and on sockets of the system and of other apps.

use crate::files::errno;
use crate::raw::call;
use crate::{Attempt, Targets};
use nix::errno::Errno;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

pub(crate) const ATTEMPTS: &[(&str, Attempt)] = &[
    ("reach a TCP server", |to| tcp(&to.tcp)),
    ("reach a UDP server", udp),
    ("listen on TCP", |_| {
        TcpListener::bind("0.0.0.0:0")
            .map(drop)
            .map_err(|error| errno(&error))
    }),
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
            std::io::ErrorKind::TimedOut => Errno::ETIMEDOUT,
            _ => errno(&error),
        })
}

fn udp(to: &Targets) -> Result<(), Errno> {
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|error| errno(&error))?;
    socket
        .send_to(b"escaped", &to.udp)
        .map(drop)
        .map_err(|error| errno(&error))
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
