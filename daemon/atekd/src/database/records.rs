//! The records and their snapshot. Pure.

use crate::permissions::may_be_main_service;
use atek_api::grants::{Grant, Group, Share};
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::permission::PermissionRules;
use atek_api::services::ServiceSettings;
use atek_api::users::Role;
pub use atek_host_model::users::{SessionId, StoredSettings, UserRecord};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// A service's record (`atek.cloud/service/KEY`).
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRecord {
    /// The record's key.
    pub key: ServiceKey,
    /// The record.
    pub settings: ServiceSettings,
}

/// A session's record (`atek.cloud/user-session/ID`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecord {
    /// The record's key.
    pub session_id: SessionId,
    /// Whose session it is.
    pub user_key: UserKey,
    /// The user's name when the session was made.
    pub username: String,
    /// RFC 3339.
    pub created_at: String,
    /// Seconds since 1970; written at most every few minutes.
    #[serde(default)]
    pub last_seen_unix: i64,
    /// What the browser said it is, shortened.
    #[serde(default)]
    pub device: String,
    /// The address that signed in; none on a Unix socket, and in records of old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// None: the main domain. Otherwise the service to whose subdomain the session is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<ServiceKey>,
    /// The session of the main domain that a bound session depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// The session ends with the browser, and soon when it is not used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub temporary: bool,
}

/// One change of the records.
#[derive(Debug, Clone)]
pub enum Change {
    /// Adds or replaces a user.
    PutUser(UserRecord),
    /// Removes a user.
    DeleteUser(UserKey),
    /// Adds or replaces a service.
    PutService(Box<ServiceRecord>),
    /// Removes a service.
    DeleteService(ServiceKey),
    /// Adds or replaces a session.
    PutSession(SessionRecord),
    /// Removes a session.
    DeleteSession(SessionId),
    /// Replaces what administrators let users decide.
    PutPermissionRules(PermissionRules),
    /// Replaces the main domains that administrators added.
    PutAddedNames(Vec<String>),
    /// Replaces the port of an app that was given last.
    PutNewestPort(u16),
    /// Adds or replaces a decision about a permission.
    PutGrant(Grant),
    /// Removes one.
    DeleteGrant(String),
    /// Adds or replaces a share.
    PutShare(Share),
    /// Removes a share.
    DeleteShare(String),
    /// Adds or replaces a group.
    PutGroup(Group),
    /// Removes a group.
    DeleteGroup(String),
}

/// All records at one moment.
///
/// Values are shared, so that a snapshot with one change costs the maps only.
#[derive(Debug, Clone, Default)]
pub struct Records {
    ready: bool,
    users: BTreeMap<UserKey, Arc<UserRecord>>,
    names: HashMap<String, UserKey>,
    services: BTreeMap<ServiceKey, Arc<ServiceRecord>>,
    ids: HashMap<ServiceId, ServiceKey>,
    sessions: HashMap<SessionId, Arc<SessionRecord>>,
    permission_rules: PermissionRules,
    added_names: Vec<String>,
    newest_port: Option<u16>,
    pub(super) grants: BTreeMap<String, Arc<Grant>>,
    pub(super) shares: BTreeMap<String, Arc<Share>>,
    pub(super) groups: BTreeMap<String, Arc<Group>>,
}

impl Records {
    /// The records as read from the database.
    #[must_use]
    pub fn loaded(changes: impl IntoIterator<Item = Change>) -> Self {
        let mut records = Self {
            ready: true,
            ..Self::default()
        };
        for change in changes {
            records.apply(change);
        }
        records
    }

    /// Whether the database has been read; before that there are no records.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// All users, oldest first.
    pub fn users(&self) -> impl Iterator<Item = &Arc<UserRecord>> {
        self.users.values()
    }

