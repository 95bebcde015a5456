//! What atekd asks of `atek-spawnd`: the client of `cloud.atek.Spawn1`.
//!
//! atek-spawnd is started by the bus at the first call and ends when it is idle, so a
//! call may take a moment longer than its work. Every call is tried again once when the
//! bus lost the helper in between, except the two that begin something.

mod error;
pub mod home;

#[cfg(test)]
mod tests;

pub use error::SpawnError;

use crate::systemd::Bus;
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::moving::FileSystemId;
use atek_api::spec::{
    BackupSpec, BlockName, JobId, PackageSpec, PackageVersion, Prefix, RelativePath, START_TIMEOUT,
    STOP_TIMEOUT, ServiceSpec, SnapshotName,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::os::fd::OwnedFd;
use std::time::Duration;
use zbus::{DynamicType, Fd, Type};

const NAME: &str = "cloud.atek.Spawn1";
const PATH: &str = "/cloud/atek/Spawn1";

/// What a quick call may take, with the start of the helper.
const QUICK: Duration = Duration::from_secs(20);
/// What moving or removing a package of many files on a slow card may take.
const FILES: Duration = Duration::from_secs(300);
/// What copying the data of a service on a slow card may take.
const COPIES: Duration = Duration::from_secs(1800);
/// A start job ends at the latest with the unit's own limit.
const START: Duration = START_TIMEOUT.saturating_add(QUICK);
/// A file system on a large disk.
const MAKES_DISK: Duration = Duration::from_secs(330);
/// SIGKILL follows the unit's own limit.
const STOP: Duration = STOP_TIMEOUT.saturating_add(QUICK);

/// The way to atek-spawnd. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spawn {
    bus: Bus,
}

impl Spawn {
    /// The helper on this bus.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// Starts a service's unit and waits for its start job.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Job`] when the job did not end in `done`; the unit may then exist, and
    /// its own state says more. Otherwise the unit was not created.
    pub async fn start_service(&self, spec: &ServiceSpec) -> Result<(), SpawnError> {
        let operation = format!("start {}", spec.id);
        let text = serde_json::to_string(spec).map_err(|source| SpawnError::Express {
            operation: operation.clone(),
            source,
        })?;
        // The start job ends at the latest with the limits of the units.
        let patience = spec.start_timeout() + QUICK;
        let result: String = self
            .call(&operation, patience, "StartService", &(text,))
            .await?;
        if result == "done" {
            Ok(())
        } else {
            Err(SpawnError::Job { operation, result })
        }
    }

