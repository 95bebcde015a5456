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
}