    /// Whether the box has an owner.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.users.values().any(|user| user.role == Role::Admin)
    }

    /// A user by key.
    #[must_use]
    pub fn user(&self, key: &str) -> Option<&Arc<UserRecord>> {
        self.users.get(key)
    }

    /// A user by name.
    #[must_use]
    pub fn user_named(&self, name: &str) -> Option<&Arc<UserRecord>> {
        self.users.get(self.names.get(name)?)
    }

    /// All installed services, oldest first.
    pub fn services(&self) -> impl Iterator<Item = &Arc<ServiceRecord>> {
        self.services.values()
    }

    /// A service by key.
    #[must_use]
    pub fn service(&self, key: &str) -> Option<&Arc<ServiceRecord>> {
        self.services.get(key)
    }

    /// A service by id.
    #[must_use]
    pub fn service_with_id(&self, id: &str) -> Option<&Arc<ServiceRecord>> {
        self.services.get(self.ids.get(id)?)
    }

    /// A session by the hash of its cookie.
    #[must_use]
    pub fn session(&self, id: &SessionId) -> Option<&Arc<SessionRecord>> {
        self.sessions.get(id)
    }

    /// All sessions of a user, in no order.
    pub fn sessions_of(&self, user: &UserKey) -> impl Iterator<Item = &Arc<SessionRecord>> {
        self.sessions
            .values()
            .filter(move |session| session.user_key == *user)
    }

    /// What administrators let users decide.
    #[must_use]
    pub fn permission_rules(&self) -> PermissionRules {
        self.permission_rules
    }

    /// The main domains that administrators added.
    #[must_use]
    pub fn added_names(&self) -> &[String] {
        &self.added_names
    }

    /// The port of an app that was given last, also when that app is gone; none in records of an
    /// older Atek.
    #[must_use]
    pub fn newest_port(&self) -> Option<u16> {
        self.newest_port
    }

    /// All sessions, in no order.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<SessionRecord>> {
        self.sessions.values()
    }

    /// Makes one change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::PutUser(user) => {
                self.forget_name(&user.key);
                self.names.insert(user.username.clone(), user.key.clone());
                self.users.insert(user.key.clone(), Arc::new(user));
            }
            Change::DeleteUser(key) => {
                self.forget_name(&key);
                self.users.remove(&key);
            }
            Change::PutService(service) => {
                self.forget_id(&service.key);
                self.ids
                    .insert(service.settings.id.clone(), service.key.clone());
                self.services
                    .insert(service.key.clone(), Arc::from(service));
            }
            Change::DeleteService(key) => {
                self.forget_id(&key);
                self.services.remove(&key);
            }
            Change::PutSession(session) => {
                self.sessions
                    .insert(session.session_id.clone(), Arc::new(session));
            }
            Change::DeleteSession(id) => {
                self.sessions.remove(&id);
            }
            Change::PutPermissionRules(rules) => self.permission_rules = rules,
            Change::PutAddedNames(names) => self.added_names = names,
            Change::PutNewestPort(port) => self.newest_port = Some(port),
            Change::PutGrant(grant) => {
                self.grants.insert(grant.id.clone(), Arc::new(grant));
            }
            Change::DeleteGrant(id) => {
                self.grants.remove(&id);
            }
            Change::PutShare(share) => {
                self.shares.insert(share.id.clone(), Arc::new(share));
            }
            Change::DeleteShare(id) => {
                self.shares.remove(&id);
            }
            Change::PutGroup(group) => {
                self.groups.insert(group.key.clone(), Arc::new(group));
            }
            Change::DeleteGroup(key) => {
                self.groups.remove(&key);
            }
        }
    }

    /// Makes changes and what follows from them: a setting or a session that refers to what is
    /// gone, or to a service that now belongs to another user, ends with it.
    ///
    /// Returns all changes, for the database.
    pub fn apply_with_consequences(&mut self, mut changes: Vec<Change>) -> Vec<Change> {
        for change in &changes {
            self.apply(change.clone());
        }
        let consequences: Vec<Change> = changes
            .iter()
            .flat_map(|change| self.consequences(change))
            .collect();
        for change in &consequences {
            self.apply(change.clone());
        }
        changes.extend(consequences);
        changes
    }

    fn consequences(&self, change: &Change) -> Vec<Change> {
        match change {
            Change::DeleteService(key) => {
                let bound = self.sessions().filter(|s| s.bound_to.as_ref() == Some(key));
                self.main_service_of(key)
                    .map(|user| Change::PutUser(without_main_service(user)))
                    .chain(bound.map(|s| Change::DeleteSession(s.session_id.clone())))
                    .chain(self.ends_with_service(key))
                    .collect()
            }
            Change::PutService(service) => self
                .main_service_of(&service.key)
                .filter(|user| !may_be_main_service(&user.key, &service.settings.owning_user_key))
                .map(|user| Change::PutUser(without_main_service(user)))
                .collect(),
            Change::DeleteUser(key) => self
                .sessions_of(key)
                .map(|session| Change::DeleteSession(session.session_id.clone()))
                .chain(self.ends_with_user(key))
                .collect(),
            Change::DeleteGroup(key) => self.ends_with_group(key),
            Change::PutUser(_)
            | Change::PutSession(_)
            | Change::DeleteSession(_)
            | Change::PutPermissionRules(_)
            | Change::PutAddedNames(_)
            | Change::PutNewestPort(_)
            | Change::PutGrant(_)
            | Change::DeleteGrant(_)
            | Change::PutShare(_)
            | Change::DeleteShare(_)
            | Change::PutGroup(_) => Vec::new(),
        }
    }

    /// The users whose main service it is.
    fn main_service_of(&self, key: &ServiceKey) -> impl Iterator<Item = &Arc<UserRecord>> {
        self.users()
            .filter(move |user| user.settings.main_service_key.as_ref() == Some(key))
    }

    /// Turns main services that were stored as ids into keys.
    ///
    /// An id counts if it is that of a service that may be this user's main service; otherwise
    /// the service that was meant is gone. Returns the users whose records changed.
    pub fn resolve_former_ids(&mut self) -> Vec<Change> {
        let former = |user: &&Arc<UserRecord>| user.settings.former_main_service_id.is_some();
        let changes: Vec<Change> = self
            .users()
            .filter(former)
            .map(|user| {
                let mut user = UserRecord::clone(user);
                let id = user.settings.former_main_service_id.take();
                let service = id
                    .and_then(|id| self.service_with_id(&id))
                    .filter(|service| {
                        may_be_main_service(&user.key, &service.settings.owning_user_key)
                    });
                if let Some(service) = service {
                    user.settings.main_service_key = Some(service.key.clone());
                }
                Change::PutUser(user)
            })
            .collect();
        for change in &changes {
            self.apply(change.clone());
        }
        changes
    }

    fn forget_name(&mut self, key: &UserKey) {
        if let Some(old) = self.users.get(key)
            && self.names.get(&old.username) == Some(key)
        {
            self.names.remove(&old.username);
        }
    }

    fn forget_id(&mut self, key: &ServiceKey) {
        if let Some(old) = self.services.get(key)
            && self.ids.get(&old.settings.id) == Some(key)
        {
            self.ids.remove(&old.settings.id);
        }
    }
}

