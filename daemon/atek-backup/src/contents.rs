//! Writes the contents of the files that are restored, a few blobs at a time.
//!
//! rustic_core's own restore reads up to 40 MiB in each of 20 threads, and holds what is in them,
//! uncompressed, until the disk has taken it: from about a gigabyte on that is more than the memory
//! of this unit, which the kernel ends. It finds what is written here by its size and time, and
//! gives it the rest: owners, modes, attributes and further names.

use crate::error::Error;
use crate::meter::Meter;
use rustic_core::repofile::Node;
use rustic_core::{
    BlobId, DataId, IndexedFull, PackedId, Progress, ProgressBars as _, ProgressType, Repository,
    RusticError, RusticResult,
};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

/// Files that are written at a time. Each holds one blob, of at most 8 MiB.
const THREADS: usize = 8;

/// What is restored, and where.
pub(crate) struct Contents<'a, S> {
    pub(crate) repository: &'a Repository<S>,
    pub(crate) folder: &'a Path,
    pub(crate) meter: &'a Meter,
}

/// The files that no thread has taken yet.
struct Waiting<N> {
    nodes: N,
    /// Files with several names of which one was met: device and inode.
    met: BTreeSet<(u64, u64)>,
    ended: bool,
}

impl<S: IndexedFull + Sync> Contents<'_, S> {
    /// Writes the regular files among `nodes` into the folder, which is empty, with their sizes and
    /// times; of several names of one file the first. `bytes` is how much there is. Returns how
    /// many files.
    ///
    /// # Errors
    ///
    /// The first one that a thread met; `of` is what rustic_core's are to the caller.
    pub(crate) fn write<N>(
        &self,
        nodes: N,
        bytes: u64,
        of: impl Fn(Box<RusticError>) -> Error + Sync,
    ) -> Result<u64, Error>
    where
        N: Iterator<Item = RusticResult<(PathBuf, Node)>> + Send,
    {
        let progress = self.meter.progress(ProgressType::Bytes, "");
        progress.set_length(bytes);
        let waiting = Mutex::new(Waiting {
            nodes,
            met: BTreeSet::new(),
            ended: false,
        });
        let work = || {
            let mut files = 0;
            while let Some((path, node)) = next(&waiting).map_err(&of)? {
                let written = self.file(&path, &node, &progress, &of);
                written.inspect_err(|_| lock(&waiting).ended = true)?;
                files += 1;
            }
            Ok(files)
        };
        let ended: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(thread::ScopedJoinHandle::join)
                .collect()
        });
        let files = ended
            .into_iter()
            .map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        files.sum()
    }

    fn file(
        &self,
        path: &Path,
        node: &Node,
        progress: &Progress,
        of: &impl Fn(Box<RusticError>) -> Error,
    ) -> Result<(), Error> {
        let failed = || Error::local("write a restored file");
        let place = self.folder.join(inside(path)?);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(failed())?;
        }
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&place).map_err(failed())?;
        let mut end = 0;
        for id in node.content.iter().flatten() {
            let blob: BlobId = (*id).into();
            let blob = self.repository.get_blob_cached(&blob, DataId::TYPE);
            let blob = blob.map_err(of)?;
            // Zeros are left out: a hole.
            if blob.iter().any(|byte| *byte != 0) {
                file.write_all_at(&blob, end).map_err(failed())?;
            }
            let length = blob.len() as u64;
            end += length;
            progress.inc(length);
        }
        file.set_len(end).map_err(failed())?;
        if let Some(time) = node.meta.mtime {
            file.set_modified(SystemTime::from(time))
                .map_err(failed())?;
        }
        Ok(())
    }
}

/// The next file for a thread.
fn next<N>(waiting: &Mutex<Waiting<N>>) -> RusticResult<Option<(PathBuf, Node)>>
where
    N: Iterator<Item = RusticResult<(PathBuf, Node)>>,
{
    let mut waiting = lock(waiting);
    let Waiting { nodes, met, ended } = &mut *waiting;
    while !*ended {
        let Some(found) = nodes.next() else { break };
        let (path, node) = found.inspect_err(|_| *ended = true)?;
        let name_of = (node.meta.device_id, node.meta.inode);
        // As rustic_core knows them: the others become names of the first.
        let has_others = node.meta.links > 1 && name_of.0 != 0 && name_of.1 != 0;
        if node.is_file() && (!has_others || met.insert(name_of)) {
            return Ok(Some((path, node)));
        }
    }
    *ended = true;
    Ok(None)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path of a backup, below the folder of the restore.
fn inside(path: &Path) -> Result<&Path, Error> {
    let path = path.strip_prefix("/").unwrap_or(path);
    let mut parts = path.components();
    match parts.all(|part| matches!(part, Component::Normal(_))) {
        true => Ok(path),
        false => Err(Error::Damaged(format!(
            "it has a file with the path {}",
            path.display()
        ))),
    }
}
