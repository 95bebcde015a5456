//! Core services: those that belong to Atek itself, as the configuration lists them.

use super::awake::Awake;
use super::package_folder::{self, PackageFolder};
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

/// A core service.
#[derive(Debug, Clone)]
pub(super) struct CoreService {
    pub(super) key: ServiceKey,
    pub(super) settings: Arc<ServiceSettings>,
    pub(super) env: BTreeMap<String, String>,
    /// Its package; `Err` says why it cannot run.
    pub(super) package: Result<PathBuf, String>,
    /// Whether it is kept running although it may sleep.
    pub(super) awake: Awake,
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
}

/// The configured core services, in their order. One that cannot run is listed with the reason;
/// one that is named twice is left out.
pub(super) fn resolve(configured: &[config::CoreService], layout: &Layout) -> Vec<CoreService> {
    let mut cores: Vec<CoreService> = Vec::new();
    for service in configured {
        match one(service, layout) {
            Some(core) if cores.iter().any(|known| is_same(known, &core)) => {
                tracing::error!(id = %core.settings.id, "a core service is configured twice");
            }
            Some(core) => cores.push(core),
            None => {
                tracing::error!(
                    source = service.source_url,
                    "a core service has no usable name"
                );
            }
        }
    }
    cores
}

fn is_same(one: &CoreService, other: &CoreService) -> bool {
    one.key == other.key || one.settings.id == other.settings.id
}

fn one(service: &config::CoreService, layout: &Layout) -> Option<CoreService> {
    let name = builtin_name(&service.source_url);
    let last = last_part(&service.source_url);
    let id = match &service.id {
        Some(id) => id.clone(),
        None => format!("core.{}", ServiceId::derive(last)).parse().ok()?,
    };
    let folder = name.map(|name| layout.core_package(name));
    let found = match (name, &folder) {
        (Some("hypercore"), Some(folder)) if !folder.exists() => {
            Err("not part of this version of Atek yet".to_owned())
        }
        (Some(_), Some(folder)) => package_folder::read(folder)
            .map_err(|error| crate::error_chain::DisplayChain(&error).to_string()),
        _ => Err("only the services that come with Atek can be core services".to_owned()),
    };
    let manifest = found
        .as_ref()
        .ok()
        .and_then(|found: &PackageFolder| found.manifest.clone());
    let remote = service.source_url.starts_with("http");
    let key = layout.core_key(name.unwrap_or(id.as_str().trim_start_matches("core.")))?;
    Some(CoreService {
        awake: Awake::read(layout.awake(&key)),
        key,
        settings: Arc::new(ServiceSettings {
            id,
            owning_user_key: UserKey::system(),
            source_url: service.source_url.clone(),
            desired_version: service.desired_version.clone(),
            package: PackageInfo {
                signer: None,
                source_type: if remote {
                    SourceType::Git
                } else {
                    SourceType::File
                },
                installed_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                title: manifest.as_ref().and_then(|manifest| manifest.name.clone()),
                warnings: Vec::new(),
            },
            grant_notes: Default::default(),
            unasked: Vec::new(),
            granted: manifest
                .as_ref()
                .map(|m| m.permissions.clone())
                .unwrap_or_default(),
            manifest,
            config: None,
            limits: Default::default(),
            stopped: false,
            updates: Default::default(),
            port: None,
        }),
        env: service.config.clone().unwrap_or_default(),
        package: found.map(|found| found.folder),
    })
}

fn builtin_name(source: &str) -> Option<&str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(source: &str, id: Option<&str>) -> CoreService {
        let service = config::CoreService {
            source_url: source.to_owned(),
            id: id.map(|id| id.parse().unwrap()),
            desired_version: None,
            config: None,
        };
        resolve(&[service], &Layout::new(crate::layout::DEFAULT_STATE)).remove(0)
    }

    #[test]
    fn the_originals_core_services_are_the_built_in_ones_under_their_configured_ids() {
        for (source, id, key, shown, unit) in [
            ("builtin:adb", None, "core.adb", "core.adb", "core.adb"),
            (
                "builtin:hypercore",
                None,
                "core.hypercore",
                "core.hypercore",
                "core.hypercore",
            ),
            (
                "https://github.com/atek-cloud/adb",
                None,
                "core.adb",
                "core.adb",
                "core.adb",
            ),
            (
                "https://github.com/atek-cloud/adb.git",
                Some("adb"),
                "core.adb",
                "adb",
                "core.adb",
            ),
            (
                "https://github.com/atek-cloud/hyper-daemon",
                None,
                "core.hypercore",
                "core.hyper-daemon",
                "core.hyper-daemon",
            ),
        ] {
            let core = resolved(source, id);
            assert_eq!(core.key.as_str(), key, "{source}");
            assert_eq!(core.settings.id.as_str(), shown, "{source}");
            assert_eq!(core.unit_id().as_str(), unit, "{source}");
            assert_eq!(core.settings.source_url, source);
        }
    }

    #[test]
    fn what_cannot_run_is_listed_with_the_reason() {
        let missing = resolved("builtin:hypercore", None);
        assert_eq!(
            missing.package.unwrap_err(),
            "not part of this version of Atek yet"
        );
        let foreign = resolved("https://example.org/thing", None);
        assert_eq!(foreign.settings.id.as_str(), "core.thing");
        assert!(
            foreign
                .package
                .unwrap_err()
                .contains("only the services that come with Atek")
        );
        assert!(resolved("builtin:../../etc", None).package.is_err());
    }
}
