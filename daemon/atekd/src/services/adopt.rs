//! The start of the host: what runs is adopted, what should run is started.

use super::handle::Wish;
use super::waiters::Goal;
use super::{CoreFailure, Inner, sweep};
use atek_api::ids::ServiceKey;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// How long the adoption of what runs may hold up the rest of the start. It takes
/// milliseconds, unless a service hangs, and then it goes on beside the rest.
const ADOPTION: Duration = Duration::from_secs(2);

pub(super) async fn start_core(inner: &Arc<Inner>) -> Vec<CoreFailure> {
    // Before that it is not known what runs already.
    inner.supervisor.listed().await;
    let starts = inner
        .core
        .iter()
        .filter(|core| core.package.is_ok())
        .map(async |core| {
            let key = core.key.clone();
            match inner.supervisor.start(&key, Wish::Start).await {
                Ok(()) => None,
                Err(error) => Some(CoreFailure { key, error }),
            }
        });
    join_all(starts).await.into_iter().flatten().collect()
}

pub(super) async fn start_installed(inner: &Arc<Inner>) {
    sweep::sweep(inner).await;
    inner.swept.send_replace(true);
    super::ports::give(inner).await;
    let records = inner.database.records();
    let (mut start, mut stop, mut sleep, mut there) = (vec![], vec![], vec![], vec![]);
    for record in records.services() {
        let Ok(look) = inner.supervisor.look(&record.key).await else {
            continue;
        };
        let key = record.key.clone();
        match (record.settings.stopped, look.view.is_some()) {
            (true, true) => stop.push(key),
            (true, false) => {}
            (false, true) => {
                there.push(key.clone());
                start.push(key);
            }
            (false, false) if look.definition.sleeps() => sleep.push(key),
            (false, false) => start.push(key),
        }
    }
    let adopted = there
        .iter()
        .map(|key| inner.supervisor.wish(key, Wish::Watch, Goal::Settled));
    let _ = tokio::time::timeout(ADOPTION, join_all(adopted)).await;
    for key in sleep {
        let _ = inner
            .supervisor
            .wish(&key, Wish::Sleep, Goal::Settled)
            .await;
    }
    for key in stop {
        settle(inner, key, Wish::Stop, Goal::Down);
    }
    // Does nothing for what runs already. A failed unit is tried again: the cause may be gone.
    for key in start {
        settle(inner, key, Wish::Resume, Goal::Settled);
    }
}

/// In the background; how it goes is in the service's state.
fn settle(inner: &Arc<Inner>, key: ServiceKey, wish: Wish, goal: Goal) {
    let inner = inner.clone();
    tokio::spawn(async move {
        let records = inner.database.records();
        let stopped = records
            .service(key.as_str())
            .is_none_or(|record| record.settings.stopped);
        // Somebody may have started it meanwhile.
        if wish != Wish::Stop || stopped {
            // It fails only for a service that is gone.
            let _ = inner.supervisor.wish(&key, wish, goal).await;
        }
    });
}
