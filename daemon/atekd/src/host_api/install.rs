//! Installing and updating, blocking or as a job that can be watched.

use super::services::operation_error;
use super::{HostApis, internal};
use crate::directory::Entry;
use crate::jobs::Reporter;
use crate::permissions::{Action, Caller};
use crate::services::{Install, UseData};
use atek_api::ids::{SYSTEM, UserKey};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::manifest::ApiId;
use atek_api::package::{Access, Reach};
use atek_api::permission::Permissions;
use atek_api::services::{Inspection, InstallParams, JobEvent, UpdateParams};
use atek_api::source::Source;
use atek_api::spec::Limits;
use serde_json::json;
use std::sync::Arc;

impl HostApis {
    pub(super) async fn install(
        &self,
        caller: &Caller,
        params: InstallParams,
        reporter: &Reporter,
    ) -> RpcResult {
        let request = self.install_request(caller, params)?;
        self.install_now(caller, request, reporter).await
    }

    async fn install_now(
        &self,
        caller: &Caller,
        request: Install,
        reporter: &Reporter,
    ) -> RpcResult {
        let key = self
            .services
            .install(request, reporter)
            .await
            .map_err(|error| operation_error(&error))?;
        self.note_granted(&by(caller), &key, &Permissions::default())
            .await;
        // The directory follows the record at once; a stop in between changes nothing here.
        let entry = self.directory.now().by_key(key.as_str()).cloned();
        match entry {
            Some(entry) => raw(&self.info(caller, &entry)),
            None => Err(RpcError::general(
                "the service was removed again while it was starting",
            )),
        }
    }

    pub(super) fn start_install(&self, caller: &Caller, params: InstallParams) -> RpcResult {
        let watcher = caller.owner_key().ok_or_else(RpcError::not_authorized)?;
        let request = self.install_request(caller, params)?;
        let (apis, caller) = (self.clone(), caller.clone());
        self.start_job(&watcher, async move |reporter: Reporter| {
            apis.install_now(&caller, request, &reporter).await
        })
    }

    pub(super) fn start_update(
        &self,
        caller: &Caller,
        entry: Arc<Entry>,
        params: UpdateParams,
    ) -> RpcResult {
        let watcher = caller.owner_key().ok_or_else(RpcError::not_authorized)?;
        let request = self.update_request(caller, &entry, params)?;
        let (apis, by) = (self.clone(), by(caller));
        self.start_job(&watcher, async move |reporter: Reporter| {
            let done = apis.services.update(&entry.key, request, &reporter).await;
            apis.note_granted(&by, &entry.key, &entry.settings.granted)
                .await;
            raw(&done.map_err(|error| operation_error(&error))?)
        })
    }

    pub(super) fn start_job<F>(
        &self,
        watcher: &UserKey,
        work: impl FnOnce(Reporter) -> F,
    ) -> RpcResult
    where
        F: Future<Output = RpcResult> + Send + 'static,
    {
        let (job, reporter) = self
            .jobs
            .start(watcher)
            .map_err(|error| RpcError::general(error.to_string()))?;
        let work = tokio::spawn(work(reporter.clone()));
        tokio::spawn(async move {
            let outcome = match work.await {
                Ok(outcome) => outcome,
                Err(error) => Err(internal(&error)),
            };
            reporter.report(match outcome {
                Ok(result) => JobEvent::Done {
                    result: serde_json::from_str(result.get()).unwrap_or_default(),
                },
                Err(error) => JobEvent::Failed { error },
            });
        });
        raw(&json!({ "job": job }))
    }

    pub(super) async fn inspect_package(
        &self,
        caller: &Caller,
        params: InstallParams,
    ) -> RpcResult {
        let owner = self.owner_of(caller, params.user.as_deref())?;
        self.may_install(caller, &owner, &params.source_url)?;
        let range = params.desired_version.as_deref();
        let access = Access {
            token: params.source_token,
            ..Access::to(reach(caller))
        };
        let inspection = self
            .services
            .inspect(&params.source_url, range, &owner, access)
            .await;
        let inspection = inspection.map_err(|error| operation_error(&error))?;
        let (version, commit) = match inspection.release {
            Some(release) => (Some(release.version), Some(release.commit)),
            None => (None, None),
        };
        raw(&Inspection {
            id: inspection.id,
            version,
            commit,
            signer: inspection.signer,
            manifest: inspection.manifest,
            asks_in_words: inspection.asks.describe(),
            asks: inspection.asks,
            limits_in_words: inspection.limits.describe(),
            limits: inspection.limits,
            build: inspection.build,
            warnings: inspection.warnings,
            retained_data: self.shown_retained(inspection.retained_data),
        })
    }

    /// The owner of what is installed: the caller, or the user that the parameters name.
    fn owner_of(&self, caller: &Caller, user: Option<&str>) -> Result<UserKey, RpcError> {
        let Some(name) = user else {
            return caller.owner_key().ok_or_else(RpcError::not_authorized);
        };
        // Naming a user tells whether there is one.
        self.may(caller, Action::ManageUsers)?;
        if name == SYSTEM {
            return Ok(UserKey::system());
        }
        match self.database.records().user_named(name) {
            Some(user) => Ok(user.key.clone()),
            None => {
                let message = format!("No user found with the username of {name}");
                Err(RpcError::general(message))
            }
        }
    }

