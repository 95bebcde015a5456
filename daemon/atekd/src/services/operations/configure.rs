//! Changing a service that exists.

use super::candidate;
use super::context::Operations;
use crate::database::{Change, Records, ServiceRecord};
use crate::error_chain::DisplayChain;
use crate::services::crash_point;
use crate::services::definition::{self, Definition};
use crate::services::error::OperationError;
use crate::services::lan_ports;
use crate::services::source_tokens;
use crate::services::supervisor::Command;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::package::{InvalidToken, SourceToken};
use atek_api::permission::{Permission, Permissions};
use atek_api::services::{ConfigureParams, ServiceSettings, SourceType};
use atek_api::source::Source;
use std::sync::Arc;

/// The effect of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconfigured {
    /// The service was stopped and started again.
    pub restarted: bool,
}

/// What becomes of a service.
#[derive(Debug)]
enum Wanted {
    /// These changes.
    Changes(Box<ConfigureParams>),
    /// All it was granted but this.
    Without(Permission),
}

/// What becomes of the access token of a source.
enum TokenChange {
    Stays,
    Forgotten,
    Given(Source, SourceToken),
}

impl Wanted {
    /// The settings after it. Pure.
    fn applied(&self, old: &ServiceSettings) -> Result<ServiceSettings, OperationError> {
        match self {
            Self::Changes(changes) => applied(old, changes),
            Self::Without(permission) => Ok(without(old, permission)),
        }
    }

    /// What becomes of the token of its source. Pure.
    fn token(&self, planned: &ServiceSettings) -> Result<TokenChange, OperationError> {
        let given = match self {
            Self::Changes(changes) => changes.source_token.as_ref(),
            Self::Without(_) => None,
        };
        let Some(given) = given else {
            // One of another source is void.
            return Ok(TokenChange::Stays);
        };
        if given.expose().is_empty() {
            return Ok(TokenChange::Forgotten);
        }
        let token: SourceToken = given
            .expose()
            .parse()
            .map_err(|error: InvalidToken| OperationError::Source(error.to_string()))?;
        let source = candidate::parse_source(&planned.source_url)?;
        if !candidate::takes_token(&source) {
            return Err(candidate::no_token());
        }
        Ok(TokenChange::Given(source, token))
    }

    fn is_about_grants(&self) -> bool {
        match self {
            Self::Changes(changes) => changes.grant.is_some(),
            Self::Without(_) => true,
        }
    }
}

impl Operations {
    /// Changes id, source, range, environment, limits or grants, in the name of the user `by`.
    /// All but the environment take effect at once; the unit is restarted for a new id, new
    /// limits, another kind of network, devices and ports of the home's network. The environment
    /// changes at the next start, as the original.
    ///
    /// # Errors
    ///
    /// Nothing was changed, except with `StoredNotRunning`.
    pub async fn configure(
        self: &Arc<Self>,
        key: &ServiceKey,
        changes: ConfigureParams,
        by: &UserKey,
    ) -> Result<Reconfigured, OperationError> {
        self.reconfigure(key, Wanted::Changes(Box::new(changes)), by)
            .await
    }

    /// Takes back one permission that was granted of the manifest, and leaves all others as they
    /// are at that moment.
    ///
    /// # Errors
    ///
    /// As [`Operations::configure`].
    pub async fn take_permission_back(
        self: &Arc<Self>,
        key: &ServiceKey,
        permission: Permission,
        by: &UserKey,
    ) -> Result<Reconfigured, OperationError> {
        self.reconfigure(key, Wanted::Without(permission), by).await
    }

