//! Counts the processor time of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result};

/// How often a component that computes gives way to others. Each counts as so much time.
const TICK: Duration = Duration::from_millis(10);
/// How long one request may compute; waiting does not count.
pub(crate) const MOST: Duration = Duration::from_secs(10);

/// Ticks that a request may compute.
#[allow(clippy::cast_possible_truncation, reason = "a thousand")]
pub(crate) const MOST_TICKS: u32 = (MOST.as_millis() / TICK.as_millis()) as u32;

/// Advances the engine's epoch while a request runs, and stands still while none does: an app that
/// no component uses must not wake the processor a hundred times a second.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    running: Arc<AtomicUsize>,
    thread: Thread,
}

impl Clock {
    /// A clock that stands still.
    pub(crate) fn new(engine: Engine) -> Result<Self> {
        let running = Arc::new(AtomicUsize::new(0));
        let of_thread = running.clone();
        let thread = thread::Builder::new()
            .name("clock".to_owned())
            .spawn(move || {
                loop {
                    if of_thread.load(Ordering::Acquire) == 0 {
                        thread::park();
                    } else {
                        thread::sleep(TICK);
                        engine.increment_epoch();
                    }
                }
            })
            .context("cannot start a thread")?;
        Ok(Self {
            running,
            thread: thread.thread().clone(),
        })
    }

    /// Runs until what is returned is dropped.
    pub(crate) fn run(&self) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.thread.unpark();
        Running(self.running.clone())
    }
}

/// A request that runs.
#[derive(Debug)]
pub(crate) struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
