//! The task that owns the run-time state of all services.
//!
//! Messages in, effects out, and after each a new [`Directory`] if something changed. It
//! awaits nothing but its inputs, so a request is decided within microseconds whatever
//! systemd, the disk or a service are doing.

use super::builtin::Core;
use super::definition::Definition;
use super::effects::Hands;
use super::handle::{Handle, Message, Wish};
use super::machine::Machine;
use super::state::{Effect, Event, Life, Then, Unit, Why};
use super::waiters::{Goal, Verdict};
use crate::attach::Attach;
use crate::database::Records;
use crate::directory::{Directory, DirectoryPublisher};
use crate::spawn::Spawn;
use crate::systemd::{Phase, Systemd, UnitEvent, UnitView};
use atek_api::ids::{ServiceId, ServiceKey};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// What the supervisor is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) core: Vec<Core>,
    pub(super) records: watch::Receiver<Arc<Records>>,
    pub(super) publisher: DirectoryPublisher,
    pub(super) units: mpsc::Receiver<UnitEvent>,
    pub(super) systemd: Systemd,
    pub(super) spawn: Spawn,
    pub(super) attach: Attach,
}

/// Spawns the task.
pub(super) fn spawn(parts: Parts) -> Handle {
    // Requests wait when it is full; the supervisor itself never waits for its own outcomes.
    let (messages, inbox) = mpsc::channel(256);
    let hands = Hands::new(parts.spawn, parts.systemd, parts.attach, messages.clone());
    let core = parts.core.iter().map(|core| {
        let machine = Machine::new(Definition::core(core));
        (core.key.clone(), machine)
    });
    let supervisor = Supervisor {
        order: parts.core.iter().map(|core| core.key.clone()).collect(),
        machines: core.collect(),
        units: HashMap::new(),
        listed: false,
        wait_listed: Vec::new(),
        records: parts.records,
        followed: None,
        publisher: parts.publisher,
        published: None,
        hands,
    };
    tokio::spawn(supervisor.run(inbox, parts.units));
    Handle::new(messages)
}

struct Supervisor {
    /// Core services, in their order.
    order: Vec<ServiceKey>,
    machines: BTreeMap<ServiceKey, Machine>,
    /// Every unit that there is, also of services whose record is not read yet.
    units: HashMap<ServiceId, UnitView>,
    listed: bool,
    wait_listed: Vec<oneshot::Sender<()>>,
    records: watch::Receiver<Arc<Records>>,
    /// The records that the machines follow.
    followed: Option<Arc<Records>>,
    publisher: DirectoryPublisher,
    /// Whether the database was ready, and the number of services.
    published: Option<(bool, usize)>,
    hands: Hands,
}

impl Supervisor {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
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
                message = inbox.recv() => match message {
                    Some(message) => {
                        // Whoever wrote a record and then asks is not told that it is unknown.
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
        let gone: Vec<ServiceKey> = self
            .machines
            .iter()
            .filter(|(key, machine)| !machine.is_core() && records.service(key.as_str()).is_none())
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.machines.remove(&key);
        }
        for record in records.services() {
            match self.machines.get_mut(&record.key) {
                Some(machine) => machine.follow(&record.settings),
                None => self.add(Definition::installed(
                    record.key.clone(),
                    Arc::new(record.settings.clone()),
                )),
            }
        }
    }

