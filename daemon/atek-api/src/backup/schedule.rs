//! When a backup is due, and which runs are kept. Pure: times are seconds since 1970.

use super::{Retention, RunId};
use std::collections::{BTreeSet, HashSet};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How often a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Only when a person asks.
    Never,
    /// Every hour.
    Hourly,
    /// Every day.
    #[default]
    Daily,
    /// Every week.
    Weekly,
}

impl Schedule {
    /// Seconds between two backups.
    #[must_use]
    pub fn interval(self) -> Option<i64> {
        match self {
            Self::Never => None,
            Self::Hourly => Some(HOUR),
            Self::Daily => Some(DAY),
            Self::Weekly => Some(7 * DAY),
        }
    }
}

/// Seconds until the next backup is to begin; 0 when it is due.
///
/// After a failure it is tried again within an hour. A last backup that lies in the future was
/// made with a clock that was wrong, or the clock is wrong now: a backup more does no harm.
#[must_use]
pub fn wait(
    schedule: Schedule,
    last_good: Option<i64>,
    last_try: Option<i64>,
    now: i64,
) -> Option<i64> {
    let interval = schedule.interval()?;
    let past = |time: &i64| *time <= now;
    let due = last_good.filter(past).map_or(now, |good| good + interval);
    let again = last_try
        .filter(past)
        .map_or(now, |tried| tried + interval.min(HOUR));
    Some((due.max(again) - now).clamp(0, interval))
}

/// Whether people are to be told that a backup is missing: two intervals have passed without one.
#[must_use]
pub fn is_missed(schedule: Schedule, since: i64, last_good: Option<i64>, now: i64) -> bool {
    schedule
        .interval()
        .is_some_and(|interval| now - last_good.unwrap_or(since).max(since) > 2 * interval)
}

/// Seconds between two checks that read everything.
const CHECK: i64 = 30 * DAY;

/// Whether all that is stored is to be read again: a month has passed since it was, or since
/// backups were set up. A last check that lies in the future was made with a clock that was wrong.
#[must_use]
pub fn is_check_due(since: i64, last_checked: Option<i64>, now: i64) -> bool {
    match last_checked {
        Some(checked) if checked > now => true,
        checked => now - checked.unwrap_or(since).max(since) >= CHECK,
    }
}

/// Runs that are kept whatever their hour is.
const NEWEST: usize = 3;

