//! What backups and restores need done with services.

use super::context::Operations;
use crate::services::error::OperationError;
use atek_api::backup::StoredService;
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::services::SourceType;
use atek_api::spec::SnapshotName;
use atek_api::version::Release;
use std::sync::Arc;

/// The snapshot that is made to be stored.
const STORED: &str = "backup";
/// The snapshot that a restore makes.
const RESTORED: &str = "restored";

fn name(text: &str) -> SnapshotName {
    let name = text.parse();
    name.unwrap_or_else(|_| unreachable!("a constant that is a snapshot's name"))
}

impl Operations {
    /// What a backup has: the database, then the apps. A service that is installed after the copy
    /// of the database is no part of the run.
    #[must_use]
    pub fn to_store(&self) -> Vec<StoredService> {
        let database = self.layout.database_key();
        let core = self.core.iter().filter(|core| core.key == database);
        let core = core.map(|core| StoredService {
            key: core.key.clone(),
            id: core.settings.id.clone(),
            version: None,
        });
        let records = self.database.records();
        let apps = records.services().map(|record| {
            let package = &record.settings.package;
            let installed = package.installed_version.as_deref();
            // A package that runs in place belongs to the machine.
            let installed = installed.filter(|_| package.source_type == SourceType::Git);
            StoredService {
                key: record.key.clone(),
                id: record.settings.id.clone(),
                version: installed.and_then(|tag| Release::folder_name(tag).parse().ok()),
            }
        });
        core.chain(apps).collect()
    }

    /// Makes the copy of a service's state that is stored. Returns for how many milliseconds the
    /// service was paused.
    ///
    /// # Errors
    ///
    /// Another operation is under way, or there is no room.
    pub async fn copy_to_store(
        self: &Arc<Self>,
        key: &ServiceKey,
        id: &ServiceId,
    ) -> Result<u64, OperationError> {
        self.wait_until_swept().await;
        let _lock = self.locks.take(key, id, "backup")?;
        match self.spawn.snapshot_running(key, &name(STORED)).await {
            Ok((_, pause)) => Ok(pause),
            Err(error) => {
                // The launcher may have ended between pause and copy.
                let _ = self.spawn.thaw_services().await;
                Err(error.into())
            }
        }
    }

    /// Removes that copy.
    ///
    /// # Errors
    ///
    /// It is still there.
    pub async fn drop_copy_to_store(&self, key: &ServiceKey) -> Result<(), OperationError> {
        Ok(self.spawn.remove_snapshot(key, &name(STORED)).await?)
    }

    /// Puts the restored state of an app in the place of the present one. It is stopped for two
    /// renames, and calls wait.
    ///
    /// # Errors
    ///
    /// Another operation is under way; the state is what it was, or what it is to be.
    pub async fn put_restored(self: &Arc<Self>, key: &ServiceKey) -> Result<(), OperationError> {
        self.wait_until_swept().await;
        let record = self.record(key)?;
        let lock = self.locks.take(key, &record.settings.id, "restore")?;
        let (operations, key) = (self.clone(), key.clone());
        let rest = tokio::spawn(async move {
            let _lock = lock;
            let restored = name(RESTORED);
            let put = operations.spawn.restore_snapshot(&key, &restored, false);
            operations.while_down(&key, put).await
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }
}
