//! The server database, read as what it means: who owns a database, who is an administrator.

use super::Shared;
use crate::caller::Caller;
use crate::error::AdbError;
use crate::limits::Quota;
use crate::meta::{DATABASES, DbMeta, SERVICES, USERS};
use crate::path::RecordPath;
use crate::policy::Standing;
use crate::storage::indexes::end_of;
use crate::storage::{DbNo, DbState, Read, StorageError};
use atek_api::ids::DbId;
use serde_json::Value;
use std::ops::Bound;

/// The internal indexes of the server database.
pub(super) const BY_USER: &str = "_owner_user";
pub(super) const BY_SERVICE: &str = "_owner_service";

/// The server database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerDb {
    /// Its id.
    pub id: DbId,
    /// Its number.
    pub no: DbNo,
}

/// A database that a caller may use.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) no: DbNo,
    pub(super) quota: Quota,
}

/// Decisions over one consistent state.
pub(super) struct View<'a, R> {
    read: &'a R,
    shared: &'a Shared,
    server: &'a ServerDb,
}

impl<'a, R: Read> View<'a, R> {
    pub(super) fn new(read: &'a R, shared: &'a Shared) -> Result<Self, AdbError> {
        let server = shared.server.get().ok_or(AdbError::NotInitialized)?;
        Ok(Self {
            read,
            shared,
            server,
        })
    }

