//! systemd, as far as this program uses it.

use crate::properties::{Property, Unit, Version};
use futures_util::StreamExt as _;
use std::time::Duration;
use zbus::{Connection, OwnedObjectPath, Variant};

/// The part of `org.freedesktop.systemd1.Manager` that is needed here.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    /// Asks the manager to emit signals to this connection.
    fn subscribe(&self) -> zbus::Result<()>;

    /// Queues a start job for a new transient unit; returns before the job runs.
    fn start_transient_unit(
        &self,
        name: &str,
        mode: &str,
        properties: &[(&str, Variant<'_>)],
        aux: &[(&str, &[(&str, Variant<'_>)])],
    ) -> zbus::Result<OwnedObjectPath>;

    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    fn reload_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    fn kill_unit(&self, name: &str, whom: &str, signal: i32) -> zbus::Result<()>;

    fn reset_failed_unit(&self, name: &str) -> zbus::Result<()>;

    /// Stops all processes of a unit where they are; returns when they are stopped.
    fn freeze_unit(&self, name: &str) -> zbus::Result<()>;

    fn thaw_unit(&self, name: &str) -> zbus::Result<()>;

    fn set_unit_properties(
        &self,
        name: &str,
        runtime: bool,
        properties: &[(&str, &Variant<'_>)],
    ) -> zbus::Result<()>;

    fn get_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;

    /// Names and states of the loaded units whose name matches.
    fn list_units_by_patterns(
        &self,
        states: &[&str],
        patterns: &[&str],
    ) -> zbus::Result<Vec<ListedUnit>>;

    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> zbus::Result<String>;

    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

/// Name, description, load state, active state, sub state, followed unit, path, job id, job type,
/// job path.
type ListedUnit = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Unit",
    default_service = "org.freedesktop.systemd1"
)]
trait Unit {
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_state(&self) -> zbus::Result<String>;

    /// `running`, `frozen`, or on the way to one of them.
    #[zbus(property(emits_changed_signal = "false"))]
    fn freezer_state(&self) -> zbus::Result<String>;
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Service",
    default_service = "org.freedesktop.systemd1"
)]
trait Service {
    #[zbus(property(emits_changed_signal = "false"))]
    fn runtime_directory(&self) -> zbus::Result<Vec<String>>;

    #[zbus(property(emits_changed_signal = "false"), name = "NRestarts")]
    fn restarts(&self) -> zbus::Result<u32>;

    #[zbus(property(emits_changed_signal = "false"), name = "IPAddressDeny")]
    fn ip_address_deny(&self) -> zbus::Result<Vec<(i32, Vec<u8>, u32)>>;
}

/// How long to wait for a job beyond the unit's own time limits.
const JOB_MARGIN: Duration = Duration::from_secs(15);
/// How long systemd may take to make a slice, which runs nothing.
const SLICE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a unit may take to go after SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Something that systemd did not do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SystemdError {
    #[error("systemd did not accept the call")]
    Bus(#[from] zbus::Error),
    #[error("systemd {0} is too old, Atek needs {min} or newer", min = Version::OLDEST.0)]
    TooOld(String),
    #[error("{0} is running already")]
    Running(String),
    #[error("systemd did not make the slice {0}")]
    SliceNotMade(String),
    #[error("systemd closed its signal stream")]
    SignalsClosed,
    #[error("the job of {unit} did not end within {waited_secs} s")]
    JobTimeout { unit: String, waited_secs: u64 },
}

impl SystemdError {
    fn is_no_such_unit(error: &zbus::Error) -> bool {
        Self::is_named(error, "org.freedesktop.systemd1.NoSuchUnit")
    }

    fn is_named(error: &zbus::Error, name: &str) -> bool {
        matches!(error, zbus::Error::MethodError(other, ..) if other.as_str() == name)
    }
}

/// A connection to systemd that receives its signals.
#[derive(Debug, Clone)]
pub(crate) struct Systemd {
    manager: ManagerProxy<'static>,
    connection: Connection,
    version: Version,
}

impl Systemd {
    pub(crate) async fn connect(connection: &Connection) -> Result<Self, SystemdError> {
        let manager = ManagerProxy::new(connection).await?;
        let text = manager.version().await?;
        let version = Version::parse(&text)
            .filter(|version| *version >= Version::OLDEST)
            .ok_or(SystemdError::TooOld(text))?;
        manager.subscribe().await?;
        Ok(Self {
            manager,
            connection: connection.clone(),
            version,
        })
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Starts a transient unit and returns how its start job ended: `done`, `failed`,
    /// `canceled`, `timeout`, `dependency`, `skipped`.
    ///
    /// What is left of an earlier, failed unit of this name makes way.
    ///
    /// # Errors
    ///
    /// [`SystemdError::Running`] if a unit of this name has not ended.
    pub(crate) async fn start(
        &self,
        unit: &str,
        properties: &[Property],
        start_timeout: Duration,
    ) -> Result<String, SystemdError> {
        self.start_all(unit, properties, &[], start_timeout).await
    }

    /// The same with further units, which are made with it, and started if it requires them.
    pub(crate) async fn start_all(
        &self,
        unit: &str,
        properties: &[Property],
        further: &[Unit],
        start_timeout: Duration,
    ) -> Result<String, SystemdError> {
        let names: Vec<&str> = further.iter().map(|(name, _)| name.as_str()).collect();
        let names = [&names[..], &[unit]].concat();
        // Nothing of a name has a meaning in a pattern.
        for listed in self.manager.list_units_by_patterns(&[], &names).await? {
            let (name, state) = (listed.0, listed.3);
            match state.as_str() {
                "inactive" => {}
                "failed" => self.reset_failed(&name).await?,
                _ => return Err(SystemdError::Running(name)),
            }
        }
        let further: Vec<(&str, &[Property])> = further
            .iter()
            .map(|(name, properties)| (name.as_str(), properties.as_slice()))
            .collect();
        // Listen before asking: a short job can end before the reply arrives.
        let removed = self.manager.receive_job_removed().await?;
        let started = self
            .manager
            .start_transient_unit(unit, "fail", properties, &further)
            .await;
        let job = match started {
            Err(error) if SystemdError::is_named(&error, "org.freedesktop.systemd1.UnitExists") => {
                return Err(SystemdError::Running(unit.to_owned()));
            }
            started => started?,
        };
        wait(removed, &job, unit, start_timeout + JOB_MARGIN).await
    }

    /// Makes a slice, or gives one that is there other properties.
    pub(crate) async fn start_slice(
        &self,
        slice: &str,
        properties: &[Property],
    ) -> Result<(), SystemdError> {
        if self.active_state(slice).await?.as_deref() == Some("active") {
            // Its name says what it is; it cannot be changed any more.
            let changed: Vec<(&str, &Variant<'_>)> = properties
                .iter()
                .filter(|(name, _)| *name != "Description")
                .map(|(name, value)| (*name, value))
                .collect();
            let set = self.manager.set_unit_properties(slice, true, &changed);
            return Ok(set.await?);
        }
        let started = self.start(slice, properties, SLICE_TIMEOUT).await;
        match started?.as_str() {
            "done" => Ok(()),
            _ => Err(SystemdError::SliceNotMade(slice.to_owned())),
        }
    }

    /// The names of the units of some patterns that are loaded, whatever their state.
    pub(crate) async fn units_named(&self, patterns: &[&str]) -> Result<Vec<String>, SystemdError> {
        let listed = self.manager.list_units_by_patterns(&[], patterns).await?;
        Ok(listed.into_iter().map(|listed| listed.0).collect())
    }

    /// Stops a unit and forgets how it ended. One that is not there is fine.
    ///
    /// A unit that is not gone after `timeout` gets SIGKILL.
    pub(crate) async fn stop(&self, unit: &str, timeout: Duration) -> Result<(), SystemdError> {
        let removed = self.manager.receive_job_removed().await?;
        let job = match self.manager.stop_unit(unit, "replace").await {
            Err(error) if SystemdError::is_no_such_unit(&error) => return Ok(()),
            stopping => stopping?,
        };
        match wait(removed, &job, unit, timeout).await {
            Err(SystemdError::JobTimeout { .. }) => {
                let removed = self.manager.receive_job_removed().await?;
                self.ignore_missing(
                    self.manager
                        .kill_unit(unit, "all", nix::libc::SIGKILL)
                        .await,
                )?;
                // It may have ended in between, and its signal with it.
                let ended = self.active_state(unit).await?;
                if !matches!(ended.as_deref(), None | Some("inactive" | "failed")) {
                    wait(removed, &job, unit, KILL_TIMEOUT).await?;
                }
            }
            ended => drop(ended?),
        }
        self.reset_failed(unit).await
    }

    /// Has a unit do what it has for being reloaded. One that is not there, or has nothing for
    /// that, is fine.
    pub(crate) async fn reload(&self, unit: &str, timeout: Duration) -> Result<(), SystemdError> {
        const NOTHING_TO_DO: &str = "org.freedesktop.systemd1.JobTypeNotApplicable";
        let removed = self.manager.receive_job_removed().await?;
        let job = match self.manager.reload_unit(unit, "replace").await {
            Err(error) if SystemdError::is_no_such_unit(&error) => return Ok(()),
            Err(error) if SystemdError::is_named(&error, NOTHING_TO_DO) => return Ok(()),
            reloading => reloading?,
        };
        wait(removed, &job, unit, timeout).await.map(drop)
    }

    /// Forgets that a unit failed, and how often it was restarted. One that is not there is fine.
    pub(crate) async fn reset_failed(&self, unit: &str) -> Result<(), SystemdError> {
        self.ignore_missing(self.manager.reset_failed_unit(unit).await)
    }

    /// `active`, `failed`, `inactive`, `activating`, `deactivating`; none if there is no such unit.
    pub(crate) async fn active_state(&self, unit: &str) -> Result<Option<String>, SystemdError> {
        let path = match self.manager.get_unit(unit).await {
            Err(error) if SystemdError::is_no_such_unit(&error) => return Ok(None),
            path => path?,
        };
        let unit = UnitProxy::builder(&self.connection)
            .path(path)
            .build()
            .await?;
        match unit.active_state().await {
            Err(error) if is_gone(&error) => Ok(None),
            state => Ok(Some(state?)),
        }
    }

    /// How often systemd has started a unit again since it was asked to; 0 if there is none.
    pub(crate) async fn restarts(&self, unit: &str) -> Result<u32, SystemdError> {
        let path = match self.manager.get_unit(unit).await {
            Err(error) if SystemdError::is_no_such_unit(&error) => return Ok(0),
            path => path?,
        };
        let service = ServiceProxy::builder(&self.connection)
            .path(path)
            .build()
            .await?;
        match service.restarts().await {
            Err(error) if is_gone(&error) => Ok(0),
            times => Ok(times?),
        }
    }

    /// Stops all processes of a unit where they are.
    pub(crate) async fn freeze(&self, unit: &str) -> Result<(), SystemdError> {
        Ok(self.manager.freeze_unit(unit).await?)
    }

    /// Lets the processes of a unit go on. One that is not there, or is not stopped, is fine.
    pub(crate) async fn thaw(&self, unit: &str) -> Result<(), SystemdError> {
        self.ignore_missing(self.manager.thaw_unit(unit).await)
    }

    /// Lets the processes of all units of a pattern go on that are stopped where they are.
    pub(crate) async fn thaw_all(&self, pattern: &str) -> Result<(), SystemdError> {
        let units = self
            .manager
            .list_units_by_patterns(&["active", "activating", "reloading"], &[pattern])
            .await?;
        for listed in units {
            let unit = UnitProxy::builder(&self.connection)
                .path(listed.6)
                .build()
                .await?;
            match unit.freezer_state().await {
                Err(error) if is_gone(&error) => {}
                state => {
                    if state?.starts_with("fr") {
                        self.thaw(&listed.0).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The units that run with one of the runtime folders that `is_one` tells.
    pub(crate) async fn units_with_folder(
        &self,
        pattern: &str,
        is_one: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, SystemdError> {
        let mut found = Vec::new();
        let states = ["active", "activating", "reloading", "deactivating"];
        for listed in self
            .manager
            .list_units_by_patterns(&states, &[pattern])
            .await?
        {
            let service = ServiceProxy::builder(&self.connection)
                .path(listed.6)
                .build()
                .await?;
            match service.runtime_directory().await {
                Err(error) if is_gone(&error) => {}
                folders => {
                    if folders?.iter().any(|folder| is_one(folder)) {
                        found.push(listed.0);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Denies addresses to the units that have such a list, beside what it has.
    pub(crate) async fn deny_addresses(
        &self,
        pattern: &str,
        addresses: Variant<'static>,
    ) -> Result<(), SystemdError> {
        let states = ["active", "activating", "reloading"];
        let units = self
            .manager
            .list_units_by_patterns(&states, &[pattern])
            .await?;
        for listed in units {
            let service = ServiceProxy::builder(&self.connection)
                .path(listed.6)
                .build()
                .await?;
            match service.ip_address_deny().await {
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error.into()),
                Ok(denied) if denied.is_empty() => continue,
                Ok(_) => {}
            }
            let changed = [("IPAddressDeny", &addresses)];
            let set = self
                .manager
                .set_unit_properties(&listed.0, true, &changed)
                .await;
            self.ignore_missing(set)?;
        }
        Ok(())
    }

    fn ignore_missing(&self, result: zbus::Result<()>) -> Result<(), SystemdError> {
        match result {
            Err(error) if SystemdError::is_no_such_unit(&error) => Ok(()),
            result => Ok(result?),
        }
    }
}

/// Whether the unit went away between asking for its path and asking it something.
fn is_gone(error: &zbus::Error) -> bool {
    SystemdError::is_named(error, "org.freedesktop.DBus.Error.UnknownObject")
        || matches!(error, zbus::Error::FDO(error) if matches!(**error, zbus::fdo::Error::UnknownObject(_)))
}

async fn wait(
    mut removed: JobRemovedStream,
    job: &OwnedObjectPath,
    unit: &str,
    deadline: Duration,
) -> Result<String, SystemdError> {
    let ended = async {
        while let Some(signal) = removed.next().await {
            let args = signal.args()?;
            if args.job == *job {
                return Ok(args.result);
            }
        }
        Err(SystemdError::SignalsClosed)
    };
    tokio::time::timeout(deadline, ended)
        .await
        .unwrap_or_else(|_| {
            Err(SystemdError::JobTimeout {
                unit: unit.to_owned(),
                waited_secs: deadline.as_secs(),
            })
        })
}

#[cfg(test)]
mod tests;
