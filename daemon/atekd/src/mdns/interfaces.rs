//! The addresses of the box on its networks, and when they change.

use atek_api::spec::LINK_PREFIX;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket,
};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::time::Duration;
use tokio::net::UnixDatagram;

/// A new address comes with several messages, and is not usable before the last.
const SETTLE: Duration = Duration::from_millis(500);

/// An address on a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    /// The kernel's number of the interface.
    pub(super) interface: u32,
    pub(super) ip: IpAddr,
}

/// The addresses now, on networks where several devices hear each other. An app's link is none.
pub(super) fn now() -> io::Result<BTreeSet<Address>> {
    let wanted = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_MULTICAST;
    let unwanted = InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_POINTOPOINT;
    let found = getifaddrs()?.filter_map(|entry| {
        let is_link = entry.interface_name.starts_with(LINK_PREFIX);
        if is_link || !entry.flags.contains(wanted) || entry.flags.intersects(unwanted) {
            return None;
        }
        let address = entry.address?;
        let ip = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => IpAddr::from(v4.ip()),
            // Without its interface a link-local address leads nowhere, and URLs cannot name it.
            (_, Some(v6)) if v6.ip().is_unicast_link_local() => return None,
            (_, Some(v6)) => IpAddr::from(v6.ip()),
            _ => return None,
        };
        let interface = if_nametoindex(entry.interface_name.as_str()).ok()?;
        Some(Address { interface, ip })
    });
    Ok(found.collect())
}

/// Tells when an address was added or removed.
#[derive(Debug)]
pub(crate) struct Changes {
    /// A netlink socket. To the runtime it is a socket of datagrams like any other.
    socket: UnixDatagram,
}

impl Changes {
    /// Must be called on an event loop.
    pub(crate) fn watch() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let route = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, route)?;
        let groups = nix::libc::RTMGRP_IPV4_IFADDR | nix::libc::RTMGRP_IPV6_IFADDR;
        bind(
            socket.as_raw_fd(),
            &NetlinkAddr::new(0, groups.unsigned_abs()),
        )?;
        Ok(Self {
            socket: UnixDatagram::from_std(socket.into())?,
        })
    }

    /// Waits for the next change, and a moment longer for those that belong to it.
    pub(crate) async fn next(&self) -> io::Result<()> {
        self.socket.readable().await?;
        tokio::time::sleep(SETTLE).await;
        // What the messages say is asked of the kernel again.
        let mut message = [0; 8192];
        loop {
            match self.socket.try_recv(&mut message) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // There were more than fit; a change as well.
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_one_that_only_this_machine_can_use() {
        for address in now().unwrap() {
            assert!(
                !address.ip.is_loopback() && address.interface > 0,
                "{address:?}"
            );
        }
    }

    #[tokio::test]
    async fn without_a_change_nothing_is_told() {
        let changes = Changes::watch().unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(20), changes.next()).await;
        // Another test machine on this one may well have changed something.
        assert!(waited.is_err() || waited.is_ok_and(|outcome| outcome.is_ok()));
    }
}