    fn add(&mut self, definition: Definition) {
        let key = definition.key.clone();
        let machine = Machine::new(definition);
        let unit = self.units.get(machine.unit_id()).map(seen);
        self.machines.insert(key.clone(), machine);
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
                for answer in self.wait_listed.drain(..) {
                    let _ = answer.send(());
                }
            }
            UnitEvent::Changed(view) => self.unit_changed(view),
            UnitEvent::Gone(last) => {
                self.units.remove(&last.id);
                self.unit_gone(&last);
            }
            // What runs goes on running; the next list says what happened meanwhile.
            UnitEvent::Lost => {}
            UnitEvent::Synced(done) => {
                let _ = done.send(());
            }
        }
    }

    fn unit_changed(&mut self, view: UnitView) {
        let unit = seen(&view);
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
        self.event(
            &key,
            &Event::Unit(Unit {
                phase: Phase::Dead,
                ..seen(last)
            }),
        );
        // A transient unit that is gone cannot come back by itself.
        if let Some(machine) = self.machines.get(&key)
            && matches!(machine.life(), Life::Stopped(_) | Life::Sleeping)
        {
            self.hands.close(key);
        }
    }

    fn key_of(&self, id: &ServiceId) -> Option<ServiceKey> {
        let machine = self
            .machines
            .iter()
            .find(|(_, machine)| machine.unit_id() == id);
        machine.map(|(key, _)| key.clone())
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Wish {
                key,
                wish,
                goal,
                answer,
            } => self.wish(&key, wish, goal, answer),
            Message::Look { key, answer } => {
                if let Some(machine) = self.machines.get(&key) {
                    let view = self.units.get(machine.unit_id()).cloned();
                    let _ = answer.send(machine.look(view));
                }
            }
            Message::Trial {
                key,
                settings,
                answer,
            } => {
                if let Some(machine) = self.machines.get_mut(&key) {
                    machine.set_trial(settings);
                    let _ = answer.send(());
                }
            }
            Message::Doze { idle } => self.doze(idle),
            Message::Strays { answer } => {
                let strays = self.units.keys().filter(|id| self.key_of(id).is_none());
                let _ = answer.send(strays.cloned().collect());
            }
            Message::Listed { answer } if self.listed => {
                let _ = answer.send(());
            }
            Message::Listed { answer } => self.wait_listed.push(answer),
            Message::Token {
                key,
                generation,
                token,
            } => {
                if let Some(machine) = self.current(&key, generation) {
                    machine.set_token(token);
                }
            }
            Message::StartDone {
                key,
                generation,
                outcome,
            } => {
                if self.current(&key, generation).is_some() {
                    self.event(&key, &Event::StartDone(outcome));
                }
            }
            Message::StopDone {
                key,
                generation,
                outcome,
            } => {
                let Some(machine) = self.current(&key, generation) else {
                    return;
                };
                let unit = machine.unit_id().clone();
                let outcome = outcome.map_err(|_| match self.units.get(&unit) {
                    Some(view) => seen(view),
                    None => Unit {
                        phase: Phase::Dead,
                        pid: None,
                        exit: crate::systemd::Exit::Other,
                    },
                });
                self.event(&key, &Event::StopDone(outcome));
            }
            Message::Listening {
                key,
                generation,
                attached,
            } => {
                if self.current(&key, generation).is_some() {
                    self.event(&key, &Event::Listening { attached });
                }
            }
            Message::NotListening { key, generation } => {
                if self.current(&key, generation).is_some() {
                    self.event(&key, &Event::NotListening);
                }
            }
            Message::Orphaned { key, generation } => {
                if self.current(&key, generation).is_some() {
                    tracing::warn!(%key, "runs without a way to the host, and is started anew");
                    self.event(&key, &Event::Orphaned);
                }
            }
        }
    }

    /// The service, if the message is about what it is doing now and not about an earlier start.
    fn current(&mut self, key: &ServiceKey, generation: u64) -> Option<&mut Machine> {
        self.machines
            .get_mut(key)
            .filter(|machine| machine.generation() == generation)
    }

    fn wish(&mut self, key: &ServiceKey, wish: Wish, goal: Goal, answer: oneshot::Sender<Verdict>) {
        let Some(machine) = self.machines.get(key) else {
            return;
        };
        let event = match wish {
            Wish::Start => Some(Event::Start),
            Wish::Restart => Some(Event::Restart),
            Wish::Stop => Some(Event::Stop),
            Wish::Sleep => Some(Event::Sleep),
            Wish::Wake => {
                let asleep = matches!(
                    machine.life(),
                    Life::Sleeping
                        | Life::Stopping {
                            then: Then::Sleep,
                            ..
                        }
                );
                asleep.then_some(Event::Start)
            }
            Wish::Resume => {
                let untouched = matches!(
                    machine.life(),
                    Life::Stopped(Why::NotStarted) | Life::Failed(_)
                );
                untouched.then_some(Event::Start)
            }
            Wish::Watch => None,
        };
        if let Some(event) = event {
            self.event(key, &event);
        }
        if let Some(machine) = self.machines.get_mut(key) {
            machine.wait(goal, answer);
        }
    }

    fn doze(&mut self, idle: Duration) {
        let dozy = self.machines.iter().filter(|(_, it)| it.may_doze(idle));
        let dozy: Vec<ServiceKey> = dozy.map(|(key, _)| key.clone()).collect();
        for key in dozy {
            tracing::info!(%key, "was not used for a while, and is put to sleep");
            self.event(&key, &Event::Sleep);
        }
    }

    fn event(&mut self, key: &ServiceKey, event: &Event) {
        let Some(machine) = self.machines.get_mut(key) else {
            return;
        };
        let Some(effect) = machine.on(event) else {
            return;
        };
        match effect {
            Some(Effect::StartUnit) => {
                self.hands.start(machine.definition(), machine.generation());
            }
            Some(Effect::StopUnit) => {
                self.hands
                    .stop(key.clone(), machine.unit_id().clone(), machine.generation());
            }
            Some(Effect::Probe) => {
                let adopt = !machine.has_token();
                let probe = self
                    .hands
                    .probe(machine.definition(), machine.generation(), adopt);
                machine.set_probe(probe);
            }
            Some(Effect::Reset) => {
                self.hands.reset(machine.unit_id().clone());
                self.hands.close(key.clone());
            }
            None => {}
        }
    }

    fn publish(&mut self) {
        let ready = self.records.borrow().is_ready();
        let mut changed = self.published != Some((ready, self.machines.len()));
        for machine in self.machines.values_mut() {
            changed |= machine.take_changed();
        }
        if !changed {
            return;
        }
        self.published = Some((ready, self.machines.len()));
        let core = self.order.iter().filter_map(|key| self.machines.get(key));
        let others = self.machines.values().filter(|machine| !machine.is_core());
        self.publisher.publish(Directory::new(
            core.chain(others).map(Machine::entry),
            ready,
        ));
    }
}

fn seen(view: &UnitView) -> Unit {
    Unit {
        phase: view.phase,
        pid: view.pid,
        exit: view.exit,
    }
}
