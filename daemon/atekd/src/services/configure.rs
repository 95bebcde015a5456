//! Changing a service that exists.

use super::definition::{self, Definition};
use super::handle::Wish;
use super::install::{self, is_taken};
use super::state::Life;
use super::{ConfigureError, Inner, InstallError, fault};
use crate::chain::Chain;
use crate::database::{Change, Records, ServiceRecord};
use atek_api::ids::{ServiceId, ServiceKey};
use atek_api::permission::Permissions;
use atek_api::services::{ConfigureParams, ServiceSettings, SourceType};
use atek_api::source::Source;
use std::sync::Arc;

/// What a change has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconfigured {
    /// The service was stopped and started again.
    pub restarted: bool,
}

pub(super) async fn configure(
    inner: &Arc<Inner>,
    key: &ServiceKey,
    changes: ConfigureParams,
) -> Result<Reconfigured, ConfigureError> {
    let record = inner.installed(key)?;
    let lock = inner.locks.take(key, &record.settings.id, "configure")?;
    let old = Definition::installed(key.clone(), Arc::new(record.settings.clone()));
    let planned = applied(&record.settings, &changes)?;
    if let Ok(Source::Folder(path)) = planned.source_url.parse()
        && planned.source_url != record.settings.source_url
    {
        install::look(path).await?;
    }
    let new = Definition::installed(key.clone(), Arc::new(planned.clone()));
    let renamed = old.unit_id() != new.unit_id();
    if renamed && is_taken(inner, &inner.database.records(), &planned.id) {
        return Err(InstallError::IdTaken(planned.id.to_string()).into());
    }
    let unit_changes =
        renamed || old.limits() != new.limits() || old.permissions() != new.permissions();
    let (inner, key) = (inner.clone(), key.clone());
    let rest = tokio::spawn(async move {
        let _lock = lock;
        let life = inner.supervisor.look(&key).await?.life;
        let up = matches!(
            life,
            Life::Starting { .. } | Life::Running { .. } | Life::Restarting { .. }
        );
        if up && unit_changes {
            inner.supervisor.stop(&key).await?;
        } else if renamed && let Err(error) = inner.spawn.reset_failed(&old.unit_id()).await {
            // A failed unit stays under its old name.
            tracing::warn!(%key, error = %Chain(&error), "left the unit of the old name");
        }
        fault::point("configure.stopped");
        let stored = store(&inner, &key, changes).await;
        if up && unit_changes {
            let started = inner.supervisor.start(&key, Wish::Start).await;
            stored?;
            started.map_err(|error| ConfigureError::Start(Box::new(error)))?;
            return Ok(Reconfigured { restarted: true });
        }
        stored.map(|()| Reconfigured { restarted: false })
    });
    rest.await
        .unwrap_or(Err(ConfigureError::Refused(super::ShuttingDown.into())))
}

/// Against the newest record: somebody may have stopped the service meanwhile.
async fn store(
    inner: &Inner,
    key: &ServiceKey,
    changes: ConfigureParams,
) -> Result<(), ConfigureError> {
    let key = key.clone();
    let core: Vec<ServiceId> = inner
        .core
        .iter()
        .flat_map(|core| [core.settings.id.clone(), core.unit_id()])
        .collect();
    inner
        .database
        .update(move |records: &Records| {
            let Some(record) = records.service(key.as_str()) else {
                return Err(super::Refused::NotFound(key.to_string()).into());
            };
            let settings = applied(&record.settings, &changes)?;
            let other = records.service_with_id(settings.id.as_str());
            if core.contains(&settings.id) || other.is_some_and(|other| other.key != key) {
                return Err(InstallError::IdTaken(settings.id.to_string()).into());
            }
            Ok((
                (),
                vec![Change::PutService(Box::new(ServiceRecord {
                    key,
                    settings,
                }))],
            ))
        })
        .await
}

/// The settings after the changes. Pure.
fn applied(
    old: &ServiceSettings,
    changes: &ConfigureParams,
) -> Result<ServiceSettings, InstallError> {
    let mut new = old.clone();
    if let Some(id) = &changes.id
        && *id != old.id.as_str()
    {
        new.id = ServiceId::for_user_service(id)?;
    }
    if let Some(text) = &changes.source_url {
        let source = install::parse_source(text)?;
        if source.source_type() != old.package.source_type {
            let kind = match old.package.source_type {
                SourceType::File => "a folder",
                SourceType::Git => "a git repository",
            };
            return Err(InstallError::Source(format!(
                "the app was installed from {kind}; to change that, install it anew"
            )));
        }
        let source = source.to_string();
        if source != old.source_url {
            // The permissions were given to what came from there.
            new.granted = Permissions::default();
            new.source_url = source;
        }
    }
    if let Some(range) = &changes.desired_version {
        install::parse_range(Some(range))?;
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
        // Also more than the installed version asks for: that is how the next version's
        // wishes are granted. It counts only once a manifest asks for it.
        new.granted = grant.clone();
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
    fn a_change_of_source_drops_the_grants_unless_they_are_given_again() {
        let direct = json!({ "network": "direct" });
        let mut granted = old();
        granted.granted = serde_json::from_value(direct.clone()).unwrap();
        let apply = |changes: serde_json::Value| {
            let new = applied(&granted, &serde_json::from_value(changes).unwrap()).unwrap();
            serde_json::to_value(new.granted).unwrap()
        };
        let other = "https://example.org/other";
        assert_eq!(apply(json!({ "sourceUrl": other })), json!({}));
        assert_eq!(
            apply(json!({ "sourceUrl": "https://example.org/rss" })),
            direct
        );
        assert_eq!(
            apply(json!({ "sourceUrl": other, "grant": direct })),
            direct
        );
        assert_eq!(apply(json!({ "desiredVersion": "^2" })), direct);
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
