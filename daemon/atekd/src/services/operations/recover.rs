//! Updates that a crash cut off: finished or undone, before anything of the service starts.

use super::context::Operations;
use crate::database::ServiceRecord;
use crate::error_chain::DisplayChain;
use crate::services::definition;
use crate::services::intents;
use crate::services::supervisor::Command;
use crate::services::updates::ledger::Ledger;
use crate::services::updates::machine::{Journal, Recovery, Stage};
use atek_api::ids::ServiceKey;
use atek_api::spec::PackageVersion;
use atek_api::updates::UpdateOutcome;
use atek_api::version::Release;
use std::sync::Arc;

/// Interruptions after which a release is refused: it may be what ends the host.
const INTERRUPTIONS: usize = 2;

impl Operations {
    pub(super) async fn sweep_updates(self: &Arc<Self>) {
        let state = self.layout.state();
        for (key, journal) in intents::all::<Journal>(state) {
            let record = self.updatable(&key).ok();
            let to = journal
                .as_ref()
                .and_then(|journal| Release::folder_name(&journal.to).parse().ok());
            let (Some(record), Some(to), Some(journal)) = (record, to, journal) else {
                intents::end::<Journal>(state, &key);
                continue;
            };
            self.recover(&key, &record, &to, journal).await;
        }
    }

    async fn recover(
        self: &Arc<Self>,
        key: &ServiceKey,
        record: &Arc<ServiceRecord>,
        to: &PackageVersion,
        journal: Journal,
    ) {
        let stored = definition::installed_version(&record.settings).as_ref() == Some(to);
        match journal.recovery(stored) {
            Recovery::Finish => {
                tracing::info!(%key, %to, "finishing an update");
                let from = Release::folder_name(&journal.from).parse().ok();
                self.finish_update(key, to, from.as_ref()).await;
            }
            Recovery::RemoveNew | Recovery::RollBack => {
                tracing::info!(%key, %to, "undoing an unfinished update");
                if let Err(error) = self.undo(record, &journal).await {
                    // Without its data it must not start; the journal stays for the next start.
                    tracing::error!(%key, error = %DisplayChain(&error), "an update could not be undone");
                    return;
                }
                self.remember_interrupted(key, journal);
                // A version that was gone back to stays installed.
                let kept = Ledger::read(self.layout.state(), key)
                    .history
                    .iter()
                    .any(|entry| Release::folder_name(&entry.from) == to.as_str());
                self.remove_tried(key, (!kept).then_some(to)).await;
                self.start_again(key, record);
            }
        }
    }

    fn remember_interrupted(&self, key: &ServiceKey, mut journal: Journal) {
        let ledger = Ledger::read(self.layout.state(), key);
        let before = ledger.history.iter().filter(|entry| {
            entry.to == journal.to
                && entry.outcome == UpdateOutcome::Interrupted
                && entry.reason.is_some()
        });
        let outcome = match journal.stage {
            Stage::RollingBack if journal.reason.is_some() => UpdateOutcome::RolledBack,
            Stage::Trying => {
                journal.reason = Some("the box went down while it was tried".to_owned());
                if before.count() + 1 >= INTERRUPTIONS {
                    UpdateOutcome::RolledBack
                } else {
                    UpdateOutcome::Interrupted
                }
            }
            _ => UpdateOutcome::Interrupted,
        };
        self.remember_undone(key, &journal, outcome, Vec::new(), None);
    }

    /// The undoing counts as a stop, after which nothing starts by itself.
    fn start_again(self: &Arc<Self>, key: &ServiceKey, record: &ServiceRecord) {
        if record.settings.stopped {
            return;
        }
        let (operations, key) = (self.clone(), key.clone());
        tokio::spawn(async move {
            operations.wait_until_swept().await;
            // The outcome is in its state.
            let _ = operations.supervisor.start(&key, Command::Start).await;
        });
    }
}
