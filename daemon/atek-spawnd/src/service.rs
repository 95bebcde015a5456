//! The D-Bus interface `cloud.atek.Spawn1`.
//!
//! Every request is parsed and validated here, also those of root; the bus admits
//! only root and atekd's user.

use crate::activity::Activity;
use crate::error::Error;
use crate::files::Folder;
use crate::layout::Layout;
use crate::leases::Leases;
use crate::manager::Systemd;
use crate::{
    credentials, disks, packages, properties, put_back, restored, snapshots, sources, state,
};
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::manifest::SidecarName;
use atek_api::moving::FileSystemId;
use atek_api::spec::{
    self, BackupSpec, BlockName, JobId, JobKind, PackageSpec, PackageVersion, Prefix, RelativePath,
    ServiceSpec, SnapshotName, paths,
};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;

/// The object's path.
pub(crate) const PATH: &str = "/cloud/atek/Spawn1";
/// The bus name.
pub(crate) const NAME: &str = "cloud.atek.Spawn1";

type Result<T> = std::result::Result<T, Error>;

/// The object on the bus.
#[derive(Debug)]
pub(crate) struct Spawn {
    systemd: Systemd,
    layout: Arc<Layout>,
    activity: Activity,
    services: Leases,
    jobs: Leases,
}

impl Spawn {
    pub(crate) fn new(systemd: Systemd, layout: Layout, activity: Activity) -> Self {
        Self {
            systemd,
            layout: Arc::new(layout),
            activity,
            services: Leases::default(),
            jobs: Leases::default(),
        }
    }

    /// Runs work on files where it does not hold up other calls.
    async fn on_files<T, E>(
        &self,
        work: impl FnOnce(&Layout) -> std::result::Result<T, E> + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        E: Into<Error> + Send + 'static,
    {
        let layout = Arc::clone(&self.layout);
        match spawn_blocking(move || work(&layout)).await {
            Ok(result) => result.map_err(Into::into),
            Err(error) => Err(Error::Failed(format!(
                "the work on files was aborted: {error}"
            ))),
        }
    }

    /// The units that run with a service's folders, whatever its id is: its own first.
    async fn running_with_key(&self, key: &ServiceKey) -> Result<Vec<String>> {
        let own = paths::directory_name(key);
        let of_sidecars = format!("{own}@");
        let is_one = |name: &str| name == own || name.starts_with(&of_sidecars);
        // systemd removes the runtime folder with the end of the unit: without one no unit
        // runs, and there is no need to ask about every unit.
        let mut names = Folder::open(&self.layout.runtime)?.names()?;
        let has_folder = names.any(|name| name.is_ok_and(|name| name.to_str().is_some_and(is_one)));
        if !has_folder {
            return Ok(Vec::new());
        }
        let mut units = self.systemd.units_with_folder(UNITS, is_one).await?;
        units.sort_by_key(|unit| unit.contains('@'));
        Ok(units)
    }

    /// Stops what is left of a service beside its own unit: its sidecars, its network, its slice.
    /// None is fine.
    async fn stop_beside(&self, id: &ServiceId, timeout: Duration) -> Result<()> {
        let (sidecars, slices) = (id.sidecar_units(), properties::slices(id));
        let network = id.network_unit();
        let mut units = self
            .systemd
            .units_named(&[&sidecars, &network, &slices])
            .await?;
        // Each behind what needs it, or is in it.
        units.sort_by_key(|unit| (unit.ends_with(".slice"), *unit == network));
        for unit in units {
            self.systemd.stop(&unit, timeout).await?;
        }
        Ok(())
    }

    /// Starts the units of a service, and tells how the start job of its own ended.
    async fn start_units(&self, spec: &ServiceSpec, sources: &sources::Sources) -> Result<String> {
        let version = self.systemd.version();
        let properties = properties::service(spec, sources, version);
        let mut beside = properties::sidecars(spec, sources, version);
        beside.push(properties::network(spec, version));
        if let Some((slice, properties)) = properties::app_slice(spec) {
            self.systemd.start_slice(&slice, &properties).await?;
        }
        let unit = spec.id.unit();
        let started = self
            .systemd
            .start_all(&unit, &properties, &beside, spec.start_timeout());
        let failed = tokio::select! {
            result = started => match result?.as_str() {
                "dependency" => self.inactive_sidecar(spec).await?,
                result => return Ok(result.to_owned()),
            },
            failing = self.failing_sidecar(spec) => failing?,
        };
        self.systemd.stop(&unit, spec::STOP_TIMEOUT).await?;
        self.stop_beside(&spec.id, spec::STOP_TIMEOUT).await?;
        Err(Error::Failed(match failed {
            Some(name) => format!(
                "its service {name} did not become ready: `journalctl -u {}` says why",
                spec.id.sidecar_unit(&name)
            ),
            None => format!(
                "its network was not made ready: `journalctl -u {}` says why",
                spec.id.network_unit()
            ),
        }))
    }

    /// The first sidecar that is not up.
    async fn inactive_sidecar(&self, spec: &ServiceSpec) -> Result<Option<SidecarName>> {
        for sidecar in &spec.sidecars {
            let unit = spec.id.sidecar_unit(&sidecar.name);
            if self.systemd.active_state(&unit).await?.as_deref() != Some("active") {
                return Ok(Some(sidecar.name.clone()));
            }
        }
        Ok(None)
    }

    /// Returns when a sidecar has failed several times, although systemd goes on trying.
    async fn failing_sidecar(&self, spec: &ServiceSpec) -> Result<Option<SidecarName>> {
        if spec.sidecars.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(SIDECAR_LOOK).await;
            for sidecar in &spec.sidecars {
                let unit = spec.id.sidecar_unit(&sidecar.name);
                if self.systemd.restarts(&unit).await? >= SIDECAR_TRIES {
                    return Ok(Some(sidecar.name.clone()));
                }
            }
        }
    }

