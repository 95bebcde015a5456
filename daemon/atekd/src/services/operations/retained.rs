//! Retained data: listed, adopted by an install, transferred, removed.

use super::context::Operations;
use super::install::{Install, UseData};
use super::locks;
use crate::services::crash_point;
use crate::services::error::OperationError;
use crate::services::retained_data::{self, RetainedData};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::source::Source;
use atek_files::FileError;

impl Operations {
    /// The data of uninstalled services that was retained, oldest first.
    pub async fn retained_data(&self) -> Vec<RetainedData> {
        let state = self.layout.state().to_owned();
        let all = tokio::task::spawn_blocking(move || retained_data::read_all(&state)).await;
        let records = self.database.records();
        all.unwrap_or_default()
            .into_iter()
            .filter(|data| records.service(data.key.as_str()).is_none())
            .collect()
    }

    /// The data that an app from `source` may take over for `owner`, newest first.
    pub(super) async fn retained_of(&self, source: &Source, owner: &UserKey) -> Vec<RetainedData> {
        let mut fitting = self.retained_data().await;
        fitting.retain(|data| data.fits(source, owner));
        fitting.reverse();
        fitting
    }

    /// Removes retained data for good.
    ///
    /// # Errors
    ///
    /// `NoRetainedData`, or it could not be removed.
    pub async fn remove_retained(&self, key: &ServiceKey) -> Result<(), OperationError> {
        self.wait_until_swept().await;
        let none = || OperationError::NoRetainedData(key.clone());
        let all = self.retained_data().await;
        let data = all.into_iter().find(|data| data.key == *key);
        let data = data.ok_or_else(none)?;
        let _lock = self.locks.take(key, &data.id, "remove")?;
        if self.database.records().service(key.as_str()).is_some() {
            // An install has just adopted it.
            return Err(none());
        }
        self.spawn.wipe_state(key).await?;
        crash_point::reached("kept.wiped");
        self.forget_retained(key);
        Ok(())
    }

    /// Takes the data that an install adopts; the lock keeps it from others until the record is
    /// stored. Refuses an install that does not say what to do about data that fits.
    pub(super) async fn data_for(
        &self,
        request: &Install,
        source: &Source,
    ) -> Result<Option<locks::Lock>, OperationError> {
        match &request.data {
            UseData::Fresh => Ok(None),
            UseData::Undecided => match self.retained_of(source, &request.owner).await {
                fitting if fitting.is_empty() => Ok(None),
                fitting => Err(OperationError::DataUndecided(fitting)),
            },
            UseData::Adopt(key) => self.adopt_retained(key, &request.owner).await.map(Some),
        }
    }

    async fn adopt_retained(
        &self,
        key: &ServiceKey,
        owner: &UserKey,
    ) -> Result<locks::Lock, OperationError> {
        let data = self.find_retained(key, owner).await?;
        let lock = self.locks.take(key, &data.id, "install")?;
        // Between the two another install may have been faster.
        self.find_retained(key, owner).await?;
        // A package of an uninstall that was cut off would be in the way.
        self.spawn.remove_package(key).await?;
        Ok(lock)
    }

    /// The data with this key, if it is `owner`'s.
    async fn find_retained(
        &self,
        key: &ServiceKey,
        owner: &UserKey,
    ) -> Result<RetainedData, OperationError> {
        let all = self.retained_data().await;
        let found = all.into_iter().find(|data| data.key == *key);
        // Whether there is data of another user is not told.
        found
            .filter(|data| data.owner == *owner)
            .ok_or_else(|| OperationError::NoRetainedData(key.clone()))
    }

    /// Transfers retained data to another user.
    pub(super) async fn transfer_retained(
        &self,
        from: &UserKey,
        to: &UserKey,
    ) -> Result<(), FileError> {
        for data in self.retained_data().await {
            if data.owner == *from {
                let owner = to.clone();
                self.remember_retained(&RetainedData { owner, ..data })?;
            }
        }
        Ok(())
    }

    /// Writes down that data is retained, durably.
    pub(super) fn remember_retained(&self, data: &RetainedData) -> Result<(), FileError> {
        retained_data::write(self.layout.state(), data)
    }

    /// Forgets that data is retained: it is in use, or gone.
    pub(super) fn forget_retained(&self, key: &ServiceKey) {
        retained_data::remove(self.layout.state(), key);
    }

    /// Forgets files of keys that are in use: an uninstall that did not happen, or data that was
    /// adopted.
    pub(super) fn sweep_retained(&self) {
        let records = self.database.records();
        for data in retained_data::read_all(self.layout.state()) {
            if records.service(data.key.as_str()).is_some() {
                self.forget_retained(&data.key);
            }
        }
    }
}
