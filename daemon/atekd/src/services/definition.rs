//! What a service is, and the spec that atek-spawnd runs for it.

use super::core_service::CoreService;
use super::package_folder::{self, FolderError};
use crate::attach::Expected;
use atek_api::grants::Grant;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::manifest::{Healthcheck, Manifest, Runtime, start_order};
use atek_api::permission::{DevicePath, GivenFolder, LanPort, Network as Asked, Permissions};
use atek_api::services::{ServiceSettings, SourceType};
use atek_api::source::Source;
use atek_api::spec::{
    self, Limits, Network, Package, PackageVersion, Program, ServiceSpec, SidecarSpec, SpecError,
    Workdir, paths,
};
use atek_api::version::Release;
use atek_host_model::permissions::{Decisions, in_force};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is needed to start a service.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) key: ServiceKey,
    pub(super) settings: Arc<ServiceSettings>,
    pub(super) core: Option<Arc<CoreService>>,
    /// Decisions about single permissions that are in force, beside what was granted of the
    /// manifest.
    pub(super) decided: Vec<Arc<Grant>>,
}

/// What of the box and the network the unit of a service is given when it starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// The kind of its network.
    pub(super) network: Network,
    pub(super) devices: Vec<DevicePath>,
    /// Folders of other services.
    pub(super) folders: Vec<GivenFolder>,
    /// Ports of the home's network.
    pub(super) listen: Vec<LanPort>,
    /// Whether it is shown that it is root.
    pub(super) root: bool,
    /// Multicast DNS in the home.
    pub(super) mdns: bool,
}

impl Reach {
    /// Whether its network namespace has a link to the machine's.
    pub(super) fn has_link(&self) -> bool {
        matches!(self.network, Network::Direct { .. }) || !self.listen.is_empty() || self.mdns
    }
}

impl Definition {
    pub(super) fn installed(key: ServiceKey, settings: Arc<ServiceSettings>) -> Self {
        Self {
            key,
            settings,
            core: None,
            decided: Vec::new(),
        }
    }

    pub(super) fn with_decided(mut self, decided: Vec<Arc<Grant>>) -> Self {
        self.decided = decided;
        self
    }

    pub(super) fn core(core: &CoreService) -> Self {
        Self {
            key: core.key.clone(),
            settings: core.settings.clone(),
            core: Some(Arc::new(core.clone())),
            decided: Vec::new(),
        }
    }

    /// The same service with another record, as an update tries it.
    pub(super) fn with(&self, settings: Arc<ServiceSettings>) -> Self {
        let core = self.core.as_ref().map(|core| {
            let mut core = CoreService::clone(core);
            if let Some(version) = installed_version(&settings) {
                core.package = Ok(paths::package_version(&self.key, &version));
            }
            core.settings = settings.clone();
            Arc::new(core)
        });
        Self {
            settings,
            core,
            ..self.clone()
        }
    }

