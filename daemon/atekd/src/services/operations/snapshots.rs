//! Snapshots that a person asks for, the way back to one, and to the version before.

use super::context::Operations;
use super::core::BUILT_IN;
use super::trial::{Origin, Trial, snapshot_name};
use crate::jobs::Reporter;
use crate::services::error::OperationError;
use crate::services::package_folder;
use crate::services::supervisor::Command;
use crate::services::updates::ledger::Ledger;
use crate::services::updates::now_text;
use atek_api::ids::ServiceKey;
use atek_api::services::{PackageInfo, ServiceSettings, UpdateDone};
use atek_api::spec::{PackageVersion, SnapshotName, paths};
use atek_api::updates::{SnapshotInfo, UpdateOutcome};
use atek_api::version::Release;
use std::sync::Arc;

/// Snapshots that a person may make of one service.
const SNAPSHOTS_MAX: usize = 5;

impl Operations {
    /// Copies the files of a service. It is stopped for as long as that takes, and calls wait.
    ///
    /// # Errors
    ///
    /// There are too many, or there is no room; the service is as it was.
    pub async fn make_snapshot(
        self: &Arc<Self>,
        key: &ServiceKey,
    ) -> Result<SnapshotInfo, OperationError> {
        self.wait_until_swept().await;
        let record = self.updatable(key)?;
        let key = &record.key.clone();
        let lock = self.locks.take(key, &record.settings.id, "snapshot")?;
        let ledger = Ledger::read(self.layout.state(), key);
        let made = ledger
            .snapshots
            .iter()
            .filter(|snapshot| !snapshot.automatic);
        let count = made.count();
        if count >= SNAPSHOTS_MAX {
            let id = record.settings.id.clone();
            return Err(OperationError::TooManySnapshots { id, count });
        }
        let (operations, key) = (self.clone(), key.clone());
        let rest = tokio::spawn(async move {
            let _lock = lock;
            let name = snapshot_name();
            let copied = operations
                .while_down(&key, operations.spawn.make_snapshot(&key, &name))
                .await;
            let snapshot = SnapshotInfo {
                bytes: copied?,
                at: now_text(),
                version: record.settings.package.installed_version.clone(),
                automatic: false,
                name,
            };
            let mut ledger = Ledger::read(operations.layout.state(), &key);
            ledger.snapshots.insert(0, snapshot.clone());
            ledger.write(operations.layout.state(), &key)?;
            Ok(snapshot)
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    /// Puts the files of a service back as a snapshot has them. The snapshot stays.
    ///
    /// # Errors
    ///
    /// There is no such snapshot, or no room for a copy of it; the files are as they were.
    pub async fn restore_snapshot(
        self: &Arc<Self>,
        key: &ServiceKey,
        name: &str,
    ) -> Result<(), OperationError> {
        self.wait_until_swept().await;
        let record = self.updatable(key)?;
        let key = &record.key.clone();
        let lock = self.locks.take(key, &record.settings.id, "restore")?;
        let snapshot = self.snapshot_named(key, &record.settings, name)?;
        let (operations, key) = (self.clone(), key.clone());
        let rest = tokio::spawn(async move {
            let _lock = lock;
            let name = &snapshot.name;
            operations
                .while_down(&key, operations.spawn.restore_snapshot(&key, name, true))
                .await
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    ///
    /// There is no such snapshot, or it could not be removed.
    pub async fn remove_snapshot(
        &self,
        key: &ServiceKey,
        name: &str,
    ) -> Result<(), OperationError> {
        let record = self.updatable(key)?;
        let key = &record.key.clone();
        let _lock = self.locks.take(key, &record.settings.id, "snapshot")?;
        let snapshot = self.snapshot_named(key, &record.settings, name)?;
        self.spawn.remove_snapshot(key, &snapshot.name).await?;
        let mut ledger = Ledger::read(self.layout.state(), key);
        ledger.snapshots.retain(|known| known.name != snapshot.name);
        Ok(ledger.write(self.layout.state(), key)?)
    }

    /// Goes back to the version before the last update and, unless `keep_data`, to its files of
    /// that time. The present version is refused from then on.
    ///
    /// # Errors
    ///
    /// There is none, or it does not run: the present version and its data stay.
    pub async fn go_back(
        self: &Arc<Self>,
        key: &ServiceKey,
        keep_data: bool,
        progress: &Reporter,
    ) -> Result<UpdateDone, OperationError> {
        self.wait_until_swept().await;
        let record = self.updatable(key)?;
        let key = &record.key.clone();
        let lock = self.locks.take(key, &record.settings.id, "update")?;
        let (from, to) = self.version_before(key, &record.settings)?;
        if to == BUILT_IN
            && let Some((place, replacement)) = self.replaced_place(key)
        {
            let (reason, outcome) = ("a person went back from it", UpdateOutcome::WentBack);
            self.fall_back(place, replacement, reason, outcome).await;
            return Ok(UpdateDone {
                installed_version: to,
                old_version: from,
            });
        }
        let version: PackageVersion = Release::folder_name(&to).parse()?;
        let folder = paths::package_version(key, &version);
        let read = tokio::task::spawn_blocking(move || package_folder::read(&folder));
        let found = read.await.map_err(|_| OperationError::ShuttingDown)??;
        let ledger = Ledger::read(self.layout.state(), key);
        let restore = ledger
            .snapshots
            .iter()
            .find(|snapshot| snapshot.automatic && snapshot.version.as_ref() == Some(&to))
            .map(|snapshot| snapshot.name.clone());
        let title = found
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.name.clone());
        let new = ServiceSettings {
            package: PackageInfo {
                installed_version: Some(to.clone()),
                title,
                warnings: Vec::new(),
                ..record.settings.package.clone()
            },
            manifest: found.manifest,
            ..record.settings.clone()
        };
        let by = record.settings.owning_user_key.clone();
        let trial = Trial {
            record,
            new,
            version,
            from,
            to,
            origin: Origin::Installed {
                restore: restore.filter(|_| !keep_data),
            },
            outcome: UpdateOutcome::WentBack,
            by,
        };
        let (operations, progress) = (self.clone(), progress.clone());
        let rest = tokio::spawn(async move {
            let _lock = lock;
            operations.try_out(trial, &progress).await
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    /// The installed version, and the one before the update to it.
    fn version_before(
        &self,
        key: &ServiceKey,
        settings: &ServiceSettings,
    ) -> Result<(String, String), OperationError> {
        let from = settings
            .package
            .installed_version
            .clone()
            .unwrap_or_default();
        let ledger = Ledger::read(self.layout.state(), key);
        match ledger.version_before(Some(&from)).map(ToOwned::to_owned) {
            Some(before) => Ok((from, before)),
            None => Err(OperationError::NothingBefore {
                id: settings.id.clone(),
            }),
        }
    }

    fn snapshot_named(
        &self,
        key: &ServiceKey,
        settings: &ServiceSettings,
        name: &str,
    ) -> Result<SnapshotInfo, OperationError> {
        let missing = || OperationError::NoSnapshot {
            id: settings.id.clone(),
            name: name.chars().take(60).collect(),
        };
        let name: SnapshotName = name.parse().map_err(|_| missing())?;
        let ledger = Ledger::read(self.layout.state(), key);
        let mut snapshots = ledger.snapshots.into_iter();
        snapshots
            .find(|snapshot| snapshot.name == name)
            .ok_or_else(missing)
    }

    /// Does something while a service is stopped, and starts it again if it ran. Calls wait.
    pub(super) async fn while_down<T, E>(
        &self,
        key: &ServiceKey,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, OperationError>
    where
        E: Into<OperationError>,
    {
        let runs = self.supervisor.snapshot(key).await?.state.is_up();
        self.supervisor.hold(key, true).await;
        let done = async {
            if runs {
                self.supervisor.stop(key).await?;
            }
            let done = work.await.map_err(Into::into);
            if runs {
                self.supervisor.start(key, Command::Start).await?;
            }
            done
        };
        let done = done.await;
        self.supervisor.hold(key, false).await;
        done
    }
}
