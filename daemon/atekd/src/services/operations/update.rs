//! Updating: choosing a release, fetching, consent, building. What follows is a trial
//! ([`super::trial`]); the stages of both are drawn in `services/updates/machine.rs`.

use super::agreed_limits;
use super::candidate::{self, Candidate};
use super::context::Operations;
use super::trial::{Origin, Trial};
use crate::database::ServiceRecord;
use crate::jobs::Reporter;
use crate::packages::{PackageError, Staged};
use crate::services::crash_point;
use crate::services::error::OperationError;
use crate::services::source_tokens;
use crate::services::updates::ledger::{Fetched, Ledger, TagChange};
use crate::services::updates::now_text;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::manifest::Manifest;
use atek_api::package::{Access, Failure, FailureCode, FetchedPackage, Reach, Wanted, WarningCode};
use atek_api::permission::Permissions;
use atek_api::services::{
    JobEvent, PackageInfo, ServiceSettings, SourceType, UpdateCheck, UpdateDone,
};
use atek_api::signer::{Signer, SignerChange};
use atek_api::source::Source;
use atek_api::spec::Limits;
use atek_api::updates::{UpdateEntry, UpdateOutcome, UpdatePlan};
use atek_api::version::{self, NoChoice, Release};
use semver::Version;
use std::sync::Arc;

/// The longest message of a tag that is kept, in characters.
const NOTES_CHARS: usize = 4000;

