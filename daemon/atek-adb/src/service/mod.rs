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
//! | [`housekeeping`] | what goes on in the background |

mod batch;
pub(crate) mod blobs;
mod databases;
pub(crate) mod diff;
pub mod housekeeping;
mod lists;
mod params;
mod queries;
mod records;
mod tables;
pub(crate) mod transfer;
mod view;

use crate::caller::Caller;
use crate::error::AdbError;
use crate::limits::Limits;
use crate::storage::{Purse, Read as _, Snapshot, StorageError, Store, Tx};
use atek_api::ids::DbId;
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_rpc::server::{Call, Service};
use params::Params;
use serde::Serialize;
use serde_json::value::RawValue;
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

/// Long reads at the same time.
const LONG_LOOKS: usize = 4;
/// A read of more records than this is a long one.
const LONG: usize = 200;

/// The database service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Adb {
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    initialized: Arc<Mutex<bool>>,
    pub(crate) followers: Arc<Semaphore>,
    keys: Arc<tables::AutoKeys>,
    long_looks: Arc<Semaphore>,
    pub(crate) transfers: Arc<Semaphore>,
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
        let followers = Arc::new(Semaphore::new(limits.followers));
        Ok(Self {
            store,
            shared: Arc::new(Shared {
                own_key,
                limits,
                server,
            }),
            initialized: Arc::default(),
            followers,
            keys: Arc::default(),
            long_looks: Arc::new(Semaphore::new(LONG_LOOKS)),
            transfers: Arc::new(Semaphore::new(transfer::AT_ONCE)),
        })
    }

    /// Who sent a request.
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

    /// As [`Adb::look`], for one that may read and build megabytes: few at a time, so that memory stays
    /// bounded, and the thread's other work goes on elsewhere.
    async fn look_long<T>(
        &self,
        f: impl FnOnce(&View<'_, Snapshot>, &Snapshot) -> Result<T, AdbError>,
    ) -> Result<T, AdbError> {
        let _place = self
            .long_looks
            .acquire()
            .await
            .map_err(|_| StorageError::Stopped)?;
        self.look(|view, read| tokio::task::block_in_place(|| f(view, read)))
            .await
    }

    /// Changes the state for a caller; see [`Store::write`].
    async fn change<T: Send + 'static>(
        &self,
        caller: &Caller,
        mut f: impl FnMut(&mut Tx<'_>, &Shared, &Caller) -> Result<T, AdbError> + Send + 'static,
    ) -> Result<T, AdbError> {
        let (shared, caller) = (self.shared.clone(), caller.clone());
        let purse = if caller.is_system() {
            Purse::Host
        } else {
            Purse::Everybody
        };
        self.store
            .write_from(purse, move |tx| f(tx, &shared, &caller))
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
