//! Progress for a person: which step runs, and how long each took.

use std::io::Write as _;
use std::time::Instant;

/// A build's steps, as they happen.
#[derive(Debug)]
pub struct Steps {
    begun: Instant,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
        }
    }
}

impl Steps {
    /// Runs one step, and says what it is and how long it took.
    ///
    /// # Errors
    ///
    /// What the step answers.
    pub fn step<T>(
        &self,
        what: &str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        say(&format!(
            "{:>5} s  {what} ...",
            self.begun.elapsed().as_secs()
        ));
        let started = Instant::now();
        let result = work()?;
        say(&format!(
            "{:>5} s  {what}: {:.1} s",
            self.begun.elapsed().as_secs(),
            started.elapsed().as_secs_f32()
        ));
        Ok(result)
    }
}

/// Says one line, on standard error: standard output is for results.
fn say(line: &str) {
    // A closed terminal does not end a build.
    let _ = writeln!(std::io::stderr(), "{line}");
}
