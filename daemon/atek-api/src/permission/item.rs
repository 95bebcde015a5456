//! One permission by itself, under an id that is the same wherever it is granted.

use super::{AppFolder, DevicePath, HostPattern, LanPort, Network, Permissions};
use crate::ids::{DbId, InvalidId, ServiceKey};
use crate::manifest::{ApiId, InvalidApiId};
use crate::{services, system, users};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One thing that an app may do.
///
/// Its text is its id: `host:api.example.org`, `direct`, `lan`, `api:atek.cloud/users-api`,
/// `provider:example.org/notes=KEY`, `database:ID:read`, `folder:KEY/NAME:read`,
/// `device:/dev/ttyUSB0`, `listen:tcp/1883`, `mdns`, `provides:atek.cloud/notes-api`, `root`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
pub enum Permission {
    /// Reach these hosts, through the host's egress proxy.
    Host(HostPattern),
    /// Reach the internet without a proxy.
    Direct,
    /// With `direct`: also devices of the local network.
    Lan,
    /// Call the changing methods of a host API.
    HostApi(ApiId),
    /// Read and write a device of the box.
    Device(DevicePath),
    /// Use a device of the box: the person picks one.
    AnyDevice,
    /// Be reached at a port of the home's network.
    Listen(LanPort),
    /// Hear and speak multicast DNS in the home.
    Mdns,
    /// Answer calls of this API, which has Atek's name and no provider in Atek.
    Provides(ApiId),
    /// Be shown, as the program of a container image, that it is root.
    Root,
    /// Call an API that this service provides; none of a request: the person picks one.
    Provider {
        /// The API.
        api: ApiId,
        /// Who provides it.
        service: Option<ServiceKey>,
    },
    /// Use a database of another app; none of a request: the person picks one.
    Database {
        /// The database.
        id: Option<DbId>,
        /// Also change its records.
        write: bool,
    },
    /// Use a folder of another app; none of a request: the person picks one.
    Folder {
        /// The folder.
        of: Option<AppFolder>,
        /// Also change its files.
        write: bool,
    },
}

/// What a permission can do when the app that has it is hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Danger {
    /// Little: it sees nothing of the person that it does not have already.
    Low,
    /// It sees or changes something of the person's that can be put right.
    Medium,
    /// It reaches the home, other apps' secrets, or takes over what the person can do.
    High,
}

