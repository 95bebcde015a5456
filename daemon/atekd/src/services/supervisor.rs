//! The task that owns the run-time state of all services: it takes commands, follows systemd's
//! units and the records, applies the policy of [`super::state`], begins effects and publishes
//! the directory. It never waits for a disk, a service or its own effects.

use super::core_service::CoreService;
use super::definition::Definition;
use super::describe;
use super::effects::{EffectOutcome, EffectRunner, Outcome};
use super::error::OperationError;
use super::state::{Effect, Event, ServiceState, StopReason, Unit, WaitFor, WaitOutcome};
use crate::attach::Attach;
use crate::database::Records;
use crate::directory::{Directory, DirectoryPublisher, Entry};
use crate::spawn::Spawn;
use crate::systemd::{Exit, Phase, Systemd, UnitEvent, UnitView};
use atek_api::grants::Grant;
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::secret::Secret;
use atek_api::services::{ServiceSettings, State};
use atek_api::spec::paths;
use atek_host_model::idle::InFlight;
use atek_host_model::permissions::Shares;
use atek_rpc::owned_socket::Owner;
use atek_rpc::pool::{Endpoint, Pool};
use atek_rpc::port_connector::PortSlot;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The pause before a core service that failed is started again, at first and at most.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// What a caller wants of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Start,
    Restart,
    Stop,
    Sleep,
    /// Starts the service only if it sleeps or is about to.
    Wake,
    /// Starts the service only if no command was given since this daemon began: a person's newer
    /// command goes before what was wanted when the box went down.
    Resume,
    /// Changes nothing; for waiting.
    Watch,
}

/// One service at one moment.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) definition: Arc<Definition>,
    pub(super) state: ServiceState,
    /// How its process ended last, since it was started by a command.
    pub(super) last_exit: Option<Exit>,
    /// Its unit, if one is loaded.
    pub(super) unit: Option<UnitView>,
}

#[derive(Debug)]
enum Message {
    Command {
        key: ServiceKey,
        command: Command,
        wait_for: WaitFor,
        answer: oneshot::Sender<WaitOutcome>,
    },
    Snapshot {
        key: ServiceKey,
        answer: oneshot::Sender<Snapshot>,
    },
    /// Starts run these settings instead of the record's, until `None` is sent.
    Override {
        key: ServiceKey,
        settings: Option<Arc<ServiceSettings>>,
        answer: oneshot::Sender<()>,
    },
    /// Another core service takes the place of one that is down, or the same with another
    /// definition.
    Exchange {
        old: ServiceKey,
        new: Box<CoreService>,
        answer: oneshot::Sender<()>,
    },
    /// Calls of the service wait, whatever becomes of it, until `false` is sent.
    Hold {
        key: ServiceKey,
        held: bool,
        answer: oneshot::Sender<()>,
    },
    /// Puts services to sleep that may sleep and were idle for so long.
    SleepIdle { idle: Duration },
    /// Asks for loaded units that belong to no service.
    OrphanUnits {
        answer: oneshot::Sender<Vec<ServiceId>>,
    },
    /// Answered when systemd's units have been listed.
    Listed { answer: oneshot::Sender<()> },
}

/// Sending half of the supervisor's command channel. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SupervisorHandle {
    messages: mpsc::Sender<Message>,
}

impl SupervisorHandle {
    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<Option<T>, OperationError> {
        let (answer, answered) = oneshot::channel();
        self.messages
            .send(message(answer))
            .await
            .map_err(|_| OperationError::ShuttingDown)?;
        // Dropped unanswered for a service that does not exist, or not any more.
        Ok(answered.await.ok())
    }

    /// Sends a command and waits until `wait_for` is reached or can no longer be.
    ///
    /// # Errors
    ///
    /// `NotFound` and `ShuttingDown`.
    pub(super) async fn command(
        &self,
        key: &ServiceKey,
        command: Command,
        wait_for: WaitFor,
    ) -> Result<WaitOutcome, OperationError> {
        let asked = key.clone();
        let outcome = self
            .ask(|answer| Message::Command {
                key: asked,
                command,
                wait_for,
                answer,
            })
            .await?;
        outcome.ok_or_else(|| OperationError::NotFound(key.to_string()))
    }

