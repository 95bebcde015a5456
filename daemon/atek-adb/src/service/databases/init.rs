//! The server database: made once, opened at every start.

use super::new_id;
use crate::caller::Caller;
use crate::error::AdbError;
use crate::meta::DATABASES;
use crate::path::RecordPath;
use crate::service::Adb;
use crate::service::params::{Kind, Params};
use crate::service::view::{SERVER_INDEXES, ServerDb};
use crate::storage::{Read as _, Tx};
use atek_api::ids::DbId;
use serde_json::{Value, json};

impl Adb {
    /// `init({serverDbId})`: opens the server database, or makes it. With an empty id the one that
    /// the state holds is used, so that a host that lost its configuration finds its users again.
    pub(in crate::service) async fn init(
        &self,
        caller: &Caller,
        params: &Params,
    ) -> Result<(), AdbError> {
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
        // A caller that goes away half-way leaves it unset.
        let mut initialized = self.initialized.lock().await;
        if *initialized {
            return Err(AdbError::AlreadyInitialized);
        }
        self.open_server_db(caller, &wanted).await?;
        *initialized = true;
        Ok(())
    }

    async fn open_server_db(&self, caller: &Caller, wanted: &str) -> Result<(), AdbError> {
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
                let made = self
                    .change(caller, move |tx, _, _| make_server_db(tx, &id))
                    .await?;
                tracing::info!(id = %made.id, "made the server database");
                let _ = self.shared.server.set(made);
                Ok(())
            }
        }
    }

    /// `getConfig()`: for the host alone, since an id is the first half of reaching a database.
    pub(in crate::service) async fn get_config(
        &self,
        caller: &Caller,
        _: &Params,
    ) -> Result<Value, AdbError> {
        if !caller.is_system() {
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
}

fn make_server_db(tx: &mut Tx<'_>, id: &DbId) -> Result<ServerDb, AdbError> {
    // A call that went away before it could note the result may have made it.
    if let Some(id) = tx.server_db()?
        && let Some(row) = tx.database(&id)?
    {
        return Ok(ServerDb { id, no: row.no });
    }
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
