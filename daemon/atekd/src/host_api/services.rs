//! `atek.cloud/services-api`.

use super::install::{by, reach};
use super::{Call, HostApis, internal, methods};
use crate::directory::Entry;
use crate::error_chain::DisplayChain;
use crate::jobs::Reporter;
use crate::journal::Subject;
use crate::permissions::{Action, Caller, Verb};
use crate::services::OperationError;
use atek_api::ids::ServiceKey;
use atek_api::jsonrpc::{RpcError, RpcResult, code, raw};
use atek_api::metrics::MetricsOptions;
use atek_api::services::{
    API, ConfigureParams, InstallParams, LogOptions, ServiceInfo, ServiceSettings, State, Status,
    UninstallParams,
};
use serde_json::json;
use std::sync::Arc;

impl HostApis {
    pub(super) async fn services_api(&self, call: &Call<'_>) -> RpcResult {
        if !call.caller.is_known() {
            return Err(RpcError::not_authorized());
        }
        let read = || methods::params(API, call);
        match call.method {
            "list" => self.list(call.caller),
            "get" => {
                let entry = self.seen(call.caller, &read()?.text(0)?)?;
                raw(&self.info(call.caller, &entry))
            }
            "status" => {
                let entry = self.seen(call.caller, &read()?.text(0)?)?;
                let status = self.services.status(&entry.key).await;
                raw(&status.map_err(|error| operation_error(&error))?)
            }
            "metrics" => {
                let params = read()?;
                let entry = self.seen(call.caller, &params.text(0)?)?;
                let MetricsOptions { since } = params.object_or_default(1)?;
                let series = self.metrics.service(&entry.key, since).await;
                raw(&series.map_err(|error| internal(&error))?)
            }
            "logs" => self.logs(call).await,
            "inspect" => self.inspect_package(call.caller, read()?.object(0)?).await,
            "install" => {
                let params: InstallParams = read()?.object(0)?;
                self.install(call.caller, params, &Reporter::unheard())
                    .await
            }
            "startInstall" => self.start_install(call.caller, read()?.object(0)?),
            "startUpdate" => {
                let params = read()?;
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                self.start_update(call.caller, entry, params.object_or_default(1)?)
            }
            "uninstall" => self.uninstall(call).await,
            "configure" => {
                let params = read()?;
                let id = params.text(0)?;
                self.configure(call.caller, &id, params.object(1)?).await
            }
            "start" | "stop" | "restart" => self.run(call).await,
            "setAwake" => self.set_awake(call.caller, read()?.flag(0)?).await,
            "ownSeed" => self.own_seed(call.caller).await,
            "checkForPackageUpdates" => {
                let entry = self.seen(call.caller, &read()?.text(0)?)?;
                let check = self
                    .services
                    .check_update(&entry.key, reach(call.caller))
                    .await;
                raw(&check.map_err(|error| operation_error(&error))?)
            }
            "updatePackage" => self.update_package(call).await,
            "availableVersions" => {
                let entry = self.seen(call.caller, &read()?.text(0)?)?;
                let versions = self.services.versions(&entry.key, reach(call.caller)).await;
                let versions = versions.map_err(|error| operation_error(&error))?;
                raw(&json!({ "versions": versions }))
            }
            "updates" | "updatesChanged" | "updateStatus" | "planUpdate" | "setUpdates"
            | "startRollback" | "createSnapshot" | "restoreSnapshot" | "removeSnapshot" => {
                self.updates_api(call).await
            }
            "keptData" => self.kept_data(call.caller).await,
            "removeKept" => {
                let key = read()?.text(0)?;
                self.remove_kept(call.caller, &key).await
            }
            other => Err(RpcError::method_not_found(other)),
        }
    }

