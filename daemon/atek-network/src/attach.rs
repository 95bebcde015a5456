//! Makes the link of one unit.
//!
//! Called in the network namespace of the unit. What a former start left there, which systemd keeps
//! while it starts a unit again, is replaced.

use crate::addresses::{GATEWAY_V6, INSIDE, LINK_LOCAL, LINKS, Slot, free_block};
use crate::namespaces::Namespaces;
use crate::ports::{self, Listing};
use crate::tools::{exists_already, ip, is_gone};
use anyhow::{Context as _, bail};
use atek_api::address::NEAR;
use atek_api::permission::LanPort;
use atek_api::spec::{LINK_PREFIX, MDNS_LINKS, NAME_SERVER, Prefix};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::{if_nameindex, if_nametoindex};
use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// What a unit may reach through its link. The kernel keeps it as the link's group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nothing: devices at home reach its ports, and it answers.
    Nothing,
    /// The internet, and nothing at home.
    Internet,
    /// The internet, and devices at home.
    Home,
}

impl Reach {
    /// The group of the machine's end, without and with multicast DNS. Any numbers that nothing
    /// else uses.
    pub(crate) fn groups(self) -> [u32; 2] {
        let first = MDNS_LINKS.start();
        match self {
            Self::Internet => [42_976, *first],
            Self::Home => [42_977, first + 1],
            Self::Nothing => [42_978, first + 2],
        }
    }
}

/// A link that is to be made.
#[derive(Debug)]
pub(crate) struct Link {
    /// What is reached through it.
    pub(crate) reach: Reach,
    /// Whether the program says itself to devices at home by multicast DNS.
    pub(crate) mdns: bool,
    /// Ports of the home's network that lead to it.
    pub(crate) listen: Vec<LanPort>,
}

/// What is known of the machine's own namespace.
struct Outside {
    /// The block of the units' addresses.
    block: Ipv4Addr,
    /// Networks that the machine is on.
    networks: Vec<Prefix>,
    /// Names of the links that exist.
    taken: BTreeSet<String>,
}

/// Gives the network namespace of this process a link to the machine's, for a unit, and lets ports
/// of the home's network lead to it.
pub(crate) fn attach(link: &Link, unit: &str) -> anyhow::Result<()> {
    let Link {
        reach,
        mdns,
        ref listen,
    } = *link;
    let namespaces = Namespaces::of_unit()?;
    namespaces.enter_machine()?;
    remove_former(unit)?;
    let outside = look()?;
    // Each program takes some milliseconds, and a service waits: they run beside one another.
    let listing = Listing::begin()?;
    namespaces.enter_own()?;
    if if_nametoindex(INSIDE).is_ok() {
        ip(&format!("link delete {INSIDE}\n"))?;
    }
    let slot = make_link(&outside, reach.groups()[usize::from(mdns)])?;
    namespaces.enter_machine()?;
    let has_v6 = Path::new("/proc/sys/net/ipv6").exists();
    ip(&lines_outside(slot, unit, outside.block, has_v6))
        .context("cannot set up the machine's end")?;
    let opening = ports::open(listen, listing, slot, outside.block, has_v6)?;
    namespaces.enter_own()?;
    let mut lines = lines_inside(slot, outside.block, has_v6);
    // Who is spoken to by devices at home answers them.
    if reach == Reach::Internet && !mdns && listen.is_empty() {
        lines.push_str(&lines_unreachable(&outside.networks, has_v6));
    }
    let set_up = ip(&lines).context("cannot set up the unit's end");
    opening.end().and(set_up)
}

/// Closes the ports that lead to the network namespace of this process, and removes its link. The
/// kernel does the latter when the namespace ends, too, but that may be seconds later, while the
/// next start waits.
pub(crate) fn release(listen: &[LanPort]) -> anyhow::Result<()> {
    // Not the machine's, whose own interface may have that name.
    let namespaces = Namespaces::of_unit()?;
    if !listen.is_empty() {
        ports::close(listen)?;
        namespaces.enter_own()?;
    }
    if if_nametoindex(INSIDE).is_err() {
        return Ok(());
    }
    ip(&format!("link delete {INSIDE}\n"))
        .or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
}

/// The unit in which this process runs, by its control group.
pub(crate) fn own_unit() -> anyhow::Result<String> {
    let path = "/proc/self/cgroup";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    unit_of(&text).with_context(|| format!("{path} names no unit"))
}

/// The unit in the text of `/proc/PID/cgroup`. Pure.
fn unit_of(text: &str) -> Option<String> {
    let parts = text.trim().split('/');
    let unit = parts.into_iter().find(|part| part.ends_with(".service"))?;
    Some(unit.to_owned())
}

/// Removes what a former start of the unit left: its namespace lives while a process holds a
/// socket of it, as atekd does that of its listener there, and so do its link and the ports that
/// lead to it.
fn remove_former(unit: &str) -> anyhow::Result<()> {
    for name in interfaces()?
        .iter()
        .filter(|name| name.starts_with(LINK_PREFIX))
    {
        let alias = fs::read_to_string(format!("/sys/class/net/{name}/ifalias"));
        if alias.is_ok_and(|alias| alias.trim() == unit) {
            ip(&format!("link delete {name}\n"))
                .or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })?;
        }
    }
    Ok(())
}

