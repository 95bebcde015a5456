//! Native code of installed components, which is good for one version of Atek and one kind of
//! processor.
//!
//! Without it the app's own unit compiles at each start, with one thread and the app's memory, and
//! that may take longer than a start may. So after each start of the host, which may be another
//! Atek or another board by then, a package job makes what is missing.

use super::context::Operations;
use crate::error_chain::DisplayChain;
use crate::services::definition;
use crate::services::package_folder;
use atek_api::ids::ServiceKey;
use atek_api::manifest::{Manifest, Runtime};
use atek_api::services::{ServiceSettings, SourceType};
use atek_api::spec::{PackageVersion, Program, RelativePath, paths};
use std::fs;

/// A component of an installed version.
pub(super) struct Component {
    version: PackageVersion,
    entry: RelativePath,
}

impl Operations {
    /// The components of all installed versions of a service, first that of the version which runs.
    pub(super) async fn components(&self, key: &ServiceKey) -> Vec<Component> {
        let records = self.database.records();
        let Some(record) = records.service(key.as_str()) else {
            return Vec::new();
        };
        if !may_be_component(&record.settings) {
            return Vec::new();
        }
        let current = definition::installed_version(&record.settings);
        let key = key.clone();
        let found = tokio::task::spawn_blocking(move || installed(&key));
        let mut found = found.await.unwrap_or_default();
        found.sort_by_key(|component| Some(&component.version) != current.as_ref());
        found
    }

    /// Has a job compile a component that has no native code for this system. Without success the
    /// unit compiles it.
    pub(super) async fn compile_again(&self, key: &ServiceKey, component: &Component) {
        let Component { version, entry } = component;
        let folder = paths::package_version(key, version);
        let made = match self.packages.compile_again(&folder, entry).await {
            Ok(None) => return,
            Ok(Some(made)) => made,
            Err(error) => {
                let error = DisplayChain(&error);
                tracing::warn!(%key, %version, %error, "cannot compile a component again");
                return;
            }
        };
        match made.commit_code(key, version).await {
            Ok(()) => tracing::info!(%key, %version, "compiled a component for this system"),
            Err(error) => {
                let error = DisplayChain(&error);
                tracing::warn!(%key, %version, %error, "cannot keep the code of a component");
            }
        }
    }
}

/// Whether an app is a component that Atek installed. One in a folder of a person has no code of
/// ours.
fn may_be_component(settings: &ServiceSettings) -> bool {
    let runtime = settings
        .manifest
        .as_ref()
        .map(|Manifest { runtime, .. }| runtime);
    settings.package.source_type == SourceType::Git && matches!(runtime, Some(Runtime::Wasm { .. }))
}

fn installed(key: &ServiceKey) -> Vec<Component> {
    let folder = paths::package_versions(key);
    let Ok(versions) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let names = versions.flatten().filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.parse::<PackageVersion>().ok()
    });
    names
        .filter_map(|version| {
            let package = package_folder::read(&paths::package_version(key, &version)).ok()?;
            match package.program {
                Program::Wasm { path, .. } => Some(Component {
                    version,
                    entry: path,
                }),
                _ => None,
            }
        })
        .collect()
}
