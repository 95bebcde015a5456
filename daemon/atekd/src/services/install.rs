//! Installing: from a source to a service that exists.
//!
//! ```text
//!  parse, look or fetch, build | commit the package -> record stored = it exists -> start
//!  may be cut off anywhere    | goes on by itself; what a crash leaves is swept
//! ```

use super::definition::{self, Definition};
use super::folder::{self, FolderError};
use super::handle::Wish;
use super::intent;
use super::names::{self, Wanted};
use super::{Inner, InstallError, fault, inspect, kept};
use crate::chain::Chain;
use crate::database::{Change, DatabaseError, Records, ServiceRecord};
use crate::jobs::Reporter;
use crate::packages::Staged;
use crate::system;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::manifest::Manifest;
use atek_api::package::{self, FetchedPackage, Warning};
use atek_api::permission::Permissions;
use atek_api::services::{Inspected, JobEvent, PackageInfo, ServiceSettings};
use atek_api::source::Source;
use atek_api::spec::{PackageVersion, Program, SpecError};
use atek_api::version::{Range, Release};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Free bytes without which nothing is fetched.
const ROOM: u64 = 64 << 20;

/// What to install, and for whom. Who may is decided before.
#[derive(Debug, Clone)]
pub struct Install {
    /// A URL of [`Source`].
    pub source: String,
    /// A semver range; none, empty or `latest` means the newest release.
    pub range: Option<String>,
    /// The id; derived from the source when missing.
    pub id: Option<String>,
    /// Whose service it will be.
    pub owner: UserKey,
    /// Its environment.
    pub config: BTreeMap<String, String>,
    /// What it may do, of what its manifest asks for.
    pub grant: Permissions,
    /// Kept data of its owner that it takes over, by key.
    pub adopt: Option<ServiceKey>,
    /// What [`Inspection`] showed; nothing else is installed then.
    pub inspected: Option<Inspected>,
}

/// What stands ready.
pub(super) enum Ready {
    Folder {
        manifest: Option<Box<Manifest>>,
    },
    Built {
        package: Box<FetchedPackage>,
        staged: Staged,
    },
}

impl Ready {
    pub(super) fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Folder { manifest } => manifest.as_deref(),
            Self::Built { package, .. } => package.manifest.as_ref(),
        }
    }

    fn tag(&self) -> Option<&str> {
        match self {
            Self::Folder { .. } => None,
            Self::Built { package, .. } => Some(&package.release.tag),
        }
    }

    /// The commands that the build will run.
    pub(super) fn build(&self) -> &[String] {
        match self {
            Self::Folder { .. } => &[],
            Self::Built { package, .. } => &package.build,
        }
    }

    /// What is unusual about the package.
    pub(super) fn warnings(&self) -> &[Warning] {
        match self {
            Self::Folder { .. } => &[],
            Self::Built { package, .. } => &package.warnings,
        }
    }

    pub(super) fn release(&self) -> Option<Inspected> {
        match self {
            Self::Folder { .. } => None,
            Self::Built { package, .. } => Some(Inspected {
                version: package.release.tag.clone(),
                commit: package.commit.clone(),
            }),
        }
    }

    pub(super) fn asks(&self) -> Permissions {
        self.manifest()
            .map(|manifest| manifest.permissions.clone())
            .unwrap_or_default()
    }
}

pub(super) async fn install(
    inner: &Arc<Inner>,
    request: Install,
    progress: &Reporter,
) -> Result<ServiceKey, InstallError> {
    inner.tidy().await;
    let source = parse_source(&request.source)?;
    let range = parse_range(request.range.as_deref())?;
    let wanted = Wanted::parse(request.id.as_deref(), &source.default_name())?;
    definition::check_config(&request.config)?;
    let adopted = match &request.adopt {
        Some(key) => Some(kept::adopt(inner, key, &request.owner).await?),
        None => None,
    };
    // Before the long work; it is decided for good when the record is stored.
    wanted.choose(|id| is_taken(inner, &inner.database.records(), id))?;
    let ready = match &request.inspected {
        Some(shown) => inspect::shown(inner, &source, shown, progress).await?,
        None => {
            let newest = package::Wanted::Newest {
                range,
                refused: Vec::new(),
            };
            make_ready(inner, &source, newest, progress).await?
        }
    };
    if !request.grant.subset_of(&ready.asks()) {
        return Err(InstallError::Grant);
    }
    let ready = build(inner, ready, progress).await?;
    fault::point("install.ready");
    progress.report(JobEvent::Progress {
        phase: "start".to_owned(),
        message: "putting it in place and starting it".to_owned(),
        percent: None,
    });
    // From here on it is finished or undone whether or not somebody still listens.
    let inner = inner.clone();
    let rest = tokio::spawn(async move {
        let adopted = adopted;
        let key = store(&inner, request, &source, wanted, ready).await?;
        if adopted.is_some() {
            kept::forget(inner.layout.state(), &key);
        }
        drop(adopted);
        // How it went is in its state: an app may need configuration before it can run.
        let _ = inner.supervisor.start(&key, Wish::Start).await;
        Ok(key)
    });
    rest.await
        .unwrap_or(Err(InstallError::ShuttingDown(super::ShuttingDown)))
}

