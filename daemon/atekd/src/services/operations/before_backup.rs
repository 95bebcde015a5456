//! What apps do before their state is copied for a backup, as their manifests say: their sandboxes
//! run a command.

use super::context::Operations;
use atek_api::ids::ServiceKey;
use atek_api::manifest::{BeforeBackup, Manifest, SidecarName};
use atek_api::services::State;
use atek_api::spec::{self, paths};
use atek_rpc::owned_socket::{Owner, connect_checked};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

/// Bytes of the longest answer.
const ANSWER: u64 = 400;
/// How much longer than the command the sandbox may take for its answer.
const LATE: Duration = Duration::from_secs(5);

impl Operations {
    /// Has a running app do what its manifest says, the processes beside it first. Returns what
    /// went wrong, for a person.
    pub async fn prepare_to_store(&self, key: &ServiceKey) -> Vec<String> {
        let Ok(record) = self.record(key) else {
            return Vec::new();
        };
        let Some(manifest) = &record.settings.manifest else {
            return Vec::new();
        };
        let hooks = hooks(manifest);
        if hooks.is_empty() || !self.runs(key).await {
            return Vec::new();
        }
        let mut problems = Vec::new();
        for (sidecar, hook) in hooks {
            let socket = paths::backup_socket(key, sidecar);
            if let Err(said) = ask(&socket, hook.deadline()).await {
                let id = record.settings.id.as_str();
                let command = spec::sanitize_title(&hook.command.join(" "));
                let of = sidecar.map(|name| format!(" of its process {name}"));
                problems.push(format!(
                    "{id} was not prepared for its backup: {command}{} failed ({said}). What it keeps was copied as it was",
                    of.unwrap_or_default()
                ));
            }
        }
        problems
    }

    /// Whether it runs: one that does not changes nothing, and is copied as it is.
    async fn runs(&self, key: &ServiceKey) -> bool {
        let status = self.status(key).await;
        status.is_ok_and(|status| status.state == State::Running)
    }
}

fn hooks(manifest: &Manifest) -> Vec<(Option<&SidecarName>, &BeforeBackup)> {
    let sidecars = manifest.services.iter();
    let sidecars = sidecars.filter_map(|(name, it)| Some((Some(name), it.before_backup.as_ref()?)));
    let own = manifest.before_backup.as_ref().map(|hook| (None, hook));
    sidecars.chain(own).collect()
}

/// Asks the sandbox of a process to run its command.
async fn ask(socket: &Path, deadline: Duration) -> Result<(), String> {
    let asked = async {
        let stream = connect_checked(socket, Owner::OfFolder).await.ok()?;
        let mut said = String::new();
        let read = stream.take(ANSWER).read_to_string(&mut said).await;
        read.ok().filter(|bytes| *bytes > 0).map(|_| said)
    };
    match timeout(deadline + LATE, asked).await {
        Ok(Some(said)) if said == spec::HEALTHY => Ok(()),
        Ok(Some(said)) => Err(spec::sanitize_title(&said)),
        Ok(None) => Err("its sandbox does not answer".to_owned()),
        Err(_) => Err("no answer".to_owned()),
    }
}
