//! The thread that turns many operations into few commits.
//!
//! While one commit waits for the disk, operations queue up; the next commit takes
//! them all. A lone writer pays one fsync per operation, thirty-two share it.

use super::StorageError;
use super::blobs::BlobFiles;
use super::changes::Hub;
use super::disk::QuotaAccount;
use super::engine::{Engine, Job, Outcome, Snapshot};
use super::write::Tx;
use crate::error::{AdbError, DisplayChain};
use crate::limits::Limits;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{RwLock, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Operations in one commit.
const BATCH: usize = 512;
/// Operations that may wait for the writer; the next ones wait for a place.
const QUEUE: usize = 1024;
/// How long compaction waits for readers to end.
const COMPACT_WAIT: Duration = Duration::from_secs(10);

/// Everything that ADB keeps, open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Arc<Engine>,
    blobs: Arc<BlobFiles>,
    hub: Arc<Hub>,
    queue: mpsc::Sender<Box<dyn Task>>,
    // Readers hold it shared for as long as they hold a snapshot.
    gate: Arc<RwLock<()>>,
    failed: CancellationToken,
}

/// Tells when the file is closed, after the last [`Store`] is dropped.
#[derive(Debug)]
pub struct Closing(std::sync::mpsc::Receiver<()>);

impl Closing {
    /// Waits until the file is closed; returns whether it was in time. A file that was not closed
    /// is repaired at the next start.
    #[must_use]
    pub fn wait(self, longest: Duration) -> bool {
        use std::sync::mpsc::RecvTimeoutError;
        matches!(
            self.0.recv_timeout(longest),
            Err(RecvTimeoutError::Disconnected)
        )
    }
}

impl Store {
    /// Opens the state in `folder` and starts the writer.
    ///
    /// # Errors
    ///
    /// A failing disk, another process that has the state open, a newer layout.
    pub fn open(
        folder: &Path,
        cache_bytes: usize,
        limits: &Limits,
    ) -> Result<(Self, Closing), StorageError> {
        let file = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| StorageError::File {
                operation,
                path,
                source,
            }
        };
        std::fs::create_dir_all(folder).map_err(file("make the folder", folder))?;
        let engine = Arc::new(Engine::open(folder, cache_bytes, limits)?);
        // The host notes the server database's id as soon as it is told: by then the file must also
        // have its name for good, or a power cut leaves an id without a database.
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(file("make durable the names in the folder", folder))?;
        let blobs = Arc::new(BlobFiles::open(
            &folder.join("blobs"),
            &engine.snapshot()?.blob_files()?,
        )?);
        let hub = Arc::new(Hub::default());
        let (queue, receiver) = mpsc::channel(QUEUE);
        let failed = CancellationToken::new();
        let writer = Writer {
            engine: engine.clone(),
            blobs: blobs.clone(),
            hub: hub.clone(),
        };
        let (closed, closing) = std::sync::mpsc::channel();
        let guard = failed.clone();
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                // Dropped after the file, which the writer is the last to hold.
                let _closed = closed;
                // Also when the thread panics: no caller may wait for a writer that has ended.
                let failed = guard.drop_guard();
                if writer.run(receiver) {
                    failed.disarm();
                }
            })
            .map_err(file("start the writer for", folder))?;
        let store = Self {
            engine,
            blobs,
            hub,
            queue,
            gate: Arc::default(),
            failed,
        };
        Ok((store, Closing(closing)))
    }

    /// Lets `look` read the latest committed state.
    ///
    /// # Errors
    ///
    /// Those of `look`, and a failing disk.
    pub async fn read<T, E: From<StorageError>>(
        &self,
        look: impl FnOnce(&Snapshot) -> Result<T, E>,
    ) -> Result<T, E> {
        let _open = self.gate.read().await;
        look(&self.engine.snapshot()?)
    }

    /// As [`Store::read`], for a look that takes long: on a thread of its own.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn read_long<T: Send + 'static, E: From<StorageError> + Send + 'static>(
        &self,
        look: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let open = self.gate.clone().read_owned().await;
        let engine = self.engine.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _open = open;
            look(&engine.snapshot()?)
        });
        task.await
            .unwrap_or_else(|_| Err(StorageError::Stopped.into()))
    }

    /// Runs `op` inside a commit. Returns when the commit is durable.
    ///
    /// `op` may run more than once, on different states: only its last result counts.
    /// What an `op` changes that ends in an error is not kept.
    ///
    /// # Errors
    ///
    /// Those of `op`; [`AdbError::Storage`] when the disk fails: then nothing is stored.
    pub async fn write<T: Send + 'static>(
        &self,
        op: impl FnMut(&mut Tx<'_>) -> Result<T, AdbError> + Send + 'static,
    ) -> Result<T, AdbError> {
        self.write_from(QuotaAccount::Everybody, op).await
    }

    /// As [`Store::write`], on the account of `purse`.
    ///
    /// # Errors
    ///
    /// As [`Store::write`].
    pub async fn write_from<T: Send + 'static>(
        &self,
        purse: QuotaAccount,
        op: impl FnMut(&mut Tx<'_>) -> Result<T, AdbError> + Send + 'static,
    ) -> Result<T, AdbError> {
        let (sender, receiver) = oneshot::channel();
        let task = Operation {
            op,
            purse,
            result: None,
            sender: Some(sender),
        };
        let stopped = || AdbError::Storage(StorageError::Stopped);
        self.queue
            .send(Box::new(task))
            .await
            .map_err(|_| stopped())?;
        receiver.await.map_err(|_| stopped())?
    }

    /// Gives unused space back to the file system. Returns whether the file became smaller.
    ///
    /// Waits until all reads have ended, and holds new ones up until it is done.
    ///
    /// # Errors
    ///
    /// [`StorageError::InUse`] when long reads do not end in time; a failing disk.
    pub async fn compact(&self) -> Result<bool, StorageError> {
        let alone = tokio::time::timeout(COMPACT_WAIT, self.gate.clone().write_owned())
            .await
            .map_err(|_| StorageError::InUse)?;
        let (sender, receiver) = oneshot::channel();
        let task = Compaction {
            sender: Some(sender),
        };
        self.queue
            .send(Box::new(task))
            .await
            .map_err(|_| StorageError::Stopped)?;
        let result = receiver.await.unwrap_or(Err(StorageError::Stopped));
        drop(alone);
        result
    }

    /// Bytes that apps and people may still write to the disk.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.engine.room()
    }

    /// Blob files.
    #[must_use]
    pub fn blobs(&self) -> &Arc<BlobFiles> {
        &self.blobs
    }

    /// Who waits for changes.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Frees blob files that never got a row.
    pub fn free_blob(&self, no: u64) {
        self.blobs.free(vec![no]);
    }

    /// Ends when the writer has failed: the process must be started again.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }
}

