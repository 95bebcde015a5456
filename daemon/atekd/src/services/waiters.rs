//! Who waits for what to become of a service. Pure, but for the answer's channel.

use super::state::{Life, Then};
use tokio::sync::oneshot;

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// That it listens; its first failure ends the wait.
    Running,
    /// That it listens, over failures that systemd mends.
    RunningAtLast,
    /// That nothing of it runs.
    Down,
    /// That it is not on its way anywhere.
    Settled,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The goal is reached.
    Reached,
    /// It will not be; why, is in its life.
    Missed(Life),
}

impl Goal {
    /// Whether the wait is over in this state.
    pub(super) fn verdict(self, life: &Life) -> Option<Verdict> {
        let missed = || Some(Verdict::Missed(life.clone()));
        match (self, life) {
            (Goal::Running | Goal::RunningAtLast, Life::Running { .. }) => Some(Verdict::Reached),
            (Goal::RunningAtLast, Life::Restarting { .. }) => None,
            (
                Goal::Running | Goal::RunningAtLast,
                Life::Starting { .. }
                | Life::Stopping {
                    then: Then::Start, ..
                },
            ) => None,
            // Its reason will be complete when it is down.
            (
                Goal::Running | Goal::RunningAtLast,
                Life::Stopping {
                    then: Then::Fail(_),
                    ..
                },
            ) => None,
            (Goal::Running | Goal::RunningAtLast, _) => missed(),
            (Goal::Down, Life::Stopping { .. }) => None,
            (
                Goal::Down,
                Life::Stopped(_) | Life::Failed(_) | Life::Sleeping | Life::Unavailable(_),
            ) => Some(Verdict::Reached),
            // The stop failed, or somebody else wants it to run.
            (
                Goal::Down,
                Life::Running { .. } | Life::Starting { .. } | Life::Restarting { .. },
            ) => missed(),
            (Goal::Settled, Life::Starting { .. } | Life::Stopping { .. }) => None,
            (Goal::Settled, _) => Some(Verdict::Reached),
        }
    }
}

/// Those who wait for one service.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Vec<(Goal, oneshot::Sender<Verdict>)>,
}

impl Waiters {
    pub(super) fn add(&mut self, goal: Goal, answer: oneshot::Sender<Verdict>) {
        self.waiting.push((goal, answer));
    }

    /// Answers those whose wait is over.
    pub(super) fn look(&mut self, life: &Life) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = waiting
            .into_iter()
            .filter(|(_, answer)| !answer.is_closed())
            .filter_map(|(goal, answer)| match goal.verdict(life) {
                None => Some((goal, answer)),
                Some(verdict) => {
                    // Nobody may be listening any more.
                    let _ = answer.send(verdict);
                    None
                }
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::state::{By, Failure, Step, Why};
    use crate::systemd::Exit;

    #[test]
    fn a_start_is_over_at_the_first_failure_and_a_call_waits_on() {
        let restarting = Life::Restarting {
            exit: Exit::Code(1),
        };
        let missed = Some(Verdict::Missed(restarting.clone()));
        assert_eq!(Goal::Running.verdict(&restarting), missed);
        assert_eq!(Goal::RunningAtLast.verdict(&restarting), None);
        let failed = Life::Failed(Failure::NotListening);
        assert_eq!(
            Goal::RunningAtLast.verdict(&failed),
            Some(Verdict::Missed(failed))
        );
        let on_its_way = Life::Starting {
            step: Step::Asked,
            after: None,
        };
        assert_eq!(Goal::Running.verdict(&on_its_way), None);
        let running = Life::Running { pid: None };
        assert_eq!(Goal::Running.verdict(&running), Some(Verdict::Reached));
    }

    #[test]
    fn a_stop_is_over_when_nothing_runs() {
        let stopping = Life::Stopping {
            by: By::Us,
            then: Then::Stop(Why::Wanted),
        };
        assert_eq!(Goal::Down.verdict(&stopping), None);
        assert_eq!(
            Goal::Down.verdict(&Life::Stopped(Why::Wanted)),
            Some(Verdict::Reached)
        );
    }
}