    /// Updates an app and answers when it is done.
    async fn update_package(&self, call: &Call<'_>) -> RpcResult {
        let params = methods::params(API, call)?;
        let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
        let request = self.update_request(call.caller, &entry, params.object_or_default(1)?)?;
        let unheard = Reporter::unheard();
        let done = self.services.update(&entry.key, request, &unheard).await;
        self.note_granted(&by(call.caller), &entry.key, &entry.settings.granted)
            .await;
        raw(&done.map_err(|error| operation_error(&error))?)
    }

    async fn run(&self, call: &Call<'_>) -> RpcResult {
        let params = methods::params(API, call)?;
        let entry = self.service_for(call.caller, &params.text(0)?, Verb::Run)?;
        let done = match call.method {
            "start" => self.services.start(&entry.key).await,
            "stop" => self.services.stop(&entry.key).await,
            _ => self.services.restart(&entry.key).await,
        };
        done.map_err(|error| operation_error(&error))?;
        raw(&())
    }

    async fn uninstall(&self, call: &Call<'_>) -> RpcResult {
        let params = methods::params(API, call)?;
        let entry = self.service_for(call.caller, &params.text(0)?, Verb::Uninstall)?;
        // The second parameter was once the flag itself.
        let keep_data = match params.flag(1) {
            Ok(keep_data) => keep_data,
            Err(_) => params.object::<UninstallParams>(1)?.keep_data,
        };
        let removed = self.services.uninstall(&entry.key, keep_data).await;
        removed.map_err(|error| operation_error(&error))?;
        raw(&())
    }

    /// Only a core service has such a wish; of another one it is not known.
    async fn set_awake(&self, caller: &Caller, awake: bool) -> RpcResult {
        let Caller::Service(service) = caller else {
            return Err(RpcError::not_authorized());
        };
        let (services, key) = (self.services.clone(), service.key.clone());
        let storing = tokio::task::spawn_blocking(move || services.set_awake(&key, awake));
        let stored = storing.await.map_err(|error| internal(&error))?;
        stored.map_err(|error| operation_error(&error))?;
        raw(&())
    }

    /// What the hypercore service derives its keys from. Nothing else on the box is told: not an
    /// administrator and not another core service. What the configuration puts in its place has
    /// data of its own, and hears that there is nothing, so that it makes keys of its own.
    async fn own_seed(&self, caller: &Caller) -> RpcResult {
        let Caller::Service(service) = caller else {
            return Err(RpcError::not_authorized());
        };
        let is_built_in = Some(&service.key) == self.hypercore.as_ref();
        if !is_built_in && !self.replaces_hypercore(&service.key) {
            return Err(RpcError::not_authorized());
        }
        // The configuration may leave the key service out.
        let has_keys = self
            .directory
            .now()
            .by_key(self.keys_key.as_str())
            .is_some();
        let seed = match is_built_in && has_keys {
            true => self.keys.hypercore_seed().await,
            false => Ok(None),
        };
        let seed = seed.map_err(|error| internal(&error))?;
        raw(&json!({ "seed": seed.as_ref().map(|seed| seed.expose()) }))
    }

    fn replaces_hypercore(&self, key: &ServiceKey) -> bool {
        let directory = self.directory.now();
        let is_core = directory
            .by_key(key.as_str())
            .is_some_and(|entry| entry.core);
        is_core && key.as_str().starts_with("core.hypercore-")
    }

    fn list(&self, caller: &Caller) -> RpcResult {
        let directory = self.directory.now();
        let visible: Vec<ServiceInfo> = directory
            .entries()
            .filter(|entry| {
                self.may(caller, Action::On(Verb::See, entry.target()))
                    .is_ok()
            })
            .map(|entry| self.info(caller, entry))
            .collect();
        raw(&json!({ "services": visible }))
    }

    /// A service that the caller may read. An unknown id is refused with the same
    /// words, also to administrators, as the original did.
    pub(super) fn seen(&self, caller: &Caller, id: &str) -> Result<Arc<Entry>, RpcError> {
        self.service_for(caller, id, Verb::See)
    }

