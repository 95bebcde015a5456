//! Updating: a new version beside the running one, tried before it becomes the installed one.
//!
//! ```text
//!  ask for releases, fetch+build | intent -> commit beside -> run it -> record names it -> tidy up
//!  may be cut off anywhere       |             it does not run: run the old one, remove the new
//! ```
//!
//! The record is what decides: until it names the new version, a crash leads back to the old.

use super::definition;
use super::handle::Wish;
use super::install::{self, Ready};
use super::intent::{self, Update};
use super::{Inner, InstallError, StartError, UpdateError, fault, requests};
use crate::chain::Chain;
use crate::database::ServiceRecord;
use crate::jobs::Reporter;
use crate::packages::{PackageError, Staged};
use atek_api::ids::ServiceKey;
use atek_api::package::{self, Failure, FailureCode, FetchedPackage};
use atek_api::permission::Permissions;
use atek_api::services::{
    JobEvent, PackageInfo, ServiceSettings, SourceType, UpdateCheck, UpdateDone,
};
use atek_api::source::Source;
use atek_api::spec::PackageVersion;
use atek_api::version::{self, NoChoice, Range, Release};
use std::fs;
use std::sync::Arc;

pub(super) async fn check(inner: &Inner, key: &ServiceKey) -> Result<UpdateCheck, UpdateError> {
    let record = inner.installed(key)?;
    let (_, best) = best_release(inner, &record.settings).await?;
    let installed = record.settings.package.installed_version.clone();
    Ok(UpdateCheck {
        has_update: installed
            .as_deref()
            .is_none_or(|old| version::is_update(old, &best)),
        installed_version: installed.unwrap_or_else(|| "latest".to_owned()),
        latest_version: best.tag,
    })
}

pub(super) async fn update(
    inner: &Arc<Inner>,
    key: &ServiceKey,
    grant: Option<Permissions>,
    progress: &Reporter,
) -> Result<UpdateDone, UpdateError> {
    inner.tidy().await;
    let record = inner.installed(key)?;
    let lock = inner.locks.take(key, &record.settings.id, "update")?;
    let (source, best) = best_release(inner, &record.settings).await?;
    let old = record.settings.package.installed_version.clone();
    if old
        .as_deref()
        .is_some_and(|old| !version::is_update(old, &best))
    {
        let old = old.unwrap_or_default();
        return Ok(UpdateDone {
            installed_version: old.clone(),
            old_version: old,
        });
    }
    let wanted = package::Wanted::Tag { tag: best.tag };
    let ready = install::make_ready(inner, &source, wanted, progress).await?;
    let Ready::Built { package, staged } = ready else {
        return Err(UpdateError::NotVersioned);
    };
    let granted = check_permissions(&record.settings, &package, grant)?;
    let built = inner.packages.build(*package, staged, progress).await;
    let (package, staged) = built.map_err(InstallError::Package)?;
    fault::point("update.ready");
    progress.report(JobEvent::Progress {
        phase: "start".to_owned(),
        message: format!("starting {}", package.release.tag),
        percent: None,
    });
    let inner = inner.clone();
    let rest = tokio::spawn(async move {
        let _lock = lock;
        switch(&inner, &record, package, granted, staged).await
    });
    rest.await
        .unwrap_or(Err(UpdateError::Refused(super::ShuttingDown.into())))
}

pub(super) async fn versions(inner: &Inner, key: &ServiceKey) -> Result<Vec<String>, UpdateError> {
    let record = inner.installed(key)?;
    if record.settings.package.source_type != SourceType::Git {
        return Err(UpdateError::NotVersioned);
    }
    let source = install::parse_source(&record.settings.source_url)?;
    let releases = inner.packages.releases(&source).await;
    let mut releases = releases.map_err(InstallError::Package)?;
    releases.sort_by(|a, b| b.version.cmp(&a.version));
    Ok(releases.into_iter().map(|release| release.tag).collect())
}

/// The release that an update would install.
async fn best_release(
    inner: &Inner,
    settings: &ServiceSettings,
) -> Result<(Source, Release), UpdateError> {
    if settings.package.source_type != SourceType::Git {
        return Err(UpdateError::NotVersioned);
    }
    let source = install::parse_source(&settings.source_url)?;
    let range = install::parse_range(settings.desired_version.as_deref())?;
    let releases = inner
        .packages
        .releases(&source)
        .await
        .map_err(InstallError::Package)?;
    let tags = releases.iter().map(|release| release.tag.as_str());
    let best = version::choose(tags, &range, &[]);
    let best = best.map_err(|reason| no_release(&source, &range, reason))?;
    Ok((source, best))
}

/// The original's words.
fn no_release(source: &Source, range: &Range, reason: NoChoice) -> UpdateError {
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
    UpdateError::Package(InstallError::Package(PackageError::Failed(Failure {
        code,
        message,
    })))
}