    /// Starts, or restarts, a service and waits until it runs.
    ///
    /// # Errors
    ///
    /// Why it does not run; systemd may still be trying again.
    pub(super) async fn start(
        &self,
        key: &ServiceKey,
        command: Command,
    ) -> Result<(), OperationError> {
        let outcome = self.command(key, command, WaitFor::Running).await?;
        self.running(key, outcome).await
    }

    /// Stops a service and waits until nothing of it runs.
    ///
    /// # Errors
    ///
    /// `StopFailed`, and as [`SupervisorHandle::command`].
    pub(super) async fn stop(&self, key: &ServiceKey) -> Result<(), OperationError> {
        match self.command(key, Command::Stop, WaitFor::Down).await? {
            WaitOutcome::Reached => Ok(()),
            WaitOutcome::Missed(_) => {
                let snapshot = self.snapshot(key).await?;
                Err(OperationError::StopFailed {
                    id: snapshot.definition.settings.id.clone(),
                })
            }
        }
    }

    /// Makes sure, for a call, that a service runs: starts it if it sleeps, waits if it starts.
    ///
    /// # Errors
    ///
    /// Why it does not run, at the latest after `patience`.
    pub(super) async fn wake(
        &self,
        key: &ServiceKey,
        patience: Duration,
    ) -> Result<(), OperationError> {
        let wait = self.command(key, Command::Wake, WaitFor::RunningAfterRestarts);
        match tokio::time::timeout(patience, wait).await {
            Ok(outcome) => self.running(key, outcome?).await,
            Err(_) => {
                let snapshot = self.snapshot(key).await?;
                Err(OperationError::StillStarting {
                    id: snapshot.definition.settings.id.clone(),
                    waited_secs: patience.as_secs(),
                })
            }
        }
    }

    /// What the outcome of a wait until it runs means.
    ///
    /// # Errors
    ///
    /// Why it does not run.
    pub(super) async fn running(
        &self,
        key: &ServiceKey,
        outcome: WaitOutcome,
    ) -> Result<(), OperationError> {
        let WaitOutcome::Missed(state) = outcome else {
            return Ok(());
        };
        let definition = self.snapshot(key).await?.definition;
        let id = definition.settings.id.clone();
        let (_, reason) = describe::state(&state, &definition.effective_limits());
        let reason = reason.unwrap_or_else(|| "it is stopped".to_owned());
        Err(match state {
            ServiceState::Unavailable(reason) => OperationError::Unavailable { id, reason },
            ServiceState::Stopped(StopReason::Requested)
            | ServiceState::Stopping { .. }
            | ServiceState::StoppingByAdministrator => OperationError::StoppedMeanwhile { id },
            _ => OperationError::NotRunning { id, reason },
        })
    }

    /// The service at this moment.
    ///
    /// # Errors
    ///
    /// `NotFound` and `ShuttingDown`.
    pub(super) async fn snapshot(&self, key: &ServiceKey) -> Result<Snapshot, OperationError> {
        let asked = key.clone();
        let snapshot = self
            .ask(|answer| Message::Snapshot { key: asked, answer })
            .await?;
        snapshot.ok_or_else(|| OperationError::NotFound(key.to_string()))
    }

    /// Makes starts run other settings than the record's, or the record's again.
    pub(super) async fn override_settings(
        &self,
        key: &ServiceKey,
        settings: Option<Arc<ServiceSettings>>,
    ) {
        let key = key.clone();
        // It fails only for a host that ends.
        let _ = self
            .ask(|answer| Message::Override {
                key,
                settings,
                answer,
            })
            .await;
    }

    /// Puts a core service in the place of one that is down, or gives one another definition.
    pub(super) async fn exchange(&self, old: &ServiceKey, new: CoreService) {
        let (old, new) = (old.clone(), Box::new(new));
        // It fails only for a host that ends.
        let _ = self
            .ask(|answer| Message::Exchange { old, new, answer })
            .await;
    }

    /// Makes calls of a service wait while it does not run, until `held` is false: what stops it
    /// will start it again.
    pub(super) async fn hold(&self, key: &ServiceKey, held: bool) {
        let key = key.clone();
        // It fails only for a host that ends.
        let _ = self.ask(|answer| Message::Hold { key, held, answer }).await;
    }

    /// Puts services to sleep that may sleep and were idle for `idle`.
    ///
    /// # Errors
    ///
    /// `ShuttingDown`.
    pub(super) async fn sleep_idle(&self, idle: Duration) -> Result<(), OperationError> {
        let sent = self.messages.send(Message::SleepIdle { idle }).await;
        sent.map_err(|_| OperationError::ShuttingDown)
    }