    async fn reconfigure(
        self: &Arc<Self>,
        key: &ServiceKey,
        wanted: Wanted,
        by: &UserKey,
    ) -> Result<Reconfigured, OperationError> {
        let record = self.record(key)?;
        let lock = self.locks.take(key, &record.settings.id, "configure")?;
        let now = jiff::Timestamp::now().as_second();
        let decided = self.database.records().grants_of(key, now);
        let definition = |settings: ServiceSettings| {
            Definition::installed(key.clone(), Arc::new(settings)).with_decided(decided.clone())
        };
        let old = definition(record.settings.clone());
        let planned = wanted.applied(&record.settings)?;
        let token = wanted.token(&planned)?;
        if let Ok(Source::Folder(path)) = planned.source_url.parse()
            && planned.source_url != record.settings.source_url
        {
            candidate::read_folder(path).await?;
        }
        let new = definition(planned.clone());
        let renamed = old.unit_id() != new.unit_id();
        if renamed && self.is_taken(&self.database.records(), &planned.id) {
            return Err(OperationError::IdTaken(planned.id.to_string()));
        }
        let (before, after) = (old.reach(), new.reach());
        let more = after
            .listen
            .iter()
            .filter(|port| !before.listen.contains(port));
        let records = self.database.records();
        lan_ports::check(&records, key, &more.copied().collect::<Vec<_>>())?;
        let unit_changes = renamed || old.limits() != new.limits() || before != after;
        let (operations, key, by) = (self.clone(), key.clone(), by.clone());
        let rest = tokio::spawn(async move {
            let _lock = lock;
            let restart = operations.supervisor.snapshot(&key).await?.state.is_up() && unit_changes;
            if restart {
                operations.supervisor.stop(&key).await?;
            } else if renamed
                && let Err(error) = operations.spawn.reset_failed(&old.unit_id()).await
            {
                // A failed unit stays under its old name.
                tracing::warn!(%key, error = %DisplayChain(&error), "left the unit of the old name");
            }
            crash_point::reached("configure.stopped");
            let stored = operations.store_changes(&key, wanted, by).await;
            let stored = stored.and_then(|()| operations.change_token(&key, token));
            if restart {
                let started = operations.supervisor.start(&key, Command::Start).await;
                stored?;
                started.map_err(|error| OperationError::StoredNotRunning(Box::new(error)))?;
                return Ok(Reconfigured { restarted: true });
            }
            stored.map(|()| Reconfigured { restarted: false })
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    fn change_token(&self, key: &ServiceKey, change: TokenChange) -> Result<(), OperationError> {
        let state = self.layout.state();
        match change {
            TokenChange::Stays => {}
            TokenChange::Forgotten => source_tokens::forget(state, key),
            TokenChange::Given(source, token) => source_tokens::keep(state, key, source, token)?,
        }
        Ok(())
    }

    /// Applies the changes to the newest record: the service may have been stopped since.
    async fn store_changes(
        &self,
        key: &ServiceKey,
        wanted: Wanted,
        by: UserKey,
    ) -> Result<(), OperationError> {
        let (key, core) = (key.clone(), self.core_ids());
        let at = jiff::Timestamp::now().to_string();
        self.database
            .update(move |records: &Records| {
                let Some(record) = records.service(key.as_str()) else {
                    return Err(OperationError::NotFound(key.to_string()));
                };
                let mut settings = wanted.applied(&record.settings)?;
                if wanted.is_about_grants() {
                    settings.note_grants(&by, &at);
                }
                let other = records.service_with_id(settings.id.as_str());
                if core.contains(&settings.id) || other.is_some_and(|other| other.key != key) {
                    return Err(OperationError::IdTaken(settings.id.to_string()));
                }
                let record = ServiceRecord { key, settings };
                Ok(((), vec![Change::PutService(Box::new(record))]))
            })
            .await
    }
}

/// The settings without one permission. Pure.
fn without(old: &ServiceSettings, permission: &Permission) -> ServiceSettings {
    // Devices at home are reached together with the internet, or not at all.
    let goes_along =
        |item: &Permission| *permission == Permission::Direct && *item == Permission::Lan;
    let mut left = old.granted.items();
    left.retain(|item| item != permission && !goes_along(item));
    ServiceSettings {
        granted: Permissions::from_items(left),
        ..old.clone()
    }
}

/// The settings after the changes. Pure.
fn applied(
    old: &ServiceSettings,
    changes: &ConfigureParams,
) -> Result<ServiceSettings, OperationError> {
    let mut new = old.clone();
    if let Some(id) = &changes.id
        && *id != old.id.as_str()
    {
        new.id = ServiceId::for_user_service(id)?;
    }
    if let Some(text) = &changes.source_url {
        let source = candidate::parse_source(text)?;
        if source.source_type() != old.package.source_type {
            let kind = match old.package.source_type {
                SourceType::File => "a folder",
                SourceType::Git => "a git repository",
            };
            return Err(OperationError::Source(format!(
                "the app was installed from {kind}; to change that, uninstall it and install it again"
            )));
        }
        let changed = source.to_string() != old.source_url;
        new.source_url = source.to_string();
        if changed {
            // What was granted was granted to the program of the old source.
            new.granted = Permissions::default();
            new.unasked.clear();
        }
    }
    if let Some(range) = &changes.desired_version {
        candidate::parse_range(Some(range))?;
        new.desired_version = Some(range.clone()).filter(|range| !range.trim().is_empty());
    }
    if let Some(config) = &changes.config {
        let merged = new.config.get_or_insert_default();
        for (name, value) in config {
            match value {
                Some(value) => merged.insert(name.clone(), value.clone()),
                None => merged.remove(name),
            };
        }
        definition::check_config(merged)?;
    }
    if let Some(limits) = &changes.limits {
        new.limits = old.limits.changed(limits);
        new.limits.validate()?;
    }
    if let Some(grant) = &changes.grant {
        // Also more than the installed version asks for: an app of the original asks for nothing.
        new.granted = grant.clone();
        let items = grant.items();
        new.unasked.retain(|item| !items.contains(item));
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn old() -> ServiceSettings {
        serde_json::from_value(json!({
            "id": "rss", "owningUserKey": "u1", "sourceUrl": "https://example.org/rss",
            "desiredVersion": "^1", "config": {"A": "1", "B": "2"},
            "package": {"sourceType": "git", "installedVersion": "v1.0.0"},
            "limits": {"tasksMax": 20}
        }))
        .unwrap()
    }

    #[test]
    fn what_is_taken_back_leaves_the_rest_as_it_is_at_that_moment() {
        let mut now = old();
        let granted = json!({"network": {"direct": {"lan": true}}, "hostApis": ["a.b/c", "d.e/f"]});
        now.granted = serde_json::from_value(granted).unwrap();
        // Two at once: each is decided on the settings that the other one left.
        for taken in ["api:a.b/c", "api:d.e/f"] {
            now = Wanted::Without(taken.parse().unwrap())
                .applied(&now)
                .unwrap();
        }
        let left: Vec<_> = now
            .granted
            .items()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(left, ["direct", "lan"]);
        now = Wanted::Without(Permission::Direct).applied(&now).unwrap();
        assert!(now.granted.is_empty());
    }

    fn apply(changes: serde_json::Value) -> Result<serde_json::Value, String> {
        let changes = serde_json::from_value(changes).unwrap();
        applied(&old(), &changes)
            .map(|new| serde_json::to_value(new).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_named_stays_and_the_environment_is_merged() {
        let new =
            apply(json!({"config": {"B": null, "C": "3"}, "limits": {"cpuQuota": 50}})).unwrap();
        assert_eq!(new["config"], json!({"A": "1", "C": "3"}));
        assert_eq!(new["limits"], json!({"tasksMax": 20, "cpuQuota": 50}));
        for taken_away in [json!({"tasksMax": null}), json!({"tasksMax": 0})] {
            let new = apply(json!({ "limits": taken_away })).unwrap();
            assert_eq!(new.get("limits"), None, "{taken_away}");
        }
        assert_eq!(new["id"], "rss");
        assert_eq!(
            apply(json!({"desiredVersion": ""}))
                .unwrap()
                .get("desiredVersion"),
            None
        );
    }

    #[test]
    fn another_source_loses_what_was_granted_to_the_old_one() {
        let mut old = old();
        old.granted = serde_json::from_value(json!({"network": {"hosts": ["a.org"]}})).unwrap();
        let apply = |changes: serde_json::Value| {
            applied(&old, &serde_json::from_value(changes).unwrap()).unwrap()
        };
        let same = apply(json!({"sourceUrl": "https://example.org/rss"}));
        assert_eq!(same.granted, old.granted);
        let other = apply(json!({"sourceUrl": "https://example.org/other"}));
        assert!(other.granted.is_empty());
        let granted = apply(json!({
            "sourceUrl": "https://example.org/other", "grant": {"network": {"hosts": ["a.org"]}},
        }));
        assert_eq!(granted.granted, old.granted);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (changes, part) in [
            (json!({"id": "core.adb"}), "a service id must be"),
            (json!({"id": "system"}), "reserved"),
            (
                json!({"sourceUrl": "/srv/app"}),
                "installed from a git repository",
            ),
            (json!({"sourceUrl": "nonsense"}), "https://"),
            (
                json!({"desiredVersion": "newest please"}),
                "not a version range",
            ),
            (json!({"config": {"ATEK_HOST_PORT": "1"}}), "ATEK_"),
            (json!({"limits": {"memoryMax": 5}}), "memoryMax"),
        ] {
            let error = apply(changes.clone()).unwrap_err();
            assert!(error.contains(part), "{changes}: {error}");
        }
    }
}
