//! Lengths of time, as people write and read them.

use std::time::Duration;

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a length of time such as 90s, 10min, 2h or 1d")]
pub(crate) struct InvalidSpan;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
const YEAR: u64 = 365 * DAY;

/// At most two units, the larger first: `3h 20min`, `45s`, `2w 1d`.
pub(crate) fn format(span: Duration) -> String {
    let secs = span.as_secs();
    let steps = [
        (YEAR, "y"),
        (WEEK, "w"),
        (DAY, "d"),
        (HOUR, "h"),
        (MINUTE, "min"),
        (1, "s"),
    ];
    let Some(first) = steps.iter().position(|(size, _)| secs >= *size) else {
        return "0s".to_owned();
    };
    let (size, name) = steps[first];
    let mut text = format!("{}{name}", secs / size);
    if let Some((next, next_name)) = steps.get(first + 1)
        && secs % size / next > 0
    {
        text.push_str(&format!(" {}{next_name}", secs % size / next));
    }
    text
}

/// CPU time, with milliseconds where they matter: `12ms`, `1.234s`, `2min 3s`.
pub(crate) fn format_cpu(micros: u64) -> String {
    let span = Duration::from_micros(micros);
    match micros {
        0..1_000_000 => format!("{}ms", span.as_millis()),
        1_000_000..60_000_000 => format!("{}.{:03}s", span.as_secs(), span.subsec_millis()),
        _ => format(span),
    }
}

/// Reads `90s`, `10min`, `1h 30min`, `2 days`; a bare number is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, InvalidSpan> {
    let mut rest = text.trim();
    let mut secs: u64 = 0;
    if rest.is_empty() {
        return Err(InvalidSpan);
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let count: u64 = rest[..end].parse().map_err(|_| InvalidSpan)?;
        rest = rest[end..].trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let size = unit(&rest[..end]).ok_or(InvalidSpan)?;
        rest = rest[end..].trim_start();
        secs = count
            .checked_mul(size)
            .and_then(|part| secs.checked_add(part))
            .ok_or(InvalidSpan)?;
    }
    Ok(Duration::from_secs(secs))
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => WEEK,
        "y" | "year" | "years" => YEAR,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_at_most_two_units() {
        for (secs, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1min"),
            (61, "1min 1s"),
            (3600, "1h"),
            (3659, "1h"),
            (12_000, "3h 20min"),
            (90_000, "1d 1h"),
            (8 * 86_400, "1w 1d"),
            (400 * 86_400, "1y 5w"),
        ] {
            assert_eq!(format(Duration::from_secs(secs)), expected, "{secs}");
        }
    }

    #[test]
    fn cpu_time_shows_milliseconds_while_it_is_short() {
        for (micros, expected) in [
            (0, "0ms"),
            (999, "0ms"),
            (12_345, "12ms"),
            (1_234_567, "1.234s"),
            (123_000_000, "2min 3s"),
        ] {
            assert_eq!(format_cpu(micros), expected, "{micros}");
        }
    }

    #[test]
    fn lengths_of_time_are_read_in_the_usual_spellings() {
        for (text, expected) in [
            ("90", Ok(90)),
            ("90s", Ok(90)),
            ("10min", Ok(600)),
            ("10m", Ok(600)),
            ("1h 30min", Ok(5400)),
            ("1h30m", Ok(5400)),
            ("2 days", Ok(172_800)),
            ("", Err(InvalidSpan)),
            ("h", Err(InvalidSpan)),
            ("1x", Err(InvalidSpan)),
            ("-1h", Err(InvalidSpan)),
            ("1.5h", Err(InvalidSpan)),
            ("99999999999999999999s", Err(InvalidSpan)),
            ("9999999999999999y", Err(InvalidSpan)),
        ] {
            assert_eq!(parse(text).map(|span| span.as_secs()), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        for secs in [1, 59, 60, 3600, 86_400, 604_800, 5400, 93_600] {
            let span = Duration::from_secs(secs);
            assert_eq!(parse(&format(span)), Ok(span));
        }
    }
}