    /// The ids of loaded units that belong to no service.
    pub(super) async fn orphan_units(&self) -> Vec<ServiceId> {
        let orphans = self.ask(|answer| Message::OrphanUnits { answer }).await;
        orphans.ok().flatten().unwrap_or_default()
    }

    /// Waits until systemd's units have been listed once.
    pub(super) async fn listed(&self) {
        let _ = self.ask(|answer| Message::Listed { answer }).await;
    }
}

/// What the supervisor works with.
#[derive(Debug)]
pub(super) struct SupervisorDeps {
    pub(super) core: Vec<CoreService>,
    pub(super) records: watch::Receiver<Arc<Records>>,
    pub(super) publisher: DirectoryPublisher,
    pub(super) units: mpsc::Receiver<UnitEvent>,
    pub(super) systemd: Systemd,
    pub(super) spawn: Spawn,
    pub(super) attach: Attach,
}

/// Spawns the task.
pub(super) fn spawn(deps: SupervisorDeps) -> SupervisorHandle {
    // Callers wait when it is full.
    let (messages, inbox) = mpsc::channel(256);
    let (outcomes, done) = mpsc::channel(256);
    let core = deps.core.iter().map(|core| {
        let slot = deps.attach.port_slot(&core.key);
        let runtime = ServiceRuntime::new(Definition::core(core), slot);
        (core.key.clone(), runtime)
    });
    let supervisor = Supervisor {
        core_order: deps.core.iter().map(|core| core.key.clone()).collect(),
        services: core.collect(),
        units: HashMap::new(),
        listed: false,
        waiting_for_list: Vec::new(),
        records: deps.records,
        followed: None,
        publisher: deps.publisher,
        published: None,
        effects: EffectRunner::new(deps.spawn, deps.systemd, deps.attach, outcomes),
    };
    tokio::spawn(supervisor.run(inbox, done, deps.units));
    SupervisorHandle { messages }
}

struct Supervisor {
    /// Core services, in the order of the configuration.
    core_order: Vec<ServiceKey>,
    services: BTreeMap<ServiceKey, ServiceRuntime>,
    /// Every loaded unit, also of services whose record is not read yet.
    units: HashMap<ServiceId, UnitView>,
    listed: bool,
    waiting_for_list: Vec<oneshot::Sender<()>>,
    records: watch::Receiver<Arc<Records>>,
    /// The records that `services` follow.
    followed: Option<Arc<Records>>,
    publisher: DirectoryPublisher,
    /// Whether the database was ready, and the number of services, when last published.
    published: Option<(bool, usize)>,
    effects: EffectRunner,
}