    /// What a person should know of it while it runs.
    pub(super) fn note(&self) -> Option<String> {
        self.core.as_ref()?.note.clone()
    }

    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.settings.manifest.as_ref()
    }

    /// The id that names its unit.
    pub(super) fn unit_id(&self) -> ServiceId {
        match &self.core {
            Some(core) => core.unit_id(),
            None => self.settings.id.clone(),
        }
    }

    /// Whether it starts only when it is called.
    pub(super) fn sleeps(&self) -> bool {
        self.settings
            .manifest
            .as_ref()
            .is_some_and(|manifest| manifest.sleep)
    }

    /// Whether it says itself that it must run.
    pub(super) fn is_kept_awake(&self) -> bool {
        self.core
            .as_ref()
            .is_some_and(|core| core.awake.is_wanted())
    }

    /// What it may do: all that it was granted, also what its manifest does not ask for.
    pub(super) fn permissions(&self) -> Permissions {
        self.in_force().0
    }

    /// The same, with the decisions that a set of permissions cannot hold.
    pub(super) fn in_force(&self) -> (Permissions, Decisions) {
        let decided = self.decided.iter().map(|grant| &**grant);
        in_force(&self.settings.granted, decided)
    }

    pub(super) fn network(&self) -> Network {
        match self.permissions().network {
            None => Network::None,
            Some(Asked::Hosts(_)) => Network::Hosts,
            Some(Asked::Direct { lan }) => Network::Direct { lan },
        }
    }

    /// What its unit must be started again for.
    pub(super) fn reach(&self) -> Reach {
        let (permissions, decisions) = self.in_force();
        Reach {
            network: self.network(),
            folders: decisions.folders,
            devices: permissions.devices,
            listen: permissions.listen,
            root: permissions.root,
            mdns: permissions.mdns,
        }
    }

    /// What its process says when it starts.
    pub(super) fn expected(&self) -> Expected {
        Expected {
            port: self
                .manifest()
                .is_some_and(|manifest| manifest.port.is_some()),
        }
    }

    /// The networks that are closed to it, if it has the internet and not the home.
    fn home(&self) -> Vec<spec::Prefix> {
        if self.network() != (Network::Direct { lan: false }) {
            return Vec::new();
        }
        crate::spawn::home::networks().unwrap_or_else(|error| {
            tracing::error!(%error, "cannot tell which networks the machine is on");
            Vec::new()
        })
    }

    /// The limits that differ from the default: the person's, then the manifest's, which may
    /// ask for less than the default, and for more only of a core service.
    pub(super) fn limits(&self) -> Limits {
        match &self.settings.manifest {
            Some(manifest) if self.core.is_some() => self.settings.limits.merged(&manifest.limits),
            Some(manifest) => {
                let asked = manifest.limits.capped(&Limits::for_apps());
                self.settings.limits.merged(&asked)
            }
            None => self.settings.limits,
        }
    }

    /// The limits in force.
    pub(super) fn effective_limits(&self) -> Limits {
        let defaults = if self.core.is_some() {
            Limits::for_core()
        } else {
            Limits::for_apps()
        };
        self.limits().merged(&defaults)
    }

    /// The spec for atek-spawnd. Reads the package's folder, so it blocks.
    pub(super) fn spec(&self) -> Result<ServiceSpec, FolderError> {
        let (package, program) = match &self.core {
            Some(core) => {
                let folder = core.package.as_ref().map_err(|_| FolderError::NoVersion)?;
                let found = package_folder::read(folder)?;
                let folder = found.folder;
                // What comes with Atek brings everything.
                let is_built_in = folder.starts_with(paths::CORE);
                let modules = found.modules.filter(|_| !is_built_in);
                (Package::in_place(folder, modules), found.program)
            }
            None => self.package()?,
        };
        let sidecars = self.sidecars(&package)?;
        let config = match &self.core {
            Some(core) => Some(&core.env),
            None => self.settings.config.as_ref(),
        };
        let is_image = matches!(program, Program::Image { .. });
        let root = is_image && self.permissions().root;
        let spec = ServiceSpec {
            id: self.unit_id(),
            key: self.key.clone(),
            owner: self.settings.owning_user_key.clone(),
            core: self.core.is_some(),
            title: self.settings.title(),
            program,
            package,
            env: self.variables(config),
            network: self.network(),
            home: self.home(),
            devices: self.permissions().devices,
            folders: self.in_force().1.folders,
            listen: self.permissions().listen,
            root,
            mdns: self.permissions().mdns,
            port: self.manifest().and_then(|manifest| manifest.port),
            workdir: self
                .manifest()
                .map(|manifest| manifest.workdir)
                .unwrap_or_default(),
            health_command: self.health_command().to_vec(),
            before_backup: self
                .manifest()
                .and_then(|manifest| manifest.before_backup.clone()),
            limits: self.limits(),
            sidecars,
        };
        spec.validate()?;
        Ok(spec)
    }

    /// The further processes of its manifest, each behind those that it waits for.
    fn sidecars(&self, package: &Package) -> Result<Vec<SidecarSpec>, FolderError> {
        let Some(manifest) = self.manifest() else {
            return Ok(Vec::new());
        };
        let services = &manifest.services;
        // The reader of the manifest has refused circles.
        let order = start_order(services).unwrap_or_default();
        let of = |name| {
            let sidecar = &services[&name];
            let alone = sidecar.as_manifest();
            Ok(SidecarSpec {
                program: package_folder::find_program(&package.folder, Some(&alone))?,
                env: match &sidecar.runtime {
                    Runtime::Image { runtime } => runtime.env.clone(),
                    Runtime::Native { .. } | Runtime::Wasm { .. } | Runtime::Node { .. } => {
                        BTreeMap::new()
                    }
                },
                port: sidecar.port,
                health_command: sidecar.health_command().to_vec(),
                before_backup: sidecar.before_backup.clone(),
                after: sidecar.after.clone(),
                name,
            })
        };
        order.into_iter().map(of).collect()
    }

    /// The command of its health check; empty where it has none.
    fn health_command(&self) -> &[String] {
        let check = self
            .manifest()
            .and_then(|manifest| manifest.healthcheck.as_ref());
        check.and_then(Healthcheck::command).unwrap_or_default()
    }

    /// The variables of its image, if it has one, and over them its configuration.
    fn variables(&self, config: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
        let mut variables = match self.manifest().map(|manifest| &manifest.runtime) {
            Some(Runtime::Image { runtime }) => runtime.env.clone(),
            Some(Runtime::Native { .. } | Runtime::Wasm { .. } | Runtime::Node { .. }) | None => {
                BTreeMap::new()
            }
        };
        variables.extend(environment(config));
        variables
    }

    fn package(&self) -> Result<(Package, Program), FolderError> {
        let settings = &self.settings;
        match settings.package.source_type {
            SourceType::File => {
                let Ok(Source::Folder(path)) = settings.source_url.parse() else {
                    return Err(FolderError::NoVersion);
                };
                let found = package_folder::read(&path)?;
                let package = Package::in_place(found.folder, found.modules);
                Ok((package, found.program))
            }
            SourceType::Git => {
                let version = installed_version(settings).ok_or(FolderError::NoVersion)?;
                let folder = paths::package_version(&self.key, &version);
                let program = package_folder::find_program(&folder, settings.manifest.as_ref())?;
                let package = Package {
                    own_node: folder.join(paths::OWN_NODE).is_file(),
                    folder,
                    modules: None,
                };
                Ok((package, program))
            }
        }
    }
}

