//! The ports that apps are opened at when there is no name for them. Pure.

use serde::Deserialize;
use std::collections::HashSet;
use std::fmt;

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// A range that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("appPorts must be two ports of 1024 to 65535 such as \"8100-8199\", or null for none")]
pub struct BadRange;

impl Default for PortRange {
    fn default() -> Self {
        Self {
            first: 8100,
            last: 8199,
        }
    }
}

impl TryFrom<String> for PortRange {
    type Error = BadRange;

    fn try_from(text: String) -> Result<Self, BadRange> {
        let (first, last) = text.split_once('-').ok_or(BadRange)?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| BadRange);
        let (first, last) = (port(first)?, port(last)?);
        // Lower ones need a privilege that the host does not have.
        if first < 1024 || first > last {
            return Err(BadRange);
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The ports that may be given to apps.
#[derive(Debug, Clone, Copy)]
pub struct AppPorts {
    range: Option<PortRange>,
    /// The host's own.
    own: u16,
}

impl AppPorts {
    /// Those of `range` but `own`, where the host serves its main domain.
    #[must_use]
    pub fn new(range: Option<PortRange>, own: u16) -> Self {
        Self { range, own }
    }

    /// Whether an app may keep this port.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.range
            .is_some_and(|range| (range.first..=range.last).contains(&port))
            && port != self.own
    }

    /// A free port, the first one after `newest` if there is any.
    ///
    /// Going on instead of taking the lowest keeps a new app away from what a browser has
    /// stored for the address of one that was removed.
    #[must_use]
    pub fn next_free(&self, newest: Option<u16>, taken: &HashSet<u16>) -> Option<u16> {
        let range = self.range?;
        let after = newest
            .filter(|port| self.contains(*port) && *port < range.last)
            .map_or(range.first, |port| port + 1);
        (after..=range.last)
            .chain(range.first..after)
            .find(|port| self.contains(*port) && !taken.contains(port))
    }

    /// Why an app has no port.
    #[must_use]
    pub fn none_left(&self) -> Option<String> {
        self.range.map(|range| {
            format!(
                "every port of {range} belongs to another app; remove one, or give `appPorts` in config.json a wider range"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<PortRange, BadRange> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_range_is_two_ports_that_need_no_privilege() {
        for (text, shown) in [
            ("8100-8199", Some("8100-8199")),
            (" 9000 - 9000 ", Some("9000-9000")),
            ("1024-65535", Some("1024-65535")),
            ("80-90", None),
            ("8199-8100", None),
            ("8100", None),
            ("8100-99999", None),
            ("", None),
            ("a-b", None),
        ] {
            let got = range(text).map(|range| range.to_string()).ok();
            assert_eq!(got.as_deref(), shown, "{text:?}");
        }
        let null: Option<PortRange> = serde_json::from_str("null").unwrap();
        assert_eq!(null, None);
    }

    #[test]
    fn ports_are_given_in_turn_until_none_is_left() {
        let ports = AppPorts::new(range("8100-8103").ok(), 8102);
        for (newest, taken, expected) in [
            (None, &[][..], Some(8100)),
            (Some(8100), &[8100], Some(8101)),
            (Some(8101), &[8100, 8101], Some(8103)),
            // The removed app's port comes last.
            (Some(8103), &[8101, 8103], Some(8100)),
            (Some(8101), &[8101, 8103], Some(8100)),
            (Some(9999), &[8100], Some(8101)),
            (Some(8103), &[8100, 8101, 8103], None),
        ] {
            let taken = taken.iter().copied().collect();
            assert_eq!(
                ports.next_free(newest, &taken),
                expected,
                "{newest:?} {taken:?}"
            );
        }
        assert!(!ports.contains(8102), "the host's own");
        assert_eq!(
            AppPorts::new(None, 80).next_free(None, &HashSet::new()),
            None
        );
    }
}
