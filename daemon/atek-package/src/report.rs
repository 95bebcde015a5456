//! Writes lines of JSON to the process that waits for the job.

use atek_api::package::{Event, Phase, Progress};
use std::io::Write;
use std::time::{Duration, Instant};

/// The shortest time between two progress lines of one phase.
const PAUSE: Duration = Duration::from_millis(100);

/// Where events go. At most ten progress lines a second, and none after the last.
#[derive(Debug)]
pub(crate) struct Reporter<W> {
    out: W,
    last: Option<(Phase, Option<u8>, Instant)>,
    /// The reader is gone.
    gone: bool,
}

impl<W: Write> Reporter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            last: None,
            gone: false,
        }
    }

    /// Whether the reader is gone, so that the work has no use.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Tells how far the work is, unless it told so a moment ago.
    pub(crate) fn progress(&mut self, progress: Progress) {
        let now = Instant::now();
        if let Some((phase, percent, at)) = self.last {
            let finished = progress.percent == Some(100) && percent != Some(100);
            if phase == progress.phase && now.duration_since(at) < PAUSE && !finished {
                return;
            }
        }
        self.last = Some((progress.phase, progress.percent, now));
        if self.line(&Event::Progress(progress)).is_err() {
            self.gone = true;
        }
    }

    /// The last line.
    pub(crate) fn finish(mut self, event: &Event) -> std::io::Result<()> {
        self.line(event)
    }

    fn line(&mut self, event: &Event) -> std::io::Result<()> {
        write_line(&mut self.out, event)
    }
}

/// One line of JSON.
pub(crate) fn write_line<T: serde::Serialize>(
    mut out: impl Write,
    value: &T,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(phase: Phase, percent: Option<u8>) -> Progress {
        Progress {
            phase,
            message: String::new(),
            percent,
        }
    }

    #[test]
    fn a_flood_of_progress_becomes_a_few_lines_and_the_end_is_among_them() {
        let mut out = Vec::new();
        let mut report = Reporter::new(&mut out);
        for percent in 0..=100 {
            report.progress(progress(Phase::Fetch, Some(percent)));
        }
        report.progress(progress(Phase::Checkout, None));
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.len() < 20, "{} lines", lines.len());
        assert!(
            lines.iter().any(|line| line.contains("\"percent\":100")),
            "{text}"
        );
        assert!(lines.last().unwrap().contains("checkout"));
    }
}