struct Writer {
    engine: Arc<Engine>,
    blobs: Arc<BlobFiles>,
    hub: Arc<Hub>,
}

impl Writer {
    /// Returns whether it ended because the last [`Store`] was dropped.
    fn run(self, mut queue: mpsc::Receiver<Box<dyn Task>>) -> bool {
        let mut batch = Vec::new();
        loop {
            batch.clear();
            if queue.blocking_recv_many(&mut batch, BATCH) == 0 {
                return true;
            }
            let mut rest = batch.as_mut_slice();
            while !rest.is_empty() {
                // What needs the file for itself runs between two commits.
                let together = rest
                    .iter()
                    .position(|task| task.needs_file())
                    .unwrap_or(rest.len());
                let (now, later) = rest.split_at_mut(together.max(1));
                rest = later;
                if together == 0 {
                    now.iter_mut().for_each(|task| task.with_file(&self.engine));
                } else if let Err(error) = self.commit(now) {
                    tracing::error!(error = %DisplayChain(&error), "commit failed, the process must start again");
                    return false;
                }
            }
        }
    }

    fn commit(&self, tasks: &mut [Box<dyn Task>]) -> Result<(), StorageError> {
        let mut jobs: Vec<&mut dyn Job> = tasks.iter_mut().map(|task| task.job()).collect();
        let committed = self.engine.commit(&mut jobs);
        let fate = match &committed {
            Ok(_) => CommitOutcome::Kept,
            Err(StorageError::NoRoom) => CommitOutcome::NoRoom,
            Err(_) => CommitOutcome::Lost,
        };
        let result = committed.map(|effects| {
            self.hub.notify(&effects.changed);
            self.blobs.free(effects.freed_blobs);
        });
        tasks.iter_mut().for_each(|task| task.answer(fate));
        match result {
            // There may be room for the next ones.
            Err(StorageError::NoRoom) => Ok(()),
            other => other,
        }
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Copy)]
enum CommitOutcome {
    Kept,
    NoRoom,
    Lost,
}

/// What stands in the queue.
trait Task: Send {
    fn job(&mut self) -> &mut dyn Job;

    /// Says how it went.
    fn answer(&mut self, fate: CommitOutcome);

    fn needs_file(&self) -> bool {
        false
    }

    fn with_file(&mut self, _engine: &Engine) {}
}

struct Operation<T, F> {
    op: F,
    purse: QuotaAccount,
    result: Option<Result<T, AdbError>>,
    sender: Option<oneshot::Sender<Result<T, AdbError>>>,
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Result<T, AdbError> + Send> Job for Operation<T, F> {
    fn run(&mut self, tx: &mut Tx<'_>) -> Outcome {
        let result = (self.op)(tx);
        let outcome = match &result {
            Ok(_) => Outcome::Done,
            // A damaged row fails this operation, a failing disk fails them all.
            Err(AdbError::Storage(StorageError::Damaged(_))) => Outcome::Refused,
            Err(AdbError::Storage(error)) if error.is_no_room() => Outcome::NoRoom,
            Err(AdbError::Storage(_)) => Outcome::Broken,
            Err(_) => Outcome::Refused,
        };
        self.result = Some(result);
        outcome
    }

    fn purse(&self) -> QuotaAccount {
        self.purse
    }
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Result<T, AdbError> + Send> Task for Operation<T, F> {
    fn job(&mut self) -> &mut dyn Job {
        self
    }

    fn answer(&mut self, fate: CommitOutcome) {
        let result = match (self.result.take(), fate) {
            (Some(Err(AdbError::Storage(error))), _) if error.is_no_room() => {
                Err(AdbError::DiskFull)
            }
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), CommitOutcome::Kept) => Ok(value),
            (_, CommitOutcome::NoRoom) => Err(AdbError::DiskFull),
            _ => Err(AdbError::Storage(StorageError::Stopped)),
        };
        if let Some(sender) = self.sender.take() {
            // The caller may be gone; the commit stands all the same.
            let _ = sender.send(result);
        }
    }
}

struct Compaction {
    sender: Option<oneshot::Sender<Result<bool, StorageError>>>,
}

impl Job for Compaction {
    fn run(&mut self, _tx: &mut Tx<'_>) -> Outcome {
        Outcome::Done
    }
}

impl Task for Compaction {
    fn job(&mut self) -> &mut dyn Job {
        self
    }

    fn answer(&mut self, _fate: CommitOutcome) {}

    fn needs_file(&self) -> bool {
        true
    }

    fn with_file(&mut self, engine: &Engine) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(engine.compact());
        }
    }
}
