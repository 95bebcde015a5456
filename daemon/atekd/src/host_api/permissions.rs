//! `atek.cloud/permissions-api`: who may what, asking for it, giving it and taking it back.

use super::audit::used;
use super::install::by;
use super::services::operation_error;
use super::{Call, HostApis, devices, internal, methods, mint};
use crate::database::{Change, Records, ServiceRecord};
use crate::directory::Entry;
use crate::grant_requests::{Pending, Refused};
use crate::permissions::{Action, Caller, ServiceCaller, Target};
use atek_api::audit::AuditOutcome;
use atek_api::grants::{
    API, Answer, AnswerParams, Choice, Grant, GrantInfo, GrantParams, MAX_REASON, Origin,
    PendingRequest, RequestParams, RequestResult, RequestState, Verdict,
};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::jsonrpc::{RpcError, RpcResult, code, raw};
use atek_api::manifest::ApiId;
use atek_api::permission::{AppFolder, Permission, Permissions};
use serde_json::json;
use std::time::Duration;

/// The longest time limit, in seconds: ten years.
const LONGEST: u32 = 10 * 366 * 24 * 60 * 60;
/// Decisions about one service.
const MOST_OF_ONE: usize = 200;
/// How long an app does not ask for what was denied to it, in seconds: a week.
const QUIET: i64 = 7 * 24 * 60 * 60;
/// The longest wait of a request.
const LONGEST_WAIT: u32 = 60;

impl HostApis {
    pub(super) async fn permissions_api(&self, call: &Call<'_>) -> RpcResult {
        if !call.caller.is_known() {
            return Err(RpcError::not_authorized());
        }
        let read = || methods::params(API, call);
        match call.method {
            "list" => self.list_grants(call.caller).await,
            "audit" => {
                self.audit_page(call.caller, read()?.object_or_default(0)?)
                    .await
            }
            "grant" => self.grant(call.caller, read()?.object(0)?).await,
            "revoke" => self.revoke_grant(call.caller, &read()?.text(0)?).await,
            "request" => self.request(call.caller, read()?.object(0)?).await,
            "pending" => self.pending(call.caller).await,
            "answer" => {
                let params = read()?;
                let id = params.text(0)?;
                self.answer_request(call.caller, &id, params.object(1)?)
                    .await
            }
            "shares" => self.list_shares(call.caller),
            "share" => self.share(call.caller, read()?.object(0)?).await,
            "unshare" => self.unshare(call.caller, &read()?.text(0)?).await,
            "people" => self.people(call.caller),
            "groups" => self.groups(call.caller),
            "putGroup" => self.put_group(call.caller, read()?.object(0)?).await,
            "removeGroup" => self.remove_group(call.caller, &read()?.text(0)?).await,
            other => Err(RpcError::method_not_found(other)),
        }
    }

    async fn list_grants(&self, caller: &Caller) -> RpcResult {
        // The log is long, and an app has no use for it.
        let log = match caller {
            Caller::User(_) | Caller::System => Some(self.audit.read(0).await),
            Caller::Service(_) | Caller::Anonymous => None,
        };
        let log = log.transpose().map_err(|error| internal(&error))?;
        let (directory, records) = (self.directory.now(), self.database.records());
        let mut grants = Vec::new();
        for entry in directory.entries().filter(|entry| !entry.core) {
            if self.may(caller, Action::SeeGrants(entry.target())).is_ok() {
                let mut of_app = self.grants_of(&records, entry);
                if let Some(log) = &log {
                    for grant in &mut of_app {
                        grant.used = used(log, &entry.key, &grant.permission);
                    }
                }
                grants.extend(of_app);
            }
        }
        raw(&json!({ "grants": grants }))
    }

