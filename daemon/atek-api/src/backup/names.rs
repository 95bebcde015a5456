//! Names of runs and of their parts.

use crate::ids::ServiceKey;
use crate::spec::PackageVersion;
use crate::text::text_on_the_wire;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A text is no name of a run or part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupNameError {
    /// A run is named by the time when it began.
    #[error("a backup is named by its time, as 20261128T213000Z")]
    Run,
    /// A part is one of a few kinds.
    #[error("a part of a backup is host, manifest, state:KEY or package:KEY:VERSION")]
    Part,
}

/// When a run began, in UTC: `20261128T213000Z`. Sorts in the order in which runs were made.
///
/// A clock that goes back would mix runs up. From then on names have the number of such a step
/// behind them, as in `20261128T213000Z-1`, and a higher number is later whatever the time says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct RunId {
    /// How often the clock had gone back.
    steps: u32,
    /// Year 0 to 9999: texts of one length, which sort by time.
    time: String,
}
text_on_the_wire!(RunId);

/// Seconds that a name may be ahead of the clock, for runs that begin within the same second.
const AHEAD: i64 = 60;
/// The highest number of steps that is read.
const MOST_STEPS: u32 = 999_999;

impl RunId {
    /// The first run that begins at a time.
    #[must_use]
    pub fn at(unix_seconds: i64) -> Self {
        let (day, second) = (
            unix_seconds.div_euclid(86_400),
            unix_seconds.rem_euclid(86_400),
        );
        let (year, month, date) = civil(day);
        let time = format!(
            "{:04}{month:02}{date:02}T{:02}{:02}{:02}Z",
            year.clamp(0, 9999),
            second / 3600,
            second / 60 % 60,
            second % 60
        );
        Self { steps: 0, time }
    }

    /// The run that begins at a time on a target with these runs: its name is none of theirs, and
    /// later than all of them.
    #[must_use]
    pub fn after<'a>(runs: impl IntoIterator<Item = &'a Self>, unix_seconds: i64) -> Self {
        let mut next = Self::at(unix_seconds);
        let Some(last) = runs.into_iter().max() else {
            return next;
        };
        next.steps = last.steps;
        if next <= *last {
            let soon = Self {
                steps: last.steps,
                ..Self::at(last.unix_seconds() + 1)
            };
            // The year 9999 has a last second.
            if soon > *last && soon.unix_seconds() - unix_seconds <= AHEAD {
                return soon;
            }
            next.steps = last.steps.saturating_add(1).min(MOST_STEPS);
        }
        next
    }

    /// When it began.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        let number = |from: usize, to: usize| self.time[from..to].parse::<i64>().unwrap_or(0);
        days(number(0, 4), number(4, 6), number(6, 8)) * 86_400
            + number(9, 11) * 3600
            + number(11, 13) * 60
            + number(13, 15)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.time)?;
        match self.steps {
            0 => Ok(()),
            steps => write!(f, "-{steps}"),
        }
    }
}

impl FromStr for RunId {
    type Err = BackupNameError;

    fn from_str(text: &str) -> Result<Self, BackupNameError> {
        let (time, steps) = match text.split_once('-') {
            None => (text, 0),
            Some((time, steps)) => (time, steps.parse().map_err(|_| BackupNameError::Run)?),
        };
        let fits = time.len() == 16
            && time.bytes().enumerate().all(|(place, byte)| match place {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        let time = time.to_owned();
        let run = Self { steps, time };
        // A 30th of February is another day when it is written again, as -0 and -01 are.
        let again = || Self::at(run.unix_seconds()).time == run.time && run.to_string() == text;
        if fits && steps <= MOST_STEPS && again() {
            Ok(run)
        } else {
            Err(BackupNameError::Run)
        }
    }
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March, so that the day of a leap year is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day since 1970.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

/// A part of a run: what is copied at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub enum Part {
    /// The host's own files: settings, catalogues, the history of updates.
    Host,
    /// The state of a service.
    State(ServiceKey),
    /// A version of the package of a service.
    Package(ServiceKey, PackageVersion),
    /// What describes the run.
    Manifest,
}
text_on_the_wire!(Part);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::State(key) => write!(f, "state:{key}"),
            Self::Package(key, version) => write!(f, "package:{key}:{version}"),
            Self::Manifest => f.write_str("manifest"),
        }
    }
}

