//! Databases: making, configuring, listing and deleting them.

use super::params::{Kind, Params};
use super::view::{SERVER_INDEXES, ServerDb, View};
use super::{Adb, db_id, db_name};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::limits::Quota;
use crate::meta::{CachedMeta, DATABASES, DbMeta, Owner};
use crate::path::RecordPath;
use crate::storage::{Expected, Read, Stats, StorageError, Tx};
use atek_api::ids::{DbId, SYSTEM};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::atomic::Ordering;

/// What a caller may set; everything optional.
const CONFIG: [(&str, Kind); 2] = [("alias", Kind::String), ("access", Kind::String)];

/// A database, as `dbList` and its like show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DbInfo {
    db_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    writable: Option<bool>,
    is_server_db: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    /// Shown to the owner and administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<Quota>,
    /// Shown to the owner and administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    /// For programs made for ADB 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    db_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<Value>,
}

/// What a database holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    bytes: u64,
    records: u64,
    blobs: u64,
    blob_bytes: u64,
    seq: u64,
}

impl From<Stats> for Usage {
    fn from(stats: Stats) -> Self {
        Self {
            bytes: stats.bytes(),
            records: stats.records,
            blobs: stats.blobs,
            blob_bytes: stats.blob_bytes,
            seq: stats.seq,
        }
    }
}

impl DbInfo {
    fn bare(db_id: String, writable: bool) -> Self {
        Self {
            db_id,
            writable: Some(writable),
            is_server_db: false,
            owner: None,
            alias: None,
            access: None,
            created_at: None,
            quota: None,
            usage: None,
            db_type: None,
            display_name: None,
            tables: None,
        }
    }

    fn server(id: &DbId) -> Self {
        Self {
            is_server_db: true,
            owner: Some(Owner {
                user_key: Some(SYSTEM.into()),
                service_key: Some(SYSTEM.into()),
            }),
            access: Some("private".to_owned()),
            ..Self::bare(id.to_string(), true)
        }
    }
}

impl From<DbMeta> for DbInfo {
    fn from(meta: DbMeta) -> Self {
        Self {
            writable: meta.cached_meta.and_then(|cached| cached.writable),
            owner: meta.owner,
            alias: meta.alias,
            access: meta.access,
            created_at: meta.created_at,
            ..Self::bare(meta.db_id, true)
        }
    }
}

/// The answer of the methods that make a database.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Made {
    db_id: String,
    writable: bool,
}

impl Made {
    pub(super) fn id(&self) -> String {
        self.db_id.clone()
    }
}

/// The answer of `dbGetConfig`.
#[derive(Debug, Serialize)]
pub(super) struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<String>,
}

impl Adb {
    /// `init({serverDbId})`: opens the server database, or makes it. With an empty id the one that
    /// the state holds is used, so that a host that lost its configuration finds its users again.
    pub(super) async fn init(&self, caller: &Caller, params: &Params) -> Result<(), AdbError> {
        if !caller.is_system() {
            return Err(AdbError::NotAuthorized);
        }
        let config = params
            .object(0, &[("serverDbId", Kind::String)])?
            .unwrap_or_default();
        let wanted = config
            .get("serverDbId")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if self.initialized.swap(true, Ordering::AcqRel) {
            return Err(AdbError::AlreadyInitialized);
        }
        let opened = self.open_server_db(&wanted).await;
        if opened.is_err() {
            self.initialized.store(false, Ordering::Release);
        }
        opened
    }

    async fn open_server_db(&self, wanted: &str) -> Result<(), AdbError> {
        let wanted: Option<DbId> = match wanted {
            "" => None,
            text => Some(
                text.parse()
                    .map_err(|_| AdbError::InvalidDbId(text.to_owned()))?,
            ),
        };
        let missing = |id: DbId| AdbError::ServerDbMissing(id.to_string());
        match (self.shared.server.get(), wanted) {
            (Some(server), Some(id)) if server.id != id => Err(missing(id)),
            (Some(_), _) => Ok(()),
            (None, Some(id)) => Err(missing(id)),
            (None, None) => {
                let id = new_id()?;
                let made = self.change(move |tx, _| make_server_db(tx, &id)).await?;
                tracing::info!(id = %made.id, "made the server database");
                let _ = self.shared.server.set(made);
                Ok(())
            }
        }
    }

    /// `getConfig()`.
    pub(super) async fn get_config(&self, caller: &Caller, _: &Params) -> Result<Value, AdbError> {
        if caller.user != SYSTEM {
            return Err(AdbError::NotAuthorized);
        }
        let id = self
            .shared
            .server
            .get()
            .map(|server| server.id.as_str())
            .unwrap_or_default();
        Ok(json!({"serverDbId": id}))
    }

