//! The card as a file: what it has, how large it is, and that it is the same each time.

use anyhow::Context as _;
use atek_image::assemble::Board;
use atek_image::card::Card;
use atek_image::emulator::{self, Options};
use atek_image::firmware;
use atek_image::pack::Files;
use atek_tests::emulated::{built_card, is_given_card};
use atek_tests::paths;
use std::fs;
use std::process::Command;

fn atek_image() -> anyhow::Result<Command> {
    Ok(Command::new(paths::fixture_program("atek-image")?))
}

#[test]
fn the_card_is_what_the_layout_says_and_a_small_part_of_it_is_used() -> anyhow::Result<()> {
    // A given card has no folder of results to check beside it.
    if !is_given_card() {
        let output = atek_image()?
            .args(["check", "--board", "virt"])
            .output()
            .context("cannot start atek-image")?;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let card = Card::open(&built_card()?, false)?;
    let boot = firmware::boot(&card, false)?;
    assert_eq!(boot.partition, "boot-a");
    assert!(
        boot.cmdline.contains("panic_on_corruption"),
        "{}",
        boot.cmdline
    );
    // Buildroot's kernel sets verity up by itself.
    assert!(boot.initramfs.is_some() || boot.cmdline.contains("init=/usr/lib/atek/atek-init"));
    // Slot b is for the first update.
    assert!(card.read("boot-b", "config.txt").is_err());
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::metadata(built_card()?)?;
    let (size, used) = (meta.len() >> 20, (meta.blocks() * 512) >> 20);
    println!(
        "figure: the card has {size} MiB, of which {used} are used; kernel and initramfs {} MiB",
        (boot.kernel.len() + boot.initramfs.map_or(0, |it| it.len())) >> 20
    );
    assert!(used < 400, "{used} MiB of the card are used");
    Ok(())
}

#[test]
fn a_card_put_together_twice_is_the_same_byte_for_byte() -> anyhow::Result<()> {
    if is_given_card() {
        atek_tests::skip("the card was built elsewhere: ATEK_CARD is set");
        return Ok(());
    }
    let first = Files::of(&paths::output(), Board::Virt).card;
    let again = paths::output().join("again");
    let mut build = atek_image()?;
    build
        .args(["build", "--board", "virt", "--quick", "--no-pack", "--out"])
        .arg(&again);
    let output = build.output().context("cannot start atek-image")?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let second = Files::of(&again, Board::Virt).card;
    let same = Command::new("cmp")
        .arg(&first)
        .arg(&second)
        .output()
        .context("cannot start cmp")?;
    assert!(
        same.status.success(),
        "{}",
        String::from_utf8_lossy(&same.stdout)
    );
    fs::remove_dir_all(&again).context("cannot remove the second card")
}

#[test]
fn a_person_who_boots_the_card_sees_its_console_and_leaves_it_as_it_was() -> anyhow::Result<()> {
    let card = built_card()?;
    let words = |keep| {
        let options = Options {
            card: card.clone(),
            keep,
            port: 8123,
            memory_mib: 1024,
            monitor: None,
            ssh_port: None,
            append: String::new(),
            tryboot: false,
            disk: None,
            nvme: false,
            bad_sector: None,
            reader: None,
            keyboard: false,
        };
        let boot = emulator::command(&options)?;
        let words = boot.command.get_args().map(|word| word.to_string_lossy());
        anyhow::Ok(words.collect::<Vec<_>>().join(" "))
    };
    let said = words(false)?;
    for expected in [
        "snapshot=on",
        "hostfwd=tcp:127.0.0.1:8123-:80",
        "-serial mon:stdio",
    ] {
        assert!(said.contains(expected), "no {expected} in {said}");
    }
    assert!(!said.contains(":22"), "ssh is forwarded unasked: {said}");
    assert!(words(true)?.contains("snapshot=off"));
    Ok(())
}
