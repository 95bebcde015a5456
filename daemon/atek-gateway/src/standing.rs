//! What a person finds at the address of a service: the service itself, or in its place a page that
//! says why not. Pure.
//!
//! | the service | page | reason and log |
//! |---|---|---|
//! | runs, or sleeps and is woken by the visit | its own | |
//! | starts | "is starting" | |
//! | is stopped for an update | "is being updated" | |
//! | failed, and is started again | "keeps failing" | yes |
//! | failed and stays down: crashes, memory, port never opened, health check | "does not work" | yes |
//! | was stopped, or ended by itself | "is stopped" | where there is a reason |
//! | cannot run on this box | "cannot run on this box" | reason |
//!
//! Reason and log are for people who may read the log. A package that is built has no address yet;
//! an update is built, and then on probation, while a version of the service runs.

use atek_api::services::State;
use atek_host_model::directory::Entry;
use atek_web_embed::message::Subject;
use http::header::HeaderName;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The header that names the state that a page is about.
pub(super) const STATE: HeaderName = HeaderName::from_static("atek-state");

/// How a service is, for who opens a page of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    /// It answers, or the visit wakes it.
    Up,
    /// It has not answered yet.
    Starting,
    /// An update starts it again.
    Updating,
    /// It failed and is started again by itself.
    Failing(&'a str),
    /// It failed and stays down.
    Failed(&'a str),
    /// It is stopped; why, where it was not by a person's word.
    Stopped(&'a str),
    /// It cannot run here.
    Unavailable(&'a str),
}

impl<'a> Standing<'a> {
    pub(super) fn of(entry: &'a Entry) -> Self {
        let reason = entry.reason.as_deref().unwrap_or_default();
        let failure = entry.failure.as_deref();
        match (entry.state, failure) {
            (State::Running | State::Sleeping, _) => Self::Up,
            _ if entry.is_updated => Self::Updating,
            (State::Starting, None) => Self::Starting,
            (State::Starting | State::Restarting, Some(failure)) => Self::Failing(failure),
            (State::Restarting, None) => Self::Failing(reason),
            (State::Failed, failure) => Self::Failed(failure.unwrap_or(reason)),
            (State::Stopped, _) => Self::Stopped(reason),
            (State::Unavailable, _) => Self::Unavailable(reason),
        }
    }

    /// What the page in its place is about; none where there is no such page.
    pub(super) fn subject(self) -> Option<Subject> {
        match self {
            Self::Up => None,
            Self::Starting => Some(Subject::Waiting),
            Self::Updating => Some(Subject::Updating),
            Self::Failing(_) => Some(Subject::Failing),
            Self::Failed(_) => Some(Subject::Failed),
            Self::Stopped(_) => Some(Subject::Stopped),
            Self::Unavailable(_) => Some(Subject::Unavailable),
        }
    }

    /// Why, in words, where there is a reason.
    pub(super) fn reason(self) -> Option<&'a str> {
        match self {
            Self::Up | Self::Starting | Self::Updating => None,
            Self::Failing(reason)
            | Self::Failed(reason)
            | Self::Stopped(reason)
            | Self::Unavailable(reason) => Some(reason).filter(|reason| !reason.is_empty()),
        }
    }

    /// Whether the end of the log belongs to it.
    pub(super) fn has_log(self) -> bool {
        match self {
            Self::Failing(_) | Self::Failed(_) => true,
            Self::Stopped(reason) => !reason.is_empty(),
            Self::Up | Self::Starting | Self::Updating | Self::Unavailable(_) => false,
        }
    }

    /// The value of the header `atek-state`, another one for another page.
    pub(super) fn word(self, with_reason: bool) -> String {
        let kind = match self {
            Self::Up => "up",
            Self::Starting => "starting",
            Self::Updating => "updating",
            Self::Failing(_) => "failing",
            Self::Failed(_) => "failed",
            Self::Stopped(_) => "stopped",
            Self::Unavailable(_) => "unavailable",
        };
        match self.reason().filter(|_| with_reason) {
            None => kind.to_owned(),
            Some(reason) => {
                let mut hasher = DefaultHasher::new();
                reason.hash(&mut hasher);
                format!("{kind}-{:016x}", hasher.finish())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_changes_with_the_page() {
        let failing = Standing::Failing("exit code 3");
        let other = Standing::Failing("out of memory");
        assert_eq!(failing.word(false), "failing");
        assert_eq!(failing.word(false), other.word(false));
        assert_ne!(failing.word(true), other.word(true));
        assert_eq!(Standing::Stopped("").word(true), "stopped");
        assert_eq!(Standing::Up.word(true), "up");
    }
}
