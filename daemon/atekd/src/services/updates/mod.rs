//! Updates that undo themselves: the policy ([`policy`]), the machine ([`machine`]), and what is
//! remembered ([`ledger`]). What they do to a box is in `operations/update.rs` and
//! `operations/trial.rs`.

pub(super) mod ledger;
pub(super) mod machine;
pub(super) mod policy;

use jiff::Timestamp;

/// An RFC 3339 time in seconds since 1970.
pub(super) fn seconds(text: &str) -> Option<policy::Seconds> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// Seconds since 1970 as RFC 3339.
pub(super) fn time_text(seconds: policy::Seconds) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "never".to_owned(), |time| time.to_string())
}

/// Now, as RFC 3339 in whole seconds.
pub(super) fn now_text() -> String {
    time_text(Timestamp::now().as_second())
}
