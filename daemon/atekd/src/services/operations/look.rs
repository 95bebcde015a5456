//! Looking for releases by itself, and installing those that a person agreed to beforehand.

use super::candidate;
use super::context::Operations;
use super::update::UpdateRequest;
use crate::database::{Change, ServiceRecord};
use crate::error_chain::DisplayChain;
use crate::jobs::Reporter;
use crate::services::error::OperationError;
use crate::services::intents;
use crate::services::updates::ledger::Ledger;
use crate::services::updates::machine::Journal;
use crate::services::updates::policy::{
    self, Candidate, Decided, Known, Permit, Seconds, candidate, may_look, next_look, permit,
};
use crate::services::updates::{now_text, seconds, time_text};
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::package::Reach;
use atek_api::services::{ServiceSettings, SourceType};
use atek_api::updates::{
    AvailableUpdate, UpdateChanges, UpdateSettings, UpdateStatus, UpdateUnderWay,
};
use atek_api::version::{Range, Release};
use jiff::Timestamp;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

/// The longest pause between two looks at what is due.
const TICK: Duration = Duration::from_secs(60);
/// The longest delay of an automatic update: a year.
const DELAY_HOURS_MAX: u32 = 366 * 24;

impl Operations {
    /// Looks for releases of all services, when each is due, and installs what may be installed
    /// without a yes. Never ends.
    pub async fn follow_releases(self: &Arc<Self>) {
        let every = self.updates.every();
        if every.is_zero() {
            return std::future::pending().await;
        }
        let mut ticks = tokio::time::interval(TICK.min(every));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let records = self.database.records();
            let replaced = self.replaced_records();
            for record in records.services().chain(&replaced) {
                if record.settings.package.source_type == SourceType::Git {
                    self.look_if_due(record).await;
                }
            }
        }
    }

    async fn look_if_due(self: &Arc<Self>, record: &Arc<ServiceRecord>) {
        let (key, now) = (&record.key, Timestamp::now().as_second());
        let decided = self.decided(&record.settings);
        if !may_look(now, self.updates.metered, decided.mode) {
            return;
        }
        let look = Ledger::read(self.layout.state(), key).look;
        let last = look.at.as_deref().and_then(seconds);
        let every = Seconds::try_from(self.updates.every_seconds).unwrap_or(Seconds::MAX);
        let due = match last {
            Some(last) => next_look(last, look.failures, every, seed(key)),
            None => now,
        };
        if now >= due && self.look(record).await.is_err() {
            return;
        }
        let Some((found, Permit::Now)) = self.found(record, now) else {
            return;
        };
        tracing::info!(%key, to = found.release.tag, "installing a release by itself");
        let request = UpdateRequest {
            signer: None,
            to: Some(found.release.tag),
            reach: Reach::Internet,
            grant: None,
            limits: None,
            by: record.settings.owning_user_key.clone(),
        };
        let unheard = Reporter::unheard();
        if let Err(error) = self
            .update(key, self.reaching(record, request), &unheard)
            .await
        {
            tracing::warn!(%key, error = %DisplayChain(&error), "a release was not installed");
        }
    }

    /// What its owner could reach when it was installed: a source in the home stays one.
    fn reaching(&self, record: &ServiceRecord, request: UpdateRequest) -> UpdateRequest {
        UpdateRequest {
            reach: self.reach_of(record),
            ..request
        }
    }

    /// Which computers the source of a service may be on: any for those that an administrator or
    /// the box itself owns.
    fn reach_of(&self, record: &ServiceRecord) -> Reach {
        let owner = &record.settings.owning_user_key;
        let records = self.database.records();
        let is_admin = records
            .user(owner.as_str())
            .is_some_and(|user| !user.role.is_user());
        if owner.is_system() || is_admin {
            Reach::Anywhere
        } else {
            Reach::Internet
        }
    }

    /// Asks the source for its releases and remembers what there is.
    async fn look(&self, record: &ServiceRecord) -> Result<(), OperationError> {
        let key = &record.key;
        let releases = self
            .releases(key, &record.settings, self.reach_of(record))
            .await;
        let mut ledger = Ledger::read(self.layout.state(), key);
        let now = now_text();
        ledger.look.at = Some(now.clone());
        let looked = match releases {
            Ok((_, releases)) => {
                ledger.look.failures = 0;
                ledger.look.problem = None;
                let range = candidate::parse_range(record.settings.desired_version.as_deref())?;
                for release in &releases {
                    ledger.see(&release.tag, &now);
                }
                let found = choose(record, &ledger, &range, &releases);
                ledger.look.found = found.map(|found| found.release.tag);
                Ok(())
            }
            Err(error) => {
                ledger.look.failures = ledger.look.failures.saturating_add(1);
                ledger.look.problem = Some(error.to_string());
                Err(error)
            }
        };
        self.write_ledger(&mut ledger, key);
        looked
    }

    /// The release that the last look found, and whether it may be installed without a yes.
    fn found(&self, record: &ServiceRecord, now: Seconds) -> Option<(Candidate, Permit)> {
        let ledger = Ledger::read(self.layout.state(), &record.key);
        let release = Release::from_tag(ledger.look.found.as_deref()?)?;
        let range = candidate::parse_range(record.settings.desired_version.as_deref()).ok()?;
        let found = choose(record, &ledger, &range, &[release])?;
        let first_seen = ledger.first_seen(&found.release.tag).unwrap_or(now);
        let decided = self.decided(&record.settings);
        let permit = permit(&found, &decided, first_seen, now);
        Some((found, permit))
    }

    /// What holds for the updates of a service.
    fn decided(&self, settings: &ServiceSettings) -> Decided {
        let own = &settings.updates;
        let records = self.database.records();
        let owner = records.user(settings.owning_user_key.as_str());
        let general = owner
            .map(|user| user.settings.updates.clone())
            .unwrap_or_default();
        Decided {
            mode: own.mode.or(general.mode).unwrap_or_default(),
            delay_hours: own
                .delay_hours
                .or(general.delay_hours)
                .unwrap_or(policy::DELAY_HOURS),
            hold_until: own.hold_until.as_deref().and_then(seconds),
        }
    }

    /// The updates of one service; `look`: the source is asked first.
    ///
    /// # Errors
    ///
    /// There is no such service. A source that cannot be asked is told in the result.
    pub async fn update_status(
        &self,
        key: &ServiceKey,
        look: bool,
    ) -> Result<UpdateStatus, OperationError> {
        let record = self.updatable(key)?;
        let (key, settings) = (&record.key, &record.settings);
        if look && settings.package.source_type == SourceType::Git {
            // The problem is remembered, and told below.
            let _ = self.look(&record).await;
        }
        let now = Timestamp::now().as_second();
        let ledger = Ledger::read(self.layout.state(), key);
        let available = self.found(&record, now).map(|(found, permit)| {
            let tag = &found.release.tag;
            AvailableUpdate {
                first_seen: time_text(ledger.first_seen(tag).unwrap_or(now)),
                notes: ledger.tags.get(tag).and_then(|seen| seen.notes.clone()),
                version: tag.clone(),
                major: found.major,
                asks_for_more: found.asks_for_more,
                automatic_at: match permit {
                    Permit::Now => Some(time_text(now)),
                    Permit::At(when) => Some(time_text(when)),
                    Permit::WithAYes => None,
                },
            }
        });
        Ok(UpdateStatus {
            id: settings.id.to_string(),
            title: settings.package.title.clone(),
            installed_version: settings.package.installed_version.clone(),
            previous_version: ledger
                .version_before(settings.package.installed_version.as_deref())
                .map(ToOwned::to_owned),
            desired_version: settings.desired_version.clone(),
            under_way: intents::one::<Journal>(self.layout.state(), key).map(|journal| {
                UpdateUnderWay {
                    to: journal.to,
                    stage: journal.stage,
                }
            }),
            settings: settings.updates.clone(),
            mode: self.decided(settings).mode,
            available,
            checked_at: ledger.look.at,
            problem: ledger.look.problem,
            refused: ledger.refused,
            history: ledger.history,
            snapshots: ledger.snapshots,
            stands_in: self.stands_in_because(key),
        })
    }

    /// Stores what a person decided about the updates of a service.
    ///
    /// # Errors
    ///
    /// A value is out of range; nothing was changed.
    pub async fn set_updates(
        &self,
        key: &ServiceKey,
        changes: UpdateChanges,
    ) -> Result<UpdateSettings, OperationError> {
        let record = self.updatable(key)?;
        let updates = applied(&record.settings.updates, changes)?;
        let stored = updates.clone();
        self.change_settings(key, move |settings| settings.updates = stored)
            .await?;
        self.updates_are_new();
        Ok(updates)
    }
}

