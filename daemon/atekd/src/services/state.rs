//! The policy of one service: its states, the events, the transitions and the waits. Pure:
//! no I/O, no clock.
//!
//! systemd owns the process: `Restart=` is its job, and what an administrator does with
//! `systemctl` is followed and shown, never fought. So every state accepts what the unit does
//! ([`Event::Unit`]); atekd's own commands are `Start`, `Restart`, `Stop`, `Sleep` and `Retry`.
//!
//! ```text
//!              Start             StartDone, Active           Ready
//!   Stopped ----------> StartRequested ------> Probing -----------> Running
//!   Sleeping  (Retry)       |                   ^  | NotReady, Orphaned |
//!   Failed                  | StartDone(Err)    |  |                    | Stop, Sleep, Restart
//!      ^                    v                   |  v                    v
//!      |                  Failed                | Stopping <------------+
//!      +--------------------------------------- | --- StopDone: Stopped, Sleeping, Failed, StartRequested
//!                                   Activating -+
//!                                       ^  unit starts
//!                                   Restarting <--- unit failed, systemd waits to start it again
//! ```
//!
//! Every transition; `*` is any state but `Unavailable`, which ignores all events. What is not
//! listed changes nothing. `-> !x` begins the effect `x`.
//!
//! | event | from | to |
//! |---|---|---|
//! | `Start` | Stopped, Failed, Sleeping | StartRequested -> !StartUnit |
//! | | Restarting, StoppingByAdministrator | Stopping(Start) -> !StopUnit |
//! | | Stopping(any) | Stopping(Start) |
//! | `Restart` | Stopped, Failed, Sleeping | StartRequested -> !StartUnit |
//! | | Stopping(any) | Stopping(Start) |
//! | | StartRequested, Activating, Probing, Running, Restarting, StoppingByAdministrator | Stopping(Start) -> !StopUnit |
//! | `Stop` | StartRequested, Activating, Probing, Running, Restarting, StoppingByAdministrator | Stopping(Stay) -> !StopUnit |
//! | | Stopping(any) | Stopping(Stay) |
//! | | Failed | Stopped(Requested) -> !Reset |
//! | | Stopped(other reason), Sleeping | Stopped(Requested) |
//! | `Sleep` | Stopped | Sleeping |
//! | | Running | Stopping(Sleep) -> !StopUnit |
//! | `Retry` | Failed, Stopped(Ended) | StartRequested -> !StartUnit |
//! | `StartDone(Ok)` | StartRequested | Probing -> !Probe |
//! | `StartDone(Err)` | StartRequested | Failed(NotStarted) |
//! | `StopDone(Ok)` | Stopping(Stay, Start, Fail, Sleep) | Stopped(Requested), StartRequested -> !StartUnit, Failed, Sleeping |
//! | `StopDone(Err)` | Stopping(any) | what the unit does, as from Stopped; if that is nothing, as `StopDone(Ok)` |
//! | `Ready`, attached | Probing | Running |
//! | `Ready`, not attached | Probing | Stopping(Start) -> !StopUnit |
//! | `NotReady` | Probing | Stopping(Fail) -> !StopUnit |
//! | `Orphaned` | Probing, Running | Stopping(Start) -> !StopUnit |
//! | unit active | Probing, Running of the same process | the same, with its process |
//! | | any other state but Stopping | Probing -> !Probe |
//! | unit starting | * but StartRequested, Activating, Stopping | Activating |
//! | unit waits to restart | * but Stopping | Restarting |
//! | unit failed | * but Failed, Stopping | Failed(Exit) |
//! | unit stopping, asked | * but StartRequested, Stopping | StoppingByAdministrator |
//! | unit dead | Activating, Probing, Running, Restarting | Stopped(Administrator or Ended) |
//! | | StoppingByAdministrator | Stopped(Administrator) |

use crate::systemd::{Exit, Phase};
use ServiceState::{
    Activating, Failed, Probing, Restarting, Running, Sleeping, StartRequested, Stopped, Stopping,
    StoppingByAdministrator, Unavailable,
};
use std::fmt;