    /// Stops a service's unit; harmless when there is none. Returns when it is gone.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn stop_service(&self, id: &ServiceId) -> Result<(), SpawnError> {
        self.stop_service_within(id, STOP).await
    }

    /// Stops a service's unit, and kills it after `patience`; harmless when there is none. Returns
    /// when it is gone.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn stop_service_within(
        &self,
        id: &ServiceId,
        patience: Duration,
    ) -> Result<(), SpawnError> {
        let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let body = (id.as_str(), millis);
        self.call_again(&format!("stop {id}"), STOP + QUICK, "StopService", &body)
            .await
            .or_else(SpawnError::none_is_fine)
    }

    /// Lets systemd forget that a service's unit failed; harmless when there is none.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn reset_failed(&self, id: &ServiceId) -> Result<(), SpawnError> {
        self.call_again(
            &format!("reset {id}"),
            QUICK,
            "ResetFailed",
            &(id.as_str(),),
        )
        .await
        .or_else(SpawnError::none_is_fine)
    }

    /// Closes networks to the services that run without permission for the home.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn close_networks(&self, networks: &[Prefix]) -> Result<(), SpawnError> {
        let operation = "close the networks of the home";
        let text = serde_json::to_string(networks).map_err(|source| SpawnError::Express {
            operation: operation.to_owned(),
            source,
        })?;
        self.call_again(operation, QUICK, "CloseNetworks", &(text,))
            .await
    }

    /// Removes the state of a service; harmless when there is none.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; refused while its unit is loaded.
    pub async fn wipe_state(&self, key: &ServiceKey) -> Result<(), SpawnError> {
        let operation = format!("remove the state of {key}");
        self.call_again(&operation, FILES, "WipeState", &(key.as_str(),))
            .await
            .or_else(SpawnError::none_is_fine)
    }

    /// What the state of a service takes on the disk, in bytes.
    ///
    /// # Errors
    ///
    /// [`SpawnError`], also where it is too large to be measured.
    pub async fn state_size(&self, key: &ServiceKey) -> Result<u64, SpawnError> {
        let operation = format!("measure the state of {key}");
        self.call(&operation, FILES, "StateSize", &(key.as_str(),))
            .await
    }

    /// Makes a snapshot of the state of a service that does not run. Returns its bytes.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; nothing of the snapshot is left.
    pub async fn make_snapshot(
        &self,
        key: &ServiceKey,
        name: &SnapshotName,
    ) -> Result<u64, SpawnError> {
        let operation = format!("copy the data of {key}");
        let body = (key.as_str(), name.as_str());
        self.call(&operation, COPIES, "MakeSnapshot", &body).await
    }

    /// Puts a snapshot in the place of the state of a service that does not run. With `keep` the
    /// snapshot stays; without, asking again is harmless.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; the state is what it was, or what it is to be.
    pub async fn restore_snapshot(
        &self,
        key: &ServiceKey,
        name: &SnapshotName,
        keep: bool,
    ) -> Result<(), SpawnError> {
        let operation = format!("restore the data of {key}");
        let body = (key.as_str(), name.as_str(), keep);
        self.call_again(&operation, COPIES, "RestoreSnapshot", &body)
            .await
    }

    /// Removes a snapshot; harmless when it is not there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn remove_snapshot(
        &self,
        key: &ServiceKey,
        name: &SnapshotName,
    ) -> Result<(), SpawnError> {
        let operation = format!("remove a copy of the data of {key}");
        let body = (key.as_str(), name.as_str());
        self.call_again(&operation, FILES, "RemoveSnapshot", &body)
            .await
    }

    /// Puts one path of a snapshot among the files of a service that does not run, in the folder
    /// where it was, as `put_as`; the snapshot is gone then.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; what was there still is.
    pub async fn put_restored_path(
        &self,
        key: &ServiceKey,
        name: &SnapshotName,
        path: &RelativePath,
        put_as: &str,
    ) -> Result<(), SpawnError> {
        let operation = format!("put a file of a backup among the data of {key}");
        let body = (key.as_str(), name.as_str(), path.as_str(), put_as);
        self.call(&operation, COPIES, "PutRestoredPath", &body)
            .await
    }

    /// Moves a snapshot into the state of a service, which may run, as a folder of this name.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn lend_snapshot(
        &self,
        key: &ServiceKey,
        name: &SnapshotName,
        folder: &str,
    ) -> Result<(), SpawnError> {
        let operation = format!("put a backup into the data of {key}");
        let body = (key.as_str(), name.as_str(), folder);
        self.call(&operation, COPIES, "LendSnapshot", &body).await
    }

    /// Makes a snapshot of the state of a service, which is paused if it runs. Returns its bytes
    /// and the milliseconds of the pause.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; the service goes on, or [`Spawn::thaw_services`] lets it.
    pub async fn snapshot_running(
        &self,
        key: &ServiceKey,
        name: &SnapshotName,
    ) -> Result<(u64, u64), SpawnError> {
        let operation = format!("copy the data of {key}");
        let body = (key.as_str(), name.as_str());
        self.call(&operation, COPIES, "SnapshotRunning", &body)
            .await
    }

    /// Lets all services go on that an interrupted snapshot left paused.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn thaw_services(&self) -> Result<(), SpawnError> {
        let operation = "let paused services go on";
        self.call_again(operation, QUICK, "ThawServices", &()).await
    }

    /// Starts a backup or restore whose standard input and output are `channel`.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Busy`] when one runs.
    pub async fn run_backup(&self, spec: &BackupSpec, channel: OwnedFd) -> Result<(), SpawnError> {
        let operation = "start the backup job".to_owned();
        let text = serde_json::to_string(spec).map_err(|source| SpawnError::Express {
            operation: operation.clone(),
            source,
        })?;
        let body = (text, Fd::from(&channel));
        let _unit: String = self.call(&operation, START, "RunBackup", &body).await?;
        Ok(())
    }

    /// Has the disks that are plugged in listed to `channel`.
    ///
    /// # Errors
    ///
    /// [`SpawnError::Busy`] while another list is made.
    pub async fn list_disks(&self, channel: OwnedFd) -> Result<(), SpawnError> {
        let body = (Fd::from(&channel),);
        self.call("list the disks", START, "ListDisks", &body).await
    }

    /// Makes a whole disk one for the data of the box: everything on it is lost.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn make_data_disk(
        &self,
        device: &BlockName,
        id: &FileSystemId,
    ) -> Result<(), SpawnError> {
        let operation = format!("make {device} a disk for the data");
        let body = (device.as_str(), id.as_str());
        self.call(&operation, MAKES_DISK, "MakeDataDisk", &body)
            .await
    }

    /// Ends the backup or restore that runs; harmless when there is none.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn stop_backup(&self) -> Result<(), SpawnError> {
        let operation = "end the backup job";
        self.call_again(operation, QUICK, "StopBackup", &()).await
    }

    /// Installs a package that a restore of the whole box fetched, as the current version; harmless
    /// when it was done before.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn put_restored_package(
        &self,
        key: &ServiceKey,
        version: &PackageVersion,
    ) -> Result<(), SpawnError> {
        let operation = format!("put the restored {key} {version} in place");
        let body = (key.as_str(), version.as_str());
        self.call_again(&operation, COPIES, "PutRestoredPackage", &body)
            .await
    }

    /// Removes what restores fetched and did not put in place.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn drop_restored(&self) -> Result<(), SpawnError> {
        let operation = "remove what is left of a restore";
        self.call_again(operation, FILES, "DropRestored", &()).await
    }

    /// Starts a package job whose standard input and output are `channel`.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn run_package(
        &self,
        job: &JobId,
        spec: &PackageSpec,
        channel: OwnedFd,
    ) -> Result<(), SpawnError> {
        let operation = format!("run package job {job}");
        let text = serde_json::to_string(spec).map_err(|source| SpawnError::Express {
            operation: operation.clone(),
            source,
        })?;
        let body = (job.as_str(), text, Fd::from(&channel));
        let _unit: String = self.call(&operation, START, "RunPackage", &body).await?;
        Ok(())
    }

    /// Makes the package that a job has built the version `version` of `key`.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; refused when the version exists.
    pub async fn commit_package(
        &self,
        job: &JobId,
        key: &ServiceKey,
        version: &PackageVersion,
    ) -> Result<(), SpawnError> {
        let body = (job.as_str(), key.as_str(), version.as_str());
        self.call(
            &format!("put {key} {version} in place"),
            FILES,
            "CommitPackage",
            &body,
        )
        .await
    }

    /// Gives the component of the version `version` of `key` the native code that a job has made.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; refused when the version does not exist.
    pub async fn commit_code(
        &self,
        job: &JobId,
        key: &ServiceKey,
        version: &PackageVersion,
    ) -> Result<(), SpawnError> {
        let operation = format!("put the code of {key} {version} in place");
        let body = (job.as_str(), key.as_str(), version.as_str());
        self.call(&operation, FILES, "CommitCode", &body).await
    }

    /// Ends a package job and removes what it built; harmless when there is none.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn drop_package(&self, job: &JobId) -> Result<(), SpawnError> {
        let operation = format!("clear package job {job}");
        self.call_again(&operation, FILES, "DropPackage", &(job.as_str(),))
            .await
            .or_else(SpawnError::none_is_fine)
    }

    /// Removes every version of a service's package; harmless when there is none.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn remove_package(&self, key: &ServiceKey) -> Result<(), SpawnError> {
        let operation = format!("remove the package of {key}");
        self.call_again(&operation, FILES, "RemovePackage", &(key.as_str(),))
            .await
            .or_else(SpawnError::none_is_fine)
    }

    /// Removes one version of a service's package; harmless when it is not there.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn remove_version(
        &self,
        key: &ServiceKey,
        version: &PackageVersion,
    ) -> Result<(), SpawnError> {
        let body = (key.as_str(), version.as_str());
        self.call_again(
            &format!("remove {key} {version}"),
            FILES,
            "RemoveVersion",
            &body,
        )
        .await
        .or_else(SpawnError::none_is_fine)
    }

    /// Points the link `current` of a service's package at a version.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn set_current(
        &self,
        key: &ServiceKey,
        version: &PackageVersion,
    ) -> Result<(), SpawnError> {
        let operation = format!("make {version} the version of {key}");
        let body = (key.as_str(), version.as_str());
        self.call_again(&operation, QUICK, "SetCurrent", &body)
            .await
    }

    async fn call<B, T>(
        &self,
        operation: &str,
        patience: Duration,
        method: &str,
        body: &B,
    ) -> Result<T, SpawnError>
    where
        B: Serialize + DynamicType + Sync,
        T: DeserializeOwned + Type,
    {
        let ask = async {
            let connection = self.bus.connection().await?;
            let reply = connection
                .call_method(Some(NAME), PATH, Some(NAME), method, body)
                .await?;
            reply.body().deserialize()
        };
        match tokio::time::timeout(patience, ask).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(SpawnError::of(operation, error)),
            Err(_) => Err(SpawnError::Timeout {
                operation: operation.to_owned(),
                waited_secs: patience.as_secs(),
            }),
        }
    }

    /// For what may be done twice.
    async fn call_again<B>(
        &self,
        operation: &str,
        patience: Duration,
        method: &str,
        body: &B,
    ) -> Result<(), SpawnError>
    where
        B: Serialize + DynamicType + Sync,
    {
        match self.call(operation, patience, method, body).await {
            Err(error) if error.is_transient() => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.call(operation, patience, method, body).await
            }
            outcome => outcome,
        }
    }
}
