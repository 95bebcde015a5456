//! `atek.cloud/services-api`: shapes.

use crate::grants::GrantNote;
use crate::ids::{ServiceId, ServiceKey, UserKey};
use crate::manifest::Manifest;
use crate::package::{FetchedPackage, SourceToken, Warning};
use crate::permission::{Permission, Permissions};
use crate::secret::Secret;
use crate::signer::Signer;
use crate::spec::{Limits, sanitize_title};
use crate::updates::UpdateSettings;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The API's id.
///
/// As a permission of an app (`hostApis`): to see, start, stop, restart and update its owner's
/// apps. Without it an app sees itself only.
pub const API: &str = "atek.cloud/services-api";
/// A permission of an app: to read the logs of its owner's other apps.
pub const GRANT_LOGS: &str = "atek.cloud/services-api/logs";
/// A permission of an app: to read and change the configuration of its owner's apps.
pub const GRANT_CONFIGURE: &str = "atek.cloud/services-api/configure";
/// A permission of an app: to install apps for its owner, without permissions, and to uninstall.
pub const GRANT_INSTALL: &str = "atek.cloud/services-api/install";

/// Whether a service answers, as the original tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It listens on its socket.
    Active,
    /// It does not.
    Inactive,
}

/// Where a service is in its life, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not wanted to run, or stopped by an administrator.
    Stopped,
    /// Its unit is starting, or runs and does not listen yet.
    Starting,
    /// It listens on its socket.
    Running,
    /// It failed and systemd will start it again.
    Restarting,
    /// It failed and will not be started again by itself.
    Failed,
    /// Not running, will be started by the first call.
    Sleeping,
    /// Cannot run on this host; the reason says why.
    Unavailable,
}

/// What kind of place a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum SourceType {
    /// A folder of this machine, run in place.
    File,
    /// A git repository.
    Git,
}

/// The installed package of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PackageInfo {
    /// Where it came from.
    pub source_type: SourceType,
    /// The git tag that is installed, literally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed_version: Option<String>,
    /// The manifest's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who signed the installed release. Updates must be signed with the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// What was unusual about the package when it was installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A service's record in the server database (`atek.cloud/service/KEY`).
///
/// The first six fields are the original's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ServiceSettings {
    /// Subdomain and unit name.
    pub id: ServiceId,
    /// `system` for what belongs to everybody.
    pub owning_user_key: UserKey,
    /// As given at install.
    pub source_url: String,
    /// A semver range; none means the newest release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_version: Option<String>,
    /// What is installed.
    pub package: PackageInfo,
    /// The package's manifest, as read at install or update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    /// Environment of the process; keys are upper-cased. None for core services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "Record<string, string>", optional))]
    pub config: Option<BTreeMap<String, String>>,
    /// What the installer granted, of what the manifest asks for.
    #[serde(default, skip_serializing_if = "Permissions::is_empty")]
    pub granted: Permissions,
    /// Who granted each permission of [`ServiceSettings::granted`], by its id; without those that
    /// were granted before this was written down.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grant_notes: BTreeMap<String, GrantNote>,
    /// What was stored as granted and never asked for, by the id of the permission: not in force
    /// until a person agrees to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Permission>,
    /// Differences from the default limits.
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// What a person decided about its updates.
    #[serde(default, skip_serializing_if = "UpdateSettings::is_default")]
    pub updates: UpdateSettings,
    /// Stopped by a person, and to stay so over a reboot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// The port of the box at which the app can be opened without a name; none for core
    /// services, and while every port of the configured range is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl ServiceSettings {
    /// Its name for people: the manifest's, made safe to show, or its id.
    #[must_use]
    pub fn title(&self) -> String {
        let name = self.manifest.as_ref();
        let name = name.and_then(|manifest| manifest.name.as_deref());
        match sanitize_title(name.unwrap_or_default()) {
            empty if empty.is_empty() => self.id.to_string(),
            title => title,
        }
    }

    /// Takes out of force what a record from before decision 0074 grants beyond the manifest. It
    /// had no effect then, and it was not asked about; what a person granted since has a note.
    pub fn set_aside_unasked(&mut self) {
        let asked = self.manifest.as_ref().map(|manifest| &manifest.permissions);
        let granted = self.granted.items();
        let noted = |item: &Permission| self.grant_notes.contains_key(&item.to_string());
        let mut kept =
            asked.map_or_else(Vec::new, |asked| self.granted.intersection(asked).items());
        kept.extend(granted.iter().filter(|item| noted(item)).cloned());
        let unasked: Vec<Permission> = granted
            .into_iter()
            .filter(|item| !kept.contains(item) && !self.unasked.contains(item))
            .collect();
        if !unasked.is_empty() {
            self.granted = Permissions::from_items(kept);
            self.unasked.extend(unasked);
        }
    }

    /// Writes down who granted what is granted and was not before.
    pub fn note_grants(&mut self, by: &UserKey, at: &str) {
        let ids: Vec<String> = self
            .granted
            .items()
            .iter()
            .map(ToString::to_string)
            .collect();
        self.grant_notes.retain(|id, _| ids.contains(id));
        for id in ids {
            self.grant_notes.entry(id).or_insert_with(|| GrantNote {
                by: by.clone(),
                at: at.to_owned(),
            });
        }
    }
}

