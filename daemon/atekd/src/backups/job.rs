//! One job of `atek-backup`, from its start to its end.

use super::BackupError;
use super::line::Line;
use crate::spawn::{Spawn, SpawnError};
use atek_api::backup::{BackupProgress, Event, FailureCode, MAX_LINE, Request};
use atek_api::spec::{BackupSpec, paths};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// How often the start is tried while the unit of the job before is on its way out, and the pause.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of the longest list of disks.
const LIST_MAX: u64 = 1 << 20;
/// How long a list of disks may take: some are asleep.
const LISTING: Duration = Duration::from_secs(75);

/// What `lsblk` prints of the disks that are plugged in.
pub(super) async fn disks(spawn: &Spawn) -> Result<Vec<u8>, BackupError> {
    for tried in 1.. {
        let (ours, theirs) = StdUnixStream::pair().map_err(BackupError::Channel)?;
        ours.set_nonblocking(true).map_err(BackupError::Channel)?;
        match spawn.list_disks(theirs.into()).await {
            Err(SpawnError::Busy { .. }) if tried < TRIES => tokio::time::sleep(PAUSE).await,
            started => {
                started?;
                let ours = UnixStream::from_std(ours).map_err(BackupError::Channel)?;
                let mut text = Vec::new();
                let mut ours = ours.take(LIST_MAX);
                let read = tokio::time::timeout(LISTING, ours.read_to_end(&mut text)).await;
                read.map_err(|_| BackupError::Ended)?
                    .map_err(BackupError::Channel)?;
                return Ok(text);
            }
        }
    }
    Err(BackupError::Busy("list of disks"))
}

/// The channel to the job. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Job {
    stream: BufReader<UnixStream>,
    meter: Meter,
    /// To the server with the target.
    line: Option<Line>,
}

/// How far the work is, for who asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter(Arc<Mutex<Option<BackupProgress>>>);

impl Meter {
    pub(super) fn now(&self) -> Option<BackupProgress> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Says that a part begins.
    pub(super) fn part(&self, step: usize, steps: usize) {
        let begun = BackupProgress {
            step,
            steps,
            ..BackupProgress::default()
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
    }

    fn bytes(&self, done: u64, total: Option<u64>) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.get_or_insert_default();
        (now.done, now.total) = (done, total);
    }
}

impl Job {
    pub(super) async fn start(
        spawn: &Spawn,
        spec: &BackupSpec,
        meter: Meter,
        line: Option<Line>,
    ) -> Result<Self, BackupError> {
        for tried in 1.. {
            let (ours, theirs) = StdUnixStream::pair().map_err(BackupError::Channel)?;
            ours.set_nonblocking(true).map_err(BackupError::Channel)?;
            match spawn.run_backup(spec, theirs.into()).await {
                // Its process is gone; systemd will notice in a moment.
                Err(SpawnError::Busy { .. }) if tried < TRIES => tokio::time::sleep(PAUSE).await,
                started => {
                    started?;
                    let ours = UnixStream::from_std(ours).map_err(BackupError::Channel)?;
                    return Ok(Self {
                        stream: BufReader::new(ours),
                        meter,
                        line,
                    });
                }
            }
        }
        Err(BackupError::Busy("backup"))
    }

    /// Asks, and waits for the last line of the answer.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Event, BackupError> {
        let mut line = serde_json::to_vec(request).map_err(|_| BackupError::Malformed)?;
        line.push(b'\n');
        let sent = self.stream.get_mut().write_all(&line).await;
        sent.map_err(BackupError::Channel)?;
        loop {
            let mut line = Vec::new();
            let read = (&mut self.stream)
                .take(MAX_LINE as u64)
                .read_until(b'\n', &mut line)
                .await;
            read.map_err(BackupError::Channel)?;
            if line.last() != Some(&b'\n') {
                return Err(BackupError::Ended);
            }
            match serde_json::from_slice(&line).map_err(|_| BackupError::Malformed)? {
                Event::Progress { done, total } => self.meter.bytes(done, total),
                Event::Failed(mut failure) => {
                    // Where the job sees a disk says nothing to people.
                    failure.message = failure.message.replace(paths::DISK, "the disk");
                    // The job sees a connection that ended, and not why there is none.
                    let problem = self.line.as_ref().and_then(Line::problem);
                    if let Some(problem) = problem.filter(|_| failure.code == FailureCode::Target) {
                        (failure.code, failure.message) = (FailureCode::NoTarget, problem);
                    }
                    return Err(BackupError::Failed(failure));
                }
                event => return Ok(event),
            }
        }
    }
}
