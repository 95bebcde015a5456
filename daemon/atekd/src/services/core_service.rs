//! Core services: those that belong to Atek itself, as the configuration lists them. What runs in
//! the place of one is in [`super::core_place`].

use super::awake::Awake;
use super::package_folder;
use crate::config;
use crate::layout::Layout;
use atek_api::ids::{ServiceId, ServiceKey, UserKey};
use atek_api::services::{PackageInfo, ServiceSettings, SourceType};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The original's two repositories, and the built-in services in their place.
const ORIGINALS: [(&str, &str); 2] = [
    ("https://github.com/atek-cloud/adb", "adb"),
    ("https://github.com/atek-cloud/hyper-daemon", "hypercore"),
];

/// A core service that can be started.
#[derive(Debug, Clone)]
pub(super) struct CoreService {
    pub(super) key: ServiceKey,
    pub(super) settings: Arc<ServiceSettings>,
    pub(super) env: BTreeMap<String, String>,
    /// Its package; `Err` says why it cannot run.
    pub(super) package: Result<PathBuf, String>,
    /// Whether it is kept running although it may sleep.
    pub(super) awake: Awake,
    /// What a person should know of it while it runs: why it runs in the place of another.
    pub(super) note: Option<String>,
}

impl CoreService {
    /// The id that names its unit: in the namespace of core services, whatever the
    /// configuration calls it.
    pub(super) fn unit_id(&self) -> ServiceId {
        let id = &self.settings.id;
        if id.is_core() {
            return id.clone();
        }
        format!("core.{id}").parse().unwrap_or_else(|_| id.clone())
    }

    /// The same, with something that a person should know of it.
    pub(super) fn noted(&self, note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..self.clone()
        }
    }
}

/// The service that comes with Atek under this name. One that cannot run says why.
pub(super) fn built_in(
    name: &str,
    configured: &config::CoreService,
    layout: &Layout,
) -> Option<CoreService> {
    let folder = layout.core_package(name);
    let found = if name == "hypercore" && !folder.exists() {
        Err("not part of this version of Atek yet".to_owned())
    } else {
        package_folder::read(&folder)
            .map_err(|error| crate::error_chain::DisplayChain(&error).to_string())
    };
    let manifest = found.as_ref().ok().and_then(|found| found.manifest.clone());
    let remote = configured.source_url.starts_with("http");
    let key = layout.core_key(name)?;
    let mut settings = plain_settings(
        id_of(configured)?,
        configured.source_url.clone(),
        if remote {
            SourceType::Git
        } else {
            SourceType::File
        },
    );
    settings
        .desired_version
        .clone_from(&configured.desired_version);
    settings.package.installed_version = Some(env!("CARGO_PKG_VERSION").to_owned());
    settings.package.title = manifest.as_ref().and_then(|manifest| manifest.name.clone());
    settings.granted = manifest
        .as_ref()
        .map(|manifest| manifest.permissions.clone())
        .unwrap_or_default();
    settings.manifest = manifest;
    Some(CoreService {
        awake: Awake::read(layout.awake(&key)),
        key,
        settings: Arc::new(settings),
        env: environment(name, configured),
        package: found.map(|found| found.folder),
        note: None,
    })
}

/// What is configured, and what the service needs besides to stay small.
fn environment(name: &str, configured: &config::CoreService) -> BTreeMap<String, String> {
    let mut environment = configured.config.clone().unwrap_or_default();
    if name == "hypercore" {
        // Its store has threads of its own, and the C library keeps memory for each (0187).
        let arenas = environment.entry("MALLOC_ARENA_MAX".to_owned());
        arenas.or_insert_with(|| "2".to_owned());
        // In work the engine's space of young objects grows to 16 MiB otherwise (0219).
        let node = environment.entry("NODE_OPTIONS".to_owned());
        node.or_insert_with(|| "--max-semi-space-size=1".to_owned());
    }
    environment
}

/// The record of a core service of which only this is known.
pub(super) fn plain_settings(
    id: ServiceId,
    source_url: String,
    source_type: SourceType,
) -> ServiceSettings {
    ServiceSettings {
        id,
        owning_user_key: UserKey::system(),
        source_url,
        desired_version: None,
        package: PackageInfo {
            signer: None,
            source_type,
            installed_version: None,
            title: None,
            warnings: Vec::new(),
        },
        manifest: None,
        config: None,
        granted: Default::default(),
        grant_notes: Default::default(),
        unasked: Vec::new(),
        limits: Default::default(),
        updates: Default::default(),
        stopped: false,
        port: None,
    }
}

/// The configured id, or the one of its source.
pub(super) fn id_of(configured: &config::CoreService) -> Option<ServiceId> {
    match &configured.id {
        Some(id) => Some(id.clone()),
        None => {
            let name = ServiceId::derive(last_part(&configured.source_url));
            format!("core.{name}").parse().ok()
        }
    }
}

/// The name of the built-in service that a source stands for.
pub(super) fn builtin_name(source: &str) -> Option<&str> {
    if let Some(name) = source.strip_prefix("builtin:") {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        return (!name.is_empty() && name.chars().all(fits)).then_some(name);
    }
    let plain = source.trim_end_matches('/').trim_end_matches(".git");
    ORIGINALS
        .iter()
        .find(|(url, _)| *url == plain)
        .map(|(_, name)| *name)
}

fn last_part(source: &str) -> &str {
    source
        .trim_end_matches('/')
        .rsplit(['/', ':'])
        .next()
        .unwrap_or_default()
}
