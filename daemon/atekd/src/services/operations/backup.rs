//! What backups and restores need done with services.

use super::context::Operations;
use crate::error_chain::DisplayChain;
use crate::services::core_place::Place;
use crate::services::definition;
use crate::services::error::OperationError;
use atek_api::backup::StoredService;
use atek_api::ids::{DbId, ServiceId, ServiceKey};
use atek_api::services::SourceType;
use atek_api::spec::{PackageVersion, RelativePath, SnapshotName};
use atek_api::version::Release;
use std::sync::Arc;

/// The snapshot that is made to be stored.
const STORED: &str = "backup";
/// The snapshot that a restore makes.
pub(super) use atek_api::spec::paths::RESTORED_SNAPSHOT as RESTORED;

/// A file in the host's state while a service is paused.
const PAUSED: &str = "paused";

pub(super) fn name(text: &str) -> SnapshotName {
    let name = text.parse();
    name.unwrap_or_else(|_| unreachable!("a constant that is a snapshot's name"))
}

impl Operations {
    /// What a backup has: the database, the other core services with state of their own, then the
    /// apps. A service that is installed after the copy
    /// of the database is no part of the run.
    #[must_use]
    pub fn to_store(&self) -> Vec<StoredService> {
        let database = self.layout.database_key();
        let all = self.core.iter().flat_map(Place::services);
        let mut core: Vec<_> = all.filter(|core| core.package.is_ok()).collect();
        core.sort_by_key(|core| core.key != database);
        let core = core.into_iter().map(|core| StoredService {
            version: self.version_of_replacement(&core.key),
            key: core.key.clone(),
            id: core.settings.id.clone(),
            settings: None,
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
                settings: Some(Box::new(record.settings.clone())),
            }
        });
        core.chain(apps).collect()
    }

    fn version_of_replacement(&self, key: &ServiceKey) -> Option<PackageVersion> {
        let (_, replacement) = self.replaced_place(key)?;
        (replacement.key == *key).then_some(())?;
        definition::installed_version(&replacement.record().settings)
    }

    /// Whether it is an app of this box, with that id.
    #[must_use]
    pub fn is_app(&self, key: &ServiceKey, id: &str) -> bool {
        let record = self.record(key);
        record.is_ok_and(|record| record.settings.id.as_str() == id)
    }

    /// Puts what a restore of the whole box fetched in the place of what is there, before anything
    /// is started; the database last. Asking again is harmless.
    ///
    /// # Errors
    ///
    /// What could not be done; the rest may be.
    pub async fn put_box(&self, services: &[StoredService]) -> Result<(), OperationError> {
        for place in &self.core {
            self.spawn.stop_service(&place.now().unit_id()).await?;
        }
        for service in services {
            if let Some(version) = &service.version {
                self.spawn
                    .put_restored_package(&service.key, version)
                    .await?;
            }
        }
        // Until the database is there, the box is a new one.
        for service in services.iter().rev() {
            self.spawn
                .restore_snapshot(&service.key, &name(RESTORED), false)
                .await?;
        }
        Ok(())
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
        let mark = self.layout.state().join(PAUSED);
        atek_files::write_atomic(&mark, key.as_str().as_bytes(), 0o600)?;
        match self.spawn.snapshot_running(key, &name(STORED)).await {
            Ok((_, pause)) => {
                atek_files::remove(&mark)?;
                Ok(pause)
            }
            Err(error) => {
                // The launcher may have ended between pause and copy.
                if let Err(error) = self.end_left_pause().await {
                    tracing::error!(%key, error = %DisplayChain(&error), "a service may be paused still");
                }
                Err(error.into())
            }
        }
    }

    /// Lets services go on that a copy left paused. What was paused otherwise stays so.
    ///
    /// # Errors
    ///
    /// They may be paused still.
    pub async fn end_left_pause(&self) -> Result<(), OperationError> {
        let mark = self.layout.state().join(PAUSED);
        if mark.exists() {
            self.spawn.thaw_services().await?;
            atek_files::remove(&mark)?;
        }
        Ok(())
    }

    /// Removes that copy.
    ///
    /// # Errors
    ///
    /// It is still there.
    pub async fn drop_copy_to_store(&self, key: &ServiceKey) -> Result<(), OperationError> {
        Ok(self.spawn.remove_snapshot(key, &name(STORED)).await?)
    }

    /// Puts the restored state of an app in the place of the present one, after these databases of
    /// the lent state of ADB. It is stopped for that, and calls wait.
    ///
    /// # Errors
    ///
    /// Another operation is under way; the state is what it was, or what it is to be. A database is
    /// one of both too.
    pub async fn put_restored(
        self: &Arc<Self>,
        key: &ServiceKey,
        databases: Vec<DbId>,
    ) -> Result<(), OperationError> {
        self.wait_until_swept().await;
        let record = self.record(key)?;
        let lock = self.locks.take(key, &record.settings.id, "restore")?;
        let (operations, key) = (self.clone(), key.clone());
        let rest = tokio::spawn(async move {
            let _lock = lock;
            let restored = name(RESTORED);
            let put = async {
                for id in &databases {
                    operations
                        .database
                        .restore_database(id, false, None)
                        .await?;
                }
                let put = operations.spawn.restore_snapshot(&key, &restored, false);
                Ok::<_, OperationError>(put.await?)
            };
            operations.while_down(&key, put).await
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    /// Puts one path of the restored state of an app among its files, in the folder where it was,
    /// as `put_as`. It is stopped for that, and calls wait.
    ///
    /// # Errors
    ///
    /// Another operation is under way; the files are what they were.
    pub async fn put_restored_path(
        self: &Arc<Self>,
        key: &ServiceKey,
        path: RelativePath,
        put_as: String,
    ) -> Result<(), OperationError> {
        self.wait_until_swept().await;
        let record = self.record(key)?;
        let lock = self.locks.take(key, &record.settings.id, "restore")?;
        let (operations, key) = (self.clone(), key.clone());
        let rest = tokio::spawn(async move {
            let _lock = lock;
            let restored = name(RESTORED);
            let put = operations
                .spawn
                .put_restored_path(&key, &restored, &path, &put_as);
            operations.while_down(&key, put).await
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }
}
