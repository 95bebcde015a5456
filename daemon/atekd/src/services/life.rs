//! The words for one service's life: its states, what happens to it, what follows. The
//! rules are in [`super::state`].

use crate::systemd::{Exit, Phase};
use std::fmt;

/// Where one service is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Not running, and not to be started by itself.
    Stopped(Why),
    /// On its way up.
    Starting {
        /// How far it is.
        step: Step,
        /// The failure that this start follows.
        after: Option<Exit>,
    },
    /// It listens on its socket.
    Running {
        /// Its main process.
        pid: Option<u32>,
    },
    /// It failed, and systemd will start it again.
    Restarting {
        /// How it ended.
        exit: Exit,
    },
    /// It failed, and stays down.
    Failed(Failure),
    /// On its way down.
    Stopping {
        /// Who began it.
        by: By,
        /// What follows.
        then: Then,
    },
    /// Not running; the first call starts it.
    Sleeping,
    /// Cannot run on this host.
    Unavailable(String),
}

/// How far a start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// atek-spawnd was asked and has not answered.
    Asked,
    /// systemd starts the unit.
    Activating,
    /// The unit is active; its socket is being tried.
    Probing {
        /// Its main process, where it is known.
        pid: Option<u32>,
    },
}

/// Who began something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// This daemon, through atek-spawnd: the outcome comes as [`Event::StopDone`].
    Us,
    /// Somebody with `systemctl`, or the process itself: the outcome comes as [`Event::Unit`].
    Systemd,
}

/// Why a service is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was not started since this daemon is here.
    NotStarted,
    /// Somebody stopped it through Atek.
    Wanted,
    /// Somebody stopped its unit.
    Administrator,
    /// It ended by itself, without a failure.
    Ended,
}

/// Why a service stays down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Its process ended.
    Exit {
        /// How.
        exit: Exit,
        /// systemd gave up after several attempts.
        gave_up: bool,
    },
    /// It ran and did not listen in time.
    NotListening,
    /// It could not be started at all; in words.
    NotStarted(String),
}

/// What follows a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Stays down.
    Stop(Why),
    /// Starts again.
    Start,
    /// Is shown as failed.
    Fail(Failure),
    /// Sleeps.
    Sleep,
}

/// What a unit does, or that it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// See [`Phase`]; [`Phase::Dead`] also for a unit that is gone.
    pub phase: Phase,
    /// Its main process.
    pub pid: Option<u32>,
    /// How the last one ended.
    pub exit: Exit,
}

/// What happens to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants it to run.
    Start,
    /// Somebody wants it to run anew.
    Restart,
    /// Somebody wants it stopped.
    Stop,
    /// Nobody needs it now; the first call may start it again.
    Sleep,
    /// atek-spawnd has answered a start; `Err` in words.
    StartDone(Result<(), String>),
    /// atek-spawnd has answered a stop; `Err` in words, with what the unit does.
    StopDone(Result<(), Unit>),
    /// The unit changed.
    Unit(Unit),
    /// Its socket accepts; `attached`: and its way to the host stands.
    Listening {
        /// Whether the host holds its listener.
        attached: bool,
    },
    /// The deadline for that has passed.
    NotListening,
    /// It runs, and this daemon has lost what it needs to serve it.
    Orphaned,
}

/// What the supervisor must begin on entering the new state.
///
/// A probe that runs is stopped whenever the new state is not probing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Ask atek-spawnd to start the unit.
    StartUnit,
    /// Ask atek-spawnd to stop the unit.
    StopUnit,
    /// Try its socket until it accepts.
    Probe,
    /// Let systemd forget that the unit failed.
    Reset,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::NotStarted => "not started",
            Why::Wanted => "stopped",
            Why::Administrator => "stopped by the administrator",
            Why::Ended => "ended by itself",
        })
    }
}
