//! The methods of `atek.cloud/adb-api`.
//!
//! | module | methods |
//! |---|---|
//! | [`databases`] | `init`, `getConfig`, `db*`, `admin*` |
//! | [`records`] | `recordList`, `recordGet`, `recordPut`, `recordDelete` |
//! | [`lists`] | the JSON of lists |
//! | [`batch`] | `recordBatch` |
//! | [`diff`] | `recordDiff`, and what subscriptions are made of |
//! | [`queries`] | `index*`, `recordQuery` |
//! | [`tables`] | `tbl*`, for programs made for ADB 1 |
//! | [`blobs`] | blobs, for [`crate::http`] and [`tables`] |
//! | [`housekeeping`] | work in the background |

mod batch;
pub(crate) mod blobs;
mod databases;
pub(crate) mod diff;
pub mod housekeeping;
mod lists;
mod params;
mod queries;
mod records;
mod shared;
mod tables;
pub(crate) mod transfer;
mod view;

use crate::budget::{Budget, Held};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::limits::Limits;
use crate::storage::{QuotaAccount, Read as _, Snapshot, Store, Tx};
use atek_api::ids::DbId;
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_rpc::server::{Call, Service};
use params::Params;
use serde::Serialize;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, Semaphore};
pub use view::ServerDb;
use view::View;

/// What operations need besides the state; goes along into the writer.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The key that the host gave to this ADB: stands for a user in person.
    pub(crate) own_key: String,
    pub(crate) limits: Limits,
    /// Set at start when the state has one, or by `init`.
    pub(crate) server: OnceLock<ServerDb>,
}

/// A read of more records than this is a long one.
const LONG: usize = 200;

tokio::task_local! {
    /// What the request that this task answers has taken of the budgets, until its answer is sent.
    pub(crate) static TAKEN: RefCell<Vec<Held>>;
}

/// What callers share.
#[derive(Debug)]
pub(crate) struct Budgets {
    pub(crate) requests: Budget,
    pub(crate) answers: Budget,
    pub(crate) pushes: Budget,
    pub(crate) followers: Budget,
    pub(crate) streams: Budget,
    pub(crate) transfers: Budget,
}

/// What a result takes of a budget for answers.
pub(crate) trait Weigh {
    /// Its length as JSON, in bytes.
    fn weight(&self) -> usize;
}

impl Weigh for Box<RawValue> {
    fn weight(&self) -> usize {
        self.get().len()
    }
}

/// The database service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Adb {
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    initialized: Arc<Mutex<bool>>,
    pub(crate) budgets: Arc<Budgets>,
    keys: Arc<tables::AutoKeys>,
    /// One step of background work at a time, so that it never fills the writer's queue.
    background: Arc<Semaphore>,
    /// Where the state is, if that is on a disk.
    folder: Option<Arc<Path>>,
}