/// The state of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServiceState {
    /// Not running, and not started again by the host.
    Stopped(StopReason),
    /// Not running; the first call starts it.
    Sleeping,
    /// atek-spawnd was asked to start the unit and has not answered.
    StartRequested,
    /// systemd starts the unit.
    Activating {
        /// The failure that this start follows.
        after: Option<Exit>,
    },
    /// The unit is active; the probe waits until the service is ready.
    Probing {
        /// The main process, once systemd has told it.
        pid: Option<u32>,
        /// The failure that this start follows.
        after: Option<Exit>,
    },
    /// The service is ready for calls.
    Running {
        /// The main process, once systemd has told it.
        pid: Option<u32>,
    },
    /// The process failed, and systemd will start it again.
    Restarting {
        /// How it ended.
        exit: Exit,
    },
    /// The service failed and stays down.
    Failed(Failure),
    /// atekd is stopping the unit; [`Event::StopDone`] ends this.
    Stopping {
        /// What follows.
        then: AfterStop,
    },
    /// systemd is stopping the unit on an administrator's word; [`Event::Unit`] ends this.
    StoppingByAdministrator,
    /// The service cannot run on this host; the reason, for a person.
    Unavailable(String),
}

/// Why a service is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// It was not started since this daemon began.
    NotStarted,
    /// It was stopped through Atek.
    Requested,
    /// Its unit was stopped with `systemctl`, or its process with a signal.
    Administrator,
    /// Its process ended by itself, without a failure.
    Ended,
}

/// Why a service stays down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Its process ended.
    Exit {
        /// How it ended.
        exit: Exit,
        /// systemd gave up after several attempts.
        gave_up: bool,
    },
    /// It ran and was not ready in time; the reason, for a person.
    NotReady(String),
    /// It could not be started at all; the reason, for a person.
    NotStarted(String),
}

/// What follows a stop of atekd's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AfterStop {
    /// It stays stopped.
    Stay,
    /// It is started again.
    Start,
    /// It is shown as failed.
    Fail(Failure),
    /// It sleeps until the first call.
    Sleep,
}

/// The state of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// [`Phase::Dead`] also stands for a unit that is gone.
    pub(super) phase: Phase,
    /// The main process.
    pub(super) pid: Option<u32>,
    /// How the last process ended.
    pub(super) exit: Exit,
}

/// What happens to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A command to run.
    Start,
    /// A command to stop and run again.
    Restart,
    /// A command to stop.
    Stop,
    /// The service is idle and may sleep.
    Sleep,
    /// The pause after a failure is over, of a service that the host needs.
    Retry,
    /// atek-spawnd answered a start; the error is for a person.
    StartDone(Result<(), String>),
    /// atek-spawnd answered a stop; after an error, what the unit does.
    StopDone(Result<(), Unit>),
    /// The unit changed.
    Unit(Unit),
    /// The probe found the service ready.
    Ready {
        /// Whether the host holds the service's listener.
        attached: bool,
    },
    /// The probe's deadline has passed; the reason, for a person.
    NotReady(String),
    /// It runs, and this daemon has lost the listener or the token it needs to serve it.
    Orphaned,
}

/// What the supervisor must begin on entering the new state.
///
/// A running probe is aborted whenever the new state is not probing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Ask atek-spawnd to start the unit.
    StartUnit,
    /// Ask atek-spawnd to stop the unit.
    StopUnit,
    /// Try the service until it is ready.
    Probe,
    /// Ask systemd to forget that the unit failed.
    Reset,
}

type Transition = (ServiceState, Option<Effect>);

