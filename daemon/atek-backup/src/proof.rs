//! Reads files back from the target and compares them with what they were stored from.

use crate::error::Error;
use crate::layout::Source;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{IndexedFull, LsOptions, Repository, RusticError};
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// Bytes of the largest file that is read back.
const LARGEST: u64 = 64 << 20;

/// Compares up to `count` files of a snapshot, chosen by chance, and returns how many.
pub(crate) fn compare<S: IndexedFull>(
    repository: &Repository<S>,
    snapshot: &SnapshotFile,
    source: &Source,
    count: u32,
    of: impl Fn(Box<RusticError>) -> Error,
) -> Result<u32, Error> {
    let root = repository
        .node_from_snapshot_and_path(snapshot, "")
        .map_err(&of)?;
    let chance = RandomState::new();
    let mut chosen = BTreeMap::new();
    for found in repository.ls(&root, &LsOptions::default()).map_err(&of)? {
        let (path, node) = found.map_err(&of)?;
        if !node.is_file() || node.meta.size > LARGEST {
            continue;
        }
        chosen.insert(chance.hash_one(&path), (path, node));
        if chosen.len() > count as usize {
            chosen.pop_last();
        }
    }
    let mut proven = 0;
    for (path, node) in chosen.into_values() {
        let place: PathBuf = source.path.join(path.strip_prefix("/").unwrap_or(&path));
        let file = File::options()
            .read(true)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&place)
            .map_err(Error::local("open a file to compare it"))?;
        let mut compared = Compared { file, same: true };
        repository.dump(&node, &mut compared).map_err(&of)?;
        let more = compared.file.read(&mut [0]);
        let same = compared.same && more.is_ok_and(|more| more == 0);
        // The host's own files may change while they are stored.
        if !same && source.is_copy {
            return Err(Error::Damaged(format!(
                "{} came back different from what was stored",
                path.display()
            )));
        }
        proven += u32::from(same);
    }
    Ok(proven)
}

/// Compares what is written with a file.
struct Compared {
    file: File,
    same: bool,
}

impl Write for Compared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut other = vec![0; bytes.len()];
        self.same = self.same && self.file.read_exact(&mut other).is_ok() && other == bytes;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
