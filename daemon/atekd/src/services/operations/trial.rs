//! A trial: a version put in place of another, watched, and kept or taken back with its data. The
//! stages are drawn in `services/updates/machine.rs`.

use super::context::Operations;
use crate::database::ServiceRecord;
use crate::error_chain::DisplayChain;
use crate::jobs::Reporter;
use crate::journal::Subject;
use crate::packages::Staged;
use crate::services::crash_point;
use crate::services::definition::{self, Definition};
use crate::services::describe;
use crate::services::error::OperationError;
use crate::services::intents;
use crate::services::probe::Probe;
use crate::services::state::{WaitFor, WaitOutcome};
use crate::services::supervisor::Command;
use crate::services::updates::ledger::Ledger;
use crate::services::updates::machine::{Journal, Stage, telling_lines};
use crate::services::updates::now_text;
use crate::system;
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::services::{JobEvent, LogOptions, ServiceSettings, UpdateDone};
use atek_api::spec::{PackageVersion, SnapshotName};
use atek_api::updates::{SnapshotInfo, UpdateEntry, UpdateOutcome};
use jiff::Timestamp;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The pause between two looks at a version on trial.
const LOOK: Duration = Duration::from_secs(1);
/// Looks in a row that must fail; one may meet a program that is busy.
const FAILED_LOOKS: u32 = 3;
/// Free bytes below which a version on trial has filled the disk.
const DISK_FULL: u64 = 16 << 20;
/// How long a version that failed may take to end before it is killed.
const LAST_STOP: Duration = Duration::from_secs(3);

/// A version that is to take the place of the installed one.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) record: Arc<ServiceRecord>,
    /// The record with the new version.
    pub(super) new: ServiceSettings,
    /// The name of its folder.
    pub(super) version: PackageVersion,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) origin: Origin,
    /// How it is remembered if it is kept.
    pub(super) outcome: UpdateOutcome,
    /// In whose name.
    pub(super) by: UserKey,
}

/// Where the version on trial comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A job has just built it.
    Staged(Staged),
    /// It is installed still. Its data of that time is put back, where a snapshot is named.
    Installed { restore: Option<SnapshotName> },
}

/// Why the new version was not taken.
pub(super) enum TryError {
    DoesNotRun(String),
    Other(OperationError),
}

impl TryError {
    /// What does not run, for a reason that a state tells.
    pub(super) fn does_not_run(reason: Option<String>) -> Self {
        let reason = reason.unwrap_or_else(|| "it stopped by itself".to_owned());
        Self::DoesNotRun(for_one_that_stays_down(&reason))
    }
}

impl<E: Into<OperationError>> From<E> for TryError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// What a trial went through.
#[derive(Debug, Default)]
struct TrialRecord {
    /// When the service was stopped.
    stopped: Option<Instant>,
    down: Option<Duration>,
    snapshot: Option<SnapshotInfo>,
}

impl Operations {
    /// Puts a version in place and watches it; takes it back if it does not work. The caller has
    /// the lock.
    pub(super) async fn try_out(
        self: &Arc<Self>,
        trial: Trial,
        progress: &Reporter,
    ) -> Result<UpdateDone, OperationError> {
        let Trial {
            record, to, from, ..
        } = &trial;
        let (record, to, from) = (record.clone(), to.clone(), from.clone());
        let (key, version) = (record.key.clone(), trial.version.clone());
        let began = Timestamp::now();
        let mut journal = Journal {
            stage: Stage::Installing,
            from: from.clone(),
            to: to.clone(),
            snapshot: None,
            began: now_text(),
            reason: None,
        };
        let keeps_new = matches!(trial.origin, Origin::Installed { .. });
        let outcome = trial.outcome;
        let mut course = TrialRecord::default();
        let tried = self
            .put_in_place(trial, &mut journal, &mut course, progress)
            .await;
        let result = match tried {
            Ok(()) => {
                self.keep(&record, &version, &journal, &course, outcome)
                    .await;
                Ok(UpdateDone {
                    installed_version: to,
                    old_version: from,
                })
            }
            Err(error) => {
                let reason = match &error {
                    TryError::DoesNotRun(reason) => Some(reason.clone()),
                    TryError::Other(_) => None,
                };
                journal.reason = reason.clone();
                let remove = (!keeps_new).then_some(&version);
                let log = self.take_back(&record, remove, &journal, began).await;
                Err(match error {
                    TryError::DoesNotRun(reason) => OperationError::RolledBack {
                        id: record.settings.id.clone(),
                        new: to,
                        old: from,
                        reason,
                        log,
                    },
                    TryError::Other(error) => error,
                })
            }
        };
        self.supervisor.hold(&key, false).await;
        result
    }

