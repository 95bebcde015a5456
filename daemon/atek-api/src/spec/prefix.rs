//! Networks by their addresses.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The most networks of one list: a box has a few.
pub(super) const MAX_PREFIXES: usize = 64;

/// All addresses that begin with the same bits, as `192.168.1.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

/// A text is not a [`Prefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a network must be ADDRESS/BITS, such as 192.168.1.0/24 or 2001:db8::/64")]
pub struct InvalidPrefix;

impl Prefix {
    /// The network of `bits` leading bits (at most 32 or 128) that has `address`.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if bits <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                IpAddr::from((v4.to_bits() & mask).to_be_bytes())
            }
            IpAddr::V6(v6) if bits <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                IpAddr::from((v6.to_bits() & mask).to_be_bytes())
            }
            _ => return None,
        };
        Some(Self { address, bits })
    }

    /// The first address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Leading bits that all addresses share.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let (address, bits) = text.split_once('/').ok_or(InvalidPrefix)?;
        let address = address.parse().map_err(|_| InvalidPrefix)?;
        let bits = bits.parse().map_err(|_| InvalidPrefix)?;
        Self::new(address, bits).ok_or(InvalidPrefix)
    }
}

crate::text::text_on_the_wire!(Prefix);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_told_by_its_leading_bits() {
        for (text, expected) in [
            ("192.168.1.77/24", Some("192.168.1.0/24")),
            ("10.0.0.1/32", Some("10.0.0.1/32")),
            ("10.0.0.1/0", Some("0.0.0.0/0")),
            ("2001:db8:77::2/64", Some("2001:db8:77::/64")),
            ("2001:db8::1/128", Some("2001:db8::1/128")),
            ("::1/0", Some("::/0")),
            ("10.0.0.1/33", None),
            ("::1/129", None),
            ("10.0.0.1", None),
            ("10.0.0/8", None),
            ("10.0.0.1/-1", None),
            ("10.0.0.1/8\n", None),
        ] {
            let parsed = text.parse::<Prefix>().ok().map(|prefix| prefix.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text:?}");
        }
    }
}
