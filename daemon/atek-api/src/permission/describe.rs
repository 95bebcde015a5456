//! Permissions in words, for the person who grants them.

use super::{LanPort, Network, Permissions};

impl Permissions {
    /// One sentence for each permission; each completes "this app may".
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let network = self.network.iter().map(Network::describe);
        let apis = self
            .host_apis
            .iter()
            .map(|api| describe_host_api(api.as_str()));
        let devices = self
            .devices
            .iter()
            .map(|device| format!("use the device {device} of this box"));
        let ports = self.listen.iter().map(describe_port);
        let provided = self
            .provides
            .iter()
            .map(|api| format!("answer calls of {api} as if it were a part of Atek"));
        let root = self.root.then(|| {
            "be started as root of its own files, and be told that it may change users, which it \
             may not"
                .to_owned()
        });
        let mdns = self.mdns.then(|| {
            "see what devices in your home announce, and announce itself to them (mDNS)".to_owned()
        });
        let own = apis
            .chain(devices)
            .chain(ports)
            .chain(mdns)
            .chain(provided)
            .chain(root);
        network.chain(own).collect()
    }
}

impl Network {
    fn describe(&self) -> String {
        match self {
            Self::Direct { lan: false } => {
                "connect to any computer on the internet, but not to devices in your home"
                    .to_owned()
            }
            Self::Direct { lan: true } => {
                "connect to any computer on the internet and to devices in your home".to_owned()
            }
            Self::Hosts(hosts) => {
                let names: Vec<_> = hosts.iter().map(ToString::to_string).collect();
                match names.as_slice() {
                    [] => "connect to no computer".to_owned(),
                    [one] => format!("connect to {one}"),
                    [many @ .., last] => format!("connect to {} and {last}", many.join(", ")),
                }
            }
        }
    }
}

fn describe_port(port: &LanPort) -> String {
    format!(
        "be reached by every device in your home at port {port}, without signing in to this box"
    )
}

fn describe_host_api(api: &str) -> String {
    match api {
        crate::services::API => {
            "see which apps you have, and start, stop and update them".to_owned()
        }
        crate::services::GRANT_LOGS => "read the logs of all your apps".to_owned(),
        crate::services::GRANT_CONFIGURE => {
            "read and change the settings of all your apps, with the secrets in them".to_owned()
        }
        crate::services::GRANT_INSTALL => "install and remove apps, in your name".to_owned(),
        crate::users::API => "read your user settings".to_owned(),
        crate::users::GRANT_MAIN_PAGE => "choose your main page".to_owned(),
        crate::system::API => "see what this box is and its addresses at home".to_owned(),
        other => format!("change things through {other}, in your name"),
    }
}