    /// Goes through the stages up to the stored record.
    async fn put_in_place(
        &self,
        trial: Trial,
        journal: &mut Journal,
        course: &mut TrialRecord,
        progress: &Reporter,
    ) -> Result<(), TryError> {
        let key = &trial.record.key;
        self.enter(key, journal, Stage::Installing)?;
        let restore = match trial.origin {
            Origin::Staged(staged) => {
                // A leftover of an update that was cut off.
                self.spawn.remove_version(key, &trial.version).await?;
                staged.commit(key, &trial.version).await?;
                None
            }
            Origin::Installed { restore } => restore,
        };
        crash_point::reached("update.committed");
        let old = Definition::installed(key.clone(), Arc::new(trial.record.settings.clone()));
        let runs = self.supervisor.snapshot(key).await?.state.is_up();
        let page_was_fine = runs
            && Probe::of(&old, self.attach.port_slot(key))
                .page_status()
                .await
                .is_some_and(|s| s < 500);
        let name = snapshot_name();
        journal.snapshot = Some(name.clone());
        self.supervisor.hold(key, true).await;
        self.enter(key, journal, Stage::Saving)?;
        if runs {
            course.stopped = Some(Instant::now());
            self.supervisor.stop(key).await?;
        }
        crash_point::reached("update.stopped");
        let bytes = self.spawn.make_snapshot(key, &name).await?;
        course.snapshot = Some(SnapshotInfo {
            name,
            at: now_text(),
            version: Some(trial.from.clone()),
            bytes,
            automatic: true,
        });
        self.database.begin_trial(key).await?;
        crash_point::reached("update.saved");
        self.enter(key, journal, Stage::Trying)?;
        if let Some(restore) = restore {
            self.spawn.restore_snapshot(key, &restore, true).await?;
        }
        let new = Arc::new(trial.new);
        self.supervisor
            .override_settings(key, Some(new.clone()))
            .await;
        if runs || new.manifest.as_ref().is_some_and(|manifest| manifest.sleep) && !new.stopped {
            self.start_on_trial(key, course).await?;
            crash_point::reached("update.started");
            self.watch(key, new.clone(), page_was_fine, progress)
                .await?;
        }
        crash_point::reached("update.tried");
        let by = trial.by;
        let stored = self.change_settings(key, move |settings| {
            settings.package = new.package.clone();
            settings.manifest = new.manifest.clone();
            if settings.granted != new.granted {
                settings.granted = new.granted.clone();
                settings.note_grants(&by, &now_text());
            }
            settings.limits = new.limits;
        });
        stored.await?;
        crash_point::reached("update.stored");
        Ok(())
    }

    /// Writes the stage down before anything of it is done.
    fn enter(
        &self,
        key: &ServiceKey,
        journal: &mut Journal,
        stage: Stage,
    ) -> Result<(), OperationError> {
        *journal = journal.at(stage);
        intents::begin(self.layout.state(), key, journal)?;
        self.updates_are_new();
        Ok(())
    }

    async fn start_on_trial(
        &self,
        key: &ServiceKey,
        course: &mut TrialRecord,
    ) -> Result<(), TryError> {
        match self.supervisor.start(key, Command::Start).await {
            Ok(()) => {
                course.down = course.stopped.map(|stopped| stopped.elapsed());
                Ok(())
            }
            Err(error @ (OperationError::NotFound(_) | OperationError::ShuttingDown)) => {
                Err(error.into())
            }
            Err(OperationError::NotRunning { reason, .. }) => {
                Err(TryError::DoesNotRun(for_one_that_stays_down(&reason)))
            }
            Err(error) => Err(TryError::DoesNotRun(error.to_string())),
        }
    }

