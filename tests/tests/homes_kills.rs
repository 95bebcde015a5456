//! Homes whose processes are killed and whose power goes while two people write together.

mod writing_together;

use std::time::Duration;
use writing_together::{PARTS, Pair, Victim};

/// A kill in each home and a power cut; `soak_homes` kills each part of both.
#[tokio::test]
async fn a_kill_and_a_power_cut_lose_nothing_that_two_homes_acknowledged() -> anyhow::Result<()> {
    let mut pair = Pair::begin("kills").await?;
    pair.survives(0, PARTS[0], Duration::from_millis(300))
        .await?;
    pair.survives(1, PARTS[1], Duration::from_millis(300))
        .await?;
    pair.survives(1, Victim::Power, Duration::from_millis(300))
        .await
}
