//! Updates, the way back from them, and snapshots: a part of `atek.cloud/services-api`.

use super::install::{by, reach};
use super::services::operation_error;
use super::{Call, HostApis, methods};
use crate::directory::Entry;
use crate::jobs::Reporter;
use crate::permissions::{Action, Caller, Verb};
use crate::services::UpdateRequest;
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::services::{API, SourceType, UpdateParams};
use atek_api::updates::{UpdateChanges, UpdateStatus};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long `updatesChanged` waits at most: below what proxies in between wait for an answer.
const CHANGE_PATIENCE: Duration = Duration::from_secs(25);

impl HostApis {
    pub(super) async fn updates_api(&self, call: &Call<'_>) -> RpcResult {
        let params = methods::params(API, call)?;
        match call.method {
            "updates" => {
                self.updates(call.caller, params.flag(0).unwrap_or(false))
                    .await
            }
            "updatesChanged" => {
                // Only that there is something new, not for whom.
                call.caller
                    .owner_key()
                    .ok_or_else(RpcError::not_authorized)?;
                let since = params.number(0)?;
                let revision = self.services.updates_changed(since, CHANGE_PATIENCE).await;
                raw(&json!({ "revision": revision }))
            }
            "updateStatus" => {
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                let status = self.services.update_status(&entry.key, params.flag(1)?);
                raw(&status.await.map_err(|error| operation_error(&error))?)
            }
            "planUpdate" => {
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                let wanted = params.object_or_default(1)?;
                let request = self.update_request(call.caller, &entry, wanted)?;
                let plan = self.services.plan_update(&entry.key, &request).await;
                raw(&plan.map_err(|error| operation_error(&error))?)
            }
            "setUpdates" => {
                let (id, changes) = (params.text(0)?, params.object(1)?);
                self.set_updates(call.caller, &id, changes).await
            }
            "startRollback" => {
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                self.start_rollback(call.caller, entry, params.flag(1).unwrap_or(false))
            }
            "createSnapshot" => {
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                let made = self.services.make_snapshot(&entry.key).await;
                raw(&made.map_err(|error| operation_error(&error))?)
            }
            "restoreSnapshot" => {
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                let name = params.text(1)?;
                let restored = self.services.restore_snapshot(&entry.key, &name).await;
                raw(&restored.map_err(|error| operation_error(&error))?)
            }
            "removeSnapshot" => {
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                let name = params.text(1)?;
                let removed = self.services.remove_snapshot(&entry.key, &name);
                raw(&removed.await.map_err(|error| operation_error(&error))?)
            }
            other => Err(RpcError::method_not_found(other)),
        }
    }

    /// What a person asks of an update, if they may.
    pub(super) fn update_request(
        &self,
        caller: &Caller,
        entry: &Entry,
        params: UpdateParams,
    ) -> Result<UpdateRequest, RpcError> {
        self.may_grant(caller, entry.owner(), params.grant.as_ref())?;
        self.may_set_limits(caller, entry.owner(), params.limits.as_ref())?;
        Ok(UpdateRequest {
            grant: params.grant,
            limits: params.limits,
            signer: params.signer,
            to: params.to,
            reach: reach(caller),
            by: by(caller),
        })
    }

    /// The updates of all services that the caller may update.
    async fn updates(&self, caller: &Caller, look: bool) -> RpcResult {
        let directory = self.directory.now();
        let entries = directory.entries().filter(|entry| {
            let target = entry.target();
            let is_versioned = entry.settings.package.source_type == SourceType::Git && !entry.core;
            (is_versioned || self.services.configured_source(&entry.key).is_some())
                && self.may(caller, Action::On(Verb::Update, target)).is_ok()
        });
        let keys: Vec<_> = entries.map(|entry| entry.key.clone()).collect();
        let mut updates: Vec<UpdateStatus> = Vec::new();
        for key in keys {
            // One that was removed since is left out.
            if let Ok(status) = self.services.update_status(&key, look).await {
                updates.push(status);
            }
        }
        let records = self.database.records();
        let general = caller
            .owner_key()
            .and_then(|owner| records.user(owner.as_str()).cloned())
            .map(|user| user.settings.updates.clone())
            .unwrap_or_default();
        raw(&json!({ "updates": updates, "settings": general }))
    }

    /// Decides for one service or, with an empty id, for all of the caller's.
    async fn set_updates(&self, caller: &Caller, id: &str, changes: UpdateChanges) -> RpcResult {
        if id.is_empty() {
            let owner = caller.owner_key().ok_or_else(RpcError::not_authorized)?;
            self.may(caller, Action::Install(&owner))?;
            let set = self.services.set_updates_of_all(&owner, changes).await;
            return raw(&set.map_err(|error| operation_error(&error))?);
        }
        let entry = self.service_for(caller, id, Verb::Update)?;
        let set = self.services.set_updates(&entry.key, changes).await;
        raw(&set.map_err(|error| operation_error(&error))?)
    }

    fn start_rollback(&self, caller: &Caller, entry: Arc<Entry>, keep_data: bool) -> RpcResult {
        let watcher = caller.owner_key().ok_or_else(RpcError::not_authorized)?;
        let apis = self.clone();
        self.start_job(&watcher, async move |reporter: Reporter| {
            let done = apis
                .services
                .go_back(&entry.key, keep_data, &reporter)
                .await;
            raw(&done.map_err(|error| operation_error(&error))?)
        })
    }
}
