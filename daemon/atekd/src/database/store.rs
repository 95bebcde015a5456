//! The server database's place: calls to ADB.

use super::records::{Change, ServiceRecord, SessionRecord, UserRecord};
use atek_api::backup::StoredDatabase;
use atek_api::ids::{DbId, ServiceKey, UserKey};
use atek_api::services::ServiceSettings;
use atek_rpc::client::{CallError, Client};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// The path of ADB's endpoint, as its manifest says.
const ENDPOINT: &str = "/_api/adb";

/// The longest list that is asked for at once.
const PAGE: u32 = 1000;

/// The key of the record of what administrators let users decide (`atek.cloud/setting/KEY`).
const PERMISSION_RULES: &str = "permission-rules";
/// The record of the main domains that administrators added.
const ADDED_NAMES: &str = "added-names";
/// The record of table `setting` with the port of an app that was given last.
const NEWEST_PORT: &str = "newest-port";

/// How long ADB may take to restore a database of a backup.
const RESTORE: Duration = Duration::from_secs(3600);
/// How long ADB may take to answer one call. It takes milliseconds; a slow card and a long
/// list may need seconds.
const ANSWER: Duration = Duration::from_secs(10);

/// A step of reading or writing the server database that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// ADB could not be asked, or refused.
    #[error("cannot {step}")]
    Call {
        /// What was to be done.
        step: &'static str,
        /// The cause.
        #[source]
        source: CallError,
    },
    /// It was asked and does not answer. It may do what it was asked all the same.
    #[error("cannot {step}: the database did not answer within {} s", ANSWER.as_secs())]
    Silent {
        /// What was to be done.
        step: &'static str,
    },
}

impl StoreError {
    /// Whether ADB was not there, rather than refused.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let Self::Call { source, .. } = self else {
            return false;
        };
        match source {
            CallError::Send(_) | CallError::Body { .. } | CallError::Status { .. } => true,
            // ADB has just restarted and not been told its server database yet.
            CallError::Rpc(error) => error.message.contains("not been initialized"),
            CallError::Malformed { .. } | CallError::Unexpressible(_) => false,
        }
    }

    /// Whether ADB refused because the disk is full: nothing was written.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let Self::Call {
            source: CallError::Rpc(error),
            ..
        } = self
        else {
            return false;
        };
        let data = error.data.as_ref();
        data.is_some_and(|data| data["diskFull"] == true)
    }

    /// Whether what was to be written may have been written.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Silent { .. } => true,
            Self::Call { source, .. } => matches!(
                source,
                CallError::Send(_) | CallError::Body { .. } | CallError::Status { .. }
            ),
        }
    }
}

/// Waits for ADB's answer, with a deadline.
async fn within<T>(
    step: &'static str,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER, call).await {
        Ok(answer) => answer.map_err(|source| StoreError::Call { step, source }),
        Err(_) => Err(StoreError::Silent { step }),
    }
}

/// The connection to ADB, as the host itself.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdbConfig {
    server_db_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Init<'a> {
    server_db_id: &'a str,
}

#[derive(Deserialize)]
struct List {
    records: Vec<Record>,
    #[serde(default)]
    cursor: Option<String>,
}

/// The value of [`NEWEST_PORT`].
#[derive(Deserialize)]
struct NewestPort {
    port: u16,
}

/// The value of [`ADDED_NAMES`].
#[derive(Deserialize)]
struct AddedNames {
    names: Vec<String>,
}

#[derive(Deserialize)]
struct Record {
    key: String,
    value: serde_json::Value,
}

