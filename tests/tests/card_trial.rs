//! A slot on trial in an emulated machine, with an old card in a reader beside it.
//!
//! The slot is the only one that the card has, called the one on trial: the firmware's part is
//! played here.

use anyhow::{Context as _, ensure};
use atek_image::card::Card;
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::{Seen, wait_for};

const ON_TRIAL: &str = "[all]\ntryboot_a_b=1\nboot_partition=3\n[tryboot]\nboot_partition=2\n";
const KEPT: &str = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";

#[tokio::test]
async fn a_slot_on_trial_is_given_up_unless_the_host_answers_and_then_it_is_kept()
-> anyhow::Result<()> {
    let mut emulated = Emulated::new("trial")?;
    Card::open(&emulated.card(), true)?.write("selector", "autoboot.txt", ON_TRIAL.as_bytes())?;
    emulated.tryboot = true;
    emulated.reader = true;
    emulated.append = "systemd.mask=atekd.service".into();
    emulated.start()?;
    emulated.lets_in().await?;
    own_partitions_are_used(&emulated).await?;
    let timer = emulated
        .exec("systemctl show -P SubState atek-boot-deadline.timer")
        .await?;
    assert_eq!(timer.trim(), "waiting", "nothing would give the slot up");
    // What the timer does after ten minutes.
    emulated
        .exec("systemctl start --no-block atek-boot-deadline.service")
        .await?;
    // The emulator ends instead of restarting.
    wait_for("the box to restart", BOOT, async || {
        Ok(Seen::if_so(emulated.is_on()?, |on| !on))
    })
    .await?;
    let console = emulated.console();
    assert!(console.contains("partition 2 is on trial"), "{console}");
    assert!(console.contains("reboot: Restarting system"), "{console}");
    let selector = Card::open(&emulated.card(), false)?.read("selector", "autoboot.txt")?;
    assert_eq!(String::from_utf8_lossy(&selector), ON_TRIAL);

    emulated.append.clear();
    emulated.start()?;
    emulated.answers().await?;
    emulated.lets_in().await?;
    wait_for("the slot to be kept", BOOT, async || {
        let selector = emulated.exec("cat /boot/autoboot.txt").await?;
        Ok(Seen::if_so(selector, |selector| selector == KEPT))
    })
    .await?;
    // From a slot that was good the box is never restarted.
    emulated
        .exec("systemctl start atek-boot-deadline.service")
        .await?;
    let result = emulated
        .exec(
            "systemctl show -P Result atek-boot-deadline.service; systemctl list-jobs --no-legend",
        )
        .await?;
    assert_eq!(result, "exec-condition\n", "the box would restart");
    Ok(())
}

/// A card in a reader has the same names and identities.
async fn own_partitions_are_used(emulated: &Emulated) -> anyhow::Result<()> {
    // The kernel's own list: of each partition its name and that of the device.
    let other = "udevadm settle; grep -lx PARTNAME=atek-data /sys/class/block/*/uevent";
    let seen = wait_for("the card in the reader to be seen", BOOT, async || {
        let seen = emulated.exec(other).await?;
        Ok(Seen::if_so(seen, |seen| seen.lines().count() == 2))
    })
    .await?;
    let sources = emulated
        .exec("for at in /boot /var; do sed -n \"s,.* / $at .* - [^ ]* \\([^ ]*\\) .*,\\1,p\" /proc/self/mountinfo; done; ls /sys/block/dm-0/slaves")
        .await?;
    let found: Vec<&str> = sources.lines().collect();
    let [boot, var, root] = found[..] else {
        return Err(anyhow::anyhow!(sources.clone())).context("not all is mounted");
    };
    ensure!(
        (boot, var, root) == ("/dev/vda1", "/dev/vda6", "vda4"),
        "not all of the box is on the card that it booted from: {sources}; there are {seen}"
    );
    Ok(())
}
