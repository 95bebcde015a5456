//! A service's life in words. Pure.

use super::state::{Failure, Life, Then, Why};
use crate::systemd::Exit;
use atek_api::services::State;
use atek_api::spec::{Limits, START_LIMIT_BURST};

/// Seconds that a service may take to listen.
pub(super) const LISTEN_SECS: u64 = 30;

/// How a process ended, with the limit that it ran into.
pub(super) fn exit(exit: Exit, limits: &Limits) -> String {
    match (exit, limits.memory_max) {
        (Exit::OutOfMemory, Some(bytes)) => format!("{exit} (limit {} MiB)", bytes >> 20),
        _ => exit.to_string(),
    }
}

/// The state that people see, and why, where there is something to say.
pub(super) fn life(life: &Life, limits: &Limits) -> (State, Option<String>) {
    match life {
        Life::Stopped(why) => (State::Stopped, stopped(*why)),
        Life::Starting { after, .. } => {
            let after =
                after.map(|before| format!("starting again after: {}", exit(before, limits)));
            (State::Starting, after)
        }
        Life::Running { .. } => (State::Running, None),
        Life::Restarting { exit: how } => (
            State::Restarting,
            Some(format!("{}; it will be started again", exit(*how, limits))),
        ),
        Life::Failed(failure) => (State::Failed, Some(failed(failure, limits))),
        Life::Stopping { then, .. } => match then {
            Then::Start => (State::Starting, Some("being restarted".to_owned())),
            Then::Stop(Why::Administrator) => (
                State::Stopped,
                Some("being stopped by the administrator".to_owned()),
            ),
            Then::Stop(_) => (State::Stopped, Some("being stopped".to_owned())),
            Then::Fail(failure) => (State::Failed, Some(failed(failure, limits))),
            Then::Sleep => (State::Sleeping, None),
        },
        Life::Sleeping => (State::Sleeping, Some("starts when it is called".to_owned())),
        Life::Unavailable(reason) => (State::Unavailable, Some(reason.clone())),
    }
}

fn stopped(why: Why) -> Option<String> {
    match why {
        Why::NotStarted | Why::Wanted => None,
        Why::Administrator | Why::Ended => Some(why.to_string()),
    }
}

/// Why a service failed.
pub(super) fn failed(failure: &Failure, limits: &Limits) -> String {
    match failure {
        Failure::Exit {
            exit: how,
            gave_up: true,
        } => {
            format!(
                "{}; given up after {START_LIMIT_BURST} starts",
                exit(*how, limits)
            )
        }
        Failure::Exit {
            exit: how,
            gave_up: false,
        } => exit(*how, limits),
        Failure::NotListening => format!("did not listen on its socket within {LISTEN_SECS} s"),
        Failure::NotStarted(reason) => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::state::{By, Step};

    #[test]
    fn every_state_has_its_words() {
        let limits = Limits {
            memory_max: Some(256 << 20),
            ..Limits::default()
        };
        let failed = |exit, gave_up| Life::Failed(Failure::Exit { exit, gave_up });
        for (from, state, reason) in [
            (Life::Stopped(Why::Wanted), State::Stopped, None),
            (
                Life::Stopped(Why::Administrator),
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
                Life::Failed(Failure::NotListening),
                State::Failed,
                Some("did not listen on its socket within 30 s"),
            ),
            (
                Life::Restarting {
                    exit: Exit::Signal(11),
                },
                State::Restarting,
                Some("signal SIGSEGV; it will be started again"),
            ),
            (
                Life::Starting {
                    step: Step::Asked,
                    after: None,
                },
                State::Starting,
                None,
            ),
            (
                Life::Stopping {
                    by: By::Us,
                    then: Then::Start,
                },
                State::Starting,
                Some("being restarted"),
            ),
            (Life::Running { pid: None }, State::Running, None),
        ] {
            let shown = life(&from, &limits);
            assert_eq!((shown.0, shown.1.as_deref()), (state, reason), "{from:?}");
        }
    }
}
