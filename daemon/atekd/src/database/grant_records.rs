//! Decisions about permissions, shares and groups among the records. Pure.

use super::records::{Change, Records};
use atek_api::grants::{Grant, Group, Recipient, Share, Shared};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::permission::Permission;
use atek_host_model::permissions::Shares;
use std::sync::Arc;

impl Records {
    /// All decisions, oldest first.
    pub fn grants(&self) -> impl Iterator<Item = &Arc<Grant>> {
        self.grants.values()
    }

    /// The decisions about a service that are in force at `now` (seconds since 1970).
    pub fn grants_of(&self, service: &ServiceKey, now: i64) -> Vec<Arc<Grant>> {
        let of_it = |grant: &&Arc<Grant>| grant.service == *service && grant.is_live(now);
        let grants = self.grants().filter(of_it);
        grants
            .filter(|grant| self.is_there(grant))
            .cloned()
            .collect()
    }

    /// Whether a folder that was given away still belongs to an app of the same owner.
    fn is_there(&self, grant: &Grant) -> bool {
        let Permission::Folder {
            of: Some(folder), ..
        } = &grant.permission
        else {
            return true;
        };
        let owner = |key: &ServiceKey| {
            let service = self.service(key.as_str());
            service.map(|service| &service.settings.owning_user_key)
        };
        let theirs = owner(&folder.service);
        theirs.is_some() && theirs == owner(&grant.service)
    }

    /// The services that were given a folder of this one.
    #[must_use]
    pub fn folders_given_of(&self, key: &ServiceKey) -> Vec<Arc<Grant>> {
        let of_it = |grant: &&Arc<Grant>| match &grant.permission {
            Permission::Folder {
                of: Some(folder), ..
            } => folder.service == *key && grant.service != *key,
            _ => false,
        };
        self.grants().filter(of_it).cloned().collect()
    }

    /// A decision by its id.
    #[must_use]
    pub fn grant(&self, id: &str) -> Option<&Arc<Grant>> {
        self.grants.get(id)
    }

    /// All shares, oldest first.
    pub fn shares(&self) -> impl Iterator<Item = &Arc<Share>> {
        self.shares.values()
    }

    /// A share by its id.
    #[must_use]
    pub fn share(&self, id: &str) -> Option<&Arc<Share>> {
        self.shares.get(id)
    }

    /// All groups, oldest first.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    /// A group by its key.
    #[must_use]
    pub fn group(&self, key: &str) -> Option<&Arc<Group>> {
        self.groups.get(key)
    }

    /// A group by its name; upper and lower case are the same.
    #[must_use]
    pub fn group_named(&self, name: &str) -> Option<&Arc<Group>> {
        let name = name.to_lowercase();
        self.groups()
            .find(|group| group.name.to_lowercase() == name)
    }

    /// With whom an app is shared at `now`; groups are resolved to their members.
    #[must_use]
    pub fn shares_of_app(&self, service: &ServiceKey, now: i64) -> Shares {
        self.shares_of(&Shared::App(service.clone()), now)
    }

    fn shares_of(&self, what: &Shared, now: i64) -> Shares {
        let mut shares = Shares::default();
        for share in self
            .shares()
            .filter(|share| share.what == *what && share.is_live(now))
        {
            match &share.with {
                Recipient::User(user) => shares.add(user, share.level),
                Recipient::Group(key) => {
                    let members = self.group(key).map(|group| &group.members);
                    for member in members.into_iter().flatten() {
                        shares.add(member, share.level);
                    }
                }
            }
        }
        shares
    }

    /// When the next decision or share ends by itself, in seconds since 1970.
    #[must_use]
    pub fn next_end(&self) -> Option<i64> {
        let grants = self.grants().filter_map(|grant| grant.until);
        let shares = self.shares().filter_map(|share| share.until);
        grants.chain(shares).min()
    }

    /// The removal of what has ended by `now`.
    #[must_use]
    pub fn ended(&self, now: i64) -> Vec<Change> {
        let grants = self.grants().filter(|grant| !grant.is_live(now));
        let shares = self.shares().filter(|share| !share.is_live(now));
        grants
            .map(|grant| Change::DeleteGrant(grant.id.clone()))
            .chain(shares.map(|share| Change::DeleteShare(share.id.clone())))
            .collect()
    }

