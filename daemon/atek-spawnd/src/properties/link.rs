//! The link of a unit's network namespace to the machine's (see atek-network).

use super::{Bind, Property, addresses, texts};
use atek_api::spec::{Prefix, paths};
use zbus::Variant;

/// What a unit may reach through its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The internet, and nothing at home.
    Internet,
    /// The internet, and devices at home.
    Home,
}

/// The command that makes the link.
pub(super) fn attach(reach: Reach) -> Vec<String> {
    let word = match reach {
        Reach::Internet => "internet",
        Reach::Home => "home",
    };
    [paths::NETWORK, "attach", word].map(str::to_owned).to_vec()
}

/// `ExecStartPreEx`: commands as root, in the unit's namespaces.
pub(super) fn commands(commands: Vec<Vec<String>>) -> Variant<'static> {
    let flags = ["privileged", "no-env-expand"].map(str::to_owned).to_vec();
    let commands: Vec<(String, Vec<String>, Vec<String>)> = commands
        .into_iter()
        .filter_map(|argv| Some((argv.first()?.clone(), argv, flags.clone())))
        .collect();
    Variant::from(commands)
}

/// Besides `PrivateNetwork`: the firewall is loaded first, or the unit does not start. A second
/// wall in front of the home is the unit's own control group.
pub(super) fn properties(reach: Reach, home: &[Prefix]) -> Vec<Property> {
    let mut properties = vec![
        ("Requires", texts(&[paths::NETWORK_UNIT])),
        ("After", texts(&[paths::NETWORK_UNIT])),
    ];
    if reach == Reach::Internet {
        properties.extend([
            // An allowed address wins over a denied one.
            ("IPAddressAllow", addresses::own()),
            ("IPAddressDeny", addresses::near(home)),
        ]);
    }
    properties
}

/// Shows the unit the file that names its name server. systemd mounts it where the machine's own
/// leads.
pub(super) fn names() -> Bind {
    Bind::new(paths::RESOLVERS, "/etc/resolv.conf")
}
