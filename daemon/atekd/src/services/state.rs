//! The policy of one service's life. Pure: no I/O, no clock.
//!
//! ```text
//!            Start                 unit active              listening
//!  Stopped --------> Starting(asked) --------> (probing) --------> Running
//!   Failed              |    ^                    |                 | |
//!  Sleeping   unit fails|    | unit active        | 30 s, silent    | | unit fails
//!                       v    |                    v                 | v
//!                     Restarting <-------------- Stopping <---------+ Restarting / Failed
//!                     (systemd waits)            (then: Stopped, Failed, Starting)
//! ```
//!
//! systemd owns the process: `Restart=` is its job, and what an administrator does with
//! `systemctl` is followed and shown, never fought. So every state takes what the unit does
//! ([`Event::Unit`]); atekd's own wishes are only `Start`, `Restart`, `Stop` and `Sleep`.

pub(super) use super::life::{By, Effect, Event, Failure, Life, Step, Then, Unit, Why};

use crate::systemd::{Exit, Phase};
use Life::{Failed, Restarting, Running, Sleeping, Starting, Stopped, Stopping, Unavailable};

impl Life {
    /// The whole policy. `None` means "nothing changes".
    #[must_use]
    pub fn on(&self, event: &Event) -> Option<(Life, Option<Effect>)> {
        if matches!(self, Unavailable(_)) {
            return None;
        }
        match event {
            Event::Start => self.start(),
            Event::Restart => Some(match self {
                Stopped(_) | Failed(_) | Sleeping => begin_start(),
                Stopping { by: By::Us, .. } => (
                    Stopping {
                        by: By::Us,
                        then: Then::Start,
                    },
                    None,
                ),
                Starting { .. }
                | Running { .. }
                | Restarting { .. }
                | Stopping { .. }
                | Unavailable(_) => begin_stop(Then::Start),
            }),
            Event::Stop => self.stop(Then::Stop(Why::Wanted)),
            Event::Sleep => match self {
                Stopped(_) => Some((Sleeping, None)),
                Running { .. } => Some(begin_stop(Then::Sleep)),
                _ => None,
            },
            Event::StartDone(outcome) => self.start_done(outcome),
            Event::StopDone(outcome) => self.stop_done(outcome),
            Event::Unit(unit) => self.unit(unit),
            Event::Listening { attached } => match self {
                Starting {
                    step: Step::Probing { .. },
                    ..
                } if !attached => Some(begin_stop(Then::Start)),
                Starting {
                    step: Step::Probing { pid },
                    ..
                } => Some((Running { pid: *pid }, None)),
                _ => None,
            },
            Event::NotListening => match self {
                Starting {
                    step: Step::Probing { .. },
                    ..
                } => Some(begin_stop(Then::Fail(Failure::NotListening))),
                _ => None,
            },
            Event::Orphaned => match self {
                Starting {
                    step: Step::Probing { .. },
                    ..
                }
                | Running { .. } => Some(begin_stop(Then::Start)),
                _ => None,
            },
        }
    }

    fn start(&self) -> Option<(Life, Option<Effect>)> {
        match self {
            Stopped(_) | Failed(_) | Sleeping => Some(begin_start()),
            // Do not wait for systemd's patience when a person asks.
            Restarting { .. } => Some(begin_stop(Then::Start)),
            Stopping { by: By::Us, .. } => Some((
                Stopping {
                    by: By::Us,
                    then: Then::Start,
                },
                None,
            )),
            Stopping {
                by: By::Systemd, ..
            } => Some(begin_stop(Then::Start)),
            Starting { .. } | Running { .. } | Unavailable(_) => None,
        }
    }

    fn stop(&self, then: Then) -> Option<(Life, Option<Effect>)> {
        match self {
            Starting { .. }
            | Running { .. }
            | Restarting { .. }
            | Stopping {
                by: By::Systemd, ..
            } => Some(begin_stop(then)),
            Stopping { by: By::Us, .. } => Some((Stopping { by: By::Us, then }, None)),
            Failed(_) => Some((Stopped(Why::Wanted), Some(Effect::Reset))),
            Stopped(Why::Wanted) | Unavailable(_) => None,
            Stopped(_) | Sleeping => Some((Stopped(Why::Wanted), None)),
        }
    }

    fn start_done(&self, outcome: &Result<(), String>) -> Option<(Life, Option<Effect>)> {
        let Starting {
            step: Step::Asked,
            after,
        } = self
        else {
            return None;
        };
        Some(match outcome {
            Ok(()) => (
                Starting {
                    step: Step::Probing { pid: None },
                    after: *after,
                },
                Some(Effect::Probe),
            ),
            Err(reason) => (Failed(Failure::NotStarted(reason.clone())), None),
        })
    }

