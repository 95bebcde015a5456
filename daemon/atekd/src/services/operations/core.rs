//! Core services that the configuration puts in the place of those that come with Atek: how one is
//! tried, and how the box goes back. The picture is in `services/core_place.rs`.

use super::candidate::{self, Candidate};
use super::context::Operations;
use super::trial::TryError;
use super::update::UpdateRequest;
use crate::database::ServiceRecord;
use crate::error_chain::DisplayChain;
use crate::jobs::Reporter;
use crate::services::core_place::{Place, Replacement};
use crate::services::core_service::CoreService;
use crate::services::crash_point;
use crate::services::describe;
use crate::services::error::OperationError;
use crate::services::intents;
use crate::services::probe::READY_SECS;
use crate::services::state::{WaitFor, WaitOutcome};
use crate::services::supervisor::Command;
use crate::services::updates::ledger::Ledger;
use crate::services::updates::machine::{Journal, Recovery};
use crate::services::updates::policy::{Seconds, next_look};
use crate::services::updates::{now_text, seconds};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::package::Reach;
use atek_api::services::{ServiceSettings, UpdateDone};
use atek_api::source::Source;
use atek_api::spec::PackageVersion;
use atek_api::updates::{UpdateEntry, UpdateOutcome};
use atek_api::version;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The version of what comes with Atek, in the history of updates.
pub(super) const BUILT_IN: &str = "built-in";
/// The longest pause between two looks at what is due.
const TICK: Duration = Duration::from_secs(60);
/// How long a replacement may take to run, over failures after which systemd starts it again: more
/// than a service may take to listen.
const PATIENCE: Duration = Duration::from_secs(READY_SECS + 5);
/// The pause before a failure is looked at again while another operation is under way.
const BUSY: Duration = Duration::from_secs(1);

impl Operations {
    /// The place of a core service that the configuration puts something in.
    pub(super) fn replaced_place(&self, key: &ServiceKey) -> Option<(&Place, &Replacement)> {
        let place = self.core.iter().find(|place| place.has(key))?;
        Some((place, place.replacement.as_ref()?))
    }

    /// What the configuration puts in the place of this core service.
    #[must_use]
    pub fn configured_source(&self, key: &ServiceKey) -> Option<String> {
        let (_, replacement) = self.replaced_place(key)?;
        Some(replacement.source.to_string())
    }

    /// Why the service that comes with Atek runs in the place of the configured one; none where it
    /// does not.
    pub(super) fn stands_in_because(&self, key: &ServiceKey) -> Option<String> {
        let (place, _) = self.replaced_place(key)?;
        let now = place.now();
        now.note.or_else(|| now.package.err())
    }

    /// The record of a service that is updated: of an app, or of what the configuration puts in the
    /// place of a core service.
    pub(super) fn updatable(&self, key: &ServiceKey) -> Result<Arc<ServiceRecord>, OperationError> {
        match self.replaced_place(key) {
            Some((_, replacement)) => Ok(Arc::new(replacement.record())),
            None => self.record(key),
        }
    }

    /// The replacements that run and come from a repository.
    pub(super) fn replaced_records(&self) -> Vec<Arc<ServiceRecord>> {
        let replaced = self.core.iter().filter(|place| place.is_replaced());
        let records = replaced.filter_map(|place| Some(place.replacement.as_ref()?.record()));
        records.map(Arc::new).collect()
    }

    /// Changes what is remembered of a replacement, and what its next start runs.
    pub(super) async fn change_replacement(
        &self,
        place: &Place,
        replacement: &Replacement,
        change: impl FnOnce(&mut ServiceSettings),
    ) -> Result<(), OperationError> {
        let Some(mut settings) = replacement.stored().settings else {
            let id = place.now().settings.id.clone();
            let reason = format!("no version of {} was installed yet", replacement.source);
            return Err(OperationError::Unavailable { id, reason });
        };
        change(&mut settings);
        let is_replaced = place.is_replaced();
        replacement.store(|stored| stored.settings = Some(settings.clone()))?;
        if is_replaced {
            self.put_in(place, replacement.with(settings)).await;
        }
        Ok(())
    }

    /// Exchanges what runs in a place. What was there is down.
    async fn put_in(&self, place: &Place, new: CoreService) {
        let old = place.now();
        self.supervisor.exchange(&old.key, new.clone()).await;
        place.set(new);
    }

