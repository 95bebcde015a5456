//! What an app may be granted beyond the default, which is nothing: no network, and
//! no changing call to the host's own APIs.

mod describe;
mod device;
mod folder;
mod host;
mod item;
mod lan_port;
mod rules;

pub use device::{DevicePath, InvalidDevice};
pub use folder::{AppFolder, FolderName, GivenFolder, InvalidAppFolder, InvalidFolder};
pub use host::{HostPattern, InvalidHostPattern};
pub use item::{Danger, InvalidPermission, Permission};
pub use lan_port::{InvalidLanPort, LanPort, Transport};
pub use rules::{Grantable, PermissionRules};

use crate::manifest::ApiId;
use serde::{Deserialize, Serialize};

/// A set of permissions: what a manifest asks for, or what an installer granted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Permissions {
    /// What the app may reach on the network; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The host APIs whose changing methods the app may call, with its owner's rights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_apis: Vec<ApiId>,
    /// Devices of the box that the app may read and write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DevicePath>,
    /// Ports of the home's network that lead to the app.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<LanPort>,
    /// Whether the app hears and speaks multicast DNS in the home, at its ports there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mdns: bool,
    /// APIs of Atek's own name that the app may answer, as no part of Atek does. No manifest asks
    /// for them: an administrator chooses the provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<ApiId>,
    /// Whether the program of a container image is shown that it is root, and told that it may
    /// change owners and users. It may not: nothing but the answers is different.
    #[serde(default, skip_serializing_if = "is_false")]
    pub root: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// What an app may reach on the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(as = "wire::Network"))]
#[serde(try_from = "wire::Network", into = "wire::Network")]
pub enum Network {
    /// These hosts, through the host's egress proxy.
    Hosts(Vec<HostPattern>),
    /// The internet, without a proxy.
    Direct {
        /// Also addresses of the local network.
        lan: bool,
    },
}

impl Permissions {
    /// Whether nothing is asked or granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.network.is_none()
            && self.host_apis.is_empty()
            && self.devices.is_empty()
            && self.listen.is_empty()
            && !self.mdns
            && self.provides.is_empty()
            && !self.root
    }

    /// Whether the changing methods of a host API may be called.
    #[must_use]
    pub fn allows_host_api(&self, api: &str) -> bool {
        self.host_apis.iter().any(|allowed| allowed.as_str() == api)
    }

    /// Whether everything in here is also in `other`.
    #[must_use]
    pub fn subset_of(&self, other: &Self) -> bool {
        self.new_beyond(other).is_empty()
    }

    /// What is in here and not in `old`: what an update asks in addition.
    #[must_use]
    pub fn new_beyond(&self, old: &Self) -> Self {
        let network = match (&self.network, &old.network) {
            (None, _) => None,
            (Some(new), None) => Some(new.clone()),
            (Some(new), Some(old)) => new.beyond(old),
        };
        Self {
            network,
            host_apis: without(&self.host_apis, &old.host_apis),
            devices: without(&self.devices, &old.devices),
            listen: without(&self.listen, &old.listen),
            mdns: self.mdns && !old.mdns,
            provides: without(&self.provides, &old.provides),
            root: self.root && !old.root,
        }
    }

    /// What is in both: what is left of a grant when the app asks for less.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let network = match (&self.network, &other.network) {
            (Some(one), Some(two)) => one.common(two),
            _ => None,
        };
        Self {
            network,
            host_apis: common(&self.host_apis, &other.host_apis),
            devices: common(&self.devices, &other.devices),
            listen: common(&self.listen, &other.listen),
            mdns: self.mdns && other.mdns,
            provides: common(&self.provides, &other.provides),
            root: self.root && other.root,
        }
    }

    /// What is in either: a grant to which more is added.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let network = match (&self.network, &other.network) {
            (Some(one), Some(two)) => Some(one.joined(two)),
            (one, two) => one.as_ref().or(two.as_ref()).cloned(),
        };
        Self {
            network,
            host_apis: joined(&self.host_apis, &other.host_apis),
            devices: joined(&self.devices, &other.devices),
            listen: joined(&self.listen, &other.listen),
            mdns: self.mdns || other.mdns,
            provides: joined(&self.provides, &other.provides),
            root: self.root || other.root,
        }
    }
}

fn without<T: Clone + PartialEq>(list: &[T], other: &[T]) -> Vec<T> {
    let left = list.iter().filter(|item| !other.contains(item));
    left.cloned().collect()
}

fn common<T: Clone + PartialEq>(list: &[T], other: &[T]) -> Vec<T> {
    let both = list.iter().filter(|item| other.contains(item));
    both.cloned().collect()
}

