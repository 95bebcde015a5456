//! Counts of what programs and people do: one row for each caller, act and outcome, in memory of
//! a fixed size, until the audit log takes them.
//!
//! A note costs one short lock and, unless it is the first of its kind, no memory.

use crate::permissions::Caller;
use atek_api::audit::{AuditCaller, AuditKind, AuditOutcome, MANY};
use atek_api::ids::SYSTEM;
use foldhash::quality::RandomState;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Rows of one caller that are told apart; what goes beyond is one row for each kind and outcome.
pub const MOST_OF_CALLER: usize = 48;
/// Rows of all callers in one part of the memory.
const MOST_OF_SHARD: usize = 512;
const SHARDS: usize = 8;
/// Bytes of a name that are kept: no DNS name is longer.
const LONGEST: usize = 255;

/// What a caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// Calls a method of an API; the key of the service that provides it, none for the host.
    Call {
        /// The API.
        api: &'a str,
        /// The method.
        method: &'a str,
        /// Who answers.
        provider: Option<&'a str>,
    },
    /// Opens a connection to an API.
    Connection {
        /// The API.
        api: &'a str,
        /// Who answers.
        provider: &'a str,
    },
    /// Reaches a host outside.
    Host {
        /// Its name.
        host: &'a str,
        /// The port there.
        port: u16,
    },
    /// Opens a page of a service.
    Page {
        /// The service.
        service: &'a str,
    },
}

/// A row's name: who did what, with which outcome.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowKey {
    /// What kind of caller.
    #[serde(rename = "c")]
    pub caller: AuditCaller,
    /// The key of the service or user.
    #[serde(rename = "w")]
    pub who: String,
    /// The key of the user whom it represents.
    #[serde(rename = "u")]
    pub owner: String,
    /// What kind of act.
    #[serde(rename = "k")]
    pub kind: AuditKind,
    /// API or host.
    #[serde(rename = "a")]
    pub what: String,
    /// The method of a call.
    #[serde(rename = "m", default, skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// The port of a host.
    #[serde(rename = "p", default, skip_serializing_if = "is_zero")]
    pub port: u16,
    /// The key of the service that it is about.
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// What came of it.
    #[serde(rename = "o")]
    pub outcome: AuditOutcome,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(port: &u16) -> bool {
    *port == 0
}

/// How often, how much, and when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// How often.
    #[serde(rename = "n", default)]
    pub count: u64,
    /// Bytes to a host.
    #[serde(rename = "s", default, skip_serializing_if = "is_none")]
    pub sent: u64,
    /// Bytes from a host.
    #[serde(rename = "r", default, skip_serializing_if = "is_none")]
    pub received: u64,
    /// Seconds since 1970.
    #[serde(rename = "f")]
    pub first: i64,
    /// Seconds since 1970.
    #[serde(rename = "l")]
    pub last: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_none(bytes: &u64) -> bool {
    *bytes == 0
}

impl Counts {
    /// Adds others of the same row.
    pub fn add(&mut self, other: &Self) {
        *self = Self {
            count: self.count.saturating_add(other.count),
            sent: self.sent.saturating_add(other.sent),
            received: self.received.saturating_add(other.received),
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        };
    }
}

/// [`RowKey`] with the texts of others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Seen<'a> {
    caller: AuditCaller,
    who: &'a str,
    owner: &'a str,
    kind: AuditKind,
    what: &'a str,
    method: &'a str,
    port: u16,
    about: &'a str,
    outcome: AuditOutcome,
}

impl RowKey {
    fn seen(&self) -> Seen<'_> {
        Seen {
            caller: self.caller,
            who: &self.who,
            owner: &self.owner,
            kind: self.kind,
            what: &self.what,
            method: &self.method,
            port: self.port,
            about: &self.about,
            outcome: self.outcome,
        }
    }
}

