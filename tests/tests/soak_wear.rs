//! What ten idle apps cost the card in an hour.
//!
//! `ATEK_IDLE_SECONDS` is how long the box is idle (3600), `ATEK_IDLE_APPS` how many apps it has
//! (10). The short form, 600 seconds with two apps, finds a program that writes all the time; a
//! figure for a day needs the hour, because some things are written once in it.

use anyhow::ensure;
use atek_tests::emulated::Emulated;
use atek_tests::{GitRemote, wear};
use std::net::Ipv4Addr;

#[tokio::test]
async fn ten_idle_apps_write_at_most_five_megabytes_a_day() -> anyhow::Result<()> {
    let idle: u64 = std::env::var("ATEK_IDLE_SECONDS").map_or(Ok(3600), |text| text.parse())?;
    let apps: u32 = std::env::var("ATEK_IDLE_APPS").map_or(Ok(10), |text| text.parse())?;
    let remote = GitRemote::new("hello", Ipv4Addr::LOCALHOST)?;
    remote.tag_app("v1.0.0", "hello-node")?;
    let mut emulated = Emulated::new("wear")?;
    emulated.start()?;
    emulated.answers().await?;
    emulated.lets_in().await?;
    let owner = emulated.claim().await?;
    for number in 1..=apps {
        emulated
            .install(&owner, &remote, &format!("idle-{number}"))
            .await?;
    }
    wear::settle(&emulated).await?;
    let written = wear::while_idle(&emulated, idle).await?;
    println!("figure: {written}");
    ensure!(written.is_little(), "an idle box wears its card: {written}");
    Ok(())
}
