//! What an administrator lets ordinary users decide.

use super::{Network, Permissions};
use serde::{Deserialize, Serialize};

/// What users who are no administrators may decide for their own apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PermissionRules {
    /// Whether they may install apps.
    pub users_may_install: bool,
    /// Which permissions they may grant to their apps.
    pub users_may_grant: Grantable,
}

/// The kinds of permissions that ordinary users may grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Grantable {
    /// To reach hosts that are named, through the host.
    pub hosts: bool,
    /// To reach the internet without the host.
    pub direct: bool,
    /// To reach devices of the local network, also when they are named as hosts, and to be reached
    /// by them.
    pub lan: bool,
    /// To call the host's own APIs.
    pub host_apis: bool,
    /// To use more memory, tasks or CPU than the default.
    pub limits: bool,
}

impl Default for PermissionRules {
    /// Users install apps for themselves; what reaches the home or the box needs an
    /// administrator.
    fn default() -> Self {
        Self {
            users_may_install: true,
            users_may_grant: Grantable {
                hosts: true,
                ..Grantable::NONE
            },
        }
    }
}

impl Default for Grantable {
    fn default() -> Self {
        PermissionRules::default().users_may_grant
    }
}

impl Grantable {
    /// Nothing.
    pub const NONE: Self = Self {
        hosts: false,
        direct: false,
        lan: false,
        host_apis: false,
        limits: false,
    };

    /// Whether all of these permissions are of these kinds.
    #[must_use]
    pub fn admits(&self, permissions: &Permissions) -> bool {
        let network = match &permissions.network {
            None => true,
            Some(Network::Hosts(hosts)) => {
                self.hosts && (self.lan || !hosts.iter().any(|host| host.is_private_address()))
            }
            Some(Network::Direct { lan }) => self.direct && (self.lan || !lan),
        };
        // What is plugged into the box is everybody's: only administrators give it away.
        let devices = permissions.devices.is_empty();
        // What has Atek's name is trusted by apps of everybody.
        let provides = permissions.provides.is_empty();
        // It opens a part of the kernel that is closed to every other app.
        let root = !permissions.root;
        let ports = self.lan || (permissions.listen.is_empty() && !permissions.mdns);
        network
            && devices
            && provides
            && root
            && ports
            && (self.host_apis || permissions.host_apis.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ordinary_users_grant_named_hosts_of_the_internet_and_no_more_unless_told_otherwise() {
        let default = PermissionRules::default().users_may_grant;
        let all = Grantable {
            hosts: true,
            direct: true,
            lan: true,
            host_apis: true,
            limits: true,
        };
        for (permissions, by_default) in [
            (json!({}), true),
            (json!({ "network": { "hosts": ["example.org"] } }), true),
            (
                json!({ "network": { "hosts": ["example.org", "192.168.1.1"] } }),
                false,
            ),
            (json!({ "network": "direct" }), false),
            (json!({ "network": { "direct": { "lan": true } } }), false),
            (json!({ "hostApis": ["atek.cloud/services-api"] }), false),
            (json!({ "listen": ["tcp/1883"] }), false),
        ] {
            let parsed: Permissions = serde_json::from_value(permissions.clone()).unwrap();
            assert_eq!(default.admits(&parsed), by_default, "{permissions}");
            assert!(all.admits(&parsed), "{permissions}");
            assert_eq!(
                Grantable::NONE.admits(&parsed),
                parsed.is_empty(),
                "{permissions}"
            );
        }
    }

    #[test]
    fn devices_of_the_box_and_atek_s_own_names_are_given_by_administrators_alone() {
        let all = Grantable {
            hosts: true,
            direct: true,
            lan: true,
            host_apis: true,
            limits: true,
        };
        for set in [
            json!({ "devices": ["/dev/video0"] }),
            json!({ "provides": ["atek.cloud/notes-api"] }),
            json!({ "root": true }),
        ] {
            assert!(!all.admits(&serde_json::from_value(set).unwrap()));
        }
    }

    #[test]
    fn rules_are_read_with_what_is_missing_at_its_default_and_nothing_unknown() {
        let read = |value| serde_json::from_value::<PermissionRules>(value);
        assert_eq!(read(json!({})).unwrap(), PermissionRules::default());
        let rules = read(json!({ "usersMayGrant": { "direct": true } })).unwrap();
        assert!(rules.users_may_install && rules.users_may_grant.hosts);
        assert!(rules.users_may_grant.direct && !rules.users_may_grant.lan);
        assert!(read(json!({ "usersMayGrant": { "everything": true } })).is_err());
    }
}