/// A spec with a package and nothing else that could be refused.
pub(super) fn plain_spec(
    id: ServiceId,
    key: ServiceKey,
    owner: UserKey,
    package: Package,
    program: Program,
) -> ServiceSpec {
    ServiceSpec {
        title: id.to_string(),
        id,
        key,
        owner,
        core: false,
        program,
        package,
        env: BTreeMap::new(),
        network: Network::None,
        port: None,
        home: Vec::new(),
        devices: Vec::new(),
        folders: Vec::new(),
        listen: Vec::new(),
        root: false,
        mdns: false,
        workdir: Workdir::Package,
        health_command: Vec::new(),
        before_backup: None,
        limits: Limits::default(),
        sidecars: Vec::new(),
    }
}

/// The installed tag as the name of its folder.
pub(super) fn installed_version(settings: &ServiceSettings) -> Option<PackageVersion> {
    let tag = settings.package.installed_version.as_ref()?;
    Release::folder_name(tag).parse().ok()
}

/// The original upper-cases the names of a configuration.
fn environment(config: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    config
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.to_ascii_uppercase(), value.clone()))
        .collect()
}

/// Whether a configuration can become an environment.
pub(super) fn check_config(config: &BTreeMap<String, String>) -> Result<(), SpecError> {
    for (name, value) in environment(Some(config)) {
        if !spec::is_config_name(&name) {
            return Err(SpecError::ConfigName(spec::sanitize_title(&name)));
        }
        if value.contains('\0') {
            return Err(SpecError::ConfigValue(name));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
