//! Backups of the box: when, where, what, and the way back.
//!
//! One piece of work at a time holds [`Backups::turn`] and with it the ledger. `atek-backup` does
//! it, in a unit of its own; here is decided what is stored and in which order.

mod disks;
mod home;
mod job;
mod ledger;
mod line;
mod parts;
mod people;
mod places;
mod servers;
mod whole;

use crate::authorities::Authorities;
use crate::error_chain::DisplayChain;
use crate::journal::DiskErrors;
use crate::key_service::{KeyService, KeyServiceError};
use crate::services::{OperationError, Operations};
use crate::spawn::{Spawn, SpawnError};
use crate::system::storage;
use atek_api::backup::{
    BackupChanges, BackupDone, BackupStatus, Event, Failure, Manifest, Part, Request, Run, RunId,
    Target, schedule,
};
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::secret::Secret;
use atek_api::setup::RestoreStatus;
use atek_api::spec::{BackupSpec, paths};
use atek_api::system::StorageProblem;
pub use disks::{Listed, WholeDisk};
pub use home::HomeService;
use home::Way;
use jiff::Timestamp;
use job::{Job, Meter};
use ledger::Ledger;
use line::Line;
pub use places::places;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, Notify, OnceCell, watch};
use tokio::time::Instant;
pub use whole::{WholeBox, typed_password};

/// Files of each part that are read back and compared after it was stored.
const PROVE: u32 = 8;
/// The longest time between two looks at the schedule: the clock may be set.
const LOOK: Duration = Duration::from_secs(600);
/// Time between two test files: a write that is synced costs the card some kilobytes.
const WRITE_TEST: Duration = Duration::from_secs(6 * 3600);

