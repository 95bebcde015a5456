//! Installing: from a source to a service that exists.
//!
//! ```text
//!  parse, read or fetch, consent checked, build | commit the package -> record stored = it exists -> start
//!  may be cut off anywhere                      | goes on by itself; what a crash leaves is swept
//! ```

use super::candidate::{self, Candidate};
use super::context::Operations;
use crate::database::{Change, DatabaseError, ServiceRecord};
use crate::error_chain::DisplayChain;
use crate::jobs::Reporter;
use crate::services::crash_point;
use crate::services::definition::{self, Definition};
use crate::services::error::OperationError;
use crate::services::id_allocation::{self, WantedId};
use crate::services::intents;
use crate::services::lan_ports;
use crate::services::package_folder::FolderError;
use crate::services::port_allocation;
use crate::services::source_tokens;
use crate::services::supervisor::Command;
use crate::services::updates::ledger::Ledger;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::package::{Access, FetchedPackage};
use atek_api::permission::Permissions;
use atek_api::services::{Inspected, JobEvent, PackageInfo, ServiceSettings};
use atek_api::source::Source;
use atek_api::spec::Limits;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What to install, and for whom. The caller's rights are checked before.
#[derive(Debug, Clone)]
pub struct Install {
    /// A URL of [`Source`].
    pub source: String,
    /// A semver range; none, empty or `latest` means the newest release.
    pub range: Option<String>,
    /// The id; derived from the source when missing.
    pub id: Option<String>,
    /// The owner of the service.
    pub owner: UserKey,
    /// Its environment.
    pub config: BTreeMap<String, String>,
    /// What it may do, of what its manifest asks for.
    pub grant: Permissions,
    /// Its limits, as a person agreed to them.
    pub limits: Limits,
    /// Who grants that.
    pub by: UserKey,
    /// What to do about data that an earlier install of the same source left to the owner.
    pub data: UseData,
    /// What [`super::inspect::Inspection`] showed; nothing else is installed then.
    pub inspected: Option<Inspected>,
    /// How to get to the source. Its token is kept for updates.
    pub access: Access,
}

/// Whether a new service takes over retained data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UseData {
    /// Not decided: an install is refused while there is data that it could take over.
    #[default]
    Undecided,
    /// It begins without data.
    Fresh,
    /// It takes over this data, and with it the key.
    Adopt(ServiceKey),
}

impl Operations {
    /// Installs a package and starts it.
    ///
    /// When this returns `Ok`, the service exists and its first start has ended: it runs, or
    /// the directory says why it does not (an app may need configuration first).
    /// Dropping the future, as any failure, leaves nothing behind.
    ///
    /// # Errors
    ///
    /// Nothing was installed.
    pub async fn install(
        self: &Arc<Self>,
        request: Install,
        progress: &Reporter,
    ) -> Result<ServiceKey, OperationError> {
        self.wait_until_swept().await;
        let source = candidate::parse_source(&request.source)?;
        let range = candidate::parse_range(request.range.as_deref())?;
        let wanted = WantedId::parse(request.id.as_deref(), &source.default_name())?;
        definition::check_config(&request.config)?;
        request.limits.validate()?;
        let adopted = self.data_for(&request, &source).await?;
        // Before the long work; it is decided for good when the record is stored.
        let records = self.database.records();
        wanted.choose(|id| self.is_taken(&records, id))?;
        let access = request.access.clone();
        let found = match &request.inspected {
            Some(shown) => {
                self.fetch_inspected(&source, shown, access, progress)
                    .await?
            }
            None => {
                self.fetch(&source, candidate::newest(range), access, progress)
                    .await?
            }
        };
        let built = self.build(found, progress).await?;
        crash_point::reached("install.ready");
        progress.report(JobEvent::Progress {
            phase: "start".to_owned(),
            message: "putting it in place and starting it".to_owned(),
            percent: None,
        });
        // From here on it is finished or undone even if the caller goes away.
        let operations = self.clone();
        let rest = tokio::spawn(async move {
            let key = operations.store(request, &source, wanted, built).await?;
            if adopted.is_some() {
                operations.forget_retained(&key);
            }
            drop(adopted);
            // The outcome is in its state: an app may need configuration before it can run.
            let _ = operations.supervisor.start(&key, Command::Start).await;
            Ok(key)
        });
        rest.await.unwrap_or(Err(OperationError::ShuttingDown))
    }