impl<'a> Seen<'a> {
    /// None for an unauthenticated caller: it has no name.
    fn new(caller: &'a Caller, act: Act<'a>, outcome: AuditOutcome) -> Option<Self> {
        let (kind_of_caller, who, owner) = match caller {
            Caller::Anonymous => return None,
            Caller::User(person) => {
                let key = person.user.key.as_str();
                (AuditCaller::User, key, key)
            }
            Caller::Service(service) => (
                AuditCaller::App,
                service.key.as_str(),
                service.owner.as_str(),
            ),
            Caller::System => (AuditCaller::System, SYSTEM, SYSTEM),
        };
        let (kind, what, method, port, about) = match act {
            Act::Call {
                api,
                method,
                provider,
            } => (
                AuditKind::Call,
                api,
                method,
                0,
                provider.unwrap_or_default(),
            ),
            Act::Connection { api, provider } => (AuditKind::Connection, api, "", 0, provider),
            Act::Host { host, port } => (AuditKind::Host, host, "", port, ""),
            Act::Page { service } => (AuditKind::Page, "", "", 0, service),
        };
        Some(Self {
            caller: kind_of_caller,
            who,
            owner,
            kind,
            what: cut(what),
            method: cut(method),
            port,
            about,
            outcome,
        })
    }

    /// The row that takes what is not told apart any more.
    fn many(self) -> Self {
        Self {
            what: MANY,
            method: if self.method.is_empty() { "" } else { MANY },
            port: 0,
            about: "",
            ..self
        }
    }

    fn to_key(self) -> RowKey {
        RowKey {
            caller: self.caller,
            who: self.who.to_owned(),
            owner: self.owner.to_owned(),
            kind: self.kind,
            what: self.what.to_owned(),
            method: self.method.to_owned(),
            port: self.port,
            about: self.about.to_owned(),
            outcome: self.outcome,
        }
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// Rows, bounded for each caller and altogether.
///
/// Their names are hashed for each request, so by a hash that is quicker than the standard
/// library's. A caller that made names collide would cause [`MOST_OF_CALLER`] comparisons at most.
#[derive(Debug)]
pub struct Rows {
    most: usize,
    hasher: RandomState,
    /// By the hash of their name; one that is taken by another row is followed by the next.
    rows: HashMap<u64, (RowKey, Counts), RandomState>,
    /// How many rows each caller has, by the hash of its name.
    of_callers: HashMap<u64, usize, RandomState>,
}

impl Rows {
    /// No rows, and room for `most`.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            hasher: RandomState::default(),
            rows: HashMap::default(),
            of_callers: HashMap::default(),
        }
    }

    /// Adds to a row.
    pub fn add(&mut self, key: &RowKey, counts: &Counts) {
        self.note(key.seen(), counts);
    }

    /// All rows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &(RowKey, Counts)> {
        self.rows.values()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes all rows.
    pub fn take(&mut self) -> Vec<(RowKey, Counts)> {
        self.of_callers.clear();
        self.rows.drain().map(|(_, row)| row).collect()
    }

    fn note(&mut self, seen: Seen<'_>, counts: &Counts) {
        let place = match self.place(seen) {
            (place, true) => place,
            (place, false) => {
                let caller = self.hasher.hash_one((seen.caller, seen.who));
                let own = self.of_callers.entry(caller).or_default();
                let is_many = seen == seen.many();
                if *own < MOST_OF_CALLER && self.rows.len() < self.most {
                    *own += 1;
                } else if !is_many {
                    return self.note(seen.many(), counts);
                } else if self.rows.len() >= self.most * 2 {
                    // As many callers as cannot be.
                    return;
                }
                place
            }
        };
        let row = self.rows.entry(place);
        let row = row.or_insert_with(|| {
            let empty = Counts {
                first: counts.first,
                ..Counts::default()
            };
            (seen.to_key(), empty)
        });
        row.1.add(counts);
    }

    /// Where a row is, or would be, and whether it is there.
    fn place(&self, seen: Seen<'_>) -> (u64, bool) {
        let mut place = self.hasher.hash_one(seen);
        loop {
            match self.rows.get(&place) {
                Some((key, _)) if key.seen() == seen => return (place, true),
                Some(_) => place = place.wrapping_add(1),
                None => return (place, false),
            }
        }
    }
}

/// Where the gateway notes what it sees.
#[derive(Debug)]
pub struct Tally {
    hasher: RandomState,
    shards: [Mutex<Rows>; SHARDS],
    is_silent: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            shards: std::array::from_fn(|_| Mutex::new(Rows::new(MOST_OF_SHARD))),
            is_silent: false,
        }
    }
}