impl Supervisor {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        mut outcomes: mpsc::Receiver<EffectOutcome>,
        mut units: mpsc::Receiver<UnitEvent>,
    ) {
        self.follow_records();
        self.publish();
        loop {
            tokio::select! {
                changed = self.records.changed() => match changed {
                    Ok(()) => self.follow_records(),
                    Err(_) => return,
                },
                event = units.recv() => match event {
                    Some(event) => self.unit_event(event),
                    None => return,
                },
                Some(done) = outcomes.recv() => self.effect_done(done),
                message = inbox.recv() => match message {
                    Some(message) => {
                        // A caller that has just written a record must not be told that its
                        // service is unknown.
                        self.follow_records();
                        self.message(message);
                    }
                    None => return,
                },
            }
            self.publish();
        }
    }

    fn follow_records(&mut self) {
        let records = self.records.borrow_and_update().clone();
        if self
            .followed
            .as_ref()
            .is_some_and(|followed| Arc::ptr_eq(followed, &records))
        {
            return;
        }
        self.followed = Some(records.clone());
        self.services
            .retain(|key, service| service.is_core() || records.service(key.as_str()).is_some());
        let now = jiff::Timestamp::now().as_second();
        for record in records.services() {
            let decided = records.grants_of(&record.key, now);
            if !self.services.contains_key(&record.key) {
                let settings = Arc::new(record.settings.clone());
                let definition = Definition::installed(record.key.clone(), settings);
                self.add(definition.with_decided(decided.clone()));
            }
            if let Some(service) = self.services.get_mut(&record.key) {
                service.follow(&record.settings, decided);
                service.follow_shares(records.shares_of_app(&record.key, now));
            }
        }
    }

    fn add(&mut self, definition: Definition) {
        let key = definition.key.clone();
        let slot = self.effects.port_slot(&definition.key);
        let service = ServiceRuntime::new(definition, slot);
        let unit = self.units.get(&service.unit).map(unit_of);
        self.services.insert(key.clone(), service);
        if let Some(unit) = unit {
            self.event(&key, &Event::Unit(unit));
        }
    }

    fn unit_event(&mut self, event: UnitEvent) {
        match event {
            UnitEvent::All(views) => {
                let known: Vec<ServiceId> = self.units.keys().cloned().collect();
                for id in known {
                    if !views.iter().any(|view| view.id == id)
                        && let Some(last) = self.units.remove(&id)
                    {
                        self.unit_gone(&last);
                    }
                }
                for view in views {
                    self.unit_changed(view);
                }
                self.listed = true;
                for answer in self.waiting_for_list.drain(..) {
                    let _ = answer.send(());
                }
            }
            UnitEvent::Changed(view) => self.unit_changed(view),
            UnitEvent::Gone(last) => {
                self.units.remove(&last.id);
                self.unit_gone(&last);
            }
            // What runs goes on running; the next list tells what changed.
            UnitEvent::Lost => {}
            UnitEvent::Synced(done) => {
                let _ = done.send(());
            }
        }
    }

    fn unit_changed(&mut self, view: UnitView) {
        let unit = unit_of(&view);
        let key = self.key_of(&view.id);
        self.units.insert(view.id.clone(), view);
        if let Some(key) = key {
            self.event(&key, &Event::Unit(unit));
        }
    }

    fn unit_gone(&mut self, last: &UnitView) {
        let Some(key) = self.key_of(&last.id) else {
            return;
        };
        let phase = Phase::Dead;
        self.event(
            &key,
            &Event::Unit(Unit {
                phase,
                ..unit_of(last)
            }),
        );
        // A transient unit that is gone cannot come back by itself.
        if let Some(service) = self.services.get(&key)
            && matches!(
                service.state,
                ServiceState::Stopped(_) | ServiceState::Sleeping
            )
        {
            self.effects.close(key);
        }
    }

    fn key_of(&self, id: &ServiceId) -> Option<ServiceKey> {
        let mut services = self.services.iter();
        let found = services.find(|(_, service)| service.unit == *id);
        found.map(|(key, _)| key.clone())
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Command {
                key,
                command,
                wait_for,
                answer,
            } => self.command(&key, command, wait_for, answer),
            Message::Snapshot { key, answer } => {
                if let Some(service) = self.services.get(&key) {
                    let unit = self.units.get(&service.unit).cloned();
                    let _ = answer.send(service.snapshot(unit));
                }
            }
            Message::Override {
                key,
                settings,
                answer,
            } => {
                if let Some(service) = self.services.get_mut(&key) {
                    service.override_settings(settings);
                    let _ = answer.send(());
                }
            }
            Message::Exchange { old, new, answer } => {
                self.exchange(&old, &new);
                let _ = answer.send(());
            }
            Message::Hold { key, held, answer } => {
                if let Some(service) = self.services.get_mut(&key) {
                    service.hold(held);
                    let _ = answer.send(());
                }
            }
            Message::SleepIdle { idle } => self.sleep_idle(idle),
            Message::OrphanUnits { answer } => {
                let orphans = self.units.keys().filter(|id| self.key_of(id).is_none());
                let _ = answer.send(orphans.cloned().collect());
            }
            Message::Listed { answer } if self.listed => {
                let _ = answer.send(());
            }
            Message::Listed { answer } => self.waiting_for_list.push(answer),
        }
    }

    fn exchange(&mut self, old: &ServiceKey, new: &CoreService) {
        let definition = Definition::core(new);
        let Some(mut runtime) = self.services.remove(old) else {
            return;
        };
        if *old == new.key {
            runtime.redefine(definition);
            self.services.insert(new.key.clone(), runtime);
            return;
        }
        for key in self.core_order.iter_mut().filter(|key| *key == old) {
            *key = new.key.clone();
        }
        self.effects.close(old.clone());
        self.add(definition);
        if let Some(service) = self.services.get_mut(&new.key) {
            service.hold(runtime.held);
        }
    }

    fn command(
        &mut self,
        key: &ServiceKey,
        command: Command,
        wait_for: WaitFor,
        answer: oneshot::Sender<WaitOutcome>,
    ) {
        let Some(service) = self.services.get(key) else {
            return;
        };
        let event = match command {
            Command::Start => Some(Event::Start),
            Command::Restart => Some(Event::Restart),
            Command::Stop => Some(Event::Stop),
            Command::Sleep => Some(Event::Sleep),
            Command::Wake => service.state.is_asleep().then_some(Event::Start),
            Command::Resume => {
                let untouched = matches!(
                    service.state,
                    ServiceState::Stopped(StopReason::NotStarted) | ServiceState::Failed(_)
                );
                untouched.then_some(Event::Start)
            }
            Command::Watch => None,
        };
        if let Some(event) = event {
            self.event(key, &event);
        }
        if let Some(service) = self.services.get_mut(key) {
            service.waiting.push((wait_for, answer));
            service.answer_waiting();
        }
    }

    fn sleep_idle(&mut self, idle: Duration) {
        let services = self.services.iter();
        let idle: Vec<ServiceKey> = services
            .filter(|(_, service)| service.may_sleep(idle))
            .map(|(key, _)| key.clone())
            .collect();
        for key in idle {
            tracing::info!(%key, "was not used for a while, and is put to sleep");
            self.event(&key, &Event::Sleep);
        }
    }

    /// Takes the outcome of an effect, unless the service has begun another one since.
    fn effect_done(&mut self, done: EffectOutcome) {
        let EffectOutcome {
            key,
            generation,
            outcome,
        } = done;
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        if service.generation != generation {
            return;
        }
        let event = match outcome {
            Outcome::Token(token) => return service.set_token(token),
            Outcome::StartDone(outcome) => Event::StartDone(outcome),
            Outcome::StopDone(outcome) => Event::StopDone(outcome.map_err(|_| {
                let view = self.units.get(&service.unit);
                view.map_or(GONE, unit_of)
            })),
            Outcome::Ready { attached } => Event::Ready { attached },
            Outcome::NotReady(reason) => Event::NotReady(reason),
            Outcome::Orphaned => {
                tracing::warn!(%key, "runs without its listener, and is started again");
                Event::Orphaned
            }
            Outcome::RetryDue => Event::Retry,
        };
        self.event(&key, &event);
    }

    /// Applies the policy, and begins what it asks for.
    fn event(&mut self, key: &ServiceKey, event: &Event) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        let Some(effect) = service.on(event) else {
            return;
        };
        let effects = &self.effects;
        match effect {
            Some(Effect::StartUnit) => effects.start(service.to_start(), service.generation),
            Some(Effect::StopUnit) => {
                effects.stop(key.clone(), service.unit.clone(), service.generation);
            }
            Some(Effect::Probe) => {
                let adopt = service.token.is_none();
                let probe = effects.probe(service.to_start(), service.generation, adopt);
                service.probe = Some(probe);
            }
            Some(Effect::Reset) => {
                effects.reset(service.unit.clone());
                effects.close(key.clone());
            }
            None => {}
        }
        if let Some(pause) = service.pause_before_retry() {
            effects.retry_after(key.clone(), service.generation, pause);
        }
    }

    fn publish(&mut self) {
        let ready = self.records.borrow().is_ready();
        let mut changed = self.published != Some((ready, self.services.len()));
        for service in self.services.values_mut() {
            changed |= std::mem::take(&mut service.changed);
        }
        if !changed {
            return;
        }
        self.published = Some((ready, self.services.len()));
        let core = self.core_order.iter();
        let core = core.filter_map(|key| self.services.get(key));
        let others = self.services.values().filter(|service| !service.is_core());
        let entries = core.chain(others).map(ServiceRuntime::entry);
        self.publisher.publish(Directory::new(entries, ready));
    }
}

