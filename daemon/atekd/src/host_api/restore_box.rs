//! The restore of a whole box: the part of `atek.cloud/setup-api` that makes a new box an old one.

use super::setup::field_error;
use super::{Call, HostApis, backups, methods};
use crate::backups::{WholeBox, typed_password};
use crate::error_chain::DisplayChain;
use crate::permissions::Caller;
use crate::setup::{BadField, Ownership};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::secret::Secret;
use atek_api::setup::{API, RestoreBegun, RestoreBox, RestoreStatus};

impl HostApis {
    /// Opens the backups with the words and begins to fetch the box; the host's person at its
    /// command line needs no claim code.
    pub(super) async fn restore_box(&self, call: &Call<'_>) -> RpcResult {
        let wanted: RestoreBox = methods::params(API, call)?.object(0)?;
        let is_new = self.setup.ownership() == Ownership::Unclaimed;
        match call.caller {
            Caller::System if is_new => {}
            Caller::System => return Err(not_new()),
            _ => self.claimed(call, &wanted.code).await?,
        }
        let password = typed_password(&wanted.words)
            .map_err(|error| field_error(BadField::new("words", error.to_string())))?;
        let found = self
            .backups
            .find_box(
                &wanted.target,
                wanted.server_password.as_ref(),
                &password,
                wanted.run.as_ref(),
            )
            .await
            .map_err(|error| backups::refusal(&error))?;
        let begun = RestoreBegun {
            run: found.run.clone(),
            apps: found.apps(),
        };
        let apis = self.clone();
        self.backups.tell_restoring(RestoreStatus {
            running: true,
            ..RestoreStatus::default()
        });
        tokio::spawn(async move {
            if let Err(problem) = apis.fetch_box(&found, &password).await {
                tracing::error!(problem, "the box was not restored");
                apis.backups.tell_restoring(RestoreStatus {
                    problem: Some(problem),
                    ..RestoreStatus::default()
                });
            }
        });
        raw(&begun)
    }

    /// Disks on which the backups of the old box may be.
    pub(super) async fn places_of_new_box(&self, call: &Call<'_>) -> RpcResult {
        let code = methods::params(API, call)?.text(0)?;
        self.claimed(call, &code).await?;
        self.backup_places().await
    }

    async fn fetch_box(&self, found: &WholeBox, password: &Secret) -> Result<(), String> {
        let fetched = self.backups.fetch_box(found, password).await;
        fetched.map_err(|error| DisplayChain(&error).to_string())?;
        // A person may have become the first administrator by now.
        let _turn = self.setup.turn().await;
        if self.setup.ownership() != Ownership::Unclaimed {
            return Err(not_new().message);
        }
        let decided = self.backups.become_box(found);
        decided.map_err(|error| DisplayChain(&error).to_string())
    }
}

fn not_new() -> RpcError {
    let text = "only a box without an administrator is restored as a whole: use a new card";
    RpcError::general(text).because("not-new")
}