fn without_main_service(user: &UserRecord) -> UserRecord {
    let mut user = user.clone();
    user.settings.main_service_key = None;
    user
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user(key: &str, settings: serde_json::Value) -> Change {
        let mut user: UserRecord = serde_json::from_value(json!({
            "username": format!("user-{key}"), "hashedPassword": "", "settings": settings,
        }))
        .unwrap();
        user.key = key.parse().unwrap();
        Change::PutUser(user)
    }

    fn service(key: &str, id: &str, owner: &str) -> Change {
        Change::PutService(Box::new(ServiceRecord {
            key: key.parse().unwrap(),
            settings: serde_json::from_value(json!({
                "id": id, "owningUserKey": owner, "sourceUrl": "file:///app",
                "package": { "sourceType": "file" },
            }))
            .unwrap(),
        }))
    }

    fn session(cookie: &str, owner: &str, bound_to: Option<&str>) -> Change {
        Change::PutSession(SessionRecord {
            session_id: SessionId::of_cookie(cookie),
            user_key: owner.parse().unwrap(),
            username: String::new(),
            created_at: String::new(),
            last_seen_unix: 0,
            device: String::new(),
            address: None,
            bound_to: bound_to.map(|key| key.parse().unwrap()),
            parent: None,
            temporary: false,
        })
    }

    /// Alice has the app `home` (key k1) as her main page; bob has none.
    fn records() -> Records {
        Records::loaded([
            service("k1", "home", "alice"),
            user("alice", json!({ "mainServiceKey": "k1" })),
            user("bob", json!({})),
        ])
    }

    fn main_service<'a>(records: &'a Records, user: &str) -> Option<&'a str> {
        let settings = &records.user(user).unwrap().settings;
        settings.main_service_key.as_ref().map(ServiceKey::as_str)
    }

    #[test]
    fn a_main_page_follows_a_rename_and_ends_with_the_app_or_its_owner() {
        let gone = || Change::DeleteService("k1".parse().unwrap());
        for (what, changes, expected) in [
            ("renamed", vec![service("k1", "other", "alice")], Some("k1")),
            ("uninstalled", vec![gone()], None),
            ("given to bob", vec![service("k1", "home", "bob")], None),
            (
                "given to the box",
                vec![service("k1", "home", "system")],
                Some("k1"),
            ),
            (
                "uninstalled, and its id and key taken by bob at once",
                vec![gone(), service("k1", "home", "bob")],
                None,
            ),
            (
                "another app goes",
                vec![Change::DeleteService("k2".parse().unwrap())],
                Some("k1"),
            ),
        ] {
            let mut records = records();
            let all = records.apply_with_consequences(changes);
            assert_eq!(main_service(&records, "alice"), expected, "{what}");
            // What is written to the database leads to the same records.
            let mut stored = self::records();
            all.into_iter().for_each(|change| stored.apply(change));
            assert_eq!(main_service(&stored, "alice"), expected, "{what}, stored");
        }
    }

    #[test]
    fn sessions_end_with_their_user_and_with_the_app_that_they_are_bound_to() {
        let mut records = records();
        records.apply_with_consequences(vec![
            session("main", "alice", None),
            session("bound", "alice", Some("k1")),
            session("core", "alice", Some("core.lonestar")),
            session("bobs", "bob", None),
        ]);
        let live = |records: &Records| {
            ["main", "bound", "core", "bobs"]
                .map(|cookie| records.session(&SessionId::of_cookie(cookie)).is_some())
        };
        records.apply_with_consequences(vec![Change::DeleteService("k1".parse().unwrap())]);
        assert_eq!(live(&records), [true, false, true, true]);
        records.apply_with_consequences(vec![Change::DeleteUser("alice".parse().unwrap())]);
        assert_eq!(live(&records), [false, false, false, true]);
    }

    #[test]
    fn a_main_page_that_was_stored_as_an_id_is_resolved_once_and_only_to_an_own_app() {
        for (id, expected) in [
            ("home", Some("k1")),
            ("box", Some("k3")),
            ("bobs", None),
            ("gone", None),
            ("", None),
        ] {
            let mut records = Records::loaded([
                service("k1", "home", "alice"),
                service("k2", "bobs", "bob"),
                service("k3", "box", "system"),
                user("alice", json!({ "mainServiceId": id })),
                user("bob", json!({})),
            ]);
            let changed = records.resolve_former_ids();
            assert_eq!(main_service(&records, "alice"), expected, "{id:?}");
            let [Change::PutUser(stored)] = &changed[..] else {
                panic!("{changed:?}");
            };
            let stored = serde_json::to_value(stored).unwrap();
            assert_eq!(stored["settings"].get("mainServiceId"), None, "{id:?}");
            assert!(records.resolve_former_ids().is_empty());
        }
    }
}
