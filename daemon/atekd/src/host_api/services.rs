//! `atek.cloud/services-api`.

use super::params::Params;
use super::{Call, HostApis, internal};
use crate::chain::Chain;
use crate::directory::Entry;
use crate::jobs::Reporter;
use crate::journal::Subject;
use crate::permissions::{Action, Caller, Target, Verb};
use crate::services::{
    ConfigureError, Refused, StartError, StopError, UninstallError, UpdateError,
};
use atek_api::jsonrpc::{RpcError, RpcResult, code, raw};
use atek_api::metrics::MetricsOptions;
use atek_api::services::{
    ConfigureParams, InstallParams, LogOptions, ServiceInfo, ServiceSettings, State, Status,
    UninstallParams, UpdateParams,
};
use atek_api::spec::Limits;
use serde_json::json;
use std::sync::Arc;

impl HostApis {
    pub(super) async fn services_api(&self, call: &Call<'_>) -> RpcResult {
        if !call.caller.is_known() {
            return Err(RpcError::not_authorized());
        }
        let read = |names: &[&str]| Params::read(call.params, names);
        match call.method {
            "list" => self.list(call.caller),
            "get" => {
                let entry = self.seen(call.caller, &read(&["id"])?.text(0)?)?;
                raw(&self.info(call.caller, &entry))
            }
            "status" => {
                let entry = self.seen(call.caller, &read(&["id"])?.text(0)?)?;
                raw(&self
                    .services
                    .status(&entry.key)
                    .await
                    .map_err(|e| refused(&e))?)
            }
            "metrics" => {
                let params = read(&["id", "options"])?;
                let entry = self.seen(call.caller, &params.text(0)?)?;
                let MetricsOptions { since } = params.object_or_default(1)?;
                let series = self.metrics.service(&entry.key, since).await;
                raw(&series.map_err(|error| internal(&error))?)
            }
            "logs" => self.logs(call).await,
            "inspect" => {
                self.inspect_package(call.caller, read(&["params"])?.object(0)?)
                    .await
            }
            "install" => {
                let params: InstallParams = read(&["params"])?.object(0)?;
                self.install(call.caller, params, &Reporter::unheard())
                    .await
            }
            "startInstall" => self.start_install(call.caller, read(&["params"])?.object(0)?),
            "startUpdate" => {
                let params = read(&["id", "options"])?;
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                self.start_update(call.caller, entry, params.object_or_default(1)?)
            }
            "uninstall" => {
                let params = read(&["id", "options"])?;
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Uninstall)?;
                // The second parameter was once the flag itself.
                let keep_data = match params.flag(1) {
                    Ok(keep_data) => keep_data,
                    Err(_) => params.object::<UninstallParams>(1)?.keep_data,
                };
                let removed = self.services.uninstall(&entry.key, keep_data).await;
                removed.map_err(|error| uninstall_error(&error))?;
                raw(&())
            }
            "configure" => {
                let params = read(&["id", "settings"])?;
                let id = params.text(0)?;
                self.configure(call.caller, &id, params.object(1)?).await
            }
            "start" => {
                let entry = self.service_for(call.caller, &read(&["id"])?.text(0)?, Verb::Run)?;
                self.services
                    .start(&entry.key)
                    .await
                    .map_err(|error| start_error(&error))?;
                raw(&())
            }
            "stop" => {
                let entry = self.service_for(call.caller, &read(&["id"])?.text(0)?, Verb::Run)?;
                self.services
                    .stop(&entry.key)
                    .await
                    .map_err(|error| stop_error(&error))?;
                raw(&())
            }
            "restart" => {
                let entry = self.service_for(call.caller, &read(&["id"])?.text(0)?, Verb::Run)?;
                self.services
                    .restart(&entry.key)
                    .await
                    .map_err(|error| start_error(&error))?;
                raw(&())
            }
            "checkForPackageUpdates" => {
                let entry = self.seen(call.caller, &read(&["id"])?.text(0)?)?;
                let check = self.services.check_update(&entry.key).await;
                raw(&check.map_err(|error| update_error(&error))?)
            }
            "updatePackage" => {
                let params = read(&["id", "options"])?;
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                let UpdateParams { grant } = params.object_or_default(1)?;
                self.may_grant(call.caller, entry.owner(), grant.as_ref())?;
                let unheard = Reporter::unheard();
                let done = self.services.update(&entry.key, grant, &unheard).await;
                raw(&done.map_err(|error| update_error(&error))?)
            }
            "availableVersions" => {
                let entry = self.seen(call.caller, &read(&["id"])?.text(0)?)?;
                let versions = self.services.versions(&entry.key).await;
                let versions = versions.map_err(|error| update_error(&error))?;
                raw(&json!({ "versions": versions }))
            }
            "keptData" => self.kept_data(call.caller).await,
            "removeKept" => {
                let key = read(&["key"])?.text(0)?;
                self.remove_kept(call.caller, &key).await
            }
            other => Err(RpcError::method_not_found(other)),
        }
    }

    fn list(&self, caller: &Caller) -> RpcResult {
        let directory = self.directory.now();
        let visible: Vec<ServiceInfo> = directory
            .entries()
            .filter(|entry| {
                self.may(caller, Action::On(Verb::See, target(entry)))
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
        self.may(caller, Action::On(verb, target(&entry)))?;
        Ok(entry)
    }

    /// A service as `list` and `get` show it, without its environment where the caller may not
    /// read that.
    pub(super) fn info(&self, caller: &Caller, entry: &Entry) -> ServiceInfo {
        let mut settings = ServiceSettings::clone(&entry.settings);
        if self
            .may(caller, Action::On(Verb::ReadConfiguration, target(entry)))
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
            settings,
        }
    }

    async fn configure(&self, caller: &Caller, id: &str, changes: ConfigureParams) -> RpcResult {
        let entry = self.service_for(caller, id, Verb::Configure)?;
        if let Some(source) = &changes.source_url {
            self.may_install(caller, entry.owner(), source)?;
        }
        self.may_grant(caller, entry.owner(), changes.grant.as_ref())?;
        if changes
            .limits
            .is_some_and(|limits| limits.exceed(&Limits::for_apps()))
        {
            self.may(caller, Action::RaiseLimits(entry.owner()))?;
        }
        let changed = self.services.configure(&entry.key, changes).await;
        changed.map_err(|error| configure_error(&error))?;
        raw(&())
    }

    async fn logs(&self, call: &Call<'_>) -> RpcResult {
        let params = Params::read(call.params, &["id", "options"])?;
        let entry = self.service_for(call.caller, &params.text(0)?, Verb::ReadLogs)?;
        let options: LogOptions = params.object_or_default(1)?;
        let subject = Subject {
            key: entry.key.clone(),
            id: entry.id().clone(),
        };
        let page = self.logbook.page(&subject, &options).await;
        raw(&page.map_err(|error| RpcError::general(Chain(&error).to_string()))?)
    }
}