    /// A service must not run when its state is taken.
    async fn require_down(&self, key: &ServiceKey) -> Result<()> {
        match self.running_with_key(key).await?.first() {
            Some(unit) => Err(Error::Busy(format!("{unit} is running: stop it first"))),
            None => Ok(()),
        }
    }

    /// A package job must not run when its files are taken.
    async fn require_ended(&self, job: &JobId) -> Result<()> {
        match self.systemd.active_state(&job.unit()).await?.as_deref() {
            None | Some("inactive" | "failed") => Ok(()),
            Some(_) => Err(Error::Busy(format!("the job {job} is still running"))),
        }
    }
}

#[zbus::interface(name = "cloud.atek.Spawn1")]
impl Spawn {
    /// Starts a service. `spec` is the JSON text of a `ServiceSpec`.
    ///
    /// Returns how systemd's start job ended: `done`, or `failed`, `timeout`, ….
    /// `done` means that the unit runs, not that the service answers already.
    async fn start_service(&self, spec: &str) -> Result<String> {
        let _call = self.activity.begin();
        let spec: ServiceSpec = json(spec)?;
        spec.validate()?;
        let _lease = self.services.take(spec.key.as_str())?;
        let unit = spec.id.unit();
        // Of an app whose own process has ended they may be on their way down.
        self.stop_beside(&spec.id, spec::STOP_TIMEOUT).await?;
        if let Some(other) = self.running_with_key(&spec.key).await?.first() {
            return Err(Error::Busy(format!(
                "{other} runs with the key {}",
                spec.key
            )));
        }
        let checked = spec.clone();
        let (sources, _held) = self
            .on_files(move |layout| {
                let opened = sources::open(layout, &checked)?;
                credentials::write(layout, &checked)?;
                Ok::<_, Error>(opened)
            })
            .await?;
        let result = self.start_units(&spec, &sources).await?;
        tracing::info!(unit, result, "started a service");
        Ok(result)
    }

