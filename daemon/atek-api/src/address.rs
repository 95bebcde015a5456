//! Which addresses belong to the internet at large.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that are at home or on this machine wherever the box is, besides the loopback.
pub const NEAR: [&str; 11] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];

/// Whether an address belongs to the internet at large, and neither to this machine nor to a
/// home (IANA's special-purpose address registries).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b)))
}

/// Global unicast only, and of it not what wraps or stands for an IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global_unicast = (0x2000..0x4000).contains(&a);
    let is_documentation = (a == 0x2001 && b == 0xdb8) || a == 0x3fff;
    let is_special = a == 0x2001 && b < 0x200;
    let is_6to4 = a == 0x2002;
    is_global_unicast && !is_documentation && !is_special && !is_6to4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_near_is_public() {
        for near in NEAR {
            let near: crate::spec::Prefix = near.parse().unwrap();
            assert!(!is_public(near.address()), "{near}");
        }
    }

    #[test]
    fn addresses_of_homes_and_machines_are_not_public() {
        for (address, public) in [
            ("93.184.215.14", true),
            ("1.1.1.1", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2606:4700::1111", true),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("2002:7f00:1::", false),
            ("2001:db8::1", false),
            ("2001::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }
}
