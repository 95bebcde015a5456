//! Tells when this process has been idle for long enough to exit.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Counts the calls that are being served.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    running: Arc<watch::Sender<u64>>,
}

/// One call; its end is its drop.
#[derive(Debug)]
pub(crate) struct Call(Arc<watch::Sender<u64>>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            running: Arc::new(watch::Sender::new(0)),
        }
    }

    /// A call begins.
    pub(crate) fn begin(&self) -> Call {
        self.running.send_modify(|running| *running += 1);
        Call(Arc::clone(&self.running))
    }

    /// Returns when there was no call for `quiet`.
    pub(crate) async fn idle_for(&self, quiet: Duration) {
        let mut running = self.running.subscribe();
        loop {
            let none = *running.borrow_and_update() == 0;
            if none {
                match tokio::time::timeout(quiet, running.changed()).await {
                    Err(_) => return,
                    Ok(_) => continue,
                }
            }
            // The sender lives as long as we do.
            let _ = running.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const QUIET: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_call_in_progress_keeps_it_awake() {
        let activity = Activity::new();
        let call = activity.begin();
        let mut idle = std::pin::pin!(activity.idle_for(Duration::ZERO));
        let slept = tokio::time::timeout(QUIET, &mut idle).await;
        assert!(slept.is_err(), "it slept during a call");
        drop(call);
        idle.await;
    }

    #[tokio::test]
    async fn a_recent_call_keeps_it_awake() {
        let activity = Activity::new();
        let mut idle = std::pin::pin!(activity.idle_for(QUIET));
        for _ in 0..10 {
            drop(activity.begin());
            let ended = Instant::now();
            // On a busy machine the next call may come too late: then it may sleep, but no sooner.
            if tokio::time::timeout(QUIET / 4, &mut idle).await.is_ok() {
                assert!(ended.elapsed() >= QUIET, "{:?}", ended.elapsed());
                return;
            }
        }
        let last = Instant::now();
        drop(activity.begin());
        idle.await;
        assert!(last.elapsed() >= QUIET, "{:?}", last.elapsed());
    }
}