/// Why a text is not a [`Permission`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPermission {
    /// Not one of the forms.
    #[error(
        "a permission is host:NAME, direct, lan, api:API, device:/dev/NAME, device:any, listen:tcp/PORT, mdns, provides:atek.cloud/NAME, root, provider:API[=KEY], database:[ID:]read|write or folder:[KEY/NAME:]read|write, not {0:?}"
    )]
    Form(String),
    /// See [`super::InvalidHostPattern`].
    #[error("the host of a permission {0}")]
    Host(#[from] super::InvalidHostPattern),
    /// See [`InvalidApiId`].
    #[error(transparent)]
    Api(#[from] InvalidApiId),
    /// See [`InvalidId`].
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// See [`super::InvalidDevice`].
    #[error(transparent)]
    Device(#[from] super::InvalidDevice),
    /// See [`super::InvalidLanPort`].
    #[error(transparent)]
    Port(#[from] super::InvalidLanPort),
    /// See [`super::InvalidAppFolder`].
    #[error(transparent)]
    Folder(#[from] super::InvalidAppFolder),
}

impl Permission {
    /// Whether a person must still pick what it is about.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(
            self,
            Self::Provider { service: None, .. }
                | Self::Database { id: None, .. }
                | Self::Folder { of: None, .. }
                | Self::AnyDevice
        )
    }

    /// Whether this is a pick for the open permission `asked`.
    #[must_use]
    pub fn answers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (
                Self::Provider { api: one, .. },
                Self::Provider {
                    api: two,
                    service: None,
                },
            ) => one == two && !self.is_open(),
            (
                Self::Database { write: one, .. },
                Self::Database {
                    write: two,
                    id: None,
                },
            ) => one <= two && !self.is_open(),
            (
                Self::Folder { write: one, .. },
                Self::Folder {
                    write: two,
                    of: None,
                },
            ) => one <= two && !self.is_open(),
            (Self::Device(_), Self::AnyDevice) => true,
            (one, two) => one == two && !one.is_open(),
        }
    }

    /// See [`Danger`].
    #[must_use]
    pub fn danger(&self) -> Danger {
        match self {
            Self::Host(host) if host.is_private_address() => Danger::High,
            Self::Host(_) => Danger::Low,
            // Other apps take its answers for Atek's.
            Self::Provides(_) => Danger::High,
            Self::Direct | Self::Lan | Self::Device(_) | Self::AnyDevice => Danger::High,
            Self::HostApi(api) => match api.as_str() {
                users::API | system::API => Danger::Low,
                services::GRANT_LOGS | services::GRANT_CONFIGURE | services::GRANT_INSTALL => {
                    Danger::High
                }
                _ => Danger::Medium,
            },
            Self::Provider { .. }
            | Self::Database { write: false, .. }
            | Self::Folder { write: false, .. }
            | Self::Listen(_)
            | Self::Mdns
            // One kind of namespace more, in which it has no capability.
            | Self::Root => Danger::Medium,
            Self::Database { write: true, .. } | Self::Folder { write: true, .. } => Danger::High,
        }
    }

    /// A sentence that completes "this app may".
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Provider { api, service: None } => {
                format!("use one of your apps that provides {api}")
            }
            Self::Provider {
                api,
                service: Some(service),
            } => {
                format!("use {api} of the app {service}")
            }
            Self::Database {
                id: None,
                write: false,
            } => "read a database of another app".to_owned(),
            Self::Database {
                id: None,
                write: true,
            } => "read and change a database of another app".to_owned(),
            Self::Database {
                id: Some(id),
                write,
            } => {
                let verb = if *write { "read and change" } else { "read" };
                format!("{verb} the database {id}")
            }
            Self::Folder { of, write } => {
                let verb = if *write { "read and change" } else { "read" };
                match of {
                    None => format!("{verb} a folder of another app"),
                    Some(AppFolder { service, name }) => {
                        format!("{verb} the folder {name} of the app {service}")
                    }
                }
            }
            Self::AnyDevice => "use a device of this box".to_owned(),
            Self::Host(_)
            | Self::Direct
            | Self::Lan
            | Self::HostApi(_)
            | Self::Device(_)
            | Self::Listen(_)
            | Self::Mdns
            | Self::Provides(_)
            | Self::Root => {
                let set = Permissions::from_items([self.clone()]);
                set.describe().into_iter().next().unwrap_or_default()
            }
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "host:{host}"),
            Self::Direct => f.write_str("direct"),
            Self::Lan => f.write_str("lan"),
            Self::Root => f.write_str("root"),
            Self::HostApi(api) => write!(f, "api:{api}"),
            Self::Device(device) => write!(f, "device:{device}"),
            Self::AnyDevice => f.write_str("device:any"),
            Self::Listen(port) => write!(f, "listen:{port}"),
            Self::Mdns => f.write_str("mdns"),
            Self::Provides(api) => write!(f, "provides:{api}"),
            Self::Provider { api, service: None } => write!(f, "provider:{api}"),
            Self::Provider {
                api,
                service: Some(service),
            } => write!(f, "provider:{api}={service}"),
            Self::Database { id, write } => {
                f.write_str("database:")?;
                if let Some(id) = id {
                    write!(f, "{id}:")?;
                }
                f.write_str(access(*write))
            }
            Self::Folder { of, write } => {
                f.write_str("folder:")?;
                if let Some(folder) = of {
                    write!(f, "{folder}:")?;
                }
                f.write_str(access(*write))
            }
        }
    }
}

fn access(write: bool) -> &'static str {
    if write { "write" } else { "read" }
}

/// `[ID:]read` or `[ID:]write`.
fn read_access(text: &str) -> Option<(Option<&str>, bool)> {
    let (id, access) = match text.rsplit_once(':') {
        Some((id, access)) => (Some(id), access),
        None => (None, text),
    };
    match access {
        "read" => Some((id, false)),
        "write" => Some((id, true)),
        _ => None,
    }
}

impl FromStr for Permission {
    type Err = InvalidPermission;

