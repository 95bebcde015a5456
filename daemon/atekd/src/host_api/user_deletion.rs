//! What becomes of apps and data when an app or a user goes.

use super::params::Params;
use super::services::operation_error;
use super::{HostApis, internal};
use crate::permissions::{Action, Caller, Target, Verb};
use crate::services::{OperationError, RetainedData};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::services::KeptData;
use atek_api::users::{DeleteParams, Leaving};
use serde_json::json;

/// What happens to the apps and data of a user who is deleted.
#[derive(Debug, Clone)]
pub(super) enum OwnedApps {
    /// The user is deleted only if there are none.
    Refuse,
    /// They are deleted.
    Delete,
    /// They become this user's.
    Transfer(UserKey),
}

impl HostApis {
    /// Kept data that the caller may see.
    pub(super) async fn kept_data(&self, caller: &Caller) -> RpcResult {
        let mut retained = self.services.retained_data().await;
        retained.retain(|data| {
            let target = Target::of_owner(&data.owner);
            self.may(caller, Action::On(Verb::See, target)).is_ok()
        });
        raw(&json!({ "kept": self.shown_retained(retained) }))
    }

    /// Retained data as callers see it.
    pub(super) fn shown_retained(&self, retained: Vec<RetainedData>) -> Vec<KeptData> {
        let records = self.database.records();
        let shown = retained.into_iter().map(|data| KeptData {
            owner: match records.user(data.owner.as_str()) {
                Some(user) => Some(user.username.clone()),
                None => data.owner.is_system().then(|| data.owner.to_string()),
            },
            key: data.key,
            id: data.id,
            title: data.title,
            source_url: data.source_url,
            version: data.version,
            kept_at: data.kept_at,
        });
        shown.collect()
    }

    pub(super) async fn remove_kept(&self, caller: &Caller, key: &str) -> RpcResult {
        let kept = self.services.retained_data().await;
        let kept = kept.into_iter().find(|kept| kept.key.as_str() == key);
        let kept = kept.ok_or_else(RpcError::not_authorized)?;
        let target = Target::of_owner(&kept.owner);
        self.may(caller, Action::On(Verb::Uninstall, target))?;
        let removed = self.services.remove_retained(&kept.key).await;
        removed.map_err(|error| operation_error(&error))?;
        raw(&())
    }

    /// Reads what is to become of a user's apps; `user` is who goes.
    pub(super) fn owned_apps(&self, user: &str, params: &Params) -> Result<OwnedApps, RpcError> {
        let DeleteParams { services, to } = params.object_or_default(1)?;
        match (services, to) {
            (Leaving::Refuse, None) => Ok(OwnedApps::Refuse),
            (Leaving::Uninstall, None) => Ok(OwnedApps::Delete),
            (Leaving::Give, Some(name)) => match self.database.records().user_named(&name) {
                Some(recipient) if recipient.key.as_str() != user => {
                    Ok(OwnedApps::Transfer(recipient.key.clone()))
                }
                Some(_) => Err(RpcError::general(
                    "these apps are that user's already: name another user",
                )),
                None => {
                    let message = format!("No user found with the username of {name}");
                    Err(RpcError::general(message))
                }
            },
            (Leaving::Give, None) => Err(RpcError::invalid_param(
                2,
                "must name in \"to\" the user who gets the apps",
            )),
            (_, Some(_)) => Err(RpcError::invalid_param(
                2,
                "has a \"to\", which goes with \"services\": \"give\" only",
            )),
        }
    }

    /// Decides about everything that a user owns but the record itself.
    /// May be repeated after an interruption.
    pub(super) async fn release_owned(
        &self,
        user: &UserKey,
        owned: &OwnedApps,
    ) -> Result<(), RpcError> {
        match owned {
            OwnedApps::Transfer(recipient) => {
                let given = self.services.transfer_ownership(user, recipient).await;
                given.map_err(|error| operation_error(&error))
            }
            OwnedApps::Refuse | OwnedApps::Delete => {
                // What was given is not theirs any more, and must not go with them.
                let finished = self.services.finish_transfer(user).await;
                finished.map_err(|error| operation_error(&error))?;
                let keys: Vec<ServiceKey> = {
                    let records = self.database.records();
                    let owned = records.services();
                    owned
                        .filter(|service| service.settings.owning_user_key == *user)
                        .map(|service| service.key.clone())
                        .collect()
                };
                for key in keys {
                    match self.services.uninstall(&key, false).await {
                        Ok(()) | Err(OperationError::NotFound(_)) => {}
                        Err(error) => return Err(operation_error(&error)),
                    }
                }
                for kept in self.services.retained_data().await {
                    if kept.owner == *user {
                        match self.services.remove_retained(&kept.key).await {
                            Ok(()) | Err(OperationError::NoRetainedData(_)) => {}
                            Err(error) => return Err(operation_error(&error)),
                        }
                    }
                }
                let deleted = self.database.delete_databases_of(user).await;
                deleted.map_err(|error| internal(&error))
            }
        }
    }
}
