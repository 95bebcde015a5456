//! The changes since a sequence number: `recordDiff`, its long poll, and the pages of
//! subscriptions.
//!
//! The change log holds the latest change of each path. Applying the changes after
//! `since` to the state at `since` gives the state at the answer's `seq`.
//! Deletes older than the database's floor are forgotten: a diff from before it says
//! `reset`, and is then a diff from the beginning.

use super::lists::into_raw;
use super::params::{Kind, Params};
use super::{Adb, Weigh, db_id, keep, params};
use crate::budget::{Budget, Held};
use crate::caller::Caller;
use crate::error::AdbError;
use crate::json::push_string;
use crate::path::RecordPath;
use crate::storage::{ChangeKind, DbNo, Read as _};
use atek_api::ids::DbId;
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Changes in one answer, if the caller does not say.
const LIMIT: usize = 1000;

/// Values in one message to a subscriber, in bytes; one change may be longer.
const PUSH_BYTES: usize = 256 << 10;

/// What is followed.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    pub(crate) db: DbId,
    pub(crate) path: RecordPath,
    /// Sequence number of the last change that the caller has seen; 0: none.
    pub(crate) since: u64,
    /// Changes in one page.
    pub(crate) limit: usize,
    /// Values in one page, in bytes; one change may be longer.
    pub(crate) bytes: usize,
}

/// Some changes, in order.
#[derive(Debug)]
pub(crate) struct Page {
    db: DbNo,
    /// JSON of each change.
    pub(crate) changes: Vec<Vec<u8>>,
    /// Pass it as the next `since`.
    pub(crate) seq: u64,
    /// There is more already.
    pub(crate) more: bool,
    /// `since` was too old, or from another life of the database: drop what is known, the changes
    /// begin at the start.
    pub(crate) reset: bool,
}

impl Weigh for Page {
    fn weight(&self) -> usize {
        self.changes.iter().map(Vec::len).sum()
    }
}

impl Page {
    fn is_news(&self) -> bool {
        !self.changes.is_empty() || self.more || self.reset
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut out = br#"{"changes":["#.to_vec();
        for (nth, change) in self.changes.iter().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            out.extend_from_slice(change);
        }
        let reset = if self.reset { r#","reset":true"# } else { "" };
        out.extend_from_slice(
            format!(r#"],"seq":{},"more":{}{reset}}}"#, self.seq, self.more).as_bytes(),
        );
        out
    }
}

impl Adb {
    /// `recordDiff(dbId, path, {since?, limit?, wait?})`, or `recordDiff(dbId, {left?, …})` for all
    /// paths.
    pub(super) async fn record_diff(
        &self,
        caller: &Caller,
        p: &Params,
    ) -> Result<Box<RawValue>, AdbError> {
        let db = db_id(p, 0)?;
        let types = [
            ("since", Kind::Number),
            ("left", Kind::Number),
            ("limit", Kind::Number),
            ("wait", Kind::Number),
        ];
        // The original declared (dbId, {left, right, tableIds}) and never had it.
        let whole = p.raw(1).is_none_or(|raw| raw.get().starts_with('{'));
        let (path, options) = if whole {
            (RecordPath::root(), p.object(1, &types)?)
        } else {
            (p.path(1, self.limits())?, p.object(2, &types)?)
        };
        let options = options.unwrap_or_default();
        let number = |name| options.get(name).and_then(Value::as_u64);
        let follow = Follow {
            db,
            path,
            since: number("since").or_else(|| number("left")).unwrap_or(0),
            limit: number("limit").map_or(LIMIT, |n| n.clamp(1, LIMIT as u64) as usize),
            bytes: self.limits().list_bytes,
        };
        let wait = Duration::from_millis(number("wait").unwrap_or(0).min(self.limits().wait_ms));
        let answers = &self.budgets.answers;
        let (page, held) = if wait.is_zero() {
            self.page(caller, &follow, answers).await?
        } else {
            let _place = self.follower_place(caller)?;
            let until = Instant::now() + wait;
            match timeout_at(until, self.next_page(caller, &follow, answers)).await {
                Ok(page) => page?,
                Err(_) => self.page(caller, &follow, answers).await?,
            }
        };
        keep(held);
        into_raw(page.to_json())
    }

    /// A place among the subscriptions and waiting diffs.
    pub(crate) fn follower_place(&self, caller: &Caller) -> Result<Held, AdbError> {
        self.budgets.followers.try_take(caller).ok_or_else(|| {
            AdbError::Busy("too many subscriptions are open already: try again later".to_owned())
        })
    }

