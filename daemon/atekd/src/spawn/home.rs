//! The networks of the home, which apps without permission for them do not reach.
//!
//! Private addresses are known beforehand. Devices at home also have addresses of the internet
//! (IPv6), under a prefix that the provider gives and changes.

use super::Spawn;
use crate::mdns::Changes;
use atek_api::spec::{LINK_PREFIX, Prefix};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long to wait before the network is watched again after a fault.
const PAUSE: Duration = Duration::from_secs(10);

/// The networks that this machine is on now.
///
/// # Errors
///
/// The kernel does not list them.
pub fn networks() -> io::Result<Vec<Prefix>> {
    let found = getifaddrs()?.filter_map(|entry| {
        let is_link = entry.interface_name.starts_with(LINK_PREFIX);
        if is_link || entry.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            return None;
        }
        let address = ip(&entry.address?)?;
        prefix(address, ip(&entry.netmask?)?)
    });
    let found: BTreeSet<Prefix> = found.collect();
    Ok(found.into_iter().collect())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
}

fn prefix(address: IpAddr, mask: IpAddr) -> Option<Prefix> {
    let bits = match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    };
    Prefix::new(address, u8::try_from(bits).ok()?)
}

/// Closes new networks of the home to the apps that run, until `cancel`.
pub async fn follow(spawn: Spawn, cancel: CancellationToken) {
    let watch = async {
        loop {
            if let Err(error) = watch(&spawn).await {
                tracing::warn!(%error, "cannot watch the networks of the home");
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = watch => {}
        () = cancel.cancelled() => {}
    }
}

async fn watch(spawn: &Spawn) -> io::Result<()> {
    let changes = Changes::watch()?;
    let mut closed = BTreeSet::new();
    loop {
        let found = networks()?;
        let new = found.iter().any(|network| !closed.contains(network));
        if new {
            match spawn.close_networks(&found).await {
                Ok(()) => closed.extend(found),
                Err(error) => {
                    let error = crate::error_chain::DisplayChain(&error);
                    tracing::warn!(%error, "running apps may reach new networks of the home");
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
        }
        changes.next().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_follows_from_an_address_and_its_mask() {
        for (address, mask, expected) in [
            ("192.168.1.7", "255.255.255.0", "192.168.1.0/24"),
            ("10.1.2.3", "255.255.255.255", "10.1.2.3/32"),
            (
                "2001:db8:77::1",
                "ffff:ffff:ffff:ffff::",
                "2001:db8:77::/64",
            ),
        ] {
            let found = prefix(address.parse().unwrap(), mask.parse().unwrap());
            assert_eq!(found.unwrap().to_string(), expected);
        }
    }

    #[test]
    fn the_loopback_is_no_network_of_the_home() {
        let loopback = networks()
            .unwrap()
            .into_iter()
            .find(|network| network.address().is_loopback());
        assert_eq!(loopback, None);
    }
}