impl ServiceState {
    /// Returns the next state and what to begin; `None` if the event changes nothing.
    #[must_use]
    pub(super) fn on(&self, event: &Event) -> Option<Transition> {
        if matches!(self, Unavailable(_)) {
            return None;
        }
        match event {
            Event::Start => self.on_start(),
            Event::Restart => Some(self.on_restart()),
            Event::Stop => self.on_stop(),
            Event::Sleep => match self {
                Stopped(_) => Some((Sleeping, None)),
                Running { .. } => Some(begin_stop(AfterStop::Sleep)),
                _ => None,
            },
            Event::Retry => self.needs_retry().then(begin_start),
            Event::StartDone(outcome) => self.on_start_done(outcome),
            Event::StopDone(outcome) => self.on_stop_done(outcome),
            Event::Unit(unit) => self.on_unit(unit),
            Event::Ready { attached } => match self {
                Probing { pid, .. } if *attached => Some((Running { pid: *pid }, None)),
                Probing { .. } => Some(begin_stop(AfterStop::Start)),
                _ => None,
            },
            Event::NotReady(reason) => match self {
                Probing { .. } => Some(begin_stop(AfterStop::Fail(Failure::NotReady(
                    reason.clone(),
                )))),
                _ => None,
            },
            Event::Orphaned => match self {
                Probing { .. } | Running { .. } => Some(begin_stop(AfterStop::Start)),
                _ => None,
            },
        }
    }

    fn on_start(&self) -> Option<Transition> {
        match self {
            Stopped(_) | Failed(_) | Sleeping => Some(begin_start()),
            // A person who asks does not wait for systemd's pause between restarts.
            Restarting { .. } | StoppingByAdministrator => Some(begin_stop(AfterStop::Start)),
            Stopping { .. } => Some((
                Stopping {
                    then: AfterStop::Start,
                },
                None,
            )),
            StartRequested
            | Activating { .. }
            | Probing { .. }
            | Running { .. }
            | Unavailable(_) => None,
        }
    }

    fn on_restart(&self) -> Transition {
        match self {
            Stopped(_) | Failed(_) | Sleeping => begin_start(),
            Stopping { .. } => (
                Stopping {
                    then: AfterStop::Start,
                },
                None,
            ),
            StartRequested
            | Activating { .. }
            | Probing { .. }
            | Running { .. }
            | Restarting { .. }
            | StoppingByAdministrator
            | Unavailable(_) => begin_stop(AfterStop::Start),
        }
    }

    fn on_stop(&self) -> Option<Transition> {
        match self {
            StartRequested
            | Activating { .. }
            | Probing { .. }
            | Running { .. }
            | Restarting { .. }
            | StoppingByAdministrator => Some(begin_stop(AfterStop::Stay)),
            Stopping { .. } => Some((
                Stopping {
                    then: AfterStop::Stay,
                },
                None,
            )),
            Failed(_) => Some((Stopped(StopReason::Requested), Some(Effect::Reset))),
            Stopped(StopReason::Requested) | Unavailable(_) => None,
            Stopped(_) | Sleeping => Some((Stopped(StopReason::Requested), None)),
        }
    }

    fn on_start_done(&self, outcome: &Result<(), String>) -> Option<Transition> {
        if *self != StartRequested {
            return None;
        }
        Some(match outcome {
            Ok(()) => {
                let (pid, after) = (None, None);
                (Probing { pid, after }, Some(Effect::Probe))
            }
            Err(reason) => (Failed(Failure::NotStarted(reason.clone())), None),
        })
    }

    fn on_stop_done(&self, outcome: &Result<(), Unit>) -> Option<Transition> {
        let Stopping { then } = self else {
            return None;
        };
        let after_stop = || match then {
            AfterStop::Stay => (Stopped(StopReason::Requested), None),
            AfterStop::Start => begin_start(),
            AfterStop::Fail(failure) => (Failed(failure.clone()), None),
            AfterStop::Sleep => (Sleeping, None),
        };
        match outcome {
            Ok(()) => Some(after_stop()),
            // The unit could not be stopped: its own state is shown.
            Err(unit) => Stopped(StopReason::NotStarted)
                .on_unit(unit)
                .or_else(|| Some(after_stop())),
        }
    }

