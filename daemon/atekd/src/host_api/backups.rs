//! `atek.cloud/backups-api`, for administrators.

use super::{Call, HostApis, methods};
use crate::backups::BackupError;
use crate::permissions::{Action, Verb};
use atek_api::backup::{API, FailureCode};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use serde_json::json;

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
            "list" => finished(async move { Ok(json!({ "runs": backups.runs().await? })) }).await,
            "check" => {
                let read = params.flag(0).unwrap_or(false);
                let check = async move { Ok(json!({ "problems": backups.check(read).await? })) };
                finished(check).await
            }
            "files" => {
                let entry = self.service_for(call.caller, &params.text(0)?, Verb::Update)?;
                let (path, run) = (params.text(1)?, params.text(2).ok());
                let files = async move {
                    let files = backups.files(&entry.key, run.as_deref(), &path).await?;
                    Ok(json!({ "files": files }))
                };
                finished(files).await
            }
            "restore" => {
                let id = params.text(0)?;
                let entry = self.service_for(call.caller, &id, Verb::Update)?;
                let run = params.text(1).ok();
                let restore = async move {
                    let run = backups.restore(&entry.key, &id, run.as_deref()).await?;
                    Ok(json!({ "run": run }))
                };
                finished(restore).await
            }
            other => Err(RpcError::method_not_found(other)),
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
        BackupError::NoTarget => "no-target",
        BackupError::Busy(_) => "busy",
        BackupError::NoRun(_) | BackupError::NotAnApp(_) => "not-found",
        BackupError::Failed(failure) => match failure.code {
            FailureCode::NoTarget => "no-target",
            FailureCode::NoBackup => "no-backup",
            FailureCode::Busy => "busy",
            FailureCode::Password => "password",
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
    RpcError::general(text).because(reason)
}
