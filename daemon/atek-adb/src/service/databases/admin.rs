//! The `admin…` methods: administrators use them for every database, other callers for their own.

use super::info::{DbInfo, Made};
use super::make::{meta_path, parse_field};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::meta::{DbMeta, Owner};
use crate::service::params::{Kind, Params};
use crate::service::view::View;
use crate::service::{Adb, db_id, db_name};
use crate::storage::{Expected, Read, StorageError};
use atek_api::ids::{DbId, SYSTEM};
use serde_json::{Value, json};

impl Adb {
    /// `adminListDbsByOwningUser(userKey?)`. A service gets the databases that it owns itself.
    pub(in crate::service) async fn admin_list_dbs_by_owning_user(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Vec<DbInfo>, AdbError> {
        let user = params
            .string(0)?
            .filter(|user| !user.is_empty())
            .unwrap_or_else(|| caller.user.clone());
        self.look(|view, _| {
            let standing = view.standing(caller)?;
            standing.may_enumerate(&user)?;
            let mut list = Vec::new();
            if user == SYSTEM && standing.is_admin() {
                list.push(DbInfo::server(&view.server().id));
            }
            view.by_user(&user, |meta| {
                if standing.may_list(&meta) {
                    list.push(meta.into());
                }
                Ok(())
            })?;
            Ok(list)
        })
        .await
    }

    /// `adminListDbs({userKey?, serviceKey?})`: with quota and usage. Callers other than
    /// administrators see their own.
    pub(in crate::service) async fn admin_list_dbs(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Vec<DbInfo>, AdbError> {
        let filter = params
            .object(
                0,
                &[("userKey", Kind::String), ("serviceKey", Kind::String)],
            )?
            .unwrap_or_default();
        let text = |name| filter.get(name).and_then(Value::as_str);
        let (user, service) = (text("userKey"), text("serviceKey"));
        self.look(|view, read| {
            let standing = view.standing(caller)?;
            if !standing.is_admin() {
                standing.may_enumerate(user.unwrap_or_default())?;
            }
            let mut list = Vec::new();
            if user.is_none_or(|user| user == SYSTEM)
                && service.is_none_or(|service| service == SYSTEM)
                && standing.is_admin()
            {
                let server = view.server();
                list.push(DbInfo {
                    usage: Some(read.stats(server.no)?.into()),
                    ..DbInfo::server(&server.id)
                });
            }
            let each = |meta: DbMeta| {
                let matches = service.is_none_or(|service| meta.owner_service() == Some(service));
                if matches && standing.may_list(&meta) {
                    list.push(self.full_info(view, read, meta)?);
                }
                Ok(())
            };
            match (user, service) {
                (Some(user), _) => view.by_user(user, each)?,
                (None, Some(service)) => view.by_service(service, each)?,
                (None, None) => view.all(each)?,
            }
            Ok(list)
        })
        .await
    }

    pub(super) fn full_info<R: Read>(
        &self,
        view: &View<'_, R>,
        read: &R,
        meta: DbMeta,
    ) -> Result<DbInfo, AdbError> {
        let quota = meta.quota.unwrap_or(self.limits().quota);
        let usage = match meta.db_id.parse().map(|id| view.live(&id)) {
            Ok(Ok(no)) => Some(read.stats(no)?.into()),
            _ => None,
        };
        Ok(DbInfo {
            quota: Some(quota),
            usage,
            ..meta.into()
        })
    }

    /// `adminCreateDb(DbAdminConfig)`.
    pub(in crate::service) async fn admin_create_db(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Made, AdbError> {
        let config = params.object(0, &[])?.unwrap_or_default();
        let mut owner: Owner = parse_field(&config, "owner")?.unwrap_or_default();
        owner.user_key.get_or_insert_with(|| caller.user.clone());
        owner
            .service_key
            .get_or_insert_with(|| caller.service.clone());
        self.create(caller, config, owner).await
    }

    /// `adminEditDbConfig(dbId, DbAdminConfig)`.
    pub(in crate::service) async fn admin_edit_db_config(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        self.configure(
            caller,
            db_name(params, 0)?,
            params.object(1, &[])?.unwrap_or_default(),
        )
        .await
    }

    /// `adminDeleteDb(dbId)`. The database is gone at once, its records soon after.
    pub(in crate::service) async fn admin_delete_db(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        self.remove(caller, &db_id(params, 0)?).await
    }

    pub(in crate::service) async fn remove(
        &self,
        caller: &Caller,
        id: &DbId,
    ) -> Result<(), AdbError> {
        let (gone, id) = (id.clone(), id.clone());
        self.change(caller, move |tx, shared, caller| {
            let view = View::new(tx, shared)?;
            let server = view.server();
            if server.id == id {
                return Err(AdbError::NoAccess(id.to_string()));
            }
            let standing = view.standing(caller)?;
            let meta = view.meta(&id)?;
            if meta.is_none() && !standing.is_admin() {
                return Err(AdbError::DbNotFound);
            }
            standing
                .may_configure::<AdbError>(meta.as_ref(), None, |key| view.service_owner(key))?;
            if tx.is_on_trial() {
                return Err(AdbError::Refused(
                    "an update of this app is on trial, and may have to be undone: delete the database when it has been kept".to_owned(),
                ));
            }
            let server = server.no;
            tx.drop_database(&id)?;
            tx.delete(server, &meta_path(&id, shared)?, Expected::Any)?;
            Ok(())
        })
        .await?;
        self.purge_soon(gone);
        Ok(())
    }

    /// `adminBeginTrial(serviceKey)`: from now on, what the service changes can be taken back. The
    /// host only.
    pub(in crate::service) async fn admin_begin_trial(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        let service = self.of_trial(caller, params)?;
        self.change(caller, move |tx, _, _| tx.begin_trial(&service))
            .await
    }

    /// `adminEndTrial(serviceKey, {takeBack})`: keeps what the service changed, or takes it back.
    /// One that was not begun, or has ended, is fine. The host only.
    pub(in crate::service) async fn admin_end_trial(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        let service = self.of_trial(caller, params)?;
        let options = params.object(1, &[("takeBack", Kind::Boolean)])?;
        let take_back = options.is_some_and(|options| options["takeBack"] == true);
        let dropped = self.change(caller, move |tx, shared, _| {
            tx.end_trial(&service, take_back, &shared.limits)
        });
        for id in dropped.await? {
            self.purge_soon(id);
        }
        Ok(())
    }

    fn of_trial(&self, caller: &Caller, params: &Params) -> Result<String, AdbError> {
        match params.string(0)? {
            Some(key) if caller.is_system() && !key.is_empty() && !key.contains('\0') => Ok(key),
            _ => Err(AdbError::NotAuthorized),
        }
    }

    /// `adminCompact()`: gives unused space back to the file system.
    pub(in crate::service) async fn admin_compact(
        &self,
        caller: &Caller,
        _: &Params,
    ) -> Result<Value, AdbError> {
        self.look(|view, _| {
            if view.standing(caller)?.is_admin() {
                Ok(())
            } else {
                Err(AdbError::NotAuthorized)
            }
        })
        .await?;
        match self.store.compact().await {
            Ok(smaller) => Ok(json!({"compacted": smaller})),
            Err(StorageError::InUse) => Err(AdbError::Refused(
                "the database is busy with a long read such as an export: try again when it has ended".to_owned(),
            )),
            Err(StorageError::NoRoom) => Err(AdbError::DiskFull),
            Err(error) => Err(error.into()),
        }
    }
}
