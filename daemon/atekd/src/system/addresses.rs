//! The addresses of the box, from the kernel's tables. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 from `/proc/net/fib_trie`, IPv6 from `/proc/net/if_inet6`, each once, without those
/// that only the box itself can use.
pub(super) fn reachable(fib_trie: &str, if_inet6: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let fourth = local_v4(fib_trie)
        .filter(|v4| !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified())
        .map(IpAddr::from);
    let sixth = global_v6(if_inet6).map(IpAddr::from);
    for address in fourth.chain(sixth) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// Puts `first` in front, if it is among them.
pub(super) fn preferred_first(mut all: Vec<IpAddr>, first: Option<IpAddr>) -> Vec<IpAddr> {
    if let Some(at) = all.iter().position(|address| Some(*address) == first) {
        all[..=at].rotate_right(1);
    }
    all
}

/// A leaf of the trie is an address, and below it what the kernel does with it:
///
/// ```text
///        |-- 192.168.1.5
///           /32 host LOCAL
/// ```
fn local_v4(fib_trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut leaf: Option<Ipv4Addr> = None;
    fib_trie.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
            return None;
        }
        line.starts_with("/32 host LOCAL").then_some(leaf).flatten()
    })
}

/// `fd00…02 04 40 00 82 eth0`: address, interface, prefix, scope, flags. Scope 0 is global.
fn global_v6(if_inet6: &str) -> impl Iterator<Item = Ipv6Addr> {
    const TENTATIVE_OR_FAILED_OR_OLD: u32 = 0x40 | 0x08 | 0x20;
    if_inet6.lines().filter_map(|line| {
        let mut parts = line.split_ascii_whitespace();
        let address = u128::from_str_radix(parts.next()?, 16).ok()?;
        let scope = u32::from_str_radix(parts.nth(2)?, 16).ok()?;
        let flags = u32::from_str_radix(parts.next()?, 16).ok()?;
        (scope == 0 && flags & TENTATIVE_OR_FAILED_OR_OLD == 0)
            .then(|| Ipv6Addr::from_bits(address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 192.168.1.0
        /24 link UNICAST
     |-- 10.8.0.2
        /32 host LOCAL
     |-- 192.168.1.5
        /32 host LOCAL
     |-- 169.254.3.4
        /32 host LOCAL
     |-- 192.168.1.255
        /32 link BROADCAST
Local:
     |-- 192.168.1.5
        /32 host LOCAL
";
    const SIX: &str = "\
fe80000000000000d80447fffe965072 338 40 20 c0   atek-0
fd000000000000000000000000000002 04 40 00 82     eth0
20010db8000000000000000000000007 04 40 00 a0     eth0
20010db8000000000000000000000008 04 40 00 c0     eth0
00000000000000000000000000000001 01 80 10 80       lo
not a line
";

    fn shown(addresses: &[IpAddr]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_addresses_that_others_can_use_are_told_each_once() {
        let all = reachable(TRIE, SIX);
        assert_eq!(shown(&all), ["10.8.0.2", "192.168.1.5", "fd00::2"]);
        assert!(reachable("", "").is_empty());
    }

    #[test]
    fn the_address_that_leads_out_comes_first() {
        let first = |first: &str| {
            let all = reachable(TRIE, SIX);
            shown(&preferred_first(all, first.parse().ok()))
        };
        assert_eq!(first("192.168.1.5"), ["192.168.1.5", "10.8.0.2", "fd00::2"]);
        assert_eq!(first("fd00::2"), ["fd00::2", "10.8.0.2", "192.168.1.5"]);
        assert_eq!(first("1.2.3.4"), ["10.8.0.2", "192.168.1.5", "fd00::2"]);
    }
}
