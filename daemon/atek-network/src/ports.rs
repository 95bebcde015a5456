//! Ports of the home's network that lead to a unit: entries of the firewall's maps.
//!
//! The link goes with its unit, and so do its addresses; the entries do not. They are taken out
//! before the unit is stopped and after it ended. What is left of a unit that could not do that
//! leads nowhere: the next link of the same place takes it out, and so does the next unit that is
//! given the port.

use crate::addresses::{INSIDE, Slot};
use crate::attach::interfaces;
use crate::namespaces::Namespaces;
use crate::tools::{Running, begin};
use anyhow::{Context as _, ensure};
use atek_api::permission::{LanPort, Transport};
use nix::ifaddrs::getifaddrs;
use std::net::{IpAddr, Ipv4Addr};

/// One entry of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    protocol: u8,
    port: u16,
    to: IpAddr,
}

impl Entry {
    fn new(port: LanPort, to: IpAddr) -> Self {
        let protocol = match port.transport() {
            Transport::Tcp => 6,
            Transport::Udp => 17,
        };
        Self {
            protocol,
            port: port.number(),
            to,
        }
    }

    /// The command that adds or deletes it, in both places or none.
    fn change(self, verb: &str) -> String {
        let Self { protocol, port, to } = self;
        let family = if to.is_ipv4() { 4 } else { 6 };
        let target = match verb {
            "delete" => String::new(),
            _ => format!(" : {to}"),
        };
        // The set first: of an entry that leads elsewhere nothing is deleted.
        format!(
            "{verb} element inet atek open{family} {{ {protocol} . {port} . {to} }}\n\
             {verb} element inet atek ports{family} {{ {protocol} . {port}{target} }}\n"
        )
    }

    /// Whether it is about the same port in the same family of addresses.
    fn has_port_of(self, other: Self) -> bool {
        (self.protocol, self.port, self.to.is_ipv4())
            == (other.protocol, other.port, other.to.is_ipv4())
    }
}

/// Begins to let these ports lead to the unit with the link `slot`, all or none. Called in the
/// machine's namespace; `listing` was begun before the link was made.
pub(crate) fn open(
    ports: &[LanPort],
    listing: Listing,
    slot: Slot,
    block: Ipv4Addr,
    has_v6: bool,
) -> anyhow::Result<Opening> {
    let mut addresses = vec![IpAddr::V4(slot.v4(block))];
    addresses.extend(has_v6.then_some(IpAddr::V6(slot.v6())));
    // First the entries, then the links: a unit makes its link before its entries.
    let there = listing.end()?;
    let links = interfaces()?;
    let lives = |to: IpAddr| Slot::name_of(to).is_some_and(|name| links.contains(&name));
    // What leads to this place is another's that had it before.
    let (others, left): (Vec<Entry>, Vec<Entry>) = there
        .into_iter()
        .partition(|entry| !addresses.contains(&entry.to) && lives(entry.to));
    let mut changes: String = left.iter().map(|entry| entry.change("delete")).collect();
    for port in ports {
        for entry in addresses.iter().map(|to| Entry::new(*port, *to)) {
            let is_free = !others.iter().any(|other| other.has_port_of(entry));
            ensure!(is_free, "the port {port} is in use by another app");
            changes.push_str(&entry.change("create"));
        }
    }
    let names: Vec<String> = ports.iter().map(LanPort::to_string).collect();
    Ok(Opening {
        committing: begin_commit(&changes)?,
        ports: names.join(", "),
    })
}

/// Ports that are being opened.
pub(crate) struct Opening {
    committing: Option<Running>,
    ports: String,
}

impl Opening {
    /// Returns when they are open.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let ended = self.committing.map_or(Ok(String::new()), Running::end);
        ended
            .map(drop)
            .with_context(|| format!("cannot open the ports {}", self.ports))
    }
}

