//! The part of `atek.cloud/permissions-api` about what was done: the audit log.

use super::permissions::{now, rfc3339, title, user_name};
use super::{HostApis, internal};
use crate::audit::{CountLine, Decided, Period};
use crate::database::Records;
use crate::directory::{Directory, Entry};
use crate::permissions::{Action, Caller};
use atek_api::audit::{
    AuditCaller, AuditKind, AuditOutcome, AuditPage, AuditParams, AuditRow, MOST_ROWS, Used,
};
use atek_api::grants::{Level, Recipient, Share, Shared};
use atek_api::ids::{SYSTEM, ServiceKey, UserKey};
use atek_api::jsonrpc::{RpcError, RpcResult, raw};
use atek_api::permission::{Permission, Permissions};
use atek_api::services;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Seconds of the period that is shown when none is asked for.
const DAY: i64 = 24 * 60 * 60;

impl HostApis {
    pub(super) async fn audit_page(&self, caller: &Caller, params: AuditParams) -> RpcResult {
        let Some(own) = caller.owner_key() else {
            return Err(RpcError::not_authorized());
        };
        self.may(caller, Action::ReadAudit(&own))?;
        let since = match &params.since {
            None => now() - DAY,
            Some(text) => match text.parse::<jiff::Timestamp>() {
                Ok(at) => at.as_second(),
                Err(_) => {
                    return Err(RpcError::invalid_param(
                        1,
                        "has a since that is not RFC 3339",
                    ));
                }
            },
        };
        let app = match &params.app {
            None => None,
            Some(id) => {
                let directory = self.directory.now();
                let entry = directory.by_id(id).ok_or_else(RpcError::not_authorized)?;
                Some(entry.key.clone())
            }
        };
        let period = self.audit.read(since).await;
        let period = period.map_err(|error| internal(&error))?;
        let (directory, records) = (self.directory.now(), self.database.records());
        let mut seen = HashMap::<String, bool>::new();
        let view = View {
            directory: &directory,
            records: &records,
        };
        let mut may = |owner: &str| {
            *seen.entry(owner.to_owned()).or_insert_with(|| {
                let owner = owner.parse::<UserKey>();
                owner.is_ok_and(|owner| self.may(caller, Action::ReadAudit(&owner)).is_ok())
            })
        };
        let mut rows = view.rows(period, app.as_ref(), &mut may);
        rows.retain(|(_, row)| !params.refused || row.outcome == AuditOutcome::Refused);
        if let Some(text) = &params.search {
            let text = text.trim().to_lowercase();
            rows.retain(|(_, row)| is_found(row, &text));
        }
        rows.sort_by_key(|(last, _)| Reverse(*last));
        let more = rows.len() > MOST_ROWS;
        rows.truncate(MOST_ROWS);
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        raw(&AuditPage { rows, more })
    }

    /// Notes decisions about an app.
    pub(super) async fn note_decided(
        &self,
        by: &UserKey,
        entry: &Entry,
        decided: impl IntoIterator<Item = (Permission, AuditOutcome)>,
    ) {
        let at = now();
        let decided = decided.into_iter().map(|(permission, outcome)| Decided {
            at,
            by: by.to_string(),
            owner: entry.owner().to_string(),
            kind: AuditKind::Permission,
            app: entry.key.to_string(),
            title: title(entry),
            what: permission.to_string(),
            outcome,
        });
        self.audit.note(decided.collect()).await;
    }

    /// Notes what was granted as a whole, beside what was before.
    pub(super) async fn note_granted(&self, by: &UserKey, key: &ServiceKey, before: &Permissions) {
        let entry = self.directory.now().by_key(key.as_str()).cloned();
        let Some(entry) = entry else { return };
        // The record, not what the directory shows: that follows.
        let records = self.database.records();
        let Some(record) = records.service(key.as_str()) else {
            return;
        };
        let (old, new) = (before.items(), record.settings.granted.items());
        let given = new.iter().filter(|item| !old.contains(item));
        let given = given.map(|item| (item.clone(), AuditOutcome::Given));
        let taken = old.iter().filter(|item| !new.contains(item));
        let taken = taken.map(|item| (item.clone(), AuditOutcome::Taken));
        self.note_decided(by, &entry, given.chain(taken)).await;
    }

