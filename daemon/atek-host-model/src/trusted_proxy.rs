//! Reverse proxies whose word about their clients is believed.

use serde::Deserialize;
use std::net::IpAddr;

/// Addresses and networks of trusted reverse proxies, such as `192.168.1.2` and `10.0.0.0/24`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct TrustedProxies(Vec<(IpAddr, u8)>);

/// An entry is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "trustedProxies must list addresses or networks such as \"192.168.1.2\" or \"10.0.0.0/24\", not {0:?}"
)]
pub struct BadProxy(String);

impl TryFrom<Vec<String>> for TrustedProxies {
    type Error = BadProxy;

    fn try_from(texts: Vec<String>) -> Result<Self, BadProxy> {
        let entry = |text: String| parse(&text).ok_or(BadProxy(text));
        texts
            .into_iter()
            .map(entry)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn parse(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.trim().parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => bits.trim().parse().ok().filter(|bits| *bits <= most)?,
        None => most,
    };
    Some((address, bits))
}

impl TrustedProxies {
    /// Whether an address is one of theirs.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0
            .iter()
            .any(|(network, bits)| match (network, address) {
                (IpAddr::V4(network), IpAddr::V4(address)) => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or(0);
                    network.to_bits() & mask == address.to_bits() & mask
                }
                (IpAddr::V6(network), IpAddr::V6(address)) => {
                    let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                    network.to_bits() & mask == address.to_bits() & mask
                }
                _ => false,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses() {
        for (entry, address, expected) in [
            ("192.168.1.2", "192.168.1.2", true),
            ("192.168.1.2", "::ffff:192.168.1.2", true),
            ("192.168.1.2", "192.168.1.3", false),
            ("10.0.0.0/24", "10.0.0.255", true),
            ("10.0.0.0/24", "10.0.1.0", false),
            ("0.0.0.0/0", "203.0.113.7", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "2001:db8::1", true),
        ] {
            let proxies: TrustedProxies = vec![entry.to_owned()].try_into().unwrap();
            let got = proxies.contains(address.parse().unwrap());
            assert_eq!(got, expected, "{entry} {address}");
        }
        for entry in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/"] {
            let read: Result<TrustedProxies, _> = vec![entry.to_owned()].try_into();
            assert!(read.is_err(), "{entry}");
        }
        assert!(!TrustedProxies::default().contains("::1".parse().unwrap()));
    }
}
