//! Which notices were mailed, and which wait to be. Pure, but for the file.
//!
//! A notice has a key. It is mailed once while it holds, and again only when it went away in the
//! meantime and six hours have passed: a loose cable sends no flood.

use atek_files::write_atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const FILE: &str = "mail-outbox.json";
/// Seconds after which a notice that came back is told again.
const QUIET: i64 = 6 * 3600;
/// Seconds after which a notice that could not be sent, and does not hold any more, is dropped.
const TOO_OLD: i64 = 7 * 24 * 3600;
/// Seconds before the next try: the first, and the longest; each is twice the one before.
const FIRST_RETRY: i64 = 60;
const LONGEST_RETRY: i64 = 3600;
/// Notices that wait, at most; each has a key of its own.
const MOST: usize = 50;

/// Something that administrators are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about; the same as long as it holds.
    pub key: String,
    /// The subject.
    pub title: String,
    /// What it means and what to do.
    pub text: String,
}

/// A notice that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// When it was noticed, in seconds since 1970, also for the others.
    pub(super) at: i64,
    pub(super) notice: Notice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    at: i64,
    /// It went away since.
    over: bool,
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Outbox {
    told: BTreeMap<String, Told>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) last_sent: Option<i64>,
    pub(super) problem: Option<String>,
    failures: u32,
    next_try: i64,
}

impl Outbox {
    /// What is remembered; nothing where the file is missing or cannot be understood.
    pub(super) fn read(state: &Path) -> Self {
        let text = fs::read(state.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Remembers it as far as possible: of a disk that cannot be written, too, mail is sent.
    pub(super) fn write(&self, state: &Path) {
        let text = serde_json::to_vec(self).unwrap_or_default();
        if let Err(error) = write_atomic(&state.join(FILE), &text, 0o600) {
            tracing::warn!(%error, "what was mailed cannot be remembered");
        }
    }

    /// Notes what holds now. Whether something changed.
    pub(super) fn see(&mut self, now: i64, holding: &[Notice]) -> bool {
        let before = self.clone();
        // A clock that was set back would make it wait for ever.
        let age = |at: i64| if at > now { QUIET } else { now - at };
        for (key, told) in &mut self.told {
            told.over |= !holding.iter().any(|notice| notice.key == *key);
        }
        self.told
            .retain(|_, told| !told.over || age(told.at) < QUIET);
        for notice in holding {
            let is_new = !self.told.contains_key(&notice.key);
            if is_new && self.waiting.len() < MOST {
                let told = Told {
                    at: now,
                    over: false,
                };
                self.told.insert(notice.key.clone(), told);
                let notice = notice.clone();
                self.waiting.push(Waiting { at: now, notice });
            }
        }
        self.waiting.retain(|waiting| {
            let holds = holding
                .iter()
                .any(|notice| notice.key == waiting.notice.key);
            let is_old = !holds && waiting.at <= now && now - waiting.at > TOO_OLD;
            if is_old {
                tracing::error!(
                    title = waiting.notice.title,
                    "a notice could not be mailed in a week"
                );
            }
            !is_old
        });
        *self != before
    }

    /// Whether it is time to send what waits.
    pub(super) fn is_due(&self, now: i64) -> bool {
        let is_time = now >= self.next_try || self.next_try - now > LONGEST_RETRY;
        !self.waiting.is_empty() && is_time
    }

    /// What waits is tried at once: the settings are others, or the network is there again.
    pub(super) fn try_now(&mut self) {
        (self.failures, self.next_try, self.problem) = (0, 0, None);
    }

    /// The server took the first `count`.
    pub(super) fn sent(&mut self, now: i64, count: usize) {
        self.waiting.drain(..count.min(self.waiting.len()));
        self.try_now();
        self.last_sent = Some(now);
    }

    /// It did not.
    pub(super) fn failed(&mut self, now: i64, problem: String) {
        let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        self.next_try = now + wait.min(LONGEST_RETRY);
        self.problem = Some(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(key: &str) -> Notice {
        Notice {
            key: key.into(),
            title: format!("title of {key}"),
            text: "text".into(),
        }
    }

    #[test]
    fn an_event_is_mailed_once_and_again_when_it_comes_back_much_later() {
        let (missed, gone) = (notice("missed"), notice("gone"));
        let mut outbox = Outbox::default();
        // (time, what holds, how many are new)
        for (now, holding, new) in [
            (0, vec![&missed], 1),
            (60, vec![&missed], 0),
            (120, vec![&missed, &gone], 1),
            // A loose cable.
            (180, vec![&missed], 0),
            (240, vec![&missed, &gone], 0),
            (300, vec![&missed], 0),
            (120 + QUIET, vec![&missed, &gone], 1),
            // What holds for a month is mailed once.
            (30 * 24 * 3600, vec![&missed, &gone], 0),
            (30 * 24 * 3600 + 60, vec![], 0),
            (30 * 24 * 3600 + 120, vec![&missed], 1),
            // The clock is set back.
            (0, vec![], 0),
            (60, vec![&missed], 1),
        ] {
            let holding: Vec<Notice> = holding.into_iter().cloned().collect();
            outbox.see(now, &holding);
            assert_eq!(outbox.waiting.len(), new, "at {now}");
            outbox.sent(now, new);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_tried_again_ever_more_rarely_and_dropped_after_a_week() {
        let mut outbox = Outbox::default();
        assert!(!outbox.is_due(0), "nothing waits");
        outbox.see(0, &[notice("missed")]);
        let (mut now, mut tries) = (0, 0);
        while now < 24 * 3600 {
            if outbox.is_due(now) {
                tries += 1;
                outbox.failed(now, "no network".into());
            }
            now += 60;
        }
        assert!((25..=32).contains(&tries), "{tries} in a day");
        // A person changed the settings.
        outbox.try_now();
        assert!(outbox.is_due(now));
        outbox.failed(now, "wrong".into());
        assert!(!outbox.is_due(now) && outbox.is_due(now + 60));
        // The clock is set back by years.
        assert!(outbox.is_due(now - 10_000_000));
        outbox.see(TOO_OLD + 1, &[notice("missed")]);
        assert_eq!(outbox.waiting.len(), 1, "it holds");
        outbox.see(TOO_OLD + 2, &[]);
        assert_eq!(outbox.waiting, []);
    }

    #[test]
    fn a_restart_of_the_host_mails_nothing_again() {
        let state = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::read(state.path());
        assert!(outbox.see(5, &[notice("missed")]));
        outbox.write(state.path());
        let mut outbox = Outbox::read(state.path());
        assert_eq!(outbox.waiting.len(), 1);
        outbox.sent(6, 1);
        outbox.write(state.path());
        let mut outbox = Outbox::read(state.path());
        assert!(!outbox.see(7, &[notice("missed")]));
        assert_eq!(outbox.last_sent, Some(6));
        // A folder that cannot be written stops nothing.
        outbox.write(Path::new("/nonexistent"));
        let many: Vec<Notice> = (0..200).map(|nth| notice(&nth.to_string())).collect();
        outbox.see(8, &many);
        assert_eq!(outbox.waiting.len(), MOST);
    }
}
