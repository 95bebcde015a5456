//! Which service presses on the box: told in the journal, so that a slow box has a name.
//!
//! Pure. A service that is at a limit of its own harms itself first; that it is told all the same
//! answers the question why it fails. One kind is told once in an hour for one service.

use super::INTERVAL;
use super::cgroup::Reading;
use std::fmt;
use std::time::Duration;

/// Samples in a row in which a service kept processors busy: half a minute.
const BUSY_SAMPLES: u32 = 3;
/// Percent of one processor from which on it counts as kept busy.
const BUSY_PERCENT: f64 = 90.0;
/// How long a kind is not told again.
const QUIET: Duration = Duration::from_secs(3600);

/// What a service takes all of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pressure {
    /// So many percent of one processor, all the time.
    Processors(f64),
    /// A new process or thread was refused to it.
    Tasks,
    /// The kernel ended a process of it at its memory limit.
    Memory,
}

impl Pressure {
    fn kind(self) -> usize {
        match self {
            Self::Processors(_) => 0,
            Self::Tasks => 1,
            Self::Memory => 2,
        }
    }
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processors(percent) => write!(
                f,
                "keeps processors busy ({percent:.0} % of one for {} s)",
                INTERVAL.as_secs() * u64::from(BUSY_SAMPLES)
            ),
            Self::Tasks => f.write_str("has as many processes and threads as it may"),
            Self::Memory => f.write_str("needs more memory than it may have"),
        }
    }
}

/// What is known of one service between two samples.
#[derive(Debug, Default)]
pub(super) struct Watch {
    busy: u32,
    /// Counters of refusals at the sample before.
    refused: Option<(u64, u64)>,
    /// When each kind may be told again, by the clock of the samples.
    quiet_until: [Option<Duration>; 3],
}

impl Watch {
    /// Takes a sample at `now`; returns what is to be told.
    pub(super) fn take(
        &mut self,
        now: Duration,
        cpu_percent: Option<f64>,
        reading: &Reading,
    ) -> Vec<Pressure> {
        let mut found = Vec::new();
        match cpu_percent {
            Some(percent) if percent >= BUSY_PERCENT => {
                self.busy += 1;
                if self.busy >= BUSY_SAMPLES {
                    found.push(Pressure::Processors(percent));
                }
            }
            _ => self.busy = 0,
        }
        let refused = (reading.tasks_refused, reading.memory_refused);
        // A smaller count belongs to a new start of the unit.
        if let Some(before) = self.refused.replace(refused) {
            if refused.0 > before.0 {
                found.push(Pressure::Tasks);
            }
            if refused.1 > before.1 {
                found.push(Pressure::Memory);
            }
        }
        found.retain(|pressure| {
            let quiet = &mut self.quiet_until[pressure.kind()];
            let tell = quiet.is_none_or(|until| now >= until);
            if tell {
                *quiet = Some(now + QUIET);
            }
            tell
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(watch: &mut Watch, secs: u64, cpu: f64, tasks: u64, memory: u64) -> Vec<Pressure> {
        let reading = Reading {
            tasks_refused: tasks,
            memory_refused: memory,
            ..Reading::default()
        };
        watch.take(Duration::from_secs(secs), Some(cpu), &reading)
    }

    #[test]
    fn a_service_is_told_when_it_is_at_a_limit_and_once_in_an_hour() {
        let mut watch = Watch::default();
        // (seconds, % of a processor, refused tasks, refused memory, what is told)
        let table: [(u64, f64, u64, u64, &[Pressure]); 13] = [
            (0, 100.0, 5, 5, &[]),
            (10, 100.0, 5, 5, &[]),
            (20, 10.0, 5, 5, &[]),
            (30, 100.0, 5, 5, &[]),
            (40, 100.0, 6, 5, &[Pressure::Tasks]),
            (50, 190.0, 7, 5, &[Pressure::Processors(190.0)]),
            (60, 190.0, 7, 9, &[Pressure::Memory]),
            (70, 190.0, 8, 9, &[]),
            // A new start counts from nothing.
            (80, 0.0, 0, 0, &[]),
            (90, 0.0, 1, 0, &[]),
            (3639, 0.0, 2, 0, &[]),
            (3640, 0.0, 3, 0, &[Pressure::Tasks]),
            (3650, 0.0, 3, 0, &[]),
        ];
        for (secs, cpu, tasks, memory, told) in table {
            assert_eq!(
                at(&mut watch, secs, cpu, tasks, memory),
                told,
                "after {secs} s"
            );
        }
    }
}
