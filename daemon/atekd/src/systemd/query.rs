//! Questions about units that are asked now and then.

use super::proxy::ManagerProxy;
use super::{PATIENCE, PATTERN, SERVICE, Systemd, SystemdError, UNIT};
use std::collections::BTreeMap;
use zbus::{Connection, OwnedObjectPath, OwnedVariant};

impl Systemd {
    /// The control group of a unit: a path below the root of all. `None` for one that does
    /// not run.
    ///
    /// # Errors
    ///
    /// [`SystemdError`].
    pub async fn control_group(&self, unit: &str) -> Result<Option<String>, SystemdError> {
        let ask = async {
            let connection = self.bus.connection().await?;
            let manager = ManagerProxy::new(&connection).await?;
            let Ok(path) = manager.get_unit(unit).await else {
                return Ok(None);
            };
            let group = get(&connection, &path, SERVICE, "ControlGroup").await?;
            let group = String::try_from(group)?;
            Ok(Some(group).filter(|group| !group.is_empty()))
        };
        answered(unit, ask).await
    }

    /// The units of services that run, and which start of each it is.
    ///
    /// # Errors
    ///
    /// [`SystemdError`].
    pub async fn running(&self) -> Result<BTreeMap<String, Vec<u8>>, SystemdError> {
        let ask = async {
            let connection = self.bus.connection().await?;
            let manager = ManagerProxy::new(&connection).await?;
            let rows = manager
                .list_units_by_patterns(&["active"], &[PATTERN])
                .await?;
            let mut running = BTreeMap::new();
            for (unit, .., path, _, _, _) in rows {
                // It may have ended since.
                if let Ok(start) = get(&connection, &path, UNIT, "InvocationID").await
                    && let Ok(start) = Vec::try_from(start)
                {
                    running.insert(unit, start);
                }
            }
            Ok(running)
        };
        answered("the services' units", ask).await
    }
}

async fn answered<T>(
    about: &str,
    ask: impl Future<Output = zbus::Result<T>>,
) -> Result<T, SystemdError> {
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(outcome) => outcome.map_err(|source| SystemdError::Bus(about.to_owned(), source)),
        Err(_) => Err(SystemdError::Timeout(about.to_owned())),
    }
}

async fn get(
    connection: &Connection,
    path: &OwnedObjectPath,
    interface: &str,
    property: &str,
) -> zbus::Result<OwnedVariant> {
    let reply = connection
        .call_method(
            Some("org.freedesktop.systemd1"),
            path,
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &(interface, property),
        )
        .await?;
    reply.body().deserialize()
}