    /// Starts what is in a place; over failures after which systemd starts it again.
    ///
    /// # Errors
    ///
    /// Why it does not run, for a person.
    pub(super) async fn start_core_service(&self, key: &ServiceKey) -> Result<(), OperationError> {
        let wait_for = WaitFor::RunningAfterRestarts;
        let started = self.supervisor.command(key, Command::Start, wait_for);
        if let Ok(outcome) = tokio::time::timeout(PATIENCE, started).await {
            return self.supervisor.running(key, outcome?).await;
        }
        let state = self.supervisor.snapshot(key).await?.state;
        let outcome = WaitOutcome::Missed(state);
        self.supervisor.running(key, outcome).await
    }

    /// Puts the built-in service back and starts it. What it replaced is down then.
    async fn put_back(&self, place: &Place, reason: &str) {
        let stand_in = place.stand_in(reason);
        let (key, can_run) = (stand_in.key.clone(), stand_in.package.is_ok());
        self.put_in(place, stand_in).await;
        if can_run && let Err(error) = self.start_core_service(&key).await {
            tracing::error!(%key, error = %DisplayChain(&error), "the built-in core service does not run either");
        }
    }

    /// Goes back to the built-in service, until there is a newer release or a person asks. The
    /// caller has the lock.
    pub(super) async fn fall_back(
        &self,
        place: &Place,
        replacement: &Replacement,
        reason: &str,
        outcome: UpdateOutcome,
    ) {
        let key = &replacement.key;
        tracing::error!(%key, source = %replacement.source, reason, "a replaced core service does not run: the built-in one takes its place");
        let began = Timestamp::now();
        let settings = replacement.record().settings;
        self.supervisor.hold(key, true).await;
        if let Err(error) = self.supervisor.stop(key).await {
            tracing::error!(%key, error = %DisplayChain(&error), "cannot stop it");
        }
        let stored = replacement.store(|stored| stored.fell_back = Some(reason.to_owned()));
        if let Err(error) = stored {
            tracing::error!(%key, error = %DisplayChain(&error), "cannot remember that it does not run");
        }
        self.put_back(place, reason).await;
        self.supervisor.hold(&place.now().key, false).await;
        let installed = settings.package.installed_version.unwrap_or_default();
        let record = replacement.record();
        let log = self
            .telling_log(&record, began - Duration::from_secs(60))
            .await;
        let entry = UpdateEntry {
            at: now_text(),
            from: installed.clone(),
            to: BUILT_IN.to_owned(),
            outcome,
            reason: Some(reason.to_owned()),
            log,
            down_ms: None,
        };
        self.note_core(key, &installed, Some(reason), entry);
    }

    fn note_core(&self, key: &ServiceKey, tag: &str, reason: Option<&str>, entry: UpdateEntry) {
        let mut ledger = Ledger::read(self.layout.state(), key);
        match reason {
            Some(reason) if !tag.is_empty() => ledger.refuse(tag, reason, &now_text()),
            Some(_) => {}
            None => ledger.refused.retain(|refused| refused.tag != tag),
        }
        ledger.look.found = None;
        ledger.note(entry);
        self.write_ledger(&mut ledger, key);
    }

    /// Before a replacement is started: puts back its files, where an update of it was cut off. The
    /// rest of that is done when the database is open.
    pub(super) async fn recover_replacement(&self, replacement: &Replacement) {
        let key = &replacement.key;
        let Some(journal) = intents::one::<Journal>(self.layout.state(), key) else {
            return;
        };
        let record = replacement.record();
        let stored = record.settings.package.installed_version.as_ref() == Some(&journal.to);
        if journal.recovery(stored) != Recovery::RollBack {
            return;
        }
        let unit = replacement.with(record.settings.clone()).unit_id();
        let stopped = self.spawn.stop_service(&unit).await;
        let restored = match (stopped, &journal.snapshot) {
            (Ok(()), Some(name)) => self.spawn.restore_snapshot(key, name, false).await,
            (other, _) => other,
        };
        if let Err(error) = restored {
            tracing::error!(%key, error = %DisplayChain(&error), "an update of a core service could not be undone");
        }
    }

