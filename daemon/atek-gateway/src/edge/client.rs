//! Who is at the other end of a connection, also behind a trusted reverse proxy. Pure.

use super::headers::{FORWARDED_FOR, FORWARDED_PROTO};
use atek_host_model::trusted_proxy::TrustedProxies;
use http::HeaderMap;
use std::net::IpAddr;

/// The client of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address; none on a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether its browser speaks HTTPS, with a proxy that speaks HTTP here.
    pub is_https: bool,
}

impl Client {
    /// The client of a request from `peer`.
    ///
    /// What a proxy says is believed of trusted ones only. Of the addresses in
    /// `X-Forwarded-For` the last one that is no trusted proxy's counts: those before it are
    /// the client's own words.
    #[must_use]
    pub fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        let direct = Self {
            address: peer,
            is_https: false,
        };
        if !peer.is_some_and(|peer| trusted.contains(peer)) {
            return direct;
        }
        let text = |name| {
            let values = headers.get_all(name).iter();
            let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
            values.join(",")
        };
        let listed = text(FORWARDED_FOR);
        let mut address = peer;
        for hop in listed.rsplit(',') {
            let Ok(hop) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            address = Some(hop.to_canonical());
            if !trusted.contains(hop) {
                break;
            }
        }
        let proto = text(FORWARDED_PROTO);
        Self {
            address,
            is_https: proto
                .rsplit(',')
                .next()
                .is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https")),
        }
    }

    /// `http` or `https`, as the client's browser shows it.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let trusted: TrustedProxies = vec!["10.0.0.0/24".to_owned(), "::1".to_owned()]
            .try_into()
            .unwrap();
        for (peer, forwarded, proto, address, is_https) in [
            ("10.0.0.9", "203.0.113.7", "https", "203.0.113.7", true),
            ("::1", "203.0.113.7", "HTTPS", "203.0.113.7", true),
            ("10.0.0.9", "203.0.113.7", "http", "203.0.113.7", false),
            // The client's own words stand before what the proxy added.
            (
                "10.0.0.9",
                "1.1.1.1, 203.0.113.7",
                "https",
                "203.0.113.7",
                true,
            ),
            (
                "10.0.0.9",
                "203.0.113.7, 10.0.0.8",
                "https",
                "203.0.113.7",
                true,
            ),
            ("10.0.0.9", "nonsense", "https", "10.0.0.9", true),
            ("10.0.0.9", "", "", "10.0.0.9", false),
            ("10.0.1.9", "203.0.113.7", "https", "10.0.1.9", false),
            ("192.168.1.2", "203.0.113.7", "https", "192.168.1.2", false),
        ] {
            let headers = HeaderMap::from_iter([
                (FORWARDED_FOR, HeaderValue::from_static(forwarded)),
                (FORWARDED_PROTO, HeaderValue::from_static(proto)),
            ]);
            let client = Client::of(Some(peer.parse().unwrap()), &headers, &trusted);
            let expected = Client {
                address: Some(address.parse().unwrap()),
                is_https,
            };
            assert_eq!(client, expected, "{peer} {forwarded} {proto}");
        }
    }
}
