//! Apps that are made from a backup: one that is gone, or a copy beside the one that is here.
//!
//! ```text
//!  uninstalls/KEY.json -> state and package in place -> record stored = it exists -> start
//!  without the record, the next start of the host removes what there is of it
//! ```

use super::backup::{RESTORED, name};
use super::context::Operations;
use super::install::check_spec;
use crate::database::DatabaseError;
use crate::services::error::OperationError;
use crate::services::id_allocation::{self, WantedId};
use crate::services::intents::{self, Uninstall};
use crate::services::package_folder;
use crate::services::supervisor::Command;
use atek_api::backup::StoredService;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::services::{ServiceSettings, SourceType};
use atek_api::source::Source;
use atek_api::spec::{PackageVersion, paths};
use std::sync::Arc;

/// An app that is to be made from a backup.
#[derive(Debug)]
pub struct BroughtBack {
    /// Its key here: the one of the backup, or a new one.
    pub key: ServiceKey,
    /// The version of its package, if the backup has that.
    pub version: Option<PackageVersion>,
    settings: ServiceSettings,
    wanted: WantedId,
}

impl BroughtBack {
    /// Whose it will be.
    pub(super) fn owner(&self) -> &UserKey {
        &self.settings.owning_user_key
    }
}

impl Operations {
    /// Why an app of a backup cannot be made here; the text is for a person.
    #[must_use]
    pub fn missing_of(&self, stored: &StoredService) -> Option<String> {
        let Some(settings) = &stored.settings else {
            return Some(
                "this backup does not say how the app was set up: install it, and restore its files"
                    .to_owned(),
            );
        };
        if settings.package.source_type == SourceType::Git {
            return None;
        }
        let folder = match settings.source_url.parse() {
            Ok(Source::Folder(folder)) => folder,
            _ => return Some(format!("{} is not a folder", settings.source_url)),
        };
        (!folder.is_dir()).then(|| {
            format!(
                "it ran from the folder {}, which is not here and in no backup: put the folder there",
                folder.display()
            )
        })
    }

    /// Whether an app of a backup is installed, and its id now.
    #[must_use]
    pub fn id_of(&self, key: &ServiceKey) -> Option<ServiceId> {
        let record = self.record(key).ok()?;
        Some(record.settings.id.clone())
    }

    /// Plans an app from a backup: under its old key where that is free, so that it finds its
    /// databases, as a copy otherwise. `owner` gets it where its own is gone.
    ///
    /// # Errors
    ///
    /// The id is taken, or something is missing.
    pub async fn plan_back(
        &self,
        stored: &StoredService,
        id: Option<&str>,
        owner: UserKey,
    ) -> Result<BroughtBack, OperationError> {
        self.wait_until_swept().await;
        let settings = match (self.missing_of(stored), &stored.settings) {
            (None, Some(settings)) => settings,
            (missing, _) => return Err(OperationError::NotInBackup(missing.unwrap_or_default())),
        };
        let mut settings = ServiceSettings::clone(settings);
        settings.set_aside_unasked();
        let records = self.database.records();
        if records.user(settings.owning_user_key.as_str()).is_none() {
            settings.owning_user_key = owner;
        }
        let retained = self.retained_data().await;
        let is_used =
            self.exists(&stored.key) || retained.iter().any(|kept| kept.key == stored.key);
        let key = match is_used {
            true => {
                // One port of the home belongs to one app.
                settings.granted.listen.clear();
                id_allocation::new_key()?
            }
            false => stored.key.clone(),
        };
        let wanted = WantedId::parse(Some(id.unwrap_or(stored.id.as_str())), "")?;
        wanted.choose(|id| self.is_taken(&records, id))?;
        settings.stopped = false;
        settings.port = None;
        Ok(BroughtBack {
            key,
            version: stored.version.clone(),
            settings,
            wanted,
        })
    }

    /// Writes down that an app is being made: without its record, all of it is removed again.
    ///
    /// # Errors
    ///
    /// Nothing may be made of it.
    pub fn begin_back(&self, app: &BroughtBack, is_copy: bool) -> Result<(), OperationError> {
        let intent = Uninstall {
            keep_data: false,
            databases: is_copy,
        };
        Ok(intents::begin(self.layout.state(), &app.key, &intent)?)
    }

    /// Makes the app of what was restored for it, and starts it.
    ///
    /// # Errors
    ///
    /// Nothing of it is left.
    pub async fn bring_back(
        self: &Arc<Self>,
        app: BroughtBack,
    ) -> Result<ServiceId, OperationError> {
        let lock = self
            .locks
            .take(&app.key, &ServiceId::derive("app"), "restore")?;
        let operations = self.clone();
        let rest = tokio::spawn(async move {
            let _lock = lock;
            let key = app.key.clone();
            match operations.store_back(app).await {
                Ok(()) => {}
                // It may have been stored all the same: the next start of the host finds out.
                Err(error @ OperationError::Database(DatabaseError::Store(_))) => {
                    return Err(error);
                }
                Err(error) => {
                    operations.drop_back(&key).await;
                    return Err(error);
                }
            }
            let id = operations.record(&key)?.settings.id.clone();
            // The outcome is in its state.
            let _ = operations.supervisor.start(&key, Command::Start).await;
            Ok(id)
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    async fn store_back(&self, app: BroughtBack) -> Result<(), OperationError> {
        let BroughtBack {
            key,
            version,
            mut settings,
            wanted,
        } = app;
        self.spawn
            .restore_snapshot(&key, &name(RESTORED), false)
            .await?;
        if let Some(version) = version {
            self.spawn.put_restored_package(&key, &version).await?;
            let folder = paths::package_version(&key, &version);
            let read = tokio::task::spawn_blocking(move || package_folder::read(&folder));
            settings.manifest = read
                .await
                .map_err(|_| OperationError::ShuttingDown)??
                .manifest;
        }
        check_spec(&key, &settings).await?;
        self.put(&key, settings, wanted).await?;
        intents::end::<Uninstall>(self.layout.state(), &key);
        Ok(())
    }

    /// Removes what was made of an app that does not exist.
    pub async fn drop_back(&self, key: &ServiceKey) {
        if self.exists(key) {
            return;
        }
        if let Err(error) = self.remove_files(key, None, false).await {
            let error = crate::error_chain::DisplayChain(&error);
            tracing::warn!(%key, %error, "left files of a restore for the next sweep");
        }
    }
}
