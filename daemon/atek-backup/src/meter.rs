//! How far the work is, as a few lines a second.

use atek_api::backup::Event;
use rustic_core::{Progress, ProgressBars, ProgressType, RusticProgress};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two lines.
const PAUSE: Duration = Duration::from_millis(250);

/// Writes lines of progress to standard output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
}

/// One line of JSON on standard output.
pub(crate) fn say(event: &Event) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// The progress of one step.
#[derive(Debug)]
struct Step {
    meter: Meter,
    done: Mutex<(u64, Option<u64>)>,
}

impl ProgressBars for Meter {
    fn progress(&self, kind: ProgressType, _prefix: &str) -> Progress {
        match kind {
            ProgressType::Bytes => Progress::new(Step {
                meter: self.clone(),
                done: Mutex::default(),
            }),
            ProgressType::Spinner | ProgressType::Counter => Progress::hidden(),
        }
    }
}

impl RusticProgress for Step {
    fn is_hidden(&self) -> bool {
        false
    }

    fn set_length(&self, length: u64) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(length);
    }

    fn set_title(&self, _title: &str) {}

    fn inc(&self, more: u64) {
        let (done, total) = {
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            done.0 += more;
            *done
        };
        let mut state = self.meter.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            state.last = Some(Instant::now());
            // A reader that is gone is seen at the next answer.
            let _ = say(&Event::Progress { done, total });
        }
    }

    fn finish(&self) {}
}
