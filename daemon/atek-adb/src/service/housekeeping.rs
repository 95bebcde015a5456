//! Work in the background: removing what deleted databases held, finishing indexes.

use super::Adb;
use crate::error::{AdbError, DisplayChain};
use crate::storage::indexes::IndexState;
use crate::storage::{DbState, Read as _};
use atek_api::ids::DbId;

/// Rows of each table that one commit removes: short enough that writers do not notice.
const PURGE_STEP: usize = 1000;

impl Adb {
    /// Continues what a restart interrupted.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub async fn resume(&self) -> Result<(), AdbError> {
        let all = self
            .store
            .read(|snapshot| snapshot.databases().map_err(AdbError::from))
            .await?;
        for (id, row) in all {
            match row.state {
                DbState::Leaving | DbState::Gone => self.purge_soon(id),
                DbState::Live => {
                    let indexes = self
                        .store
                        .read(|snapshot| snapshot.indexes(row.no).map_err(AdbError::from))
                        .await?;
                    for index in indexes {
                        match index.state {
                            IndexState::Building => drop(self.index_soon(row.no, index.no)),
                            IndexState::Leaving => self.unindex_soon(row.no, index.no),
                            IndexState::Ready => {}
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes what a deleted database held, in small commits.
    pub(super) fn purge_soon(&self, id: DbId) {
        let (store, background) = (self.store.clone(), self.background.clone());
        tokio::spawn(async move {
            loop {
                let _turn = background.acquire().await;
                let step = id.clone();
                match store
                    .write(move |tx| tx.purge_step(&step, PURGE_STEP))
                    .await
                {
                    Ok(true) => return tracing::debug!(%id, "removed a deleted database"),
                    Ok(false) => {}
                    // The next start goes on with it.
                    Err(error) => {
                        return tracing::warn!(%id, error = %DisplayChain(&error), "cannot remove a deleted database");
                    }
                }
            }
        });
    }
}
