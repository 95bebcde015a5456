//! What rustic_core leaves out with a warning: a backup without a file is none, nor is a restore.
//!
//! The library's only way to tell is the process-wide logger of the crate `log`.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::{Mutex, PoisonError};

/// Complaints that are kept.
const MOST: usize = 20;
/// Characters of one.
const LONGEST: usize = 500;

struct Complaints(Mutex<Vec<String>>);

static COMPLAINTS: Complaints = Complaints(Mutex::new(Vec::new()));

impl Log for Complaints {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn && metadata.target().starts_with("rustic_core")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text: String = record.args().to_string().chars().take(LONGEST).collect();
        // Owners are restored by number.
        if text.starts_with("error getting group") || text.starts_with("error getting user") {
            return;
        }
        // Names that are no UTF-8 have another order for rustic_core than for the folder, in which
        // is nothing but what this process has put there.
        if text.starts_with("Note: additional entries exist") {
            return;
        }
        let mut complaints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.len() < MOST {
            eprintln!("{text}");
            complaints.push(text);
        }
    }

    fn flush(&self) {}
}

/// Begins to listen; once a process.
pub(crate) fn listen() {
    if log::set_logger(&COMPLAINTS).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

/// What was complained about since the last call.
pub(crate) fn take() -> Vec<String> {
    std::mem::take(&mut COMPLAINTS.0.lock().unwrap_or_else(PoisonError::into_inner))
}