fn joined<T: Clone + PartialEq>(list: &[T], other: &[T]) -> Vec<T> {
    [list, &without(other, list)].concat()
}

impl Network {
    /// What this reaches and `old` does not.
    fn beyond(&self, old: &Self) -> Option<Self> {
        match (self, old) {
            (Self::Direct { lan }, Self::Direct { lan: had }) if !lan || *had => None,
            (Self::Direct { lan }, _) => Some(Self::Direct { lan: *lan }),
            (Self::Hosts(hosts), old) => {
                let new: Vec<_> = hosts.iter().filter(|h| !old.covers(h)).cloned().collect();
                (!new.is_empty()).then_some(Self::Hosts(new))
            }
        }
    }

    fn common(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Direct { lan }, Self::Direct { lan: too }) => {
                Some(Self::Direct { lan: *lan && *too })
            }
            (Self::Hosts(hosts), Self::Hosts(others)) => {
                // The narrower of each pair that overlaps.
                let mine = hosts.iter().filter(|h| other.covers(h));
                let theirs = others
                    .iter()
                    .filter(|h| self.covers(h) && !hosts.contains(h));
                let both: Vec<_> = mine.chain(theirs).cloned().collect();
                (!both.is_empty()).then_some(Self::Hosts(both))
            }
            (Self::Hosts(hosts), direct) | (direct, Self::Hosts(hosts)) => {
                let both: Vec<_> = hosts.iter().filter(|h| direct.covers(h)).cloned().collect();
                (!both.is_empty()).then_some(Self::Hosts(both))
            }
        }
    }

    fn joined(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Direct { lan }, Self::Direct { lan: too }) => Self::Direct { lan: *lan || *too },
            (Self::Hosts(hosts), Self::Hosts(others)) => {
                let new = others.iter().filter(|host| !self.covers(host));
                Self::Hosts(hosts.iter().chain(new).cloned().collect())
            }
            (Self::Direct { lan }, Self::Hosts(hosts))
            | (Self::Hosts(hosts), Self::Direct { lan }) => {
                let at_home = hosts.iter().any(HostPattern::is_private_address);
                Self::Direct {
                    lan: *lan || at_home,
                }
            }
        }
    }

    fn covers(&self, host: &HostPattern) -> bool {
        match self {
            Self::Hosts(hosts) => hosts.iter().any(|pattern| pattern.covers(host)),
            Self::Direct { lan } => *lan || !host.is_private_address(),
        }
    }
}

mod wire {
    //! `"direct"`, `{"direct": {"lan": true}}` or `{"hosts": […]}`.

    use super::HostPattern;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Serialize, Deserialize)]
    #[cfg_attr(test, derive(ts_rs::TS))]
    #[serde(untagged)]
    pub(super) enum Network {
        Word(#[cfg_attr(test, ts(inline))] Word),
        Shape(#[cfg_attr(test, ts(inline))] Shape),
    }

    #[derive(Clone, Serialize, Deserialize)]
    #[cfg_attr(test, derive(ts_rs::TS))]
    #[serde(rename_all = "lowercase")]
    pub(super) enum Word {
        Direct,
    }

    #[derive(Clone, Serialize, Deserialize)]
    #[cfg_attr(test, derive(ts_rs::TS))]
    #[serde(rename_all = "lowercase")]
    pub(super) enum Shape {
        Direct(#[cfg_attr(test, ts(inline))] Direct),
        Hosts(Vec<HostPattern>),
    }

    #[derive(Clone, Serialize, Deserialize)]
    #[cfg_attr(test, derive(ts_rs::TS))]
    #[serde(deny_unknown_fields)]
    pub(super) struct Direct {
        #[serde(default)]
        pub(super) lan: bool,
    }

    impl TryFrom<Network> for super::Network {
        type Error = &'static str;

        fn try_from(network: Network) -> Result<Self, Self::Error> {
            match network {
                Network::Word(Word::Direct) => Ok(Self::Direct { lan: false }),
                Network::Shape(Shape::Direct(Direct { lan })) => Ok(Self::Direct { lan }),
                Network::Shape(Shape::Hosts(hosts)) if hosts.is_empty() => {
                    Err("\"hosts\" must name at least one host")
                }
                Network::Shape(Shape::Hosts(hosts)) => Ok(Self::Hosts(hosts)),
            }
        }
    }

    impl From<super::Network> for Network {
        fn from(network: super::Network) -> Self {
            match network {
                super::Network::Direct { lan: false } => Self::Word(Word::Direct),
                super::Network::Direct { lan } => Self::Shape(Shape::Direct(Direct { lan })),
                super::Network::Hosts(hosts) => Self::Shape(Shape::Hosts(hosts)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