    /// What a service was granted: of its manifest, and by decisions of their own.
    fn grants_of(&self, records: &Records, entry: &Entry) -> Vec<GrantInfo> {
        let name = |key: &UserKey| user_name(records, key);
        let info = |id: String, permission: &Permission| GrantInfo {
            id,
            service: entry.id().clone(),
            title: title(entry),
            owner: name(entry.owner()).unwrap_or_default(),
            words: permission.describe(),
            danger: permission.danger(),
            permission: permission.clone(),
            verdict: Verdict::Allow,
            origin: Origin::Manifest,
            reason: None,
            by: None,
            since: None,
            until: None,
            picked: self.picked(permission),
            used: None,
        };
        let granted = entry.settings.granted.items();
        let of_manifest = granted.iter().map(|permission| {
            let note = entry.settings.grant_notes.get(&permission.to_string());
            GrantInfo {
                by: note.and_then(|note| name(&note.by)),
                since: note.map(|note| note.at.clone()),
                ..info(format!("{}/{permission}", entry.key), permission)
            }
        });
        let decided = records.grants_of(&entry.key, now());
        let decided = decided.iter().map(|grant| GrantInfo {
            verdict: grant.verdict,
            origin: Origin::Decision,
            reason: grant.reason.clone(),
            by: name(&grant.by),
            since: Some(grant.at.clone()),
            until: grant.until.map(rfc3339),
            ..info(grant.id.clone(), &grant.permission)
        });
        of_manifest.chain(decided).collect()
    }

    /// The name of a provider or folder that was picked.
    fn picked(&self, permission: &Permission) -> Option<String> {
        let directory = self.directory.now();
        match permission {
            Permission::Provider {
                service: Some(key), ..
            } => directory.by_key(key.as_str()).map(|entry| title(entry)),
            Permission::Folder {
                of: Some(folder), ..
            } => directory
                .by_key(folder.service.as_str())
                .map(|entry| folder_title(folder.name.as_str(), entry)),
            _ => None,
        }
    }

    async fn grant(&self, caller: &Caller, params: GrantParams) -> RpcResult {
        let entry = self.directory.now().by_id(&params.service).cloned();
        let entry = entry.ok_or_else(RpcError::not_authorized)?;
        let verdict = params.verdict.unwrap_or(Verdict::Allow);
        self.may_decide(caller, &entry, &params.permission, verdict)?;
        self.check_database(caller, &entry, &params.permission)
            .await?;
        if params.permission.is_open() {
            return Err(RpcError::general(
                "this permission leaves open which app, database, folder or device is meant: name one",
            ));
        }
        if params
            .seconds
            .is_some_and(|seconds| !(1..=LONGEST).contains(&seconds))
        {
            return Err(RpcError::invalid_param(
                1,
                "has seconds that are not from 1 to ten years",
            ));
        }
        let until = params.seconds.map(|seconds| now() + i64::from(seconds));
        let decision = self.decision(&entry.key, params.permission, verdict, until, caller);
        self.store_decision(&entry, decision, false).await
    }

    /// Whether the caller may decide this about a service.
    fn may_decide(
        &self,
        caller: &Caller,
        entry: &Entry,
        permission: &Permission,
        verdict: Verdict,
    ) -> Result<(), RpcError> {
        self.may(caller, Action::Revoke(entry.owner()))?;
        if entry.core {
            return Err(RpcError::general(
                "what a core service may do cannot be changed",
            ));
        }
        if verdict == Verdict::Deny {
            let is_direct = entry.granted.items().contains(&Permission::Direct);
            if matches!(permission, Permission::Host(_)) && is_direct {
                return Err(RpcError::general(
                    "this app reaches the internet without the host's proxy, so that single hosts cannot be blocked: take that permission back first",
                )
                .because("direct"));
            }
            return Ok(());
        }
        match permission {
            Permission::Provider {
                service: Some(key), ..
            } => {
                let directory = self.directory.now();
                let provider = directory.by_key(key.as_str());
                let provider = provider.ok_or_else(RpcError::not_authorized)?;
                self.may(caller, Action::GrantUse(entry.owner(), provider.target()))
            }
            Permission::Folder {
                of: Some(folder), ..
            } => {
                let directory = self.directory.now();
                let other = directory.by_key(folder.service.as_str());
                let other = other.ok_or_else(RpcError::not_authorized)?;
                self.may(caller, Action::GrantUse(entry.owner(), other.target()))?;
                if gives(other, entry) && other.folders().contains(&folder.name) {
                    Ok(())
                } else {
                    Err(RpcError::general(
                        "this is no folder that an app of the same owner gives to others",
                    ))
                }
            }
            // Devices belong to everybody in the house.
            Permission::AnyDevice => self.may(caller, Action::AdministerBox),
            Permission::Provider { service: None, .. }
            | Permission::Folder { of: None, .. }
            | Permission::Database { .. } => Ok(()),
            item => {
                let set = Permissions::from_items([item.clone()]);
                self.may_grant(caller, entry.owner(), Some(&set))
            }
        }
    }

