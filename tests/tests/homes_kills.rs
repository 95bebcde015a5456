//! Homes whose processes are killed and whose power goes while two people become contacts, share
//! and write together.

mod writing_together;

use std::time::Duration;
use writing_together::steps::Kill;
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

/// One part of one home at each step, in turn; `soak_homes` kills each part of both at each step.
#[tokio::test]
async fn each_step_from_strangers_to_writers_and_back_outlives_the_kill_of_a_part()
-> anyhow::Result<()> {
    let mut pair = Pair::strangers("steps").await?;
    let kills = [0, 15, 30, 45, 60].into_iter().zip(PARTS).enumerate();
    let kills = kills.map(|(nth, (ahead, victim))| Kill {
        home: nth % 2,
        victim,
        ahead: Duration::from_millis(ahead),
    });
    pair.go_through(kills.collect()).await
}
