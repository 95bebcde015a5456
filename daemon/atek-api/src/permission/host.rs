//! Names of hosts that an app may reach.

use crate::manifest::is_domain;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The ports of a pattern that names none.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// `example.org`, `*.example.org` (any subdomain, not the domain itself),
/// `192.168.1.20`, `[2001:db8::1]`; each with `:PORT`, or for ports 80 and 443.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    Name(String),
    /// The part after `*.`.
    Below(String),
    Address(IpAddr),
}

/// Why a text is not a [`HostPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostPattern {
    /// Not of the form.
    #[error(
        "must be a host such as api.example.org, *.example.org or 192.168.1.20, with :PORT if it is not 80 or 443, and without http://"
    )]
    Form,
    /// `*`, `*.org`.
    #[error(
        "a wildcard must name a domain of at least two parts, such as *.example.org; for every host ask for \"direct\""
    )]
    TooWide,
    /// This machine itself, and addresses that are not a host's.
    #[error("an app cannot reach this machine itself, link-local or multicast addresses")]
    Local,
}

impl HostPattern {
    /// Whether a connection to `host` (a name of any case, or an address without
    /// brackets) at `port` is covered.
    #[must_use]
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let fits = match &self.host {
            Host::Name(name) => *name == host,
            Host::Below(domain) => is_below(&host, domain),
            Host::Address(address) => host.parse() == Ok(*address),
        };
        fits && self.ports().contains(&port)
    }

    /// Whether every host and port of `other` is covered.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let host = match (&self.host, &other.host) {
            (Host::Below(wide), Host::Name(name)) => is_below(name, wide),
            (Host::Below(wide), Host::Below(narrow)) => narrow == wide || is_below(narrow, wide),
            (one, two) => one == two,
        };
        host && other.ports().iter().all(|port| self.ports().contains(port))
    }

    /// Whether it is an address that belongs to a local network.
    #[must_use]
    pub fn is_private_address(&self) -> bool {
        match self.host {
            Host::Name(_) | Host::Below(_) => false,
            Host::Address(IpAddr::V4(address)) => address.is_private(),
            Host::Address(IpAddr::V6(address)) => address.is_unique_local(),
        }
    }

    fn ports(&self) -> &[u16] {
        match &self.port {
            Some(port) => std::slice::from_ref(port),
            None => &DEFAULT_PORTS,
        }
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain)
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, InvalidHostPattern> {
        let (host, port) = split_port(text)?;
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => return Err(InvalidHostPattern::TooWide),
            Some(domain) if !is_domain(domain) || is_numeric(domain) => {
                return Err(InvalidHostPattern::Form);
            }
            Some(domain) if !domain.contains('.') => return Err(InvalidHostPattern::TooWide),
            Some(domain) if is_local_name(domain) => return Err(InvalidHostPattern::Local),
            Some(domain) => Host::Below(domain.to_owned()),
            None => parse_host(host)?,
        };
        Ok(Self { host, port })
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), InvalidHostPattern> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    match port {
        None => Ok((host, None)),
        Some(digits) if !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) => {
            let port = digits.parse().map_err(|_| InvalidHostPattern::Form)?;
            Ok((host, Some(port)))
        }
        Some(_) => Err(InvalidHostPattern::Form),
    }
}

fn parse_host(host: &str) -> Result<Host, InvalidHostPattern> {
    let address: Option<IpAddr> = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) => {
            let v6: Ipv6Addr = inner.parse().map_err(|_| InvalidHostPattern::Form)?;
            Some(v6.to_canonical())
        }
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    match address {
        Some(address) if is_local_address(address) => Err(InvalidHostPattern::Local),
        Some(address) => Ok(Host::Address(address)),
        None if !is_domain(host) || is_numeric(host) => Err(InvalidHostPattern::Form),
        None if is_local_name(host) => Err(InvalidHostPattern::Local),
        None => Ok(Host::Name(host.to_owned())),
    }
}

/// Resolvers take `127.1` and `2130706433` for addresses.
fn is_numeric(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x")
}

fn is_local_name(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn is_local_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.octets()[0] == 0
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_loopback()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::Below(domain) => write!(f, "*.{domain}")?,
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

crate::text::text_on_the_wire!(HostPattern);
