//! Why a spec is refused.

use crate::ids::ServiceId;
use crate::manifest::SidecarName;
use std::path::PathBuf;

/// What is wrong with a [`super::ServiceSpec`] or a [`super::PackageSpec`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// `core` and the `core.` prefix of the id go together.
    #[error("service {0}: only a core service may have an id that starts with core., and it must")]
    CoreMismatch(ServiceId),
    /// See [`super::sanitize_title`].
    #[error("the title is empty, too long or has control characters")]
    Title,
    /// See [`super::RelativePath`].
    #[error(
        "{0:?} is not a path inside the package: give it relative, without \"..\" and control characters"
    )]
    RelativePath(String),
    /// Not absolute, not normal, or with characters that a unit cannot carry.
    #[error(
        "the folder {} cannot be used: its path must be absolute, without \"..\", ':', '%', '\\', quotes and control characters", .0.display()
    )]
    HostFolder(PathBuf),
    /// A folder of the system, or of another service.
    #[error("the folder {} belongs to the system and cannot be run as a package", .0.display())]
    ForbiddenFolder(PathBuf),
    /// See [`super::Package::modules`].
    #[error("{} is not the node_modules folder of a parent of the package", .0.display())]
    Modules(PathBuf),
    /// Too many, too long or with control characters.
    #[error(
        "the program's arguments are more than 64, longer than 8 KiB, or have control characters other than line ends and tabs"
    )]
    Arguments,
    /// See [`crate::image::is_volume`].
    #[error("the image cannot be used with the folder {0}")]
    ImageFolder(String),
    /// See [`crate::image::is_user_name`].
    #[error("the user of an image cannot be called {0}")]
    ImageUser(String),
    /// A container image does not reach the internet by itself.
    #[error(
        "an app from a container image cannot have the whole internet yet: give it the hosts that it needs by name"
    )]
    ImageNetwork,
    /// More than [`crate::manifest::MAX_SIDECARS`], or of a core service.
    #[error("{0} further processes: an app can have 8, and a core service none")]
    Sidecars(usize),
    /// One that is there twice, or stands before one that it waits for.
    #[error("the process {0} stands twice, or before one that it waits for")]
    SidecarOrder(SidecarName),
    /// The link to the machine's network is made for one process.
    #[error(
        "an app of several processes cannot have the whole internet, a port of the home's network or mDNS yet: give it the hosts that it needs by name"
    )]
    SidecarNetwork,
    /// More than a box can be on.
    #[error("{0} networks are more than the 64 that can be closed to a service")]
    TooManyNetworks(usize),
    /// More than a service can be given.
    #[error("{0} devices are more than the 32 that a service can be given")]
    TooManyDevices(usize),
    /// More than 32.
    #[error("{0} ports of the home's network are more than the 32 that a service can be given")]
    TooManyLanPorts(usize),
    /// More than 32, or one of its own.
    #[error("{0} folders of other apps: a service can be given 32, and none of its own")]
    Folders(usize),
    /// See [`super::is_config_name`].
    #[error(
        "the configuration name {0:?} cannot be an environment variable: use A-Z, 0-9 and _, and no name that starts with ATEK_"
    )]
    ConfigName(String),
    /// The value has a NUL byte. The value itself may be a secret and is not shown.
    #[error("the configuration value of {0} has a NUL byte")]
    ConfigValue(String),
    /// All together.
    #[error("the configuration has {bytes} bytes, more than the {max} that a process can be given")]
    ConfigTooLarge {
        /// Names and values.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A limit outside its range.
    #[error("{name} must be {min} to {max}, not {value}")]
    Limit {
        /// As in JSON.
        name: &'static str,
        /// As given.
        value: u64,
        /// Smallest useful value.
        min: u64,
        /// Largest accepted value.
        max: u64,
    },
    /// See [`super::SnapshotName`].
    #[error("the name of a snapshot is 1 to 40 lower-case letters, digits and \"-\"")]
    SnapshotName,
    /// See [`super::JobId`].
    #[error(
        "a job id must be 1 to 40 characters of a-z, 0-9 and '-', starting with a letter or digit"
    )]
    JobId,
    /// See [`super::PackageVersion`].
    #[error(
        "a package version must be 1 to 128 characters of A-Z, a-z, 0-9, '.', '_', '+' and '-', starting with a letter or digit"
    )]
    Version,
}