/// Where a person opens a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Addresses {
    /// What stands before the box's domain, e.g. `rss` of `rss.atek.local`.
    pub subdomain: String,
    /// The port that answers as the service's own site, on every address and name of the box.
    pub port: Option<u16>,
    /// The names that the box answers for on the local network, without a name server.
    pub mdns: Vec<String>,
    /// What is wrong with these addresses, in words for a person.
    pub problem: Option<String>,
}

/// A service, as `list` and `get` show one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ServiceInfo {
    /// See [`Status`].
    pub status: Status,
    /// See [`State`].
    pub state: State,
    /// Why, in words for a person, where there is something to say.
    pub reason: Option<String>,
    /// The service's key.
    pub key: ServiceKey,
    /// The owner's user name.
    pub owner: Option<String>,
    /// See [`Addresses`].
    #[serde(default)]
    pub addresses: Addresses,
    /// What the configuration puts in the place of this core service, whether or not that runs.
    #[serde(
        default,
        rename = "configuredSource",
        skip_serializing_if = "Option::is_none"
    )]
    pub configured_source: Option<String>,
    /// The record.
    pub settings: ServiceSettings,
}

/// A service under the magnifying glass, as `status` shows one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its id.
    pub id: ServiceId,
    /// Its key.
    pub key: ServiceKey,
    /// The name of its systemd unit.
    pub unit: String,
    /// See [`State`].
    pub state: State,
    /// Why, in words for a person.
    pub reason: Option<String>,
    /// RFC 3339: when the unit entered its state.
    pub since: Option<String>,
    /// Main process.
    pub pid: Option<u32>,
    /// Memory of the whole unit, in bytes, where the kernel accounts it.
    pub memory_bytes: Option<u64>,
    /// CPU time of the whole unit since its start, in microseconds.
    pub cpu_usec: Option<u64>,
    /// Automatic restarts since the last start by hand.
    pub restarts: u32,
    /// How the process ended last, e.g. `exit code 1`, `signal SIGKILL`, `oom-kill`.
    pub last_exit: Option<String>,
    /// The limits in force.
    pub limits: Limits,
    /// The installed tag.
    pub version: Option<String>,
}

/// Parameters of `install`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct InstallParams {
    /// A URL of [`crate::source::Source`].
    pub source_url: String,
    /// The id; derived from the source when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A semver range; none means the newest release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_version: Option<String>,
    /// The owner's user name, when an administrator installs for another user; `system` for all
    /// users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Environment of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "Record<string, string>", optional))]
    pub config: Option<BTreeMap<String, String>>,
    /// What to grant; none grants nothing beyond the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Permissions>,
    /// The limits, such as [`Inspection::limits`]; none leaves the default, whatever the manifest
    /// asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Retained data of an app that was uninstalled, by its key: the new one takes it over, and
    /// with it the key. The owner of both must be the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt_data: Option<ServiceKey>,
    /// Start without the data that an earlier install of this source left.
    ///
    /// When there is such data ([`Inspection::retained_data`]), an install must say
    /// [`InstallParams::adopt_data`] or this; otherwise it is refused with the code
    /// `retained-data`, so that data is never left behind without a question.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// What `inspect` showed: exactly this is installed, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspected: Option<Inspected>,
    /// The access token of a private repository. It is kept for updates, and never shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_token: Option<SourceToken>,
    /// Ignored: the original once gave services a TCP port.
    #[serde(default, skip_serializing)]
    #[cfg_attr(test, ts(skip))]
    pub port: Option<Value>,
}

