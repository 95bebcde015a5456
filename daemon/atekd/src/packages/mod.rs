//! Packages that are fetched and built: drives `atek-package`, which runs in a confined
//! unit of its own, over a socket pair.
//!
//! One job at a time: a build takes what the machine has. So there is one staging folder,
//! and every job begins by ending and clearing what is left of another: nothing has to be
//! remembered over a crash. A job whose future is dropped is ended at once.

mod channel;
mod inspected_package_cache;
mod job;

#[cfg(test)]
mod tests;

pub use channel::ChannelError;
pub use job::Staged;

use crate::authorities::Authorities;
use crate::jobs::Reporter;
use crate::spawn::{Spawn, SpawnError};
use atek_api::package::{
    Access, Failure, FetchLimits, FetchedPackage, Outcome, Request, Wanted, Warning,
};
use atek_api::services::Inspected;
use atek_api::signer::Signer;
use atek_api::source::Source;
use atek_api::spec::{JobKind, PackageSpec, RelativePath};
use atek_api::version::Release;
use inspected_package_cache::{InspectedPackageCache, KEEP};
use job::Running;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a listing of releases may take: one that answers, however slowly, ends then.
const LISTING: Duration = Duration::from_secs(60);
/// What a job may take beyond its unit's own limit.
const GRACE: Duration = Duration::from_secs(30);

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The job says why; the text is for a person.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The job's unit could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The job could not be talked to.
    #[error("the package job ended without a result")]
    Channel(#[source] ChannelError),
    /// The source answers, and does not come to an end.
    #[error(
        "{source_url} did not tell its releases within {waited_secs} s: its server or the network is slow, try again later"
    )]
    Slow {
        /// The source.
        source_url: String,
        /// Seconds.
        waited_secs: u64,
    },
    /// It took too long.
    #[error("the package job did not end within {waited_secs} s and was stopped")]
    Timeout {
        /// Seconds.
        waited_secs: u64,
    },
}

/// Fetches and builds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Packages {
    spawn: Spawn,
    authorities: Authorities,
    turn: Arc<Mutex<()>>,
    inspected: InspectedPackageCache,
}

impl Packages {
    /// Jobs through this helper, which trust these authorities, too.
    #[must_use]
    pub fn new(spawn: Spawn, authorities: Authorities) -> Self {
        Self {
            spawn,
            authorities,
            turn: Arc::default(),
            inspected: InspectedPackageCache::new(KEEP),
        }
    }

    /// Ends a job that an earlier run of this daemon began, and removes its files.
    ///
    /// # Errors
    ///
    /// [`SpawnError`].
    pub async fn clear(&self) -> Result<(), SpawnError> {
        let room = self.inspected.make_room();
        let _turn = self.turn.lock().await;
        drop(room);
        job::clear(&self.spawn).await
    }

    /// Fetches a release into the job's staging folder, running no code of it.
    ///
    /// # Errors
    ///
    /// [`PackageError`]; nothing is left.
    pub async fn fetch(
        &self,
        source: &Source,
        wanted: Wanted,
        access: Access,
        progress: &Reporter,
    ) -> Result<(FetchedPackage, Staged), PackageError> {
        let request = Request::Fetch {
            source: source.clone(),
            wanted,
            access: self.trusting(access),
            limits: FetchLimits::default(),
        };
        let spec = PackageSpec {
            source_folder: folder_of(source),
            ..PackageSpec::default()
        };
        let patience = Duration::from_secs(spec.limits.runtime_secs) + GRACE;
        let (outcome, staged) = self.run(&request, &spec, patience, progress).await?;
        Ok((expect_package(outcome)?, staged))
    }

    /// Fetches the newest release of a repository as it is, without looking for an app in it.
    ///
    /// # Errors
    ///
    /// [`PackageError`]; nothing is left.
    pub async fn fetch_files(
        &self,
        source: &Source,
    ) -> Result<(FetchedPackage, Staged), PackageError> {
        let request = Request::FetchFiles {
            source: source.clone(),
            access: self.trusting(Access::default()),
            limits: FetchLimits::default(),
        };
        let spec = PackageSpec {
            source_folder: folder_of(source),
            ..PackageSpec::default()
        };
        let patience = Duration::from_secs(spec.limits.runtime_secs) + GRACE;
        let (outcome, staged) = self
            .run(&request, &spec, patience, &Reporter::unheard())
            .await?;
        Ok((expect_package(outcome)?, staged))
    }

    /// Builds a fetched package in its staging folder, with its own scripts: only after
    /// a person agreed to it. Returns at once what needs no build.
    ///
    /// # Errors
    ///
    /// [`PackageError`]; nothing is left.
    pub async fn build(
        &self,
        package: FetchedPackage,
        staged: Staged,
        progress: &Reporter,
    ) -> Result<(FetchedPackage, Staged), PackageError> {
        if package.build.is_empty() {
            return Ok((package, staged));
        }
        let shown = package.clone();
        let request = Request::Build {
            package: Box::new(package),
            certificates: self.authorities.pem(),
            limits: FetchLimits::default(),
        };
        let spec = PackageSpec {
            kind: JobKind::Build,
            home: crate::spawn::home::networks().unwrap_or_default(),
            ..PackageSpec::default()
        };
        let patience = Duration::from_secs(spec.limits.runtime_secs) + GRACE;
        let mut running = Running::resume(&self.spawn, &spec, staged).await?;
        match tokio::time::timeout(patience, running.talk(&request, progress)).await {
            Ok(outcome) => {
                let built = expect_package(outcome?)?;
                Ok((as_shown(built, shown), running.ended().await))
            }
            Err(_) => Err(PackageError::Timeout {
                waited_secs: patience.as_secs(),
            }),
        }
    }

