//! Decisions about single permissions of a service, in force at once.

use super::context::Operations;
use crate::database::{Change, Records};
use crate::services::definition::Definition;
use crate::services::error::OperationError;
use crate::services::lan_ports;
use crate::services::supervisor::Command;
use atek_api::ids::ServiceKey;
use atek_api::permission::Permission;
use std::sync::Arc;

impl Operations {
    /// Ends the question about a permission that was stored and never asked for.
    ///
    /// # Errors
    ///
    /// The question stays.
    pub async fn forget_unasked(
        &self,
        key: &ServiceKey,
        permission: Permission,
    ) -> Result<(), OperationError> {
        let changed = self.change_settings(key, move |settings| {
            settings.unasked.retain(|item| *item != permission);
        });
        changed.await
    }

    /// Takes the folders of a service that goes away back from those that were given them.
    ///
    /// # Errors
    ///
    /// Some of them still have theirs.
    pub(super) async fn take_folders_back(
        self: &Arc<Self>,
        key: &ServiceKey,
    ) -> Result<(), OperationError> {
        for grant in self.database.records().folders_given_of(key) {
            let changes = vec![Change::DeleteGrant(grant.id.clone())];
            match self.decide(&grant.service, changes, true).await {
                // What is not there any more has nothing, and what does not start has it no more.
                Ok(()) | Err(OperationError::StoredNotRunning(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Stores changes of the decisions about one service. Connections that are no longer allowed
    /// end; the service is restarted only where it gets or loses a network of its own, a device, a
    /// folder of another service or a port of the home's network, and, unless it `waits` for the
    /// answer, where its first or last host changes: its proxy variables do.
    ///
    /// # Errors
    ///
    /// Nothing was changed, except with `StoredNotRunning`.
    pub async fn decide(
        self: &Arc<Self>,
        key: &ServiceKey,
        changes: Vec<Change>,
        waits: bool,
    ) -> Result<(), OperationError> {
        let record = self.record(key)?;
        // Also what has ended by itself was in force until it is removed.
        let reach = |records: &Records, now: i64| {
            let settings = Arc::new(record.settings.clone());
            let decided = records.grants_of(key, now);
            Definition::installed(key.clone(), settings)
                .with_decided(decided)
                .reach()
        };
        let records = self.database.records();
        let mut planned = Records::clone(&records);
        for change in &changes {
            planned.apply(change.clone());
        }
        let now = jiff::Timestamp::now().as_second();
        let (before, after) = (reach(&records, i64::MIN), reach(&planned, now));
        let new = after
            .listen
            .iter()
            .filter(|port| !before.listen.contains(port));
        lan_ports::check(&planned, key, &new.copied().collect::<Vec<_>>())?;
        let by_proxy = before.devices == after.devices
            && before.folders == after.folders
            && !before.has_link()
            && !after.has_link();
        if before == after || (waits && by_proxy) {
            self.database.write(changes).await?;
            return Ok(());
        }
        let lock = self.locks.take(key, &record.settings.id, "configure")?;
        let (operations, key) = (self.clone(), key.clone());
        let rest = tokio::spawn(async move {
            let _lock = lock;
            operations.database.write(changes).await?;
            if operations.supervisor.snapshot(&key).await?.state.is_up() {
                operations.supervisor.stop(&key).await?;
                let started = operations.supervisor.start(&key, Command::Start).await;
                started.map_err(|error| OperationError::StoredNotRunning(Box::new(error)))?;
            }
            Ok(())
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }
}
