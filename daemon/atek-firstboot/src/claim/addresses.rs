//! The addresses under which a browser in the same network reaches the box.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use std::net::IpAddr;

/// The addresses now, IPv4 before IPv6, each once. Empty when there is no network.
pub fn list() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    let up = interfaces.filter(|interface| {
        let flags = interface.flags;
        flags.contains(InterfaceFlags::IFF_UP) && !flags.contains(InterfaceFlags::IFF_LOOPBACK)
    });
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address
            .as_sockaddr_in()
            .map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| {
            address
                .as_sockaddr_in6()
                .map(|address| IpAddr::V6(address.ip()))
        })
    };
    sorted(up.filter_map(address).collect())
}

/// The usable ones, in a stable order.
fn sorted(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let usable = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_link_local() && !address.is_unspecified(),
        // Link-local ones need the interface's name, which no browser takes.
        IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_unspecified(),
    };
    let mut addresses: Vec<IpAddr> = addresses.into_iter().filter(usable).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_a_browser_takes_are_kept_in_order() {
        let parse = |text: &[&str]| {
            text.iter()
                .map(|text| text.parse().unwrap())
                .collect::<Vec<IpAddr>>()
        };
        let mixed = parse(&[
            "fe80::1",
            "2001:db8::5",
            "169.254.3.4",
            "192.168.1.5",
            "10.0.0.2",
            "192.168.1.5",
        ]);
        assert_eq!(
            sorted(mixed),
            parse(&["10.0.0.2", "192.168.1.5", "2001:db8::5"])
        );
    }
}