    fn from_str(text: &str) -> Result<Self, InvalidPermission> {
        let form = || InvalidPermission::Form(text.chars().take(80).collect());
        match text {
            "direct" => return Ok(Self::Direct),
            "lan" => return Ok(Self::Lan),
            "root" => return Ok(Self::Root),
            "mdns" => return Ok(Self::Mdns),
            _ => {}
        }
        let (kind, rest) = text.split_once(':').ok_or_else(form)?;
        match kind {
            "host" => Ok(Self::Host(rest.parse()?)),
            "api" => Ok(Self::HostApi(rest.parse()?)),
            "device" if rest == "any" => Ok(Self::AnyDevice),
            "device" => Ok(Self::Device(rest.parse()?)),
            "listen" => Ok(Self::Listen(rest.parse()?)),
            "provides" => {
                let api: ApiId = rest.parse()?;
                // Every other name is its author's, and needs no permission.
                api.is_core()
                    .then_some(Self::Provides(api))
                    .ok_or_else(form)
            }
            "provider" => {
                let (api, service) = match rest.split_once('=') {
                    Some((api, service)) => (api, Some(service.parse()?)),
                    None => (rest, None),
                };
                let api = api.parse()?;
                Ok(Self::Provider { api, service })
            }
            "database" => {
                let (id, write) = read_access(rest).ok_or_else(form)?;
                let id = id.map(str::parse).transpose()?;
                Ok(Self::Database { id, write })
            }
            "folder" => {
                let (of, write) = read_access(rest).ok_or_else(form)?;
                let of = of.map(str::parse).transpose()?;
                Ok(Self::Folder { of, write })
            }
            _ => Err(form()),
        }
    }
}

crate::text::text_on_the_wire!(Permission);

impl Permissions {
    /// The single permissions of the set.
    #[must_use]
    pub fn items(&self) -> Vec<Permission> {
        let mut items = match &self.network {
            None => Vec::new(),
            Some(Network::Hosts(hosts)) => hosts.iter().cloned().map(Permission::Host).collect(),
            Some(Network::Direct { lan: false }) => vec![Permission::Direct],
            Some(Network::Direct { lan: true }) => vec![Permission::Direct, Permission::Lan],
        };
        items.extend(self.host_apis.iter().cloned().map(Permission::HostApi));
        items.extend(self.devices.iter().cloned().map(Permission::Device));
        items.extend(self.listen.iter().copied().map(Permission::Listen));
        items.extend(self.mdns.then_some(Permission::Mdns));
        items.extend(self.provides.iter().cloned().map(Permission::Provides));
        items.extend(self.root.then_some(Permission::Root));
        items
    }