pub(super) fn parse_source(text: &str) -> Result<Source, InstallError> {
    text.parse::<Source>()
        .map_err(|error| InstallError::Source(error.to_string()))
}

pub(super) fn parse_range(text: Option<&str>) -> Result<Range, InstallError> {
    let text = text.unwrap_or_default();
    text.parse()
        .map_err(|_| InstallError::Range(text.to_owned()))
}

pub(super) fn is_taken(inner: &Inner, records: &Records, id: &ServiceId) -> bool {
    inner.is_core_id(id) || records.service_with_id(id.as_str()).is_some()
}

/// Builds what was fetched. Runs code of the package, so only after consent.
pub(super) async fn build(
    inner: &Inner,
    ready: Ready,
    progress: &Reporter,
) -> Result<Ready, InstallError> {
    match ready {
        Ready::Folder { .. } => Ok(ready),
        Ready::Built { package, staged } => {
            let (package, staged) = inner.packages.build(*package, staged, progress).await?;
            let package = Box::new(package);
            Ok(Ready::Built { package, staged })
        }
    }
}

/// Looks at a folder, or fetches a release.
pub(super) async fn make_ready(
    inner: &Inner,
    source: &Source,
    wanted: package::Wanted,
    progress: &Reporter,
) -> Result<Ready, InstallError> {
    match source {
        Source::Folder(path) => Ok(Ready::Folder {
            manifest: look(path.clone()).await?.map(Box::new),
        }),
        Source::Git(_) | Source::GitFolder(_) => {
            // A build on a full disk fails after minutes, in words of npm's.
            if system::room(inner.layout.state()) < ROOM {
                return Err(InstallError::DiskFull);
            }
            let (package, staged) = inner.packages.fetch(source, wanted, progress).await?;
            Ok(Ready::Built {
                package: Box::new(package),
                staged,
            })
        }
    }
}

/// The manifest of a folder that could run.
pub(super) async fn look(path: PathBuf) -> Result<Option<Manifest>, InstallError> {
    let looked = tokio::task::spawn_blocking(move || {
        let looked = folder::look(&path)?;
        // A folder that may not be run is refused now, not at its first start.
        let package = atek_api::spec::Package {
            folder: looked.folder.clone(),
            modules: looked.modules.clone(),
        };
        probe_spec(package, looked.program.clone()).validate()?;
        Ok::<_, FolderError>(looked.manifest)
    });
    Ok(looked
        .await
        .map_err(|_| InstallError::ShuttingDown(super::ShuttingDown))??)
}

/// A spec with this package and nothing else of interest.
fn probe_spec(package: atek_api::spec::Package, program: Program) -> atek_api::spec::ServiceSpec {
    let key: ServiceKey = "probe"
        .parse()
        .unwrap_or_else(|_| unreachable!("probe is a key"));
    atek_api::spec::ServiceSpec {
        id: ServiceId::derive("probe"),
        key,
        owner: UserKey::system(),
        core: false,
        title: "probe".to_owned(),
        program,
        package,
        env: BTreeMap::new(),
        network: Default::default(),
        port: None,
        workdir: atek_api::spec::Workdir::Package,
        limits: Default::default(),
    }
}