/// Result of `inspect`: a package that is not installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The id that it would get.
    pub id: ServiceId,
    /// The tag that would be installed; none for a folder.
    pub version: Option<String>,
    /// Its commit; none for a folder.
    pub commit: Option<String>,
    /// Who signed it, where it has a signature that is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// Its manifest, if it has one.
    pub manifest: Option<Manifest>,
    /// What it asks for beyond the default.
    #[serde(default)]
    pub asks: Permissions,
    /// The same in sentences; each completes "this app may".
    #[serde(default)]
    pub asks_in_words: Vec<String>,
    /// The limits that it asks for and that are above the default: they hold only if an install
    /// passes them as [`InstallParams::limits`].
    #[serde(default)]
    pub limits: Limits,
    /// The same in sentences; each completes "this app may".
    #[serde(default)]
    pub limits_in_words: Vec<String>,
    /// The commands that run in its build after consent, such as `npm ci`.
    #[serde(default)]
    pub build: Vec<String>,
    /// What is unusual about it.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Data that an uninstalled app of the same source left to the person who asks, newest
    /// first; [`InstallParams::adopt_data`] takes one over.
    #[serde(default)]
    pub retained_data: Vec<KeptData>,
}

/// A release that `inspect` showed to a person. A tag alone is no promise: it can be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inspected {
    /// The tag.
    pub version: String,
    /// The commit, as [`FetchedPackage::commit`].
    pub commit: String,
}

impl Inspected {
    /// Whether this is the package that was shown.
    #[must_use]
    pub fn is(&self, package: &FetchedPackage) -> bool {
        self.version == package.release.tag && self.commit == package.commit
    }
}

/// Options of `startUpdate` and `updatePackage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateParams {
    /// What the new version may do, in place of what was granted before; none leaves that.
    /// A refusal for growth names in its data what to grant: `asks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Permissions>,
    /// Limits for the new version, merged into those that a person set before. A refusal for
    /// higher limits names them in its data: `limits`. An object without members leaves the
    /// limits as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The fingerprint of another key that the new version may be signed with; it takes the place
    /// of the pinned one. A refusal names it in its data: `signer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Exactly this tag, also an older one or one that was refused before; none: the newest that
    /// the range admits and that was not refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Options of `uninstall`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UninstallParams {
    /// The app's files and databases stay, for an app that adopts them or until `removeKept`.
    #[serde(default)]
    pub keep_data: bool,
}

/// What is kept of an uninstalled app, as `keptData` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct KeptData {
    /// Names it to `removeKept` and `install`.
    pub key: ServiceKey,
    /// The id that the app had.
    pub id: ServiceId,
    /// What it was called.
    pub title: Option<String>,
    /// Whose data it is: a user name.
    pub owner: Option<String>,
    /// Where the package came from.
    pub source_url: String,
    /// The tag that was installed last.
    pub version: Option<String>,
    /// RFC 3339: when the app was uninstalled.
    pub kept_at: String,
}

/// Parameters of `configure`: what is missing stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConfigureParams {
    /// A new id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A new source, for the next update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// A new range; the empty text unpins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_version: Option<String>,
    /// Merged into the environment; `null` removes a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "Record<string, string | null>", optional))]
    pub config: Option<BTreeMap<String, Option<String>>>,
    /// New limits, merged; `null`, as 0, is the default again.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "limit_changes"
    )]
    #[cfg_attr(test, ts(type = "{ [name in keyof Limits]: number | null }", optional))]
    pub limits: Option<Limits>,
    /// New grants, replacing the old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Permissions>,
    /// The access token of a private repository, in place of the one that is kept; the empty text
    /// forgets it. Another source forgets it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_token: Option<Secret>,
    /// Ignored, as in [`InstallParams`].
    #[serde(default, skip_serializing)]
    #[cfg_attr(test, ts(skip))]
    pub port: Option<Value>,
}

/// Reads limits whose `null` says what a 0 does: a missing one is what is not changed.
fn limit_changes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Limits>, D::Error> {
    let changes: Option<Map<String, Value>> = Option::deserialize(from)?;
    let zeroed = |(name, value): (String, Value)| match value {
        Value::Null => (name, Value::from(0)),
        value => (name, value),
    };
    let limits = changes.map(|changes| changes.into_iter().map(zeroed).collect());
    let limits = limits.map(|limits| Limits::deserialize(Value::Object(limits)));
    limits.transpose().map_err(D::Error::custom)
}