    fn on_unit(&self, unit: &Unit) -> Option<Transition> {
        if let Stopping { .. } = self {
            // These changes belong to the stop; its answer says when it is over.
            return None;
        }
        let after = self.failure_before();
        match unit.phase {
            Phase::Active => self.on_active(unit.pid, after),
            Phase::Starting => match self {
                StartRequested | Activating { .. } => None,
                _ => Some((Activating { after }, None)),
            },
            Phase::AutoRestart => self.changed_to(Restarting { exit: unit.exit }),
            Phase::Failed => {
                let gave_up = unit.exit == Exit::StartLimit || matches!(self, Restarting { .. });
                // "Started too often" must not hide how the process failed.
                let exit = match (unit.exit, after) {
                    (Exit::StartLimit, Some(before)) => before,
                    (exit, _) => exit,
                };
                let next = Failed(Failure::Exit { exit, gave_up });
                (!matches!(self, Failed(_))).then_some((next, None))
            }
            // The answer to the start says why: systemd stops what it could not start as a whole.
            Phase::Stopping { asked: true } if *self == StartRequested => None,
            Phase::Stopping { asked: true } => self.changed_to(StoppingByAdministrator),
            // The process has ended by itself; the next event says how.
            Phase::Stopping { asked: false } => None,
            Phase::Dead => self.on_dead(unit.exit),
        }
    }

    fn on_active(&self, pid: Option<u32>, after: Option<Exit>) -> Option<Transition> {
        match self {
            Probing { pid: None, after } if pid.is_some() => {
                Some((Probing { pid, after: *after }, None))
            }
            Running { pid: None } if pid.is_some() => Some((Running { pid }, None)),
            Probing { pid: old, .. } | Running { pid: old } if *old == pid || pid.is_none() => None,
            // Also a service that was started with systemctl, or runs already when this daemon
            // begins, or whose restart was not seen.
            _ => Some((Probing { pid, after }, Some(Effect::Probe))),
        }
    }

    fn on_dead(&self, exit: Exit) -> Option<Transition> {
        match self {
            Activating { .. } | Probing { .. } | Running { .. } | Restarting { .. } => {
                // A handled SIGTERM ends like a normal exit; a signal that kills was sent.
                let reason = match (self, exit) {
                    (Restarting { .. }, _) | (_, Exit::Signal(_)) => StopReason::Administrator,
                    _ => StopReason::Ended,
                };
                Some((Stopped(reason), None))
            }
            StoppingByAdministrator => Some((Stopped(StopReason::Administrator), None)),
            // The unit of a requested start is not there yet, or is a leftover of the run before.
            StartRequested
            | Stopping { .. }
            | Stopped(_)
            | Failed(_)
            | Sleeping
            | Unavailable(_) => None,
        }
    }

    fn changed_to(&self, next: ServiceState) -> Option<Transition> {
        (*self != next).then_some((next, None))
    }

    /// The failure that a start in this state follows.
    fn failure_before(&self) -> Option<Exit> {
        match self {
            Restarting { exit } => Some(*exit),
            Activating { after } | Probing { after, .. } => *after,
            _ => None,
        }
    }

    /// Whether a service that the host needs is down without anyone having stopped it.
    pub(super) fn needs_retry(&self) -> bool {
        matches!(self, Failed(_) | Stopped(StopReason::Ended))
    }

    /// Whether the service is ready for calls.
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Running { .. })
    }

    /// Whether the service is on its way up.
    pub(super) fn is_starting(&self) -> bool {
        matches!(self, StartRequested | Activating { .. } | Probing { .. })
    }

    /// Whether the service runs or is about to, so that a change needs a restart.
    pub(super) fn is_up(&self) -> bool {
        self.is_starting() || matches!(self, Running { .. } | Restarting { .. })
    }

    /// Whether no unit belongs to the service.
    pub(super) fn is_down(&self) -> bool {
        matches!(self, Stopped(_) | Failed(_) | Sleeping | Unavailable(_))
    }

    /// Whether the service is not running because it is idle, or is being stopped for that.
    pub(super) fn is_asleep(&self) -> bool {
        matches!(
            self,
            Sleeping
                | Stopping {
                    then: AfterStop::Sleep
                }
        )
    }
}

