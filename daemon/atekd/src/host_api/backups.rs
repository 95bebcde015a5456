//! `atek.cloud/backups-api`, for administrators.

use super::params::Params;
use super::{Call, HostApis, methods};
use crate::backups::BackupError;
use crate::error_chain::DisplayChain;
use crate::guests::GuestError;
use crate::permissions::{Action, Caller, Verb};
use atek_api::backup::{
    API, FailureCode, GuestName, InvalidGuestName, InviteGuest, RestoreApp, RestoreFile, StoredApps,
};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::users::Role;
use serde_json::{Value, json};

impl HostApis {
    pub(super) async fn backups_api(&self, call: &Call<'_>) -> RpcResult {
        self.may(call.caller, Action::AdministerBox)?;
        let params = methods::params(API, call)?;
        // Goes on without the caller: half of a backup is none.
        let backups = self.backups.clone();
        match call.method {
            "status" => raw(&backups.status()),
            "password" => {
                let (password, of_words) =
                    backups.password().await.map_err(|error| refusal(&error))?;
                raw(&json!({ "password": password.expose(), "ofWords": of_words }))
            }
            "configure" => {
                let changes = params.object(0)?;
                finished(async move { backups.configure(changes).await }).await
            }
            "backUp" => finished(async move { backups.back_up().await }).await,
            "startBackUp" => {
                backups.start().map_err(|error| refusal(&error))?;
                raw(&())
            }
            "places" => self.backup_places().await,
            "list" => finished(async move { Ok(json!({ "runs": backups.runs().await? })) }).await,
            "check" => {
                let read = params.flag(0).unwrap_or(false);
                let check = async move { Ok(json!({ "problems": backups.check(read).await? })) };
                finished(check).await
            }
            "apps" => {
                let (run, apis) = (params.text(0).ok(), self.clone());
                let name_of = move |key: &UserKey| apis.name_of_user(key);
                let apps = async move {
                    let (run, apps) = backups.apps(run.as_deref(), name_of).await?;
                    Ok(StoredApps { run, apps })
                };
                finished(apps).await
            }
            "files" => {
                let (path, run) = (params.text(1)?, params.text(2).ok());
                let key = self
                    .key_in_backups(call, &params.text(0)?, run.as_deref())
                    .await?;
                let files = async move { backups.files(&key, run.as_deref(), &path).await };
                finished(files).await
            }
            "restore" => {
                let id = params.text(0)?;
                let entry = self.service_for(call.caller, &id, Verb::Update)?;
                let run = params.text(1).ok();
                finished(async move { backups.restore(&entry.key, &id, run.as_deref()).await })
                    .await
            }
            "restoreFile" => {
                let wanted: RestoreFile = params.object(0)?;
                let entry = self.service_for(call.caller, &wanted.id, Verb::Update)?;
                finished(async move { backups.restore_file(&entry.key, wanted).await }).await
            }
            "restoreApp" => {
                let wanted: RestoreApp = params.object(0)?;
                let owner = self.first_owner(call.caller);
                finished(async move { backups.restore_app(wanted, owner).await }).await
            }
            "people" => {
                let run = params.text(0).ok();
                finished(async move { backups.people(run.as_deref()).await }).await
            }
            "restoreDatabase" => {
                let wanted = params.object(0)?;
                finished(async move { backups.restore_database(wanted).await }).await
            }
            "restoreUser" => {
                let wanted = params.object(0)?;
                finished(async move { backups.restore_user(wanted).await }).await
            }
            "guests" | "inviteGuest" | "removeGuest" => self.guests_api(call.method, &params).await,
            other => Err(RpcError::method_not_found(other)),
        }
    }

