//! Points in time, as people write and read them.

use super::span;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use std::time::Duration;

/// Why a text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time such as 1h (ago), today, 2026-08-05, \"2026-08-05 14:30\" or 2026-08-05T14:30:00Z"
)]
pub(crate) struct InvalidTime;

/// A point in time of the past, as a person gives it, in the form that the host takes.
///
/// `1h`, `-1h` and `1h ago` are lengths of time back from now; `today`,
/// `yesterday`, a date, and a date with a time are in the reader's time zone.
pub(crate) fn parse_since(
    text: &str,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<String, InvalidTime> {
    let text = text.trim();
    let length = text.strip_prefix('-').unwrap_or(text);
    let length = length.strip_suffix("ago").unwrap_or(length);
    if let Ok(length) = span::parse(length) {
        return Ok(format!("-{}", length.as_secs()));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.to_string());
    }
    let today = now.to_zoned(zone.clone()).date();
    let local = match text {
        "now" => return Ok(now.to_string()),
        "today" => today.to_datetime(jiff::civil::Time::midnight()),
        "yesterday" => {
            let day = today.checked_sub(1.day()).map_err(|_| InvalidTime)?;
            day.to_datetime(jiff::civil::Time::midnight())
        }
        _ => local_time(text, today)?,
    };
    let zoned = local.to_zoned(zone.clone()).map_err(|_| InvalidTime)?;
    Ok(zoned.timestamp().to_string())
}

/// `2026-08-05`, `2026-08-05 14:30[:15]` or, of today, `14:30[:15]`.
fn local_time(text: &str, today: Date) -> Result<DateTime, InvalidTime> {
    match (text.contains(':'), text.contains('-')) {
        // The parser of times would take the time out of a date with a time.
        (true, false) => {
            return text
                .parse()
                .map(|time| today.to_datetime(time))
                .map_err(|_| InvalidTime);
        }
        (true, true) => return text.parse().map_err(|_| InvalidTime),
        (false, _) => {}
    }
    let day: Date = text.parse().map_err(|_| InvalidTime)?;
    Ok(day.to_datetime(jiff::civil::Time::midnight()))
}

/// How long ago `then` was; none when it lies ahead (two clocks differ).
pub(crate) fn age(then: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(now.duration_since(then)).ok()
}

/// `Wed 2026-08-05 14:30:15 CEST; 2h 3min ago`, or the text itself if it is not RFC 3339.
pub(crate) fn with_age(text: &str, now: Timestamp, zone: &TimeZone) -> String {
    let Ok(then) = text.parse::<Timestamp>() else {
        return super::clean::line(text).into_owned();
    };
    let local = then
        .to_zoned(zone.clone())
        .strftime("%a %Y-%m-%d %H:%M:%S %Z")
        .to_string();
    match age(then, now) {
        Some(age) => format!("{local}; {} ago", span::format(age)),
        None => local,
    }
}

/// How long ago an RFC 3339 time was: `2h 3min`; empty when it cannot be told.
pub(crate) fn age_of(text: Option<&str>, now: Timestamp) -> String {
    text.and_then(|text| text.parse::<Timestamp>().ok())
        .and_then(|then| age(then, now))
        .map(span::format)
        .unwrap_or_default()
}

/// The time of a log line: `Aug 05 14:30:15`, or the text itself if it is not RFC 3339.
pub(crate) fn log_stamp(text: &str, zone: &TimeZone) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at
            .to_zoned(zone.clone())
            .strftime("%b %d %H:%M:%S")
            .to_string(),
        Err(_) => super::clean::line(text).into_owned(),
    }
}

/// `2026-08-05 14:30`, or the text itself if it is not RFC 3339.
pub(crate) fn date(text: &str, zone: &TimeZone) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string(),
        Err(_) => super::clean::line(text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-08-05T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (text, expected) in [
            ("1h", Some("-3600")),
            ("-1h", Some("-3600")),
            ("1h 30min ago", Some("-5400")),
            ("3600", Some("-3600")),
            ("now", Some("2026-08-05T12:00:00Z")),
            ("today", Some("2026-08-04T22:00:00Z")),
            ("yesterday", Some("2026-08-03T22:00:00Z")),
            ("2026-01-05", Some("2026-01-04T23:00:00Z")),
            ("2026-08-01 10:30", Some("2026-08-01T08:30:00Z")),
            ("2026-08-01T10:30:15", Some("2026-08-01T08:30:15Z")),
            ("10:30", Some("2026-08-05T08:30:00Z")),
            ("2026-08-05T10:30:00Z", Some("2026-08-05T10:30:00Z")),
            ("2026-08-05T10:30:00+02:00", Some("2026-08-05T08:30:00Z")),
            ("", None),
            ("tomorrow", None),
            ("2026-13-01", None),
            ("25:00", None),
        ] {
            assert_eq!(
                parse_since(text, now(), &zone).ok().as_deref(),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_time_is_shown_with_its_age() {
        for (text, expected) in [
            (
                "2026-08-05T09:57:00Z",
                "Wed 2026-08-05 09:57:00 UTC; 2h 3min ago",
            ),
            ("2026-08-05T12:00:09Z", "Wed 2026-08-05 12:00:09 UTC"),
            ("not a time\u{1b}[2J", "not a time"),
        ] {
            assert_eq!(with_age(text, now(), &TimeZone::UTC), expected, "{text:?}");
        }
        assert_eq!(age_of(Some("2026-08-05T11:59:00Z"), now()), "1min");
        assert_eq!(age_of(None, now()), "");
        assert_eq!(
            log_stamp("2026-08-05T09:57:00.123456Z", &TimeZone::UTC),
            "Aug 05 09:57:00"
        );
        assert_eq!(
            date("2026-08-05T09:57:00Z", &TimeZone::UTC),
            "2026-08-05 09:57"
        );
    }
}