    /// `adminListDbsByOwningUser(userKey?)`.
    pub(super) async fn admin_list_dbs_by_owning_user(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<Vec<DbInfo>, AdbError> {
        let user = params
            .string(0)?
            .filter(|user| !user.is_empty())
            .unwrap_or_else(|| caller.user.clone());
        self.look(|view, _| {
            view.standing(caller)?.may_enumerate(&user)?;
            let mut list = Vec::new();
            if user == SYSTEM {
                list.push(DbInfo::server(&view.server().id));
            }
            list.extend(view.by_user(&user)?.into_iter().map(DbInfo::from));
            Ok(list)
        })
        .await
    }

    /// `adminListDbs({userKey?, serviceKey?})`: with quota and usage. Others than administrators see their own.
    pub(super) async fn admin_list_dbs(
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
            let found = match (user, service) {
                (Some(user), _) => view.by_user(user)?,
                (None, Some(service)) => view.by_service(service)?,
                (None, None) => view.all()?,
            };
            for meta in found {
                if service.is_none_or(|service| meta.owner_service() == Some(service)) {
                    list.push(self.full_info(view, read, meta)?);
                }
            }
            Ok(list)
        })
        .await
    }

    fn full_info<R: Read>(
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
    pub(super) async fn admin_create_db(
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
    pub(super) async fn admin_edit_db_config(
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
    pub(super) async fn admin_delete_db(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
        self.remove(caller, &db_id(params, 0)?).await
    }

    pub(super) async fn remove(&self, caller: &Caller, id: &DbId) -> Result<(), AdbError> {
        let (caller, gone, id) = (caller.clone(), id.clone(), id.clone());
        self.change(move |tx, shared| {
            let view = View::new(tx, shared)?;
            let server = view.server();
            if server.id == id {
                return Err(AdbError::NoAccess(id.to_string()));
            }
            let standing = view.standing(&caller)?;
            let meta = view.meta(&id)?;
            if meta.is_none() && !standing.is_admin() {
                return Err(AdbError::DbNotFound);
            }
            standing
                .may_configure::<AdbError>(meta.as_ref(), None, |key| view.service_owner(key))?;
            let server = server.no;
            tx.drop_database(&id)?;
            tx.delete(server, &meta_path(&id, shared)?, Expected::Any)?;
            Ok(())
        })
        .await?;
        self.purge_soon(gone);
        Ok(())
    }

    /// `adminCompact()`: gives unused space back to the file system.
    pub(super) async fn admin_compact(
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
            Err(error) => Err(error.into()),
        }
    }

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
        let (adb, caller, id) = (self.clone(), caller.clone(), new_id()?);
        let meta = self.new_meta(&config, owner(&caller))?;
        self.change(move |tx, shared| {
            // Another call may have made it since.
            if let Some((id, writable)) = adb.find(&View::new(tx, shared)?, &caller, &alias)? {
                return Ok(made(id, writable));
            }
            let meta = DbMeta {
                db_id: id.to_string(),
                ..meta.clone()
            };
            create(tx, shared, &caller, &id, &meta)?;
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
            if !view.standing(caller)?.may_read(Some(&meta)) {
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
            let mut found = view.by_service(&caller.service)?;
            found.retain(|meta| !caller.in_person || meta.owner_user() == Some(&caller.user));
            Ok(found.into_iter().map(DbInfo::from).collect())
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
            let standing = view.standing(caller)?;
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

    pub(super) async fn create(
        &self,
        caller: &Caller,
        config: Map<String, Value>,
        owner: Owner,
    ) -> Result<Made, AdbError> {
        let id = new_id()?;
        let meta = DbMeta {
            db_id: id.to_string(),
            ..self.new_meta(&config, owner)?
        };
        let caller = caller.clone();
        self.change(move |tx, shared| {
            create(tx, shared, &caller, &id, &meta)?;
            Ok(Made {
                db_id: id.to_string(),
                writable: true,
            })
        })
        .await
    }

    fn new_meta(&self, config: &Map<String, Value>, owner: Owner) -> Result<DbMeta, AdbError> {
        let mut meta = DbMeta {
            owner: Some(owner),
            cached_meta: Some(CachedMeta {
                writable: Some(true),
            }),
            access: Some("public".to_owned()),
            created_at: Some(now()),
            ..DbMeta::default()
        };
        apply(&mut meta, config)?;
        Ok(meta)
    }

    async fn configure(
        &self,
        caller: &Caller,
        name: String,
        config: Map<String, Value>,
    ) -> Result<(), AdbError> {
        let caller = caller.clone();
        self.change(move |tx, shared| {
            let view = View::new(tx, shared)?;
            let id = view.resolve(&caller, &name)?;
            if id == view.server().id {
                return Err(AdbError::NoAccess(id.to_string()));
            }
            view.live(&id)?;
            let standing = view.standing(&caller)?;
            let Some(old) = view.meta(&id)? else {
                return Err(AdbError::NoConfig);
            };
            let mut new = old.clone();
            apply(&mut new, &config)?;
            if let Some(owner) = parse_field::<Owner>(&config, "owner")? {
                new.owner = Some(owner);
            }
            if new == old {
                // The original checks nothing either when nothing changes; it must not tell more than a read would.
                return if standing.may_read(Some(&old)) {
                    Ok(())
                } else {
                    Err(AdbError::NoAccess(id.to_string()))
                };
            }
            standing
                .may_configure::<AdbError>(Some(&old), Some(&new), |key| view.service_owner(key))?;
            let server = view.server().no;
            write_meta(tx, shared, server, &id, &new)
        })
        .await
    }
}

/// The owner of what a caller makes.
pub(super) fn owner(caller: &Caller) -> Owner {
    Owner {
        user_key: Some(caller.user.clone()),
        service_key: Some(caller.service.clone()),
    }
}

/// Makes a database and its metadata.
fn create(
    tx: &mut Tx<'_>,
    shared: &super::Shared,
    caller: &Caller,
    id: &DbId,
    meta: &DbMeta,
) -> Result<(), AdbError> {
    let view = View::new(tx, shared)?;
    let standing = view.standing(caller)?;
    standing.may_configure::<AdbError>(None, Some(meta), |key| view.service_owner(key))?;
    if !caller.is_system() {
        let mut siblings = view.by_service(meta.owner_service().unwrap_or_default())?;
        siblings.retain(|other| other.owner_user() == meta.owner_user());
        if siblings.len() >= shared.limits.databases {
            return Err(AdbError::TooManyDbs(shared.limits.databases));
        }
    }
    let server = view.server().no;
    tx.create_database(id)?;
    write_meta(tx, shared, server, id, meta)
}

pub(super) fn write_meta(
    tx: &mut Tx<'_>,
    shared: &super::Shared,
    server: crate::storage::DbNo,
    id: &DbId,
    meta: &DbMeta,
) -> Result<(), AdbError> {
    let text = serde_json::to_vec(meta).map_err(|_| StorageError::Damaged("database metadata"))?;
    if text.len() > shared.limits.value_bytes {
        return Err(AdbError::Limit(format!(
            "the configuration is larger than {} bytes",
            shared.limits.value_bytes
        )));
    }
    let unlimited = Quota {
        max_bytes: u64::MAX,
        max_records: u64::MAX,
    };
    tx.put(
        server,
        &meta_path(id, shared)?,
        &text,
        Expected::Any,
        &unlimited,
    )?;
    Ok(())
}

fn meta_path(id: &DbId, shared: &super::Shared) -> Result<RecordPath, AdbError> {
    Ok(RecordPath::from_segments(
        [DATABASES[0], DATABASES[1], id.as_str()],
        &shared.limits,
    )?)
}

fn make_server_db(tx: &mut Tx<'_>, id: &DbId) -> Result<ServerDb, AdbError> {
    let no = tx.create_database(id)?;
    tx.set_server_db(id)?;
    let path = RecordPath::from_key(&DATABASES.join("\0"));
    for (name, pointers) in SERVER_INDEXES {
        tx.create_index(
            no,
            name,
            &path,
            pointers.iter().map(|p| (*p).to_owned()).collect(),
            SERVER_INDEXES.len(),
        )?;
    }
    Ok(ServerDb { id: id.clone(), no })
}

/// Sets what a configuration names. Understands the settings of ADB 1 too.
fn apply(meta: &mut DbMeta, config: &Map<String, Value>) -> Result<(), AdbError> {
    let nested = config
        .get("network")
        .and_then(|network| network.get("access"))
        .and_then(Value::as_str);
    if let Some(access) = parse_field::<String>(config, "access")?
        .or(nested.map(str::to_owned))
        .filter(|text| !text.is_empty())
    {
        if access != "public" && access != "private" {
            return Err(AdbError::Refused(format!(
                "access must be \"public\" or \"private\", not {access:?}"
            )));
        }
        meta.access = Some(access);
    }
    if let Some(alias) = parse_field::<String>(config, "alias")? {
        if alias.len() > 256 {
            return Err(AdbError::Limit("an alias has at most 256 bytes".to_owned()));
        }
        if alias.parse::<DbId>().is_ok() {
            return Err(AdbError::Refused(
                "an alias must not look like a database id".to_owned(),
            ));
        }
        meta.alias = Some(alias).filter(|alias| !alias.is_empty());
    }
    if let Some(name) = parse_field::<String>(config, "displayName")? {
        meta.display_name = Some(name);
    }
    if config.contains_key("quota") {
        meta.quota = parse_field(config, "quota")?;
    }
    Ok(())
}

fn parse_field<T: serde::de::DeserializeOwned>(
    config: &Map<String, Value>,
    name: &str,
) -> Result<Option<T>, AdbError> {
    match config.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|error| AdbError::Refused(format!("Invalid {name}: {error}"))),
    }
}

/// 256 random bits: nobody guesses one, and none comes twice.
pub(super) fn new_id() -> Result<DbId, AdbError> {
    use std::fmt::Write as _;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| AdbError::Refused(format!("cannot make a database id: {error}")))?;
    let text = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    text.parse().map_err(|_| AdbError::InvalidDbId(text))
}

/// The time as `Date.toISOString()` prints it.
pub(super) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
