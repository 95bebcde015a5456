//! Whether what lies in `out/` is a card, and what is published with it belongs to it.

use crate::assemble::Board;
use crate::card::Card;
use crate::layout::Layout;
use crate::manifest::{self, Manifest};
use crate::pack::{self, Files};
use crate::{bmap, firmware};
use anyhow::{Context as _, ensure};
use std::fs;
use std::path::Path;

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
        pi(|name| card.read("boot-a", name))?;
    }
    if !files.packed.exists() {
        return Ok(());
    }
    let facts = pack::facts(files)?;
    let read = |path: &Path| {
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

/// Checks that a root has everything that Atek needs of it, before a card is made of it. Its kernel
/// is not looked at: `atek check-system` does that where it runs.
///
/// # Errors
///
/// Names everything that is missing, with what to do about it.
pub fn check_root(root: &Path) -> anyhow::Result<()> {
    ensure!(root.is_dir(), "there is no folder {}", root.display());
    let report = atek_system_check::check_installed(root);
    ensure!(
        report.missing.is_empty(),
        "this root lacks what Atek needs:\n{}",
        report.in_words().trim_end()
    );
    Ok(())
}

/// What a Pi of each kind starts from, besides the kernel: its device tree, and firmware that is
/// not in its EEPROM. The cut-down firmware is the one that `gpu_mem=16` chooses, which needs the
/// other one all the same.
const PIS: [(&str, &[&str]); 2] = [
    (
        "bcm2711-rpi-4-b.dtb",
        &["start4.elf", "fixup4.dat", "start4cd.elf", "fixup4cd.dat"],
    ),
    ("bcm2712-rpi-5-b.dtb", &[]),
];

/// Checks that a Pi can start from the files that `read` finds: a card is for one kind or for
/// several.
fn pi(read: impl Fn(&str) -> anyhow::Result<Vec<u8>>) -> anyhow::Result<()> {
    let config = String::from_utf8(read("config.txt")?).context("config.txt is no text")?;
    ensure!(
        !config.lines().any(|line| line.starts_with("include")),
        "config.txt includes a file, which the firmware of a Pi 5 does not read"
    );
    let mut kinds = 0;
    for (tree, firmware) in PIS {
        if read(tree).is_ok() {
            kinds += 1;
            firmware.iter().try_for_each(|name| read(name).map(drop))?;
        }
    }
    ensure!(kinds > 0, "the card has no device tree of any Pi");
    Ok(())
}

#[cfg(test)]
mod pi_tests {
    use super::*;

    #[test]
    fn a_card_is_for_one_pi_or_both_and_each_needs_its_firmware() {
        let pi4 = [
            "bcm2711-rpi-4-b.dtb",
            "start4.elf",
            "fixup4.dat",
            "start4cd.elf",
            "fixup4cd.dat",
        ];
        let with = |there: &[&str]| {
            pi(|name| {
                ensure!(there.contains(&name), "no {name}");
                Ok(b"kernel=vmlinuz\n".to_vec())
            })
        };
        let both = [&["config.txt", "bcm2712-rpi-5-b.dtb"][..], &pi4].concat();
        with(&both).unwrap();
        with(&["config.txt", "bcm2712-rpi-5-b.dtb"]).unwrap();
        with(&[&["config.txt"][..], &pi4].concat()).unwrap();
        // Any other file that is missing keeps a Pi 4 from starting.
        for missing in both.iter().filter(|name| !name.ends_with(".dtb")) {
            let others: Vec<&str> = both
                .iter()
                .copied()
                .filter(|name| name != missing)
                .collect();
            assert!(with(&others).is_err(), "{missing}");
        }
        assert!(with(&["config.txt"]).is_err());
        assert!(pi(|_| Ok(b"include kernel.txt\n".to_vec())).is_err());
    }
}