fn target(entry: &Entry) -> Target<'_> {
    Target {
        key: Some(&entry.key),
        owner: entry.owner(),
    }
}

pub(super) fn refused(error: &Refused) -> RpcError {
    match error {
        Refused::NotFound(_) | Refused::Core(_) => {
            RpcError::general(error.to_string()).because("not-found")
        }
        Refused::Busy { .. } => RpcError::general(error.to_string()).because("busy"),
        Refused::ShuttingDown(error) => internal(error),
    }
}

fn start_error(error: &StartError) -> RpcError {
    match error {
        StartError::Refused(error) => refused(error),
        StartError::Database(error) => internal(error),
        StartError::Unavailable { .. }
        | StartError::Failed { .. }
        | StartError::Stopped { .. }
        | StartError::Patience { .. } => RpcError::general(error.to_string()),
    }
}

pub(super) fn stop_error(error: &StopError) -> RpcError {
    match error {
        StopError::Refused(error) => refused(error),
        StopError::Database(error) => internal(error),
        StopError::Failed { .. } => RpcError::general(error.to_string()),
    }
}

pub(super) fn uninstall_error(error: &UninstallError) -> RpcError {
    match error {
        UninstallError::Refused(error) => refused(error),
        UninstallError::Stop(error) => stop_error(error),
        UninstallError::Journal(error) => internal(error),
        UninstallError::Database(error) => internal(error),
    }
}

pub(super) fn update_error(error: &UpdateError) -> RpcError {
    match error {
        UpdateError::Refused(error) => refused(error),
        UpdateError::Package(error) => super::install::install_error(error),
        UpdateError::Stop(error) => stop_error(error),
        UpdateError::Journal(error) => internal(error),
        UpdateError::Database(error) => internal(error),
        UpdateError::NotVersioned => RpcError::new(code::DEFAULT, error.to_string()),
        UpdateError::RolledBack { .. } => RpcError::general(error.to_string()),
        UpdateError::Permissions { asks, growth, .. } => {
            let mut rpc = RpcError::general(error.to_string());
            // `asks` is what to grant; the words are about what is new.
            rpc.data = Some(json!({
                "asks": asks,
                "asksInWords": growth.describe(),
                "new": growth,
            }));
            rpc
        }
    }
}

fn configure_error(error: &ConfigureError) -> RpcError {
    match error {
        ConfigureError::Refused(error) => refused(error),
        ConfigureError::Invalid(error) => super::install::install_error(error),
        ConfigureError::Stop(error) => stop_error(error),
        ConfigureError::Start(_) => RpcError::general(error.to_string()),
        ConfigureError::Database(error) => internal(error),
    }
}