    pub(super) fn read(&self) -> &'a R {
        self.read
    }

    pub(super) fn limits(&self) -> &'a crate::limits::Limits {
        &self.shared.limits
    }

    pub(super) fn server(&self) -> &'a ServerDb {
        self.server
    }

    /// A record of the server database.
    pub(super) fn server_record<T: serde::de::DeserializeOwned>(
        &self,
        table: [&str; 2],
        key: &str,
    ) -> Result<Option<T>, AdbError> {
        // A key that cannot be a path names no record.
        let Ok(path) = RecordPath::from_segments([table[0], table[1], key], &self.shared.limits)
        else {
            return Ok(None);
        };
        let record = self.read.record(self.server.no, &path)?;
        // The host writes these; what it cannot have written counts as absent.
        Ok(record.and_then(|record| serde_json::from_slice(&record.json).ok()))
    }

    /// The metadata of a database.
    pub(super) fn meta(&self, id: &DbId) -> Result<Option<DbMeta>, AdbError> {
        self.server_record(DATABASES, id.as_str())
    }

    /// What a caller is; looks the role up only where it counts.
    pub(super) fn standing<'c>(&self, caller: &'c Caller) -> Result<Standing<'c>, AdbError>
    where
        'a: 'c,
    {
        let admin_role = caller.in_person && {
            let user: Option<Value> = self.server_record(USERS, &caller.user)?;
            user.is_some_and(|user| user["role"] == "admin")
        };
        Ok(Standing {
            caller,
            admin_role,
            own_key: &self.shared.own_key,
            shared: None,
        })
    }

    /// What a caller is to one database; looks shares up only where nothing else gives access.
    pub(super) fn standing_on<'c>(
        &self,
        caller: &'c Caller,
        meta: Option<&DbMeta>,
    ) -> Result<Standing<'c>, AdbError>
    where
        'a: 'c,
    {
        let standing = self.standing(caller)?;
        match meta {
            Some(meta) if !standing.may_write(Some(meta)) => Ok(Standing {
                shared: self.level(caller, meta)?,
                ..standing
            }),
            _ => Ok(standing),
        }
    }

    /// The user that a service belongs to.
    pub(super) fn service_owner(&self, key: &str) -> Result<Option<String>, AdbError> {
        let service: Option<Value> = self.server_record(SERVICES, key)?;
        Ok(service.and_then(|service| service["owningUserKey"].as_str().map(str::to_owned)))
    }

    /// The number of a database that exists.
    pub(super) fn live(&self, id: &DbId) -> Result<DbNo, AdbError> {
        match self.read.database(id)? {
            Some(row) if row.state == DbState::Live => Ok(row.no),
            _ => Err(AdbError::NoSuchDb(id.to_string())),
        }
    }

    /// The database, if the caller may read its records.
    pub(super) fn readable(&self, caller: &Caller, id: &DbId) -> Result<Target, AdbError> {
        self.target(caller, id, |standing, meta| standing.may_read(meta))
    }

    /// The database, if the caller may write its records.
    pub(super) fn writable(&self, caller: &Caller, id: &DbId) -> Result<Target, AdbError> {
        self.target(caller, id, |standing, meta| standing.may_write(meta))
    }

    fn target(
        &self,
        caller: &Caller,
        id: &DbId,
        may: impl FnOnce(&Standing<'_>, Option<&DbMeta>) -> bool,
    ) -> Result<Target, AdbError> {
        if *id == self.server.id {
            let quota = Quota {
                max_bytes: u64::MAX,
                max_records: u64::MAX,
            };
            return if caller.is_system() {
                Ok(Target {
                    no: self.server.no,
                    quota,
                })
            } else {
                Err(AdbError::NoAccess(id.to_string()))
            };
        }
        let no = self.live(id)?;
        let meta = self.meta(id)?;
        if !may(&self.standing_on(caller, meta.as_ref())?, meta.as_ref()) {
            return Err(AdbError::NoAccess(id.to_string()));
        }
        let quota = meta
            .and_then(|meta| meta.quota)
            .unwrap_or(self.shared.limits.quota);
        Ok(Target { no, quota })
    }

    /// The database with an id, or with an alias of the calling service.
    pub(super) fn resolve(&self, caller: &Caller, name: &str) -> Result<DbId, AdbError> {
        match name.parse() {
            Ok(id) => Ok(id),
            Err(_) => self
                .by_alias(caller, name)?
                .map(|meta| {
                    meta.db_id
                        .parse()
                        .map_err(|_| AdbError::InvalidDbId(name.to_owned()))
                })
                .unwrap_or_else(|| Err(AdbError::InvalidDbId(name.to_owned()))),
        }
    }

    /// The caller's database with an alias. Aliases belong to the calling service; a service has
    /// one owner, but ADB itself stands for every user in person, so the user counts too.
    pub(super) fn by_alias(
        &self,
        caller: &Caller,
        alias: &str,
    ) -> Result<Option<DbMeta>, AdbError> {
        let values = [Value::from(caller.service.as_str()), Value::from(alias)];
        for id in self.indexed(BY_SERVICE, &values)? {
            let found = self.meta(&id)?;
            let found =
                found.filter(|meta| !caller.in_person || meta.owner_user() == Some(&caller.user));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Shows the metadata of databases by their owning service, one after the other: all of it
    /// together may be large.
    pub(super) fn by_service(
        &self,
        service: &str,
        each: impl FnMut(DbMeta) -> Result<(), AdbError>,
    ) -> Result<(), AdbError> {
        self.metas(self.indexed(BY_SERVICE_ALL, &[Value::from(service)])?, each)
    }

    /// As [`View::by_service`], by the owning user.
    pub(super) fn by_user(
        &self,
        user: &str,
        each: impl FnMut(DbMeta) -> Result<(), AdbError>,
    ) -> Result<(), AdbError> {
        self.metas(self.indexed(BY_USER, &[Value::from(user)])?, each)
    }

    /// How many databases a service of a user owns.
    pub(super) fn count(&self, user: Option<&str>, service: &str) -> Result<usize, AdbError> {
        #[derive(serde::Deserialize)]
        struct Owned {
            owner: Option<crate::meta::Owner>,
        }
        let ids = self.indexed(BY_SERVICE_ALL, &[Value::from(service)])?;
        if service != self.shared.own_key {
            // Every other service has one owner.
            return Ok(ids.len());
        }
        let mut count = 0;
        for id in ids {
            let owned: Option<Owned> = self.server_record(DATABASES, id.as_str())?;
            let owner = owned.and_then(|owned| owned.owner?.user_key);
            count += usize::from(owner.as_deref() == user);
        }
        Ok(count)
    }

    /// As [`View::by_service`], all databases that have metadata, in the order of their ids.
    pub(super) fn all(
        &self,
        mut each: impl FnMut(DbMeta) -> Result<(), AdbError>,
    ) -> Result<(), AdbError> {
        let mut failed = None;
        let path = RecordPath::from_segments(DATABASES, &self.shared.limits)?;
        self.read.scan(
            self.server.no,
            &crate::storage::Scan::under(&path),
            &mut |_, _, json| {
                if let Ok(meta) = serde_json::from_slice::<DbMeta>(json) {
                    failed = each(meta).err();
                }
                failed.is_none()
            },
        )?;
        failed.map_or(Ok(()), Err)
    }

    fn metas(
        &self,
        ids: Vec<DbId>,
        mut each: impl FnMut(DbMeta) -> Result<(), AdbError>,
    ) -> Result<(), AdbError> {
        for id in ids {
            if let Some(meta) = self.meta(&id)? {
                each(meta)?;
            }
        }
        Ok(())
    }

    fn indexed(&self, index: &str, values: &[Value]) -> Result<Vec<DbId>, AdbError> {
        let rows = self.read.indexes(self.server.no)?;
        let row = rows
            .iter()
            .find(|row| row.name == index)
            .ok_or(StorageError::Damaged("server database index"))?;
        let Some(from) = row.prefix(values) else {
            return Ok(Vec::new());
        };
        let to = end_of(&from);
        let to = to
            .as_ref()
            .map_or(Bound::Unbounded, |to| Bound::Excluded(to.as_slice()));
        let mut ids = Vec::new();
        self.read
            .entries(Bound::Included(from.as_slice()), to, false, &mut |entry| {
                // The entry ends with the record's key, whose last segment is the database's id.
                let id = entry
                    .rsplit(|byte| *byte == 0)
                    .next()
                    .and_then(|id| std::str::from_utf8(id).ok());
                ids.extend(id.and_then(|id| id.parse::<DbId>().ok()));
                true
            })?;
        Ok(ids)
    }
}

/// By owning service alone, so that a database without an alias is found too.
pub(super) const BY_SERVICE_ALL: &str = "_owner_service_all";

/// The indexes that the server database needs: name, and JSON pointers into the metadata.
pub(super) const SERVER_INDEXES: [(&str, &[&str]); 3] = [
    (BY_USER, &["/owner/userKey"]),
    (BY_SERVICE, &["/owner/serviceKey", "/alias"]),
    (BY_SERVICE_ALL, &["/owner/serviceKey"]),
];