    /// Stops a service, and returns when nothing of it runs. One that does not run is fine.
    ///
    /// After `timeout_ms` milliseconds, and at the latest after the unit's own time
    /// limit, it is killed.
    async fn stop_service(&self, id: &str, timeout_ms: u64) -> Result<()> {
        let _call = self.activity.begin();
        let id = service_id(id)?;
        let unit = id.unit();
        // Longer than systemd itself waits makes no sense.
        let longest = spec::STOP_TIMEOUT + Duration::from_secs(10);
        let timeout = Duration::from_millis(timeout_ms).min(longest);
        // Ports of the home are closed before it is told to stop.
        let network = id.network_unit();
        if let Err(error) = self.systemd.reload(&network, PORTS_TIMEOUT).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(unit, error, "could not close the ports of a service first");
        }
        self.systemd.stop(&unit, timeout).await?;
        self.stop_beside(&id, timeout).await?;
        tracing::info!(unit, "stopped a service");
        Ok(())
    }

    /// Forgets that a service failed, and how often it was restarted. Does nothing else to one that
    /// runs.
    async fn reset_failed(&self, id: &str) -> Result<()> {
        let _call = self.activity.begin();
        let id = service_id(id)?;
        for unit in self.systemd.units_named(&[&id.sidecar_units()]).await? {
            self.systemd.reset_failed(&unit).await?;
        }
        Ok(self.systemd.reset_failed(&id.unit()).await?)
    }

    /// Closes networks to the services that run without permission for the home. `networks` is
    /// the JSON text of a list of `Prefix`. What was closed before stays closed.
    async fn close_networks(&self, networks: &str) -> Result<()> {
        let _call = self.activity.begin();
        let networks: Vec<Prefix> = json(networks)?;
        spec::check_prefixes(&networks)?;
        let closed = properties::closed_networks(&networks);
        self.systemd.deny_addresses(UNITS, closed).await?;
        tracing::info!(networks = networks.len(), "closed the networks of the home");
        Ok(())
    }

    /// Removes the state, the runtime folder and the credentials of a service that does not run.
    async fn wipe_state(&self, key: &str) -> Result<()> {
        let _call = self.activity.begin();
        let key = service_key(key)?;
        let _lease = self.services.take(key.as_str())?;
        self.require_down(&key).await?;
        tracing::info!(%key, "wiping the state of a service");
        self.on_files(move |layout| state::wipe(layout, &key)).await
    }

    /// The bytes that the state of a service takes on the disk. It may run at the same time.
    async fn state_size(&self, key: &str) -> Result<u64> {
        let _call = self.activity.begin();
        let key = service_key(key)?;
        let size = self
            .on_files(move |layout| snapshots::state_size(layout, &key))
            .await?;
        Ok(size.bytes)
    }

    /// Makes a snapshot of the state of a service that does not run, in place of one of that name.
    /// Returns the bytes that it holds.
    async fn make_snapshot(&self, key: &str, name: &str) -> Result<u64> {
        let _call = self.activity.begin();
        let (key, name): (_, SnapshotName) = (service_key(key)?, name.parse()?);
        let _lease = self.services.take(key.as_str())?;
        self.require_down(&key).await?;
        let size = self
            .on_files(move |layout| snapshots::make(layout, &key, &name))
            .await?;
        Ok(size.bytes)
    }

    /// Makes a snapshot of the state of a service, which is paused for as long as that takes if it
    /// runs. Returns the bytes that it holds and the milliseconds of the pause.
    async fn snapshot_running(&self, key: &str, name: &str) -> Result<(u64, u64)> {
        let _call = self.activity.begin();
        let (key, name): (_, SnapshotName) = (service_key(key)?, name.parse()?);
        let _lease = self.services.take(key.as_str())?;
        let units = self.running_with_key(&key).await?;
        let begun = Instant::now();
        let mut frozen = Ok(());
        for unit in &units {
            frozen = frozen.and(self.systemd.freeze(unit).await);
        }
        let made = match frozen {
            Ok(()) => {
                self.on_files(move |layout| snapshots::make(layout, &key, &name))
                    .await
            }
            Err(error) => Err(error.into()),
        };
        // Each goes on, also where another one cannot.
        let mut thawed = Ok(());
        for unit in units.iter().rev() {
            thawed = thawed.and(self.systemd.thaw(unit).await);
        }
        let pause = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        thawed?;
        Ok((made?.bytes, if units.is_empty() { 0 } else { pause }))
    }

    /// Lets all services go on that an interrupted snapshot left paused.
    async fn thaw_services(&self) -> Result<()> {
        let _call = self.activity.begin();
        Ok(self.systemd.thaw_all(UNITS).await?)
    }

    /// Starts `atek-backup` with `channel` as its standard input and output. `request` is the JSON
    /// text of a `BackupSpec`. One runs at a time, and beside it one that only looks.
    async fn run_backup(&self, request: &str, channel: zbus::OwnedFd) -> Result<String> {
        let _call = self.activity.begin();
        let spec: BackupSpec = json(request)?;
        spec.validate()?;
        let (keys, whole) = (spec.restore.clone(), spec.whole);
        if let Some(disk) = &spec.disk {
            disks::check(disk)?;
        }
        self.on_files(move |layout| {
            if whole {
                restored::prepare(layout)?;
            }
            snapshots::prepare_all(layout)?;
            for key in &keys {
                snapshots::prepare(layout, key)?;
            }
            Ok::<_, Error>(())
        })
        .await?;
        let channel = std::os::fd::OwnedFd::from(channel);
        let output = channel.try_clone().map_err(zbus::Error::from)?;
        let properties = properties::backup(&spec, self.systemd.version(), channel, output);
        let unit = spec.unit();
        match self
            .systemd
            .start(unit, &properties, spec::START_TIMEOUT)
            .await?
            .as_str()
        {
            "done" => Ok(unit.to_owned()),
            result => Err(Error::Failed(format!(
                "the start of {unit} ended with {result:?}"
            ))),
        }
    }

    /// Has the disks that are plugged in listed to `channel`, as `lsblk` does.
    async fn list_disks(&self, channel: zbus::OwnedFd) -> Result<()> {
        let _call = self.activity.begin();
        let properties = properties::disks(self.systemd.version(), channel.into());
        let unit = spec::paths::DISKS_UNIT;
        match self
            .systemd
            .start(unit, &properties, spec::START_TIMEOUT)
            .await?
            .as_str()
        {
            "done" => Ok(()),
            result => Err(Error::Failed(format!(
                "the start of {unit} ended with {result:?}"
            ))),
        }
    }

    /// Makes a whole disk that nothing uses one for the data of the box: everything on it is lost.
    async fn make_data_disk(&self, device: &str, id: &str) -> Result<()> {
        let _call = self.activity.begin();
        let device: BlockName = parsed(device)?;
        let id: FileSystemId = parsed(id)?;
        disks::check_unused(&device)?;
        tracing::warn!(%device, %id, "making a disk for the data of the box");
        let properties = properties::data_disk(self.systemd.version(), &device, &id);
        let unit = spec::paths::DATA_DISK_UNIT;
        match self
            .systemd
            .start(unit, &properties, properties::MAKING)
            .await?
            .as_str()
        {
            "done" => Ok(()),
            _ => Err(Error::Failed(format!(
                "no file system could be made on {device}: `journalctl -t atek-data-disk` says why"
            ))),
        }
    }

    /// Ends the backups, restores and looks that run. None is fine.
    async fn stop_backup(&self) -> Result<()> {
        let _call = self.activity.begin();
        for unit in [spec::paths::BACKUP_UNIT, spec::paths::BACKUP_LOOK_UNIT] {
            self.systemd.stop(unit, JOB_STOP).await?;
        }
        Ok(())
    }

    /// Makes a snapshot the state of a service that does not run. With `keep` the snapshot stays;
    /// without, one that is not there was restored before, which is fine.
    async fn restore_snapshot(&self, key: &str, name: &str, keep: bool) -> Result<()> {
        let _call = self.activity.begin();
        let (key, name): (_, SnapshotName) = (service_key(key)?, name.parse()?);
        let _lease = self.services.take(key.as_str())?;
        self.require_down(&key).await?;
        tracing::info!(%key, %name, "restoring the state of a service");
        self.on_files(move |layout| snapshots::restore(layout, &key, &name, keep))
            .await
    }

    /// Puts one path of a snapshot among the files of a service that does not run, in the folder
    /// where it was, as `put_as`, and removes the snapshot.
    async fn put_restored_path(
        &self,
        key: &str,
        name: &str,
        path: &str,
        put_as: &str,
    ) -> Result<()> {
        let _call = self.activity.begin();
        let (key, name): (_, SnapshotName) = (service_key(key)?, name.parse()?);
        let (path, put_as): (RelativePath, RelativePath) = (path.parse()?, put_as.parse()?);
        if put_as.as_str().contains('/') {
            return Err(Error::InvalidSpec(format!("{put_as} is not one name")));
        }
        let _lease = self.services.take(key.as_str())?;
        self.require_down(&key).await?;
        tracing::info!(%key, "putting a file of a backup back");
        self.on_files(move |layout| {
            put_back::put(layout, &key, &name, &path, put_as.as_str().as_ref())
        })
        .await
    }

    /// Moves a snapshot into the state of a service, which may run, as a folder of this name.
    async fn lend_snapshot(&self, key: &str, name: &str, folder: &str) -> Result<()> {
        let _call = self.activity.begin();
        let (key, name): (_, SnapshotName) = (service_key(key)?, name.parse()?);
        let folder: SnapshotName = folder.parse()?;
        let _lease = self.services.take(key.as_str())?;
        self.on_files(move |layout| put_back::lend(layout, &key, &name, folder.as_str().as_ref()))
            .await
    }

    /// Removes a snapshot. One that is not there is fine.
    async fn remove_snapshot(&self, key: &str, name: &str) -> Result<()> {
        let _call = self.activity.begin();
        let (key, name): (_, SnapshotName) = (service_key(key)?, name.parse()?);
        let _lease = self.services.take(key.as_str())?;
        self.on_files(move |layout| snapshots::remove(layout, &key, &name))
            .await
    }

    /// Starts `atek-package` in a job's staging folder, with `channel` as its standard input
    /// and output. `request` is the JSON text of a `PackageSpec`. A fetch gets a new folder; a
    /// build works in the one that a fetch left.
    ///
    /// Returns the name of the unit. Of a job that failed it stays, with the reason, until
    /// `DropPackage`.
    async fn run_package(
        &self,
        job: &str,
        request: &str,
        channel: zbus::OwnedFd,
    ) -> Result<String> {
        let _call = self.activity.begin();
        let job: JobId = job.parse()?;
        let spec: PackageSpec = json(request)?;
        spec.validate()?;
        let _lease = self.jobs.take(job.as_str())?;
        self.require_ended(&job).await?;
        let channel = std::os::fd::OwnedFd::from(channel);
        let output = channel.try_clone().map_err(zbus::Error::from)?;
        let unit = job.unit();
        let (staged, folder, kind) = (job.clone(), spec.source_folder.clone(), spec.kind);
        let (source, _held) = self
            .on_files(move |layout| {
                let folder = folder.map(|path| sources::readable(layout, &path));
                let folder = folder.transpose()?;
                match kind {
                    JobKind::Fetch | JobKind::Compile => packages::stage(layout, &staged)?,
                    JobKind::Build => packages::require_staged(layout, &staged)?,
                }
                let identity = folder.as_ref().map(Folder::identity).transpose()?;
                Ok::<_, Error>((identity, folder))
            })
            .await?;
        let version = self.systemd.version();
        let properties = properties::job(&job, &spec, source, version, channel, output);
        let started = match self
            .systemd
            .start(&unit, &properties, spec::START_TIMEOUT)
            .await
        {
            Ok(result) if result == "done" => Ok(unit),
            Ok(result) => Err(Error::Failed(format!(
                "the start of {unit} ended with {result:?}"
            ))),
            Err(error) => Err(error.into()),
        };
        if started.is_err() {
            self.systemd.stop(&job.unit(), JOB_STOP).await?;
            self.on_files(move |layout| packages::unstage(layout, &job))
                .await?;
        }
        started
    }

    /// Installs what a job left in `package` as `version` of the service with `key`. The job must
    /// have ended.
    async fn commit_package(&self, job: &str, key: &str, version: &str) -> Result<()> {
        let _call = self.activity.begin();
        let (job, key, version) = (job.parse::<JobId>()?, service_key(key)?, version.parse()?);
        let _lease = self.jobs.take(job.as_str())?;
        self.require_ended(&job).await?;
        self.on_files(move |layout| packages::commit(layout, &job, &key, &version))
            .await
    }

    /// Puts the native code that a job left in `package` in the place of what the component of
    /// `version` of the service with `key` had. The job must have ended.
    async fn commit_code(&self, job: &str, key: &str, version: &str) -> Result<()> {
        let _call = self.activity.begin();
        let (job, key, version) = (job.parse::<JobId>()?, service_key(key)?, version.parse()?);
        let _lease = self.jobs.take(job.as_str())?;
        self.require_ended(&job).await?;
        self.on_files(move |layout| packages::commit_code(layout, &job, &key, &version))
            .await
    }

    /// Ends a job and removes its staging folder. One that is not there is fine.
    async fn drop_package(&self, job: &str) -> Result<()> {
        let _call = self.activity.begin();
        let job: JobId = job.parse()?;
        let _lease = self.jobs.take(job.as_str())?;
        self.systemd.stop(&job.unit(), JOB_STOP).await?;
        self.on_files(move |layout| packages::unstage(layout, &job))
            .await
    }

    /// Makes an installed version the one that `packages/KEY/current` names.
    async fn set_current(&self, key: &str, version: &str) -> Result<()> {
        let _call = self.activity.begin();
        let (key, version) = (service_key(key)?, version.parse()?);
        self.on_files(move |layout| packages::set_current(layout, &key, &version))
            .await
    }

    /// Installs a package that a restore of the whole box fetched, as the current version. One that
    /// was installed before is fine.
    async fn put_restored_package(&self, key: &str, version: &str) -> Result<()> {
        let _call = self.activity.begin();
        let (key, version) = (service_key(key)?, version.parse()?);
        self.on_files(move |layout| restored::put_package(layout, &key, &version))
            .await
    }

    /// Removes what restores fetched and did not put in place. Nothing there is fine.
    async fn drop_restored(&self) -> Result<()> {
        let _call = self.activity.begin();
        self.on_files(restored::drop_all).await
    }

    /// Removes one installed version. One that is not there is fine.
    async fn remove_version(&self, key: &str, version: &str) -> Result<()> {
        let _call = self.activity.begin();
        let (key, version): (_, PackageVersion) = (service_key(key)?, version.parse()?);
        self.on_files(move |layout| packages::remove_version(layout, &key, &version))
            .await
    }

    /// Removes everything installed for a service. Nothing there is fine.
    async fn remove_package(&self, key: &str) -> Result<()> {
        let _call = self.activity.begin();
        let key = service_key(key)?;
        self.on_files(move |layout| packages::remove(layout, &key))
            .await
    }
}

