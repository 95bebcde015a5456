//! Transferring everything that a user owns to another user.
//!
//! ```text
//!  stop what runs | intent -> records name the new owner -> databases, retained data -> intent
//!  ended | start what ran
//! ```
//!
//! The services are down in between: one that ran for the old owner while its database
//! belongs to the new one already would find none, and make a new one. What is interrupted is
//! finished at the next start of the host, or before the user is decided about again.

use super::context::Operations;
use crate::services::crash_point;
use crate::services::error::OperationError;
use crate::services::intents::{self, Transfer};
use crate::services::source_tokens;
use crate::services::supervisor::Command;
use atek_api::ids::{ServiceKey, UserKey};
use std::sync::Arc;

impl Operations {
    /// Transfers all services of a user, their databases and retained data to another user.
    /// Those that run are restarted.
    ///
    /// # Errors
    ///
    /// It may have been done in part, and may be repeated.
    pub async fn transfer_ownership(
        self: &Arc<Self>,
        from: &UserKey,
        to: &UserKey,
    ) -> Result<(), OperationError> {
        self.finish_transfer(from).await?;
        let services = {
            let records = self.database.records();
            let all = records.services();
            all.filter(|record| record.settings.owning_user_key == *from)
                .map(|record| record.key.clone())
                .collect()
        };
        let to = to.clone();
        self.run_transfer(from, Transfer { to, services }).await
    }

    /// Finishes an interrupted transfer of what a user owned, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Operations::transfer_ownership`].
    pub async fn finish_transfer(self: &Arc<Self>, from: &UserKey) -> Result<(), OperationError> {
        self.wait_until_swept().await;
        match intents::one::<Transfer>(self.layout.state(), from) {
            Some(transfer) if self.has_new_owner(&transfer) => {
                self.run_transfer(from, transfer).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the user who gets it still exists.
    pub(super) fn has_new_owner(&self, transfer: &Transfer) -> bool {
        let to = &transfer.to;
        to.is_system() || self.database.records().user(to.as_str()).is_some()
    }

    async fn run_transfer(
        self: &Arc<Self>,
        from: &UserKey,
        transfer: Transfer,
    ) -> Result<(), OperationError> {
        // All locks before the first service is stopped.
        let mut locks = Vec::new();
        for key in &transfer.services {
            let records = self.database.records();
            if let Some(record) = records.service(key.as_str()) {
                locks.push(self.locks.take(key, &record.settings.id, "configure")?);
            }
        }
        let (operations, from) = (self.clone(), from.clone());
        // Once begun it is finished even if the caller goes away.
        let rest = tokio::spawn(async move {
            let _locks = locks;
            let mut stopped = Vec::new();
            let transferred = match operations.stop_all(&transfer, &mut stopped).await {
                Ok(()) => operations.store_transfer(&from, &transfer).await,
                Err(error) => Err(error),
            };
            for key in stopped {
                // The outcome is in its state; its owner does not depend on that.
                let _ = operations.supervisor.start(&key, Command::Start).await;
            }
            transferred
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    async fn stop_all(
        &self,
        transfer: &Transfer,
        stopped: &mut Vec<ServiceKey>,
    ) -> Result<(), OperationError> {
        let records = self.database.records();
        let services = transfer.services.iter();
        for key in services.filter(|key| records.service(key.as_str()).is_some()) {
            if self.supervisor.snapshot(key).await?.state.is_up() {
                self.supervisor.stop(key).await?;
                stopped.push(key.clone());
            }
        }
        Ok(())
    }

    /// The deciding steps; the services must be down. Each may be repeated.
    pub(super) async fn store_transfer(
        &self,
        from: &UserKey,
        transfer: &Transfer,
    ) -> Result<(), OperationError> {
        crash_point::reached("transfer.stopped");
        intents::begin(self.layout.state(), from, transfer)?;
        crash_point::reached("transfer.begun");
        for key in &transfer.services {
            // It says what the old owner may read.
            source_tokens::forget(self.layout.state(), key);
            let to = transfer.to.clone();
            self.change_settings(key, move |settings| settings.owning_user_key = to)
                .await?;
        }
        crash_point::reached("transfer.stored");
        self.database.give_databases(from, &transfer.to).await?;
        self.transfer_retained(from, &transfer.to).await?;
        intents::end::<Transfer>(self.layout.state(), from);
        Ok(())
    }
}