fn begin_start() -> Transition {
    (StartRequested, Some(Effect::StartUnit))
}

fn begin_stop(then: AfterStop) -> Transition {
    (Stopping { then }, Some(Effect::StopUnit))
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopReason::NotStarted => "not started",
            StopReason::Requested => "stopped",
            StopReason::Administrator => "stopped by the administrator",
            StopReason::Ended => "ended by itself",
        })
    }
}

/// What a caller of the supervisor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitFor {
    /// That the service runs; its first failure ends the wait.
    Running,
    /// That the service runs, over failures after which systemd starts it again.
    RunningAfterRestarts,
    /// That nothing of it runs.
    Down,
    /// That it is neither starting nor stopping.
    Settled,
    /// That it does not run any more.
    NotRunning,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WaitOutcome {
    /// The awaited state is reached.
    Reached,
    /// It will not be reached; the state says why.
    Missed(ServiceState),
}

impl WaitFor {
    /// Whether the wait is over in this state, and how.
    pub(super) fn outcome(self, state: &ServiceState) -> Option<WaitOutcome> {
        let missed = || Some(WaitOutcome::Missed(state.clone()));
        match self {
            WaitFor::Running | WaitFor::RunningAfterRestarts => match state {
                Running { .. } => Some(WaitOutcome::Reached),
                StartRequested | Activating { .. } | Probing { .. } => None,
                // Of a failure the reason is complete when the unit is down.
                Stopping {
                    then: AfterStop::Start | AfterStop::Fail(_),
                } => None,
                Restarting { .. } if self == WaitFor::RunningAfterRestarts => None,
                _ => missed(),
            },
            WaitFor::Down => match state {
                Stopping { .. } | StoppingByAdministrator => None,
                state if state.is_down() => Some(WaitOutcome::Reached),
                // The stop failed, or another command started it.
                _ => missed(),
            },
            WaitFor::NotRunning => match state {
                Running { .. } => None,
                _ => missed(),
            },
            WaitFor::Settled => {
                let moving = state.is_starting()
                    || matches!(state, Stopping { .. } | StoppingByAdministrator);
                (!moving).then_some(WaitOutcome::Reached)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(phase: Phase, pid: u32, exit: Exit) -> Event {
        Event::Unit(Unit {
            phase,
            pid: (pid != 0).then_some(pid),
            exit,
        })
    }

    fn active(pid: u32) -> Event {
        unit(Phase::Active, pid, Exit::Code(0))
    }

    fn dead(exit: Exit) -> Event {
        unit(Phase::Dead, 0, exit)
    }

    /// Runs events from a state; ignored ones leave it. The last effect comes back.
    fn run(
        from: ServiceState,
        events: impl IntoIterator<Item = Event>,
    ) -> (ServiceState, Option<Effect>) {
        events
            .into_iter()
            .fold((from, None), |(state, effect), event| {
                match state.on(&event) {
                    Some(next) => next,
                    None => (state, effect),
                }
            })
    }

    const NEW: ServiceState = Stopped(StopReason::NotStarted);

    #[test]
    fn a_start_runs_when_the_socket_accepts_and_not_before() {
        let (state, effect) = run(NEW, [Event::Start]);
        assert_eq!(effect, Some(Effect::StartUnit));
        let (state, effect) = run(state, [active(7), Event::StartDone(Ok(()))]);
        assert_eq!(effect, Some(Effect::Probe));
        assert!(matches!(state, Probing { .. }));
        let (state, _) = run(state, [Event::Ready { attached: true }]);
        assert_eq!(state, Running { pid: Some(7) });
    }

    #[test]
    fn the_answer_of_a_start_may_come_before_the_unit_is_seen() {
        let (state, effect) = run(NEW, [Event::Start, Event::StartDone(Ok(()))]);
        assert_eq!(effect, Some(Effect::Probe));
        let listening = Event::Ready { attached: true };
        assert_eq!(
            run(state, [listening, active(7)]).0,
            Running { pid: Some(7) }
        );
    }

    #[test]
    fn a_unit_that_runs_already_is_adopted_by_trying_its_socket() {
        let (state, effect) = run(NEW, [active(7)]);
        assert_eq!(effect, Some(Effect::Probe));
        let (adopted, _) = run(state.clone(), [Event::Ready { attached: true }]);
        assert_eq!(adopted, Running { pid: Some(7) });
        // Without its way to the host it is of no use: it is started again.
        let (again, effect) = run(state, [Event::Ready { attached: false }]);
        assert_eq!(
            again,
            Stopping {
                then: AfterStop::Start
            }
        );
        assert_eq!(effect, Some(Effect::StopUnit));
    }

    #[test]
    fn a_failure_that_systemd_will_mend_is_restarting_and_the_one_it_gives_up_on_is_failed() {
        let wait = unit(Phase::AutoRestart, 0, Exit::Code(3));
        let (state, effect) = run(Running { pid: Some(7) }, [wait.clone()]);
        assert_eq!(
            (state.clone(), effect),
            (
                Restarting {
                    exit: Exit::Code(3)
                },
                None
            )
        );
        let (again, _) = run(
            state.clone(),
            [unit(Phase::Starting, 0, Exit::Code(3)), active(8)],
        );
        assert_eq!(
            again,
            Probing {
                pid: Some(8),
                after: Some(Exit::Code(3))
            }
        );
        // "Failed too often" does not hide what failed.
        let (failed, _) = run(again, [wait, unit(Phase::Failed, 0, Exit::StartLimit)]);
        assert_eq!(
            failed,
            Failed(Failure::Exit {
                exit: Exit::Code(3),
                gave_up: true
            })
        );
    }

    #[test]
    fn a_service_that_does_not_listen_is_stopped_and_then_failed() {
        let probing = run(NEW, [Event::Start, Event::StartDone(Ok(()))]).0;
        let (state, effect) = run(probing, [Event::NotReady("silent".to_owned())]);
        assert_eq!(effect, Some(Effect::StopUnit));
        assert_eq!(
            run(state, [Event::StopDone(Ok(()))]).0,
            Failed(Failure::NotReady("silent".to_owned()))
        );
    }

    #[test]
    fn what_an_administrator_does_is_shown_and_not_fought() {
        let stopping = unit(Phase::Stopping { asked: true }, 7, Exit::Code(0));
        let (state, effect) = run(
            Running { pid: Some(7) },
            [stopping.clone(), dead(Exit::Code(0))],
        );
        assert_eq!(
            (state.clone(), effect),
            (Stopped(StopReason::Administrator), None)
        );
        assert_eq!(
            run(state, [dead(Exit::Code(0))]).0,
            Stopped(StopReason::Administrator)
        );
        // systemctl restart: the same, and then it is there again.
        let (state, effect) = run(
            Running { pid: Some(7) },
            [stopping, unit(Phase::Starting, 0, Exit::Code(0)), active(9)],
        );
        assert_eq!(effect, Some(Effect::Probe));
        let listening = Event::Ready { attached: true };
        assert_eq!(run(state, [listening]).0, Running { pid: Some(9) });
        // systemctl stop while systemd waits to start it again.
        let waiting = Restarting {
            exit: Exit::Code(1),
        };
        assert_eq!(
            run(waiting, [dead(Exit::Code(1))]).0,
            Stopped(StopReason::Administrator)
        );
    }

    #[test]
    fn a_process_that_ends_well_by_itself_is_stopped_for_that_reason() {
        let ended = [
            unit(Phase::Stopping { asked: false }, 0, Exit::Code(0)),
            dead(Exit::Code(0)),
        ];
        assert_eq!(
            run(Running { pid: Some(7) }, ended).0,
            Stopped(StopReason::Ended)
        );
    }

    #[test]
    fn a_stop_is_heard_while_a_start_is_under_way_and_its_last_words_change_nothing() {
        let (state, effect) = run(NEW, [Event::Start, Event::Stop]);
        assert_eq!(effect, Some(Effect::StopUnit));
        let late = [
            Event::StartDone(Ok(())),
            active(7),
            unit(Phase::Failed, 0, Exit::Signal(9)),
        ];
        let (state, _) = run(state, late);
        assert_eq!(
            state,
            Stopping {
                then: AfterStop::Stay
            }
        );
        assert_eq!(
            run(state, [Event::StopDone(Ok(()))]).0,
            Stopped(StopReason::Requested)
        );
    }

    #[test]
    fn a_restart_stops_first_and_a_later_stop_wins() {
        let (state, _) = run(Running { pid: Some(7) }, [Event::Restart]);
        let (started, effect) = run(state.clone(), [Event::StopDone(Ok(()))]);
        assert_eq!(effect, Some(Effect::StartUnit));
        assert!(matches!(started, StartRequested));
        assert_eq!(
            run(state, [Event::Stop, Event::StopDone(Ok(()))]).0,
            Stopped(StopReason::Requested)
        );
    }

    #[test]
    fn a_leftover_of_the_run_before_does_not_fail_a_new_start() {
        let (asked, _) = run(
            Failed(Failure::NotReady("silent".to_owned())),
            [Event::Start],
        );
        assert_eq!(run(asked.clone(), [dead(Exit::Signal(15))]).0, asked);
    }

    #[test]
    fn a_start_that_failed_as_a_whole_was_told_to_be_an_administrators_stop() {
        let reason = || "its network was not made ready".to_owned();
        let stopping = unit(Phase::Stopping { asked: true }, 7, Exit::Code(0));
        let late = [
            stopping,
            dead(Exit::Code(0)),
            Event::StartDone(Err(reason())),
        ];
        let (state, _) = run(StartRequested, late);
        assert_eq!(state, Failed(Failure::NotStarted(reason())));
    }

    #[test]
    fn a_unit_that_could_not_be_stopped_is_shown_as_it_is() {
        let stopping = run(Running { pid: Some(7) }, [Event::Stop]).0;
        let unit = Unit {
            phase: Phase::Active,
            pid: Some(7),
            exit: Exit::Code(0),
        };
        let (state, effect) = run(stopping, [Event::StopDone(Err(unit))]);
        assert!(matches!(state, Probing { .. }));
        assert_eq!(effect, Some(Effect::Probe));
    }

    #[test]
    fn what_is_unavailable_stays_so() {
        let state = Unavailable("not there".to_owned());
        for event in [Event::Start, Event::Stop, Event::Restart, active(7)] {
            assert_eq!(state.on(&event), None);
        }
    }

    #[test]
    fn what_failed_or_ended_by_itself_can_be_retried_and_what_was_stopped_stays() {
        let exit = Exit::Code(1);
        for down in [
            Failed(Failure::Exit {
                exit,
                gave_up: true,
            }),
            Failed(Failure::NotStarted("no".to_owned())),
            Stopped(StopReason::Ended),
        ] {
            let (state, effect) = run(down, [Event::Retry]);
            assert_eq!((state, effect), (StartRequested, Some(Effect::StartUnit)));
        }
        for kept in [
            Stopped(StopReason::Requested),
            Stopped(StopReason::Administrator),
            Running { pid: None },
            Unavailable("not there".to_owned()),
        ] {
            assert_eq!(kept.on(&Event::Retry), None);
        }
    }

    #[test]
    fn a_start_is_over_at_the_first_failure_and_a_call_waits_on() {
        let restarting = Restarting {
            exit: Exit::Code(1),
        };
        let missed = Some(WaitOutcome::Missed(restarting.clone()));
        assert_eq!(WaitFor::Running.outcome(&restarting), missed);
        assert_eq!(WaitFor::RunningAfterRestarts.outcome(&restarting), None);
        let failed = Failed(Failure::NotReady("silent".to_owned()));
        assert_eq!(
            WaitFor::RunningAfterRestarts.outcome(&failed),
            Some(WaitOutcome::Missed(failed))
        );
        assert_eq!(WaitFor::Running.outcome(&StartRequested), None);
        let running = Running { pid: None };
        assert_eq!(
            WaitFor::Running.outcome(&running),
            Some(WaitOutcome::Reached)
        );
    }

    #[test]
    fn a_stop_is_over_when_nothing_runs() {
        let stopping = Stopping {
            then: AfterStop::Stay,
        };
        assert_eq!(WaitFor::Down.outcome(&stopping), None);
        assert_eq!(
            WaitFor::Down.outcome(&Stopped(StopReason::Requested)),
            Some(WaitOutcome::Reached)
        );
    }

    fn any_exit() -> impl Strategy<Value = Exit> {
        prop_oneof![
            (0..4).prop_map(Exit::Code),
            Just(Exit::Signal(9)),
            Just(Exit::OutOfMemory),
            Just(Exit::StartLimit)
        ]
    }

    fn any_unit() -> impl Strategy<Value = Unit> {
        let phase = prop_oneof![
            Just(Phase::Dead),
            Just(Phase::Starting),
            Just(Phase::Active),
            any::<bool>().prop_map(|asked| Phase::Stopping { asked }),
            Just(Phase::AutoRestart),
            Just(Phase::Failed),
        ];
        (phase, prop::option::of(1u32..4), any_exit()).prop_map(|(phase, pid, exit)| Unit {
            phase,
            pid,
            exit,
        })
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Start),
            Just(Event::Restart),
            Just(Event::Stop),
            Just(Event::Sleep),
            Just(Event::Retry),
            prop_oneof![Just(Ok(())), Just(Err("no".to_owned()))].prop_map(Event::StartDone),
            prop_oneof![Just(Ok(())), any_unit().prop_map(Err)].prop_map(Event::StopDone),
            any_unit().prop_map(Event::Unit),
            any::<bool>().prop_map(|attached| Event::Ready { attached }),
            Just(Event::NotReady("silent".to_owned())),
            Just(Event::Orphaned),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happened_before_a_start_can_succeed(
            events in prop::collection::vec(any_event(), 0..40)
        ) {
            let state = run(NEW, events).0;
            let settled = run(state, [Event::StopDone(Ok(())), Event::Start, Event::StopDone(Ok(()))]).0;
            let ready = [
                Event::StartDone(Ok(())),
                active(1),
                Event::Ready { attached: true },
            ];
            let running = run(settled, ready).0;
            prop_assert!(matches!(running, Running { .. }), "{running:?}");
        }

        #[test]
        fn whatever_happened_before_a_stop_ends_stopped(
            events in prop::collection::vec(any_event(), 0..40)
        ) {
            let state = run(NEW, events).0;
            let stopped = run(state, [Event::Stop, Event::StopDone(Ok(()))]).0;
            prop_assert!(matches!(stopped, Stopped(_)), "{stopped:?}");
        }

        #[test]
        fn a_service_only_runs_after_its_socket_accepted(
            events in prop::collection::vec(any_event(), 0..40)
        ) {
            let mut state = NEW;
            for event in events {
                let Some((next, effect)) = state.on(&event) else { continue };
                let runs = matches!(next, Running { .. }) && !matches!(state, Running { .. });
                let heard = event == Event::Ready { attached: true };
                prop_assert!(!runs || heard);
                // Each wish of ours begins exactly what its state waits for.
                prop_assert_eq!(
                    effect == Some(Effect::StartUnit),
                    matches!(next, StartRequested)
                        && !matches!(state, StartRequested)
                );
                let probes = |state: &ServiceState| matches!(state, Probing { .. });
                prop_assert!(!probes(&next) || probes(&state) || effect == Some(Effect::Probe));
                state = next;
            }
        }
    }
}
