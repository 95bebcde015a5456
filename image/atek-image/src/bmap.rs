//! Block maps: which blocks of a card are worth writing, so that a writer skips the rest (the
//! format of `bmaptool`, 2.0).

use crate::verity::hex;
use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Bytes of a block.
const BLOCK: usize = 4096;

const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// A run of blocks that hold something: from and to, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The first block.
    pub first: u64,
    /// The last block.
    pub last: u64,
    /// The hash of their content.
    pub sha256: String,
}

/// The map of the card at `path`.
///
/// # Errors
///
/// When it cannot be read.
pub fn of(path: &Path) -> anyhow::Result<String> {
    let doing = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(doing)?;
    let size = file.metadata().with_context(doing)?.len();
    let ranges = ranges(BufReader::with_capacity(1 << 20, file)).with_context(doing)?;
    Ok(render(size, &ranges))
}

/// The runs of blocks that are not all zeros.
///
/// By content, not by the file's holes: the same card has the same map on every file system.
fn ranges(mut reader: impl Read) -> std::io::Result<Vec<Range>> {
    let mut ranges = Vec::new();
    let mut open: Option<(u64, Sha256)> = None;
    let mut close = |open: &mut Option<(u64, Sha256)>, next: u64| {
        if let Some((first, hash)) = open.take() {
            ranges.push(Range {
                first,
                last: next - 1,
                sha256: hex(&hash.finalize()),
            });
        }
    };
    let mut block = Vec::with_capacity(BLOCK);
    for number in 0.. {
        block.clear();
        reader.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        if block == ZEROS[..block.len()] {
            close(&mut open, number);
        } else {
            open.get_or_insert_with(|| (number, Sha256::new()))
                .1
                .update(&block);
        }
        if block.len() < BLOCK {
            close(&mut open, number + u64::from(!block.is_empty()));
            break;
        }
    }
    Ok(ranges)
}

fn render(size: u64, ranges: &[Range]) -> String {
    let mapped: u64 = ranges
        .iter()
        .map(|range| range.last - range.first + 1)
        .sum();
    let head = |checksum: &str| {
        let mut text = format!(
            "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n    <ImageSize> {size} </ImageSize>\n    <BlockSize> {BLOCK} </BlockSize>\n    <BlocksCount> {} </BlocksCount>\n    <MappedBlocksCount> {mapped} </MappedBlocksCount>\n    <ChecksumType> sha256 </ChecksumType>\n    <BmapFileChecksum> {checksum} </BmapFileChecksum>\n    <BlockMap>\n",
            size.div_ceil(BLOCK as u64)
        );
        for range in ranges {
            let blocks = match range.first == range.last {
                true => range.first.to_string(),
                false => format!("{}-{}", range.first, range.last),
            };
            let _ = writeln!(
                text,
                "        <Range chksum=\"{}\"> {blocks} </Range>",
                range.sha256
            );
        }
        text + "    </BlockMap>\n</bmap>\n"
    };
    // The format's rule: the checksum of the file with zeros where the checksum stands.
    let sum = hex(&Sha256::digest(head(&"0".repeat(64))));
    head(&sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_that_hold_something_are_mapped() {
        let mut card = vec![0; 6 * BLOCK + 10];
        card[0] = 1;
        card[3 * BLOCK] = 1;
        card[4 * BLOCK] = 2;
        card[6 * BLOCK + 9] = 3;
        let found = ranges(card.as_slice()).unwrap();
        let blocks: Vec<(u64, u64)> = found
            .iter()
            .map(|range| (range.first, range.last))
            .collect();
        assert_eq!(blocks, [(0, 0), (3, 4), (6, 6)]);
        assert_eq!(
            found[1].sha256,
            hex(&Sha256::digest(&card[3 * BLOCK..5 * BLOCK]))
        );
        let text = render(card.len() as u64, &found);
        assert!(text.contains("<MappedBlocksCount> 4 </MappedBlocksCount>"));
        assert!(text.contains("> 3-4 </Range>"));
        assert!(ranges(&[][..]).unwrap().is_empty());
    }
}
