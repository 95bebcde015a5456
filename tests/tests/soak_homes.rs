//! Each part of two homes is killed while both write, and the power of each goes; the same over
//! routers that lose packets.

mod writing_together;

use anyhow::ensure;
use atek_tests::paths;
use std::time::Duration;
use writing_together::steps::Kill;
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

/// All steps with each part of each home, and with its power: the kill comes before, in the
/// middle of or after a step.
#[tokio::test]
async fn each_step_of_contacts_and_sharing_outlives_the_kill_of_each_part_and_a_power_cut()
-> anyhow::Result<()> {
    let mut pair = Pair::strangers("soak-steps").await?;
    for victim in PARTS.into_iter().chain([Victim::Power]) {
        for home in [0, 1] {
            let kills = [0, 20, 40, 60].map(|ahead| Kill {
                home,
                victim,
                ahead: Duration::from_millis(ahead),
            });
            pair.go_through(kills.to_vec()).await?;
        }
    }
    Ok(())
}

/// Of a hundred packets that come to a home, so many are lost.
const LOSS: u8 = 30;

#[tokio::test]
async fn what_two_homes_write_comes_together_while_their_routers_lose_30_percent_of_it()
-> anyhow::Result<()> {
    let mut pair = Pair::begin("soak-loss").await?;
    pair.loses(LOSS).await?;
    for (nth, victim) in PARTS.into_iter().take(2).chain([Victim::Power]).enumerate() {
        let after = Duration::from_millis(500);
        pair.survives(nth % 2, victim, after).await?;
    }
    pair.loses(0).await
}

/// The tests of the service that take minutes: loss from the first meeting on and a partition, and
/// 10 GiB against the bound as it is.
#[tokio::test]
async fn the_long_tests_of_the_hypercore_service_pass() -> anyhow::Result<()> {
    let service = paths::repository().join("daemon/hypercore");
    let install = "npm ci --ignore-scripts --no-audit --no-fund --silent";
    // In a network of their own, as `daemon/hypercore/check` runs them: a NAT of this machine gives
    // UDP between its programs other ports.
    let tests = "unshare --net sh -c 'ip link set lo up && \
        exec node --test --test-force-exit --test-concurrency=1 test/loss.test.js test/giant.test.js'";
    let ran = tokio::process::Command::new("sh")
        .args(["-ec", &format!("{install}\n{tests}")])
        .current_dir(service)
        .env("ATEK_LONG", "1")
        .output()
        .await?;
    let said = String::from_utf8_lossy(&ran.stdout);
    println!("{said}");
    ensure!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(())
}
