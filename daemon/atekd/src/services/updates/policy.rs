//! Which release, when, and may it: the policy of updates. Pure: no I/O, no clock.

use atek_api::updates::UpdateMode;
use atek_api::version::{Range, Release, is_update};
use semver::Version;

/// Seconds since 1970.
pub(in crate::services) type Seconds = i64;

const HOUR: Seconds = 3600;
/// Hours in which an automatic update waits, where nothing else was decided.
pub(in crate::services) const DELAY_HOURS: u32 = 24;
/// The first pause after a look that failed; it doubles with each further one.
const FIRST_PAUSE: Seconds = 15 * 60;
/// Before this the clock was never set (2025-01-01): a box without a battery begins at 1970, or at
/// the time of its system's build.
const CLOCK_IS_SET: Seconds = 1_735_689_600;

/// What was decided about the updates of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::services) struct Decided {
    pub(in crate::services) mode: UpdateMode,
    pub(in crate::services) delay_hours: u32,
    pub(in crate::services) hold_until: Option<Seconds>,
}

/// What is known about the releases of a service.
#[derive(Debug)]
pub(in crate::services) struct Known<'a> {
    /// The installed tag.
    pub(in crate::services) installed: &'a str,
    pub(in crate::services) releases: &'a [Release],
    pub(in crate::services) range: &'a Range,
    /// Tags that are not tried again by themselves.
    pub(in crate::services) refused: &'a [String],
    /// The tag that asks for permissions that were not granted, if one was looked at.
    pub(in crate::services) asks_for_more: Option<&'a str>,
}

/// A release that could be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services) struct Candidate {
    pub(in crate::services) release: Release,
    /// Its major version is another one than that of the installed release.
    pub(in crate::services) major: bool,
    pub(in crate::services) asks_for_more: bool,
}

/// Whether a candidate may be installed without a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::services) enum Permit {
    /// Now.
    Now,
    /// At this time, if nothing changes until then.
    At(Seconds),
    /// Only a person may.
    WithAYes,
}

/// The newest release that the range admits, is newer than what is installed and was not refused.
pub(in crate::services) fn candidate(known: &Known<'_>) -> Option<Candidate> {
    let fits = known.releases.iter().filter(|release| {
        known.range.matches(&release.version)
            && !known.refused.contains(&release.tag)
            && is_update(known.installed, release)
    });
    let release = fits.max()?.clone();
    let major = Release::from_tag(known.installed)
        .is_none_or(|installed| is_other_major(&installed.version, &release.version));
    let asks_for_more = known.asks_for_more == Some(release.tag.as_str());
    Some(Candidate {
        release,
        major,
        asks_for_more,
    })
}

/// Whether a change of version may break what relies on it: the major number or, of a version
/// before 1.0.0, the minor one (semver.org, 4).
fn is_other_major(old: &Version, new: &Version) -> bool {
    old.major != new.major || (old.major == 0 && old.minor != new.minor)
}

/// Whether a candidate may be installed without a yes; `first_seen` is when its tag appeared.
pub(in crate::services) fn permit(
    candidate: &Candidate,
    decided: &Decided,
    first_seen: Seconds,
    now: Seconds,
) -> Permit {
    if decided.mode != UpdateMode::Automatic || candidate.major || candidate.asks_for_more {
        return Permit::WithAYes;
    }
    let due = first_seen.saturating_add(Seconds::from(decided.delay_hours) * HOUR);
    let due = due.max(decided.hold_until.unwrap_or(Seconds::MIN));
    if due <= now {
        Permit::Now
    } else {
        Permit::At(due)
    }
}

/// Whether releases may be looked for at all.
pub(in crate::services) fn may_look(now: Seconds, metered: bool, mode: UpdateMode) -> bool {
    now >= CLOCK_IS_SET && !metered && mode != UpdateMode::Never
}

