//! One service as the supervisor has it: its definition, its life, and what belongs to
//! its present start.

use super::definition::Definition;
use super::handle::Look;
use super::show;
use super::state::{Effect, Event, Life, Step, Why};
use super::waiters::{Goal, Verdict, Waiters};
use crate::directory::Entry;
use crate::systemd::{Exit, Phase, UnitView};
use atek_api::ids::ServiceId;
use atek_api::secret::Secret;
use atek_api::services::ServiceSettings;
use atek_api::spec::paths;
use atek_host_model::idle::InFlight;
use atek_rpc::pool::Pool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

#[derive(Debug)]
pub(super) struct Machine {
    definition: Arc<Definition>,
    /// What starts run instead, while an update is being tried.
    trial: Option<Arc<Definition>>,
    /// The id that named the unit when it was last started or seen.
    unit: ServiceId,
    life: Life,
    /// Counts effects: an outcome of an earlier one is of no interest any more.
    generation: u64,
    /// How its process ended last, since a person started it.
    last_exit: Option<Exit>,
    token: Option<Secret>,
    pool: Pool,
    probe: Option<AbortHandle>,
    waiters: Waiters,
    usage: Arc<InFlight>,
    changed: bool,
}

impl Machine {
    pub(super) fn new(definition: Definition) -> Self {
        let life = match definition.core.as_ref().map(|core| &core.package) {
            Some(Err(reason)) => Life::Unavailable(reason.clone()),
            _ => Life::Stopped(Why::NotStarted),
        };
        Self {
            unit: definition.unit_id(),
            pool: Pool::unix(paths::app_socket(&definition.key)),
            definition: Arc::new(definition),
            trial: None,
            life,
            generation: 0,
            last_exit: None,
            token: None,
            probe: None,
            waiters: Waiters::default(),
            usage: Arc::default(),
            changed: true,
        }
    }

    pub(super) fn is_core(&self) -> bool {
        self.definition.core.is_some()
    }

    /// What a start runs.
    pub(super) fn definition(&self) -> Arc<Definition> {
        self.trial.as_ref().unwrap_or(&self.definition).clone()
    }

    pub(super) fn life(&self) -> &Life {
        &self.life
    }

    pub(super) fn unit_id(&self) -> &ServiceId {
        &self.unit
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) fn set_token(&mut self, token: Secret) {
        self.token = Some(token);
        self.changed = true;
    }

    pub(super) fn set_probe(&mut self, probe: AbortHandle) {
        self.probe = Some(probe);
    }

    pub(super) fn set_trial(&mut self, settings: Option<Arc<ServiceSettings>>) {
        let key = self.definition.key.clone();
        self.trial = settings.map(|settings| Arc::new(Definition::installed(key, settings)));
    }

    /// Takes over a record, if it is another one.
    pub(super) fn follow(&mut self, settings: &ServiceSettings) {
        if *self.definition.settings == *settings {
            return;
        }
        let key = self.definition.key.clone();
        self.definition = Arc::new(Definition::installed(key, Arc::new(settings.clone())));
        if is_down(&self.life) {
            self.unit = self.definition.unit_id();
        }
        self.changed = true;
    }

    /// Lets something happen; `None` if it changes nothing, otherwise what is to be begun.
    pub(super) fn on(&mut self, event: &Event) -> Option<Option<Effect>> {
        if let Event::Unit(unit) = event
            && matches!(unit.phase, Phase::AutoRestart | Phase::Failed)
            && unit.exit != Exit::StartLimit
            // What failed did not end well: systemd has begun the next start meanwhile.
            && unit.exit != Exit::Code(0)
        {
            self.last_exit = Some(unit.exit);
        }
        let (next, effect) = self.life.on(event)?;
        tracing::info!(
            key = %self.definition.key,
            id = %self.definition.settings.id,
            from = ?self.life,
            to = ?next,
            "changed state"
        );
        let anew = effect == Some(Effect::Probe);
        if (anew || !next.is_probing())
            && let Some(probe) = self.probe.take()
        {
            probe.abort();
        }
        if effect.is_some() {
            self.generation += 1;
        }
        if matches!(
            next,
            Life::Starting {
                step: Step::Asked,
                ..
            }
        ) {
            self.unit = self.definition().unit_id();
            self.token = None;
            self.last_exit = None;
        }
        if is_down(&next) {
            self.token = None;
        }
        if matches!(next, Life::Running { .. }) {
            self.usage.open();
        }
        self.life = next;
        self.changed = true;
        self.waiters.look(&self.life);
        Some(effect)
    }

    /// Whether it may be put to sleep: it runs, and nobody has used it for `idle`. If so,
    /// nobody begins to before it runs again.
    pub(super) fn may_doze(&self, idle: Duration) -> bool {
        self.definition.sleeps()
            && matches!(self.life, Life::Running { .. })
            && self.usage.close(idle)
    }

    pub(super) fn wait(&mut self, goal: Goal, answer: oneshot::Sender<Verdict>) {
        self.waiters.add(goal, answer);
        self.waiters.look(&self.life);
    }

    pub(super) fn look(&self, view: Option<UnitView>) -> Look {
        Look {
            definition: self.definition.clone(),
            life: self.life.clone(),
            last_exit: self.last_exit,
            view,
        }
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// As the gateway sees it.
    pub(super) fn entry(&self) -> Entry {
        let definition = &self.definition;
        let (state, reason) = show::life(&self.life, &definition.effective_limits());
        Entry {
            key: definition.key.clone(),
            settings: definition.settings.clone(),
            core: self.is_core(),
            state,
            reason,
            pool: self.pool.clone(),
            token: self.token.clone(),
            granted: Arc::new(definition.permissions()),
            usage: definition.sleeps().then(|| self.usage.clone()),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(probe) = self.probe.take() {
            probe.abort();
        }
    }
}

/// Whether no unit belongs to the service.
fn is_down(life: &Life) -> bool {
    match life {
        Life::Stopped(_) | Life::Failed(_) | Life::Sleeping | Life::Unavailable(_) => true,
        Life::Starting { .. }
        | Life::Running { .. }
        | Life::Restarting { .. }
        | Life::Stopping { .. } => false,
    }
}
