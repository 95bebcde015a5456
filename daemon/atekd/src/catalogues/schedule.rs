//! When the added catalogues are fetched again. Pure.

use std::time::Duration;

/// The pause when all went well.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The pause after the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(10 * 60);

/// How long to wait, after so many rounds in a row in which something failed. `share`, between 0
/// and 1, spreads the boxes of the world over a quarter of that.
pub(super) fn pause(failures: u32, share: f64) -> Duration {
    let base = match failures.checked_sub(1) {
        None => DAY,
        Some(doublings) => DAY.min(FIRST * 2_u32.pow(doublings.min(10))),
    };
    base + base.mul_f64(0.25 * share.clamp(0.0, 1.0))
}

/// A number between 0 and 1.
pub(super) fn random_share() -> f64 {
    let digits = crate::random::hex::<2>().ok();
    let number = digits.and_then(|digits| u16::from_str_radix(digits.expose(), 16).ok());
    f64::from(number.unwrap_or_default()) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_tried_again_sooner_and_then_more_and_more_rarely() {
        let minutes = |failures| pause(failures, 0.0).as_secs() / 60;
        let pauses: Vec<_> = (0..6).map(minutes).collect();
        assert_eq!(pauses, [1440, 10, 20, 40, 80, 160]);
        assert_eq!(minutes(1000), 1440);
        assert_eq!(pause(0, 1.0).as_secs(), 30 * 3600);
        assert!((0.0..=1.0).contains(&random_share()));
    }
}
