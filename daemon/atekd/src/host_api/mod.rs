//! The host's own APIs: method tables over typed parameters. No transport.
//!
//! A method translates and delegates: who may is decided in `permissions`, what
//! happens in `services`, `sessions` and `database`.

mod account_rules;
mod audit;
mod backups;
mod catalogue;
mod devices;
mod factory_reset;
mod inspect;
mod install;
mod mail;

mod methods;
mod moving;
mod params;
mod passwords;
mod permissions;
mod restore_box;
mod services;
mod sessions;
mod setup;
mod sharing;
mod system;
mod updates;
mod user_deletion;
mod users;

use crate::app_addresses::AddressBook;
use crate::audit::Audit;
use crate::authorities::Authorities;
use crate::backups::Backups;
use crate::catalogues::Catalogues;
use crate::config::{AllowFileInstall, Config};
use crate::confinement::Confinement;
use crate::database::Database;
use crate::directory::DirectoryView;
use crate::error_chain::{DISK_FULL, DisplayChain, is_disk_full};
use crate::grant_requests::GrantRequests;
use crate::guests::Guests;
use crate::jobs::Jobs;
use crate::journal::Logbook;
use crate::key_service::KeyService;
use crate::mail::Mail;
use crate::metrics::Metrics;
use crate::permissions::{Action, Approver, Caller, Decision, Rules, decide, permission_for};
use crate::services::Operations;
use crate::sessions::Sessions;
use crate::setup::Setup;
use crate::systemd::{HostSettings, Power};
use atek_api::ids::ServiceKey;
use atek_api::jsonrpc::{RpcError, code};
pub use atek_host_model::host_api::{Call, CookieChange, Reply};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// The host APIs, with what they act on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HostApis {
    /// Other homes that keep their backups here.
    pub guests: Guests,
    /// Mail to administrators.
    pub mail: Mail,
    /// Whose certificates are trusted beside those of the system's authorities.
    pub authorities: Authorities,
    /// The server database.
    pub database: Database,
    /// The keeper of private keys.
    pub keys: KeyService,
    /// Its key, whether there is such a service or not.
    pub keys_key: ServiceKey,
    /// The service that asks for its own seed, unless its name can be no key.
    pub hypercore: Option<ServiceKey>,
    /// Browser sessions.
    pub sessions: Sessions,
    /// First boot.
    pub setup: Setup,
    /// Installed services.
    pub services: Arc<Operations>,
    /// How they are.
    pub directory: DirectoryView,
    /// Where services can be opened.
    pub addresses: AddressBook,
    /// Installs and updates under way.
    pub jobs: Jobs,
    /// Recipes of apps.
    pub catalogues: Catalogues,
    /// What apps ask for while they run.
    pub requests: GrantRequests,
    /// Who did what.
    pub audit: Audit,
    /// Copies of everything, elsewhere.
    pub backups: Backups,
    /// What they and the box used.
    pub metrics: Metrics,
    /// What they said.
    pub logbook: Logbook,
    /// How well they are confined.
    pub confinement: Confinement,
    /// The machine's power.
    pub power: Power,
    /// The machine's name and time zone.
    pub host_settings: HostSettings,
    /// A folder on the disk that holds apps and data.
    pub state: PathBuf,
    /// The values in force.
    pub config: Arc<Config>,
    /// What `getConfig` shows.
    pub shown_config: watch::Receiver<Value>,
}

impl HostApis {
    /// Whether the host exports this API itself.
    #[must_use]
    pub fn has(&self, api: &str) -> bool {
        methods::APIS.iter().any(|known| known.id == api)
    }

    /// Answers one call. Only for APIs that the host [has](Self::has).
    pub async fn call(&self, api: &str, call: Call<'_>) -> Reply {
        if self.has(api) && methods::find(api, call.method).is_none() {
            return Err(RpcError::method_not_found(call.method)).into();
        }
        let outcome = match api {
            atek_api::sessions::API => return self.user_sessions(&call).await,
            atek_api::setup::API => return self.setup_api(&call).await,
            inspect::API => self.inspect(&call),
            atek_api::users::API => self.users(&call).await,
            atek_api::services::API => self.services_api(&call).await,
            atek_api::system::API => self.system_api(&call).await,
            atek_api::backup::API => self.backups_api(&call).await,
            atek_api::catalogue::API => self.catalogue_api(&call).await,
            atek_api::grants::API => self.permissions_api(&call).await,
            _ => Err(RpcError::new(code::METHOD_NOT_FOUND, "API not found")),
        };
        outcome.into()
    }
}

impl HostApis {
    /// Goes on only if the caller may do this.
    ///
    /// # Errors
    ///
    /// `Not authorized`; `data.reason` says whether the owner or an administrator could allow it.
    fn may(&self, caller: &Caller, action: Action<'_>) -> Result<(), RpcError> {
        let rules = Rules {
            permissions: self.database.records().permission_rules(),
            folders_for_all: self.config.allow_file_install == AllowFileInstall::Any,
        };
        match decide(caller, action, &rules) {
            Decision::Yes => Ok(()),
            Decision::No => Err(RpcError::not_authorized()),
            Decision::Ask(Approver::Owner) => Err(needs_owner(action)),
            Decision::Ask(Approver::Administrator) => {
                Err(RpcError::general(for_administrators(action)).because("needs-administrator"))
            }
        }
    }
}

/// The refusal of an app that lacks a permission, with its name.
fn needs_owner(action: Action<'_>) -> RpcError {
    let Some(permission) = permission_for(action) else {
        return RpcError::not_authorized().because("needs-owner");
    };
    let text = format!(
        "Not authorized: this app needs the permission {permission}; its owner can allow it"
    );
    RpcError {
        data: Some(json!({
            "reason": "needs-owner",
            "permission": format!("api:{permission}"),
        })),
        ..RpcError::general(text)
    }
}

/// Why a user needs an administrator for this.
fn for_administrators(action: Action<'_>) -> &'static str {
    match action {
        Action::InstallFromFolder(_) => {
            "only an administrator may install from a folder of this machine"
        }
        Action::Install(_) => "only an administrator may install apps on this box",
        Action::Grant(..) => "only an administrator may grant these permissions on this box",
        Action::RaiseLimits(_) => {
            "only an administrator may give an app more than the default memory, tasks or CPU"
        }
        _ => "only an administrator may do this",
    }
}

/// An error of the host itself: the whole chain for the journal, the first line for the caller.
fn internal(error: &(dyn std::error::Error + 'static)) -> RpcError {
    tracing::error!(error = %DisplayChain(error), "a host API call failed");
    if is_disk_full(error) {
        return RpcError::new(code::INTERNAL, DISK_FULL);
    }
    RpcError::new(code::INTERNAL, error.to_string())
}

/// A key that sorts by the time it was made and that `taken` does not know.
fn mint<K: FromStr>(taken: impl Fn(&str) -> bool) -> K {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    (0u32..)
        .map(|nth| atek_api::autokey::auto_key(millis, nth))
        .filter(|key| !taken(key))
        .find_map(|key| key.parse().ok())
        .unwrap_or_else(|| unreachable!("there are more counters than records"))
}
