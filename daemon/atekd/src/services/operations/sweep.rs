//! What a crash left: finished where the deciding step was made, undone where it was not.
//!
//! Nothing here is needed after an orderly end. A failure is logged and tried again at the
//! next start.

use super::context::Operations;
use crate::error_chain::DisplayChain;
use crate::services::intents::{self, Install, Transfer, Uninstall};
use crate::services::source_tokens;
use crate::spawn::SpawnError;
use std::sync::Arc;

impl Operations {
    /// Finishes or undoes what was interrupted, and removes leftovers.
    pub(super) async fn sweep(self: &Arc<Self>) {
        warn_of("an unfinished package job", self.packages.clear().await);
        self.sweep_orphan_units().await;
        self.sweep_uninstalls().await;
        intents::prepare(self.layout.state());
        self.sweep_installs().await;
        source_tokens::sweep(self.layout.state(), |key| self.exists(key));
        self.sweep_retained();
        self.sweep_transfers().await;
        self.sweep_run_files().await;
        self.sweep_updates().await;
    }

    /// Stops units of services that were removed or renamed.
    async fn sweep_orphan_units(&self) {
        for id in self.supervisor.orphan_units().await {
            tracing::info!(%id, "stopping a unit that belongs to no service");
            warn_of("an orphan unit", self.spawn.stop_service(&id).await);
            warn_of("an orphan unit", self.spawn.reset_failed(&id).await);
        }
    }

    async fn sweep_uninstalls(&self) {
        let state = self.layout.state();
        for (key, intent) in intents::all::<Uninstall>(state) {
            match intent {
                Some(Uninstall {
                    keep_data,
                    databases,
                }) if !self.exists(&key) => {
                    tracing::info!(%key, "finishing an uninstall");
                    if databases && let Err(error) = self.drop_databases_of(&key).await {
                        let error = DisplayChain(&error);
                        tracing::warn!(%key, %error, "databases of a copy could not be swept");
                        continue;
                    }
                    let removed = self.remove_files(&key, None, keep_data).await;
                    warn_of("an uninstalled service", removed);
                }
                // Its record is there: nothing was decided.
                _ => intents::end::<Uninstall>(state, &key),
            }
        }
    }

    /// Removes packages whose record was never stored. Only those whose install is known to have
    /// been cut off: a record that is missing for another reason must not cost a package.
    async fn sweep_installs(&self) {
        let state = self.layout.state();
        for (key, _) in intents::all::<Install>(state) {
            if self.exists(&key) {
                intents::end::<Install>(state, &key);
                continue;
            }
            tracing::info!(%key, "undoing an unfinished install");
            self.undo_install(&key).await;
        }
    }

    /// Finishes transfers, whose databases may still be the old owner's, before any of the
    /// services starts.
    async fn sweep_transfers(&self) {
        let state = self.layout.state();
        for (from, intent) in intents::all::<Transfer>(state) {
            let Some(transfer) = intent.filter(|transfer| self.has_new_owner(transfer)) else {
                tracing::error!(user = %from, "cannot finish a transfer: its new owner is gone");
                intents::end::<Transfer>(state, &from);
                continue;
            };
            tracing::info!(%from, to = %transfer.to, "finishing an interrupted ownership transfer");
            if let Err(error) = self.store_transfer(&from, &transfer).await {
                let error = DisplayChain(&error);
                tracing::error!(%from, to = %transfer.to, %error, "could not be transferred");
            }
        }
    }

    /// Removes tokens, sockets and stored listeners of services that are gone.
    async fn sweep_run_files(&self) {
        for key in self.attach.known() {
            if !self.exists(&key) {
                self.attach.close(&key).await;
            }
        }
    }
}

fn warn_of(what: &str, outcome: Result<(), SpawnError>) {
    if let Err(error) = outcome {
        tracing::warn!(what, error = %DisplayChain(&error), "could not be swept");
    }
}
