//! Databases: making, configuring, listing and deleting them.

mod admin;
pub mod from_backup;
mod info;
mod init;
mod make;

pub(super) use make::{new_id, now, owner, write_meta};

use super::params::{Kind, Params};
use super::view::View;
use super::{Adb, db_name};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::meta::DbMeta;
use crate::storage::Read;
use atek_api::ids::DbId;
use info::{Config, DbInfo, Made};
use make::create;
use serde_json::Value;

/// What a caller may set; everything optional.
const CONFIG: [(&str, Kind); 2] = [("alias", Kind::String), ("access", Kind::String)];

impl Adb {
    /// `dbCreate(DbConfig)`.
    pub(super) async fn db_create(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Made, AdbError> {
        let config = params.object(0, &CONFIG)?.unwrap_or_default();
        self.create(caller, config, owner(caller)).await
    }

    /// `dbGetOrCreate(alias, DbConfig)`.
    pub(super) async fn db_get_or_create(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Made, AdbError> {
        let alias = db_name(params, 0)?;
        let mut config = params.object(1, &CONFIG)?.unwrap_or_default();
        let made = |id: String, writable| Made {
            db_id: id,
            writable,
        };
        let found = self.look(|view, _| self.find(view, caller, &alias)).await?;
        if let Some((id, writable)) = found {
            return Ok(made(id, writable));
        }
        config.insert("alias".to_owned(), Value::from(alias.as_str()));
        let (adb, id) = (self.clone(), new_id()?);
        let meta = self.new_meta(&config, owner(caller))?;
        self.change(caller, move |tx, shared, caller| {
            // Another call may have made it since.
            if let Some((id, writable)) = adb.find(&View::new(tx, shared)?, caller, &alias)? {
                return Ok(made(id, writable));
            }
            let meta = DbMeta {
                db_id: id.to_string(),
                ..meta.clone()
            };
            create(tx, shared, caller, &id, &meta)?;
            Ok(made(id.to_string(), true))
        })
        .await
    }

    /// The database with this id or alias, if the caller may read it; `None` for an unknown alias.
    fn find<R: Read>(
        &self,
        view: &View<'_, R>,
        caller: &Caller,
        name: &str,
    ) -> Result<Option<(String, bool)>, AdbError> {
        let id: DbId = match name.parse() {
            Ok(id) => id,
            Err(_) => match view.by_alias(caller, name)? {
                Some(meta) => meta
                    .db_id
                    .parse()
                    .map_err(|_| AdbError::InvalidDbId(name.to_owned()))?,
                None => return Ok(None),
            },
        };
        view.readable(caller, &id)?;
        let writable = view.writable(caller, &id).is_ok();
        Ok(Some((id.to_string(), writable)))
    }

    /// `dbConfigure(dbId | alias, DbConfig)`.
    pub(super) async fn db_configure(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        let name = db_name(params, 0)?;
        let mut config = params.object(1, &CONFIG)?.unwrap_or_default();
        config.remove("owner");
        self.configure(caller, name, config).await
    }

    /// `dbGetConfig(dbId | alias)`.
    pub(super) async fn db_get_config(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Config, AdbError> {
        let name = db_name(params, 0)?;
        self.look(|view, _| {
            let id = view.resolve(caller, &name)?;
            let Some(meta) = view.meta(&id)? else {
                return Err(AdbError::NoConfig);
            };
            if !view.standing_on(caller, Some(&meta))?.may_read(Some(&meta)) {
                return Err(AdbError::NoAccess(id.to_string()));
            }
            Ok(Config {
                alias: meta.alias,
                access: meta.access,
            })
        })
        .await
    }

    /// `dbList()`: the databases of the calling service; those of the user for a user in person.
    pub(super) async fn db_list(
        &self,
        caller: &Caller,
        _: &Params,
    ) -> Result<Vec<DbInfo>, AdbError> {
        self.look(|view, _| {
            let mut list = Vec::new();
            view.by_service(&caller.service, |meta| {
                if !caller.in_person || meta.owner_user() == Some(&caller.user) {
                    list.push(meta.into());
                }
                Ok(())
            })?;
            Ok(list)
        })
        .await
    }

    /// `dbDescribe(dbId | alias)`.
    pub(super) async fn db_describe(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<DbInfo, AdbError> {
        let name = db_name(params, 0)?;
        self.look(|view, read| {
            let id = view.resolve(caller, &name)?;
            if id == view.server().id {
                return if caller.is_system() {
                    Ok(DbInfo::server(&id))
                } else {
                    Err(AdbError::NoAccess(id.to_string()))
                };
            }
            let Some(mut meta) = view.meta(&id)? else {
                return Ok(DbInfo::bare(id.to_string(), false));
            };
            let standing = view.standing_on(caller, Some(&meta))?;
            if !standing.may_read(Some(&meta)) {
                return Err(AdbError::NoAccess(id.to_string()));
            }
            let display_name = meta.display_name.take().or_else(|| meta.alias.clone());
            let tables = Some(super::tables::described(&meta));
            let info = if standing.may_write(Some(&meta)) {
                self.full_info(view, read, meta)?
            } else {
                DbInfo {
                    writable: Some(false),
                    ..meta.into()
                }
            };
            Ok(DbInfo {
                db_type: Some("hyperbee"),
                display_name,
                tables,
                ..info
            })
        })
        .await
    }
}
