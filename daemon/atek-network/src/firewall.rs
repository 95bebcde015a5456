//! What may pass between the links, the machine and its networks.
//!
//! The rules (`rules.nft`) are the same for every link and speak of links by name and group, so
//! they are loaded once, and a link that appears is under them from its first moment.
//!
//! What belongs to the home is what the machine has a route to that is no default route. The
//! kernel looks that up for each packet with [`MARK`], so a network that appears, changes its
//! prefix or goes is closed, changed or opened with its route, and no process follows it.

use crate::attach::Reach;
use crate::resolver;
use crate::tools::{exists_already, feed, nft};
use anyhow::Context as _;
use atek_api::address::NEAR;
use atek_api::spec::{MDNS_LINKS, MDNS_PORT, NAME_SERVER};
use std::fs;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::Path;

/// Marks the look-up of a route for the rules of [`ROUTING`]. Any number that nothing else uses.
const MARK: u32 = 42_976;
/// Routes that are no default route, also not one in halves as VPNs make them; nothing else. Of
/// protocol `kernel`, which systemd-networkd leaves alone.
const ROUTING: [&str; 4] = [
    "-4 rule add pref 90 fwmark 42976 lookup main suppress_prefixlength 1 protocol kernel",
    "-4 rule add pref 91 fwmark 42976 type unreachable protocol kernel",
    "-6 rule add pref 90 fwmark 42976 lookup main suppress_prefixlength 3 protocol kernel",
    "-6 rule add pref 91 fwmark 42976 type unreachable protocol kernel",
];
/// UDP ports outside for the apps' sockets: above those of services, below those that the kernel
/// gives the machine's own sockets.
const PORTS: Range<u16> = 20_000..28_192;
const RULES: &str = include_str!("rules.nft");
const FORWARD_V4: &str = "/proc/sys/net/ipv4/ip_forward";
const FORWARD_V6: &str = "/proc/sys/net/ipv6/conf/all/forwarding";
const INTERFACES_V6: &str = "/proc/sys/net/ipv6/conf";
/// Says, in the kernel, that nothing was forwarded before.
const GUARD: &str = "guard";

/// Loads the rules, then lets the kernel forward packets. What is there already is replaced in one
/// transaction.
pub(crate) fn load() -> anyhow::Result<()> {
    let has_v6 = Path::new(FORWARD_V6).exists();
    for rule in ROUTING
        .iter()
        .filter(|rule| has_v6 || !rule.starts_with("-6"))
    {
        let words: Vec<&str> = rule.split(' ').collect();
        match feed("ip", &words, "").map(drop) {
            Err(error) if exists_already(&error) => {}
            added => added.context("cannot add a rule of routing")?,
        }
    }
    let names = match fs::read_to_string("/etc/resolv.conf") {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).context("cannot read /etc/resolv.conf");
        }
        text => resolver::of(&text.unwrap_or_default()),
    };
    let guarded = is_guarded() || !forwards()?;
    nft(&rules(names, guarded)).context("cannot load the rules")?;
    forward(has_v6)
}

/// The rules with what they depend on. A machine that forwarded nothing before forwards nothing but
/// the links' packets; on one that did (a router, containers), the rest stays as it was.
fn rules(names: Ipv4Addr, guarded: bool) -> String {
    let near = |v6: bool| {
        let near = NEAR.into_iter().filter(|near| near.contains(':') == v6);
        near.collect::<Vec<_>>().join(", ")
    };
    let groups = |reach: Reach| {
        let [plain, mdns] = reach.groups();
        format!("{{ {plain}, {mdns} }}")
    };
    let ports = PORTS.enumerate();
    let ports: Vec<String> = ports.map(|(n, port)| format!("{n} : {port}")).collect();
    let (others, guard) = match guarded {
        true => ("drop", format!("add chain inet atek {GUARD}\n")),
        false => ("accept", String::new()),
    };
    format!(
        "define near4 = {{ {} }}\n\
         define near6 = {{ {} }}\n\
         define gateway = {NAME_SERVER}\n\
         define names = {names}\n\
         define others = \"{others}\"\n\
         define lookup = {MARK}\n\
         define home = {}\n\
         define closed = {}\n\
         define mdns = {}-{}\n\
         define relay = {MDNS_PORT}\n\
         define ports = {{ {} }}\n\
         {RULES}{guard}",
        near(false),
        near(true),
        groups(Reach::Home),
        groups(Reach::Nothing),
        MDNS_LINKS.start(),
        MDNS_LINKS.end(),
        ports.join(", ")
    )
}

fn is_guarded() -> bool {
    nft(&format!("list chain inet atek {GUARD}\n")).is_ok()
}

fn forwards() -> anyhow::Result<bool> {
    let text =
        fs::read_to_string(FORWARD_V4).with_context(|| format!("cannot read {FORWARD_V4}"))?;
    Ok(text.trim() == "1")
}

fn forward(has_v6: bool) -> anyhow::Result<()> {
    set(Path::new(FORWARD_V4), "1")?;
    if !has_v6 {
        return Ok(());
    }
    // A kernel that forwards does not listen to routers any more, unless it is told to: the machine
    // itself keeps its addresses and its default route.
    for entry in fs::read_dir(INTERFACES_V6).context("cannot list the interfaces")? {
        let listens = entry?.path().join("accept_ra");
        // An interface may have gone, and one that does not listen stays so.
        if fs::read_to_string(&listens).is_ok_and(|text| text.trim() == "1") {
            set(&listens, "2")?;
        }
    }
    set(Path::new(FORWARD_V6), "1")
}

fn set(setting: &Path, value: &str) -> anyhow::Result<()> {
    match fs::write(setting, value) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        written => written.with_context(|| format!("cannot write {}", setting.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_close_what_is_near_and_know_the_links_by_name_and_group() {
        let text = rules(Ipv4Addr::new(192, 168, 1, 1), true);
        for part in [
            "define near4 = { 10.0.0.0/8, ",
            "define near6 = { fc00::/7, fe80::/10, ff00::/8 }",
            "define names = 192.168.1.1",
            "define others = \"drop\"",
            "define ports = { 0 : 20000, 1 : 20001, ",
            " 8191 : 28191 }",
            "add chain inet atek guard",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let open = rules(NAME_SERVER, false);
        assert!(open.contains("define others = \"accept\"") && !open.contains(GUARD));
        assert!(ROUTING.iter().all(|rule| rule.contains(&MARK.to_string())));
        let all = [Reach::Home, Reach::Internet, Reach::Nothing].map(Reach::groups);
        for [plain, mdns] in all {
            assert!(!MDNS_LINKS.contains(&plain) && MDNS_LINKS.contains(&mdns));
        }
        assert!(open.contains("define closed = { 42978, 42988 }"), "{open}");
        assert!(open.contains("define mdns = 42986-42988") && open.contains("relay = 5354"));
        assert_eq!(RULES.matches(&format!(" mod {} ", PORTS.len())).count(), 2);
        assert!(RULES.contains(&format!("\"{}*\"", atek_api::spec::LINK_PREFIX)));
    }
}
