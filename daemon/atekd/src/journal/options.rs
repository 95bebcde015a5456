//! What a reader asks for. Pure.

use atek_api::services::LogOptions;

const DEFAULT_LINES: u32 = 200;
const MAX_LINES: u32 = 10_000;
/// As journald numbers them.
const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

/// An option that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOption {
    /// See [`LogOptions::since`].
    #[error("since must be a time such as 2026-01-31T12:00:00Z, or seconds back such as -3600")]
    Since,
    /// See [`LogOptions::level`].
    #[error("level must be one of emerg, alert, crit, err, warning, notice, info and debug")]
    Level,
    /// See [`LogOptions::lines`].
    #[error("lines must be 1 to {MAX_LINES}")]
    Lines,
    /// Not a cursor that a page gave.
    #[error("the cursor is not one of this log")]
    Cursor,
}

/// A parsed question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// Microseconds since 1970.
    pub(super) since: Option<u64>,
    /// The highest number that is shown.
    pub(super) level: Option<usize>,
    pub(super) lines: usize,
    pub(super) cursor: Option<String>,
}

impl Query {
    pub(super) fn parse(options: &LogOptions, now_usec: i64) -> Result<Self, InvalidOption> {
        let since = options
            .since
            .as_deref()
            .map(|text| since(text, now_usec))
            .transpose()?;
        let level = match options.level.as_deref() {
            None => None,
            Some(text) => {
                let known = |level: &str| level == text || (level == "err" && text == "error");
                Some(
                    LEVELS
                        .iter()
                        .position(|level| known(level))
                        .ok_or(InvalidOption::Level)?,
                )
            }
        };
        let lines = options.lines.unwrap_or(DEFAULT_LINES);
        if !(1..=MAX_LINES).contains(&lines) {
            return Err(InvalidOption::Lines);
        }
        if options
            .cursor
            .as_deref()
            .is_some_and(|cursor| !is_cursor(cursor))
        {
            return Err(InvalidOption::Cursor);
        }
        let cursor = options.cursor.clone();
        Ok(Self {
            since,
            level,
            lines: lines as usize,
            cursor,
        })
    }
}

/// The name of a level by its number.
pub(super) fn level_name(number: usize) -> &'static str {
    LEVELS.get(number).copied().unwrap_or("info")
}

fn since(text: &str, now_usec: i64) -> Result<u64, InvalidOption> {
    let usec = match text.strip_prefix('-') {
        Some(seconds) => {
            let seconds: u32 = seconds.parse().map_err(|_| InvalidOption::Since)?;
            now_usec.saturating_sub(i64::from(seconds) * 1_000_000)
        }
        None => text
            .parse::<jiff::Timestamp>()
            .map_err(|_| InvalidOption::Since)?
            .as_microsecond(),
    };
    Ok(u64::try_from(usec).unwrap_or(0))
}

/// `s=ID;i=…;b=ID;m=…;t=…;x=…`, all hexadecimal.
fn is_cursor(text: &str) -> bool {
    let part = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            name.len() == 1 && !value.is_empty() && value.bytes().all(|b| b.is_ascii_hexdigit())
        })
    };
    (1..=200).contains(&text.len()) && text.split(';').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(json: serde_json::Value) -> Result<Query, InvalidOption> {
        Query::parse(&serde_json::from_value(json).unwrap(), 1_000_000_000_000)
    }

    #[test]
    fn options_are_read_or_refused_by_name() {
        use serde_json::json;
        let none = query(json!({})).unwrap();
        assert_eq!((none.since, none.level, none.lines), (None, None, 200));
        assert_eq!(
            query(json!({"since": "-60"})).unwrap().since,
            Some(999_940_000_000)
        );
        let absolute = query(json!({"since": "1970-01-01T00:00:01Z"})).unwrap();
        assert_eq!(absolute.since, Some(1_000_000));
        assert_eq!(query(json!({"level": "warning"})).unwrap().level, Some(4));
        for (options, error) in [
            (json!({"since": "yesterday"}), InvalidOption::Since),
            (json!({"since": "--5"}), InvalidOption::Since),
            (json!({"level": "loud"}), InvalidOption::Level),
            (json!({"lines": 0}), InvalidOption::Lines),
            (json!({"lines": 10_001}), InvalidOption::Lines),
            (json!({"cursor": ""}), InvalidOption::Cursor),
            (json!({"cursor": "s=ab;i=x"}), InvalidOption::Cursor),
        ] {
            assert_eq!(query(options.clone()), Err(error), "{options}");
        }
        assert!(query(json!({"cursor": "s=0a;i=1;b=2;m=3;t=4;x=5"})).is_ok());
    }
}
