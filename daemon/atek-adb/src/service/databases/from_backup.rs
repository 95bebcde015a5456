//! Databases of another state of ADB: the one of a backup, which the host put into this state's
//! folder. It is opened beside this one, and read only.

use super::make::{create, new_id};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::meta::{DbMeta, Owner};
use crate::service::Adb;
use crate::service::params::{Kind, Params};
use crate::service::transfer::Into;
use crate::service::view::View;
use crate::service::{db_id, db_name};
use crate::storage::{Closing, StorageError, Store};
use atek_api::ids::{DbId, SYSTEM};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;

/// In the state's folder.
pub const FOLDER: &str = "from-backup";
/// Pages of it in memory, in bytes.
const CACHE_BYTES: usize = 1 << 20;
/// How long its file may take to be closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The state of a backup, open.
struct Old {
    adb: Adb,
    closing: Closing,
}

impl Old {
    async fn close(self) {
        drop(self.adb);
        let closing = self.closing;
        let _ = tokio::task::spawn_blocking(move || closing.wait(PATIENCE)).await;
    }
}

impl Adb {
    /// `adminRestoreDb(dbId, {copy?, user?, service?})`: makes a database what the backup has of
    /// it, in one step, or makes it again; with `copy` a new one. With `user` and `service` one
    /// that is made belongs to them, and has the name by which that service finds it. The host
    /// only.
    pub(in crate::service) async fn admin_restore_db(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Value, AdbError> {
        let id = db_id(params, 0)?;
        let kinds = [
            ("copy", Kind::Boolean),
            ("user", Kind::String),
            ("service", Kind::String),
        ];
        let options = params.object(1, &kinds)?;
        let text = |name: &str| {
            let option = options.as_ref().and_then(|options| options.get(name));
            option.and_then(Value::as_str).map(str::to_owned)
        };
        let owner = text("user").zip(text("service"));
        let owner = owner.map(|(user, service)| Owner {
            user_key: Some(user),
            service_key: Some(service),
        });
        let copy = options
            .as_ref()
            .is_some_and(|options| options.get("copy") == Some(&json!(true)));
        let old = self.open_backup(caller).await?;
        let restored = self.restore_from(&old.adb, caller, &id, copy, owner).await;
        old.close().await;
        restored
    }

    async fn restore_from(
        &self,
        old: &Adb,
        caller: &Caller,
        id: &DbId,
        copy: bool,
        owner: Option<Owner>,
    ) -> Result<Value, AdbError> {
        let meta = old.look(|view, _| view.meta(id)).await?;
        let meta = meta.ok_or(AdbError::DbNotFound)?;
        let is_here = self.look(|view, _| Ok(view.live(id).is_ok())).await?;
        let made = match is_here || copy {
            true => new_id()?,
            false => id.clone(),
        };
        let mut meta = DbMeta {
            db_id: made.to_string(),
            // What is exchanged with other homes must be decided again.
            follows: None,
            replicated: false,
            ..meta
        };
        if let Some(owner) = owner {
            meta.owner = Some(owner);
        } else if made != *id {
            let name = meta.display_name.take().or(meta.alias.take());
            meta.display_name = name.map(|name| format!("{name} (backup)"));
            meta.alias = None;
        }
        let made_id = made.clone();
        self.change(caller, move |tx, shared, caller| {
            create(tx, shared, caller, &made_id, &meta)
        })
        .await?;
        let read = async {
            let stream = ReceiverStream::new(old.export(caller, id).await?);
            self.import(caller, Into::Existing(made.clone()), stream)
                .await
        };
        let read = match read.await {
            Ok(read) => read,
            Err(error) => {
                self.remove(caller, &made).await?;
                return Err(error);
            }
        };
        let mut result = made.clone();
        if is_here && !copy {
            let (one, other) = (id.clone(), made.clone());
            let exchanged = self.change(caller, move |tx, shared, _| {
                let is_server = View::new(tx, shared)?.server().id == one;
                match is_server || tx.is_on_trial() {
                    true => Err(AdbError::Refused("it cannot be replaced now".to_owned())),
                    false => tx.exchange_databases(&one, &other),
                }
            });
            let exchanged = exchanged.await;
            self.remove(caller, &made).await?;
            exchanged?;
            result = id.clone();
        }
        Ok(json!({"dbId": result, "records": read["records"], "blobs": read["blobs"]}))
    }

    /// `adminBackupRecord(path)`: a record of the backup's server database, null where there is
    /// none. The host only.
    pub(in crate::service) async fn admin_backup_record(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Value, AdbError> {
        let (table, key) = (db_name(params, 0)?, db_name(params, 1)?);
        let old = self.open_backup(caller).await?;
        let record = old
            .adb
            .look(|view, _| view.server_record::<Value>(["atek.cloud", &table], &key))
            .await;
        old.close().await;
        Ok(record?.unwrap_or(Value::Null))
    }

    /// `adminCloseBackup()`: removes the state of the backup. None is fine. The host only.
    pub(in crate::service) async fn admin_close_backup(
        &self,
        caller: &Caller,
        _: &Params,
    ) -> Result<(), AdbError> {
        let folder = self.backup_folder(caller)?;
        let removed = tokio::task::spawn_blocking(move || remove_backup(&folder)).await;
        removed.map_err(|_| StorageError::Stopped)??;
        Ok(())
    }

    fn backup_folder(&self, caller: &Caller) -> Result<PathBuf, AdbError> {
        if !(caller.user == SYSTEM && caller.service == SYSTEM) {
            return Err(AdbError::NotAuthorized);
        }
        let none = || AdbError::Refused("this database has no folder".to_owned());
        let folder = self.folder.as_deref().ok_or_else(none)?;
        Ok(folder.join(FOLDER))
    }

    async fn open_backup(&self, caller: &Caller) -> Result<Old, AdbError> {
        let folder = self.backup_folder(caller)?;
        if !folder.is_dir() {
            return Err(AdbError::Refused("there is no backup here".to_owned()));
        }
        let limits = self.limits().clone();
        let opened =
            tokio::task::spawn_blocking(move || Store::open(&folder, CACHE_BYTES, &limits));
        let (store, closing) = opened.await.map_err(|_| StorageError::Stopped)??;
        let (key, limits) = (self.shared.own_key.clone(), self.limits().clone());
        let adb = store
            .read(|snapshot| Adb::new(store.clone(), key, limits, snapshot))
            .await?;
        Ok(Old { adb, closing })
    }
}

/// Removes the state of a backup. None is fine.
///
/// # Errors
///
/// A failing disk.
pub fn remove_backup(folder: &Path) -> Result<(), StorageError> {
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StorageError::File {
            operation: "remove",
            path: folder.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
