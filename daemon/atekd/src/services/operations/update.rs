//! Updating: a new version beside the running one, tried before it becomes the installed one.
//!
//! ```text
//!  ask for releases, fetch, consent checked, build | intent -> commit beside -> run it -> record names it -> tidy up
//!  may be cut off anywhere                         |             it does not run: run the old one, remove the new
//! ```
//!
//! The record is what decides: until it names the new version, a crash leads back to the old.

use super::agreed_limits;
use super::candidate::{self, Candidate};
use super::context::Operations;
use crate::database::ServiceRecord;
use crate::error_chain::DisplayChain;
use crate::jobs::Reporter;
use crate::packages::{PackageError, Staged};
use crate::services::crash_point;
use crate::services::definition;
use crate::services::error::OperationError;
use crate::services::intents::{self, Update};
use crate::services::supervisor::Command;
use atek_api::ids::ServiceKey;
use atek_api::manifest::Manifest;
use atek_api::package::{Failure, FailureCode, FetchedPackage, Reach, Wanted};
use atek_api::permission::Permissions;
use atek_api::services::{
    JobEvent, PackageInfo, ServiceSettings, SourceType, UpdateCheck, UpdateDone, UpdateParams,
};
use atek_api::source::Source;
use atek_api::spec::{Limits, PackageVersion};
use atek_api::version::{self, NoChoice, Range, Release};
use std::fs;
use std::sync::Arc;

impl Operations {
    /// Asks the source which release an update would install.
    ///
    /// # Errors
    ///
    /// There is no release, or the source could not be asked.
    pub async fn check_update(
        &self,
        key: &ServiceKey,
        reach: Reach,
    ) -> Result<UpdateCheck, OperationError> {
        let record = self.record(key)?;
        let (_, best) = self.best_release(&record.settings, reach).await?;
        let installed = record.settings.package.installed_version.clone();
        Ok(UpdateCheck {
            has_update: installed
                .as_deref()
                .is_none_or(|old| version::is_update(old, &best)),
            installed_version: installed.unwrap_or_else(|| "latest".to_owned()),
            latest_version: best.tag,
        })
    }

    /// The releases of the service's source, newest first, whatever its range admits.
    ///
    /// # Errors
    ///
    /// The source could not be asked.
    pub async fn versions(
        &self,
        key: &ServiceKey,
        reach: Reach,
    ) -> Result<Vec<String>, OperationError> {
        let record = self.record(key)?;
        if record.settings.package.source_type != SourceType::Git {
            return Err(OperationError::NotVersioned);
        }
        let source = candidate::parse_source(&record.settings.source_url)?;
        let mut releases = self.packages.releases(&source, reach).await?;
        releases.sort_by(|a, b| b.version.cmp(&a.version));
        Ok(releases.into_iter().map(|release| release.tag).collect())
    }