/// When to look next. `last` is when it was looked last, `failures` how often that failed in a
/// row, `every` the usual pause in seconds, and `seed` a number of the service's own: boxes that
/// were installed together do not ask together.
pub(in crate::services) fn next_look(
    last: Seconds,
    failures: u32,
    every: Seconds,
    seed: u64,
) -> Seconds {
    let pause = match failures {
        0 => every,
        failures => FIRST_PAUSE
            .saturating_mul(1 << failures.saturating_sub(1).min(20))
            .min(every),
    };
    // Up to a tenth more or less.
    let spread = pause / 5;
    let offset = if spread > 0 {
        Seconds::try_from(seed % spread.unsigned_abs()).unwrap_or(0) - spread / 2
    } else {
        0
    };
    last.saturating_add(pause).saturating_add(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn releases(tags: &[&str]) -> Vec<Release> {
        let mut all = Vec::new();
        for tag in tags {
            all.push(Release::from_tag(tag).unwrap());
        }
        all
    }

    fn chosen(installed: &str, tags: &[&str], range: &str, refused: &[&str]) -> Option<String> {
        let (range, releases) = (range.parse().unwrap(), releases(tags));
        let refused: Vec<String> = refused.iter().map(|tag| (*tag).to_owned()).collect();
        let known = Known {
            installed,
            releases: &releases,
            range: &range,
            refused: &refused,
            asks_for_more: None,
        };
        candidate(&known).map(|candidate| candidate.release.tag)
    }

    #[test]
    fn the_newest_release_of_the_range_that_was_not_refused_is_chosen() {
        let tags = ["v1.0.0", "v1.1.0", "v1.2.0", "v2.0.0", "v2.1.0-rc.1"];
        for (installed, range, refused, expected) in [
            ("v1.0.0", "", &[][..], Some("v2.0.0")),
            ("v1.0.0", "^1", &[], Some("v1.2.0")),
            ("v1.0.0", "^1", &["v1.2.0"], Some("v1.1.0")),
            ("v1.0.0", "~1.0", &[], None),
            ("v1.0.0", "1.0.0", &[], None),
            ("v1.0.0", "", &["v2.0.0", "v1.2.0", "v1.1.0"], None),
            ("v2.0.0", "", &[], None),
            ("v1.2.0", "^1", &[], None),
            ("v3.0.0", "", &[], None),
            ("v1.0.0", "2.1.0-rc.1", &[], Some("v2.1.0-rc.1")),
            ("main", "", &[], Some("v2.0.0")),
        ] {
            let found = chosen(installed, &tags, range, refused);
            assert_eq!(
                found.as_deref(),
                expected,
                "{installed} {range} {refused:?}"
            );
        }
    }

    fn verdict(from: &str, to: &str, mode: UpdateMode, more: bool) -> Permit {
        let (range, releases) = (Range::any(), releases(&[to]));
        let known = Known {
            installed: from,
            releases: &releases,
            range: &range,
            refused: &[],
            asks_for_more: more.then_some(to),
        };
        let decided = Decided {
            mode,
            delay_hours: 2,
            hold_until: None,
        };
        permit(&candidate(&known).unwrap(), &decided, 0, 2 * HOUR)
    }

    #[test]
    fn nothing_crosses_a_major_version_or_a_permission_without_a_yes() {
        use UpdateMode::{Ask, Automatic, Never};
        for (from, to, mode, more, expected) in [
            ("v1.0.0", "v1.0.1", Automatic, false, Permit::Now),
            ("v1.0.0", "v1.1.0", Automatic, false, Permit::Now),
            ("v1.0.0", "v1.0.1", Automatic, true, Permit::WithAYes),
            ("v1.0.0", "v2.0.0", Automatic, false, Permit::WithAYes),
            ("v0.1.0", "v0.1.1", Automatic, false, Permit::Now),
            ("v0.1.0", "v0.2.0", Automatic, false, Permit::WithAYes),
            ("v0.9.0", "v1.0.0", Automatic, false, Permit::WithAYes),
            ("main", "v1.0.0", Automatic, false, Permit::WithAYes),
            ("v1.0.0", "v1.0.1", Ask, false, Permit::WithAYes),
            ("v1.0.0", "v1.0.1", Never, false, Permit::WithAYes),
        ] {
            assert_eq!(
                verdict(from, to, mode, more),
                expected,
                "{from} {to} {mode:?}"
            );
        }
    }

    #[test]
    fn an_automatic_update_waits_for_its_delay_and_for_the_end_of_a_hold() {
        let candidate = Candidate {
            release: Release::from_tag("v1.0.1").unwrap(),
            major: false,
            asks_for_more: false,
        };
        for (delay_hours, hold_until, first_seen, now, expected) in [
            (24, None, 0, 0, Permit::At(24 * HOUR)),
            (24, None, 0, 24 * HOUR - 1, Permit::At(24 * HOUR)),
            (24, None, 0, 24 * HOUR, Permit::Now),
            (0, None, 5, 5, Permit::Now),
            (0, Some(100), 0, 99, Permit::At(100)),
            (0, Some(100), 0, 100, Permit::Now),
            (1, Some(100), 0, 100, Permit::At(HOUR)),
            (u32::MAX, None, Seconds::MAX, 0, Permit::At(Seconds::MAX)),
        ] {
            let decided = Decided {
                mode: UpdateMode::Automatic,
                delay_hours,
                hold_until,
            };
            assert_eq!(permit(&candidate, &decided, first_seen, now), expected);
        }
    }

    #[test]
    fn nothing_is_looked_for_without_a_clock_on_a_metered_network_or_against_a_decision() {
        let now = CLOCK_IS_SET + 1;
        assert!(may_look(now, false, UpdateMode::Ask));
        assert!(may_look(now, false, UpdateMode::Automatic));
        assert!(!may_look(now, true, UpdateMode::Ask));
        assert!(!may_look(now, false, UpdateMode::Never));
        assert!(!may_look(100, false, UpdateMode::Ask));
    }

    #[test]
    fn looks_that_fail_back_off_up_to_the_usual_pause() {
        let day = 24 * HOUR;
        let pauses: Vec<Seconds> = (0..10)
            .map(|failures| next_look(0, failures, day, 0))
            .collect();
        for (failures, pause) in pauses.iter().enumerate().skip(2).take(6) {
            assert!(*pause > pauses[failures - 1], "{pauses:?}");
        }
        assert!(pauses[1] >= FIRST_PAUSE * 9 / 10 && pauses[1] <= FIRST_PAUSE * 11 / 10);
        assert!(pauses[9] >= day * 9 / 10 && pauses[9] <= day * 11 / 10);
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_always_admitted_newer_and_not_refused(
            numbers in prop::collection::vec((0u64..4, 0u64..4, 0u64..4), 0..12),
            installed in (0u64..4, 0u64..4, 0u64..4),
            refused in prop::collection::vec(0usize..12, 0..6),
            range in prop::sample::select(vec!["", "^1", "~1.2", ">=1 <3", "1 || 3", "2.x"]),
        ) {
            let tag = |(a, b, c): &(u64, u64, u64)| format!("v{a}.{b}.{c}");
            let tags: Vec<String> = numbers.iter().map(tag).collect();
            let refused: Vec<String> =
                refused.iter().filter_map(|at| tags.get(*at).cloned()).collect();
            let releases: Vec<Release> =
                tags.iter().filter_map(|tag| Release::from_tag(tag)).collect();
            let range: Range = range.parse().unwrap();
            let installed = tag(&installed);
            let known = Known {
                installed: &installed,
                releases: &releases,
                range: &range,
                refused: &refused,
                asks_for_more: None,
            };
            let fits = |release: &Release| {
                range.matches(&release.version)
                    && is_update(&installed, release)
                    && !refused.contains(&release.tag)
            };
            match candidate(&known) {
                Some(chosen) => {
                    prop_assert!(fits(&chosen.release));
                    let newer = releases.iter().filter(|release| fits(release));
                    prop_assert!(newer.max().unwrap().version == chosen.release.version);
                }
                None => prop_assert!(!releases.iter().any(fits)),
            }
        }

        #[test]
        fn an_automatic_update_never_comes_before_its_time(
            first_seen in 0i64..2_000_000_000,
            delay_hours in 0u32..10_000,
            hold in prop::option::of(0i64..2_000_000_000),
            now in 0i64..2_000_000_000,
        ) {
            let candidate = Candidate {
                release: Release::from_tag("v1.0.1").unwrap(),
                major: false,
                asks_for_more: false,
            };
            let decided =
                Decided { mode: UpdateMode::Automatic, delay_hours, hold_until: hold };
            let early = now < first_seen + i64::from(delay_hours) * HOUR
                || hold.is_some_and(|until| now < until);
            match permit(&candidate, &decided, first_seen, now) {
                Permit::Now => prop_assert!(!early),
                Permit::At(when) => prop_assert!(early && when > now),
                Permit::WithAYes => prop_assert!(false),
            }
        }

        #[test]
        fn the_next_look_is_never_sooner_than_nine_tenths_of_the_pause(
            last in 0i64..2_000_000_000, failures in 0u32..100, seed: u64,
        ) {
            let next = next_look(last, failures, 24 * HOUR, seed);
            prop_assert!(next - last >= FIRST_PAUSE * 9 / 10);
            prop_assert!(next - last <= 24 * HOUR * 11 / 10);
        }
    }
}
