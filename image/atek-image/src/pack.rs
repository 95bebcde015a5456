//! What is published of a card: compressed, its hash, its block map, and Imager's entry.

use crate::assemble::Board;
use crate::card::Card;
use crate::manifest::{self, Facts};
use crate::verity::hex;
use crate::{bmap, command};
use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that the files' names bear: this workspace's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The names of what is published.
#[derive(Debug, Clone)]
pub struct Files {
    /// The card.
    pub card: PathBuf,
    /// Compressed.
    pub packed: PathBuf,
    /// `sha256sum`'s line of the compressed one.
    pub sum: PathBuf,
    /// Its block map.
    pub bmap: PathBuf,
    /// Imager's entry.
    pub manifest: PathBuf,
    /// The bill of materials.
    pub bill: PathBuf,
    /// The licence texts.
    pub licenses: PathBuf,
}

impl Files {
    /// Those in `folder`.
    #[must_use]
    pub fn of(folder: &Path, board: Board) -> Self {
        let name = |end: &str| folder.join(format!("atek-{VERSION}-{board}.img{end}"));
        Self {
            card: name(""),
            packed: name(".xz"),
            sum: name(".xz.sha256"),
            bmap: name(".bmap"),
            manifest: folder.join(format!("atek-{board}.rpi-imager-manifest")),
            bill: folder.join(format!("atek-{VERSION}-{board}.cdx.json")),
            licenses: folder.join(format!("atek-{VERSION}-{board}.licenses.tar.xz")),
        }
    }
}

/// Packs the card at `files.card`, which stays.
///
/// # Errors
///
/// When a file cannot be read or written, or `xz` fails.
pub fn pack(files: &Files, epoch: u64) -> anyhow::Result<()> {
    // A fixed block size: the result does not depend on how many processors compress it.
    command::run(
        Command::new("xz")
            .args([
                "-6",
                "--threads=0",
                "--block-size=24MiB",
                "--keep",
                "--force",
            ])
            .arg(&files.card),
    )?;
    let facts = facts(files)?;
    let write = |path: &Path, text: String| {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write(
        &files.sum,
        format!("{}  {}\n", facts.packed_sha256, facts.file),
    )?;
    write(&files.bmap, bmap::of(&files.card)?)?;
    let list = serde_json::to_string_pretty(&manifest::of(VERSION, &facts, epoch))
        .context("cannot write the manifest")?;
    write(&files.manifest, list + "\n")
}

/// What is true of the files.
///
/// # Errors
///
/// When one cannot be read.
pub fn facts(files: &Files) -> anyhow::Result<Facts> {
    let (size, sha256) = size_and_hash(&files.card)?;
    let (packed_size, packed_sha256) = size_and_hash(&files.packed)?;
    let file = files
        .packed
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Facts {
        file,
        size,
        sha256,
        packed_size,
        packed_sha256,
        devices: devices(&files.card)?,
    })
}

/// The device trees on the card that are a board's, and what Imager calls that board.
const BOARDS: [(&str, &str); 2] = [
    ("bcm2711-rpi-4-b.dtb", "pi4-64bit"),
    ("bcm2712-rpi-5-b.dtb", "pi5-64bit"),
];

/// The boards that the card boots.
///
/// # Errors
///
/// When it is no card.
pub fn devices(card: &Path) -> anyhow::Result<Vec<String>> {
    let card = Card::open(card, false)?;
    let on_it = BOARDS
        .iter()
        .filter(|(tree, _)| card.read("boot-a", tree).is_ok());
    Ok(on_it.map(|(_, device)| (*device).to_owned()).collect())
}

/// The size of a file in bytes, and its SHA-256.
pub(crate) fn size_and_hash(path: &Path) -> anyhow::Result<(u64, String)> {
    let doing = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(doing)?;
    let (mut size, mut hash, mut buffer) = (0, Sha256::new(), vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer).with_context(doing)?;
        if count == 0 {
            return Ok((size, hex(&hash.finalize())));
        }
        size += count as u64;
        hash.update(&buffer[..count]);
    }
}