const GONE: Unit = Unit {
    phase: Phase::Dead,
    pid: None,
    exit: Exit::Other,
};

fn unit_of(view: &UnitView) -> Unit {
    Unit {
        phase: view.phase,
        pid: view.pid,
        exit: view.exit,
    }
}

/// One service: its definition, its state, and what belongs to its present start.
#[derive(Debug)]
struct ServiceRuntime {
    definition: Arc<Definition>,
    /// What starts run instead, while an update is tried.
    overridden: Option<Arc<Definition>>,
    /// Whether calls wait while it does not run.
    held: bool,
    /// The id that named the unit when it was last started or seen.
    unit: ServiceId,
    state: ServiceState,
    /// Counts effects: an outcome of an earlier effect is ignored.
    generation: u64,
    /// How its process ended last, since it was started by a command.
    last_exit: Option<Exit>,
    token: Option<Secret>,
    pool: Pool,
    probe: Option<AbortHandle>,
    waiting: Vec<(WaitFor, oneshot::Sender<WaitOutcome>)>,
    in_flight: Arc<InFlight>,
    /// When it began to run, while it runs.
    running_since: Option<Instant>,
    /// Retries since it last ran for long.
    retries: u32,
    /// With whom it is shared.
    shares: Arc<Shares>,
    /// Whether the directory must be published.
    changed: bool,
}