    /// Notes a share that was given or ended.
    pub(super) async fn note_share(&self, by: &UserKey, share: &Share, outcome: AuditOutcome) {
        let records = self.database.records();
        let with = match &share.with {
            Recipient::User(user) => user_name(&records, user),
            Recipient::Group(key) => records.group(key).map(|group| group.name.clone()),
        };
        let level = match share.level {
            Level::View => "view",
            Level::Use => "use",
            Level::Manage => "manage",
        };
        let (app, title, owner) = match &share.what {
            Shared::App(key) => {
                let directory = self.directory.now();
                let Some(entry) = directory.by_key(key.as_str()) else {
                    return;
                };
                (key.to_string(), title(entry), entry.owner().to_string())
            }
            Shared::Database(id) => (String::new(), id.to_string(), share.by.to_string()),
        };
        let decided = Decided {
            at: now(),
            by: by.to_string(),
            owner,
            kind: AuditKind::Share,
            app,
            title,
            what: format!("{} ({level})", with.unwrap_or_default()),
            outcome,
        };
        self.audit.note(vec![decided]).await;
    }
}

/// Names for the keys of the log.
struct View<'a> {
    directory: &'a Directory,
    records: &'a Records,
}

impl View<'_> {
    /// The rows that the caller may see, with the time of each.
    fn rows(
        &self,
        period: Period,
        app: Option<&ServiceKey>,
        may: &mut impl FnMut(&str) -> bool,
    ) -> Vec<(i64, AuditRow)> {
        let is_app =
            |one: &str, two: &str| app.is_none_or(|app| app.as_str() == one || app.as_str() == two);
        let mut rows = Vec::new();
        for line in period.counts {
            // Also who called what is theirs; core services belong to no person.
            let about = self.directory.by_key(&line.key.about);
            let about = about.filter(|entry| !entry.core);
            let shown =
                may(&line.key.owner) || about.is_some_and(|entry| may(entry.owner().as_str()));
            if shown && is_app(&line.key.who, &line.key.about) {
                rows.push((line.counts.last, self.count(line)));
            }
        }
        for decided in period.decided {
            if may(&decided.owner) && is_app(&decided.app, "") {
                rows.push((decided.at, self.decided(decided)));
            }
        }
        rows
    }

    fn user(&self, key: &str) -> String {
        if key == SYSTEM {
            return key.to_owned();
        }
        let user = self.records.user(key);
        user.map_or_else(|| key.to_owned(), |user| user.username.clone())
    }

    fn app(&self, key: &str, title_then: &str) -> String {
        match self.directory.by_key(key) {
            Some(entry) => title(entry),
            None if title_then.is_empty() => key.to_owned(),
            None => title_then.to_owned(),
        }
    }

    fn count(&self, line: CountLine) -> AuditRow {
        let CountLine { key, counts, title } = line;
        let who = match key.caller {
            AuditCaller::App => self.app(&key.who, &title),
            AuditCaller::User | AuditCaller::System => self.user(&key.who),
        };
        let about = (!key.about.is_empty()).then(|| self.app(&key.about, ""));
        let acted = match key.caller {
            AuditCaller::App => &key.who,
            AuditCaller::User | AuditCaller::System => &key.about,
        };
        let app = self.directory.by_key(acted).filter(|entry| !entry.core);
        AuditRow {
            first: rfc3339(counts.first),
            last: rfc3339(counts.last),
            kind: key.kind,
            caller: key.caller,
            who,
            owner: self.user(&key.owner),
            app: app.map(|entry| entry.id().clone()),
            what: match key.port {
                0 => key.what,
                port => format!("{}:{port}", key.what),
            },
            method: (!key.method.is_empty()).then_some(key.method),
            about,
            words: None,
            outcome: key.outcome,
            count: counts.count,
            sent: counts.sent,
            received: counts.received,
        }
    }

    fn decided(&self, decided: Decided) -> AuditRow {
        let words = decided.what.parse::<Permission>();
        let app = self.directory.by_key(&decided.app);
        AuditRow {
            first: rfc3339(decided.at),
            last: rfc3339(decided.at),
            kind: decided.kind,
            caller: match decided.by.as_str() {
                SYSTEM => AuditCaller::System,
                _ => AuditCaller::User,
            },
            who: self.user(&decided.by),
            owner: self.user(&decided.owner),
            app: app.map(|entry| entry.id().clone()),
            words: words.ok().map(|permission| permission.describe()),
            what: decided.what,
            method: None,
            about: Some(self.app(&decided.app, &decided.title)),
            outcome: decided.outcome,
            count: 1,
            sent: 0,
            received: 0,
        }
    }
}