/// Why something about backups was not done.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing is set up.
    #[error("no target for backups is set: atek backup target FOLDER sets one")]
    NoTarget,
    /// A disk is not plugged in, or cannot be used any more.
    #[error("{0} is not plugged in, or cannot be used: atek backup disks tells more")]
    NoDisk(String),
    /// A new target has files of people.
    #[error(
        "the disk has {0} other files and folders: backups are put beside them, in the folder atek-backup, and nothing else on it is changed"
    )]
    HasFiles(u64),
    /// Another piece of work is under way.
    #[error("a {0} is under way, try again when it is done")]
    Busy(&'static str),
    /// The job says why; the text is for a person.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// There is none.
    #[error("there is no backup {0}")]
    NoRun(String),
    /// It is not installed, or a part of Atek.
    #[error("{0} cannot be restored by itself")]
    NotAnApp(String),
    /// It has no such app.
    #[error("the backup has no app {0}")]
    NoApp(String),
    /// It has no such database or user.
    #[error("the backup has no {0}")]
    NotThere(String),
    /// A copy needs a name of its own.
    #[error("{0} is installed: give the copy another id, or restore its files")]
    IsInstalled(ServiceId),
    /// The job was not started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A service could not be copied or put back.
    #[error(transparent)]
    Operation(Box<OperationError>),
    /// The key service did not take a user's keys over.
    #[error(transparent)]
    Keys(#[from] KeyServiceError),
    /// The ledger could not be written.
    #[error(transparent)]
    File(#[from] atek_files::FileError),
    /// Of a restore of the whole box.
    #[error("cannot take over the host's own files from the backup")]
    HostFiles(#[source] std::io::Error),
    /// The job could not be talked to.
    #[error("cannot talk to the backup job")]
    Channel(#[source] std::io::Error),
    /// It ended before its answer.
    #[error("the backup job ended before it was done; the journal of atek-backup has more")]
    Ended,
    /// It answered something else.
    #[error("the backup job gave an answer that is none")]
    Malformed,
    /// The file with the password is unusable.
    #[error("the password of the backups cannot be read")]
    Password,
}

impl From<OperationError> for BackupError {
    fn from(error: OperationError) -> Self {
        Self::Operation(Box::new(error))
    }
}

/// The backups of this box. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Backups {
    services: Arc<Operations>,
    spawn: Spawn,
    keys: KeyService,
    authorities: Authorities,
    /// By which other homes are reached.
    homes: HomeService,
    state: PathBuf,
    turn: Arc<Mutex<()>>,
    running: Arc<StdMutex<Option<&'static str>>>,
    /// How far it is.
    meter: Meter,
    /// What an earlier run of this daemon left is gone.
    earlier_ended: Arc<OnceCell<()>>,
    /// The turn of one that only looks, beside any work.
    look: Arc<Mutex<()>>,
    /// The turn of one that lists disks.
    listing: Arc<Mutex<()>>,
    /// The settings were changed.
    changed: Arc<Notify>,
    /// A backup ended, well or not.
    ended: Arc<Notify>,
    /// The restore of the whole box.
    restoring: watch::Sender<RestoreStatus>,
    /// The host is to start again.
    restart: Arc<Notify>,
    /// The box's name.
    name: watch::Receiver<Option<String>>,
    /// Why the latest test file could not be written.
    write_problem: watch::Sender<Option<StorageProblem>>,
    /// Reads and writes that failed, by the kernel's log.
    disk_errors: Arc<DiskErrors>,
}

/// What a job may do with a target.
#[derive(Debug, Clone, Copy)]
enum Access<'a> {
    /// Look, beside other work.
    Look,
    /// Read, and restore these states, and packages.
    Restore {
        states: &'a [ServiceKey],
        packages: bool,
    },
    /// Add to the backups that are there.
    Write,
    /// Begin where there is no backup.
    Begin,
}

/// The turn of one piece of work.
struct Turn<'a> {
    running: &'a StdMutex<Option<&'static str>>,
    meter: &'a Meter,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.meter.clear();
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn time_text(seconds: i64) -> Option<String> {
    let time = Timestamp::from_second(seconds).ok()?;
    Some(time.to_string())
}

impl Backups {
    /// Backups of these services.
    #[must_use]
    pub fn new(
        services: Arc<Operations>,
        spawn: Spawn,
        keys: KeyService,
        authorities: Authorities,
        homes: HomeService,
        state: PathBuf,
        name: watch::Receiver<Option<String>>,
    ) -> Self {
        Self {
            services,
            spawn,
            keys,
            authorities,
            homes,
            state,
            turn: Arc::default(),
            running: Arc::default(),
            meter: Meter::default(),
            earlier_ended: Arc::default(),
            look: Arc::default(),
            listing: Arc::default(),
            changed: Arc::default(),
            ended: Arc::default(),
            restoring: watch::Sender::new(RestoreStatus::default()),
            restart: Arc::default(),
            name,
            write_problem: watch::Sender::new(None),
            disk_errors: Arc::default(),
        }
    }

    /// How backups are doing.
    #[must_use]
    pub fn status(&self) -> BackupStatus {
        let ledger = Ledger::read(&self.state);
        let is_set = ledger.settings.target.is_some();
        let schedule = ledger.settings.schedule;
        let wait = schedule::wait(schedule, ledger.last_good, ledger.last_try, now());
        let running = *self.running.lock().unwrap_or_else(PoisonError::into_inner);
        BackupStatus {
            running: running.map(str::to_owned),
            progress: running.and_then(|_| self.meter.now()),
            last_good: ledger.last_good.and_then(time_text),
            last_proven: ledger.last_proven.and_then(time_text),
            proven_files: ledger.proven_files,
            last_checked: ledger.last_checked.and_then(time_text),
            missed: is_set && schedule::is_missed(schedule, ledger.since, ledger.last_good, now()),
            next: wait
                .filter(|_| is_set)
                .and_then(|wait| time_text(now() + wait)),
            problem: ledger.problem,
            longest_pause_ms: ledger.longest_pause_ms,
            settings: ledger.settings,
        }
    }

    /// What the backups are encrypted with, and whether it follows from the recovery words: without
    /// it, or them, nothing is restored on another machine.
    ///
    /// # Errors
    ///
    /// It cannot be read or made.
    pub async fn password(&self) -> Result<(Secret, bool), BackupError> {
        match self.password_of_words().await? {
            Some(password) => Ok((password, true)),
            None => Ok((ledger::random_password(&self.state)?, false)),
        }
    }

    /// What follows from the words; none while the box has none.
    async fn password_of_words(&self) -> Result<Option<Secret>, BackupError> {
        match self.keys.backup_password().await {
            Ok(Some(password)) => {
                ledger::remember_password_of_words(&self.state, &password)?;
                Ok(Some(password))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::warn!(error = %DisplayChain(&error), "the key service is not there for a backup");
                ledger::password_of_words(&self.state)
            }
        }
    }

    /// Changes what was decided. A new target is looked at first, and begun if it is empty.
    ///
    /// # Errors
    ///
    /// The target cannot be used; nothing is changed.
    pub async fn configure(&self, changes: BackupChanges) -> Result<BackupStatus, BackupError> {
        let _turn = self.take("change of the settings")?;
        let target = match changes.target {
            Some(target) => Some(self.agreed(target, changes.beside_files).await?),
            None => None,
        };
        if let Some(target) = &target {
            let password = changes.server_password.as_ref();
            self.open_with(target, Access::Begin, password).await?;
            servers::remember(&self.state, target, password)?;
        }
        let mut ledger = Ledger::read(&self.state);
        let settings = &mut ledger.settings;
        if let Some(target) = target {
            let is_same = |set: &Target| set.is_same(&target);
            let is_new = !settings.target.as_ref().is_some_and(is_same);
            // A server that was set up again has another key.
            settings.target = Some(target);
            if is_new {
                (ledger.last_good, ledger.last_try) = (None, None);
            }
            ledger.problem = None;
        }
        settings.schedule = changes.schedule.unwrap_or(settings.schedule);
        settings.retention = changes.retention.unwrap_or(settings.retention);
        ledger.since = now();
        ledger.write(&self.state)?;
        servers::forget_others(&self.state, ledger.settings.target.as_ref())?;
        drop(_turn);
        self.changed.notify_one();
        Ok(self.status())
    }

    /// Makes a backup now.
    ///
    /// # Errors
    ///
    /// Why there is none; older ones stay as they are.
    pub async fn back_up(&self) -> Result<BackupDone, BackupError> {
        let _turn = self.take("backup")?;
        let mut ledger = Ledger::read(&self.state);
        let target = ledger.settings.target.clone();
        let target = target.ok_or(BackupError::NoTarget)?;
        let begun = now();
        ledger.last_try = Some(begun);
        ledger.write(&self.state)?;
        let done = self.run(&target, begun, &mut ledger).await;
        match &done {
            Ok(done) => {
                ledger.last_good = Some(begun);
                // It is whole, and an app may not be as it wanted to be.
                ledger.problem = (!done.problems.is_empty()).then(|| done.problems.join("; "));
                if let Some(problem) = &ledger.problem {
                    tracing::error!(problem, "an app was not prepared for a backup");
                }
                ledger.proven_files = done.proven;
                if done.proven > 0 {
                    ledger.last_proven = Some(now());
                }
                let (run, files, added) = (&done.run, done.files, done.added);
                tracing::info!(%run, files, added, "a backup is whole");
            }
            Err(error) => {
                let text = DisplayChain(error).to_string();
                tracing::error!(error = text, "a backup failed");
                ledger.problem = Some(text);
            }
        }
        ledger.write(&self.state)?;
        self.ended.notify_one();
        done
    }

    /// Waits until a backup ended, well or not.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Begins a backup that goes on by itself; how it is, `status` tells.
    ///
    /// # Errors
    ///
    /// There is no target, or other work is under way.
    pub fn start(&self) -> Result<(), BackupError> {
        self.target()?;
        // Told at once, though another may be faster.
        drop(self.take("backup")?);
        let backups = self.clone();
        // What went wrong is in the ledger, and in the journal.
        tokio::spawn(async move { backups.back_up().await });
        Ok(())
    }

    async fn run(
        &self,
        target: &Target,
        begun: i64,
        ledger: &mut Ledger,
    ) -> Result<BackupDone, BackupError> {
        // Where nothing is any more, the disk may be unplugged: what is begun there would lie on
        // the box's own card.
        let mut job = self.open(target, Access::Write).await?;
        let earlier = runs(&mut job).await?;
        let run = &RunId::after(earlier.iter().map(|run| &run.run), begun);
        let services = self.services.to_store();
        let mut done = BackupDone {
            run: run.clone(),
            files: 0,
            bytes: 0,
            added: 0,
            proven: 0,
            removed: Vec::new(),
            problems: Vec::new(),
        };
        ledger.longest_pause_ms = 0;
        let steps = services.len() + 2;
        for (step, service) in services.iter().enumerate() {
            self.meter.part(step, steps);
            let problems = self.services.prepare_to_store(&service.key).await;
            done.problems.extend(problems);
            let pause = self
                .services
                .copy_to_store(&service.key, &service.id)
                .await?;
            ledger.longest_pause_ms = ledger.longest_pause_ms.max(pause);
            let part = Part::State(service.key.clone());
            let stored = store(&mut job, run, part, &mut done).await;
            self.services.drop_copy_to_store(&service.key).await?;
            stored?;
            if let Some(version) = &service.version {
                let part = Part::Package(service.key.clone(), version.clone());
                store(&mut job, run, part, &mut done).await?;
            }
        }
        self.meter.part(steps - 2, steps);
        store(&mut job, run, Part::Host, &mut done).await?;
        self.meter.part(steps - 1, steps);
        let (databases, users) = self.services.people().await?;
        let manifest = Manifest {
            databases,
            users,
            format: 1,
            atek: env!("CARGO_PKG_VERSION").to_owned(),
            name: self.name.borrow().clone(),
            timezone: Some(crate::system::timezone()),
            services,
        };
        let manifest = serde_json::to_value(manifest).map_err(|_| BackupError::Malformed)?;
        let run = run.clone();
        let finish = Request::Finish {
            run: run.clone(),
            manifest,
        };
        let Event::Finished = job.ask(&finish).await? else {
            return Err(BackupError::Malformed);
        };
        let retention = ledger.settings.retention;
        let tidy = Request::Tidy {
            retention,
            now: run,
        };
        match job.ask(&tidy).await {
            Ok(Event::Tidied { removed }) => done.removed = removed,
            Ok(_) => return Err(BackupError::Malformed),
            // The run is whole; what is old goes with the next.
            Err(error) => {
                tracing::warn!(error = %DisplayChain(&error), "old backups were not removed");
            }
        }
        Ok(done)
    }

    /// Checks the target, with `read` all that is on it. Returns what is wrong.
    ///
    /// # Errors
    ///
    /// It cannot be checked.
    pub async fn check(&self, read: bool) -> Result<Vec<String>, BackupError> {
        let _turn = self.take("check")?;
        let mut job = self.open(&self.target()?, Access::Write).await?;
        let Event::Checked { problems } = job.ask(&Request::Check { read }).await? else {
            return Err(BackupError::Malformed);
        };
        let mut ledger = Ledger::read(&self.state);
        match problems.first() {
            Some(first) => ledger.problem = Some(format!("the backups are damaged: {first}")),
            None if read => ledger.last_checked = Some(now()),
            None => {}
        }
        ledger.write(&self.state)?;
        Ok(problems)
    }

    /// Makes backups as they are due. Never ends.
    pub async fn keep(&self) {
        self.end_earlier().await;
        tracing::info!("backups are made as they are due");
        let mut told = Vec::new();
        let mut next_write = Instant::now();
        loop {
            if next_write <= Instant::now() {
                self.test_write().await;
                next_write = Instant::now() + WRITE_TEST;
            }
            self.watch_storage(&mut told).await;
            let ledger = Ledger::read(&self.state);
            let settings = &ledger.settings;
            let wait = settings.target.as_ref().and_then(|_| {
                schedule::wait(settings.schedule, ledger.last_good, ledger.last_try, now())
            });
            if wait == Some(0) {
                // What went wrong is in the ledger, and in the journal.
                if self.back_up().await.is_ok() {
                    self.check_in_time().await;
                }
            }
            let wait = wait.and_then(|wait| u64::try_from(wait).ok());
            let wait = wait.map_or(LOOK, Duration::from_secs);
            let wait = wait.clamp(Duration::from_secs(5), LOOK);
            let _ = tokio::time::timeout(wait, self.changed.notified()).await;
        }
    }

    /// Ends and removes what an earlier run of this daemon left, once, before the first job of this
    /// one.
    async fn end_earlier(&self) {
        let end = async || {
            self.spawn.stop_backup().await?;
            self.services.end_left_pause().await?;
            // What was decided is put in place by the next start.
            if WholeBox::decided(&self.state).is_none() {
                self.spawn.drop_restored().await?;
            }
            Ok::<(), BackupError>(())
        };
        if let Err(error) = self.earlier_ended.get_or_try_init(end).await {
            tracing::warn!(error = %DisplayChain(&error), "cannot end an earlier backup");
        }
    }

    /// Reads everything once a month.
    async fn check_in_time(&self) {
        let ledger = Ledger::read(&self.state);
        if !schedule::is_check_due(ledger.since, ledger.last_checked, now()) {
            return;
        }
        match self.check(true).await {
            Ok(problems) if problems.is_empty() => tracing::info!("all backups were read"),
            Ok(problems) => tracing::error!(first = problems[0], "the backups are damaged"),
            // It is tried again after the next backup.
            Err(error) => {
                tracing::warn!(error = %DisplayChain(&error), "the backups were not read");
            }
        }
    }

    /// Where backups are kept, if that was decided.
    #[must_use]
    pub fn target_set(&self) -> Option<Target> {
        Ledger::read(&self.state).settings.target
    }

    fn target(&self) -> Result<Target, BackupError> {
        self.target_set().ok_or(BackupError::NoTarget)
    }

    /// Writes to the journal what is new about disks and cards that fail.
    async fn watch_storage(&self, told: &mut Vec<StorageProblem>) {
        let backups = self.clone();
        let look = tokio::task::spawn_blocking(move || backups.storage_problems());
        let found = look.await.unwrap_or_default();
        for problem in found.iter().filter(|problem| !told.contains(problem)) {
            tracing::error!(disk = problem.disk, text = problem.text, "storage fails");
        }
        *told = found;
    }

    /// Disks and cards that fail, with the result of the latest test file. Blocks.
    #[must_use]
    pub fn storage_problems(&self) -> Vec<StorageProblem> {
        let target = self.target_set();
        let failed = self.disk_errors.counts(Path::new("/sys/block"));
        let mut found = storage::problems(Path::new("/"), &self.state, target.as_ref(), &failed);
        found.extend(self.write_problem.borrow().clone());
        found
    }

    async fn test_write(&self) {
        let state = self.state.clone();
        let written = tokio::task::spawn_blocking(move || storage::write_problem(&state));
        self.write_problem
            .send_replace(written.await.ok().flatten());
    }

    async fn open(&self, target: &Target, access: Access<'_>) -> Result<Job, BackupError> {
        self.open_with(target, access, None).await
    }

    /// The same, with the password of a server that is not the target yet.
    async fn open_with(
        &self,
        target: &Target,
        access: Access<'_>,
        server_password: Option<&Secret>,
    ) -> Result<Job, BackupError> {
        let found = self.locate(target).await?;
        let (restore, whole) = match access {
            Access::Restore { states, packages } => (states.to_vec(), packages),
            _ => (Vec::new(), false),
        };
        let read = matches!(access, Access::Look | Access::Restore { .. });
        let spec = BackupSpec {
            target: found.folder.clone(),
            disk: found.disk.clone(),
            line: found.server.is_some(),
            restore,
            whole,
            read,
        };
        let (password, of_words) = self.password().await?;
        // Begun before the box had words.
        let older = match of_words {
            true => ledger::known_random_password(&self.state)?,
            false => None,
        };
        let (login, link) = self.login(target, server_password)?;
        let open = Request::Open {
            target: found.target(),
            password,
            older,
            login,
            create: matches!(access, Access::Begin),
            read,
        };
        self.open_job(&spec, &open, link).await
    }

    /// Starts a job and has it open its target.
    async fn open_job(
        &self,
        spec: &BackupSpec,
        open: &Request,
        link: Option<Secret>,
    ) -> Result<Job, BackupError> {
        self.end_earlier().await;
        let meter = match spec.unit() {
            paths::BACKUP_UNIT => self.meter.clone(),
            _ => Meter::default(),
        };
        let line = match open {
            Request::Open {
                target: Target::Server { url, .. },
                ..
            } => {
                let way =
                    link.map(|link| Way::new(self.services.clone(), self.homes.clone(), link));
                Some(Line::open(spec.unit(), url, way)?)
            }
            _ => None,
        };
        let mut job = Job::start(&self.spawn, spec, meter, line).await?;
        match job.ask(open).await? {
            Event::Opened { .. } => Ok(job),
            _ => Err(BackupError::Malformed),
        }
    }

    fn take(&self, what: &'static str) -> Result<Turn<'_>, BackupError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.turn.try_lock();
        let turn = turn.map_err(|_| BackupError::Busy(running.unwrap_or("backup")))?;
        *running = Some(what);
        Ok(Turn {
            running: &self.running,
            meter: &self.meter,
            _turn: turn,
        })
    }
}

async fn store(
    job: &mut Job,
    run: &RunId,
    part: Part,
    done: &mut BackupDone,
) -> Result<(), BackupError> {
    let request = Request::Store {
        run: run.clone(),
        part,
        prove: PROVE,
    };
    let Event::Stored {
        files,
        bytes,
        added,
        proven,
    } = job.ask(&request).await?
    else {
        return Err(BackupError::Malformed);
    };
    done.files += files;
    done.bytes += bytes;
    done.added += added;
    done.proven += proven;
    Ok(())
}

async fn runs(job: &mut Job) -> Result<Vec<Run>, BackupError> {
    match job.ask(&Request::Runs).await? {
        Event::Runs { runs } => Ok(runs),
        _ => Err(BackupError::Malformed),
    }
}

/// The run with this name, or the newest; it must be whole and have the part.
fn choose(runs: &[Run], part: &Part, name: Option<&str>) -> Result<RunId, BackupError> {
    let fits = |run: &&Run| {
        run.whole && run.parts.contains(part) && name.is_none_or(|name| run.run.to_string() == name)
    };
    let none = || BackupError::NoRun(name.unwrap_or("that has it").chars().take(40).collect());
    let run = runs.iter().find(fits).ok_or_else(none)?;
    Ok(run.run.clone())
}