    /// Tries what the configuration puts in the places of core services, now and, as long as the
    /// built-in ones run, again with the pauses of looks for releases. Goes back to a built-in
    /// service as soon as its replacement does not run any more. Never ends.
    pub async fn keep_core(self: &Arc<Self>) {
        for place in 0..self.core.len() {
            let operations = self.clone();
            tokio::spawn(async move { operations.follow_failures(place).await });
        }
        let tick = match self.updates.every() {
            never if never.is_zero() => TICK,
            every => TICK.min(every),
        };
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_first = true;
        loop {
            ticks.tick().await;
            for place in self.core.iter().filter(|place| !place.is_replaced()) {
                let Some(replacement) = &place.replacement else {
                    continue;
                };
                if is_first || self.is_due(replacement) {
                    self.try_by_itself(&replacement.key).await;
                }
            }
            is_first = false;
        }
    }

    /// A folder is tried at each start of the host, a repository as often as apps are looked after.
    fn is_due(&self, replacement: &Replacement) -> bool {
        if matches!(replacement.source, Source::Folder(_)) {
            return false;
        }
        let ledger = Ledger::read(self.layout.state(), &replacement.key);
        let every = Seconds::try_from(self.updates.every_seconds).unwrap_or(Seconds::MAX);
        let last = ledger.look.at.as_deref().and_then(seconds);
        last.is_none_or(|last| {
            every != 0
                && next_look(last, ledger.look.failures, every, 0) <= Timestamp::now().as_second()
        })
    }

    async fn try_by_itself(self: &Arc<Self>, key: &ServiceKey) {
        let request = UpdateRequest {
            grant: None,
            limits: None,
            signer: None,
            to: None,
            reach: Reach::Anywhere,
            by: UserKey::system(),
        };
        let tried = self.update(key, request, &Reporter::unheard()).await;
        let mut ledger = Ledger::read(self.layout.state(), key);
        ledger.look.at = Some(now_text());
        match &tried {
            Ok(_) => {
                ledger.look.failures = 0;
                ledger.look.problem = None;
            }
            Err(error) => {
                let error = DisplayChain(error).to_string();
                tracing::error!(%key, error, "a configured core service was not taken");
                ledger.look.failures = ledger.look.failures.saturating_add(1);
                ledger.look.problem = Some(error);
            }
        }
        // One that was tried and does not run is told already.
        let was_tried = matches!(
            tried,
            Err(OperationError::RolledBack { .. } | OperationError::NotRunning { .. })
        );
        let problem = ledger.look.problem.clone().filter(|_| !was_tried);
        self.write_ledger(&mut ledger, key);
        self.tell_problem(key, problem).await;
    }

    /// Shows beside a built-in service why its replacement is not tried.
    async fn tell_problem(&self, key: &ServiceKey, problem: Option<String>) {
        let (Some((place, replacement)), Some(problem)) = (self.replaced_place(key), problem)
        else {
            return;
        };
        let Ok(_lock) = self.locks.take(key, &place.now().settings.id, "update") else {
            return;
        };
        if !place.is_replaced() && replacement.stored().fell_back.is_none() {
            self.put_in(place, place.stand_in(&problem)).await;
        }
    }

    /// Waits until it does not run, and gives systemd time to start it again.
    async fn has_failed(&self, key: &ServiceKey) -> Result<bool, OperationError> {
        let watch = |wait_for| self.supervisor.command(key, Command::Watch, wait_for);
        watch(WaitFor::NotRunning).await?;
        let runs = watch(WaitFor::RunningAfterRestarts);
        Ok(match tokio::time::timeout(PATIENCE, runs).await {
            Ok(outcome) => match outcome? {
                WaitOutcome::Reached => false,
                WaitOutcome::Missed(state) => state.needs_retry(),
            },
            Err(_) => true,
        })
    }