/// The runs to remove. `runs` are whole runs in any order.
///
/// The newest runs are always kept, as a person who makes two in a row wants both. So are runs that
/// began after `now`: when a clock jumps, what is old and what is new is not known, and nothing is
/// removed because of it.
#[must_use]
pub fn surplus(runs: &[RunId], retention: Retention, now: &RunId) -> Vec<RunId> {
    let sorted: BTreeSet<&RunId> = runs.iter().collect();
    let is_past = |run: &&RunId| *run <= now && run.unix_seconds() <= now.unix_seconds();
    let mut keep: HashSet<&RunId> = sorted.iter().copied().filter(|run| !is_past(run)).collect();
    keep.extend(sorted.last());
    let past = || sorted.iter().rev().copied().filter(is_past);
    keep.extend(past().take(NEWEST));
    // A week begins on Monday; 1970 began on a Thursday.
    for (count, length, shift) in [
        (retention.hourly, HOUR, 0),
        (retention.daily, DAY, 0),
        (retention.weekly, 7 * DAY, 3 * DAY),
    ] {
        let mut periods = BTreeSet::new();
        for run in past() {
            let period = (run.unix_seconds() + shift).div_euclid(length);
            if !periods.contains(&period) && periods.len() < count as usize {
                periods.insert(period);
                keep.insert(run);
            }
        }
    }
    sorted
        .into_iter()
        .filter(|run| !keep.contains(run))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_795_901_400;

    #[test]
    fn a_backup_is_due_after_its_interval_and_tried_again_after_an_hour() {
        for (schedule, good, tried, expected) in [
            (Schedule::Never, None, None, None),
            (Schedule::Daily, None, None, Some(0)),
            (Schedule::Daily, Some(NOW - DAY), Some(NOW - DAY), Some(0)),
            (
                Schedule::Daily,
                Some(NOW - HOUR),
                Some(NOW - HOUR),
                Some(23 * HOUR),
            ),
            // It failed half an hour ago.
            (
                Schedule::Daily,
                Some(NOW - 2 * DAY),
                Some(NOW - HOUR / 2),
                Some(HOUR / 2),
            ),
            // The clock was ahead.
            (
                Schedule::Daily,
                Some(NOW + 999 * DAY),
                Some(NOW + 999 * DAY),
                Some(0),
            ),
            (
                Schedule::Weekly,
                Some(NOW - DAY),
                Some(NOW - DAY),
                Some(6 * DAY),
            ),
        ] {
            assert_eq!(
                wait(schedule, good, tried, NOW),
                expected,
                "{schedule:?} {good:?} {tried:?}"
            );
        }
    }

    #[test]
    fn a_backup_is_missed_after_two_intervals() {
        assert!(!is_missed(Schedule::Daily, NOW - DAY, None, NOW));
        assert!(is_missed(Schedule::Daily, NOW - 3 * DAY, None, NOW));
        assert!(!is_missed(
            Schedule::Daily,
            NOW - 30 * DAY,
            Some(NOW - DAY),
            NOW
        ));
        assert!(is_missed(
            Schedule::Daily,
            NOW - 30 * DAY,
            Some(NOW - 3 * DAY),
            NOW
        ));
        assert!(!is_missed(Schedule::Never, 0, None, NOW));
    }

    #[test]
    fn everything_is_read_once_a_month() {
        for (since, checked, expected) in [
            (NOW, None, false),
            (NOW - 29 * DAY, None, false),
            (NOW - 30 * DAY, None, true),
            (NOW - 99 * DAY, Some(NOW - 29 * DAY), false),
            (NOW - 99 * DAY, Some(NOW - 30 * DAY), true),
            // Set up again on another target.
            (NOW - DAY, Some(NOW - 99 * DAY), false),
            (NOW - DAY, Some(NOW + DAY), true),
        ] {
            let due = is_check_due(since, checked, NOW);
            assert_eq!(due, expected, "{since} {checked:?}");
        }
    }

    #[test]
    fn hourly_daily_and_weekly_runs_are_kept() {
        // One a quarter of an hour, for a hundred days.
        let runs: Vec<_> = (0..100 * 96).map(|n| RunId::at(NOW - n * 900)).collect();
        let retention = Retention {
            hourly: 24,
            daily: 7,
            weekly: 8,
        };
        let removed: HashSet<_> = surplus(&runs, retention, &runs[0]).into_iter().collect();
        let kept: Vec<_> = runs.iter().filter(|run| !removed.contains(run)).collect();
        // Of 24 hours, 7 days and 8 weeks, the newest is one run; so may others be. The oldest is
        // the last one of the eighth week, of which this one is the first.
        assert!((32..=39).contains(&kept.len()), "{}", kept.len());
        assert!(kept.last().unwrap().unix_seconds() <= NOW - 42 * DAY);
        assert_eq!(kept[0], &runs[0]);
    }

    #[test]
    fn a_clock_that_went_back_removes_nothing_of_the_time_after_it() {
        let mut runs = Vec::new();
        for day in (0..20).chain(5..20) {
            runs.push(RunId::after(&runs, NOW + day * DAY));
        }
        let (ahead, now) = (RunId::at(NOW + 19 * DAY), runs[24].clone());
        assert_eq!(now.to_string(), "20261207T213000Z-1");
        let none = Retention {
            hourly: 0,
            daily: 0,
            weekly: 0,
        };
        let removed = surplus(&runs[..25], none, &now);
        assert!(!removed.contains(&ahead) && !removed.contains(&now));
        // Three of the new count, and what lies in the future of the clock.
        assert_eq!(removed.len(), 25 - 3 - 10);
    }

    proptest! {
        #[test]
        fn whatever_the_clock_does_the_newest_runs_are_kept(
            times in proptest::collection::vec(0i64..4_000_000_000, 1..40),
            now in 0i64..4_000_000_000,
            (hourly, daily, weekly) in (0u32..4, 0u32..4, 0u32..4),
        ) {
            let runs: Vec<_> = times.iter().copied().map(RunId::at).collect();
            let now = RunId::at(now);
            let removed = surplus(&runs, Retention { hourly, daily, weekly }, &now);
            prop_assert!(removed.iter().all(|run| *run < now && runs.contains(run)));
            prop_assert!(!removed.contains(runs.iter().max().unwrap()));
            if let Some(last) = runs.iter().filter(|run| **run <= now).max() {
                prop_assert!(!removed.contains(last));
            }
            // Removing again removes nothing: what is kept does not depend on what was removed.
            let left: Vec<_> = runs.iter().filter(|run| !removed.contains(run)).cloned().collect();
            let rest = surplus(&left, Retention { hourly, daily, weekly }, &now);
            prop_assert!(rest.is_empty());
        }
    }
}