/// What is granted to the new version. What is new in what it asks for must have been granted
/// before, or is now.
fn check_permissions(
    settings: &ServiceSettings,
    package: &FetchedPackage,
    grant: Option<Permissions>,
) -> Result<Permissions, UpdateError> {
    let asked = |manifest: Option<&atek_api::manifest::Manifest>| {
        manifest.map_or_else(Permissions::default, |manifest| {
            manifest.permissions.clone()
        })
    };
    let asks = asked(package.manifest.as_ref());
    if grant.as_ref().is_some_and(|grant| !grant.subset_of(&asks)) {
        return Err(InstallError::Grant.into());
    }
    let granted = grant.unwrap_or_else(|| settings.granted.clone());
    let new = asks.new_beyond(&asked(settings.manifest.as_ref()));
    let growth = new.new_beyond(&granted);
    if growth.is_empty() {
        return Ok(granted);
    }
    Err(UpdateError::Permissions {
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

async fn switch(
    inner: &Inner,
    record: &ServiceRecord,
    package: FetchedPackage,
    granted: Permissions,
    staged: Staged,
) -> Result<UpdateDone, UpdateError> {
    let ServiceRecord { key, settings: old } = record;
    let version = install::version_of(&package).map_err(InstallError::Spec)?;
    let old_tag = old.package.installed_version.clone().unwrap_or_default();
    let new_tag = package.release.tag.clone();
    intent::begin(
        inner.layout.state(),
        key,
        &Update {
            to: new_tag.clone(),
        },
    )?;
    let switched = async {
        // A leftover of an update that was cut off.
        inner
            .spawn
            .remove_version(key, &version)
            .await
            .map_err(InstallError::Spawn)?;
        staged
            .commit(key, &version)
            .await
            .map_err(InstallError::Spawn)?;
        fault::point("update.committed");
        let new = with_package(old, &package, granted);
        try_out(inner, key, &new).await?;
        fault::point("update.tried");
        let update = requests::change(inner, key, move |settings| {
            settings.package = new.package;
            settings.manifest = new.manifest;
            settings.granted = new.granted;
        });
        update.await?;
        fault::point("update.stored");
        Ok(())
    };
    match switched.await {
        Ok(()) => {
            let _ = inner.supervisor.trial(key, None).await;
            tidy_up(inner, key, &version, definition::installed(old).as_ref()).await;
            Ok(UpdateDone {
                installed_version: new_tag,
                old_version: old_tag,
            })
        }
        Err(error) => {
            go_back(inner, key, &version).await;
            Err(match error {
                TryError::DoesNotRun(reason) => UpdateError::RolledBack {
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

/// Why the new version was not taken.
enum TryError {
    DoesNotRun(String),
    Other(UpdateError),
}

impl<E: Into<UpdateError>> From<E> for TryError {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Runs the new version in place of the old one, if the service is to run at all.
async fn try_out(inner: &Inner, key: &ServiceKey, new: &ServiceSettings) -> Result<(), TryError> {
    let stopped = inner
        .database
        .records()
        .service(key.as_str())
        .is_none_or(|record| record.settings.stopped);
    let _ = inner
        .supervisor
        .trial(key, Some(Arc::new(new.clone())))
        .await;
    if stopped || new.manifest.as_ref().is_some_and(|manifest| manifest.sleep) {
        return Ok(());
    }
    match inner.supervisor.start(key, Wish::Restart).await {
        Ok(()) => Ok(()),
        Err(StartError::Refused(refused)) => Err(UpdateError::Refused(refused).into()),
        Err(StartError::Failed { reason, .. }) => Err(TryError::DoesNotRun(reason)),
        Err(error) => Err(TryError::DoesNotRun(error.to_string())),
    }
}

/// Runs the version that the record names, and removes the other.
pub(super) async fn go_back(inner: &Inner, key: &ServiceKey, version: &PackageVersion) {
    let _ = inner.supervisor.trial(key, None).await;
    let wanted = inner
        .database
        .records()
        .service(key.as_str())
        .is_some_and(|record| !record.settings.stopped);
    if wanted && let Err(error) = inner.supervisor.start(key, Wish::Restart).await {
        tracing::error!(%key, error = %Chain(&error), "the old version does not run either");
    }
    match inner.spawn.remove_version(key, version).await {
        Ok(()) => intent::end::<Update>(inner.layout.state(), key),
        Err(error) => {
            tracing::warn!(%key, error = %Chain(&error), "left a version for the next sweep");
        }
    }
}

/// After the record names `new`: the link for people, and no more versions than two.
pub(super) async fn tidy_up(
    inner: &Inner,
    key: &ServiceKey,
    new: &PackageVersion,
    old: Option<&PackageVersion>,
) {
    if let Err(error) = inner.spawn.set_current(key, new).await {
        tracing::warn!(%key, error = %Chain(&error), "cannot set the link to the version");
    }
    let folder = atek_api::spec::paths::package_versions(key);
    let versions = fs::read_dir(&folder).into_iter().flatten();
    let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let others: Vec<PackageVersion> = versions
        .filter(|version| version != new && Some(version) != old)
        .collect();
    for version in others {
        if let Err(error) = inner.spawn.remove_version(key, &version).await {
            tracing::warn!(%key, %version, error = %Chain(&error), "cannot remove an old version");
        }
    }
    intent::end::<Update>(inner.layout.state(), key);
}

fn with_package(
    old: &ServiceSettings,
    package: &FetchedPackage,
    granted: Permissions,
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
        ..old.clone()
    }
}