    /// A database is given to an app by the user who owns both.
    async fn check_database(
        &self,
        caller: &Caller,
        entry: &Entry,
        permission: &Permission,
    ) -> Result<(), RpcError> {
        let Permission::Database { id: Some(id), .. } = permission else {
            return Ok(());
        };
        let owner = self.database.owner_of_database(id).await;
        let owner = owner.map_err(|error| internal(&error))?;
        match owner {
            Some(owner) if owner == *entry.owner() => {
                let target = Target::of_owner(&owner);
                self.may(caller, Action::GrantUse(entry.owner(), target))
            }
            _ => Err(RpcError::general("this is no database of the app's owner")),
        }
    }

    fn decision(
        &self,
        service: &ServiceKey,
        permission: Permission,
        verdict: Verdict,
        until: Option<i64>,
        caller: &Caller,
    ) -> Grant {
        let records = self.database.records();
        Grant {
            id: mint::<ServiceKey>(|key| records.grant(key).is_some()).to_string(),
            service: service.clone(),
            permission,
            verdict,
            by: by(caller),
            at: jiff::Timestamp::now().to_string(),
            until,
            reason: None,
        }
    }

    /// Stores a decision in place of earlier ones about the same permission; the app may wait for
    /// it.
    async fn store_decision(&self, entry: &Entry, decision: Grant, waits: bool) -> RpcResult {
        let service = &entry.key;
        let records = self.database.records();
        let all: Vec<_> = records
            .grants()
            .filter(|known| known.service == *service)
            .collect();
        let replaced = all
            .iter()
            .filter(|known| is_same(&known.permission, &decision.permission));
        let mut changes: Vec<Change> = replaced
            .map(|known| Change::DeleteGrant(known.id.clone()))
            .collect();
        if all.len() - changes.len() >= MOST_OF_ONE {
            return Err(RpcError::general(format!(
                "there are {MOST_OF_ONE} decisions about this app already: take some back first"
            )));
        }
        let id = decision.id.clone();
        let outcome = match decision.verdict {
            Verdict::Allow => AuditOutcome::Given,
            Verdict::Deny => AuditOutcome::Denied,
        };
        let (by, permission) = (decision.by.clone(), decision.permission.clone());
        changes.push(Change::PutGrant(decision));
        let decided = self.services.decide(service, changes, waits).await;
        decided.map_err(|error| operation_error(&error))?;
        self.note_decided(&by, entry, [(permission, outcome)]).await;
        raw(&json!({ "id": id }))
    }

    async fn revoke_grant(&self, caller: &Caller, id: &str) -> RpcResult {
        let records = self.database.records();
        if let Some((key, permission)) = id.split_once('/') {
            let record = records.service(key).ok_or_else(RpcError::not_authorized)?;
            self.may(caller, Action::Revoke(&record.settings.owning_user_key))?;
            let permission = permission.parse::<Permission>();
            let permission = permission.map_err(|_| RpcError::not_authorized())?;
            return self.revoke_of_manifest(caller, record, &permission).await;
        }
        let grant = records.grant(id).ok_or_else(RpcError::not_authorized)?;
        let owner = records.service(grant.service.as_str());
        let owner = owner.map(|service| &service.settings.owning_user_key);
        let owner = owner.ok_or_else(RpcError::not_authorized)?;
        self.may(caller, Action::Revoke(owner))?;
        let entry = self.directory.now().by_key(grant.service.as_str()).cloned();
        let entry = entry.ok_or_else(RpcError::not_authorized)?;
        if grant.verdict == Verdict::Deny {
            // To lift a block gives something back.
            self.may_decide(caller, &entry, &grant.permission, Verdict::Allow)?;
        }
        let changes = vec![Change::DeleteGrant(id.to_owned())];
        let decided = self.services.decide(&grant.service, changes, false).await;
        decided.map_err(|error| operation_error(&error))?;
        let taken = [(grant.permission.clone(), AuditOutcome::Taken)];
        self.note_decided(&by(caller), &entry, taken).await;
        raw(&())
    }

