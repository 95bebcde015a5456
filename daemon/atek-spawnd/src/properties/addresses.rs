//! Addresses that a unit may or may not reach, in the shape of `IPAddressAllow=` and
//! `IPAddressDeny=`.

use atek_api::spec::Prefix;
use std::net::IpAddr;
use zbus::Variant;

/// Networks that are at home or on this machine wherever the box is.
const NEAR: [&str; 11] = [
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
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// The loopback.
pub(super) fn loopback() -> Variant<'static> {
    value(LOOPBACK.into_iter().filter_map(parsed))
}

/// All that is near: what is private or local in itself, and the networks of the home.
pub(super) fn near(home: &[Prefix]) -> Variant<'static> {
    let near = NEAR.into_iter().filter_map(parsed);
    value(near.chain(home.iter().copied()))
}

/// All that is near, and the loopback.
pub(super) fn near_and_loopback(home: &[Prefix]) -> Variant<'static> {
    let near = NEAR.into_iter().chain(LOOPBACK).filter_map(parsed);
    value(near.chain(home.iter().copied()))
}

/// Single addresses.
pub(super) fn each(addresses: &[IpAddr]) -> Variant<'static> {
    value(addresses.iter().filter_map(|address| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Prefix::new(*address, bits)
    }))
}

/// Networks of the home, to be closed to a unit that runs.
pub(crate) fn closed(home: &[Prefix]) -> Variant<'static> {
    value(home.iter().copied())
}

fn parsed(text: &str) -> Option<Prefix> {
    text.parse().ok()
}

/// `a(iayu)`: family, address, bits.
fn value(prefixes: impl Iterator<Item = Prefix>) -> Variant<'static> {
    let list: Vec<(i32, Vec<u8>, u32)> = prefixes
        .map(|prefix| {
            let (family, bytes) = match prefix.address() {
                IpAddr::V4(v4) => (nix::libc::AF_INET, v4.octets().to_vec()),
                IpAddr::V6(v6) => (nix::libc::AF_INET6, v6.octets().to_vec()),
            };
            (family, bytes, u32::from(prefix.bits()))
        })
        .collect();
    Variant::from(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_of_the_lists_is_one() {
        for text in NEAR.into_iter().chain(LOOPBACK) {
            let parsed = parsed(text).map(|prefix| prefix.to_string());
            assert_eq!(parsed.as_deref(), Some(text));
        }
    }
}
