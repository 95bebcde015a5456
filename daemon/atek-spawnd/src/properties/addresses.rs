//! Addresses that a unit may or may not reach, in the shape of `IPAddressAllow=` and
//! `IPAddressDeny=`.

use atek_api::address::NEAR;
use atek_api::spec::{NAME_SERVER, Prefix};
use std::net::IpAddr;
use zbus::Variant;

const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// What finds the machine's end of a link by IPv6: its address there, and the groups in which
/// neighbours are asked for (RFC 4291, 2.7.1). The kernel asks in the name of the unit.
const NEIGHBOUR: [&str; 2] = ["fe80::1/128", "ff02::1:ff00:0/104"];

/// The loopback, which is the unit's own, and its link to the machine.
pub(super) fn own() -> Variant<'static> {
    let names = Prefix::new(NAME_SERVER.into(), 32);
    let own = LOOPBACK.into_iter().chain(NEIGHBOUR).filter_map(parsed);
    value(own.chain(names))
}

/// All that is near: what is private or local in itself, and the networks of the home.
pub(super) fn near(home: &[Prefix]) -> Variant<'static> {
    let near = NEAR.into_iter().filter_map(parsed);
    value(near.chain(home.iter().copied()))
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
        for text in NEAR.into_iter().chain(LOOPBACK).chain(NEIGHBOUR) {
            let parsed = parsed(text).map(|prefix| prefix.to_string());
            assert_eq!(parsed.as_deref(), Some(text));
        }
    }
}