    /// Makes native code of the component `entry` of an installed package, where that has none
    /// which this system can use.
    ///
    /// # Errors
    ///
    /// [`PackageError`]; nothing is left.
    pub async fn compile_again(
        &self,
        folder: &Path,
        entry: &RelativePath,
    ) -> Result<Option<Staged>, PackageError> {
        let request = Request::Compile {
            folder: folder.to_owned(),
            entry: entry.clone(),
            limits: FetchLimits::default(),
        };
        let spec = PackageSpec {
            kind: JobKind::Compile,
            source_folder: Some(folder.to_owned()),
            ..PackageSpec::default()
        };
        let patience = Duration::from_secs(spec.limits.runtime_secs) + GRACE;
        let unheard = Reporter::unheard();
        match self.run(&request, &spec, patience, &unheard).await? {
            (Outcome::Compiled(made), staged) => Ok(made.then_some(staged)),
            (Outcome::Package(_) | Outcome::Releases(_), _) => {
                Err(PackageError::Channel(ChannelError::Unexpected))
            }
        }
    }

    /// Keeps a package that an inspection showed, for [`Packages::take_inspected`]. It may go
    /// when another job needs its place, or after some minutes.
    pub fn keep_inspected(&self, source: Source, package: FetchedPackage, staged: Staged) {
        self.inspected.keep(source, package, staged);
    }

    /// The package that was shown like this, if it is still there.
    #[must_use]
    pub fn take_inspected(
        &self,
        source: &Source,
        shown: &Inspected,
    ) -> Option<(FetchedPackage, Staged)> {
        self.inspected.take(source, shown)
    }

    /// Lists the releases of a source, newest first.
    ///
    /// # Errors
    ///
    /// [`PackageError`].
    pub async fn releases(
        &self,
        source: &Source,
        access: Access,
    ) -> Result<Vec<Release>, PackageError> {
        let request = Request::ListTags {
            source: source.clone(),
            access: self.trusting(access),
            limits: FetchLimits::default(),
        };
        let spec = PackageSpec {
            source_folder: folder_of(source),
            ..PackageSpec::default()
        };
        let unheard = Reporter::unheard();
        let listed = self.run(&request, &spec, LISTING, &unheard);
        let listed = listed.await.map_err(|error| match error {
            PackageError::Timeout { waited_secs } => PackageError::Slow {
                source_url: source.to_string(),
                waited_secs,
            },
            other => other,
        });
        match listed? {
            (Outcome::Releases(releases), _) => Ok(releases),
            (Outcome::Package(_) | Outcome::Compiled(_), _) => {
                Err(PackageError::Channel(ChannelError::Unexpected))
            }
        }
    }

    fn trusting(&self, access: Access) -> Access {
        Access {
            certificates: self.authorities.pem(),
            ..access
        }
    }

    async fn run(
        &self,
        request: &Request,
        spec: &PackageSpec,
        patience: Duration,
        progress: &Reporter,
    ) -> Result<(Outcome, Staged), PackageError> {
        let room = self.inspected.make_room();
        let turn = self.turn.clone().lock_owned().await;
        drop(room);
        let mut running = Running::start(&self.spawn, spec, turn).await?;
        match tokio::time::timeout(patience, running.talk(request, progress)).await {
            Ok(outcome) => Ok((outcome?, running.ended().await)),
            Err(_) => Err(PackageError::Timeout {
                waited_secs: patience.as_secs(),
            }),
        }
    }
}

/// A built package that is what was shown before its build. The job has run code of the package,
/// which may have answered in its place: a person agreed to a release and its manifest, and to
/// no other.
fn as_shown(built: FetchedPackage, shown: FetchedPackage) -> FetchedPackage {
    FetchedPackage {
        release: shown.release,
        commit: shown.commit,
        manifest: shown.manifest,
        signer: shown.signer,
        ..built
    }
}

/// The package that a job answered with, its texts within bounds.
fn expect_package(outcome: Outcome) -> Result<FetchedPackage, PackageError> {
    let Outcome::Package(mut package) = outcome else {
        return Err(PackageError::Channel(ChannelError::Unexpected));
    };
    package.warnings = Warning::bounded(package.warnings);
    package.signer = package.signer.and_then(Signer::bounded);
    Ok(*package)
}

fn folder_of(source: &Source) -> Option<PathBuf> {
    match source {
        Source::GitFolder(folder) | Source::RecipeFolder(folder) => Some(folder.clone()),
        Source::Folder(_) | Source::Git(_) | Source::Recipe { .. } | Source::Image { .. } => None,
    }
}
