//! Names and addresses of the links. Pure.
//!
//! | | |
//! |---|---|
//! | `169.254.0.1` | the machine's end of every link, and the name server. The first 256 link-local addresses are reserved (RFC 3927, 2.1), so no device has chosen it |
//! | `198.19.0.N` | the app's end. Of the block for benchmarks (RFC 2544), by which no home numbers its devices; the next block where the machine is on that network |
//! | `fd6b:1c2e:93a7::N` | the app's end. A unique local prefix (RFC 4193), translated like IPv4 |
//! | `fe80::1`, `fe80::2` | the ends of each link among themselves |

use atek_api::spec::{LINK_PREFIX, Prefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How the link is called in the unit's namespace.
pub(crate) const INSIDE: &str = "eth0";
/// The machine's end of every link.
pub(crate) const GATEWAY_V6: &str = "fe80::1";
/// The unit's end of every link, for the neighbour protocol.
pub(crate) const LINK_LOCAL: &str = "fe80::2";
/// The most links at a time.
pub(crate) const LINKS: u8 = 250;

/// Networks for the units' ends, each of 256 addresses. The first that the machine is not on is
/// used.
const BLOCKS: [Ipv4Addr; 3] = [
    Ipv4Addr::new(198, 19, 0, 0),
    Ipv4Addr::new(100, 127, 0, 0),
    Ipv4Addr::new(10, 253, 0, 0),
];
const BLOCK_BITS: u8 = 24;
/// The units' ends by IPv6.
const UNIQUE_LOCAL: [u16; 3] = [0xfd6b, 0x1c2e, 0x93a7];

/// A place for a link: the kernel admits each name once, which is what makes it exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u8);

impl Slot {
    /// All places.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (1..=LINKS).map(Self)
    }

    /// The machine's end.
    pub(crate) fn name(self) -> String {
        format!("{LINK_PREFIX}{}", self.0)
    }

    /// The machine's end of the place that has an address of a unit.
    pub(crate) fn name_of(address: IpAddr) -> Option<String> {
        let number = match address {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(v6) => u8::try_from(v6.segments()[7]).ok()?,
        };
        Some(Self(number).name())
    }

    /// The unit's address in a block.
    pub(crate) fn v4(self, block: Ipv4Addr) -> Ipv4Addr {
        let [a, b, c, _] = block.octets();
        Ipv4Addr::new(a, b, c, self.0)
    }

    /// The unit's address.
    pub(crate) fn v6(self) -> Ipv6Addr {
        let [a, b, c] = UNIQUE_LOCAL;
        Ipv6Addr::new(a, b, c, 0, 0, 0, 0, u16::from(self.0))
    }
}

/// The first block that shares no address with `networks`; `None` where there is none.
pub(crate) fn free_block(networks: &[Prefix]) -> Option<Ipv4Addr> {
    BLOCKS.into_iter().find(|block| {
        Prefix::new(IpAddr::V4(*block), BLOCK_BITS)
            .is_some_and(|block| !networks.iter().any(|network| overlap(block, *network)))
    })
}

fn overlap(one: Prefix, other: Prefix) -> bool {
    let bits = one.bits().min(other.bits());
    one.address().is_ipv4() == other.address().is_ipv4()
        && Prefix::new(one.address(), bits) == Prefix::new(other.address(), bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_the_home_uses_is_left_to_it() {
        for (networks, expected) in [
            (&["192.168.1.0/24"][..], Some("198.19.0.0")),
            (&["198.18.3.0/30", "2001:db8::/64"], Some("198.19.0.0")),
            (&["198.19.0.0/30"], Some("100.127.0.0")),
            (&["198.18.0.0/15", "100.64.0.0/10"], Some("10.253.0.0")),
            (&["198.19.0.9/32", "100.127.0.0/16", "10.0.0.0/8"], None),
        ] {
            let networks: Vec<Prefix> = networks.iter().map(|one| one.parse().unwrap()).collect();
            let expected = expected.map(|block| block.parse().unwrap());
            assert_eq!(free_block(&networks), expected, "{networks:?}");
        }
    }

    #[test]
    fn each_slot_has_names_and_addresses_of_its_own_that_are_not_of_the_internet() {
        let mut seen = std::collections::BTreeSet::new();
        for slot in Slot::all() {
            let (v4, v6) = (slot.v4(BLOCKS[0]), slot.v6());
            assert!(!atek_api::address::is_public(v4.into()), "{v4}");
            assert!(!atek_api::address::is_public(v6.into()), "{v6}");
            // An interface's name has at most 15 bytes.
            assert!(slot.name().len() <= 15);
            assert!(seen.insert((slot.name(), v4, v6)));
        }
        assert_eq!(seen.len(), usize::from(LINKS));
    }
}