    async fn follow_failures(&self, place: usize) {
        let Some(place) = self.core.get(place) else {
            return;
        };
        let Some(replacement) = &place.replacement else {
            return;
        };
        let key = &replacement.key;
        loop {
            if !place.is_replaced() {
                place.until_replaced(true).await;
                continue;
            }
            let failed = self.has_failed(key);
            tokio::select! {
                failed = failed => match failed {
                    Ok(true) => {}
                    Err(OperationError::ShuttingDown) => return,
                    // It was stopped, or exchanged at this moment.
                    Ok(false) | Err(_) => {
                        tokio::time::sleep(BUSY).await;
                        continue;
                    }
                },
                () = place.until_replaced(false) => continue,
            }
            let id = place.now().settings.id.clone();
            let Ok(_lock) = self.locks.take(key, &id, "fallback") else {
                // An update that takes it back, or a backup that lets it go on.
                tokio::time::sleep(BUSY).await;
                continue;
            };
            let Ok(snapshot) = self.supervisor.snapshot(key).await else {
                continue;
            };
            let limits = snapshot.definition.effective_limits();
            if !snapshot.state.is_running() {
                let (_, reason) = describe::state(&snapshot.state, &limits);
                let reason = reason.unwrap_or_else(|| "it stopped by itself".to_owned());
                let outcome = UpdateOutcome::RolledBack;
                self.fall_back(place, replacement, &reason, outcome).await;
            }
        }
    }

    /// Tries what the configuration puts in a place where the built-in service runs. The caller has
    /// the lock.
    pub(super) async fn try_replacement(
        self: &Arc<Self>,
        key: &ServiceKey,
        request: &UpdateRequest,
        progress: &Reporter,
    ) -> Result<UpdateDone, OperationError> {
        let (place, replacement) = self
            .replaced_place(key)
            .ok_or_else(|| OperationError::NotFound(key.to_string()))?;
        let key = &replacement.key;
        let prepared = self
            .prepare_replacement(replacement, request, progress)
            .await;
        let (settings, version) = prepared?;
        let tag = settings
            .package
            .installed_version
            .clone()
            .unwrap_or_default();
        let began = Timestamp::now();
        let old = place.now();
        self.supervisor.hold(&old.key, true).await;
        let stopped = Instant::now();
        let mut down = None;
        let tried = self
            .run_replacement(
                place,
                replacement.with(settings.clone()),
                &mut down,
                progress,
            )
            .await;
        let kept = match tried {
            Ok(()) => replacement
                .store(|stored| {
                    stored.settings = Some(settings);
                    stored.fell_back = None;
                })
                .map_err(|error| TryError::Other(error.into())),
            Err(error) => Err(error),
        };
        crash_point::reached("core.tried");
        let result = match kept {
            Ok(()) => {
                let down = down.map(|up: Instant| up.duration_since(stopped));
                self.core_is_kept(key, &tag, version.as_ref(), down).await;
                Ok(UpdateDone {
                    installed_version: tag,
                    old_version: BUILT_IN.to_owned(),
                })
            }
            Err(error) => Err(self
                .core_is_taken_back(place, replacement, &tag, version.as_ref(), began, error)
                .await),
        };
        self.supervisor.hold(&place.now().key, false).await;
        result
    }

    /// Fetches, builds and puts beside what is there; of a folder, reads it.
    async fn prepare_replacement(
        &self,
        replacement: &Replacement,
        request: &UpdateRequest,
        progress: &Reporter,
    ) -> Result<(ServiceSettings, Option<PackageVersion>), OperationError> {
        if let Source::Folder(folder) = &replacement.source {
            let (manifest, _) = candidate::read_folder(folder.clone()).await?;
            return Ok((replacement.settings_of_folder(manifest), None));
        }
        let key = &replacement.key;
        let record = replacement.record();
        let (source, best) = self.wanted_release(&record, request).await?;
        let installed = record.settings.package.installed_version.as_deref();
        if let Some(old) = installed.filter(|old| !version::is_update(old, &best))
            && request.to.is_none()
        {
            return Err(OperationError::Updates(format!(
                "there is no newer release than {old}, which does not run"
            )));
        }
        let prepared = async {
            let found = self
                .fetch_release(&record, &source, &best, request, progress)
                .await?;
            let Candidate::Fetched { package, staged } = found else {
                return Err(OperationError::NotVersioned);
            };
            // Who wrote the configuration may do anything.
            let asks = package.manifest.as_ref();
            let granted = asks.map(|manifest| manifest.permissions.clone());
            let (package, staged) = self.packages.build(*package, staged, progress).await?;
            let version = candidate::version_of(&package)?;
            let settings = ServiceSettings {
                granted: granted.unwrap_or_default(),
                ..super::update::with_package(&record.settings, &package)
            };
            if replacement.stored().settings.is_none() {
                intents::begin(self.layout.state(), key, &intents::Install {})?;
            }
            // A leftover of one that was cut off.
            self.spawn.remove_version(key, &version).await?;
            staged.commit(key, &version).await?;
            Ok((settings, Some(version)))
        };
        let prepared = prepared.await;
        if let Err(error) = &prepared {
            self.note_unprepared(&record, &best.tag, error);
        }
        prepared
    }

