//! What systemd says about one unit, reduced to what matters here. Pure.

use atek_api::ids::ServiceId;
use std::fmt;

/// The prefix of the units that run services.
const PREFIX: &str = "atek-app-";
const SUFFIX: &str = ".service";

/// The id of the service that a unit runs; `None` for other units.
#[must_use]
pub fn service_of(unit: &str) -> Option<ServiceId> {
    unit.strip_prefix(PREFIX)?
        .strip_suffix(SUFFIX)?
        .parse()
        .ok()
}

/// Where a unit is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not running: ended well, or not started yet.
    Dead,
    /// Its start is under way.
    Starting,
    /// Its main process runs.
    Active,
    /// On its way down.
    Stopping {
        /// It was stopped on request; its process did not end by itself.
        asked: bool,
    },
    /// It failed, and systemd waits before it starts it again.
    AutoRestart,
    /// It failed, and stays down.
    Failed,
}

impl Phase {
    /// From `ActiveState` and `SubState`.
    pub(super) fn of(active: &str, sub: &str) -> Self {
        // systemd 254 and later pass through these for a moment, with the ActiveState of an end.
        if sub.ends_with("-before-auto-restart") {
            return Self::AutoRestart;
        }
        match active {
            "active" | "reloading" | "refreshing" => Self::Active,
            "activating" if sub.starts_with("auto-restart") => Self::AutoRestart,
            "activating" => Self::Starting,
            "deactivating" => Self::Stopping {
                asked: sub.starts_with("stop-sig") || sub == "stop",
            },
            "failed" => Self::Failed,
            _ => Self::Dead,
        }
    }
}

/// How a main process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// The kernel killed it for its memory.
    OutOfMemory,
    /// It did not start in time.
    StartTimeout,
    /// It did not end in time, and was killed.
    StopTimeout,
    /// It stopped answering the watchdog.
    Watchdog,
    /// It failed too often, and systemd gave up.
    StartLimit,
    /// systemd could not give it what its unit asks for.
    Resources,
    /// Another result.
    Other,
}

/// `ExecMainStatus` of a process that systemd could not set up.
mod setup {
    pub(super) const EXEC: i32 = 203;
    pub(super) const NAMESPACE: i32 = 226;
    pub(super) const CREDENTIALS: i32 = 243;
}

impl Exit {
    /// From `Result`, `ExecMainCode` (a `si_code`) and `ExecMainStatus`.
    pub(super) fn of(result: &str, code: i32, status: i32) -> Self {
        const EXITED: i32 = 1;
        const KILLED: i32 = 2;
        const DUMPED: i32 = 3;
        match (result, code) {
            ("oom-kill", _) => Self::OutOfMemory,
            ("start-limit-hit", _) => Self::StartLimit,
            ("watchdog", _) => Self::Watchdog,
            ("resources", _) => Self::Resources,
            ("timeout", KILLED | DUMPED) => Self::StopTimeout,
            ("timeout", _) => Self::StartTimeout,
            (_, EXITED) => Self::Code(status),
            (_, KILLED | DUMPED) => Self::Signal(status),
            ("success", _) => Self::Code(0),
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(setup::EXEC) => {
                f.write_str("its program could not be executed (exit code 203)")
            }
            Self::Code(setup::NAMESPACE) => {
                f.write_str("its sandbox could not be set up (exit code 226)")
            }
            Self::Code(setup::CREDENTIALS) => {
                f.write_str("its token or configuration could not be handed over (exit code 243)")
            }
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => write!(f, "signal {}", signal.as_str()),
                Err(_) => write!(f, "signal {number}"),
            },
            Self::OutOfMemory => f.write_str("killed by the kernel: out of memory"),
            Self::StartTimeout => f.write_str("did not start in time"),
            Self::StopTimeout => f.write_str("did not end in time and was killed"),
            Self::Watchdog => f.write_str("stopped responding"),
            Self::StartLimit => f.write_str("failed too often"),
            Self::Resources => f.write_str("the system could not give it the resources it needs"),
            Self::Other => f.write_str("failed"),
        }
    }
}

/// A unit that runs a service, as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitView {
    /// The service.
    pub id: ServiceId,
    /// Changes with each start of the unit; hexadecimal, empty before the first.
    pub invocation: String,
    /// See [`Phase`].
    pub phase: Phase,
    /// The main process.
    pub pid: Option<u32>,
    /// How the last main process ended, when one has.
    pub exit: Exit,
    /// Starts that systemd made by itself since the unit was created.
    pub restarts: u32,
    /// When the unit entered its phase; microseconds since 1970, 0 if never.
    pub since_usec: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_units_of_services_name_a_service() {
        for (unit, id) in [
            ("atek-app-rss.service", Some("rss")),
            ("atek-app-core.adb.service", Some("core.adb")),
            ("atek-app-.service", None),
            ("atek-app-Bad.service", None),
            ("atek-app-rss.slice", None),
            ("atekd.service", None),
        ] {
            assert_eq!(
                service_of(unit).as_ref().map(ServiceId::as_str),
                id,
                "{unit}"
            );
        }
    }

    #[test]
    fn phases_follow_from_the_states_of_systemd() {
        for (active, sub, phase) in [
            ("inactive", "dead", Phase::Dead),
            ("activating", "start", Phase::Starting),
            ("active", "running", Phase::Active),
            ("reloading", "reload", Phase::Active),
            (
                "deactivating",
                "stop-sigterm",
                Phase::Stopping { asked: true },
            ),
            (
                "deactivating",
                "stop-sigkill",
                Phase::Stopping { asked: true },
            ),
            (
                "deactivating",
                "final-sigterm",
                Phase::Stopping { asked: false },
            ),
            ("activating", "auto-restart", Phase::AutoRestart),
            ("activating", "auto-restart-queued", Phase::AutoRestart),
            ("failed", "failed-before-auto-restart", Phase::AutoRestart),
            ("failed", "failed", Phase::Failed),
        ] {
            assert_eq!(Phase::of(active, sub), phase, "{active} {sub}");
        }
    }

    #[test]
    fn ends_are_told_in_words() {
        for (result, code, status, words) in [
            ("exit-code", 1, 3, "exit code 3"),
            ("signal", 2, 11, "signal SIGSEGV"),
            ("core-dump", 3, 6, "signal SIGABRT"),
            ("oom-kill", 2, 9, "killed by the kernel: out of memory"),
            ("timeout", 0, 0, "did not start in time"),
            ("timeout", 2, 9, "did not end in time and was killed"),
            ("start-limit-hit", 1, 3, "failed too often"),
            ("success", 1, 0, "exit code 0"),
            (
                "exit-code",
                1,
                203,
                "its program could not be executed (exit code 203)",
            ),
        ] {
            assert_eq!(Exit::of(result, code, status).to_string(), words);
        }
    }
}