/// What a person asks of an update.
#[derive(Debug, Clone)]
pub struct UpdateRequest {
    /// Takes the place of what was granted, together with the new version.
    pub grant: Option<Permissions>,
    /// Limits for the new version, merged into those that a person has set.
    pub limits: Option<Limits>,
    /// The fingerprint of another key that the new version may be signed with.
    pub signer: Option<String>,
    /// Exactly this tag; none: the newest that the range admits and that was not refused.
    pub to: Option<String>,
    /// Which computers the source may be on.
    pub reach: Reach,
    /// In whose name the update is made.
    pub by: UserKey,
}

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
        let record = self.updatable(key)?;
        let (_, best) = self
            .best_release(&record.key, &record.settings, reach)
            .await?;
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
        let record = self.updatable(key)?;
        let (_, releases) = self.releases(key, &record.settings, reach).await?;
        Ok(releases.into_iter().map(|release| release.tag).collect())
    }

    /// Installs a release and tries it. If it does not work, the version and the data before it
    /// are put back, and the release is refused from then on.
    ///
    /// # Errors
    ///
    /// The version before is installed.
    pub async fn update(
        self: &Arc<Self>,
        key: &ServiceKey,
        request: UpdateRequest,
        progress: &Reporter,
    ) -> Result<UpdateDone, OperationError> {
        self.wait_until_swept().await;
        let record = self.updatable(key)?;
        let lock = self
            .locks
            .take(&record.key, &record.settings.id, "update")?;
        if let Some((place, _)) = self.replaced_place(key)
            && !place.is_replaced()
        {
            let (operations, key, progress) = (self.clone(), key.clone(), progress.clone());
            // From here on it is finished or undone even if the caller goes away.
            let rest = tokio::spawn(async move {
                let _lock = lock;
                operations.try_replacement(&key, &request, &progress).await
            });
            return rest.await.unwrap_or(Err(OperationError::ShuttingDown));
        }
        let (source, best) = self.wanted_release(&record, &request).await?;
        let old = record.settings.package.installed_version.clone();
        let is_update = |old: &str| match request.to {
            Some(_) => old != best.tag,
            None => version::is_update(old, &best),
        };
        if let Some(old) = old.clone().filter(|old| !is_update(old)) {
            return Ok(UpdateDone {
                installed_version: old.clone(),
                old_version: old,
            });
        }
        let prepared = self
            .prepare(&record, &source, &best, &request, progress)
            .await;
        let (package, agreed, staged) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.note_unprepared(&record, &best.tag, &error);
                return Err(error);
            }
        };
        crash_point::reached("update.ready");
        progress.report(JobEvent::Progress {
            phase: "start".to_owned(),
            message: format!("starting {}", package.release.tag),
            percent: None,
        });
        let trial = Trial {
            version: candidate::version_of(&package)?,
            from: old.unwrap_or_default(),
            to: package.release.tag.clone(),
            new: ServiceSettings {
                granted: agreed.granted,
                limits: agreed.limits,
                ..with_package(&record.settings, &package)
            },
            record,
            origin: Origin::Staged(staged),
            outcome: UpdateOutcome::Updated,
            by: request.by.clone(),
        };
        let (operations, progress) = (self.clone(), progress.clone());
        // From here on it is finished or undone even if the caller goes away.
        let rest = tokio::spawn(async move {
            let _lock = lock;
            operations.try_out(trial, &progress).await
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    /// What an update would install. Fetches it, and runs nothing.
    ///
    /// # Errors
    ///
    /// There is no such release, or it cannot be fetched.
    pub async fn plan_update(
        &self,
        key: &ServiceKey,
        request: &UpdateRequest,
    ) -> Result<UpdatePlan, OperationError> {
        self.wait_until_swept().await;
        let record = self.updatable(key)?;
        let (source, best) = self.wanted_release(&record, request).await?;
        let wanted = Wanted::Tag { tag: best.tag };
        let unheard = Reporter::unheard();
        let access = self.access(key, &source, request.reach);
        let found = self.fetch(&source, wanted, access, &unheard).await?;
        let Candidate::Fetched { package, .. } = &found else {
            return Err(OperationError::NotVersioned);
        };
        if let Err(error) = self.hold_to_its_tag(&record, package, request) {
            let mut ledger = Ledger::read(self.layout.state(), &record.key);
            if is_final(&error) {
                ledger.refuse(&package.release.tag, &error.to_string(), &now_text());
                self.write_ledger(&mut ledger, &record.key);
            }
            return Err(error);
        }
        let asks = found.asks();
        Ok(UpdatePlan {
            from: record
                .settings
                .package
                .installed_version
                .clone()
                .unwrap_or_default(),
            to: package.release.tag.clone(),
            commit: package.commit.clone(),
            notes: package.notes.clone(),
            signer: package.signer.clone(),
            build: package.build.clone(),
            asks_for_more: asks.new_beyond(&record.settings.granted).describe(),
            asks,
        })
    }

    /// Fetches, checks and builds a release.
    async fn prepare(
        &self,
        record: &ServiceRecord,
        source: &Source,
        release: &Release,
        request: &UpdateRequest,
        progress: &Reporter,
    ) -> Result<(FetchedPackage, Agreed, Staged), OperationError> {
        let found = self
            .fetch_release(record, source, release, request, progress)
            .await?;
        let Candidate::Fetched { package, staged } = found else {
            return Err(OperationError::NotVersioned);
        };
        let granted = check_permissions(&record.settings, &package, request.grant.clone())?;
        let limits = agreed_limits::of_update(
            &record.settings,
            &package.release.tag,
            package.manifest.as_ref(),
            request.limits.as_ref(),
        )?;
        let agreed = Agreed { granted, limits };
        let (package, staged) = self.packages.build(*package, staged, progress).await?;
        Ok((package, agreed, staged))
    }

    /// Fetches a release and holds it to what is known of it: its commit, its signer.
    pub(super) async fn fetch_release(
        &self,
        record: &ServiceRecord,
        source: &Source,
        release: &Release,
        request: &UpdateRequest,
        progress: &Reporter,
    ) -> Result<Candidate, OperationError> {
        let wanted = Wanted::Tag {
            tag: release.tag.clone(),
        };
        let access = self.access(&record.key, source, request.reach);
        let found = self.fetch(source, wanted, access, progress).await?;
        if let Candidate::Fetched { package, .. } = &found {
            self.hold_to_its_tag(record, package, request)?;
        }
        Ok(found)
    }

    /// Holds a release to what its tag named before, and to the signer of the installed one.
    fn hold_to_its_tag(
        &self,
        record: &ServiceRecord,
        package: &FetchedPackage,
        request: &UpdateRequest,
    ) -> Result<(), OperationError> {
        let accepted = request.signer.as_deref();
        self.see_tag(&record.key, &record.settings.id, package, accepted)?;
        check_signer(&record.settings, package, accepted)
    }

    /// Holds a tag to what it named before, and remembers its signer and message.
    pub(super) fn see_tag(
        &self,
        key: &ServiceKey,
        id: &ServiceId,
        package: &FetchedPackage,
        accepted: Option<&str>,
    ) -> Result<(), OperationError> {
        let (state, tag) = (self.layout.state(), &package.release.tag);
        let mut ledger = Ledger::read(state, key);
        let found = Fetched {
            commit: &package.commit,
            signer: package.signer.as_ref(),
            accepted,
        };
        let seen = ledger.see_fetched(tag, found, &now_text());
        let seen = seen.map_err(|change| changed_tag(id, tag, change))?;
        let notes = package.notes.as_deref().unwrap_or_default();
        seen.notes = Some(notes.chars().take(NOTES_CHARS).collect());
        Ok(ledger.write(state, key)?)
    }

    /// Remembers a release that could not be installed. It is refused, unless trying again later
    /// may help, or a person only has to agree to it.
    pub(super) fn note_unprepared(
        &self,
        record: &ServiceRecord,
        tag: &str,
        error: &OperationError,
    ) {
        let mut ledger = Ledger::read(self.layout.state(), &record.key);
        let now = now_text();
        let reason = error.to_string();
        match error {
            OperationError::AsksForMore { .. } | OperationError::AsksForHigherLimits { .. } => {
                ledger.asks_for_more = Some(tag.to_owned());
            }
            error if is_final(error) => ledger.refuse(tag, &reason, &now),
            _ => {}
        }
        ledger.note(UpdateEntry {
            at: now,
            from: record
                .settings
                .package
                .installed_version
                .clone()
                .unwrap_or_default(),
            to: tag.to_owned(),
            outcome: UpdateOutcome::Failed,
            reason: Some(reason),
            log: Vec::new(),
            down_ms: None,
        });
        self.write_ledger(&mut ledger, &record.key);
    }

    /// Remembers what can be remembered: an update is not undone because a note cannot be written.
    pub(super) fn write_ledger(&self, ledger: &mut Ledger, key: &ServiceKey) {
        if let Err(error) = ledger.write(self.layout.state(), key) {
            let error = crate::error_chain::DisplayChain(&error);
            tracing::error!(%key, %error, "cannot remember how an update ended");
        }
        self.updates_are_new();
    }

    /// How the source of a service is reached, with the token that is kept for it.
    fn access(&self, key: &ServiceKey, source: &Source, reach: Reach) -> Access {
        Access {
            token: source_tokens::read(self.layout.state(), key, source),
            ..Access::to(reach)
        }
    }

    /// The releases of a source, newest first.
    pub(super) async fn releases(
        &self,
        key: &ServiceKey,
        settings: &ServiceSettings,
        reach: Reach,
    ) -> Result<(Source, Vec<Release>), OperationError> {
        if settings.package.source_type != SourceType::Git {
            return Err(OperationError::NotVersioned);
        }
        let source = candidate::parse_source(&settings.source_url)?;
        let mut releases = self
            .packages
            .releases(
                &self.located(&source).await?,
                self.access(key, &source, reach),
            )
            .await?;
        releases.sort_by(|a, b| b.version.cmp(&a.version));
        Ok((source, releases))
    }

    /// The release that a person named, or the best one.
    pub(super) async fn wanted_release(
        &self,
        record: &ServiceRecord,
        request: &UpdateRequest,
    ) -> Result<(Source, Release), OperationError> {
        let settings = &record.settings;
        let Some(to) = &request.to else {
            return self
                .best_release(&record.key, settings, request.reach)
                .await;
        };
        let (source, releases) = self.releases(&record.key, settings, request.reach).await?;
        let named = releases
            .into_iter()
            .find(|release| release.tag == *to || release.version.to_string() == *to);
        match named {
            Some(release) => Ok((source, release)),
            None => Err(no_release(&source, to, NoChoice::NoMatch)),
        }
    }

    /// The release that an update would install.
    async fn best_release(
        &self,
        key: &ServiceKey,
        settings: &ServiceSettings,
        reach: Reach,
    ) -> Result<(Source, Release), OperationError> {
        let (source, releases) = self.releases(key, settings, reach).await?;
        let range = candidate::parse_range(settings.desired_version.as_deref())?;
        let refused = Ledger::read(self.layout.state(), key).refused_tags();
        let refused: Vec<Version> = refused
            .iter()
            .filter_map(|tag| Some(Release::from_tag(tag)?.version))
            .collect();
        let tags = releases.iter().map(|release| release.tag.as_str());
        let best = version::choose(tags, &range, &refused);
        let best = best.map_err(|reason| no_release(&source, range.as_str(), reason))?;
        Ok((source, best))
    }
}

/// What a person agreed to for the new version.
struct Agreed {
    granted: Permissions,
    limits: Limits,
}

/// Whether trying the release again later does not help.
fn is_final(error: &OperationError) -> bool {
    match error {
        OperationError::TagMoved { .. }
        | OperationError::TagUnsigned { .. }
        | OperationError::TagResigned { .. }
        | OperationError::NotSigned { .. }
        | OperationError::OtherSigner { .. } => true,
        OperationError::Package(PackageError::Failed(failure)) => !failure.code.is_temporary(),
        _ => false,
    }
}

fn changed_tag(id: &ServiceId, tag: &str, change: TagChange) -> OperationError {
    let tag = tag.to_owned();
    match change {
        TagChange::Moved { then, now } => OperationError::TagMoved {
            tag,
            then: candidate::abbreviated(&then),
            now: candidate::abbreviated(&now),
        },
        TagChange::Unsigned { then } => OperationError::TagUnsigned {
            tag,
            then: then.to_string(),
        },
        TagChange::Resigned { then, now } => OperationError::TagResigned {
            id: id.clone(),
            tag,
            then: then.to_string(),
            signer: Box::new(now),
        },
    }
}

/// The original's words.
fn no_release(source: &Source, range: &str, reason: NoChoice) -> OperationError {
    let (code, message) = match reason {
        NoChoice::NoRelease => (
            FailureCode::NoRelease,
            format!("No release (git tag) has been set for {source}"),
        ),
        NoChoice::NoMatch => (
            FailureCode::NoMatchingRelease,
            format!(
                "No release (git tag) available for {source} which matches the desired version of {range}"
            ),
        ),
        NoChoice::AllRefused => (FailureCode::Refused, reason.to_string()),
    };
    OperationError::Package(PackageError::Failed(Failure { code, message }))
}

/// Holds the new version to the signer of the installed one. `accepted`: the fingerprint of the key
/// that a person agreed to in its place.
fn check_signer(
    settings: &ServiceSettings,
    package: &FetchedPackage,
    accepted: Option<&str>,
) -> Result<(), OperationError> {
    let pinned = settings.package.signer.as_ref();
    let not_signed = |how: &str| OperationError::NotSigned {
        id: settings.id.clone(),
        new: package.release.tag.clone(),
        how: how.to_owned(),
    };
    match Signer::check(pinned, package.signer.as_ref()) {
        Ok(()) => Ok(()),
        Err(SignerChange::Missing) => {
            let mut warnings = package.warnings.iter();
            let unproven = warnings.find(|warning| warning.code == WarningCode::Signature);
            let how = unproven.map_or("it is not signed", |warning| warning.message.as_str());
            Err(not_signed(how))
        }
        Err(SignerChange::Weaker) => Err(not_signed("its commit is signed, and its tag is not")),
        Err(SignerChange::Other(signer)) if accepted == Some(&signer.fingerprint) => Ok(()),
        Err(SignerChange::Other(signer)) => Err(OperationError::OtherSigner {
            id: settings.id.clone(),
            new: package.release.tag.clone(),
            pinned: pinned.map(ToString::to_string).unwrap_or_default(),
            signer: Box::new(signer),
        }),
    }
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

/// The record with this package.
pub(super) fn with_package(old: &ServiceSettings, package: &FetchedPackage) -> ServiceSettings {
    ServiceSettings {
        package: PackageInfo {
            source_type: SourceType::Git,
            installed_version: Some(package.release.tag.clone()),
            title: package
                .manifest
                .as_ref()
                .and_then(|manifest| manifest.name.clone()),
            signer: package.signer.clone(),
            warnings: package.warnings.clone(),
        },
        manifest: package.manifest.clone(),
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
