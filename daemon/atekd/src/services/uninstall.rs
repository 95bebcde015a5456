//! Uninstalling: stop, write the intent down, delete the record, then the files.
//!
//! The deleted record is what makes it happen. A crash before that leaves a service that
//! exists and is started again; a crash after it is finished at the next start.

use super::intent::{self, Uninstall};
use super::kept::{self, Kept};
use super::{Inner, UninstallError, fault};
use crate::chain::Chain;
use crate::database::Change;
use crate::spawn::SpawnError;
use atek_api::ids::{ServiceId, ServiceKey};
use std::sync::Arc;

pub(super) async fn uninstall(
    inner: &Arc<Inner>,
    key: &ServiceKey,
    keep_data: bool,
) -> Result<(), UninstallError> {
    inner.tidy().await;
    let record = inner.installed(key)?;
    let id = record.settings.id.clone();
    let lock = inner.locks.take(key, &id, "uninstall")?;
    let (inner, key) = (inner.clone(), key.clone());
    // Once begun it is finished, whether or not somebody still listens.
    let rest = tokio::spawn(async move {
        let _lock = lock;
        inner.supervisor.stop(&key).await?;
        let state = inner.layout.state();
        if keep_data {
            // It says nothing as long as the record is there.
            kept::remember(state, &Kept::of(&record))?;
        }
        intent::begin(state, &key, &Uninstall { keep_data })?;
        fault::point("uninstall.begun");
        if let Err(error) = inner
            .database
            .write(vec![Change::DeleteService(key.clone())])
            .await
        {
            // It may have been deleted all the same: then the next start finishes it.
            return Err(error.into());
        }
        fault::point("uninstall.deleted");
        // An app may have been waiting for its port.
        super::ports::give(&inner).await;
        if let Err(error) = remove_files(&inner, &key, Some(&id), keep_data).await {
            tracing::warn!(%key, error = %Chain(&error), "left files for the next sweep");
        }
        Ok(())
    });
    rest.await
        .unwrap_or(Err(UninstallError::Refused(super::ShuttingDown.into())))
}

/// Removes everything that a service without a record has left, and the intent.
pub(super) async fn remove_files(
    inner: &Inner,
    key: &ServiceKey,
    id: Option<&ServiceId>,
    keep_data: bool,
) -> Result<(), SpawnError> {
    if let Some(id) = id {
        // A unit that failed stays loaded, and holds the state.
        inner.spawn.reset_failed(id).await?;
    }
    inner.attach.close(key).await;
    inner.spawn.remove_package(key).await?;
    if !keep_data {
        inner.spawn.wipe_state(key).await?;
        kept::forget(inner.layout.state(), key);
    }
    fault::point("uninstall.removed");
    intent::end::<Uninstall>(inner.layout.state(), key);
    Ok(())
}