    /// Puts the package in place and stores the record; only then the service exists.
    async fn store(
        &self,
        request: Install,
        source: &Source,
        wanted: WantedId,
        built: Candidate,
    ) -> Result<ServiceKey, OperationError> {
        // A service that takes over data is the service whose data it was.
        let key = match &request.data {
            UseData::Adopt(key) => key.clone(),
            UseData::Fresh | UseData::Undecided => id_allocation::new_key()?,
        };
        let token = request.access.token.clone();
        let settings = settings_of(request, source, &built);
        let (version, package) = match built {
            Candidate::Folder { .. } => (None, None),
            Candidate::Fetched { package, staged } => {
                let version = candidate::version_of(&package)?;
                intents::begin(self.layout.state(), &key, &intents::Install {})?;
                if let Some(token) = token {
                    source_tokens::keep(self.layout.state(), &key, source.clone(), token)?;
                }
                staged.commit(&key, &version).await?;
                (Some(version), Some(package))
            }
        };
        crash_point::reached("install.committed");
        let stored = match check_spec(&key, &settings).await {
            Ok(()) => self.put(&key, settings, wanted).await,
            Err(error) => Err(error),
        };
        match &stored {
            Ok(()) => {
                crash_point::reached("install.stored");
                intents::end::<intents::Install>(self.layout.state(), &key);
            }
            // It may have been stored all the same: the next start of the host finds out.
            Err(OperationError::Database(DatabaseError::Store(_))) => {}
            Err(_) if version.is_some() => self.undo_install(&key).await,
            Err(_) => {}
        }
        stored?;
        if let Some(package) = package {
            self.remember_installed(&key, &package);
        }
        if let Some(version) = version
            && let Err(error) = self.spawn.set_current(&key, &version).await
        {
            // For people who look around; nothing depends on it.
            tracing::warn!(%key, error = %DisplayChain(&error), "cannot set the link to the version");
        }
        Ok(key)
    }

    /// Remembers what the installed tag names, whatever was known of it: kept data may be of an
    /// older install.
    fn remember_installed(&self, key: &ServiceKey, package: &FetchedPackage) {
        let mut ledger = Ledger::read(self.layout.state(), key);
        ledger.tags.remove(&package.release.tag);
        self.write_ledger(&mut ledger, key);
        let id = ServiceId::derive("app");
        if let Err(error) = self.see_tag(key, &id, package, None) {
            tracing::warn!(%key, error = %DisplayChain(&error), "cannot remember the installed tag");
        }
    }

    /// Removes the package of a service that does not exist.
    pub(super) async fn undo_install(&self, key: &ServiceKey) {
        source_tokens::forget(self.layout.state(), key);
        match self.spawn.remove_package(key).await {
            Ok(()) => intents::end::<intents::Install>(self.layout.state(), key),
            Err(error) => {
                tracing::warn!(%key, error = %DisplayChain(&error), "left a package for the next sweep");
            }
        }
    }

    /// Stores the record of a new service.
    pub(super) async fn put(
        &self,
        key: &ServiceKey,
        mut settings: ServiceSettings,
        wanted: WantedId,
    ) -> Result<(), OperationError> {
        let (key, ports, core) = (key.clone(), self.ports, self.core_ids());
        self.database
            .update(move |records| {
                let taken = |id: &ServiceId| {
                    core.contains(id) || records.service_with_id(id.as_str()).is_some()
                };
                lan_ports::check(records, &key, &settings.granted.listen)?;
                settings.id = wanted.choose(taken)?;
                let (port, remembered) = port_allocation::for_new(records, ports).unzip();
                settings.port = port;
                let record = ServiceRecord { key, settings };
                let mut changes = vec![Change::PutService(Box::new(record))];
                changes.extend(remembered);
                Ok(((), changes))
            })
            .await
    }
}

/// The record of a new service; its id and port are chosen when it is stored.
fn settings_of(request: Install, source: &Source, built: &Candidate) -> ServiceSettings {
    let manifest = built.manifest().cloned();
    let mut settings = ServiceSettings {
        id: ServiceId::derive("app"),
        owning_user_key: request.owner,
        source_url: shown_source(&request.source, source),
        desired_version: request.range.filter(|range| !range.trim().is_empty()),
        package: PackageInfo {
            source_type: source.source_type(),
            installed_version: built.release().map(|release| release.version),
            title: manifest.as_ref().and_then(|manifest| manifest.name.clone()),
            signer: built.signer().cloned(),
            warnings: built.warnings().to_vec(),
        },
        manifest,
        config: Some(request.config),
        granted: request.grant,
        grant_notes: BTreeMap::new(),
        unasked: Vec::new(),
        limits: request.limits,
        stopped: false,
        updates: Default::default(),
        port: None,
    };
    settings.note_grants(&request.by, &jiff::Timestamp::now().to_string());
    settings
}

/// Everything that would refuse its first start is refused now.
pub(super) async fn check_spec(
    key: &ServiceKey,
    settings: &ServiceSettings,
) -> Result<(), OperationError> {
    let definition = Definition::installed(key.clone(), Arc::new(settings.clone()));
    let spec = tokio::task::spawn_blocking(move || definition.spec());
    match spec.await.map_err(|_| OperationError::ShuttingDown)? {
        Ok(_) => Ok(()),
        Err(FolderError::Forbidden(error)) => Err(OperationError::Spec(error)),
        Err(error) => Err(OperationError::Folder(error)),
    }
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