    /// The service with this id, if the caller may do this to it.
    pub(super) fn service_for(
        &self,
        caller: &Caller,
        id: &str,
        verb: Verb,
    ) -> Result<Arc<Entry>, RpcError> {
        let entry = self.directory.now().by_id(id).cloned();
        let entry = entry.ok_or_else(RpcError::not_authorized)?;
        self.may(caller, Action::On(verb, entry.target()))?;
        Ok(entry)
    }

    /// A service as `list` and `get` show it, without its environment where the caller may not
    /// read that.
    pub(super) fn info(&self, caller: &Caller, entry: &Entry) -> ServiceInfo {
        let mut settings = ServiceSettings::clone(&entry.settings);
        if self
            .may(caller, Action::On(Verb::ReadConfiguration, entry.target()))
            .is_err()
        {
            settings.config = None;
        }
        let owner = match entry.owner() {
            system if system.is_system() => Some(system.to_string()),
            owner => self
                .database
                .records()
                .user(owner.as_str())
                .map(|user| user.username.clone()),
        };
        ServiceInfo {
            status: if entry.state == State::Running {
                Status::Active
            } else {
                Status::Inactive
            },
            state: entry.state,
            reason: entry.reason.clone(),
            key: entry.key.clone(),
            owner,
            addresses: self.addresses.of(entry),
            configured_source: self.services.configured_source(&entry.key),
            settings,
        }
    }

    async fn configure(&self, caller: &Caller, id: &str, changes: ConfigureParams) -> RpcResult {
        let entry = self.service_for(caller, id, Verb::Configure)?;
        if let Some(source) = &changes.source_url {
            self.may_install(caller, entry.owner(), source)?;
        }
        self.may_grant(caller, entry.owner(), changes.grant.as_ref())?;
        self.may_set_limits(caller, entry.owner(), changes.limits.as_ref())?;
        let changed = self
            .services
            .configure(&entry.key, changes, &by(caller))
            .await;
        changed.map_err(|error| operation_error(&error))?;
        self.note_granted(&by(caller), &entry.key, &entry.settings.granted)
            .await;
        raw(&())
    }

    async fn logs(&self, call: &Call<'_>) -> RpcResult {
        let params = methods::params(API, call)?;
        let entry = self.service_for(call.caller, &params.text(0)?, Verb::ReadLogs)?;
        let options: LogOptions = params.object_or_default(1)?;
        let subject = Subject {
            key: entry.key.clone(),
            id: entry.id().clone(),
        };
        let page = self.logbook.page(&subject, &options).await;
        raw(&page.map_err(|error| RpcError::general(DisplayChain(&error).to_string()))?)
    }
}

/// The answer to an operation that was refused or failed.
pub(super) fn operation_error(error: &OperationError) -> RpcError {
    if error.is_internal() {
        return internal(error);
    }
    let mut rpc = match error {
        OperationError::NotVersioned => RpcError::new(code::DEFAULT, error.to_string()),
        _ => RpcError::general(DisplayChain(error).to_string()),
    };
    if let Some(code) = error.code() {
        rpc = rpc.because(code);
    }
    if let OperationError::AsksForHigherLimits { limits, .. } = error {
        rpc.data = Some(json!({ "limits": limits, "limitsInWords": limits.describe() }));
    }
    if let OperationError::AsksForMore { asks, growth, .. } = error {
        // `asks` is what to grant; the words are about what is new.
        rpc.data = Some(json!({
            "asks": asks,
            "asksInWords": growth.describe(),
            "new": growth,
        }));
    }
    if let OperationError::OtherSigner { signer, .. } | OperationError::TagResigned { signer, .. } =
        error
    {
        rpc.data = Some(json!({ "reason": "other-signer", "signer": signer }));
    }
    if let OperationError::RolledBack { log, new, old, .. } = error {
        rpc.data = Some(json!({
            "reason": "rolled-back",
            "refused": new,
            "installed": old,
            "log": log,
        }));
    }
    rpc
}
