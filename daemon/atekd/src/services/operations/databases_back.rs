//! Databases and users of a backup: ADB is lent the state that the backup has, and takes what is
//! wanted out of it. So is the key service, for the keys of a user.

use super::backup::{RESTORED, name};
use super::bring_back::BroughtBack;
use super::context::Operations;
use crate::database::Change;
use crate::services::crash_point;
use crate::services::error::OperationError;
use atek_api::backup::{StoredDatabase, StoredUser};
use atek_api::ids::{DbId, ServiceKey, UserKey};
use std::sync::Arc;

/// In the state of ADB, and of the key service.
const LENT: &str = "from-backup";

impl Operations {
    /// The databases and users of this box.
    ///
    /// # Errors
    ///
    /// ADB does not answer.
    pub async fn people(&self) -> Result<(Vec<StoredDatabase>, Vec<StoredUser>), OperationError> {
        let databases = self.database.all_databases().await?;
        let records = self.database.records();
        let users = records.users().map(|user| StoredUser {
            key: user.key.clone(),
            username: user.username.clone(),
        });
        Ok((databases, users.collect()))
    }

    /// The key of the database service.
    #[must_use]
    pub fn database_key(&self) -> ServiceKey {
        self.layout.database_key()
    }

    /// Gives ADB the state of itself that was restored.
    ///
    /// # Errors
    ///
    /// It was not; what is there goes with the next.
    pub async fn lend_databases(&self) -> Result<(), OperationError> {
        self.database.close_backup().await?;
        let (key, restored) = (self.database_key(), name(RESTORED));
        Ok(self.spawn.lend_snapshot(&key, &restored, LENT).await?)
    }

    /// Takes that state away.
    ///
    /// # Errors
    ///
    /// It is there still, until ADB starts again.
    pub async fn take_databases_away(&self) -> Result<(), OperationError> {
        Ok(self.database.close_backup().await?)
    }

    /// Makes a database what the lent state has of it, or a new one. The app that it belongs to is
    /// stopped for that, and calls wait. Returns its id and how many records it has.
    ///
    /// # Errors
    ///
    /// The present one is as it was.
    pub async fn restore_database(
        self: &Arc<Self>,
        stored: &StoredDatabase,
        copy: bool,
    ) -> Result<(DbId, u64), OperationError> {
        self.wait_until_swept().await;
        let app = stored.service.as_ref().filter(|_| !copy);
        let Some(record) = app.and_then(|key| self.record(key).ok()) else {
            let restore = self.database.restore_database(&stored.id, copy, None);
            return Ok(restore.await?);
        };
        let lock = self
            .locks
            .take(&record.key, &record.settings.id, "restore")?;
        let (operations, id) = (self.clone(), stored.id.clone());
        let rest = tokio::spawn(async move {
            let _lock = lock;
            let restore = operations.database.restore_database(&id, false, None);
            operations.while_down(&record.key, restore).await
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    /// Makes the databases of the lent state that an app had for the app that is made of it: those
    /// that are gone, or for a copy new ones. What is here stays as it is.
    ///
    /// # Errors
    ///
    /// Nothing was made.
    pub async fn make_databases(
        &self,
        app: &BroughtBack,
        is_copy: bool,
        stored: &[StoredDatabase],
    ) -> Result<Vec<DbId>, OperationError> {
        let (here, _) = self.people().await?;
        let is_wanted =
            |stored: &&StoredDatabase| is_copy || here.iter().all(|db| db.id != stored.id);
        let mut made = Vec::new();
        for stored in stored.iter().filter(is_wanted) {
            let owner = Some((app.owner(), &app.key));
            match self
                .database
                .restore_database(&stored.id, is_copy, owner)
                .await
            {
                Ok((id, _)) => made.push(id),
                Err(error) => {
                    self.drop_databases(&made).await;
                    return Err(error.into());
                }
            }
        }
        crash_point::reached("restore.databases");
        Ok(made)
    }

    /// Deletes the databases of a copy that was not made before the box went down.
    ///
    /// # Errors
    ///
    /// They may be there still.
    pub(super) async fn drop_databases_of(&self, key: &ServiceKey) -> Result<(), OperationError> {
        let (here, _) = self.people().await?;
        let of_copy = here.iter().filter(|db| db.service.as_ref() == Some(key));
        for database in of_copy {
            self.database.delete_database(&database.id).await?;
        }
        Ok(())
    }

    /// Deletes databases of an app that could not be made.
    pub async fn drop_databases(&self, made: &[DbId]) {
        for id in made {
            if let Err(error) = self.database.delete_database(id).await {
                let error = crate::error_chain::DisplayChain(&error);
                tracing::warn!(%id, %error, "a database of an app that was not made is left");
            }
        }
    }

    /// The key of the key service.
    #[must_use]
    pub fn keys_key(&self) -> ServiceKey {
        self.layout.keys_key()
    }

    /// Gives the key service the state of itself that was restored.
    ///
    /// # Errors
    ///
    /// It was not; what is there goes with the next.
    pub async fn lend_keys(&self) -> Result<(), OperationError> {
        let (key, restored) = (self.keys_key(), name(RESTORED));
        Ok(self.spawn.lend_snapshot(&key, &restored, LENT).await?)
    }

    /// Makes a user of the lent state again, with the password of that time. One who is here stays
    /// as they are. Returns the user's name now.
    ///
    /// # Errors
    ///
    /// The name belongs to another user, or the lent state has no such user.
    pub async fn restore_user(&self, key: &UserKey) -> Result<String, OperationError> {
        if let Some(user) = self.database.records().user(key.as_str()) {
            return Ok(user.username.clone());
        }
        let user = self.database.user_of_backup(key).await?;
        let user = user.ok_or_else(|| OperationError::NotInBackup(format!("no user {key}")))?;
        let username = user.username.clone();
        self.database
            .update(move |records| {
                if records.user_named(&user.username).is_some() {
                    let text = format!("another user is called {} now", user.username);
                    return Err(OperationError::NotInBackup(text));
                }
                Ok(((), vec![Change::PutUser(user)]))
            })
            .await?;
        Ok(username)
    }
}