/// Closes the ports of the unit of this process. What is closed already is no error.
pub(crate) fn close(ports: &[LanPort]) -> anyhow::Result<()> {
    let namespaces = Namespaces::of_unit()?;
    let addresses: Vec<IpAddr> = getifaddrs()
        .context("cannot list the addresses")?
        .filter(|entry| entry.interface_name == INSIDE)
        .filter_map(|entry| {
            let address = entry.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .collect();
    namespaces.enter_machine()?;
    let there = Listing::begin()?.end()?;
    let changes: String = ports
        .iter()
        .flat_map(|port| addresses.iter().map(|to| Entry::new(*port, *to)))
        .filter(|entry| there.contains(entry))
        .map(|entry| entry.change("delete"))
        .collect();
    let closing = begin_commit(&changes)?.map_or(Ok(String::new()), Running::end);
    closing.map(drop).context("cannot close the ports")
}

/// Begins to make changes of the maps, in one step.
fn begin_commit(changes: &str) -> anyhow::Result<Option<Running>> {
    if changes.is_empty() {
        return Ok(None);
    }
    begin("nft", &["-f", "-"], changes).map(Some)
}

/// The entries of the two maps, which are being listed. `list maps` and `list table` are one
/// command for both, and bring the thousands of elements with which the rules choose ports outside:
/// ten times the work.
pub(crate) struct Listing([Running; 2]);

impl Listing {
    /// Called in the machine's namespace.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        let list = |map| begin("nft", &["-p", "list", "map", "inet", "atek", map], "");
        Ok(Self([list("ports4")?, list("ports6")?]))
    }

    fn end(self) -> anyhow::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for listing in self.0 {
            entries.extend(entries_of(&listing.end()?));
        }
        Ok(entries)
    }
}

/// The entries in what `nft list map` says of one of our two maps:
/// `6 . 1883 : 198.19.0.3, 17 . 53 : 198.19.0.4`.
fn entries_of(text: &str) -> Vec<Entry> {
    let tables = text.split("table ");
    let ours = tables.filter(|table| table.starts_with("inet atek {"));
    let maps = ours.flat_map(|table| table.split("map ").skip(1));
    let ports = maps.filter(|map| map.starts_with("ports4 {") || map.starts_with("ports6 {"));
    let elements = ports.filter_map(|map| {
        let (_, elements) = map.split_once("elements = {")?;
        Some(elements.split_once('}')?.0)
    });
    let entry = |text: &str| {
        let (key, to) = text.split_once(" : ")?;
        let (protocol, port) = key.split_once(" . ")?;
        let protocol = match protocol.trim() {
            "tcp" => 6,
            "udp" => 17,
            number => number.parse().ok()?,
        };
        Some(Entry {
            protocol,
            port: port.trim().parse().ok()?,
            to: to.trim().parse().ok()?,
        })
    };
    elements
        .flat_map(|elements| elements.split(',').filter_map(entry))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_read_and_an_entry_is_in_both_places_or_none() {
        let text = "table inet other {\n\tmap ports4 {\n\t\telements = { 6 . 1 : 10.0.0.1 }\n\t}\n}\n\
            table inet atek {\n\tmap ports4 {\n\t\ttype inet_proto . inet_service : ipv4_addr\n\
            \t\telements = { 6 . 1883 : 198.19.0.3,\n\t\t\t     udp . 53 : 198.19.0.4 }\n\t}\n\
            \tmap names {\n\t\telements = { 17 . 53 : 10.0.0.2 }\n\t}\n\
            \tmap ports6 {\n\t\telements = { 6 . 1883 : fd6b:1c2e:93a7::3 }\n\t}\n}\n";
        let entries = entries_of(text);
        assert_eq!(
            entries,
            [
                Entry::new("tcp/1883".parse().unwrap(), "198.19.0.3".parse().unwrap()),
                Entry::new("udp/53".parse().unwrap(), "198.19.0.4".parse().unwrap()),
                Entry::new(
                    "tcp/1883".parse().unwrap(),
                    "fd6b:1c2e:93a7::3".parse().unwrap()
                ),
            ]
        );
        assert_eq!(
            entries[0].change("create"),
            "create element inet atek open4 { 6 . 1883 . 198.19.0.3 }\n\
             create element inet atek ports4 { 6 . 1883 : 198.19.0.3 }\n"
        );
        let entry = Entry::new(
            "udp/53".parse().unwrap(),
            "fd6b:1c2e:93a7::9".parse().unwrap(),
        );
        assert_eq!(
            entry.change("delete"),
            "delete element inet atek open6 { 17 . 53 . fd6b:1c2e:93a7::9 }\n\
             delete element inet atek ports6 { 17 . 53 }\n"
        );
        for (to, name) in [("198.19.0.3", "atek-3"), ("fd6b:1c2e:93a7::9", "atek-9")] {
            assert_eq!(Slot::name_of(to.parse().unwrap()).as_deref(), Some(name));
        }
        assert!(entries_of("table inet atek {\n\tmap ports4 {\n\t}\n}\n").is_empty());
    }
}
