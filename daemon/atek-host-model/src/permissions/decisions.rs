//! What people decided about an app and with whom they share it, as it is in force. Pure.

use atek_api::grants::{Grant, Level, Verdict};
use atek_api::ids::{DbId, ServiceKey, UserKey};
use atek_api::manifest::ApiId;
use atek_api::permission::{GivenFolder, HostPattern, Permission, Permissions};
use std::collections::BTreeMap;

/// Decisions about one app that a set of permissions cannot hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Hosts that it may not reach, whatever else it was granted.
    pub blocked: Vec<HostPattern>,
    /// Which service provides an API to it.
    pub providers: Vec<(ApiId, ServiceKey)>,
    /// Databases of other apps that it may read, and whether it may change them.
    pub databases: Vec<(DbId, bool)>,
    /// Folders of other apps that it may use.
    pub folders: Vec<GivenFolder>,
}

impl Decisions {
    /// Whether a person closed this host to the app.
    #[must_use]
    pub fn blocks(&self, host: &str, port: u16) -> bool {
        self.blocked
            .iter()
            .any(|pattern| pattern.matches(host, port))
    }

    /// The providers that a person picked for an API; none: the usual choice.
    pub fn picked<'a>(&'a self, api: &'a str) -> impl Iterator<Item = &'a ServiceKey> {
        let of_api = move |(known, _): &&(ApiId, ServiceKey)| known.as_str() == api;
        self.providers
            .iter()
            .filter(of_api)
            .map(|(_, service)| service)
    }
}

/// What an app may do: what it was granted as a whole, also beyond what its manifest asks for; what
/// was granted beside that; and none of what was denied.
#[must_use]
pub fn in_force<'a>(
    granted: &Permissions,
    decided: impl IntoIterator<Item = &'a Grant>,
) -> (Permissions, Decisions) {
    let mut items = granted.items();
    let mut denied: Vec<&Permission> = Vec::new();
    let mut decisions = Decisions::default();
    for grant in decided {
        match (&grant.permission, grant.verdict) {
            (
                Permission::Provider {
                    api,
                    service: Some(service),
                },
                Verdict::Allow,
            ) => {
                decisions.providers.push((api.clone(), service.clone()));
            }
            (
                Permission::Database {
                    id: Some(id),
                    write,
                },
                Verdict::Allow,
            ) => {
                decisions.databases.push((id.clone(), *write));
            }
            (
                Permission::Folder {
                    of: Some(folder),
                    write,
                },
                Verdict::Allow,
            ) => {
                decisions.folders.push(GivenFolder {
                    folder: folder.clone(),
                    write: *write,
                });
            }
            (permission, Verdict::Allow) => items.push(permission.clone()),
            (permission, Verdict::Deny) => {
                if let Permission::Host(host) = permission {
                    decisions.blocked.push(host.clone());
                }
                denied.push(permission);
            }
        }
    }
    let no_internet = denied.contains(&&Permission::Direct);
    items.retain(|item| {
        // Devices at home are reached together with the internet, or not at all.
        let goes_along = no_internet && *item == Permission::Lan;
        !denied.contains(&item) && !goes_along
    });
    (Permissions::from_items(items), decisions)
}

/// With whom an app is shared, and how far each may go; groups are resolved to their members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares(BTreeMap<UserKey, Level>);

/// What belongs to its owner alone.
pub static NOT_SHARED: Shares = Shares(BTreeMap::new());

impl Shares {
    /// Adds a user; the highest level counts.
    pub fn add(&mut self, user: &UserKey, level: Level) {
        let known = self.0.entry(user.clone()).or_insert(level);
        *known = level.max(*known);
    }

    /// Whether the user may go as far as this level.
    #[must_use]
    pub fn admit(&self, user: &UserKey, level: Level) -> bool {
        self.0.get(user).is_some_and(|known| *known >= level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(value: serde_json::Value) -> Permissions {
        serde_json::from_value(value).unwrap()
    }

    fn decided(permission: &str, verdict: Verdict) -> Grant {
        Grant {
            id: "g".to_owned(),
            service: "app".parse().unwrap(),
            permission: permission.parse().unwrap(),
            verdict,
            by: UserKey::system(),
            at: String::new(),
            until: None,
            reason: None,
        }
    }

    #[test]
    fn an_app_may_what_it_was_granted_what_was_given_to_it_and_nothing_denied() {
        let granted = set(json!({ "network": { "hosts": ["*.a.org"] }, "hostApis": ["x.y/z"] }));
        let (permissions, decisions) = in_force(&granted, []);
        assert_eq!(permissions, granted);
        assert_eq!(decisions, Decisions::default());

        let given = [
            decided("host:b.org", Verdict::Allow),
            decided("api:q.r/s", Verdict::Allow),
            decided("host:tracker.a.org", Verdict::Deny),
            decided("api:x.y/z", Verdict::Deny),
            decided("provider:n.o/p=notes", Verdict::Allow),
            decided("folder:album/photos:read", Verdict::Allow),
            decided("folder:album/music:read", Verdict::Deny),
        ];
        let (permissions, decisions) = in_force(&granted, &given);
        assert_eq!(
            permissions,
            set(json!({ "network": { "hosts": ["*.a.org", "b.org"] }, "hostApis": ["q.r/s"] }))
        );
        assert!(decisions.blocks("tracker.a.org", 443) && !decisions.blocks("www.a.org", 443));
        assert_eq!(decisions.picked("n.o/p").count(), 1);
        assert_eq!(decisions.picked("n.o/other").count(), 0);
        let folder = "album/photos".parse().unwrap();
        let write = false;
        assert_eq!(decisions.folders, [GivenFolder { folder, write }]);
    }

    #[test]
    fn who_denies_the_internet_denies_the_devices_at_home() {
        let asked = set(json!({ "network": { "direct": { "lan": true } } }));
        let (with, _) = in_force(&asked, [&decided("lan", Verdict::Deny)]);
        assert_eq!(with, set(json!({ "network": "direct" })));
        let (without, _) = in_force(&asked, [&decided("direct", Verdict::Deny)]);
        assert_eq!(without, Permissions::default());
    }

    #[test]
    fn of_two_shares_the_wider_one_counts() {
        let (bob, carol) = ("bob".parse().unwrap(), "carol".parse().unwrap());
        let mut shares = Shares::default();
        shares.add(&bob, Level::Use);
        shares.add(&bob, Level::View);
        assert!(shares.admit(&bob, Level::View) && shares.admit(&bob, Level::Use));
        assert!(!shares.admit(&bob, Level::Manage) && !shares.admit(&carol, Level::View));
    }
}
