//! Ports of the home's network at which an app is reached without the gateway.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// TCP ports of the box itself: ssh, and what the gateway serves.
const OWN: [RangeInclusive<u16>; 4] = [22..=22, 80..=80, 443..=443, 8_100..=8_199];

/// What a port is a port of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Transport {
    /// As texts, programs and the firewall call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A port of the box that devices at home reach and that leads to one app: `tcp/1883`, `udp/53`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
pub struct LanPort {
    transport: Transport,
    number: NonZeroU16,
}

/// A text is not a [`LanPort`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLanPort {
    /// Not of the form.
    #[error("a port of the home's network is tcp/NUMBER or udp/NUMBER, such as tcp/1883")]
    Form,
    /// One that the box needs.
    #[error("tcp/{0} is one of the box's own ports (22, 80, 443, 8100 to 8199), choose another")]
    Own(u16),
}

impl LanPort {
    /// What it is a port of.
    #[must_use]
    pub fn transport(self) -> Transport {
        self.transport
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.number.get()
    }
}

impl FromStr for LanPort {
    type Err = InvalidLanPort;

    fn from_str(text: &str) -> Result<Self, InvalidLanPort> {
        let (word, number) = text.split_once('/').ok_or(InvalidLanPort::Form)?;
        let transport = match word {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(InvalidLanPort::Form),
        };
        if number.starts_with(['0', '+']) {
            return Err(InvalidLanPort::Form);
        }
        let number: NonZeroU16 = number.parse().map_err(|_| InvalidLanPort::Form)?;
        let is_own = OWN.iter().any(|own| own.contains(&number.get()));
        match transport == Transport::Tcp && is_own {
            true => Err(InvalidLanPort::Own(number.get())),
            false => Ok(Self { transport, number }),
        }
    }
}

impl TryFrom<String> for LanPort {
    type Error = InvalidLanPort;

    fn try_from(text: String) -> Result<Self, InvalidLanPort> {
        text.parse()
    }
}

impl From<LanPort> for String {
    fn from(port: LanPort) -> Self {
        port.to_string()
    }
}

impl fmt::Display for LanPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.transport.as_str(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_named_in_one_way_and_never_one_of_the_box() {
        for text in [
            "tcp/1",
            "tcp/1883",
            "udp/53",
            "udp/80",
            "udp/65535",
            "tcp/8200",
        ] {
            assert_eq!(text.parse::<LanPort>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "1883",
            "tcp",
            "tcp/",
            "tcp/0",
            "tcp/01",
            "tcp/+1",
            "tcp/65536",
            "TCP/1",
            "sctp/1",
            "tcp/1/2",
            "udp/-1",
            "udp/ 1",
        ] {
            assert_eq!(
                text.parse::<LanPort>(),
                Err(InvalidLanPort::Form),
                "{text:?}"
            );
        }
        for number in [22, 80, 443, 8100, 8199] {
            let own = format!("tcp/{number}").parse::<LanPort>();
            assert_eq!(own, Err(InvalidLanPort::Own(number)));
        }
    }
}