    /// The changes after `follow.since`, at once.
    pub(crate) async fn page(
        &self,
        caller: &Caller,
        follow: &Follow,
        budget: &Budget,
    ) -> Result<(Page, Held), AdbError> {
        let longest = follow.bytes + self.limits().value_bytes;
        self.look_long(caller, budget, longest, |view, read| {
            let db = view.readable(caller, &follow.db)?.no;
            let stats = read.stats(db)?;
            let reset =
                follow.since > stats.seq || (follow.since > 0 && follow.since < stats.floor);
            let since = if reset { 0 } else { follow.since };
            let (mut found, mut full) = (Vec::new(), false);
            let scanned = read.changes(db, since, self.limits().diff_scan, &mut |change| {
                let path = RecordPath::from_key(change.key);
                if path == follow.path || follow.path.contains(&path) {
                    full = found.len() == follow.limit;
                    if full {
                        return false;
                    }
                    found.push((change.seq, change.kind, path));
                }
                true
            })?;
            let (mut changes, mut bytes) = (Vec::with_capacity(found.len()), 0);
            let mut page_end = None;
            for (seq, kind, path) in found {
                let value = match kind {
                    ChangeKind::Del => None,
                    ChangeKind::Put => read.record(db, &path)?.map(|record| record.json),
                };
                bytes += value.as_ref().map_or(0, Vec::len);
                if bytes > follow.bytes && !changes.is_empty() {
                    page_end = Some(seq - 1);
                    break;
                }
                changes.push(write_change(
                    seq,
                    &path,
                    &follow.path,
                    follow.db.as_str(),
                    value.as_deref(),
                ));
            }
            Ok(Page {
                db,
                changes,
                seq: page_end.unwrap_or(if scanned.more {
                    scanned.last
                } else {
                    stats.seq
                }),
                more: page_end.is_some() || scanned.more,
                reset,
            })
        })
        .await
    }

    /// The next changes after `follow.since`; waits until there are some. The right to read is
    /// looked at each time.
    pub(crate) async fn next_page(
        &self,
        caller: &Caller,
        follow: &Follow,
        budget: &Budget,
    ) -> Result<(Page, Held), AdbError> {
        let mut follow = follow.clone();
        loop {
            let (page, held) = self.page(caller, &follow, budget).await?;
            if page.is_news() {
                return Ok((page, held));
            }
            drop(held);
            let mut news = self.store.hub().subscribe(page.db);
            // A commit between the look and the subscription must not be missed.
            let (page, held) = self.page(caller, &follow, budget).await?;
            if page.is_news() {
                return Ok((page, held));
            }
            drop(held);
            follow.since = page.seq;
            // A deleted database changes no more: look again now and then.
            let _ = tokio::time::timeout(RECHECK, news.changed()).await;
        }
    }
}

/// How long a follower goes on after its right to read, or the database, is gone.
const RECHECK: Duration = Duration::from_secs(20);

fn write_change(
    seq: u64,
    path: &RecordPath,
    below: &RecordPath,
    db_id: &str,
    value: Option<&[u8]>,
) -> Vec<u8> {
    let kind = if value.is_some() { "put" } else { "del" };
    let mut out = format!(r#"{{"seq":{seq},"type":"{kind}","key":"#).into_bytes();
    let relative = path.key().strip_prefix(&below.prefix()).unwrap_or_default();
    push_string(&mut out, &relative.replace('\0', "/"));
    out.extend_from_slice(br#","path":"#);
    push_string(&mut out, &path.text());
    out.extend_from_slice(br#","url":"#);
    push_string(&mut out, &path.url(db_id));
    if let Some(value) = value {
        out.extend_from_slice(br#","value":"#);
        out.extend_from_slice(value);
    }
    out.push(b'}');
    out
}

/// Reads the options of a subscription.
pub(crate) fn follow_of(
    options: &Value,
    limits: &crate::limits::Limits,
) -> Result<Follow, AdbError> {
    let db = options
        .get("dbId")
        .and_then(Value::as_str)
        .unwrap_or("undefined");
    let path = match options.get("path") {
        None => RecordPath::root(),
        Some(path) => params::path(path, limits).ok_or_else(|| {
            AdbError::Refused("path must be string or array of strings".to_owned())
        })??,
    };
    Ok(Follow {
        db: db
            .parse()
            .map_err(|_| AdbError::InvalidDbId(db.to_owned()))?,
        path,
        since: options.get("since").and_then(Value::as_u64).unwrap_or(0),
        limit: LIMIT,
        bytes: PUSH_BYTES,
    })
}