    /// What was decided about a service that is gone, and what others were granted of it.
    pub(super) fn ends_with_service(&self, key: &ServiceKey) -> Vec<Change> {
        let is_about = |grant: &&Arc<Grant>| {
            let picked = match &grant.permission {
                Permission::Provider { service, .. } => service.as_ref() == Some(key),
                Permission::Folder {
                    of: Some(folder), ..
                } => folder.service == *key,
                _ => false,
            };
            grant.service == *key || picked
        };
        let grants = self.grants().filter(is_about);
        let of_it = |share: &&Arc<Share>| share.what == Shared::App(key.clone());
        let shares = self.shares().filter(of_it);
        grants
            .map(|grant| Change::DeleteGrant(grant.id.clone()))
            .chain(shares.map(|share| Change::DeleteShare(share.id.clone())))
            .collect()
    }

    /// What was shared with a user who is gone, and the membership in groups.
    pub(super) fn ends_with_user(&self, key: &UserKey) -> Vec<Change> {
        let with = Recipient::User(key.clone());
        let shares = self.shares().filter(|share| share.with == with);
        let groups = self.groups().filter(|group| group.members.contains(key));
        shares
            .map(|share| Change::DeleteShare(share.id.clone()))
            .chain(groups.map(|group| {
                let mut group = Group::clone(group);
                group.members.retain(|member| member != key);
                Change::PutGroup(group)
            }))
            .collect()
    }

    /// What was shared with a group that is gone.
    pub(super) fn ends_with_group(&self, key: &str) -> Vec<Change> {
        let with = Recipient::Group(key.to_owned());
        let shares = self.shares().filter(|share| share.with == with);
        shares
            .map(|share| Change::DeleteShare(share.id.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::grants::{Level, Verdict};

    fn grant(id: &str, service: &str, permission: &str, until: Option<i64>) -> Change {
        Change::PutGrant(Grant {
            id: id.to_owned(),
            service: service.parse().unwrap(),
            permission: permission.parse().unwrap(),
            verdict: Verdict::Allow,
            by: UserKey::system(),
            at: String::new(),
            until,
            reason: None,
        })
    }

    fn share(id: &str, app: &str, with: Recipient, until: Option<i64>) -> Change {
        Change::PutShare(Share {
            id: id.to_owned(),
            what: Shared::App(app.parse().unwrap()),
            with,
            level: Level::Use,
            by: UserKey::system(),
            at: String::new(),
            until,
        })
    }

    fn user(name: &str) -> UserKey {
        name.parse().unwrap()
    }

    fn house() -> Records {
        Records::loaded([
            Change::PutGroup(Group {
                key: "family".to_owned(),
                name: "Family".to_owned(),
                members: vec![user("bob"), user("carol")],
            }),
            grant("g1", "notes", "host:a.org", Some(100)),
            grant("g2", "reader", "provider:x.y/z=notes", None),
            grant("g3", "reader", "direct", None),
            grant("g4", "reader", "folder:notes/photos:read", None),
            share("s1", "notes", Recipient::Group("family".to_owned()), None),
            share("s2", "notes", Recipient::User(user("dan")), Some(50)),
        ])
    }

    fn ids(records: &Records) -> (Vec<&str>, Vec<&str>) {
        let grants = records.grants().map(|grant| grant.id.as_str());
        let shares = records.shares().map(|share| share.id.as_str());
        (grants.collect(), shares.collect())
    }

    #[test]
    fn a_group_is_resolved_to_its_members_and_what_ended_counts_no_more() {
        let records = house();
        let notes = "notes".parse().unwrap();
        let has = |now, name: &str| {
            records
                .shares_of_app(&notes, now)
                .admit(&user(name), Level::Use)
        };
        assert!(has(0, "bob") && has(0, "carol") && has(0, "dan") && !has(0, "eve"));
        assert!(has(50, "bob") && !has(50, "dan"));
        assert_eq!(records.next_end(), Some(50));
        assert_eq!(records.grants_of(&notes, 99).len(), 1);
        assert_eq!(records.grants_of(&notes, 100).len(), 0);
        assert_eq!(records.ended(49).len(), 0);
        assert_eq!(records.ended(100).len(), 2);
        assert!(records.group_named("FAMILY").is_some());
    }

    #[test]
    fn grants_and_shares_end_with_the_app_the_user_and_the_group() {
        let mut without_app = house();
        without_app.apply_with_consequences(vec![Change::DeleteService("notes".parse().unwrap())]);
        assert_eq!(ids(&without_app), (vec!["g3"], vec![]));

        let mut without_user = house();
        without_user.apply_with_consequences(vec![Change::DeleteUser(user("dan"))]);
        assert_eq!(ids(&without_user).1, ["s1"]);
        without_user.apply_with_consequences(vec![Change::DeleteUser(user("bob"))]);
        assert_eq!(
            without_user.group("family").unwrap().members,
            [user("carol")]
        );

        let mut without_group = house();
        without_group.apply_with_consequences(vec![Change::DeleteGroup("family".to_owned())]);
        assert_eq!(ids(&without_group).1, ["s2"]);
    }
}
