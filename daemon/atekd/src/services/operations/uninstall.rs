//! Uninstalling: stop, write the intent down, delete the record, then the files.
//!
//! The deleted record is what makes it happen. A crash before that leaves a service that
//! exists and is started again; a crash after it is finished at the next start.

use super::backup;
use super::context::Operations;
use crate::database::Change;
use crate::error_chain::DisplayChain;
use crate::services::crash_point;
use crate::services::error::OperationError;
use crate::services::intents::{self, Uninstall};
use crate::services::retained_data::RetainedData;
use crate::services::source_tokens;
use crate::services::updates::ledger::Ledger;
use crate::spawn::SpawnError;
use atek_api::ids::{ServiceId, ServiceKey};
use std::sync::Arc;

impl Operations {
    /// Stops and removes a service: record, package, and, unless `keep_data`, its state.
    ///
    /// # Errors
    ///
    /// The service then still exists (it may be stopped).
    pub async fn uninstall(
        self: &Arc<Self>,
        key: &ServiceKey,
        keep_data: bool,
    ) -> Result<(), OperationError> {
        self.wait_until_swept().await;
        let record = self.record(key)?;
        let id = record.settings.id.clone();
        let lock = self.locks.take(key, &id, "uninstall")?;
        let (operations, key) = (self.clone(), key.clone());
        // Once begun it is finished even if the caller goes away.
        let rest = tokio::spawn(async move {
            let _lock = lock;
            operations.supervisor.stop(&key).await?;
            operations.take_folders_back(&key).await?;
            if keep_data {
                // It means nothing as long as the record is there.
                operations.remember_retained(&RetainedData::of(&record))?;
            }
            let intent = Uninstall {
                keep_data,
                databases: false,
            };
            intents::begin(operations.layout.state(), &key, &intent)?;
            crash_point::reached("uninstall.begun");
            // After an error it may have been deleted all the same: then the next start of the
            // host finishes this.
            let delete = vec![Change::DeleteService(key.clone())];
            operations.database.write(delete).await?;
            crash_point::reached("uninstall.deleted");
            // Another app may have been waiting for its port.
            operations.assign_ports().await;
            let removed = operations.remove_files(&key, Some(&id), keep_data);
            if let Err(error) = removed.await {
                tracing::warn!(%key, error = %DisplayChain(&error), "left files for the next sweep");
            }
            Ok(())
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    /// Removes everything that a service without a record has left, and the intent.
    pub(super) async fn remove_files(
        &self,
        key: &ServiceKey,
        id: Option<&ServiceId>,
        keep_data: bool,
    ) -> Result<(), SpawnError> {
        if let Some(id) = id {
            // A unit that failed stays loaded, and holds the state.
            self.spawn.reset_failed(id).await?;
        }
        self.attach.close(key).await;
        self.spawn.remove_package(key).await?;
        for snapshot in Ledger::read(self.layout.state(), key).snapshots {
            self.spawn.remove_snapshot(key, &snapshot.name).await?;
        }
        Ledger::remove(self.layout.state(), key);
        source_tokens::forget(self.layout.state(), key);
        if !keep_data {
            let restored = backup::name(backup::RESTORED);
            self.spawn.remove_snapshot(key, &restored).await?;
            self.spawn.wipe_state(key).await?;
            self.forget_retained(key);
        }
        crash_point::reached("uninstall.removed");
        intents::end::<Uninstall>(self.layout.state(), key);
        Ok(())
    }
}