    fn stop_done(&self, outcome: &Result<(), Unit>) -> Option<(Life, Option<Effect>)> {
        let Stopping { by: By::Us, then } = self else {
            return None;
        };
        match outcome {
            Ok(()) => Some(after_stop(then)),
            // It could not be stopped: what its unit does is what there is.
            Err(unit) => Stopped(Why::NotStarted)
                .unit(unit)
                .or(Some(after_stop(then))),
        }
    }

    fn unit(&self, unit: &Unit) -> Option<(Life, Option<Effect>)> {
        if let Stopping { by: By::Us, .. } = self {
            // What comes now belongs to the stop; its answer says when it is over.
            return None;
        }
        let after = self.failure();
        match unit.phase {
            Phase::Active => self.active(unit.pid, after),
            Phase::Starting => match self {
                Starting {
                    step: Step::Asked | Step::Activating,
                    ..
                } => None,
                _ => Some((
                    Starting {
                        step: Step::Activating,
                        after,
                    },
                    None,
                )),
            },
            Phase::AutoRestart => {
                let next = Restarting { exit: unit.exit };
                (*self != next).then_some((next, None))
            }
            Phase::Failed => {
                let gave_up = unit.exit == Exit::StartLimit || matches!(self, Restarting { .. });
                // "Failed too often" hides what failed.
                let exit = match (unit.exit, after) {
                    (Exit::StartLimit, Some(before)) => before,
                    (exit, _) => exit,
                };
                let next = Failed(Failure::Exit { exit, gave_up });
                (!matches!(self, Failed(_))).then_some((next, None))
            }
            Phase::Stopping { asked: true } => {
                let next = Stopping {
                    by: By::Systemd,
                    then: Then::Stop(Why::Administrator),
                };
                (*self != next).then_some((next, None))
            }
            // The process has ended by itself; the next event says how.
            Phase::Stopping { asked: false } => None,
            Phase::Dead => self.dead(unit.exit),
        }
    }

    fn active(&self, pid: Option<u32>, after: Option<Exit>) -> Option<(Life, Option<Effect>)> {
        match self {
            Starting {
                step: Step::Probing { pid: None },
                after,
            } if pid.is_some() => Some((
                Starting {
                    step: Step::Probing { pid },
                    after: *after,
                },
                None,
            )),
            Starting {
                step: Step::Probing { pid: old },
                ..
            } if *old == pid || pid.is_none() => None,
            Running { pid: None } if pid.is_some() => Some((Running { pid }, None)),
            Running { pid: old } if *old == pid || pid.is_none() => None,
            // Also a service that somebody started with systemctl, or that runs already when
            // this daemon starts, or whose restart was not seen.
            _ => Some((
                Starting {
                    step: Step::Probing { pid },
                    after,
                },
                Some(Effect::Probe),
            )),
        }
    }

    fn dead(&self, exit: Exit) -> Option<(Life, Option<Effect>)> {
        match self {
            // Not there yet, or a leftover of the run before.
            Starting {
                step: Step::Asked, ..
            } => None,
            Starting { .. } | Running { .. } | Restarting { .. } => {
                // A handled SIGTERM ends like a normal exit; one that kills was sent by somebody.
                let why = match (self, exit) {
                    (Restarting { .. }, _) | (_, Exit::Signal(_)) => Why::Administrator,
                    _ => Why::Ended,
                };
                Some((Stopped(why), None))
            }
            Stopping {
                by: By::Systemd,
                then,
            } => Some(after_stop(then)),
            Stopping { .. } | Stopped(_) | Failed(_) | Sleeping | Unavailable(_) => None,
        }
    }

    fn failure(&self) -> Option<Exit> {
        match self {
            Restarting { exit } => Some(*exit),
            Starting { after, .. } => *after,
            _ => None,
        }
    }

    /// Whether its socket is to be tried.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        matches!(
            self,
            Starting {
                step: Step::Probing { .. },
                ..
            }
        )
    }
}

fn begin_start() -> (Life, Option<Effect>) {
    (
        Starting {
            step: Step::Asked,
            after: None,
        },
        Some(Effect::StartUnit),
    )
}

fn begin_stop(then: Then) -> (Life, Option<Effect>) {
    (Stopping { by: By::Us, then }, Some(Effect::StopUnit))
}

fn after_stop(then: &Then) -> (Life, Option<Effect>) {
    match then {
        Then::Stop(why) => (Stopped(*why), None),
        Then::Start => begin_start(),
        Then::Fail(failure) => (Failed(failure.clone()), None),
        Then::Sleep => (Sleeping, None),
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
