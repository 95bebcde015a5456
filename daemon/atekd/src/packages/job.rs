//! One job, from its start to what it leaves.

use super::PackageError;
use super::channel::{Channel, ChannelError};
use crate::jobs::Reporter;
use crate::spawn::{Spawn, SpawnError};
use atek_api::ids::ServiceKey;
use atek_api::package::{Event, Outcome, Progress, Request};
use atek_api::services::JobEvent;
use atek_api::spec::{JobId, PackageSpec, PackageVersion};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::OwnedMutexGuard;

/// How long a job may take to end after its result.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// How often the unit of a job that has ended is looked for, and the pause between.
const UNIT_TRIES: u32 = 100;
const UNIT_PAUSE: Duration = Duration::from_millis(50);

/// The name of the job: there is one at a time.
pub(super) fn job_id() -> JobId {
    let name = "build".parse();
    name.unwrap_or_else(|_| unreachable!("a constant that is a job's name"))
}

fn pair() -> std::io::Result<(UnixStream, StdUnixStream)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs))
}

/// A job under way. Dropped, it is ended and its files are removed.
pub(super) struct Running {
    channel: Channel,
    staged: Staged,
}

impl Running {
    pub(super) async fn start(
        spawn: &Spawn,
        spec: &PackageSpec,
        turn: OwnedMutexGuard<()>,
    ) -> Result<Self, PackageError> {
        let (ours, theirs) = pair().map_err(|e| PackageError::Channel(ChannelError::Io(e)))?;
        // From here on: a start that is cut short may have left something.
        let staged = Staged {
            cleaner: Cleaner {
                spawn: spawn.clone(),
                turn: Some(turn),
            },
        };
        clear(spawn).await?;
        spawn.run_package(&job_id(), spec, theirs.into()).await?;
        Ok(Self {
            channel: Channel::new(ours),
            staged,
        })
    }

    /// Starts a job in the staging folder that another one left.
    pub(super) async fn resume(
        spawn: &Spawn,
        spec: &PackageSpec,
        staged: Staged,
    ) -> Result<Self, PackageError> {
        for _ in 1..UNIT_TRIES {
            let (ours, theirs) = pair().map_err(|e| PackageError::Channel(ChannelError::Io(e)))?;
            match spawn.run_package(&job_id(), spec, theirs.into()).await {
                // The process of the job before is gone; systemd will notice in a moment.
                Err(SpawnError::Busy { .. }) => tokio::time::sleep(UNIT_PAUSE).await,
                started => {
                    started?;
                    return Ok(Self {
                        channel: Channel::new(ours),
                        staged,
                    });
                }
            }
        }
        Err(PackageError::Timeout {
            waited_secs: (UNIT_PAUSE * UNIT_TRIES).as_secs(),
        })
    }

    /// Asks, passes the progress on, and returns the result.
    pub(super) async fn talk(
        &mut self,
        request: &Request,
        reporter: &Reporter,
    ) -> Result<Outcome, PackageError> {
        self.channel
            .ask(request)
            .await
            .map_err(PackageError::Channel)?;
        loop {
            match self.channel.next().await.map_err(PackageError::Channel)? {
                Event::Progress(progress) => reporter.report(shown(progress)),
                Event::Done { result } => return Ok(result),
                Event::Failed(failure) => return Err(failure.into()),
            }
        }
    }

    /// Waits for the job's process to end, and keeps what it left.
    pub(super) async fn ended(mut self) -> Staged {
        let _ = tokio::time::timeout(END_PATIENCE, self.channel.closed()).await;
        self.staged
    }
}

/// What a job has built. Dropped, it is removed.
#[derive(Debug)]
pub struct Staged {
    cleaner: Cleaner,
}

impl Staged {
    /// Makes it the version `version` of the service `key`.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; then it is removed.
    pub async fn commit(
        self,
        key: &ServiceKey,
        version: &PackageVersion,
    ) -> Result<(), SpawnError> {
        self.put(Left::Package, key, version).await
    }

    /// Makes it the native code of the component of the version `version` of the service `key`.
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; then it is removed.
    pub async fn commit_code(
        self,
        key: &ServiceKey,
        version: &PackageVersion,
    ) -> Result<(), SpawnError> {
        self.put(Left::Code, key, version).await
    }

    async fn put(
        self,
        left: Left,
        key: &ServiceKey,
        version: &PackageVersion,
    ) -> Result<(), SpawnError> {
        let (spawn, job) = (&self.cleaner.spawn, job_id());
        let mut tries = 1;
        loop {
            let outcome = match left {
                Left::Package => spawn.commit_package(&job, key, version).await,
                Left::Code => spawn.commit_code(&job, key, version).await,
            };
            match outcome {
                // Its process is gone; systemd will have noticed in a moment.
                Err(SpawnError::Busy { .. }) if tries < UNIT_TRIES => {
                    tries += 1;
                    tokio::time::sleep(UNIT_PAUSE).await;
                }
                // What is left of the staging folder goes when `self` is dropped.
                outcome => return outcome,
            }
        }
    }
}

/// What a job has left.
#[derive(Debug, Clone, Copy)]
enum Left {
    Package,
    /// Native code of a component.
    Code,
}

/// Ends the job that an earlier call left, and removes its files. A call whose caller went away in
/// the middle, as the page did that asked for a plan, may still be at work on it for a moment.
pub(super) async fn clear(spawn: &Spawn) -> Result<(), SpawnError> {
    for _ in 1..UNIT_TRIES {
        match spawn.drop_package(&job_id()).await {
            Err(SpawnError::Busy { .. }) => tokio::time::sleep(UNIT_PAUSE).await,
            outcome => return outcome,
        }
    }
    spawn.drop_package(&job_id()).await
}

/// Ends a job and removes its files, whatever happens to the future that ran it. The next
/// job begins when that is done.
#[derive(Debug)]
struct Cleaner {
    spawn: Spawn,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        let spawn = self.spawn.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let _turn = turn;
            if let Err(error) = clear(&spawn).await {
                let error = crate::error_chain::DisplayChain(&error);
                tracing::warn!(%error, "left a package job for the next one to clear");
            }
        });
    }
}

fn shown(progress: Progress) -> JobEvent {
    JobEvent::Progress {
        phase: progress.phase.as_str().to_owned(),
        message: progress
            .message
            .chars()
            .filter(|c| !c.is_control())
            .take(500)
            .collect(),
        percent: progress.percent.map(|percent| percent.min(100)),
    }
}