#[derive(Serialize)]
struct ListOptions {
    limit: u32,
    /// Empty at first: that asks for pages.
    cursor: String,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Operation {
    #[serde(rename = "put")]
    Put {
        path: [String; 3],
        value: serde_json::Value,
    },
    #[serde(rename = "del")]
    Delete { path: [String; 3] },
}

impl Store {
    /// The store behind ADB's socket.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self {
            client: Client::core_service(socket),
        }
    }

    /// Tells ADB which database is the server's; an empty id makes a new one.
    ///
    /// Returns the id in force. Harmless when ADB knows it already.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when ADB does not answer, or holds another database under this role.
    pub async fn init(&self, server_db_id: &str) -> Result<String, StoreError> {
        let init = self.client.post(ENDPOINT, "init", (Init { server_db_id },));
        let init = async {
            match init.await {
                Ok(_) => Ok(()),
                Err(CallError::Rpc(error))
                    if error.message.contains("already been initialized") =>
                {
                    Ok(())
                }
                Err(error) => Err(error),
            }
        };
        within("set up the server database", init).await?;
        let config = self.client.post_as(ENDPOINT, "getConfig", ());
        let config: AdbConfig = within("ask for the server database's id", config).await?;
        Ok(config.server_db_id)
    }

    /// Reads all records. One that cannot be understood is reported and left out:
    /// it must not keep everybody else from signing in.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when ADB does not answer.
    pub async fn load(&self, db: &str) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        for record in self.list(db, "service").await? {
            let key = record.key.parse();
            match (key, serde_json::from_value::<ServiceSettings>(record.value)) {
                (Ok(key), Ok(mut settings)) => {
                    settings.set_aside_unasked();
                    let record = ServiceRecord { key, settings };
                    changes.push(Change::PutService(Box::new(record)));
                }
                (Ok(_), Err(error)) => skipped("service", &record.key, &error),
                (Err(error), _) => skipped("service", &record.key, &error),
            }
        }
        for record in self.list(db, "user").await? {
            let key = record.key.parse();
            match (key, serde_json::from_value::<UserRecord>(record.value)) {
                (Ok(key), Ok(mut user)) => {
                    user.key = key;
                    changes.push(Change::PutUser(user));
                }
                (Ok(_), Err(error)) => skipped("user", &record.key, &error),
                (Err(error), _) => skipped("user", &record.key, &error),
            }
        }
        for record in self.list(db, "user-session").await? {
            match serde_json::from_value::<SessionRecord>(record.value) {
                Ok(session) => changes.push(Change::PutSession(session)),
                Err(error) => skipped("session", "(not shown)", &error),
            }
        }
        for record in self.list(db, "grant").await? {
            match serde_json::from_value(record.value) {
                Ok(grant) => changes.push(Change::PutGrant(grant)),
                Err(error) => skipped("grant", &record.key, &error),
            }
        }
        for record in self.list(db, "share").await? {
            match serde_json::from_value(record.value) {
                Ok(share) => changes.push(Change::PutShare(share)),
                Err(error) => skipped("share", &record.key, &error),
            }
        }
        for record in self.list(db, "group").await? {
            match serde_json::from_value(record.value) {
                Ok(group) => changes.push(Change::PutGroup(group)),
                Err(error) => skipped("group", &record.key, &error),
            }
        }
        for record in self.list(db, "setting").await? {
            let change = match record.key.as_str() {
                PERMISSION_RULES => {
                    serde_json::from_value(record.value).map(Change::PutPermissionRules)
                }
                ADDED_NAMES => serde_json::from_value(record.value)
                    .map(|AddedNames { names }| Change::PutAddedNames(names)),
                NEWEST_PORT => serde_json::from_value(record.value)
                    .map(|NewestPort { port }| Change::PutNewestPort(port)),
                _ => continue,
            };
            match change {
                Ok(change) => changes.push(change),
                Err(error) => skipped("setting", &record.key, &error),
            }
        }
        Ok(changes)
    }

    async fn list(&self, db: &str, table: &str) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        let mut options = ListOptions {
            limit: PAGE,
            cursor: String::new(),
        };
        loop {
            let params = (db, ["atek.cloud", table], &options);
            let page = self.client.post_as(ENDPOINT, "recordList", params);
            let page: List = within("read the server database", page).await?;
            records.extend(page.records);
            match page.cursor {
                Some(cursor) => options.cursor = cursor,
                None => return Ok(records),
            }
        }
    }

    /// Writes changes, all or none, and returns when they are durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; when the connection broke the changes may have been written.
    pub async fn write(&self, db: &str, changes: &[Change]) -> Result<(), StoreError> {
        let step = "write to the server database";
        let operations: Vec<Operation> = changes
            .iter()
            .map(operation)
            .collect::<Result<_, _>>()
            .map_err(|_| StoreError::Call {
                step,
                source: CallError::Unexpressible("a record".to_owned()),
            })?;
        let batch = self.client.post(ENDPOINT, "recordBatch", (db, operations));
        within(step, batch).await?;
        Ok(())
    }
}

/// A database and the service that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedDatabase {
    /// Its id.
    pub id: DbId,
    /// The service that it belongs to.
    pub service: Option<ServiceKey>,
    /// What people or the service call it.
    pub title: Option<String>,
}

