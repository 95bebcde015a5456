//! Keeps the package staged by the latest `inspect`, so that `install` need not fetch it again.
//!
//! There is one staging folder, so one package at most. A job that needs the folder goes first:
//! the package is fetched again then. A restart clears the folder, as after any job.

use super::job::Staged;
use atek_api::package::FetchedPackage;
use atek_api::services::Inspected;
use atek_api::source::Source;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a person may think about it. The package takes room on the disk for so long, as
/// much as [`atek_api::package::FetchLimits`] admits.
pub(super) const KEEP: Duration = Duration::from_secs(10 * 60);

/// At most one package. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct InspectedPackageCache {
    state: Arc<Mutex<State>>,
    keep: Duration,
}

#[derive(Debug, Default)]
struct State {
    kept: Option<CachedPackage>,
    /// Jobs that wait for the staging folder.
    waiting: usize,
    /// Counts packages, so that a deadline removes its own only.
    number: u64,
}

#[derive(Debug)]
struct CachedPackage {
    number: u64,
    source: Source,
    package: FetchedPackage,
    staged: Staged,
}

impl InspectedPackageCache {
    /// Makes an empty cache that keeps a package for `keep`.
    pub(super) fn new(keep: Duration) -> Self {
        Self {
            state: Arc::default(),
            keep,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a package, unless a job waits for its place.
    pub(super) fn keep(&self, source: Source, package: FetchedPackage, staged: Staged) {
        let mut state = self.state();
        if state.waiting > 0 {
            return;
        }
        state.number += 1;
        let number = state.number;
        state.kept = Some(CachedPackage {
            number,
            source,
            package,
            staged,
        });
        drop(state);
        let cache = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(cache.keep).await;
            let over = {
                let mut state = cache.state();
                state.kept.take_if(|kept| kept.number == number)
            };
            drop(over);
        });
    }

    /// Takes the package that was shown like this, if it is still there.
    pub(super) fn take(
        &self,
        source: &Source,
        shown: &Inspected,
    ) -> Option<(FetchedPackage, Staged)> {
        let kept = self
            .state()
            .kept
            .take_if(|kept| kept.source == *source && shown.is(&kept.package))?;
        Some((kept.package, kept.staged))
    }

    #[cfg(test)]
    pub(super) fn is_wanted(&self) -> bool {
        self.state().waiting > 0
    }

    /// Empties the cache; nothing is kept until the result is dropped.
    pub(super) fn make_room(&self) -> Room {
        let kept = {
            let mut state = self.state();
            state.waiting += 1;
            state.kept.take()
        };
        drop(kept);
        Room {
            cache: self.clone(),
        }
    }
}

/// A job that waits for the staging folder, or took it.
#[derive(Debug)]
pub(super) struct Room {
    cache: InspectedPackageCache,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.cache.state().waiting -= 1;
    }
}
