//! The sockets of the relay.
//!
//! Avahi has its own at the same port and answers there for the box. It never hears the apps: the
//! firewall leads what they say to a port of its own, [`MDNS_PORT`].

use super::filter::MAX_MESSAGE;
use atek_api::spec::{MDNS_PORT, NAME_SERVER};
use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn,
    bind, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket as StdSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Where devices speak to all (RFC 6762, 3).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5_353;

/// A message, and the interface by which it came.
pub(super) struct Heard {
    pub(super) interface: u32,
    pub(super) message: Vec<u8>,
}

/// One socket, of which the kernel tells by which interface each message came.
#[derive(Debug)]
struct Socket(UdpSocket);

impl Socket {
    fn bind(address: SocketAddrV4) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd: OwnedFd = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        // There may be no link of an app yet.
        setsockopt(&fd, sockopt::IpFreebind, &true)?;
        setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?;
        setsockopt(&fd, sockopt::IpMulticastTtl, &255)?;
        // The box itself, and so its Avahi, does not hear the apps.
        setsockopt(&fd, sockopt::IpMulticastLoop, &false)?;
        bind(fd.as_raw_fd(), &SockaddrIn::from(address))?;
        UdpSocket::from_std(StdSocket::from(fd)).map(Self)
    }

    /// Says something to all by one interface.
    async fn say(&self, interface: u32, message: &[u8]) -> io::Result<()> {
        let to = SockaddrIn::from(SocketAddrV4::new(GROUP, PORT));
        let any = in_addr { s_addr: 0 };
        let by = in_pktinfo {
            ipi_ifindex: i32::try_from(interface).map_err(io::Error::other)?,
            ipi_spec_dst: any,
            ipi_addr: any,
        };
        let say = || {
            let control = [ControlMessage::Ipv4PacketInfo(&by)];
            let parts = [IoSlice::new(message)];
            let fd = self.0.as_raw_fd();
            sendmsg(fd, &parts, &control, MsgFlags::empty(), Some(&to)).map_err(io::Error::from)
        };
        self.0.async_io(Interest::WRITABLE, say).await.map(drop)
    }

    async fn hear(&self) -> io::Result<Heard> {
        let hear = || {
            // One byte more, to tell what is too long.
            let mut message = vec![0; MAX_MESSAGE + 1];
            let mut parts = [IoSliceMut::new(&mut message)];
            let mut control = cmsg_space!(in_pktinfo);
            let fd = self.0.as_raw_fd();
            let flags = MsgFlags::empty();
            let got = recvmsg::<SockaddrIn>(fd, &mut parts, Some(&mut control), flags)?;
            let length = got.bytes;
            let interface = got.cmsgs()?.find_map(|said| match said {
                ControlMessageOwned::Ipv4PacketInfo(info) => u32::try_from(info.ipi_ifindex).ok(),
                _ => None,
            });
            message.truncate(length);
            let interface = interface.unwrap_or_default();
            Ok(Heard { interface, message })
        };
        self.0.async_io(Interest::READABLE, hear).await
    }
}

/// The three that are open while an app may announce itself.
#[derive(Debug)]
pub(super) struct Sockets {
    home: Socket,
    from_apps: Socket,
    /// Only speaks: apps expect answers from this port.
    to_apps: Socket,
}

impl Sockets {
    /// Must be called on an event loop.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self {
            home: Socket::bind(SocketAddrV4::new(GROUP, PORT))?,
            from_apps: Socket::bind(SocketAddrV4::new(NAME_SERVER, MDNS_PORT))?,
            to_apps: Socket::bind(SocketAddrV4::new(NAME_SERVER, PORT))?,
        })
    }

    /// Receives the multicast packets of the network with this address of the machine.
    pub(super) fn join(&self, address: Ipv4Addr) {
        // It may be joined already, or gone.
        if let Err(error) = self.home.0.join_multicast_v4(GROUP, address) {
            tracing::debug!(%error, "cannot join multicast DNS at {address}");
        }
    }

    pub(super) async fn hear_home(&self) -> io::Result<Heard> {
        self.home.hear().await
    }

    pub(super) async fn hear_apps(&self) -> io::Result<Heard> {
        self.from_apps.hear().await
    }

    pub(super) async fn say_home(&self, interface: u32, message: &[u8]) -> io::Result<()> {
        self.home.say(interface, message).await
    }

    pub(super) async fn say_app(&self, interface: u32, message: &[u8]) -> io::Result<()> {
        self.to_apps.say(interface, message).await
    }
}
