//! The machine of one update: its stages, and what the next start of the host does about an
//! update that was cut off. Pure.
//!
//! ```text
//!   ask for releases, fetch, consent, build        nothing is written down; cut off anywhere
//!        |
//!        v
//!   Installing   the package is moved beside the running one
//!        |  calls wait from here
//!        v
//!   Saving       the service is stopped; its data is copied; ADB begins to note old values
//!        |
//!        v
//!   Trying       the new version is started, and watched while it answers calls
//!        |  `---------- does not start, ends, does not answer ------.
//!        |  the record names the new version                        v
//!        v                                                      RollingBack
//!   old versions and copies are removed,         the service is stopped; data and databases
//!   the journal is removed                       are as they were; the old version is started;
//!                                                the release is refused; the new version and
//!                                                the journal are removed
//! ```
//!
//! The stage is written to `updates/KEY.json` before anything of it is done, whole and synced. The
//! record in the database is what decides: once it names the new version, an update is finished;
//! until then it is undone.
//!
//! | cut off in | record names | the next start |
//! |---|---|---|
//! | no journal | old | does nothing: what a job left in its staging folder is cleared |
//! | any | new | finishes: [`Recovery::Finish`] |
//! | Installing, Saving | old | removes the new version: [`Recovery::RemoveNew`] |
//! | Trying, RollingBack | old | restores the data first: [`Recovery::RollBack`] |

use atek_api::spec::SnapshotName;
pub(in crate::services) use atek_api::updates::UpdateStage as Stage;
use serde::{Deserialize, Serialize};

/// The journal of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::services) struct Journal {
    /// What is being done.
    #[serde(default)]
    pub(in crate::services) stage: Stage,
    /// The tag that is installed.
    #[serde(default)]
    pub(in crate::services) from: String,
    /// The tag that is tried.
    pub(in crate::services) to: String,
    /// The copy of the data; from [`Stage::Trying`] on it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::services) snapshot: Option<SnapshotName>,
    /// RFC 3339: when it began.
    #[serde(default)]
    pub(in crate::services) began: String,
    /// Why it is rolled back, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::services) reason: Option<String>,
}

/// What the next start of the host does about an update that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::services) enum Recovery {
    /// The new version is the installed one: removes what is left of the old.
    Finish,
    /// The new version never ran: removes it.
    RemoveNew,
    /// The new version may have run: stops it, puts the data back and removes it.
    RollBack,
}

impl Journal {
    /// What to do about this update; `stored`: the record names the new version.
    pub(in crate::services) fn recovery(&self, stored: bool) -> Recovery {
        match self.stage {
            _ if stored => Recovery::Finish,
            Stage::Installing | Stage::Saving => Recovery::RemoveNew,
            Stage::Trying | Stage::RollingBack => Recovery::RollBack,
        }
    }

    /// The same update in another stage.
    pub(in crate::services) fn at(&self, stage: Stage) -> Self {
        Self {
            stage,
            ..self.clone()
        }
    }
}

/// Lines of a log that are kept with an update that failed, and characters of each.
const LINES: usize = 12;
const LINE_CHARS: usize = 300;

/// The lines of a log that tell why a program failed: those that name a failure and what follows
/// them, or else the last ones. `lines` is oldest first, and so is what is returned.
pub(in crate::services) fn telling_lines<'a>(
    lines: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let lines: Vec<&str> = lines
        .into_iter()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let names_a_failure = |line: &&str| {
        let line = line.to_ascii_lowercase();
        [
            "error",
            "fatal",
            "panic",
            "exception",
            "cannot",
            "failed",
            "unsupported",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    let last = lines.len().saturating_sub(LINES);
    let first_failure = lines.iter().position(names_a_failure).unwrap_or(last);
    lines[first_failure..]
        .iter()
        .take(LINES)
        .map(|line| line.chars().take(LINE_CHARS).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(stage: Stage) -> Journal {
        Journal {
            stage,
            from: "v1.0.0".to_owned(),
            to: "v1.0.1".to_owned(),
            snapshot: Some("update-1".parse().unwrap()),
            began: "2026-01-01T00:00:00Z".to_owned(),
            reason: None,
        }
    }

    #[test]
    fn every_stage_has_its_way_back_and_a_stored_record_its_way_on() {
        use Stage::{Installing, RollingBack, Saving, Trying};
        for (stage, recovery) in [
            (Installing, Recovery::RemoveNew),
            (Saving, Recovery::RemoveNew),
            (Trying, Recovery::RollBack),
            (RollingBack, Recovery::RollBack),
        ] {
            assert_eq!(journal(stage).recovery(false), recovery, "{stage:?}");
            assert_eq!(journal(stage).recovery(true), Recovery::Finish, "{stage:?}");
        }
    }

    #[test]
    fn a_person_can_read_the_journal_and_one_of_an_older_host_is_understood() {
        let text = serde_json::to_string_pretty(&journal(Stage::Trying)).unwrap();
        for part in [
            "\"stage\": \"trying\"",
            "\"from\": \"v1.0.0\"",
            "\"to\": \"v1.0.1\"",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let old: Journal = serde_json::from_str(r#"{"to":"v1.0.1"}"#).unwrap();
        assert_eq!(old.recovery(false), Recovery::RemoveNew);
    }

    #[test]
    fn the_lines_that_name_the_failure_are_kept() {
        let mut log: Vec<String> = (0..50).map(|nth| format!("request {nth}")).collect();
        assert_eq!(
            telling_lines(log.iter().map(String::as_str)),
            log[38..],
            "the last ones"
        );
        log.push("TypeError: x is not a function".to_owned());
        log.push("    at main (index.js:3)".to_owned());
        log.push("  ".to_owned());
        let told = telling_lines(log.iter().map(String::as_str));
        assert_eq!(
            told,
            ["TypeError: x is not a function", "    at main (index.js:3)"]
        );
        assert!(telling_lines([]).is_empty());
        assert_eq!(
            telling_lines(["x".repeat(1000).as_str()])[0].len(),
            LINE_CHARS
        );
    }
}
