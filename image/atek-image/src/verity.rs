//! The hash tree of a root (`Documentation/admin-guide/device-mapper/verity.rst`): version 1,
//! SHA-256, no superblock.
//!
//! The tree lies behind the root in the same partition; everything about it stands on the kernel's
//! command line.

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Bytes of a block, of data as of the tree.
pub const BLOCK: usize = 4096;
const DIGEST: usize = 32;

/// Fixed, so that the same root has the same tree. A salt protects against tables of hashes made
/// beforehand, which is no concern for a root that everybody can download.
const SALT: [u8; 32] = *b"Atek: the root of a home server.";

/// A root and its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verity {
    /// Blocks of data; the tree begins right behind.
    pub data_blocks: u64,
    /// The hash of the topmost block, in hexadecimal.
    pub root_hash: String,
}

impl Verity {
    /// The words for the kernel's command line: the root is checked, lies on the partition `uuid`,
    /// and is of the file system `kind`.
    #[must_use]
    pub fn words(&self, uuid: &str, kind: &str) -> String {
        let Self {
            data_blocks,
            root_hash,
        } = self;
        let sectors = data_blocks * (BLOCK as u64 / 512);
        let salt = hex(&SALT);
        format!(
            "dm-mod.create=\"atek-root,,,ro,0 {sectors} verity 1 PARTUUID={uuid} PARTUUID={uuid} {BLOCK} {BLOCK} \
             {data_blocks} {data_blocks} sha256 {root_hash} {salt} 1 panic_on_corruption\" \
             dm-mod.waitfor=PARTUUID={uuid} root=/dev/dm-0 ro rootfstype={kind}"
        )
    }
}

/// Fills the last block of the file at `path` with zeros and appends its tree.
///
/// # Errors
///
/// When the file cannot be read or written, or is empty.
pub fn append(path: &Path) -> anyhow::Result<Verity> {
    let doing = || format!("cannot append the hash tree to {}", path.display());
    let mut file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .with_context(doing)?;
    let length = file.metadata().with_context(doing)?.len();
    ensure!(length > 0, "{} is empty", path.display());
    let data_blocks = length.div_ceil(BLOCK as u64);
    file.set_len(data_blocks * BLOCK as u64)
        .with_context(doing)?;
    let mut leaves = Vec::new();
    let mut reader = BufReader::with_capacity(1 << 20, &file);
    let mut block = [0; BLOCK];
    for _ in 0..data_blocks {
        reader.read_exact(&mut block).with_context(doing)?;
        leaves.extend_from_slice(&digest(&block));
    }
    let (tree, root) = grow(leaves);
    file.seek(SeekFrom::End(0)).with_context(doing)?;
    file.write_all(&tree).with_context(doing)?;
    file.sync_all().with_context(doing)?;
    Ok(Verity {
        data_blocks,
        root_hash: hex(&root),
    })
}

/// The tree above the data's digests, topmost level first as it lies on the disk, and the hash of
/// the topmost block.
fn grow(leaves: Vec<u8>) -> (Vec<u8>, [u8; DIGEST]) {
    let mut levels = Vec::new();
    let mut digests = leaves;
    loop {
        digests.resize(digests.len().next_multiple_of(BLOCK), 0);
        let above: Vec<u8> = digests.chunks_exact(BLOCK).flat_map(digest).collect();
        levels.push(digests);
        if let Ok(root) = <[u8; DIGEST]>::try_from(above.as_slice()) {
            levels.reverse();
            return (levels.concat(), root);
        }
        digests = above;
    }
}

fn digest(block: &[u8]) -> [u8; DIGEST] {
    Sha256::new()
        .chain_update(SALT)
        .chain_update(block)
        .finalize()
        .into()
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn verity(bytes: &[u8]) -> (Verity, Vec<u8>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let verity = append(file.path()).unwrap();
        (verity, fs::read(file.path()).unwrap())
    }

    #[test]
    fn a_root_of_one_block_has_a_tree_of_one_block() {
        let (verity, file) = verity(b"root");
        assert_eq!((verity.data_blocks, file.len()), (1, 2 * BLOCK));
        assert_eq!(file[BLOCK..BLOCK + DIGEST], digest(&file[..BLOCK]));
        assert_eq!(verity.root_hash, hex(&digest(&file[BLOCK..])));
    }

    #[test]
    fn the_levels_lie_topmost_first() {
        // 129 digests need two blocks, and those a third above them.
        let (verity, file) = verity(&[7; 129 * BLOCK]);
        assert_eq!(file.len(), (129 + 3) * BLOCK);
        let top = &file[129 * BLOCK..130 * BLOCK];
        assert_eq!(top[..DIGEST], digest(&file[130 * BLOCK..131 * BLOCK]));
        assert_eq!(top[DIGEST..2 * DIGEST], digest(&file[131 * BLOCK..]));
        assert_eq!(verity.root_hash, hex(&digest(top)));
    }
}