impl FromStr for Part {
    type Err = BackupNameError;

    fn from_str(text: &str) -> Result<Self, BackupNameError> {
        let key = |text: &str| text.parse().map_err(|_| BackupNameError::Part);
        match text.split_once(':') {
            None if text == "host" => Ok(Self::Host),
            None if text == "manifest" => Ok(Self::Manifest),
            Some(("state", rest)) => Ok(Self::State(key(rest)?)),
            Some(("package", rest)) => {
                let (of, version) = rest.split_once(':').ok_or(BackupNameError::Part)?;
                let version = version.parse().map_err(|_| BackupNameError::Part)?;
                Ok(Self::Package(key(of)?, version))
            }
            _ => Err(BackupNameError::Part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_are_named_by_their_time() {
        assert_eq!(RunId::at(0).to_string(), "19700101T000000Z");
        // `date -u -d @1795901400`
        assert_eq!(RunId::at(1_795_901_400).to_string(), "20261128T213000Z");
        assert_eq!(RunId::at(951_782_400).to_string(), "20000229T000000Z");
        for wrong in [
            "",
            "20261128",
            "20260230T000000Z",
            "20261128T250000Z",
            "20261128t213000z",
            "20261128T213000Z-",
            "20261128T213000Z-0",
            "20261128T213000Z-01",
            "20261128T213000Z-+1",
            "20261128T213000Z-1000000",
        ] {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn two_backups_of_one_second_or_of_a_clock_that_went_back_have_two_names_in_order() {
        const NOW: i64 = 1_795_901_400;
        let mut runs: Vec<RunId> = Vec::new();
        for (clock, name) in [
            (NOW, "20261128T213000Z"),
            (NOW, "20261128T213001Z"),
            (NOW, "20261128T213002Z"),
            (NOW + 10, "20261128T213010Z"),
            // The clock went back by a little, and by a day.
            (NOW + 5, "20261128T213011Z"),
            (NOW - 86_400, "20261127T213000Z-1"),
            (NOW - 86_400, "20261127T213001Z-1"),
            (NOW + 60, "20261128T213100Z-1"),
            (0, "19700101T000000Z-2"),
            (253_402_300_799, "99991231T235959Z-2"),
            (253_402_300_799, "99991231T235959Z-3"),
        ] {
            let run = RunId::after(&runs, clock);
            assert_eq!(run.to_string(), name);
            assert!(
                runs.iter().all(|other| *other < run),
                "{run} after {runs:?}"
            );
            runs.push(run);
        }
    }

    #[test]
    fn parts_are_read_as_they_are_written() {
        for text in ["host", "manifest", "state:k1", "package:k1:v1.0.0"] {
            assert_eq!(text.parse::<Part>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "state",
            "state:",
            "state:../x",
            "package:k1",
            "package:k1:..",
            "x:y",
        ] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_time_survives_its_name(seconds in 0i64..200_000_000_000) {
            let run = RunId::at(seconds);
            prop_assert_eq!(run.unix_seconds(), seconds);
            prop_assert_eq!(run.to_string().parse::<RunId>().unwrap(), run);
        }

        #[test]
        fn whatever_the_clock_does_names_are_in_the_order_of_the_runs(
            clocks in proptest::collection::vec(prop_oneof![0i64..200_000_000_000, 100i64..110], 1..40),
        ) {
            let mut runs: Vec<RunId> = Vec::new();
            for clock in clocks {
                let run = RunId::after(&runs, clock);
                prop_assert!(runs.last().is_none_or(|last| *last < run), "{} {:?}", run, runs);
                prop_assert!((0..=AHEAD).contains(&(run.unix_seconds() - clock)));
                prop_assert_eq!(&run.to_string().parse::<RunId>().unwrap(), &run);
                runs.push(run);
            }
        }
    }
}
