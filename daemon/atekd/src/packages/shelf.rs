//! A package that was shown to somebody, and waits for a word about it.
//!
//! There is one staging folder, so one place on the shelf, and whoever needs the folder goes
//! first: what was put away is fetched again then. A restart finds nothing here and clears
//! the folder, as after any job.

use super::job::Staged;
use atek_api::package::FetchedPackage;
use atek_api::services::Inspected;
use atek_api::source::Source;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long somebody may think about it: meanwhile the package takes room on the disk, as
/// much as [`atek_api::package::FetchLimits`] admits.
pub(super) const KEEP: Duration = Duration::from_secs(10 * 60);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    state: Arc<Mutex<State>>,
    keep: Duration,
}

#[derive(Debug, Default)]
struct State {
    kept: Option<Kept>,
    /// How many want the staging folder.
    waiting: usize,
    /// Counts what was kept, so that a deadline ends its own only.
    number: u64,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    source: Source,
    package: FetchedPackage,
    staged: Staged,
}

impl Shelf {
    /// One that keeps a package for `keep`.
    pub(super) fn new(keep: Duration) -> Self {
        Self {
            state: Arc::default(),
            keep,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a package, unless somebody needs its place.
    pub(super) fn keep(&self, source: Source, package: FetchedPackage, staged: Staged) {
        let mut state = self.state();
        if state.waiting > 0 {
            return;
        }
        state.number += 1;
        let number = state.number;
        state.kept = Some(Kept {
            number,
            source,
            package,
            staged,
        });
        drop(state);
        let shelf = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(shelf.keep).await;
            let over = {
                let mut state = shelf.state();
                state.kept.take_if(|kept| kept.number == number)
            };
            drop(over);
        });
    }

    /// The package that was shown like this, if it is still there.
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

    /// Makes room: until the answer is dropped nothing is kept.
    pub(super) fn make_room(&self) -> Room {
        let kept = {
            let mut state = self.state();
            state.waiting += 1;
            state.kept.take()
        };
        drop(kept);
        Room {
            shelf: self.clone(),
        }
    }
}

/// Somebody waits for the staging folder.
#[derive(Debug)]
pub(super) struct Room {
    shelf: Shelf,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shelf.state().waiting -= 1;
    }
}
