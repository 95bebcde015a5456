//! The link of a unit's network namespace to the machine's (see atek-network).

use super::{Bind, Property, addresses, texts};
use atek_api::permission::LanPort;
use atek_api::spec::{Prefix, paths};
use zbus::Variant;

/// What a unit may reach through its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing: devices at home reach its ports, and it answers.
    Nothing,
    /// The internet, and nothing at home.
    Internet,
    /// The internet, and devices at home.
    Home,
}

/// What is said to atek-network of a link, to which ports of the home's network lead.
pub(super) fn words(reach: Reach, mdns: bool, listen: &[LanPort]) -> Vec<String> {
    let word = match reach {
        Reach::Nothing => "nothing",
        Reach::Internet => "internet",
        Reach::Home => "home",
    };
    let mdns = mdns.then(|| "mdns".to_owned());
    [word.to_owned()]
        .into_iter()
        .chain(mdns)
        .chain(ports(listen))
        .collect()
}

/// Ports of the home's network, as atek-network is told them.
pub(super) fn ports(listen: &[LanPort]) -> impl Iterator<Item = String> {
    listen.iter().map(LanPort::to_string)
}

/// `ExecStartPre` of a build: makes its link, as root, in its namespaces.
pub(super) fn attach_before(reach: Reach) -> Property {
    let argv = [paths::NETWORK, "attach"].map(str::to_owned).into_iter();
    let argv: Vec<String> = argv.chain(words(reach, false, &[])).collect();
    let flags = ["privileged", "no-env-expand"].map(str::to_owned).to_vec();
    let command = vec![(paths::NETWORK.to_owned(), argv, flags)];
    ("ExecStartPreEx", Variant::from(command))
}

/// Besides `PrivateNetwork`: the firewall is loaded first, or the unit does not start.
pub(super) fn firewall() -> [Property; 2] {
    ["Requires", "After"].map(|name| (name, texts(&[paths::NETWORK_UNIT])))
}

/// A second wall in front of the home, the unit's own control group. It lets no answer through: a
/// service that is `spoken_to` by devices at home has none.
pub(super) fn wall(reach: Reach, home: &[Prefix], spoken_to: bool) -> Vec<Property> {
    if reach != Reach::Internet || spoken_to {
        return Vec::new();
    }
    vec![
        // An allowed address wins over a denied one.
        ("IPAddressAllow", addresses::own()),
        ("IPAddressDeny", addresses::near(home)),
    ]
}

/// Shows the unit the file that names its name server. systemd mounts it where the machine's own
/// leads.
pub(super) fn names() -> Bind {
    Bind::new(paths::RESOLVERS, "/etc/resolv.conf")
}
