//! How well the units are confined, as `systemd-analyze security` scores them.
//!
//! A run takes some ten milliseconds a unit, more on a small board, so a score is kept as long
//! as the unit's start lasts: nothing of a sandbox changes in between. A query during
//! a run waits for it and shares its result; no other call waits.

mod report;

pub use report::{ReportError, Score, with_network};

use crate::systemd::{Systemd, SystemdError};
use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Mutex;

/// Units that a run looks at: their report is some 15 KiB each.
const AT_ONCE: usize = 24;
/// What a run may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The host's own units; they change with this program.
const HOST: [&str; 2] = ["atekd.service", "atek-spawnd.service"];

/// Why there are no scores.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    /// Which units there are is not known.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// The tool is not there, or cannot be executed.
    #[error("cannot run systemd-analyze, which scores the sandboxes")]
    Run(#[source] std::io::Error),
    /// It takes too long.
    #[error("systemd-analyze did not end within {} s", PATIENCE.as_secs())]
    Timeout,
    /// It said something else than expected; with the first line of what it complained about.
    #[error("systemd-analyze gave no scores: {complaint}")]
    Report {
        /// Its last words.
        complaint: String,
        /// What is wrong with its output.
        #[source]
        source: ReportError,
    },
}

/// The scores. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Confinement {
    systemd: Systemd,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

#[derive(Debug)]
struct Known {
    /// The start of the unit that was looked at.
    start: Vec<u8>,
    score: Score,
}

impl Confinement {
    /// Nothing is scored yet.
    #[must_use]
    pub fn new(systemd: Systemd) -> Self {
        Self {
            systemd,
            known: Arc::default(),
        }
    }

    /// The scores of the host's own units and of every service's that runs, by unit.
    ///
    /// # Errors
    ///
    /// [`ConfinementError`].
    pub async fn scores(&self) -> Result<BTreeMap<String, Score>, ConfinementError> {
        let mut units = self.systemd.running().await?;
        for unit in HOST {
            units.insert(unit.to_owned(), Vec::new());
        }
        let mut known = self.known.lock().await;
        known.retain(|unit, known| units.get(unit) == Some(&known.start));
        let new: Vec<&str> = units
            .keys()
            .map(String::as_str)
            .filter(|unit| !known.contains_key(*unit))
            .collect();
        for some in new.chunks(AT_ONCE) {
            for (unit, score) in analyze(some).await? {
                // One that has ended since has no score, or one of its successor.
                if let Some(start) = units.get(&unit).cloned() {
                    known.insert(unit, Known { start, score });
                }
            }
        }
        Ok(known
            .iter()
            .map(|(unit, known)| (unit.clone(), known.score.clone()))
            .collect())
    }
}

async fn analyze(units: &[&str]) -> Result<Vec<(String, Score)>, ConfinementError> {
    let mut command = Command::new("systemd-analyze");
    command
        .args(["security", "--json=short", "--no-pager"])
        .args(units)
        // Of a single unit it tells the details and no score.
        .arg(HOST[0])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output
        .map_err(|_| ConfinementError::Timeout)?
        .map_err(ConfinementError::Run)?;
    // A unit that is gone makes it fail, after it has told about the others.
    report::read(&output.stdout).map_err(|source| ConfinementError::Report {
        complaint: last_words(&output.stderr),
        source,
    })
}

fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    line.unwrap_or("it said nothing")
        .chars()
        .take(200)
        .collect()
}
