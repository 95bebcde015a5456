//! The part of `atek.cloud/permissions-api` about other users: shares and groups.

use super::install::by;
use super::permissions::{now, rfc3339, title, user_name};
use super::{HostApis, internal, mint};
use crate::database::{Change, DatabaseError, Records};
use crate::permissions::{Action, Caller};
use atek_api::audit::AuditOutcome;
use atek_api::grants::{
    Group, GroupInfo, GroupParams, MAX_GROUP_NAME, Recipient, Share, ShareInfo, ShareParams, Shared,
};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use serde_json::json;

/// Shares of the whole box.
const MOST_SHARES: usize = 1_000;
/// Groups of the whole box.
const MOST_GROUPS: usize = 100;

/// Why a change of shares or groups was refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("there are {MOST_SHARES} shares on this box already")]
    TooManyShares,
    #[error("there are {MOST_GROUPS} groups on this box already")]
    TooManyGroups,
    #[error("there is a group with this name already")]
    NameTaken,
    #[error("there is no such group")]
    NoGroup,
}

impl From<Refusal> for RpcError {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::Database(error) => internal(error),
            other => RpcError::general(other.to_string()),
        }
    }
}

impl HostApis {
    /// What the caller shares, what is shared with them, and everything for administrators.
    pub(super) fn list_shares(&self, caller: &Caller) -> RpcResult {
        let records = self.database.records();
        if matches!(caller, Caller::Service(_)) {
            return Err(RpcError::not_authorized());
        }
        let own = caller.user_key();
        let shares: Vec<ShareInfo> = records
            .shares()
            .filter(|share| share.is_live(now()))
            .filter_map(|share| {
                let (owner, shown) = self.shown_share(&records, share)?;
                let is_mine = match &share.with {
                    Recipient::User(user) => own == Some(user.as_str()),
                    Recipient::Group(key) => records.group(key).is_some_and(|group| {
                        group
                            .members
                            .iter()
                            .any(|member| own == Some(member.as_str()))
                    }),
                };
                let may = is_mine || self.may(caller, Action::Share(&owner)).is_ok();
                may.then_some(shown)
            })
            .collect();
        raw(&json!({ "shares": shares }))
    }

    /// The owner of what is shared, and how the share is shown.
    fn shown_share(&self, records: &Records, share: &Share) -> Option<(UserKey, ShareInfo)> {
        let (owner, service, database, title) = match &share.what {
            Shared::App(key) => {
                let directory = self.directory.now();
                let entry = directory.by_key(key.as_str())?;
                (
                    entry.owner().clone(),
                    Some(entry.id().clone()),
                    None,
                    title(entry),
                )
            }
            // Only who owns a database shares it.
            Shared::Database(id) => {
                let short = id.as_str().chars().take(8).collect();
                (share.by.clone(), None, Some(id.clone()), short)
            }
        };
        let (user, group) = match &share.with {
            Recipient::User(key) => (Some(user_name(records, key)?), None),
            Recipient::Group(key) => (None, Some(records.group(key)?.name.clone())),
        };
        let info = ShareInfo {
            id: share.id.clone(),
            service,
            database,
            title,
            owner: user_name(records, &owner).unwrap_or_default(),
            user,
            group,
            level: share.level,
            by: user_name(records, &share.by).unwrap_or_default(),
            since: share.at.clone(),
            until: share.until.map(rfc3339),
        };
        Some((owner, info))
    }

    pub(super) async fn share(&self, caller: &Caller, params: ShareParams) -> RpcResult {
        let (what, owner) = self.shared_thing(caller, &params).await?;
        self.may(caller, Action::Share(&owner))?;
        let with = self.recipient(&params)?;
        if with == Recipient::User(owner.clone()) {
            return Err(RpcError::general("this user owns it already"));
        }
        let at = jiff::Timestamp::now().to_string();
        let until = params.seconds.map(|seconds| now() + i64::from(seconds));
        let stored_by = if matches!(what, Shared::Database(_)) {
            owner
        } else {
            by(caller)
        };
        let stored = self.database.update(move |records| -> Result<_, Refusal> {
            // Another level for the same recipient replaces the first.
            let same = records
                .shares()
                .find(|share| share.what == what && share.with == with);
            let id = match same {
                Some(share) => share.id.clone(),
                None if records.shares().count() >= MOST_SHARES => {
                    return Err(Refusal::TooManyShares);
                }
                None => mint::<ServiceKey>(|key| records.share(key).is_some()).to_string(),
            };
            let share = Share {
                id: id.clone(),
                what,
                with,
                level: params.level,
                by: stored_by,
                at,
                until,
            };
            Ok((id, vec![Change::PutShare(share)]))
        });
        let id = stored.await.map_err(RpcError::from)?;
        let records = self.database.records();
        if let Some(share) = records.share(&id).cloned() {
            self.note_share(&by(caller), &share, AuditOutcome::Given)
                .await;
        }
        raw(&json!({ "id": id }))
    }