/// A database, as ADB lists it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Db {
    db_id: String,
    #[serde(default)]
    alias: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    owner: DbOwner,
    #[serde(default)]
    is_server_db: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestoredDb {
    db_id: DbId,
    #[serde(default)]
    records: u64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DbOwner {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_key: Option<String>,
}

impl Store {
    /// Deletes every database that a user owns.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the databases deleted so far are gone.
    pub async fn delete_databases_of(&self, user: &UserKey) -> Result<(), StoreError> {
        let step = "delete the user's databases";
        for db in within(step, self.databases_of(user)).await? {
            let gone = self.client.post(ENDPOINT, "adminDeleteDb", (db.db_id,));
            within(step, gone).await?;
        }
        Ok(())
    }

    /// Makes every database of a user another one's. The services that use them stay the same.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the databases given so far are the other one's.
    pub async fn give_databases(&self, from: &UserKey, to: &UserKey) -> Result<(), StoreError> {
        let step = "hand the user's databases over";
        for db in within(step, self.databases_of(from)).await? {
            let owner = DbOwner {
                user_key: Some(to.to_string()),
                ..db.owner
            };
            let change = serde_json::json!({ "owner": owner });
            let params = (db.db_id, change);
            let given = self.client.post(ENDPOINT, "adminEditDbConfig", params);
            within(step, given).await?;
        }
        Ok(())
    }

    /// All databases but the host's own.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn all_databases(&self) -> Result<Vec<StoredDatabase>, StoreError> {
        let list = self.client.post_as(ENDPOINT, "adminListDbs", ());
        let all: Vec<Db> = within("list the databases", list).await?;
        let all = all.into_iter().filter(|db| !db.is_server_db);
        let known = all.filter_map(|db| {
            Some(StoredDatabase {
                id: db.db_id.parse().ok()?,
                title: db.display_name.or(db.alias),
                owner: db.owner.user_key.and_then(|key| key.parse().ok()),
                service: db.owner.service_key.and_then(|key| key.parse().ok()),
            })
        });
        Ok(known.collect())
    }

    /// Makes a database what the state of a backup has of it, or a new one of it, also for another
    /// app. Returns its id and how many records it has.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the present one is as it was.
    pub async fn restore_database(
        &self,
        id: &DbId,
        copy: bool,
        app: Option<(&UserKey, &ServiceKey)>,
    ) -> Result<(DbId, u64), StoreError> {
        let step = "restore the database";
        let options = match app {
            None => serde_json::json!({ "copy": copy }),
            Some((user, service)) => {
                serde_json::json!({ "copy": copy, "user": user, "service": service })
            }
        };
        let restore = self
            .client
            .post_as(ENDPOINT, "adminRestoreDb", (id, options));
        let answer: RestoredDb = match tokio::time::timeout(RESTORE, restore).await {
            Ok(answer) => answer.map_err(|source| StoreError::Call { step, source })?,
            Err(_) => return Err(StoreError::Silent { step }),
        };
        Ok((answer.db_id, answer.records))
    }

    /// Deletes a database.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn delete_database(&self, id: &DbId) -> Result<(), StoreError> {
        let gone = self.client.post(ENDPOINT, "adminDeleteDb", (id,));
        within("delete the database", gone).await.map(drop)
    }

    /// A user as the state of a backup has it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn user_of_backup(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        let step = "read the user's record of the backup";
        let read = self
            .client
            .post_as(ENDPOINT, "adminBackupRecord", ("user", key));
        let record: serde_json::Value = match tokio::time::timeout(RESTORE, read).await {
            Ok(answer) => answer.map_err(|source| StoreError::Call { step, source })?,
            Err(_) => return Err(StoreError::Silent { step }),
        };
        let user = serde_json::from_value::<UserRecord>(record).ok();
        Ok(user.map(|user| UserRecord {
            key: key.clone(),
            ..user
        }))
    }

    /// Has the state of a backup removed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn close_backup(&self) -> Result<(), StoreError> {
        let step = "remove the databases of the backup";
        let closed = self.client.post(ENDPOINT, "adminCloseBackup", ());
        within(step, closed).await.map(drop)
    }

    /// From now on, what a service changes in databases can be taken back.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; may be repeated.
    pub async fn begin_trial(&self, service: &ServiceKey) -> Result<(), StoreError> {
        let step = "begin to note what the app changes in its databases";
        let begun = self.client.post(ENDPOINT, "adminBeginTrial", (service,));
        within(step, begun).await.map(drop)
    }

    /// Keeps what a service changed since [`Store::begin_trial`], or takes it back.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; may be repeated.
    pub async fn end_trial(&self, service: &ServiceKey, take_back: bool) -> Result<(), StoreError> {
        let step = "end the trial of the app's databases";
        let options = serde_json::json!({ "takeBack": take_back });
        let ended = self
            .client
            .post(ENDPOINT, "adminEndTrial", (service, options));
        within(step, ended).await.map(drop)
    }

    /// The user who owns a database; none: there is no such database, or it is the host's own.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn owner_of_database(
        &self,
        server_db: &str,
        id: &DbId,
    ) -> Result<Option<UserKey>, StoreError> {
        let path = ["atek.cloud", "database", id.as_str()];
        let read = self
            .client
            .post_as(ENDPOINT, "recordGet", (server_db, path));
        let record = match within("read the server database", read).await {
            Ok(record) => record,
            Err(StoreError::Call {
                source: CallError::Rpc(_),
                ..
            }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let record: Record = record;
        Ok(record.value["owner"]["userKey"]
            .as_str()
            .and_then(|key| key.parse().ok()))
    }

    /// The databases that a user owns.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn databases(&self, user: &UserKey) -> Result<Vec<OwnedDatabase>, StoreError> {
        let all = within("list the user's databases", self.databases_of(user)).await?;
        let known = all.into_iter().filter_map(|db| {
            Some(OwnedDatabase {
                id: db.db_id.parse().ok()?,
                service: db.owner.service_key.and_then(|key| key.parse().ok()),
                title: db.display_name.or(db.alias),
            })
        });
        Ok(known.collect())
    }

    async fn databases_of(&self, user: &UserKey) -> Result<Vec<Db>, CallError> {
        self.client
            .post_as(ENDPOINT, "adminListDbsByOwningUser", (user,))
            .await
    }
}