impl ServiceRuntime {
    fn new(definition: Definition, slot: PortSlot) -> Self {
        let state = match definition.core.as_ref().map(|core| &core.package) {
            Some(Err(reason)) => ServiceState::Unavailable(reason.clone()),
            _ => ServiceState::Stopped(StopReason::NotStarted),
        };
        Self {
            unit: definition.unit_id(),
            pool: Pool::new(Endpoint::Service(
                paths::app_socket(&definition.key),
                Owner::OfFolder,
                slot,
            )),
            definition: Arc::new(definition),
            overridden: None,
            held: false,
            state,
            generation: 0,
            last_exit: None,
            token: None,
            probe: None,
            waiting: Vec::new(),
            in_flight: Arc::default(),
            running_since: None,
            retries: 0,
            shares: Arc::default(),
            changed: true,
        }
    }

    fn is_core(&self) -> bool {
        self.definition.core.is_some()
    }

    /// What a start runs.
    fn to_start(&self) -> Arc<Definition> {
        self.overridden.as_ref().unwrap_or(&self.definition).clone()
    }

    fn set_token(&mut self, token: Secret) {
        self.token = Some(token);
        self.changed = true;
    }

    fn override_settings(&mut self, settings: Option<Arc<ServiceSettings>>) {
        self.overridden = settings.map(|settings| Arc::new(self.definition.with(settings)));
        self.changed = true;
    }

    fn redefine(&mut self, definition: Definition) {
        let package = definition.core.as_ref().map(|core| core.package.clone());
        match (package, &self.state) {
            (Some(Err(reason)), state) if state.is_down() => {
                self.state = ServiceState::Unavailable(reason);
            }
            (Some(Ok(_)), ServiceState::Unavailable(_)) => {
                self.state = ServiceState::Stopped(StopReason::NotStarted);
            }
            _ => {}
        }
        self.definition = Arc::new(definition);
        self.changed = true;
    }

    fn hold(&mut self, held: bool) {
        self.held = held;
        self.changed = true;
        self.answer_waiting();
    }

    /// Takes over a record, if it has changed.
    fn follow(&mut self, settings: &ServiceSettings, decided: Vec<Arc<Grant>>) {
        if *self.definition.settings == *settings && self.definition.decided == decided {
            return;
        }
        let key = self.definition.key.clone();
        let definition = Definition::installed(key, Arc::new(settings.clone()));
        // What a person decides holds for a version on trial too.
        if let Some(tried) = self.overridden.take() {
            let tried = Definition::clone(&tried).with_decided(decided.clone());
            self.overridden = Some(Arc::new(tried));
        }
        self.definition = Arc::new(definition.with_decided(decided));
        if self.state.is_down() {
            self.unit = self.definition.unit_id();
        }
        self.changed = true;
    }

    fn follow_shares(&mut self, shares: Shares) {
        if *self.shares != shares {
            self.shares = Arc::new(shares);
            self.changed = true;
        }
    }

