//! Bounds of a fetch and a build.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;

/// Bounds that `atek-package` keeps itself; memory, tasks and the time of the whole
/// job are the unit's (see [`crate::spec::PackageLimits`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FetchLimits {
    /// Bytes that the repository may send.
    pub fetch_bytes: u64,
    /// Objects that the repository may send.
    pub fetch_objects: u64,
    /// Bytes of the package's files, before and after the build.
    pub package_bytes: u64,
    /// Files and folders of the package, before and after the build.
    pub package_files: u64,
    /// Seconds for asking and fetching.
    pub fetch_secs: u64,
    /// Seconds without an answer after which the repository is given up.
    pub stall_secs: u64,
    /// Seconds for `npm` to install.
    pub install_secs: u64,
    /// Seconds for the package's own build.
    pub build_secs: u64,
}

impl Default for FetchLimits {
    /// The largest of the original's apps is 10 MB with its modules; half a gigabyte
    /// leaves room for photo and map apps and fits a 16 GB card many times.
    fn default() -> Self {
        Self {
            fetch_bytes: 256 * MIB,
            fetch_objects: 200_000,
            package_bytes: 1024 * MIB,
            package_files: 150_000,
            fetch_secs: 600,
            stall_secs: 30,
            install_secs: 900,
            build_secs: 900,
        }
    }
}