/// How long a package job may take to end before it is killed; longer than systemd gives it.
const JOB_STOP: Duration = Duration::from_secs(8);
/// How often a sidecar may be started again before the start of its app has failed, and how often
/// that is looked at.
const SIDECAR_TRIES: u32 = 3;
const SIDECAR_LOOK: Duration = Duration::from_millis(500);
/// The services' units.
const UNITS: &str = "atek-app-*.service";
/// How long the ports of a service may take to be closed before it is stopped all the same.
const PORTS_TIMEOUT: Duration = Duration::from_secs(10);

fn json<T: DeserializeOwned>(text: &str) -> Result<T> {
    // The text has a service's configuration; serde's message may quote a value, the place does
    // not.
    serde_json::from_str(text).map_err(|error| {
        Error::InvalidSpec(format!(
            "the specification is malformed at line {} column {}",
            error.line(),
            error.column()
        ))
    })
}

fn service_id(text: &str) -> Result<ServiceId> {
    text.parse()
        .map_err(|error| Error::InvalidSpec(format!("{error}")))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T> {
    text.parse()
        .map_err(|error: T::Err| Error::InvalidSpec(error.to_string()))
}

fn service_key(text: &str) -> Result<ServiceKey> {
    text.parse()
        .map_err(|error| Error::InvalidSpec(format!("{error}")))
}