/// Puts the package in place and stores the record; only then the service exists.
async fn store(
    inner: &Inner,
    request: Install,
    source: &Source,
    wanted: Wanted,
    ready: Ready,
) -> Result<ServiceKey, InstallError> {
    // Whoever takes over a service's data is that service.
    let key = match request.adopt {
        Some(key) => key,
        None => names::new_key()?,
    };
    let manifest = ready.manifest().cloned();
    let tag = ready.tag().map(ToOwned::to_owned);
    let warnings = ready.warnings().to_vec();
    let version = match ready {
        Ready::Folder { .. } => None,
        Ready::Built { package, staged } => {
            let version = version_of(&package)?;
            intent::begin(inner.layout.state(), &key, &intent::Install {})?;
            staged.commit(&key, &version).await?;
            Some(version)
        }
    };
    fault::point("install.committed");
    let settings = ServiceSettings {
        id: ServiceId::derive("app"),
        owning_user_key: request.owner,
        source_url: shown_source(&request.source, source),
        desired_version: request.range.filter(|range| !range.trim().is_empty()),
        package: PackageInfo {
            source_type: source.source_type(),
            installed_version: tag,
            title: manifest.as_ref().and_then(|manifest| manifest.name.clone()),
            warnings,
        },
        manifest,
        config: Some(request.config),
        granted: request.grant,
        limits: Default::default(),
        stopped: false,
        port: None,
    };
    let checked = check_spec(&key, &settings).await;
    let stored = match checked {
        Ok(()) => put(inner, &key, settings, wanted).await,
        Err(error) => Err(error),
    };
    match &stored {
        Ok(()) => {
            fault::point("install.stored");
            intent::end::<intent::Install>(inner.layout.state(), &key);
        }
        // It may have been stored all the same: the next start of the host finds out.
        Err(InstallError::Database(DatabaseError::Store(_))) => {}
        Err(_) if version.is_some() => match inner.spawn.remove_package(&key).await {
            Ok(()) => intent::end::<intent::Install>(inner.layout.state(), &key),
            Err(error) => {
                tracing::warn!(%key, error = %Chain(&error), "left a package for the next sweep");
            }
        },
        Err(_) => {}
    }
    stored?;
    if let Some(version) = version
        && let Err(error) = inner.spawn.set_current(&key, &version).await
    {
        // For people who look around; nothing depends on it.
        tracing::warn!(%key, error = %Chain(&error), "cannot set the link to the version");
    }
    Ok(key)
}

async fn put(
    inner: &Inner,
    key: &ServiceKey,
    mut settings: ServiceSettings,
    wanted: Wanted,
) -> Result<(), InstallError> {
    let (key, ports) = (key.clone(), inner.ports);
    let core: Vec<ServiceId> = inner
        .core
        .iter()
        .flat_map(|core| [core.settings.id.clone(), core.unit_id()])
        .collect();
    inner
        .database
        .update(move |records| {
            let taken = |id: &ServiceId| {
                core.contains(id) || records.service_with_id(id.as_str()).is_some()
            };
            settings.id = wanted.choose(taken)?;
            settings.port = super::ports::for_new(records, ports);
            Ok((
                (),
                vec![Change::PutService(Box::new(ServiceRecord {
                    key,
                    settings,
                }))],
            ))
        })
        .await
}

/// Everything that would refuse its first start is refused now.
async fn check_spec(key: &ServiceKey, settings: &ServiceSettings) -> Result<(), InstallError> {
    let definition = Definition::installed(key.clone(), Arc::new(settings.clone()));
    let spec = tokio::task::spawn_blocking(move || definition.spec());
    let spec = spec
        .await
        .map_err(|_| InstallError::ShuttingDown(super::ShuttingDown))?;
    match spec {
        Ok(_) => Ok(()),
        Err(FolderError::Forbidden(error)) => Err(InstallError::Spec(error)),
        Err(error) => Err(InstallError::Folder(error)),
    }
}

/// The installed tag as the name of its folder.
pub(super) fn version_of(package: &FetchedPackage) -> Result<PackageVersion, SpecError> {
    Release::folder_name(&package.release.tag).parse()
}

/// The source as the record has it: as it was given, unless that was another form of it, such
/// as a bare path or the address of a page about the repository.
fn shown_source(given: &str, source: &Source) -> String {
    let (given, read) = (given.trim(), source.to_string());
    if given.trim_end_matches('/') == read {
        given.to_owned()
    } else {
        read
    }
}