    /// The set of these. What a set cannot hold (providers, databases, folders) is left
    /// out; the internet
    /// includes every host that is no address of the local network.
    #[must_use]
    pub fn from_items(items: impl IntoIterator<Item = Permission>) -> Self {
        let mut hosts: Vec<HostPattern> = Vec::new();
        let (mut direct, mut lan, mut mdns, mut root) = (false, false, false, false);
        let mut host_apis: Vec<ApiId> = Vec::new();
        let mut devices: Vec<DevicePath> = Vec::new();
        let mut listen: Vec<LanPort> = Vec::new();
        let mut provides: Vec<ApiId> = Vec::new();
        for item in items {
            match item {
                Permission::Host(host) if !hosts.contains(&host) => hosts.push(host),
                Permission::HostApi(api) if !host_apis.contains(&api) => host_apis.push(api),
                Permission::Device(device) if !devices.contains(&device) => devices.push(device),
                Permission::Listen(port) if !listen.contains(&port) => listen.push(port),
                Permission::Provides(api) if !provides.contains(&api) => provides.push(api),
                Permission::Direct => direct = true,
                Permission::Mdns => mdns = true,
                Permission::Lan => (direct, lan) = (true, true),
                Permission::Root => root = true,
                Permission::Host(_)
                | Permission::HostApi(_)
                | Permission::Device(_)
                | Permission::Listen(_)
                | Permission::Provides(_)
                | Permission::AnyDevice
                | Permission::Provider { .. }
                | Permission::Database { .. }
                | Permission::Folder { .. } => {}
            }
        }
        let network = match (direct, hosts.is_empty()) {
            (true, _) => Some(Network::Direct { lan }),
            (false, false) => Some(Network::Hosts(hosts)),
            (false, true) => None,
        };
        Self {
            network,
            host_apis,
            devices,
            listen,
            mdns,
            provides,
            root,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DB: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn a_permission_is_read_from_the_id_that_it_writes() {
        for (text, danger) in [
            ("host:api.example.org", Danger::Low),
            ("host:*.example.org:8443", Danger::Low),
            ("host:192.168.1.20", Danger::High),
            ("direct", Danger::High),
            ("device:/dev/ttyUSB0", Danger::High),
            ("listen:tcp/1883", Danger::Medium),
            ("mdns", Danger::Medium),
            ("provides:atek.cloud/notes-api", Danger::High),
            ("root", Danger::Medium),
            ("lan", Danger::High),
            ("api:atek.cloud/users-api", Danger::Low),
            ("api:atek.cloud/services-api", Danger::Medium),
            ("api:atek.cloud/services-api/install", Danger::High),
            ("provider:example.org/notes", Danger::Medium),
            (
                "provider:example.org/notes=ff080d10490f8060",
                Danger::Medium,
            ),
            ("database:read", Danger::Medium),
            ("database:write", Danger::High),
            (&format!("database:{DB}:read"), Danger::Medium),
            ("folder:read", Danger::Medium),
            ("folder:ff080d10490f8060/photos:write", Danger::High),
            ("device:any", Danger::High),
        ] {
            let permission: Permission = text.parse().unwrap();
            assert_eq!(permission.to_string(), text);
            assert_eq!(permission.danger(), danger, "{text}");
            assert!(!permission.describe().is_empty(), "{text}");
        }
        for text in [
            "",
            "host",
            "host:",
            "host:*",
            "hosts:a.org",
            "api:nonsense",
            "device:/dev/sda",
            "provider:a.b/c=no key",
            "provides:example.org/notes",
            "provides:",
            "database:",
            "database:abc:read",
            "database:erase",
            "folder:photos:read",
            "folder:k1/..:read",
            "folder:k1/photos",
            "device:some",
        ] {
            assert!(text.parse::<Permission>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pick_answers_what_was_asked_and_not_more() {
        let read = |text: &str| text.parse::<Permission>().unwrap();
        let db = |access: &str| read(&format!("database:{DB}:{access}"));
        for (pick, asked, answers) in [
            (read("provider:a.b/c=k1"), read("provider:a.b/c"), true),
            (read("provider:a.b/d=k1"), read("provider:a.b/c"), false),
            (read("provider:a.b/c"), read("provider:a.b/c"), false),
            (db("read"), read("database:write"), true),
            (db("write"), read("database:read"), false),
            (read("host:a.org"), read("host:a.org"), true),
            (read("host:b.org"), read("host:a.org"), false),
            (read("direct"), read("database:read"), false),
            (read("folder:k1/a:read"), read("folder:write"), true),
            (read("folder:k1/a:write"), read("folder:read"), false),
            (read("folder:read"), read("folder:read"), false),
            (read("device:/dev/ttyUSB0"), read("device:any"), true),
            (read("device:any"), read("device:any"), false),
            (
                read("device:/dev/ttyUSB0"),
                read("device:/dev/ttyUSB1"),
                false,
            ),
        ] {
            assert_eq!(pick.answers(&asked), answers, "{pick} for {asked}");
        }
    }

    #[test]
    fn a_set_is_the_sum_of_its_permissions() {
        for set in [
            json!({}),
            json!({ "network": { "hosts": ["a.org", "*.b.org"] } }),
            json!({ "network": "direct", "hostApis": ["atek.cloud/users-api"] }),
            json!({ "network": { "direct": { "lan": true } } }),
            json!({ "devices": ["/dev/ttyUSB0", "/dev/video1"] }),
            json!({ "listen": ["tcp/1883"], "mdns": true }),
            json!({ "provides": ["atek.cloud/a", "atek.cloud/b"] }),
        ] {
            let set: Permissions = serde_json::from_value(set).unwrap();
            assert_eq!(Permissions::from_items(set.items()), set);
            assert_eq!(set.union(&set), set);
            assert_eq!(set.union(&Permissions::default()), set);
        }
    }
}
