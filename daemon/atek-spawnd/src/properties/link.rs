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

/// The command that makes the link, to which ports of the home's network lead.
pub(super) fn attach(reach: Reach, mdns: bool, listen: &[LanPort]) -> Vec<String> {
    let word = match reach {
        Reach::Nothing => "nothing",
        Reach::Internet => "internet",
        Reach::Home => "home",
    };
    let words = [paths::NETWORK, "attach", word].map(str::to_owned);
    let ports = listen.iter().map(LanPort::to_string);
    let mdns = mdns.then(|| "mdns".to_owned());
    words.into_iter().chain(mdns).chain(ports).collect()
}

/// Closes the ports before the service is told to stop, and again when it has ended in any way.
pub(super) fn detach(listen: &[LanPort]) -> Vec<Property> {
    if listen.is_empty() {
        return Vec::new();
    }
    let words = [paths::NETWORK, "detach"].map(str::to_owned);
    let ports = listen.iter().map(LanPort::to_string);
    let argv: Vec<String> = words.into_iter().chain(ports).collect();
    let flags = ["privileged", "no-env-expand", "ignore-failure"];
    let flags = flags.map(str::to_owned).to_vec();
    let command = vec![(paths::NETWORK.to_owned(), argv, flags)];
    vec![
        ("ExecStopEx", Variant::from(command.clone())),
        ("ExecStopPostEx", Variant::from(command)),
    ]
}

/// `ExecStartPreEx`: a command as root, in the unit's namespaces.
pub(super) fn before(argv: Vec<String>) -> Variant<'static> {
    let flags = ["privileged", "no-env-expand"].map(str::to_owned).to_vec();
    let path = argv.first().cloned().unwrap_or_default();
    Variant::from(vec![(path, argv, flags)])
}

/// Besides `PrivateNetwork`: the firewall is loaded first, or the unit does not start. A second
/// wall in front of the home is the unit's own control group, which lets no answer through; a
/// service that is `spoken_to` by devices at home has none.
pub(super) fn properties(reach: Reach, home: &[Prefix], spoken_to: bool) -> Vec<Property> {
    let mut properties = vec![
        ("Requires", texts(&[paths::NETWORK_UNIT])),
        ("After", texts(&[paths::NETWORK_UNIT])),
    ];
    if reach == Reach::Internet && !spoken_to {
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
