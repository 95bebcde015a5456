//! Whether what lies in `out/` is a card, and what is published with it belongs to it.

use crate::assemble::Board;
use crate::card::Card;
use crate::layout::Layout;
use crate::manifest::{self, Manifest};
use crate::pack::{self, Files};
use crate::{bmap, firmware};
use anyhow::{Context as _, ensure};
use std::fs;

/// Checks the card of `board`, and what was packed of it if it was.
///
/// # Errors
///
/// Says the first thing that is wrong.
pub fn check(files: &Files, board: Board) -> anyhow::Result<()> {
    let card = Card::open(&files.card, false)?;
    let layout = Layout::read()?;
    let names =
        |part: &crate::card::Part| (part.name.clone(), part.uuid.clone(), part.length >> 20);
    let found: Vec<_> = card.parts().iter().map(names).collect();
    let wanted: Vec<_> = layout
        .partitions
        .iter()
        .map(|part| (part.name.clone(), part.uuid.clone(), part.size_mib))
        .collect();
    ensure!(
        found == wanted,
        "the card's partitions are {found:?}, the layout's {wanted:?}"
    );
    let boot = firmware::boot(&card, false)?;
    ensure!(
        boot.partition == "boot-a",
        "the card boots {}",
        boot.partition
    );
    let root = card.part("root-a")?;
    ensure!(
        boot.cmdline.contains(&root.uuid),
        "the command line does not name root-a"
    );
    // An arm64 kernel says so at byte 56.
    ensure!(
        boot.kernel.get(56..60) == Some(b"ARM\x64"),
        "the kernel is not one of arm64"
    );
    if board == Board::Rpi {
        for name in [
            "start4.elf",
            "fixup4.dat",
            "bcm2711-rpi-4-b.dtb",
            "bcm2712-rpi-5-b.dtb",
        ] {
            card.read("boot-a", name)?;
        }
    }
    if !files.packed.exists() {
        return Ok(());
    }
    let facts = pack::facts(files)?;
    let read = |path: &std::path::Path| {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let list: Manifest = serde_json::from_str(&read(&files.manifest)?)
        .context("the manifest is not as Imager documents")?;
    manifest::check(&list, &facts)?;
    ensure!(
        read(&files.sum)?.starts_with(&facts.packed_sha256),
        "the .sha256 is of another card"
    );
    ensure!(
        read(&files.bmap)? == bmap::of(&files.card)?,
        "the .bmap is of another card"
    );
    Ok(())
}
