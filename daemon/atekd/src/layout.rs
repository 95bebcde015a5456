//! Where things lie. See `ARCHITECTURE.md` for the list.

use atek_api::ids::ServiceKey;
use std::path::{Path, PathBuf};

/// The shipped defaults.
pub const SHIPPED_CONFIG: &str = "/etc/atek/config.json";
/// The state of a host that is not told otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/atek";
/// Sockets, tokens: gone after a reboot.
const RUN: &str = "/run/atek";
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
        Self { state: state.into() }
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

    /// The installed versions of a service's package.
    #[must_use]
    pub fn package(&self, key: &ServiceKey) -> PathBuf {
        self.state.join("packages").join(key.as_str())
    }

    /// One installed version.
    #[must_use]
    pub fn package_version(&self, key: &ServiceKey, version: &str) -> PathBuf {
        self.package(key).join("versions").join(version)
    }

    /// A core service's package.
    #[must_use]
    pub fn core_package(&self, name: &str) -> PathBuf {
        Path::new(LIB).join("core").join(name)
    }

    /// The file that holds the token of a service's present start.
    #[must_use]
    pub fn token(&self, key: &ServiceKey) -> PathBuf {
        Path::new(RUN).join("tokens").join(key.as_str())
    }

    /// The Unix socket where the host listens for one service.
    #[must_use]
    pub fn host_socket(&self, key: &ServiceKey) -> PathBuf {
        Path::new(RUN).join("host").join(key.as_str()).join("host.sock")
    }

    /// The socket where a service listens.
    #[must_use]
    pub fn app_socket(&self, key: &ServiceKey) -> PathBuf {
        PathBuf::from(format!("/run/atek-app-{key}/app.sock"))
    }
}
