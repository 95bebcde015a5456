//! Each part of two homes is killed while both write, and the power of each goes.

mod writing_together;

use std::time::Duration;
use writing_together::{PARTS, Pair, Victim};

const ROUNDS: u64 = 3;

#[tokio::test]
async fn kills_of_each_part_and_power_cuts_lose_nothing_that_two_homes_acknowledged()
-> anyhow::Result<()> {
    let mut pair = Pair::begin("soak-homes").await?;
    for round in 0..ROUNDS {
        for (nth, victim) in (0..).zip(PARTS.into_iter().chain([Victim::Power])) {
            for home in [0, 1] {
                let after = Duration::from_millis(50 + (round * 331 + nth * 97) % 700);
                pair.survives(home, victim, after).await?;
            }
        }
    }
    Ok(())
}