    /// What is to be shared, and whose it is.
    async fn shared_thing(
        &self,
        caller: &Caller,
        params: &ShareParams,
    ) -> Result<(Shared, UserKey), RpcError> {
        match (&params.service, &params.database) {
            (Some(id), None) => {
                let directory = self.directory.now();
                let entry = directory.by_id(id).ok_or_else(RpcError::not_authorized)?;
                self.may(caller, Action::Share(entry.owner()))?;
                if entry.core || entry.owner().is_system() {
                    return Err(RpcError::general("this app is everyone's already"));
                }
                Ok((Shared::App(entry.key.clone()), entry.owner().clone()))
            }
            (None, Some(id)) => {
                let owner = self.database.owner_of_database(id).await;
                let owner = owner.map_err(|error| internal(&error))?;
                let owner = owner.ok_or_else(RpcError::not_authorized)?;
                Ok((Shared::Database(id.clone()), owner))
            }
            _ => Err(RpcError::general(
                "name an app (service) or a database to share",
            )),
        }
    }

    fn recipient(&self, params: &ShareParams) -> Result<Recipient, RpcError> {
        let records = self.database.records();
        match (&params.user, &params.group) {
            (Some(name), None) => match records.user_named(name) {
                Some(user) => Ok(Recipient::User(user.key.clone())),
                None => Err(RpcError::general(format!(
                    "No user found with the username of {name}"
                ))),
            },
            (None, Some(name)) => match records.group_named(name) {
                Some(group) => Ok(Recipient::Group(group.key.clone())),
                None => Err(Refusal::NoGroup.into()),
            },
            _ => Err(RpcError::general("name a user or a group to share with")),
        }
    }

    pub(super) async fn unshare(&self, caller: &Caller, id: &str) -> RpcResult {
        let records = self.database.records();
        let share = records.share(id).ok_or_else(RpcError::not_authorized)?;
        let owner = self.shown_share(&records, share).map(|(owner, _)| owner);
        let may_end = owner.is_some_and(|owner| self.may(caller, Action::Share(&owner)).is_ok());
        // Who got it may give it back.
        let is_mine = match &share.with {
            Recipient::User(user) => {
                matches!(caller, Caller::User(person) if person.user.key == *user)
            }
            Recipient::Group(_) => false,
        };
        if !may_end && !is_mine {
            return Err(RpcError::not_authorized());
        }
        let removed = self
            .database
            .write(vec![Change::DeleteShare(id.to_owned())]);
        removed.await.map_err(|error| internal(&error))?;
        self.note_share(&by(caller), share, AuditOutcome::Taken)
            .await;
        raw(&())
    }

    /// The names of users and groups, to share something with.
    pub(super) fn people(&self, caller: &Caller) -> RpcResult {
        self.may(caller, Action::SeePeople)?;
        let records = self.database.records();
        let users: Vec<_> = records
            .users()
            .map(|user| json!({ "username": user.username, "displayName": user.display_name }))
            .collect();
        let groups: Vec<_> = records.groups().map(|group| group.name.clone()).collect();
        raw(&json!({ "users": users, "groups": groups }))
    }

    pub(super) fn groups(&self, caller: &Caller) -> RpcResult {
        self.may(caller, Action::SeePeople)?;
        let records = self.database.records();
        let groups: Vec<GroupInfo> = records
            .groups()
            .map(|group| GroupInfo {
                key: group.key.clone(),
                name: group.name.clone(),
                members: group
                    .members
                    .iter()
                    .filter_map(|member| user_name(&records, member))
                    .collect(),
            })
            .collect();
        raw(&json!({ "groups": groups }))
    }

    pub(super) async fn put_group(&self, caller: &Caller, params: GroupParams) -> RpcResult {
        self.may(caller, Action::ManageGroups)?;
        let name = params.name.trim().to_owned();
        let length = name.chars().count();
        if !(1..=MAX_GROUP_NAME).contains(&length) || name.chars().any(char::is_control) {
            return Err(RpcError::general(format!(
                "a group needs a name of at most {MAX_GROUP_NAME} characters"
            )));
        }
        let records = self.database.records();
        let mut members: Vec<UserKey> = Vec::new();
        for member in &params.members {
            let user = records.user_named(member).ok_or_else(|| {
                RpcError::general(format!("No user found with the username of {member}"))
            })?;
            if !members.contains(&user.key) {
                members.push(user.key.clone());
            }
        }
        let stored = self.database.update(move |records| -> Result<_, Refusal> {
            let key = match params.key {
                Some(key) if records.group(&key).is_some() => key,
                Some(_) => return Err(Refusal::NoGroup),
                None if records.groups().count() >= MOST_GROUPS => {
                    return Err(Refusal::TooManyGroups);
                }
                None => mint::<ServiceKey>(|key| records.group(key).is_some()).to_string(),
            };
            if records
                .group_named(&name)
                .is_some_and(|other| other.key != key)
            {
                return Err(Refusal::NameTaken);
            }
            let group = Group {
                key: key.clone(),
                name,
                members,
            };
            Ok((key, vec![Change::PutGroup(group)]))
        });
        let key = stored.await.map_err(RpcError::from)?;
        raw(&json!({ "key": key }))
    }

    pub(super) async fn remove_group(&self, caller: &Caller, key: &str) -> RpcResult {
        self.may(caller, Action::ManageGroups)?;
        if self.database.records().group(key).is_none() {
            return Err(Refusal::NoGroup.into());
        }
        let removed = self
            .database
            .write(vec![Change::DeleteGroup(key.to_owned())]);
        removed.await.map_err(|error| internal(&error))?;
        raw(&())
    }
}