    /// Stops what is in a place, runs the replacement there and watches it.
    async fn run_replacement(
        &self,
        place: &Place,
        new: CoreService,
        up: &mut Option<Instant>,
        progress: &Reporter,
    ) -> Result<(), TryError> {
        let old = place.now();
        let (key, settings) = (new.key.clone(), new.settings.clone());
        if old.package.is_ok() {
            self.supervisor.stop(&old.key).await?;
        }
        self.put_in(place, new).await;
        let outcome = self
            .supervisor
            .command(&key, Command::Start, WaitFor::Running)
            .await?;
        if let WaitOutcome::Missed(state) = outcome {
            let limits = self
                .supervisor
                .snapshot(&key)
                .await?
                .definition
                .effective_limits();
            let (_, reason) = describe::state(&state, &limits);
            return Err(TryError::does_not_run(reason));
        }
        *up = Some(Instant::now());
        self.watch(&key, settings, false, progress).await
    }

    async fn core_is_kept(
        &self,
        key: &ServiceKey,
        tag: &str,
        version: Option<&PackageVersion>,
        down: Option<Duration>,
    ) {
        tracing::info!(%key, tag, "a configured core service has taken its place");
        let entry = UpdateEntry {
            at: now_text(),
            from: BUILT_IN.to_owned(),
            to: tag.to_owned(),
            outcome: UpdateOutcome::Updated,
            reason: None,
            log: Vec::new(),
            down_ms: down.map(super::trial::millis),
        };
        self.note_core(key, tag, None, entry);
        intents::end::<intents::Install>(self.layout.state(), key);
        if let Some(version) = version {
            self.finish_update(key, version, None).await;
        }
    }

    async fn core_is_taken_back(
        &self,
        place: &Place,
        replacement: &Replacement,
        tag: &str,
        version: Option<&PackageVersion>,
        began: Timestamp,
        error: TryError,
    ) -> OperationError {
        let key = &replacement.key;
        let (id, detected) = (place.now().settings.id.clone(), Instant::now());
        let reason = match &error {
            TryError::DoesNotRun(reason) => reason.clone(),
            TryError::Other(error) => DisplayChain(error).to_string(),
        };
        tracing::error!(%key, tag, reason, "a configured core service is taken back");
        if place.is_replaced()
            && let Err(error) = self.supervisor.stop(key).await
        {
            tracing::error!(%key, error = %DisplayChain(&error), "cannot stop it");
        }
        let told = match tag {
            "" => format!("it does not run ({reason})"),
            tag => format!("{tag} does not run ({reason})"),
        };
        self.put_back(place, &told).await;
        let down = detected.elapsed();
        let log = self.telling_log(&replacement.record(), began).await;
        let entry = UpdateEntry {
            at: now_text(),
            from: BUILT_IN.to_owned(),
            to: tag.to_owned(),
            outcome: UpdateOutcome::RolledBack,
            reason: Some(reason.clone()),
            log: log.clone(),
            down_ms: Some(super::trial::millis(down)),
        };
        self.note_core(key, tag, Some(&reason), entry);
        match version {
            None => {}
            Some(_) if replacement.stored().settings.is_none() => self.undo_install(key).await,
            Some(version) => {
                if let Err(error) = self.spawn.remove_version(key, version).await {
                    tracing::warn!(%key, error = %DisplayChain(&error), "left a version of a core service");
                }
            }
        }
        match error {
            TryError::Other(error) => error,
            TryError::DoesNotRun(reason) if place.now().package.is_err() => {
                OperationError::NotRunning { id, reason }
            }
            TryError::DoesNotRun(reason) => OperationError::RolledBack {
                id,
                new: if tag.is_empty() {
                    replacement.source.to_string()
                } else {
                    tag.to_owned()
                },
                old: "the built-in service".to_owned(),
                reason,
                log,
            },
        }
    }
}
