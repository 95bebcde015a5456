//! A service's state in words. Pure.

use super::state::{AfterStop, Failure, ServiceState, StopReason};
use crate::systemd::Exit;
use atek_api::services::State;
use atek_api::spec::{Limits, START_LIMIT_BURST};

/// How a process ended, with the limit that it ran into.
pub(super) fn exit(exit: Exit, limits: &Limits) -> String {
    match (exit, limits.memory_max) {
        (Exit::OutOfMemory, Some(bytes)) => format!("{exit} (limit {} MiB)", bytes >> 20),
        _ => exit.to_string(),
    }
}

/// The state that people see, and the reason where there is one.
pub(super) fn state(state: &ServiceState, limits: &Limits) -> (State, Option<String>) {
    match state {
        ServiceState::Stopped(reason) => (State::Stopped, stopped(*reason)),
        ServiceState::StartRequested => (State::Starting, None),
        ServiceState::Activating { after } | ServiceState::Probing { after, .. } => {
            let after =
                after.map(|before| format!("starting again after: {}", exit(before, limits)));
            (State::Starting, after)
        }
        ServiceState::Running { .. } => (State::Running, None),
        ServiceState::Restarting { exit: how } => (
            State::Restarting,
            Some(format!("{}; it will be started again", exit(*how, limits))),
        ),
        ServiceState::Failed(failure) => (State::Failed, Some(failed(failure, limits))),
        ServiceState::Stopping { then } => match then {
            AfterStop::Start => (State::Starting, Some("being restarted".to_owned())),
            AfterStop::Stay => (State::Stopped, Some("being stopped".to_owned())),
            AfterStop::Fail(failure) => (State::Failed, Some(failed(failure, limits))),
            AfterStop::Sleep => (State::Sleeping, None),
        },
        ServiceState::StoppingByAdministrator => (
            State::Stopped,
            Some("being stopped by the administrator".to_owned()),
        ),
        ServiceState::Sleeping => (State::Sleeping, Some("starts when it is called".to_owned())),
        ServiceState::Unavailable(reason) => (State::Unavailable, Some(reason.clone())),
    }
}

/// How the service failed last, while it has not run again since. `last` is how its process ended
/// last: a state may have been seen so late that systemd had begun the next start already.
pub(super) fn failure(state: &ServiceState, last: Option<Exit>, limits: &Limits) -> Option<String> {
    let told = |how: Exit| match (how, last) {
        (Exit::Code(0), Some(last)) => exit(last, limits),
        _ => exit(how, limits),
    };
    match state {
        ServiceState::Activating { after } | ServiceState::Probing { after, .. } => after.map(told),
        ServiceState::Restarting { exit: how } => Some(told(*how)),
        ServiceState::Failed(failure)
        | ServiceState::Stopping {
            then: AfterStop::Fail(failure),
        } => Some(failed(failure, limits)),
        ServiceState::Stopped(_)
        | ServiceState::StartRequested
        | ServiceState::Running { .. }
        | ServiceState::Stopping { .. }
        | ServiceState::StoppingByAdministrator
        | ServiceState::Sleeping
        | ServiceState::Unavailable(_) => None,
    }
}

fn stopped(reason: StopReason) -> Option<String> {
    match reason {
        StopReason::NotStarted | StopReason::Requested => None,
        StopReason::Administrator | StopReason::Ended => Some(reason.to_string()),
    }
}

/// Why a service failed.
fn failed(failure: &Failure, limits: &Limits) -> String {
    match failure {
        Failure::Exit {
            exit: how,
            gave_up: true,
        } => format!(
            "{}; given up after {START_LIMIT_BURST} starts",
            exit(*how, limits)
        ),
        Failure::Exit {
            exit: how,
            gave_up: false,
        } => exit(*how, limits),
        Failure::NotReady(reason) | Failure::NotStarted(reason) => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_words() {
        let limits = Limits {
            memory_max: Some(256 << 20),
            ..Limits::default()
        };
        let failed = |exit, gave_up| ServiceState::Failed(Failure::Exit { exit, gave_up });
        for (from, shown, reason) in [
            (
                ServiceState::Stopped(StopReason::Requested),
                State::Stopped,
                None,
            ),
            (
                ServiceState::Stopped(StopReason::Administrator),
                State::Stopped,
                Some("stopped by the administrator"),
            ),
            (
                failed(Exit::OutOfMemory, false),
                State::Failed,
                Some("killed by the kernel: out of memory (limit 256 MiB)"),
            ),
            (
                failed(Exit::Code(3), true),
                State::Failed,
                Some("exit code 3; given up after 10 starts"),
            ),
            (
                ServiceState::Failed(Failure::NotReady("did not listen".to_owned())),
                State::Failed,
                Some("did not listen"),
            ),
            (
                ServiceState::Restarting {
                    exit: Exit::Signal(11),
                },
                State::Restarting,
                Some("signal SIGSEGV; it will be started again"),
            ),
            (ServiceState::StartRequested, State::Starting, None),
            (
                ServiceState::Stopping {
                    then: AfterStop::Start,
                },
                State::Starting,
                Some("being restarted"),
            ),
            (ServiceState::Running { pid: None }, State::Running, None),
        ] {
            let (state, words) = state(&from, &limits);
            assert_eq!((state, words.as_deref()), (shown, reason), "{from:?}");
        }
    }

    #[test]
    fn a_failure_is_known_until_the_service_runs_again() {
        let limits = Limits::default();
        let crash = Exit::Code(3);
        let late = Failure::NotReady("did not listen on port 8080 within 30 s".to_owned());
        let did_not_listen = Some("did not listen on port 8080 within 30 s");
        for (state, expected) in [
            (
                ServiceState::Restarting { exit: crash },
                Some("exit code 3"),
            ),
            (
                ServiceState::Activating { after: Some(crash) },
                Some("exit code 3"),
            ),
            (
                ServiceState::Probing {
                    pid: Some(7),
                    after: Some(crash),
                },
                Some("exit code 3"),
            ),
            (
                ServiceState::Stopping {
                    then: AfterStop::Fail(late.clone()),
                },
                did_not_listen,
            ),
            (ServiceState::Failed(late), did_not_listen),
            (ServiceState::Activating { after: None }, None),
            (ServiceState::StartRequested, None),
            (ServiceState::Running { pid: Some(8) }, None),
            (ServiceState::Stopped(StopReason::Requested), None),
        ] {
            let found = failure(&state, Some(crash), &limits);
            assert_eq!(found.as_deref(), expected, "{state:?}");
        }
        // Seen late: the exit of the next process, which has none yet.
        let state = ServiceState::Restarting {
            exit: Exit::Code(0),
        };
        let found = failure(&state, Some(crash), &limits);
        assert_eq!(found.as_deref(), Some("exit code 3"));
    }
}