    /// Watches a version that runs, for as long as it is on probation.
    pub(super) async fn watch(
        &self,
        key: &ServiceKey,
        new: Arc<ServiceSettings>,
        page_was_fine: bool,
        progress: &Reporter,
    ) -> Result<(), TryError> {
        let definition = Definition::installed(key.clone(), new);
        let probe = Probe::of(&definition, self.attach.port_slot(key));
        let end = Instant::now() + self.updates.probation();
        progress.report(JobEvent::Progress {
            phase: "start".to_owned(),
            message: format!(
                "it runs; watching it for {} s before it is kept",
                self.updates.probation().as_secs()
            ),
            percent: None,
        });
        let mut ends = std::pin::pin!(self.supervisor.command(
            key,
            Command::Watch,
            WaitFor::NotRunning
        ));
        let mut failed = 0;
        // One whose last look failed is looked at until it is decided.
        while Instant::now() < end || failed > 0 {
            tokio::select! {
                ended = &mut ends => {
                    let reason = match ended? {
                        WaitOutcome::Missed(state) => {
                            describe::state(&state, &definition.effective_limits()).1
                        }
                        WaitOutcome::Reached => None,
                    };
                    return Err(TryError::does_not_run(reason));
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            if system::room(self.layout.state()) < DISK_FULL {
                return Err(TryError::DoesNotRun("it filled the disk".to_owned()));
            }
            failed = match probe.still_well(page_was_fine).await {
                Ok(()) => 0,
                Err(reason) if failed + 1 >= FAILED_LOOKS => {
                    return Err(TryError::DoesNotRun(reason));
                }
                Err(_) => failed + 1,
            };
        }
        Ok(())
    }

    /// After the record names the new version: remembers it and removes what is left of others.
    async fn keep(
        &self,
        record: &ServiceRecord,
        version: &PackageVersion,
        journal: &Journal,
        course: &TrialRecord,
        outcome: UpdateOutcome,
    ) {
        let key = &record.key;
        self.supervisor.override_settings(key, None).await;
        let mut ledger = Ledger::read(self.layout.state(), key);
        ledger.snapshots.splice(0..0, course.snapshot.clone());
        ledger.refused.retain(|refused| refused.tag != journal.to);
        if outcome == UpdateOutcome::WentBack {
            ledger.refuse(&journal.from, "a person went back from it", &now_text());
        }
        ledger.asks_for_more = None;
        ledger.look.found = None;
        ledger.note(UpdateEntry {
            at: now_text(),
            from: journal.from.clone(),
            to: journal.to.clone(),
            outcome,
            reason: None,
            log: Vec::new(),
            down_ms: course.down.map(millis),
        });
        self.write_ledger(&mut ledger, key);
        let before = definition::installed_version(&record.settings);
        self.finish_update(key, version, before.as_ref()).await;
    }

    /// Once the record names `new`: ends the trial of the databases, sets the link for people,
    /// removes all versions but two and all automatic snapshots but one. May be repeated.
    pub(super) async fn finish_update(
        &self,
        key: &ServiceKey,
        new: &PackageVersion,
        old: Option<&PackageVersion>,
    ) {
        if let Err(error) = self.database.end_trial(key, false).await {
            // The journal stays, so the next start asks again.
            tracing::error!(%key, error = %DisplayChain(&error), "cannot end the trial of its databases");
            return;
        }
        if let Err(error) = self.spawn.set_current(key, new).await {
            tracing::warn!(%key, error = %DisplayChain(&error), "cannot set the link to the version");
        }
        let folder = atek_api::spec::paths::package_versions(key);
        let versions = fs::read_dir(&folder).into_iter().flatten();
        let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let others: Vec<PackageVersion> = versions
            .filter(|version| version != new && Some(version) != old)
            .collect();
        for version in others {
            if let Err(error) = self.spawn.remove_version(key, &version).await {
                tracing::warn!(%key, %version, error = %DisplayChain(&error), "cannot remove an old version");
            }
        }
        self.remove_old_snapshots(key).await;
        intents::end::<Journal>(self.layout.state(), key);
        self.updates_are_new();
    }

    /// Keeps the newest of the snapshots that updates made.
    async fn remove_old_snapshots(&self, key: &ServiceKey) {
        let mut ledger = Ledger::read(self.layout.state(), key);
        let mut seen = false;
        let (keep, old): (Vec<_>, Vec<_>) = std::mem::take(&mut ledger.snapshots)
            .into_iter()
            .partition(|snapshot| !snapshot.automatic || !std::mem::replace(&mut seen, true));
        if old.is_empty() {
            return;
        }
        ledger.snapshots = keep;
        for snapshot in old {
            if let Err(error) = self.spawn.remove_snapshot(key, &snapshot.name).await {
                tracing::warn!(%key, error = %DisplayChain(&error), "cannot remove an old copy of its data");
            }
        }
        self.write_ledger(&mut ledger, key);
    }

    /// Runs the version that the record names, with the data that it had. Returns the lines of the
    /// log that tell why the other failed.
    async fn take_back(
        &self,
        record: &ServiceRecord,
        remove: Option<&PackageVersion>,
        journal: &Journal,
        began: Timestamp,
    ) -> Vec<String> {
        let key = &record.key;
        tracing::warn!(%key, to = journal.to, reason = journal.reason, "an update is taken back");
        let detected = Instant::now();
        let undone = self.undo(record, journal).await;
        let log = match &journal.reason {
            Some(_) => self.telling_log(record, began).await,
            None => Vec::new(),
        };
        if let Err(error) = undone {
            // The journal says what is left to be done; the next start of the host does it.
            tracing::error!(%key, error = %DisplayChain(&error), "an update could not be taken back");
            return log;
        }
        self.supervisor.override_settings(key, None).await;
        let wanted = self
            .updatable(key)
            .is_ok_and(|record| !record.settings.stopped);
        if wanted && let Err(error) = self.supervisor.start(key, Command::Start).await {
            tracing::error!(%key, error = %DisplayChain(&error), "the old version does not run either");
        }
        let outcome = match journal.reason {
            Some(_) => UpdateOutcome::RolledBack,
            None => UpdateOutcome::Failed,
        };
        let down = detected.elapsed();
        self.remember_undone(key, journal, outcome, log.clone(), Some(down));
        self.remove_tried(key, remove).await;
        log
    }

    /// Stops what is on trial and puts data and databases back. May be repeated.
    pub(super) async fn undo(
        &self,
        record: &ServiceRecord,
        journal: &Journal,
    ) -> Result<(), OperationError> {
        let key = &record.key;
        if matches!(journal.stage, Stage::Trying | Stage::RollingBack) {
            let next = journal.at(Stage::RollingBack);
            if let Err(error) = intents::begin(self.layout.state(), key, &next) {
                // On a disk that the new version has filled. The stage before leads to the same.
                tracing::warn!(%key, error = %DisplayChain(&error), "cannot write the journal");
            }
            self.updates_are_new();
            crash_point::reached("update.undoing");
            let known = self.supervisor.snapshot(key).await?;
            self.spawn
                .stop_service_within(&known.definition.unit_id(), LAST_STOP)
                .await?;
            if self.supervisor.snapshot(key).await?.state.is_up() {
                self.supervisor.stop(key).await?;
            }
            if let Some(snapshot) = &journal.snapshot {
                self.spawn.restore_snapshot(key, snapshot, false).await?;
            }
            crash_point::reached("update.restored");
        } else if let Some(snapshot) = &journal.snapshot {
            self.spawn.remove_snapshot(key, snapshot).await?;
        }
        self.database.end_trial(key, true).await?;
        Ok(())
    }

    /// Notes how an update ended that was taken back; one that failed is refused.
    pub(super) fn remember_undone(
        &self,
        key: &ServiceKey,
        journal: &Journal,
        outcome: UpdateOutcome,
        log: Vec<String>,
        down: Option<Duration>,
    ) {
        let mut ledger = Ledger::read(self.layout.state(), key);
        if outcome == UpdateOutcome::RolledBack
            && let Some(reason) = &journal.reason
        {
            ledger.refuse(&journal.to, reason, &now_text());
        }
        ledger.note(UpdateEntry {
            at: now_text(),
            from: journal.from.clone(),
            to: journal.to.clone(),
            outcome,
            reason: journal.reason.clone(),
            log,
            down_ms: down.map(millis),
        });
        self.write_ledger(&mut ledger, key);
    }

    /// Removes the version that was tried, and then the journal.
    pub(super) async fn remove_tried(&self, key: &ServiceKey, version: Option<&PackageVersion>) {
        let removed = match version {
            Some(version) => self.spawn.remove_version(key, version).await,
            None => Ok(()),
        };
        match removed {
            Ok(()) => {
                intents::end::<Journal>(self.layout.state(), key);
                self.updates_are_new();
            }
            Err(error) => {
                tracing::warn!(%key, error = %DisplayChain(&error), "left a version for the next sweep");
            }
        }
    }

    pub(super) async fn telling_log(
        &self,
        record: &ServiceRecord,
        began: Timestamp,
    ) -> Vec<String> {
        let subject = Subject {
            key: record.key.clone(),
            id: record.settings.id.clone(),
        };
        let options = LogOptions {
            since: Some(began.to_string()),
            lines: Some(200),
            ..LogOptions::default()
        };
        match self.logbook.page(&subject, &options).await {
            Ok(page) => telling_lines(page.entries.iter().map(|entry| entry.message.as_str())),
            Err(error) => {
                tracing::warn!(key = %record.key, error = %DisplayChain(&error), "cannot read its log");
                Vec::new()
            }
        }
    }
}

/// A reason without the promise of another start.
fn for_one_that_stays_down(reason: &str) -> String {
    reason
        .trim_end_matches("; it will be started again")
        .to_owned()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A name that no other snapshot of the service has.
pub(super) fn snapshot_name() -> SnapshotName {
    let name = format!("s{}", Timestamp::now().as_millisecond().unsigned_abs());
    name.parse()
        .unwrap_or_else(|_| unreachable!("a letter and digits"))
}