impl Tally {
    /// One that notes nothing: what the gateway costs without it, for a benchmark.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            is_silent: true,
            ..Self::default()
        }
    }

    /// Notes one act.
    pub fn note(&self, caller: &Caller, act: Act<'_>, outcome: AuditOutcome) {
        self.add(caller, act, outcome, 1, (0, 0));
    }

    /// Notes bytes of acts that were noted before: sent and received.
    pub fn note_bytes(&self, caller: &Caller, act: Act<'_>, bytes: (u64, u64)) {
        self.add(caller, act, AuditOutcome::Done, 0, bytes);
    }

    fn add(
        &self,
        caller: &Caller,
        act: Act<'_>,
        outcome: AuditOutcome,
        count: u64,
        (sent, received): (u64, u64),
    ) {
        if self.is_silent {
            return;
        }
        let Some(seen) = Seen::new(caller, act, outcome) else {
            return;
        };
        let now = unix_now();
        let counts = Counts {
            count,
            sent,
            received,
            first: now,
            last: now,
        };
        let shard = self.hasher.hash_one(seen.who) % SHARDS as u64;
        let shard = &self.shards[usize::try_from(shard).unwrap_or_default()];
        let mut rows = shard.lock().unwrap_or_else(PoisonError::into_inner);
        rows.note(seen, &counts);
    }

    /// Takes what was noted.
    #[must_use]
    pub fn take(&self) -> Vec<(RowKey, Counts)> {
        let shards = self.shards.iter();
        let taken = shards.flat_map(|shard| {
            let mut rows = shard.lock().unwrap_or_else(PoisonError::into_inner);
            rows.take()
        });
        taken.collect()
    }
}

/// Seconds since 1970.
fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::ServiceCaller;
    use std::sync::Arc;

    fn app(key: &str) -> Caller {
        Caller::Service(ServiceCaller {
            key: key.parse().unwrap(),
            owner: "bob".parse().unwrap(),
            granted: Arc::default(),
            decisions: Arc::default(),
        })
    }

    fn call<'a>(api: &'a str, method: &'a str) -> Act<'a> {
        Act::Call {
            api,
            method,
            provider: None,
        }
    }

    #[test]
    fn the_same_act_is_one_row_and_another_outcome_is_another() {
        let (tally, caller) = (Tally::default(), app("rss"));
        let host = Act::Host {
            host: "a.org",
            port: 443,
        };
        tally.note(&caller, host, AuditOutcome::Done);
        tally.note(&caller, host, AuditOutcome::Done);
        tally.note_bytes(&caller, host, (10, 200));
        tally.note(&caller, host, AuditOutcome::Refused);
        tally.note(&app("notes"), host, AuditOutcome::Done);
        tally.note(&Caller::Anonymous, host, AuditOutcome::Refused);
        let mut rows = tally.take();
        rows.sort_by(|one, two| one.0.cmp(&two.0));
        let short: Vec<_> = rows
            .iter()
            .map(|(key, counts)| {
                let (sent, received) = (counts.sent, counts.received);
                (key.who.as_str(), key.outcome, counts.count, sent, received)
            })
            .collect();
        assert_eq!(
            short,
            [
                ("notes", AuditOutcome::Done, 1, 0, 0),
                ("rss", AuditOutcome::Done, 2, 10, 200),
                ("rss", AuditOutcome::Refused, 1, 0, 0),
            ]
        );
        assert_eq!((rows[1].0.what.as_str(), rows[1].0.port), ("a.org", 443));
        assert!(tally.take().is_empty(), "taken once");
    }

    #[test]
    fn a_caller_that_makes_names_up_fills_its_own_rows_only() {
        let (tally, hostile) = (Tally::default(), app("hostile"));
        for nth in 0..10_000 {
            let host = format!("{nth}.example.org");
            let act = Act::Host {
                host: &host,
                port: 443,
            };
            tally.note(&hostile, act, AuditOutcome::Refused);
            let method = format!("{nth}").repeat(100);
            tally.note(&hostile, call("a.b/c", &method), AuditOutcome::Failed);
        }
        let other = app("rss");
        tally.note(&other, call("a.b/c", "get"), AuditOutcome::Done);
        let rows = tally.take();
        let own = rows.iter().filter(|(key, _)| key.who == "hostile");
        assert!(own.clone().count() <= MOST_OF_CALLER + 2);
        let all: u64 = own.map(|(_, counts)| counts.count).sum();
        assert_eq!(all, 20_000, "nothing is lost");
        assert!(rows.iter().any(|(key, _)| key.who == "rss"));
        assert!(rows.iter().all(|(key, _)| key.method.len() <= LONGEST));
        let many = rows.iter().find(|(key, _)| key.what == MANY).unwrap();
        assert!(many.1.count > 9_000);
    }
}
