//! Permissions in words, for the person who grants them.

use super::{Network, Permissions};

impl Permissions {
    /// One sentence for each permission; each completes "this app may".
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let network = self.network.iter().map(Network::describe);
        let apis = self
            .host_apis
            .iter()
            .map(|api| describe_host_api(api.as_str()));
        network.chain(apis).collect()
    }
}

impl Network {
    fn describe(&self) -> String {
        match self {
            Self::Direct { lan: false } => {
                "connect to any computer on the internet and to other programs of this box, but not to devices in your home"
                    .to_owned()
            }
            Self::Direct { lan: true } => {
                "connect to any computer on the internet, to devices in your home and to other programs of this box".to_owned()
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

fn describe_host_api(api: &str) -> String {
    match api {
        crate::services::API => {
            "install, change, start, stop and remove your apps, in your name".to_owned()
        }
        crate::users::API => "change your user settings, in your name".to_owned(),
        crate::sessions::API => "see and end your browser sessions".to_owned(),
        other => format!("change things through {other}, in your name"),
    }
}
