//! The time zone of the person who reads the output.

use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// The zone that `TZ` names, else the machine's, else UTC.
pub(crate) fn zone() -> TimeZone {
    let named = std::env::var("TZ").ok().filter(|name| !name.is_empty());
    match named {
        Some(name) => named_zone(&name).unwrap_or(TimeZone::UTC),
        None => from_file(Path::new("/etc/localtime")).unwrap_or(TimeZone::UTC),
    }
}

/// `Europe/Berlin`, `:Europe/Berlin`, a file, or rules in the POSIX form
/// (`CET-1CEST,M3.5.0,M10.5.0/3`).
fn named_zone(name: &str) -> Option<TimeZone> {
    let name = name.strip_prefix(':').unwrap_or(name);
    let path: PathBuf = Path::new("/usr/share/zoneinfo").join(name);
    from_file(&path).or_else(|| TimeZone::posix(name).ok())
}

fn from_file(path: &Path) -> Option<TimeZone> {
    let data = std::fs::read(path).ok()?;
    TimeZone::tzif("local", &data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_may_be_given_by_rules() {
        let zone = named_zone("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let summer: jiff::Timestamp = "2026-08-05T12:00:00Z".parse().unwrap();
        assert_eq!(summer.to_zoned(zone).hour(), 14);
        assert_eq!(named_zone("No/Such Zone"), None);
    }
}