/// Whether a row has a text in one of its names; the text is in lower case.
fn is_found(row: &AuditRow, text: &str) -> bool {
    let optional = [&row.method, &row.about, &row.words];
    let names = [&row.who, &row.owner, &row.what].into_iter();
    let names = names.chain(optional.into_iter().flatten());
    names
        .into_iter()
        .any(|name| name.to_lowercase().contains(text))
}

/// How often a permission of an app was used; none where that is not counted.
pub(super) fn used(log: &Period, app: &ServiceKey, permission: &Permission) -> Option<Used> {
    // Direct connections do not pass the host, and calls of a database do not name it here.
    if matches!(
        permission,
        Permission::Direct
            | Permission::Lan
            | Permission::Device(_)
            | Permission::Provides(_)
            | Permission::Root
            | Permission::AnyDevice
            | Permission::Folder { .. }
            | Permission::Database { .. }
            | Permission::Provider { service: None, .. }
    ) {
        return None;
    }
    let rows = log.counts.iter().filter(|line| {
        let key = &line.key;
        key.who == app.as_str()
            && key.caller == AuditCaller::App
            && key.outcome != AuditOutcome::Refused
            && uses(permission, line)
    });
    let (count, last) = rows.fold((0, None), |(count, last), line| {
        (count + line.counts.count, last.max(Some(line.counts.last)))
    });
    Some(Used {
        count,
        last: last.map(rfc3339),
    })
}

fn uses(permission: &Permission, line: &CountLine) -> bool {
    let key = &line.key;
    let is_call = matches!(key.kind, AuditKind::Call | AuditKind::Connection);
    match permission {
        Permission::Host(host) => key.kind == AuditKind::Host && host.matches(&key.what, key.port),
        Permission::HostApi(api) => {
            let (api, methods): (&str, &[&str]) = match api.as_str() {
                services::GRANT_LOGS => (services::API, &["logs"]),
                services::GRANT_CONFIGURE => (services::API, &["configure"]),
                services::GRANT_INSTALL => (
                    services::API,
                    &["inspect", "install", "startInstall", "uninstall"],
                ),
                api => (api, &[]),
            };
            let is_method = methods.is_empty() || methods.contains(&key.method.as_str());
            is_call && key.what == api && is_method
        }
        Permission::Provider {
            api,
            service: Some(service),
        } => is_call && key.what == api.as_str() && key.about == service.as_str(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn line(kind: &str, what: &str, more: Value) -> CountLine {
        let mut line = json!({
            "c": "app", "w": "rss", "u": "bob", "k": kind, "a": what, "o": "done",
            "n": 2, "f": 10, "l": 20,
        });
        let (fields, more) = (line.as_object_mut().unwrap(), more.as_object().unwrap());
        fields.extend(more.clone());
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn a_permission_was_used_by_what_it_allowed() {
        let log = Period {
            counts: vec![
                line("host", "a.example.org", json!({ "p": 443 })),
                line("host", "a.example.org", json!({ "p": 443, "o": "failed" })),
                line("host", "a.example.org", json!({ "p": 8443 })),
                line("host", "b.example.org", json!({ "p": 443, "o": "refused" })),
                line("call", services::API, json!({ "m": "logs" })),
                line("call", services::API, json!({ "m": "list" })),
                line("call", "n.o/p", json!({ "m": "get", "t": "notes" })),
                line("connection", "n.o/p", json!({ "t": "notes" })),
                line("call", "n.o/p", json!({ "m": "get", "t": "others" })),
                line("host", "a.example.org", json!({ "p": 443, "w": "another" })),
            ],
            decided: Vec::new(),
        };
        for (permission, expected) in [
            ("host:a.example.org", Some(4)),
            ("host:*.example.org", Some(4)),
            ("host:b.example.org", Some(0)),
            ("api:atek.cloud/services-api/logs", Some(2)),
            ("api:atek.cloud/services-api", Some(4)),
            ("provider:n.o/p=notes", Some(4)),
            ("direct", None),
            ("device:/dev/ttyUSB0", None),
        ] {
            let got = used(&log, &"rss".parse().unwrap(), &permission.parse().unwrap());
            assert_eq!(
                got.as_ref().map(|used| used.count),
                expected,
                "{permission}"
            );
            let last = got.and_then(|used| used.last);
            assert_eq!(
                last.is_some(),
                expected.is_some_and(|n| n > 0),
                "{permission}"
            );
        }
    }
}