/// Names of the interfaces of the namespace in which this process is.
pub(crate) fn interfaces() -> anyhow::Result<BTreeSet<String>> {
    let found = if_nameindex().context("cannot list the interfaces")?;
    let names = found
        .iter()
        .map(|interface| interface.name().to_string_lossy().into_owned());
    Ok(names.collect())
}

fn look() -> anyhow::Result<Outside> {
    let taken = interfaces()?;
    let networks = getifaddrs()
        .context("cannot list the addresses")?
        .filter(|entry| !entry.interface_name.starts_with(LINK_PREFIX))
        .filter_map(|entry| {
            let (address, mask) = (entry.address?, entry.netmask?);
            if let (Some(address), Some(mask)) = (address.as_sockaddr_in(), mask.as_sockaddr_in()) {
                let bits = u8::try_from(mask.ip().to_bits().leading_ones()).ok()?;
                return Prefix::new(address.ip().into(), bits);
            }
            let bits = mask.as_sockaddr_in6()?.ip().to_bits().leading_ones();
            Prefix::new(
                address.as_sockaddr_in6()?.ip().into(),
                u8::try_from(bits).ok()?,
            )
        })
        .collect::<Vec<_>>();
    let block = free_block(&networks)
        .context("the machine is on every network that apps could be given")?;
    Ok(Outside {
        block,
        networks,
        taken,
    })
}

/// Makes the pair of ends, in the first free place. The firewall knows the link from its first
/// moment, by its name and group.
fn make_link(outside: &Outside, group: u32) -> anyhow::Result<Slot> {
    for slot in Slot::all().filter(|slot| !outside.taken.contains(&slot.name())) {
        let name = slot.name();
        match ip(&format!(
            "link add {INSIDE} type veth peer name {name} group {group} netns 1\n"
        )) {
            // Another unit was faster.
            Err(error) if exists_already(&error) => {}
            made => return made.map(|()| slot).context("cannot make the link"),
        }
    }
    bail!("{LINKS} programs have a network of their own already, and there is room for no more")
}

fn lines_outside(slot: Slot, unit: &str, block: Ipv4Addr, has_v6: bool) -> String {
    let (name, v4, v6) = (slot.name(), slot.v4(block), slot.v6());
    let mut lines = format!(
        "link set {name} addrgenmode none\n\
         link set {name} alias {unit}\n\
         address add {NAME_SERVER}/32 dev {name}\n\
         link set {name} up\n\
         route add {v4}/32 dev {name} src {NAME_SERVER}\n"
    );
    if has_v6 {
        lines.push_str(&format!(
            "address add {GATEWAY_V6}/64 dev {name} nodad\n\
             route add {v6}/128 dev {name}\n"
        ));
    }
    lines
}

fn lines_inside(slot: Slot, block: Ipv4Addr, has_v6: bool) -> String {
    let (v4, v6) = (slot.v4(block), slot.v6());
    let mut lines = format!(
        "link set {INSIDE} addrgenmode none\n\
         address add {v4}/32 dev {INSIDE}\n\
         link set {INSIDE} up\n\
         route add {NAME_SERVER}/32 dev {INSIDE} src {v4}\n\
         route add default via {NAME_SERVER} dev {INSIDE} src {v4}\n"
    );
    if has_v6 {
        lines.push_str(&format!(
            "address add {LINK_LOCAL}/64 dev {INSIDE} nodad\n\
             address add {v6}/128 dev {INSIDE} nodad\n\
             route add default via {GATEWAY_V6} dev {INSIDE} src {v6}\n"
        ));
    }
    lines
}

/// Routes by which the kernel says at once that nothing at home is reached. The walls are the
/// firewall and the unit's control group; but the latter drops a packet without a word, and who
/// connects would wait for minutes. Groups of multicast stay out: a program that joins one at its
/// start would end.
fn lines_unreachable(networks: &[Prefix], has_v6: bool) -> String {
    let is_group = |prefix: &Prefix| {
        let address = prefix.address();
        address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
    };
    let near = NEAR.into_iter().filter_map(|near| near.parse().ok());
    near.chain(networks.iter().copied())
        .filter(|prefix| !is_group(prefix) && (has_v6 || prefix.address().is_ipv4()))
        .map(|prefix| format!("route replace unreachable {prefix}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_home_is_unreachable_at_once_and_groups_are_not() {
        let networks = ["203.0.113.0/24", "2001:db8:77::/64"].map(|one| one.parse().unwrap());
        let lines = lines_unreachable(&networks, true);
        for (prefix, expected) in [
            ("192.168.0.0/16", true),
            ("169.254.0.0/16", true),
            ("203.0.113.0/24", true),
            ("2001:db8:77::/64", true),
            ("fc00::/7", true),
            ("224.0.0.0/4", false),
            ("ff00::/8", false),
            ("255.255.255.255/32", false),
        ] {
            let line = format!("route replace unreachable {prefix}\n");
            assert_eq!(lines.contains(&line), expected, "{prefix}");
        }
        assert!(!lines_unreachable(&networks, false).contains(':'));
    }

    #[test]
    fn a_unit_is_known_by_its_control_group() {
        for (text, unit) in [
            (
                "0::/atek.slice/atek-apps.slice/atek-app-rss.service\n",
                Some("atek-app-rss.service"),
            ),
            (
                "0::/atek.slice/atek-app-rss.service/.control\n",
                Some("atek-app-rss.service"),
            ),
            ("0::/user.slice/session-1.scope\n", None),
        ] {
            assert_eq!(unit_of(text).as_deref(), unit, "{text}");
        }
    }
}
