//! Making and changing databases: metadata is written here and nowhere else.

use super::info::Made;
use crate::caller::Caller;
use crate::error::AdbError;
use crate::limits::Quota;
use crate::meta::{CachedMeta, DATABASES, DbMeta, Owner};
use crate::path::RecordPath;
use crate::service::view::View;
use crate::service::{Adb, Shared};
use crate::storage::{DbNo, Expected, Read, StorageError, Tx};
use atek_api::ids::DbId;
use serde_json::{Map, Value};

impl Adb {
    pub(in crate::service) async fn create(
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
        self.change(caller, move |tx, shared, caller| {
            let made = |db_id| Made {
                db_id,
                writable: true,
            };
            if let Some(copy) = same_copy(&View::new(tx, shared)?, caller, &meta)? {
                return Ok(made(copy));
            }
            create(tx, shared, caller, &id, &meta)?;
            Ok(made(id.to_string()))
        })
        .await
    }

    pub(super) fn new_meta(
        &self,
        config: &Map<String, Value>,
        owner: Owner,
    ) -> Result<DbMeta, AdbError> {
        let mut meta = DbMeta {
            owner: Some(owner),
            cached_meta: Some(CachedMeta {
                writable: Some(true),
            }),
            access: Some("private".to_owned()),
            created_at: Some(now()),
            ..DbMeta::default()
        };
        apply(&mut meta, config)?;
        Ok(meta)
    }

    pub(super) async fn configure(
        &self,
        caller: &Caller,
        name: String,
        config: Map<String, Value>,
    ) -> Result<(), AdbError> {
        self.change(caller, move |tx, shared, caller| {
            let view = View::new(tx, shared)?;
            let id = view.resolve(caller, &name)?;
            if id == view.server().id {
                return Err(AdbError::NoAccess(id.to_string()));
            }
            view.live(&id)?;
            let Some(old) = view.meta(&id)? else {
                return Err(AdbError::NoConfig);
            };
            let standing = view.standing_on(caller, Some(&old))?;
            let mut new = old.clone();
            apply(&mut new, &config)?;
            if let Some(owner) = parse_field::<Owner>(&config, "owner")? {
                new.owner = Some(owner);
            }
            if new == old {
                // The original checks nothing either when nothing changes; it must not tell more
                // than a read would.
                return if standing.may_read(Some(&old)) {
                    Ok(())
                } else {
                    Err(AdbError::NoAccess(id.to_string()))
                };
            }
            standing
                .may_configure::<AdbError>(Some(&old), Some(&new), |key| view.service_owner(key))?;
            if new.owner_service() != old.owner_service() && !standing.may_name_for_others() {
                new.alias = None;
            }
            let server = view.server().no;
            write_meta(tx, shared, server, &id, &new)
        })
        .await
    }
}

/// The copy of the same log that the same owner has already: the service that makes copies asks
/// again when it was killed before it had the answer.
fn same_copy<R: Read>(
    view: &View<'_, R>,
    caller: &Caller,
    wanted: &DbMeta,
) -> Result<Option<String>, AdbError> {
    if wanted.follows.is_none() || !caller.is_replicator() {
        return Ok(None);
    }
    let mut found = None;
    view.by_user(wanted.owner_user().unwrap_or_default(), |meta| {
        if meta.follows == wanted.follows && meta.owner_service() == wanted.owner_service() {
            found = Some(meta.db_id);
        }
        Ok(())
    })?;
    Ok(found)
}

/// The owner of what a caller makes.
pub(in crate::service) fn owner(caller: &Caller) -> Owner {
    Owner {
        user_key: Some(caller.user.clone()),
        service_key: Some(caller.service.clone()),
    }
}

/// Makes a database and its metadata.
pub(super) fn create(
    tx: &mut Tx<'_>,
    shared: &Shared,
    caller: &Caller,
    id: &DbId,
    meta: &DbMeta,
) -> Result<(), AdbError> {
    let view = View::new(tx, shared)?;
    let standing = view.standing(caller)?;
    standing.may_configure::<AdbError>(None, Some(meta), |key| view.service_owner(key))?;
    let mut meta = meta.clone();
    if meta.owner_service() != Some(&caller.service) && !standing.may_name_for_others() {
        meta.alias = None;
    }
    if !caller.is_system() {
        let service = meta.owner_service().unwrap_or_default();
        if view.count(meta.owner_user(), service)? >= shared.limits.databases {
            return Err(AdbError::TooManyDbs(shared.limits.databases));
        }
    }
    let server = view.server().no;
    tx.create_database(id)?;
    write_meta(tx, shared, server, id, &meta)
}

pub(in crate::service) fn write_meta(
    tx: &mut Tx<'_>,
    shared: &Shared,
    server: DbNo,
    id: &DbId,
    meta: &DbMeta,
) -> Result<(), AdbError> {
    let text = serde_json::to_vec(meta).map_err(|_| StorageError::Damaged("database metadata"))?;
    if text.len() > shared.limits.meta_bytes {
        return Err(AdbError::Limit(format!(
            "the configuration of the database with its tables is larger than {} bytes",
            shared.limits.meta_bytes
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

pub(super) fn meta_path(id: &DbId, shared: &Shared) -> Result<RecordPath, AdbError> {
    Ok(RecordPath::from_segments(
        [DATABASES[0], DATABASES[1], id.as_str()],
        &shared.limits,
    )?)
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
        if name.len() > 1024 {
            return Err(AdbError::Limit(
                "a display name has at most 1024 bytes".to_owned(),
            ));
        }
        meta.display_name = Some(name);
    }
    if let Some(replicated) = parse_field(config, "replicated")? {
        meta.replicated = replicated;
    }
    if let Some(key) = parse_field::<String>(config, "follows")? {
        let is_key = key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !key.is_empty() && !is_key {
            return Err(AdbError::Refused(
                "follows must be a public key of 64 hexadecimal digits".to_owned(),
            ));
        }
        meta.follows = Some(key).filter(|key| !key.is_empty());
    }
    if config.contains_key("quota") {
        meta.quota = parse_field(config, "quota")?;
    }
    Ok(())
}

pub(super) fn parse_field<T: serde::de::DeserializeOwned>(
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

/// An id of 256 random bits.
pub(in crate::service) fn new_id() -> Result<DbId, AdbError> {
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
pub(in crate::service) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
