//! Further processes of a service, each with a unit of its own.

use super::{Program, SIDECAR_READY_TIMEOUT, START_TIMEOUT, ServiceSpec, SpecError, Workdir};
use crate::ids::ServiceId;
use crate::manifest::{BeforeBackup, MAX_SIDECARS, SidecarName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SidecarSpec {
    /// What its app calls it.
    pub name: SidecarName,
    /// What to execute, of the service's package.
    pub program: Program,
    /// Variables of its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The TCP port that accepts when it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// As of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_command: Vec<String>,
    /// As of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_backup: Option<BeforeBackup>,
    /// Those that must be ready before it starts; they stand before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<SidecarName>,
}

impl ServiceId {
    /// The name of the unit of a sidecar.
    #[must_use]
    pub fn sidecar_unit(&self, name: &SidecarName) -> String {
        format!("atek-app-{self}@{name}.service")
    }

    /// The pattern of the units of all sidecars of this service, and of nothing else.
    #[must_use]
    pub fn sidecar_units(&self) -> String {
        format!("atek-app-{self}@*.service")
    }
}

impl ServiceSpec {
    /// What the unit of a sidecar is made of: the service itself with the sidecar's program, and
    /// with nothing that is given to the service alone.
    #[must_use]
    pub fn of_sidecar(&self, sidecar: &SidecarSpec) -> Self {
        let mut spec = Self {
            program: sidecar.program.clone(),
            env: sidecar.env.clone(),
            health_command: sidecar.health_command.clone(),
            before_backup: sidecar.before_backup.clone(),
            port: None,
            workdir: Workdir::Package,
            devices: Vec::new(),
            folders: Vec::new(),
            listen: Vec::new(),
            root: false,
            mdns: false,
            sidecars: Vec::new(),
            ..self.clone()
        };
        if matches!(spec.program, Program::Image { .. }) {
            spec.package.modules = None;
        }
        spec
    }

    /// How long its start job may take.
    #[must_use]
    pub fn start_timeout(&self) -> Duration {
        let sidecars = u32::try_from(self.sidecars.len()).unwrap_or(u32::MAX);
        // At worst each waits for the one before.
        START_TIMEOUT + (START_TIMEOUT + SIDECAR_READY_TIMEOUT) * sidecars
    }

    pub(super) fn validate_sidecars(&self) -> Result<(), SpecError> {
        if self.sidecars.is_empty() {
            return Ok(());
        }
        if self.sidecars.len() > MAX_SIDECARS || self.core {
            return Err(SpecError::Sidecars(self.sidecars.len()));
        }
        // The link is made by one unit, before its program starts.
        if self.has_link() {
            return Err(SpecError::SidecarNetwork);
        }
        let mut before: Vec<&SidecarName> = Vec::new();
        for sidecar in &self.sidecars {
            let unknown = sidecar.after.iter().any(|name| !before.contains(&name));
            if unknown || before.contains(&&sidecar.name) {
                return Err(SpecError::SidecarOrder(sidecar.name.clone()));
            }
            self.of_sidecar(sidecar).validate()?;
            before.push(&sidecar.name);
        }
        Ok(())
    }
}