impl Operations {
    /// Stores what a user decided about the updates of all their services.
    ///
    /// # Errors
    ///
    /// A value is out of range, or there is no such user; nothing was changed.
    pub async fn set_updates_of_all(
        &self,
        user: &UserKey,
        changes: UpdateChanges,
    ) -> Result<UpdateSettings, OperationError> {
        let user = user.clone();
        let stored = self
            .database
            .update(move |records| {
                let Some(record) = records.user(user.as_str()) else {
                    return Err(OperationError::Updates("there is no such user".to_owned()));
                };
                let mut record = record.as_ref().clone();
                record.settings.updates = applied(&record.settings.updates, changes)?;
                let updates = record.settings.updates.clone();
                Ok((updates, vec![Change::PutUser(record)]))
            })
            .await?;
        self.updates_are_new();
        Ok(stored)
    }
}

/// The decisions after some changes.
pub(super) fn applied(
    old: &UpdateSettings,
    changes: UpdateChanges,
) -> Result<UpdateSettings, OperationError> {
    let mut new = old.clone();
    new.mode = changes.mode.unwrap_or(new.mode);
    new.delay_hours = changes.delay_hours.unwrap_or(new.delay_hours);
    if let Some(hours) = new.delay_hours.filter(|hours| *hours > DELAY_HOURS_MAX) {
        return Err(OperationError::Updates(format!(
            "{hours} hours are too long to wait for a release: at most {DELAY_HOURS_MAX}"
        )));
    }
    if let Some(until) = changes.hold_until {
        new.hold_until = until.as_deref().map(checked_time).transpose()?;
    }
    Ok(new)
}

fn checked_time(text: &str) -> Result<String, OperationError> {
    let time = seconds(text).ok_or_else(|| {
        let text: String = text.chars().take(60).collect();
        OperationError::Updates(format!(
            "{text:?} is not a time such as 2026-12-24T18:00:00Z"
        ))
    });
    time.map(time_text)
}

fn choose(
    record: &ServiceRecord,
    ledger: &Ledger,
    range: &Range,
    releases: &[Release],
) -> Option<Candidate> {
    let installed = record.settings.package.installed_version.as_deref();
    let refused = ledger.refused_tags();
    candidate(&Known {
        installed: installed.unwrap_or_default(),
        releases,
        range,
        refused: &refused,
        asks_for_more: ledger.asks_for_more.as_deref(),
    })
}

/// A number of the service's own.
fn seed(key: &ServiceKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.as_str().hash(&mut hasher);
    hasher.finish()
}