/// Result of `checkForPackageUpdates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UpdateCheck {
    /// Whether `latest_version` is newer than what is installed.
    pub has_update: bool,
    /// The installed tag, `latest` if unknown.
    pub installed_version: String,
    /// The best tag that the pinned range admits.
    pub latest_version: String,
}

/// Result of `updatePackage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateDone {
    /// The tag that runs now.
    pub installed_version: String,
    /// The tag before.
    pub old_version: String,
}

/// Options of `logs` and of `GET /_atek/logs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LogOptions {
    /// RFC 3339, or a number of seconds back from now with `-`, e.g. `-3600`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The least important level to show: `emerg`, `alert`, `crit`, `err`, `warning`, `notice`,
    /// `info`, `debug`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// How many of the newest lines at most; 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// Continue after this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// One line of a service's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LogEntry {
    /// RFC 3339 with microseconds.
    pub time: String,
    /// A name of [`LogOptions::level`].
    pub level: String,
    /// Control characters removed.
    pub message: String,
    /// The journal's cursor.
    pub cursor: String,
}

/// Result of `logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// Oldest first.
    pub entries: Vec<LogEntry>,
    /// Where to continue.
    pub cursor: Option<String>,
}

/// A line of `GET /_atek/jobs/JOB`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum JobEvent {
    /// Something moved.
    Progress {
        /// `resolve`, `fetch`, `checkout`, `install`, `build`, `start`.
        phase: String,
        /// For a person.
        message: String,
        /// 0 to 100, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
    },
    /// The last line of a job that succeeded.
    Done {
        /// What the blocking method returns.
        #[cfg_attr(test, ts(type = "unknown"))]
        result: Value,
    },
    /// The last line of a job that failed.
    Failed {
        /// What the blocking method answers.
        error: crate::jsonrpc::RpcError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_and_never_asked_for_is_set_aside_once() {
        let note = serde_json::json!({ "by": "ann", "at": "2026-11-28T20:00:00Z" });
        for (asked, granted, noted, kept, unasked) in [
            ("{}", "{}", "", "{}", ""),
            (
                r#"{"network":"direct"}"#,
                r#"{"network":"direct"}"#,
                "",
                r#"{"network":"direct"}"#,
                "",
            ),
            (
                r#"{"network":"direct"}"#,
                r#"{"network":{"direct":{"lan":true}}}"#,
                "",
                r#"{"network":"direct"}"#,
                "lan",
            ),
            ("{}", r#"{"network":"direct"}"#, "", "{}", "direct"),
            (
                "{}",
                r#"{"network":"direct"}"#,
                "direct",
                r#"{"network":"direct"}"#,
                "",
            ),
            (
                r#"{"network":{"hosts":["x.a.org"]}}"#,
                r#"{"network":{"hosts":["*.a.org"]}}"#,
                "",
                r#"{"network":{"hosts":["x.a.org"]}}"#,
                "host:*.a.org",
            ),
            (
                r#"{"network":{"hosts":["x.a.org"]}}"#,
                r#"{"network":"direct"}"#,
                "",
                r#"{"network":{"hosts":["x.a.org"]}}"#,
                "direct",
            ),
        ] {
            let read = |text: &str| -> Permissions { serde_json::from_str(text).unwrap() };
            let mut settings: ServiceSettings = serde_json::from_value(serde_json::json!({
                "id": "app", "owningUserKey": "ann", "sourceUrl": "file:///app",
                "package": { "sourceType": "file" },
                "manifest": { "permissions": read(asked) },
                "granted": read(granted),
            }))
            .unwrap();
            if !noted.is_empty() {
                let note = serde_json::from_value(note.clone()).unwrap();
                settings.grant_notes.insert(noted.to_owned(), note);
            }
            settings.set_aside_unasked();
            let once = settings.clone();
            settings.set_aside_unasked();
            assert_eq!(settings, once, "{asked} {granted}");
            assert_eq!(settings.granted, read(kept), "{asked} {granted}");
            let ids: Vec<String> = settings.unasked.iter().map(ToString::to_string).collect();
            assert_eq!(ids.join(","), unasked, "{asked} {granted}");
        }
    }
}
