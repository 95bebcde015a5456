//! Amounts of bytes and shares of a CPU, as people write and read them.

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidAmount {
    #[error("expected an amount such as 256M, 1.5G or 1048576")]
    Bytes,
    #[error("the amount must be at least 1 and less than 8E")]
    Range,
    #[error("expected a share of one CPU in percent, such as 50% or 200%")]
    Percent,
    #[error("expected a whole number of at least 1")]
    Count,
}

const UNITS: [(char, u64); 6] = [
    ('K', 1 << 10),
    ('M', 1 << 20),
    ('G', 1 << 30),
    ('T', 1 << 40),
    ('P', 1 << 50),
    ('E', 1 << 60),
];

/// Bytes that are measured, as the pages write them: powers of 1000, as disks are sold, with one
/// decimal below 100 (`12.9 MB`, `271 GB`).
pub(crate) fn bytes(amount: u64) -> String {
    let amount = u128::from(amount);
    let units = [
        ("kB", 3),
        ("MB", 6),
        ("GB", 9),
        ("TB", 12),
        ("PB", 15),
        ("EB", 18),
    ];
    let units = units.map(|(unit, zeros)| (unit, 10_u128.pow(zeros)));
    // What rounds to 1000 of a unit is 1 of the next.
    let fits = |(_, size): &(&str, u128)| amount * 2000 >= *size * 1999;
    let Some((unit, size)) = units.into_iter().rev().find(fits) else {
        return format!("{amount} B");
    };
    let tenths = (amount * 10 + size / 2) / size;
    match (tenths / 10, tenths % 10) {
        _ if tenths >= 995 => format!("{} {unit}", (amount + size / 2) / size),
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenth) => format!("{whole}.{tenth} {unit}"),
    }
}

/// A limit in bytes, as people set it: powers of 1024, one decimal (`256 MiB`).
pub(crate) fn limit(amount: u64) -> String {
    let Some((unit, size)) = UNITS.into_iter().rev().find(|(_, size)| amount >= *size) else {
        return format!("{amount} B");
    };
    let tenths = u128::from(amount) * 10 / u128::from(size);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}iB"),
        (whole, tenth) => format!("{whole}.{tenth} {unit}iB"),
    }
}

/// Reads an amount of bytes: `1048576`, `256M`, `1.5G`, `64KiB`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, InvalidAmount> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim_start().to_ascii_uppercase();
    let unit = unit
        .strip_suffix("IB")
        .or_else(|| unit.strip_suffix('B'))
        .unwrap_or(&unit);
    let factor = match unit.chars().next() {
        None => 1,
        Some(letter) if unit.len() == 1 => {
            UNITS
                .iter()
                .find(|(c, _)| *c == letter)
                .ok_or(InvalidAmount::Bytes)?
                .1
        }
        Some(_) => return Err(InvalidAmount::Bytes),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if number.is_empty() || number == "." || fraction.contains('.') || fraction.len() > 9 {
        return Err(InvalidAmount::Bytes);
    }
    let digits = |text: &str| match text {
        "" => Ok(0),
        text => text.parse::<u64>().map_err(|_| InvalidAmount::Range),
    };
    let scale = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let total = u128::from(digits(whole)?) * u128::from(factor)
        + u128::from(digits(fraction)?) * u128::from(factor) / scale;
    match u64::try_from(total) {
        Ok(amount) if (1..1 << 63).contains(&amount) => Ok(amount),
        _ => Err(InvalidAmount::Range),
    }
}

/// Reads a share of one CPU in percent, with or without the sign.
pub(crate) fn parse_percent(text: &str) -> Result<u64, InvalidAmount> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<u64>() {
        Ok(percent) if percent >= 1 => Ok(percent),
        _ => Err(InvalidAmount::Percent),
    }
}

/// Reads a number of things, at least 1.
pub(crate) fn parse_count(text: &str) -> Result<u64, InvalidAmount> {
    match text.trim().parse() {
        Ok(count) if count >= 1 => Ok(count),
        _ => Err(InvalidAmount::Count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_written_as_the_pages_write_it() {
        for (amount, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1536, "1.5 kB"),
            (99_449, "99.4 kB"),
            (99_500, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1 MB"),
            (12_897_484, "12.9 MB"),
            (270_500_000_000, "271 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(amount), expected, "{amount}");
        }
    }

    #[test]
    fn limits_are_written_as_they_are_set() {
        for (amount, expected) in [
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (256 << 20, "256 MiB"),
            ((1 << 30) - 1, "1023.9 MiB"),
            (1 << 40, "1 TiB"),
        ] {
            assert_eq!(limit(amount), expected, "{amount}");
        }
    }

    #[test]
    fn amounts_are_read_in_the_usual_spellings() {
        for (text, expected) in [
            ("1048576", Ok(1 << 20)),
            ("256M", Ok(256 << 20)),
            ("256m", Ok(256 << 20)),
            ("256MB", Ok(256 << 20)),
            ("256 MiB", Ok(256 << 20)),
            ("1.5G", Ok(3 << 29)),
            (".5K", Ok(512)),
            ("7E", Ok(7 << 60)),
            ("8E", Err(InvalidAmount::Range)),
            ("0", Err(InvalidAmount::Range)),
            ("99999999999999999999", Err(InvalidAmount::Range)),
            ("", Err(InvalidAmount::Bytes)),
            (".", Err(InvalidAmount::Bytes)),
            ("M", Err(InvalidAmount::Bytes)),
            ("12X", Err(InvalidAmount::Bytes)),
            ("1.2.3M", Err(InvalidAmount::Bytes)),
            ("-1M", Err(InvalidAmount::Bytes)),
            ("1MM", Err(InvalidAmount::Bytes)),
            ("12ä", Err(InvalidAmount::Bytes)),
        ] {
            assert_eq!(parse_bytes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_can_be_read_again_without_growing() {
        for shift in 0..63 {
            for amount in [1u64 << shift, (1u64 << shift) + (1 << shift >> 1)] {
                let read = parse_bytes(&limit(amount)).unwrap();
                assert!(
                    read <= amount && amount - read <= amount / 8,
                    "{amount}: {read}"
                );
            }
        }
    }

    #[test]
    fn a_cpu_share_may_have_its_sign() {
        for (text, expected) in [
            ("50%", Ok(50)),
            ("200", Ok(200)),
            (" 5 %", Ok(5)),
            ("0%", Err(())),
            ("x", Err(())),
            ("-1", Err(())),
        ] {
            assert_eq!(parse_percent(text).map_err(|_| ()), expected, "{text:?}");
        }
    }
}