    /// Other homes that keep their backups here.
    async fn guests_api(&self, method: &str, params: &Params) -> RpcResult {
        let guests = self.guests.clone();
        let work: Box<dyn FnOnce() -> Result<Value, GuestError> + Send> = match method {
            "guests" => Box::new(move || Ok(json!({ "guests": guests.list()? }))),
            "inviteGuest" => {
                let invited: InviteGuest = params.object(0)?;
                Box::new(move || Ok(json!(guests.invite(&invited)?)))
            }
            _ => {
                let name = params.text(0)?.parse();
                let name: GuestName =
                    name.map_err(|error: InvalidGuestName| RpcError::general(error.to_string()))?;
                Box::new(move || guests.remove(&name).map(|()| Value::Null))
            }
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(answer)) => raw(&answer),
            Ok(Err(error)) => {
                let reason = match error {
                    GuestError::Unknown(_) => "not-found",
                    GuestError::TooMany => "too-many",
                    _ => "failed",
                };
                Err(RpcError::general(DisplayChain(&error).to_string()).because(reason))
            }
            Err(error) => Err(super::internal(&error)),
        }
    }
}

impl HostApis {
    fn name_of_user(&self, key: &UserKey) -> Option<String> {
        let records = self.database.records();
        let user = records.user(key.as_str())?;
        Some(user.username.clone())
    }

    /// Disks on which backups may be.
    pub(super) async fn backup_places(&self) -> RpcResult {
        let places = tokio::task::spawn_blocking(crate::backups::places).await;
        let mut places = places.map_err(|error| super::internal(&error))?;
        match self.backups.disks().await {
            Ok(disks) => places.disks = disks,
            // What is mounted is told all the same.
            Err(error) => {
                tracing::warn!(error = %DisplayChain(&error), "the disks cannot be listed");
            }
        }
        raw(&places)
    }

    /// An app that is installed, by its id, or one of the backups, by its key or id there.
    async fn key_in_backups(
        &self,
        call: &Call<'_>,
        id: &str,
        run: Option<&str>,
    ) -> Result<ServiceKey, RpcError> {
        if self.directory.now().by_id(id).is_some() {
            let entry = self.service_for(call.caller, id, Verb::Update)?;
            return Ok(entry.key.clone());
        }
        let found = self.backups.stored_app(run, id).await;
        let (_, stored) = found.map_err(|error| refusal(&error))?;
        Ok(stored.key)
    }

    /// Who gets what belonged to a user who is gone: the caller, or the first administrator.
    fn first_owner(&self, caller: &Caller) -> UserKey {
        let records = self.database.records();
        let first = || {
            let admin = records.users().find(|user| user.role == Role::Admin);
            admin.map_or_else(UserKey::system, |user| user.key.clone())
        };
        match caller {
            Caller::User(person) => person.user.key.clone(),
            _ => first(),
        }
    }
}

async fn finished<T: serde::Serialize + Send + 'static>(
    work: impl Future<Output = Result<T, BackupError>> + Send + 'static,
) -> RpcResult {
    match tokio::spawn(work).await {
        Ok(Ok(result)) => raw(&result),
        Ok(Err(error)) => Err(refusal(&error)),
        Err(error) => Err(super::internal(&error)),
    }
}

pub(super) fn refusal(error: &BackupError) -> RpcError {
    let text = crate::error_chain::DisplayChain(error).to_string();
    let reason = match error {
        BackupError::NoTarget | BackupError::NoDisk(_) => "no-target",
        BackupError::HasFiles(_) => "has-files",
        BackupError::Busy(_) => "busy",
        BackupError::NoRun(_)
        | BackupError::NotAnApp(_)
        | BackupError::NoApp(_)
        | BackupError::NotThere(_) => "not-found",
        BackupError::IsInstalled(_) => "id-taken",
        BackupError::Operation(error) => error.code().unwrap_or("failed"),
        BackupError::Failed(failure) => match failure.code {
            FailureCode::NoTarget => "no-target",
            FailureCode::NoBackup => "no-backup",
            FailureCode::Busy => "busy",
            FailureCode::Password => "password",
            FailureCode::Login => "login",
            FailureCode::HostKey => "host-key",
            FailureCode::NoRoom => "no-room",
            FailureCode::Missing => "not-found",
            FailureCode::Damaged => "damaged",
            FailureCode::Request
            | FailureCode::Source
            | FailureCode::Target
            | FailureCode::Destination => "failed",
        },
        _ => "failed",
    };
    let mut refusal = RpcError::general(text).because(reason);
    if let BackupError::Failed(failure) = error
        && let (Some(key), Some(data)) = (&failure.host_key, &mut refusal.data)
    {
        data["hostKey"] = json!(key);
    }
    refusal
}
