//! Knowing when nobody needs this process any more.

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

    #[tokio::test]
    async fn a_call_in_progress_and_a_recent_one_keep_it_awake() {
        let activity = Activity::new();
        let ended = Arc::new(std::sync::OnceLock::new());
        let call = activity.begin();
        let (other, end) = (activity.clone(), Arc::clone(&ended));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(60)).await;
            drop(call);
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(other.begin());
            end.set(tokio::time::Instant::now()).unwrap();
        });
        activity.idle_for(Duration::from_millis(40)).await;
        let ended = ended.get().expect("both calls were waited for");
        assert!(ended.elapsed() >= Duration::from_millis(40));
    }
}
