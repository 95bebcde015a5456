//! Where things lie. See `ARCHITECTURE.md` for the list.

use atek_api::ids::ServiceKey;
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

    /// A core service's package.
    #[must_use]
    pub fn core_package(&self, name: &str) -> PathBuf {
        Path::new(LIB).join("core").join(name)
    }

    /// The socket where a service listens.
    #[must_use]
    pub fn app_socket(&self, key: &ServiceKey) -> PathBuf {
        PathBuf::from(format!("/run/atek-app-{key}/app.sock"))
    }
}