fn operation(change: &Change) -> serde_json::Result<Operation> {
    let path = |table: &str, key: &str| ["atek.cloud".to_owned(), table.to_owned(), key.to_owned()];
    Ok(match change {
        Change::PutUser(user) => Operation::Put {
            path: path("user", user.key.as_str()),
            value: serde_json::to_value(user)?,
        },
        Change::DeleteUser(key) => Operation::Delete {
            path: path("user", key.as_str()),
        },
        Change::PutService(service) => Operation::Put {
            path: path("service", service.key.as_str()),
            value: serde_json::to_value(&service.settings)?,
        },
        Change::DeleteService(key) => Operation::Delete {
            path: path("service", key.as_str()),
        },
        Change::PutSession(session) => Operation::Put {
            path: path("user-session", session.session_id.as_str()),
            value: serde_json::to_value(session)?,
        },
        Change::DeleteSession(id) => Operation::Delete {
            path: path("user-session", id.as_str()),
        },
        Change::PutGrant(grant) => Operation::Put {
            path: path("grant", &grant.id),
            value: serde_json::to_value(grant)?,
        },
        Change::DeleteGrant(id) => Operation::Delete {
            path: path("grant", id),
        },
        Change::PutShare(share) => Operation::Put {
            path: path("share", &share.id),
            value: serde_json::to_value(share)?,
        },
        Change::DeleteShare(id) => Operation::Delete {
            path: path("share", id),
        },
        Change::PutGroup(group) => Operation::Put {
            path: path("group", &group.key),
            value: serde_json::to_value(group)?,
        },
        Change::DeleteGroup(key) => Operation::Delete {
            path: path("group", key),
        },
        Change::PutPermissionRules(rules) => Operation::Put {
            path: path("setting", PERMISSION_RULES),
            value: serde_json::to_value(rules)?,
        },
        Change::PutAddedNames(names) => Operation::Put {
            path: path("setting", ADDED_NAMES),
            value: serde_json::json!({ "names": names }),
        },
        Change::PutNewestPort(port) => Operation::Put {
            path: path("setting", NEWEST_PORT),
            value: serde_json::json!({ "port": port }),
        },
    })
}

fn skipped(table: &str, key: &str, error: &dyn std::error::Error) {
    tracing::error!(table, key, error = %error, "left out a record that cannot be understood");
}

#[cfg(test)]
mod tests {
    use super::*;
    use atek_api::jsonrpc::RpcError;

    #[test]
    fn a_full_disk_is_told_from_other_refusals_and_nothing_was_written_then() {
        let refused = |data: Option<serde_json::Value>| StoreError::Call {
            step: "write",
            source: CallError::Rpc(RpcError {
                data,
                ..RpcError::general("the disk is full")
            }),
        };
        let full = refused(Some(serde_json::json!({ "diskFull": true })));
        assert!(full.is_disk_full() && !full.outcome_unknown() && !full.is_transient());
        assert!(!refused(Some(serde_json::json!({ "conflict": {} }))).is_disk_full());
        assert!(!refused(None).is_disk_full());
        assert!(!StoreError::Silent { step: "write" }.is_disk_full());
    }
}
