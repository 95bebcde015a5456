//! A card that was damaged, or put together twice.

use anyhow::Context as _;
use atek_image::card::Card;
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::{Seen, wait_for};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

#[tokio::test]
async fn a_damaged_block_of_the_root_is_noticed_and_the_machine_starts_anew() -> anyhow::Result<()>
{
    let mut emulated = Emulated::new("damaged")?;
    let (start, length) = {
        let card = Card::open(&emulated.card(), false)?;
        let root = card.part("root-a")?;
        (root.start, root.length)
    };
    // One byte of every sixteenth block of the first half: whatever is read first, some of it is
    // damaged.
    let file = File::options()
        .read(true)
        .write(true)
        .open(emulated.card())
        .context("cannot open the card")?;
    for at in (start + 4096..start + length / 2).step_by(16 * 4096) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[!byte[0]], at)?;
    }
    drop(file);
    emulated.start()?;
    // The emulator ends instead of restarting.
    wait_for("the machine to give up", BOOT, async || {
        Ok(Seen::if_so(emulated.is_on()?, |on| !on))
    })
    .await?;
    let console = emulated.console();
    assert!(console.contains("is corrupted"), "{console}");
    assert!(console.contains("Rebooting in 10 seconds"), "{console}");
    Ok(())
}