    async fn revoke_of_manifest(
        &self,
        caller: &Caller,
        record: &ServiceRecord,
        permission: &Permission,
    ) -> RpcResult {
        let entry = self.directory.now().by_key(record.key.as_str()).cloned();
        let entry = entry.ok_or_else(RpcError::not_authorized)?;
        let taken = self
            .services
            .take_permission_back(&record.key, permission.clone(), &by(caller))
            .await;
        taken.map_err(|error| operation_error(&error))?;
        let taken = [(permission.clone(), AuditOutcome::Taken)];
        self.note_decided(&by(caller), &entry, taken).await;
        raw(&())
    }
}

/// Asking.
impl HostApis {
    async fn request(&self, caller: &Caller, params: RequestParams) -> RpcResult {
        let Caller::Service(app) = caller else {
            return Err(RpcError::general(
                "only an app asks for permissions; a person grants them",
            ));
        };
        if params.reason.chars().count() > MAX_REASON {
            let problem = format!("has a reason of more than {MAX_REASON} characters");
            return Err(RpcError::invalid_param(1, &problem));
        }
        let mut changes = self.requests.changes();
        if let Some(known) = self.answered(app, &params.permission) {
            return raw(&known);
        }
        let reason = shown_reason(&params.reason);
        let asked = self
            .requests
            .ask(&app.key, &params.permission, &reason, now());
        let id = asked.map_err(|refused| too_often(&refused))?;
        let pending = RequestResult {
            state: RequestState::Pending,
            granted: None,
            ask_again_after: None,
        };
        let seconds = params.wait.unwrap_or(0).min(LONGEST_WAIT);
        let Some(_waiting) = (seconds > 0)
            .then(|| self.requests.wait(&app.key))
            .flatten()
        else {
            return raw(&pending);
        };
        let answered = async {
            while self.requests.get(&id, now()).is_some() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let wait = Duration::from_secs(u64::from(seconds));
        // Whatever ended the wait, the records say what was decided.
        let _ = tokio::time::timeout(wait, answered).await;
        raw(&self.answered(app, &params.permission).unwrap_or(pending))
    }

    /// What has been decided about a permission that an app asks for; none: nothing.
    fn answered(&self, app: &ServiceCaller, asked: &Permission) -> Option<RequestResult> {
        let now = now();
        let decided = self.database.records().grants_of(&app.key, now);
        if let Some(denied) = decided
            .iter()
            .find(|grant| grant.verdict == Verdict::Deny && grant.permission == *asked)
        {
            let wait = denied
                .until
                .and_then(|until| u64::try_from(until - now).ok());
            return Some(RequestResult {
                state: RequestState::Denied,
                granted: None,
                ask_again_after: wait,
            });
        }
        let picked = decided
            .iter()
            .find(|grant| grant.verdict == Verdict::Allow && grant.permission.answers(asked));
        let granted = match picked {
            Some(grant) => Some(grant.permission.clone()),
            None => self.is_granted(app, asked).then(|| asked.clone()),
        };
        Some(RequestResult {
            state: RequestState::Granted,
            granted: Some(granted?),
            ask_again_after: None,
        })
    }

    /// Whether what the app was granted of its manifest covers a permission.
    fn is_granted(&self, app: &ServiceCaller, asked: &Permission) -> bool {
        let directory = self.directory.now();
        let Some(entry) = directory.by_key(app.key.as_str()) else {
            return false;
        };
        let set = Permissions::from_items([asked.clone()]);
        !set.is_empty() && set.subset_of(&entry.granted)
    }

    async fn pending(&self, caller: &Caller) -> RpcResult {
        let mut shown: Vec<PendingRequest> = Vec::new();
        for pending in self.requests.pending(now()) {
            let entry = self
                .directory
                .now()
                .by_key(pending.service.as_str())
                .cloned();
            let Some(entry) = entry else {
                self.requests.forget(&pending.service);
                continue;
            };
            if self.may(caller, Action::Revoke(entry.owner())).is_ok() {
                shown.push(self.shown_request(caller, &entry, &pending).await?);
            }
        }
        let directory = self.directory.now();
        let services = directory.entries();
        for entry in
            services.filter(|entry| self.may(caller, Action::Revoke(entry.owner())).is_ok())
        {
            for permission in &entry.settings.unasked {
                let stored = Pending {
                    id: format!("{}/{permission}", entry.key),
                    service: entry.key.clone(),
                    permission: permission.clone(),
                    reason: String::new(),
                    at: now(),
                };
                let request = self.shown_request(caller, entry, &stored).await?;
                shown.push(PendingRequest {
                    unasked: true,
                    ..request
                });
            }
        }
        raw(&json!({ "requests": shown }))
    }

    async fn shown_request(
        &self,
        caller: &Caller,
        entry: &Entry,
        pending: &Pending,
    ) -> Result<PendingRequest, RpcError> {
        let may = self.may_decide(caller, entry, &pending.permission, Verdict::Allow);
        let choices = match &pending.permission {
            Permission::Provider { api, service: None } => self.providers(caller, entry, api),
            Permission::Database { id: None, write } => self.databases(entry, *write).await?,
            Permission::Folder { of: None, write } => self.folders(entry, *write),
            Permission::AnyDevice => plugged_in().await,
            _ => Vec::new(),
        };
        Ok(PendingRequest {
            id: pending.id.clone(),
            service: entry.id().clone(),
            title: title(entry),
            words: pending.permission.describe(),
            danger: pending.permission.danger(),
            permission: pending.permission.clone(),
            reason: pending.reason.clone(),
            at: rfc3339(pending.at),
            choices,
            may_grant: may.is_ok(),
            unasked: false,
        })
    }

    /// The databases of the app's owner that other apps made.
    async fn databases(&self, entry: &Entry, write: bool) -> Result<Vec<Choice>, RpcError> {
        let all = self.database.databases_of(entry.owner()).await;
        let records = self.database.records();
        let others = all.map_err(|error| internal(&error))?.into_iter();
        let others = others.filter(|database| database.service.as_ref() != Some(&entry.key));
        let choices = others.map(|database| {
            let directory = self.directory.now();
            let of = database
                .service
                .as_ref()
                .and_then(|key| directory.by_key(key.as_str()));
            let name = database
                .title
                .unwrap_or_else(|| database.id.as_str().chars().take(8).collect());
            let title = match of {
                Some(service) if !service.core => format!("{name} ({})", title(service)),
                _ => name,
            };
            Choice {
                permission: Permission::Database {
                    id: Some(database.id),
                    write,
                },
                title,
                owner: user_name(&records, entry.owner()).unwrap_or_default(),
            }
        });
        Ok(choices.collect())
    }

    /// The folders that other apps of the same owner give.
    fn folders(&self, entry: &Entry, write: bool) -> Vec<Choice> {
        let (directory, records) = (self.directory.now(), self.database.records());
        let others = directory.entries().filter(|other| gives(other, entry));
        let choices = others.flat_map(|other| {
            other.folders().iter().map(|name| Choice {
                permission: Permission::Folder {
                    of: Some(AppFolder {
                        service: other.key.clone(),
                        name: name.clone(),
                    }),
                    write,
                },
                title: folder_title(name.as_str(), other),
                owner: user_name(&records, other.owner()).unwrap_or_default(),
            })
        });
        choices.collect()
    }

    /// The services that a person can pick as the provider of an API.
    fn providers(&self, caller: &Caller, entry: &Entry, api: &ApiId) -> Vec<Choice> {
        let (directory, records) = (self.directory.now(), self.database.records());
        directory
            .entries()
            .filter(|provider| provider.key != entry.key)
            .filter(|provider| provider.core || !api.is_core())
            .filter(|provider| provider.exports().iter().any(|export| export.api() == api))
            .filter(|provider| {
                let action = Action::GrantUse(entry.owner(), provider.target());
                self.may(caller, action).is_ok()
            })
            .map(|provider| Choice {
                permission: Permission::Provider {
                    api: api.clone(),
                    service: Some(provider.key.clone()),
                },
                title: title(provider),
                owner: user_name(&records, provider.owner()).unwrap_or_default(),
            })
            .collect()
    }

    /// Answers the question about a permission that was stored and never asked for.
    async fn answer_unasked(
        &self,
        caller: &Caller,
        (key, permission): (&str, &str),
        answer: Answer,
    ) -> RpcResult {
        let entry = self.directory.now().by_key(key).cloned();
        let entry = entry.ok_or_else(RpcError::not_authorized)?;
        self.may(caller, Action::Revoke(entry.owner()))?;
        let stored = entry
            .settings
            .unasked
            .iter()
            .find(|item| item.to_string() == permission)
            .cloned()
            .ok_or_else(answered_already)?;
        if answer != Answer::Deny {
            self.may_decide(caller, &entry, &stored, Verdict::Allow)?;
            let until = answer.seconds().map(|seconds| now() + i64::from(seconds));
            let decision = self.decision(&entry.key, stored.clone(), Verdict::Allow, until, caller);
            self.store_decision(&entry, decision, false).await?;
        }
        let forgotten = self.services.forget_unasked(&entry.key, stored).await;
        forgotten.map_err(|error| operation_error(&error))?;
        raw(&json!({ "id": format!("{key}/{permission}") }))
    }

    async fn answer_request(&self, caller: &Caller, id: &str, params: AnswerParams) -> RpcResult {
        if let Some(unasked) = id.split_once('/') {
            return self.answer_unasked(caller, unasked, params.answer).await;
        }
        let pending = self.requests.get(id, now()).ok_or_else(answered_already)?;
        let entry = self
            .directory
            .now()
            .by_key(pending.service.as_str())
            .cloned();
        let entry = entry.ok_or_else(RpcError::not_authorized)?;
        let (permission, verdict) = match params.answer {
            Answer::Deny => (pending.permission.clone(), Verdict::Deny),
            Answer::Once | Answer::Hour | Answer::Always => {
                let picked = params.pick.unwrap_or_else(|| pending.permission.clone());
                if !picked.answers(&pending.permission) {
                    return Err(RpcError::general(
                        "pick what the app shall use, from what was offered",
                    )
                    .because("pick"));
                }
                (picked, Verdict::Allow)
            }
        };
        self.may(caller, Action::Revoke(entry.owner()))?;
        if verdict == Verdict::Allow {
            self.may_decide(caller, &entry, &permission, verdict)?;
            self.check_database(caller, &entry, &permission).await?;
        }
        let until = match params.answer {
            Answer::Deny => Some(now() + QUIET),
            answer => answer.seconds().map(|seconds| now() + i64::from(seconds)),
        };
        let mut decision = self.decision(&entry.key, permission, verdict, until, caller);
        decision.reason = Some(pending.reason).filter(|reason| !reason.is_empty());
        let stored = self.store_decision(&entry, decision, true).await?;
        // Only now: an app that waits reads the records when its request is gone.
        self.requests.remove(id);
        Ok(stored)
    }
}

/// Whether a decision about one replaces a decision about the other: also another pick for the
/// same API.
fn is_same(one: &Permission, two: &Permission) -> bool {
    match (one, two) {
        (Permission::Provider { api: one, .. }, Permission::Provider { api: two, .. }) => {
            one == two
        }
        (Permission::Database { id: one, .. }, Permission::Database { id: two, .. }) => one == two,
        (Permission::Folder { of: one, .. }, Permission::Folder { of: two, .. }) => one == two,
        (one, two) => one == two,
    }
}

/// Whether an app's folders can be given to another: both are of the same person.
fn gives(other: &Entry, entry: &Entry) -> bool {
    other.key != entry.key && !other.core && other.owner() == entry.owner()
}

fn folder_title(name: &str, entry: &Entry) -> String {
    format!("{name} ({})", title(entry))
}

/// The devices that the box has now and that a person can give to an app.
async fn plugged_in() -> Vec<Choice> {
    let found = tokio::task::spawn_blocking(devices::plugged_in).await;
    let choices = found.unwrap_or_default().into_iter().map(|device| Choice {
        permission: Permission::Device(device.path),
        title: device.title,
        owner: UserKey::system().to_string(),
    });
    choices.collect()
}

/// One line, without characters that hide or reorder other text.
fn shown_reason(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.split(is_hidden)
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned()
}

fn answered_already() -> RpcError {
    RpcError::general("this request was answered already, or the app took it back")
        .because("not-found")
}

fn too_often(refused: &Refused) -> RpcError {
    let mut error = RpcError::new(code::LIMITED, refused.to_string());
    if let Refused::TooOften(seconds) = refused {
        error.data = Some(json!({ "retryAfterSecs": seconds }));
    }
    error
}

/// What people call a service.
pub(super) fn title(entry: &Entry) -> String {
    let title = entry.settings.package.title.clone();
    title.unwrap_or_else(|| entry.id().to_string())
}

/// A user's name; `system` is its own.
pub(super) fn user_name(records: &Records, key: &UserKey) -> Option<String> {
    if key.is_system() {
        return Some(key.to_string());
    }
    records.user(key.as_str()).map(|user| user.username.clone())
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

pub(super) fn rfc3339(unix: i64) -> String {
    jiff::Timestamp::from_second(unix).map_or_else(|_| String::new(), |time| time.to_string())
}

impl HostApis {
    /// Removes decisions and shares that have ended by themselves. Never ends.
    pub async fn end_grants_in_time(self) {
        let mut records = self.database.watch();
        loop {
            let next = records.borrow_and_update().next_end();
            let wait = match next {
                // At least a little, so that a database that takes no changes is not run over.
                Some(end) => Duration::from_secs(u64::try_from(end - now()).unwrap_or(0)),
                None => Duration::from_secs(3_600),
            };
            tokio::select! {
                // Not for long: the clock may be put forward.
                () = tokio::time::sleep(wait.min(Duration::from_secs(60))) => {}
                changed = records.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    continue;
                }
            }
            self.end_grants(now()).await;
        }
    }

    async fn end_grants(&self, now: i64) {
        let records = self.database.records();
        let (mut of_services, mut others) = (Vec::<(ServiceKey, Vec<Change>)>::new(), Vec::new());
        for change in records.ended(now) {
            let service = match &change {
                Change::DeleteGrant(id) => records.grant(id).map(|grant| grant.service.clone()),
                _ => None,
            };
            match service {
                Some(key) => match of_services.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, changes)) => changes.push(change),
                    None => of_services.push((key, vec![change])),
                },
                None => others.push(change),
            }
        }
        let mut failed = false;
        for (key, changes) in of_services {
            let ended: Vec<_> = changes
                .iter()
                .filter_map(|change| match change {
                    Change::DeleteGrant(id) => records.grant(id),
                    _ => None,
                })
                .map(|grant| (grant.permission.clone(), AuditOutcome::Ended))
                .collect();
            if let Err(error) = self.services.decide(&key, changes, true).await {
                tracing::warn!(%key, error = %crate::error_chain::DisplayChain(&error), "a permission whose time is over stays");
                failed = true;
                continue;
            }
            let entry = self.directory.now().by_key(key.as_str()).cloned();
            if let Some(entry) = entry {
                self.note_decided(&UserKey::system(), &entry, ended).await;
            }
        }
        if !others.is_empty()
            && let Err(error) = self.database.write(others).await
        {
            let _ = internal(&error);
            failed = true;
        }
        if failed {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_hides_nothing() {
        assert_eq!(
            shown_reason("to fetch\nthe weather\u{202e}"),
            "to fetch the weather"
        );
        assert_eq!(shown_reason("\u{200b}"), "");
    }

    #[test]
    fn another_pick_for_an_api_replaces_the_first() {
        let read = |text: &str| text.parse::<Permission>().unwrap();
        assert!(is_same(
            &read("provider:a.b/c=k1"),
            &read("provider:a.b/c=k2")
        ));
        assert!(!is_same(
            &read("provider:a.b/c=k1"),
            &read("provider:a.b/d=k1")
        ));
        assert!(is_same(&read("direct"), &read("direct")));
        assert!(!is_same(&read("direct"), &read("lan")));
    }
}
