//! What an app does before its state is copied for a backup: a dump of its database, for example.

use super::cursor::{Cursor, Found};
use super::error::Problem;
use super::json::shorten;
use super::read::RuntimeParts;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Seconds that the command may take where the manifest says nothing.
const SECONDS: u16 = 60;
/// Seconds that it may ask for.
const MAX_SECONDS: u16 = 600;

/// The field `beforeBackup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct BeforeBackup {
    /// The program and its arguments, taken literally; at least one. A program with a slash is a
    /// file of the package, one without is looked for in `PATH`.
    pub command: Vec<String>,
    /// How long it may take; then it is killed.
    pub seconds: u16,
}

impl BeforeBackup {
    /// How long it may take.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.seconds.clamp(1, MAX_SECONDS).into())
    }
}

pub(super) fn read(value: &Cursor<'_>) -> Found<BeforeBackup> {
    let mut parts = RuntimeParts::default();
    let mut seconds = SECONDS;
    for (key, value) in value.members()? {
        match key {
            "command" => parts.args = Some(value),
            "seconds" => {
                let read = u16::try_from(value.whole_number()?).ok();
                let read = read.filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
                seconds = read.ok_or_else(|| value.problem(Problem::Seconds(MAX_SECONDS)))?;
            }
            other => {
                return Err(value.problem(Problem::UnknownKey {
                    found: shorten(other),
                    known: "command and seconds",
                }));
            }
        }
    }
    let command = parts.args()?;
    match (&parts.args, command.first()) {
        (None, _) => Err(value.problem(Problem::Missing("command"))),
        (Some(_), Some(program)) if !program.is_empty() => Ok(BeforeBackup { command, seconds }),
        (Some(list), _) => Err(list.problem(Problem::HealthCommand)),
    }
}