    /// Checks rights and decides who will own the service.
    fn install_request(&self, caller: &Caller, params: InstallParams) -> Result<Install, RpcError> {
        let owner = self.owner_of(caller, params.user.as_deref())?;
        self.may_install(caller, &owner, &params.source_url)?;
        self.may_grant(caller, &owner, params.grant.as_ref())?;
        self.may_set_limits(caller, &owner, params.limits.as_ref())?;
        Ok(Install {
            data: use_data(&params)?,
            source: params.source_url,
            range: params.desired_version,
            id: params.id,
            owner,
            config: params.config.unwrap_or_default(),
            grant: params.grant.unwrap_or_default(),
            limits: params.limits.unwrap_or_default(),
            by: by(caller),
            inspected: params.inspected,
            access: Access {
                token: params.source_token,
                ..Access::to(reach(caller))
            },
        })
    }

    /// Whether the caller may install from this source for the owner. A folder or repository on
    /// this machine shows its content to the owner of the app.
    pub(super) fn may_install(
        &self,
        caller: &Caller,
        owner: &UserKey,
        source: &str,
    ) -> Result<(), RpcError> {
        let remote = matches!(
            source.parse::<Source>(),
            Ok(Source::Git(_) | Source::Recipe { .. } | Source::Image { .. })
        );
        self.may(
            caller,
            if remote {
                Action::Install(owner)
            } else {
                Action::InstallFromFolder(owner)
            },
        )
    }

    /// Whether the caller may give these permissions to an app of the owner.
    pub(super) fn may_grant(
        &self,
        caller: &Caller,
        owner: &UserKey,
        grant: Option<&Permissions>,
    ) -> Result<(), RpcError> {
        match grant {
            Some(permissions) => {
                self.may(caller, Action::Grant(owner, permissions))?;
                self.are_free(&permissions.provides)
            }
            None => Ok(()),
        }
    }

    /// Refuses an app as the provider of what a part of Atek provides: it would never be asked.
    pub(super) fn are_free(&self, apis: &[ApiId]) -> Result<(), RpcError> {
        let directory = self.directory.now();
        let provider = |api: &ApiId| {
            if self.has(api.as_str()) {
                return Some("the host itself".to_owned());
            }
            let mut core = directory.entries().filter(|entry| entry.core);
            let found = core.find(|entry| entry.exports().iter().any(|e| e.api() == api));
            found.map(|entry| entry.id().to_string())
        };
        match apis.iter().find_map(|api| Some((api, provider(api)?))) {
            None => Ok(()),
            Some((api, provider)) => Err(RpcError::general(format!(
                "{api} is provided by {provider}, so no app can be chosen for it"
            ))),
        }
    }

    /// Whether the caller may set these limits for an app of the owner. Above what a manifest can
    /// ask for, an administrator alone may.
    pub(super) fn may_set_limits(
        &self,
        caller: &Caller,
        owner: &UserKey,
        limits: Option<&Limits>,
    ) -> Result<(), RpcError> {
        let Some(limits) = limits.filter(|limits| limits.exceed(&Limits::for_apps())) else {
            return Ok(());
        };
        self.may(caller, Action::RaiseLimits(owner))?;
        if limits.exceed(&Limits::most_for_apps()) && !caller.is_admin() {
            return Err(RpcError::general(
                "these limits are above what an app can ask for: an administrator can set them",
            ));
        }
        Ok(())
    }

    /// Gives a new user the default home app. A failure is logged: the account is
    /// worth more than its home.
    pub(super) async fn install_home(&self, owner: &UserKey) {
        let source = &self.config.default_main_service;
        if source.is_empty() {
            return;
        }
        let request = Install {
            source: source.clone(),
            range: None,
            id: None,
            owner: owner.clone(),
            config: Default::default(),
            grant: Default::default(),
            limits: Default::default(),
            by: UserKey::system(),
            data: UseData::Fresh,
            inspected: None,
            access: Access::default(),
        };
        let installed = self.services.install(request, &Reporter::unheard()).await;
        let outcome = match installed {
            Ok(key) => self.make_home(owner, key).await,
            Err(error) => Err(operation_error(&error)),
        };
        if let Err(error) = outcome {
            tracing::warn!(user = %owner, error = %error, "a new user got no home app");
        }
    }
}

/// Which computers a source may be on. A fetch for an ordinary user must not tell what there is
/// in the home or on the box.
pub(super) fn reach(caller: &Caller) -> Reach {
    if caller.is_admin() {
        Reach::Anywhere
    } else {
        Reach::Internet
    }
}

/// In whose name the caller decides.
pub(super) fn by(caller: &Caller) -> UserKey {
    caller.owner_key().unwrap_or_else(UserKey::system)
}

/// Reads what to do about data that an earlier install left.
fn use_data(params: &InstallParams) -> Result<UseData, RpcError> {
    match (&params.adopt_data, params.fresh) {
        (Some(_), true) => Err(RpcError::general(
            "\"adoptData\" and \"fresh\" exclude each other: name the data to use, or start without it",
        )),
        (Some(key), false) => Ok(UseData::Adopt(key.clone())),
        (None, true) => Ok(UseData::Fresh),
        (None, false) => Ok(UseData::Undecided),
    }
}