    /// Installs the best release that the service's range admits, and restarts the service
    /// if it ran. If it is not ready in time, the version before is put back. `grant`, if given,
    /// takes the place of what was granted, together with the new version; `limits` are merged
    /// into those that a person has set.
    ///
    /// # Errors
    ///
    /// The version before is installed.
    pub async fn update(
        self: &Arc<Self>,
        key: &ServiceKey,
        UpdateParams { grant, limits }: UpdateParams,
        reach: Reach,
        progress: &Reporter,
    ) -> Result<UpdateDone, OperationError> {
        self.wait_until_swept().await;
        let record = self.record(key)?;
        let lock = self.locks.take(key, &record.settings.id, "update")?;
        let (source, best) = self.best_release(&record.settings, reach).await?;
        let old = record.settings.package.installed_version.clone();
        if let Some(old) = old.filter(|old| !version::is_update(old, &best)) {
            return Ok(UpdateDone {
                installed_version: old.clone(),
                old_version: old,
            });
        }
        let wanted = Wanted::Tag { tag: best.tag };
        let found = self.fetch(&source, wanted, reach, progress).await?;
        let Candidate::Fetched { package, staged } = found else {
            return Err(OperationError::NotVersioned);
        };
        let granted = check_permissions(&record.settings, &package, grant)?;
        let limits = agreed_limits::of_update(
            &record.settings,
            &package.release.tag,
            package.manifest.as_ref(),
            limits.as_ref(),
        )?;
        let agreed = Agreed { granted, limits };
        let (package, staged) = self.packages.build(*package, staged, progress).await?;
        crash_point::reached("update.ready");
        progress.report(JobEvent::Progress {
            phase: "start".to_owned(),
            message: format!("starting {}", package.release.tag),
            percent: None,
        });
        let operations = self.clone();
        let rest = tokio::spawn(async move {
            let _lock = lock;
            operations.switch(&record, package, agreed, staged).await
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    /// The release that an update would install.
    async fn best_release(
        &self,
        settings: &ServiceSettings,
        reach: Reach,
    ) -> Result<(Source, Release), OperationError> {
        if settings.package.source_type != SourceType::Git {
            return Err(OperationError::NotVersioned);
        }
        let source = candidate::parse_source(&settings.source_url)?;
        let range = candidate::parse_range(settings.desired_version.as_deref())?;
        let releases = self.packages.releases(&source, reach).await?;
        let tags = releases.iter().map(|release| release.tag.as_str());
        let best = version::choose(tags, &range, &[]);
        let best = best.map_err(|reason| no_release(&source, &range, reason))?;
        Ok((source, best))
    }

    async fn switch(
        &self,
        record: &ServiceRecord,
        package: FetchedPackage,
        agreed: Agreed,
        staged: Staged,
    ) -> Result<UpdateDone, OperationError> {
        let ServiceRecord { key, settings: old } = record;
        let version = candidate::version_of(&package)?;
        let old_tag = old.package.installed_version.clone().unwrap_or_default();
        let new_tag = package.release.tag.clone();
        let to = new_tag.clone();
        intents::begin(self.layout.state(), key, &Update { to })?;
        let switched = async {
            // A leftover of an update that was cut off.
            self.spawn.remove_version(key, &version).await?;
            staged.commit(key, &version).await?;
            crash_point::reached("update.committed");
            let new = with_package(old, &package, agreed);
            self.try_version(key, &new).await?;
            crash_point::reached("update.tried");
            let update = self.change_settings(key, move |settings| {
                settings.package = new.package;
                settings.manifest = new.manifest;
                settings.granted = new.granted;
                settings.limits = new.limits;
            });
            update.await?;
            crash_point::reached("update.stored");
            Ok(())
        };
        match switched.await {
            Ok(()) => {
                self.supervisor.override_settings(key, None).await;
                let before = definition::installed_version(old);
                self.finish_update(key, &version, before.as_ref()).await;
                Ok(UpdateDone {
                    installed_version: new_tag,
                    old_version: old_tag,
                })
            }
            Err(error) => {
                self.roll_back(key, &version).await;
                Err(match error {
                    TryError::DoesNotRun(reason) => OperationError::RolledBack {
                        id: old.id.clone(),
                        new: new_tag,
                        old: old_tag,
                        reason,
                    },
                    TryError::Other(error) => error,
                })
            }
        }
    }

    /// Runs the new version in place of the old one, if the service is to run at all.
    async fn try_version(&self, key: &ServiceKey, new: &ServiceSettings) -> Result<(), TryError> {
        let stopped = self
            .database
            .records()
            .service(key.as_str())
            .is_none_or(|record| record.settings.stopped);
        self.supervisor
            .override_settings(key, Some(Arc::new(new.clone())))
            .await;
        if stopped || new.manifest.as_ref().is_some_and(|manifest| manifest.sleep) {
            return Ok(());
        }
        match self.supervisor.start(key, Command::Restart).await {
            Ok(()) => Ok(()),
            Err(error @ (OperationError::NotFound(_) | OperationError::ShuttingDown)) => {
                Err(error.into())
            }
            Err(OperationError::NotRunning { reason, .. }) => Err(TryError::DoesNotRun(reason)),
            Err(error) => Err(TryError::DoesNotRun(error.to_string())),
        }
    }

    /// Runs the version that the record names, and removes the other.
    pub(super) async fn roll_back(&self, key: &ServiceKey, version: &PackageVersion) {
        self.supervisor.override_settings(key, None).await;
        let wanted = self
            .database
            .records()
            .service(key.as_str())
            .is_some_and(|record| !record.settings.stopped);
        if wanted && let Err(error) = self.supervisor.start(key, Command::Restart).await {
            tracing::error!(%key, error = %DisplayChain(&error), "the old version does not run either");
        }
        match self.spawn.remove_version(key, version).await {
            Ok(()) => intents::end::<Update>(self.layout.state(), key),
            Err(error) => {
                tracing::warn!(%key, error = %DisplayChain(&error), "left a version for the next sweep");
            }
        }
    }

    /// After the record names `new`: sets the link for people, and removes all versions but two.
    pub(super) async fn finish_update(
        &self,
        key: &ServiceKey,
        new: &PackageVersion,
        old: Option<&PackageVersion>,
    ) {
        if let Err(error) = self.spawn.set_current(key, new).await {
            tracing::warn!(%key, error = %DisplayChain(&error), "cannot set the link to the version");
        }
        let folder = atek_api::spec::paths::package_versions(key);
        let versions = fs::read_dir(&folder).into_iter().flatten();
        let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let others: Vec<PackageVersion> = versions
            .filter(|version| version != new && Some(version) != old)
            .collect();
        for version in others {
            if let Err(error) = self.spawn.remove_version(key, &version).await {
                tracing::warn!(%key, %version, error = %DisplayChain(&error), "cannot remove an old version");
            }
        }
        intents::end::<Update>(self.layout.state(), key);
    }
}

/// What a person agreed to for the new version.
struct Agreed {
    granted: Permissions,
    limits: Limits,
}

/// Why the new version was not taken.
enum TryError {
    DoesNotRun(String),
    Other(OperationError),
}

impl<E: Into<OperationError>> From<E> for TryError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// The original's words.
fn no_release(source: &Source, range: &Range, reason: NoChoice) -> OperationError {
    let (code, message) = match reason {
        NoChoice::NoRelease => (
            FailureCode::NoRelease,
            format!("No release (git tag) has been set for {source}"),
        ),
        NoChoice::NoMatch => (
            FailureCode::NoMatchingRelease,
            format!(
                "No release (git tag) available for {source} which matches the desired version of {}",
                range.as_str()
            ),
        ),
        NoChoice::AllRefused => (FailureCode::Refused, reason.to_string()),
    };
    OperationError::Package(PackageError::Failed(Failure { code, message }))
}

/// What is granted to the new version. What is new in what it asks for must have been granted
/// before, or is now; what only the old one asked for is taken back.
fn check_permissions(
    settings: &ServiceSettings,
    package: &FetchedPackage,
    grant: Option<Permissions>,
) -> Result<Permissions, OperationError> {
    let asked = |manifest: Option<&Manifest>| {
        manifest.map_or_else(Permissions::default, |manifest| {
            manifest.permissions.clone()
        })
    };
    let asks = asked(package.manifest.as_ref());
    let asked_before = asked(settings.manifest.as_ref());
    let granted = grant.unwrap_or_else(|| {
        let not_needed = asked_before.new_beyond(&asks);
        let needed = settings.granted.intersection(&asks);
        settings.granted.new_beyond(&not_needed).union(&needed)
    });
    let new = asks.new_beyond(&asked_before);
    let growth = new.new_beyond(&granted);
    if growth.is_empty() {
        return Ok(granted);
    }
    Err(OperationError::AsksForMore {
        id: settings.id.clone(),
        new: package.release.tag.clone(),
        old: settings
            .package
            .installed_version
            .clone()
            .unwrap_or_default(),
        asks: Box::new(asks),
        growth: Box::new(growth),
    })
}

fn with_package(
    old: &ServiceSettings,
    package: &FetchedPackage,
    Agreed { granted, limits }: Agreed,
) -> ServiceSettings {
    ServiceSettings {
        package: PackageInfo {
            source_type: SourceType::Git,
            installed_version: Some(package.release.tag.clone()),
            title: package
                .manifest
                .as_ref()
                .and_then(|manifest| manifest.name.clone()),
            warnings: package.warnings.clone(),
        },
        manifest: package.manifest.clone(),
        granted,
        limits,
        ..old.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn network(hosts: &[&str]) -> Value {
        json!({ "network": { "hosts": hosts } })
    }

    /// What version 2 is granted, after version 1 asked for `before` and was granted `granted`.
    fn after_update(before: &Value, granted: &Value, asks: &Value) -> Option<Permissions> {
        let settings: ServiceSettings = serde_json::from_value(json!({
            "id": "rss", "owningUserKey": "u1", "sourceUrl": "https://example.org/rss",
            "package": { "sourceType": "git", "installedVersion": "v1.0.0" },
            "manifest": { "permissions": before }, "granted": granted,
        }))
        .unwrap();
        let package: FetchedPackage = serde_json::from_value(json!({
            "release": { "tag": "v2.0.0", "version": "2.0.0" },
            "commit": "0".repeat(40), "bytes": 1, "files": 1,
            "manifest": { "permissions": asks },
        }))
        .unwrap();
        check_permissions(&settings, &package, None).ok()
    }

    #[test]
    fn an_update_keeps_what_a_person_added_and_loses_what_only_the_old_version_asked_for() {
        let nothing = json!({});
        for (before, granted, asks, expected) in [
            (
                &json!({ "network": "direct" }),
                json!({ "network": "direct" }),
                &network(&["a.test"]),
                Some(network(&["a.test"])),
            ),
            (
                &nothing,
                network(&["a.test"]),
                &nothing,
                Some(network(&["a.test"])),
            ),
            (
                &network(&["a.test"]),
                network(&["a.test", "b.test"]),
                &nothing,
                Some(network(&["b.test"])),
            ),
            (
                &network(&["a.test"]),
                network(&["a.test"]),
                &network(&["a.test"]),
                Some(network(&["a.test"])),
            ),
            (
                &nothing,
                network(&["a.test"]),
                &network(&["a.test"]),
                Some(network(&["a.test"])),
            ),
            (&nothing, nothing.clone(), &network(&["a.test"]), None),
        ] {
            let got = after_update(before, &granted, asks);
            let expected = expected.map(|value| serde_json::from_value(value).unwrap());
            assert_eq!(got, expected, "{before} {granted} {asks}");
        }
    }
}
