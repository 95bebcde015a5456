//! Updates of a service: what a person decides about them, and what is told of them.

use crate::permission::Permissions;
use crate::signer::Signer;
use crate::spec::SnapshotName;
use serde::{Deserialize, Deserializer, Serialize};

/// What happens when there is a new release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum UpdateMode {
    /// It is shown, and installed after a yes.
    #[default]
    Ask,
    /// It is installed by itself after [`UpdateSettings::delay_hours`], unless it asks for more
    /// permissions or has another major version: those need a yes.
    Automatic,
    /// Nothing is looked for. A person may still ask for it.
    Never,
}

/// What a person decided about the updates of one service, or of all that they own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct UpdateSettings {
    /// None: what the owner decided for all services, otherwise [`UpdateMode::Ask`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<UpdateMode>,
    /// Hours after a tag was first seen in which it is not installed by itself; a bad release is
    /// often replaced within a day. None: 24.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_hours: Option<u32>,
    /// RFC 3339: until then nothing is installed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<String>,
}

impl UpdateSettings {
    /// Whether nothing was decided.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How an update ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum UpdateOutcome {
    /// The new version runs.
    Updated,
    /// The new version did not work: the version and the data before it are back.
    RolledBack,
    /// The release could not be installed at all; nothing was stopped.
    Failed,
    /// The host ended while the new version was tried: the version and the data before it are
    /// back, and the release may be tried again.
    Interrupted,
    /// A person went back to this version.
    WentBack,
}

/// A part of an update, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum UpdateStage {
    /// The new version is put beside the old one, which runs.
    #[default]
    Installing,
    /// The service is stopped and its data is copied.
    Saving,
    /// The new version runs, or did.
    Trying,
    /// The data before the update is put back.
    RollingBack,
}

/// An update that is being tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UpdateUnderWay {
    /// The tag.
    pub to: String,
    /// How far it is.
    pub stage: UpdateStage,
}

/// One update that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UpdateEntry {
    /// RFC 3339.
    pub at: String,
    /// The tag before.
    pub from: String,
    /// The tag that was tried.
    pub to: String,
    /// See [`UpdateOutcome`].
    pub outcome: UpdateOutcome,
    /// Why, for a person, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The lines of the service's log that tell more, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Milliseconds in which the service did not answer; of an update that was taken back, from
    /// the discovery of the failure on. None where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_ms: Option<u64>,
}

/// A release that is not installed again by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RefusedRelease {
    /// The tag.
    pub tag: String,
    /// Why, for a person.
    pub reason: String,
    /// RFC 3339: since when.
    pub at: String,
}

/// A copy of a service's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SnapshotInfo {
    /// Names it to `restoreSnapshot`.
    pub name: SnapshotName,
    /// RFC 3339: when it was made.
    pub at: String,
    /// The tag that was installed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Bytes of the data.
    pub bytes: u64,
    /// Made before an update, and removed with the next one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// A release that could be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct AvailableUpdate {
    /// The tag.
    pub version: String,
    /// RFC 3339: when the tag was first seen.
    pub first_seen: String,
    /// The major version is another one.
    pub major: bool,
    /// RFC 3339: when it will be installed by itself; none: after a yes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic_at: Option<String>,
    /// It asks for permissions that were not granted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_for_more: bool,
    /// The message of the tag, as its author wrote it: text, not markup; empty where there is none.
    /// Nothing: it was not fetched yet, which `planUpdate` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// The updates of one service, as `updates` lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UpdateStatus {
    /// The service's id.
    pub id: String,
    /// What it is called.
    pub title: Option<String>,
    /// The installed tag.
    pub installed_version: Option<String>,
    /// The tag that `startRollback` would go back to.
    pub previous_version: Option<String>,
    /// The releases that are taken, a semver range; none: all.
    pub desired_version: Option<String>,
    /// The update that is being tried, after it was fetched and built.
    pub under_way: Option<UpdateUnderWay>,
    /// What was decided for this service.
    pub settings: UpdateSettings,
    /// What holds for it.
    pub mode: UpdateMode,
    /// The release that could be installed, as of the last look.
    pub available: Option<AvailableUpdate>,
    /// RFC 3339: when releases were last looked for.
    pub checked_at: Option<String>,
    /// Why the last look failed, for a person.
    pub problem: Option<String>,
    /// See [`RefusedRelease`].
    pub refused: Vec<RefusedRelease>,
    /// The last updates, newest first.
    pub history: Vec<UpdateEntry>,
    /// See [`SnapshotInfo`]; newest first.
    pub snapshots: Vec<SnapshotInfo>,
    /// Why the core service that comes with Atek runs in the place of the configured one, for a
    /// person; none where it does not.
    #[serde(default)]
    pub stands_in: Option<String>,
}

/// Parameters of `setUpdates`: what is missing stays as it is, and null takes a decision away.
///
/// The fields are those of [`UpdateSettings`], in which what is missing was not decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateChanges {
    /// See [`UpdateSettings::mode`].
    #[serde(
        default,
        deserialize_with = "also_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(test, ts(optional, type = "null | UpdateMode"))]
    pub mode: Option<Option<UpdateMode>>,
    /// See [`UpdateSettings::delay_hours`].
    #[serde(
        default,
        deserialize_with = "also_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(test, ts(optional, type = "null | number"))]
    pub delay_hours: Option<Option<u32>>,
    /// See [`UpdateSettings::hold_until`].
    #[serde(
        default,
        deserialize_with = "also_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(test, ts(optional, type = "null | string"))]
    pub hold_until: Option<Option<String>>,
}

/// Tells null from a field that is missing: the inner option is the value that was given.
fn also_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// What an update would do, as `planUpdate` tells it. Nothing is stopped or built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UpdatePlan {
    /// The installed tag.
    pub from: String,
    /// The tag that would be installed.
    pub to: String,
    /// Its commit.
    pub commit: String,
    /// The message of the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Who signed it, where it has a signature that is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// The commands that its build runs.
    pub build: Vec<String>,
    /// What it asks for and was not granted; each completes "this app may".
    pub asks_for_more: Vec<String>,
    /// The same, to be granted.
    pub asks: Permissions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_what_stays_from_what_is_taken_away() {
        let read = |text: &str| serde_json::from_str::<UpdateChanges>(text);
        assert_eq!(read("{}").unwrap(), UpdateChanges::default());
        let taken_away = UpdateChanges {
            mode: Some(None),
            delay_hours: Some(Some(3)),
            hold_until: Some(None),
        };
        let text = r#"{"mode":null,"delayHours":3,"holdUntil":null}"#;
        assert_eq!(read(text).unwrap(), taken_away);
        assert_eq!(serde_json::to_string(&taken_away).unwrap(), text);
        assert!(read(r#"{"mod":"ask"}"#).is_err());
    }
}