impl Adb {
    /// A service over an open store; `own_key` is the key that the host gave to it.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn new(
        store: Store,
        own_key: String,
        limits: Limits,
        snapshot: &Snapshot,
    ) -> Result<Self, AdbError> {
        let server = OnceLock::new();
        if let Some(id) = snapshot.server_db()?
            && let Some(row) = snapshot.database(&id)?
        {
            let _ = server.set(ServerDb { id, no: row.no });
        }
        let budgets = Budgets {
            requests: Budget::new(limits.requests),
            answers: Budget::new(limits.answers),
            pushes: Budget::new(limits.pushes),
            followers: Budget::new(limits.followers),
            streams: Budget::new(limits.streams),
            transfers: Budget::new(limits.transfers),
        };
        Ok(Self {
            store,
            shared: Arc::new(Shared {
                own_key,
                limits,
                server,
            }),
            initialized: Arc::default(),
            budgets: Arc::new(budgets),
            keys: Arc::default(),
            background: Arc::new(Semaphore::new(1)),
            folder: None,
        })
    }

    /// The same with a folder in which the host puts the states of backups. One that is left there
    /// is removed.
    ///
    /// # Errors
    ///
    /// A failing disk.
    pub fn in_folder(mut self, folder: &Path) -> Result<Self, AdbError> {
        databases::from_backup::remove_backup(&folder.join(databases::from_backup::FOLDER))?;
        self.folder = Some(folder.into());
        Ok(self)
    }

    /// The caller that a request's headers name.
    ///
    /// # Errors
    ///
    /// [`AdbError::NotAuthorized`] without both headers.
    pub fn caller(&self, headers: &http::HeaderMap) -> Result<Caller, AdbError> {
        Caller::from_headers(headers, &self.shared.own_key)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Reads one consistent state.
    async fn look<T>(
        &self,
        f: impl FnOnce(&View<'_, Snapshot>, &Snapshot) -> Result<T, AdbError>,
    ) -> Result<T, AdbError> {
        self.store
            .read(|snapshot| f(&View::new(snapshot, &self.shared)?, snapshot))
            .await
    }

    /// As [`Adb::look`], for a result of up to `longest` bytes of JSON: `budget` bounds how many
    /// are in memory, and the thread's other work goes on elsewhere. The result counts against
    /// the budget until the [`Held`] is dropped.
    async fn look_long<T: Weigh>(
        &self,
        caller: &Caller,
        budget: &Budget,
        longest: usize,
        f: impl FnOnce(&View<'_, Snapshot>, &Snapshot) -> Result<T, AdbError>,
    ) -> Result<(T, Held), AdbError> {
        // Once as it is built, once in the answer.
        let mut held = budget.take(caller, kib(2 * longest)).await;
        let result = self
            .look(|view, read| tokio::task::block_in_place(|| f(view, read)))
            .await?;
        held.shrink(kib(2 * result.weight()));
        Ok((result, held))
    }

    /// As [`Adb::look_long`], for the answer to the request of this task.
    async fn look_long_to_answer<T: Weigh>(
        &self,
        caller: &Caller,
        f: impl FnOnce(&View<'_, Snapshot>, &Snapshot) -> Result<T, AdbError>,
    ) -> Result<T, AdbError> {
        let longest = self.limits().list_bytes;
        let (result, held) = self
            .look_long(caller, &self.budgets.answers, longest, f)
            .await?;
        keep(held);
        Ok(result)
    }

    /// Changes the state for a caller; see [`Store::write`].
    async fn change<T: Send + 'static>(
        &self,
        caller: &Caller,
        mut f: impl FnMut(&mut Tx<'_>, &Shared, &Caller) -> Result<T, AdbError> + Send + 'static,
    ) -> Result<T, AdbError> {
        let (shared, caller) = (self.shared.clone(), caller.clone());
        let purse = if caller.is_system() {
            QuotaAccount::Host
        } else {
            QuotaAccount::Everybody
        };
        self.store
            .write_from(purse, move |tx| {
                tx.set_author(&caller.service)?;
                f(tx, &shared, &caller)
            })
            .await
    }

    async fn dispatch(&self, call: Call<'_>) -> Result<Box<RawValue>, AdbError> {
        // The table of methods. Nothing else can be called.
        let caller = self.caller(call.headers);
        let params = Params::new(call.params)?;
        let p = &params;
        macro_rules! method {
            ($name:ident) => {
                result(&self.$name(&caller?, p).await?)
            };
        }
        match call.method {
            "init" => method!(init),
            "getConfig" => method!(get_config),
            "adminListDbsByOwningUser" => method!(admin_list_dbs_by_owning_user),
            "adminListDbs" => method!(admin_list_dbs),
            "adminCreateDb" => method!(admin_create_db),
            "adminEditDbConfig" => method!(admin_edit_db_config),
            "adminDeleteDb" => method!(admin_delete_db),
            "adminCompact" => method!(admin_compact),
            "adminRestoreDb" => method!(admin_restore_db),
            "adminBackupRecord" => method!(admin_backup_record),
            "adminCloseBackup" => method!(admin_close_backup),
            "adminBeginTrial" => method!(admin_begin_trial),
            "adminEndTrial" => method!(admin_end_trial),
            "dbCreate" => method!(db_create),
            "dbGetOrCreate" => method!(db_get_or_create),
            "dbConfigure" => method!(db_configure),
            "dbGetConfig" => method!(db_get_config),
            "dbList" => method!(db_list),
            "dbDescribe" => method!(db_describe),
            "recordList" => self.record_list(&caller?, p).await,
            "recordGet" => self.record_get(&caller?, p).await,
            "recordPut" => self.record_put(&caller?, p).await,
            "recordDelete" => method!(record_delete),
            "recordBatch" => method!(record_batch),
            "recordDiff" => method!(record_diff),
            "recordQuery" => self.record_query(&caller?, p).await,
            "indexCreate" => method!(index_create),
            "indexList" => method!(index_list),
            "indexDelete" => method!(index_delete),
            "blobList" => method!(blob_list),
            "tblDefine" => method!(tbl_define),
            "tblList" => self.tbl_list(&caller?, p).await,
            "tblGet" => self.tbl_get(&caller?, p).await,
            "tblCreate" => method!(tbl_create),
            "tblPut" => self.tbl_put(&caller?, p).await,
            "tblDelete" => method!(tbl_delete),
            "tblDiff" => method!(tbl_diff),
            "tblGetBlob" => method!(tbl_get_blob),
            "tblPutBlob" => method!(tbl_put_blob),
            "tblDelBlob" => method!(tbl_del_blob),
            other => Err(AdbError::param(RpcError::method_not_found(other))),
        }
    }
}

impl Service for Adb {
    async fn call(&self, call: Call<'_>) -> RpcResult {
        self.dispatch(call).await.map_err(RpcError::from)
    }
}

/// Keeps what was taken until the answer to the request of this task is sent.
fn keep(held: Held) {
    // Outside a request there is no answer to wait for.
    let _ = TAKEN.try_with(|taken| taken.borrow_mut().push(held));
}

/// Units of the budgets for memory.
pub(crate) fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

fn result<T: Serialize>(value: &T) -> Result<Box<RawValue>, AdbError> {
    raw(value).map_err(AdbError::param)
}

/// A database id parameter of a record method: no aliases.
fn db_id(params: &Params, at: usize) -> Result<DbId, AdbError> {
    let text = params.string(at)?.unwrap_or_else(|| "undefined".to_owned());
    text.parse().map_err(|_| AdbError::InvalidDbId(text))
}

/// A database id or alias parameter.
fn db_name(params: &Params, at: usize) -> Result<String, AdbError> {
    match params.string(at)? {
        Some(name) if !name.is_empty() => Ok(name),
        other => Err(AdbError::InvalidDbId(
            other.unwrap_or_else(|| "undefined".to_owned()),
        )),
    }
}
