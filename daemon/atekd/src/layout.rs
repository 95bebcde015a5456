//! Where things lie. See `ARCHITECTURE.md` for the list.

use atek_api::ids::ServiceKey;
use sha2::{Digest as _, Sha256};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The shipped defaults.
pub const SHIPPED_CONFIG: &str = "/etc/atek/config.json";
/// The state of a host that is not told otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/atek";
/// Executables and core services.
const LIB: &str = "/usr/lib/atek";

/// The paths of this host.
#[derive(Debug, Clone)]
pub struct Layout {
    state: PathBuf,
}

impl Layout {
    /// The layout of a host whose state lies in `state` (`--configDir`).
    #[must_use]
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
        }
    }

    /// The folder of everything that persists.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What the box changed of its configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.state.join("config.json")
    }

    /// The claim code, kept until the box has an owner.
    #[must_use]
    pub fn claim_code(&self) -> PathBuf {
        self.state.join("claim-code")
    }

    /// The list of added catalogues.
    #[must_use]
    pub fn catalogues(&self) -> PathBuf {
        self.state.join("catalogues.json")
    }

    /// The certificate authorities that administrators added.
    #[must_use]
    pub fn authorities(&self) -> PathBuf {
        self.state.join("authorities.pem")
    }

    /// A request for a new password, which atek-firstboot found on the card.
    #[must_use]
    pub fn password_reset(&self) -> PathBuf {
        self.state.join("password-reset")
    }

    /// The code that such a request needs.
    #[must_use]
    pub fn password_reset_code(&self) -> PathBuf {
        self.state.join("password-reset-code")
    }

    /// The mirror of either code for the units that show it; a host with a folder of its own writes
    /// nowhere else.
    #[must_use]
    pub fn shown_claim_code(&self) -> Option<PathBuf> {
        (self.state == Path::new(DEFAULT_STATE)).then(|| PathBuf::from("/run/atek/claim-code"))
    }

    /// What the host says of itself to the units that show it on the board: `ready`, or `unusable`;
    /// none for a host that writes nowhere but in its own folder.
    #[must_use]
    pub fn shown_state(&self) -> Option<PathBuf> {
        (self.state == Path::new(DEFAULT_STATE)).then(|| PathBuf::from("/run/atek/host-state"))
    }

    /// A file that is there while something is wrong with backups or a disk, for the same units.
    #[must_use]
    pub fn shown_trouble(&self) -> Option<PathBuf> {
        (self.state == Path::new(DEFAULT_STATE)).then(|| PathBuf::from("/run/atek/trouble"))
    }

    /// A core service's package.
    #[must_use]
    pub fn core_package(&self, name: &str) -> PathBuf {
        Path::new(LIB).join("core").join(name)
    }

    /// The key of a built-in service, which is not part of the configuration: what is
    /// stored under it outlives a change of that. A host in another folder has services
    /// of its own, and so their state. None if `name` cannot be part of a key.
    #[must_use]
    pub fn core_key(&self, name: &str) -> Option<ServiceKey> {
        if self.state == Path::new(DEFAULT_STATE) {
            return format!("core.{name}").parse().ok();
        }
        let digest = Sha256::digest(self.state.as_os_str().as_bytes());
        format!("core.{name}-{}", hex::encode(&digest[..4]))
            .parse()
            .ok()
    }

    /// The key of what the configuration puts in the place of a core service: another one for each
    /// source, so that none finds the data of another. None if `name` cannot be part of a key.
    #[must_use]
    pub fn replacement_key(&self, name: &str, source: &str) -> Option<ServiceKey> {
        let mut digest = Sha256::new();
        digest.update(self.state.as_os_str().as_bytes());
        digest.update([0]);
        digest.update(source.as_bytes());
        let digest = hex::encode(&digest.finalize()[..4]);
        format!("core.{name}-{digest}").parse().ok()
    }

    /// What is remembered of a replacement of a core service.
    #[must_use]
    pub fn replacement(&self, key: &ServiceKey) -> PathBuf {
        self.state.join("core-services").join(format!("{key}.json"))
    }

    /// The mark of a core service that may sleep and says that it must not.
    #[must_use]
    pub fn awake(&self, key: &ServiceKey) -> PathBuf {
        self.state.join("awake").join(key.as_str())
    }

    /// The key of the database service.
    ///
    /// # Panics
    ///
    /// Never: its name is part of a key.
    #[must_use]
    pub fn database_key(&self) -> ServiceKey {
        self.core_key("adb")
            .unwrap_or_else(|| unreachable!("adb can be part of a key"))
    }

    /// The key of the key service.
    ///
    /// # Panics
    ///
    /// Never: its name is part of a key.
    #[must_use]
    pub fn keys_key(&self) -> ServiceKey {
        self.core_key("keys")
            .unwrap_or_else(|| unreachable!("keys can be part of a key"))
    }

    /// The socket where a service listens.
    #[must_use]
    pub fn app_socket(&self, key: &ServiceKey) -> PathBuf {
        PathBuf::from(format!("/run/atek-app-{key}/app.sock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_in_another_folder_has_core_services_of_its_own() {
        let keys = |state: &str| Layout::new(state).database_key().to_string();
        assert_eq!(keys(DEFAULT_STATE), "core.adb");
        assert_eq!(keys("/srv/a"), keys("/srv/a"), "the same at each start");
        assert_ne!(keys("/srv/a"), keys("/srv/b"));
        assert!(keys("/srv/a").starts_with("core.adb-"));
        assert!(Layout::new("/srv/a").core_key("../x").is_none());
        let replaced = |state: &str, source| Layout::new(state).replacement_key("x", source);
        assert_ne!(replaced("/srv/a", "s"), replaced("/srv/a", "t"));
        assert_ne!(replaced("/srv/a", "s"), replaced("/srv/b", "s"));
    }
}