    /// Applies an event; `None` if it changes nothing, otherwise what must be begun.
    fn on(&mut self, event: &Event) -> Option<Option<Effect>> {
        self.note_exit(event);
        let (next, effect) = self.state.on(event)?;
        tracing::info!(
            key = %self.definition.key,
            id = %self.definition.settings.id,
            from = ?self.state,
            to = ?next,
            "changed state"
        );
        let goes_on_probing =
            matches!(next, ServiceState::Probing { .. }) && effect != Some(Effect::Probe);
        if !goes_on_probing && let Some(probe) = self.probe.take() {
            probe.abort();
        }
        if effect.is_some() {
            self.generation += 1;
        }
        if next == ServiceState::StartRequested {
            self.unit = self.to_start().unit_id();
            self.last_exit = None;
        }
        if next == ServiceState::StartRequested || next.is_down() {
            self.token = None;
        }
        if matches!(next, ServiceState::Running { .. }) {
            self.in_flight.open();
            self.running_since.get_or_insert_with(Instant::now);
        } else if let Some(since) = self.running_since.take()
            && since.elapsed() > RETRY_PAUSES[1]
        {
            self.retries = 0;
        }
        self.state = next;
        self.changed = true;
        self.answer_waiting();
        Some(effect)
    }

    fn note_exit(&mut self, event: &Event) {
        if let Event::Unit(unit) = event
            && matches!(unit.phase, Phase::AutoRestart | Phase::Failed)
            && unit.exit != Exit::StartLimit
            // A failure is never a clean exit: systemd has begun the next start already.
            && unit.exit != Exit::Code(0)
        {
            self.last_exit = Some(unit.exit);
        }
    }

    /// How long to wait before a core service that is down is started again: never is not an
    /// answer, since the box depends on it.
    fn pause_before_retry(&mut self) -> Option<Duration> {
        if !self.is_core() || !self.state.needs_retry() {
            return None;
        }
        let pause = retry_pause(self.retries);
        self.retries = self.retries.saturating_add(1);
        tracing::error!(
            id = %self.definition.settings.id,
            seconds = pause.as_secs(),
            "a core service is down, and is started again after a pause"
        );
        Some(pause)
    }

    /// Whether the service may be put to sleep: it runs, and no call has used it for `idle`. If
    /// so, no call begins before it runs again.
    fn may_sleep(&self, idle: Duration) -> bool {
        self.definition.sleeps()
            && !self.definition.is_kept_awake()
            && matches!(self.state, ServiceState::Running { .. })
            && self.in_flight.close(idle)
    }

    /// Answers the callers whose wait is over.
    fn answer_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = waiting
            .into_iter()
            .filter(|(_, answer)| !answer.is_closed())
            .filter_map(|(wait_for, answer)| match wait_for.outcome(&self.state) {
                None => Some((wait_for, answer)),
                Some(WaitOutcome::Missed(_))
                    if self.held && wait_for == WaitFor::RunningAfterRestarts =>
                {
                    Some((wait_for, answer))
                }
                Some(outcome) => {
                    // The caller may have gone.
                    let _ = answer.send(outcome);
                    None
                }
            })
            .collect();
    }

    fn snapshot(&self, unit: Option<UnitView>) -> Snapshot {
        Snapshot {
            definition: self.definition.clone(),
            state: self.state.clone(),
            last_exit: self.last_exit,
            unit,
        }
    }

    /// The service's entry in the directory.
    fn entry(&self) -> Entry {
        // What an update tries is called as what it is, not as what it takes the place of.
        let definition = self.overridden.as_ref().unwrap_or(&self.definition);
        let limits = definition.effective_limits();
        let (mut state, mut reason) = describe::state(&self.state, &limits);
        let is_updated = self.held && state != State::Running;
        if is_updated {
            (state, reason) = (State::Starting, Some("being updated".to_owned()));
        }
        if state == State::Running || state == State::Sleeping {
            reason = definition.note().or(reason);
        }
        let (granted, decisions) = definition.in_force();
        Entry {
            key: definition.key.clone(),
            settings: definition.settings.clone(),
            core: self.is_core(),
            state,
            reason,
            failure: describe::failure(&self.state, self.last_exit, &limits),
            is_updated,
            pool: self.pool.clone(),
            token: self.token.clone(),
            granted: Arc::new(granted),
            decisions: Arc::new(decisions),
            shares: self.shares.clone(),
            usage: definition.sleeps().then(|| self.in_flight.clone()),
        }
    }
}

impl Drop for ServiceRuntime {
    fn drop(&mut self) {
        if let Some(probe) = self.probe.take() {
            probe.abort();
        }
    }
}

fn retry_pause(retries: u32) -> Duration {
    let [first, longest] = RETRY_PAUSES;
    first.saturating_mul(1u32 << retries.min(16)).min(longest)
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
