//! What atekd asks of `atek-spawnd`, as typed data.
//!
//! A [`ServiceSpec`] is everything that is needed to run one service; a
//! [`PackageSpec`] everything to run one package job. Both travel as JSON over
//! D-Bus, and the receiver validates again: the sender is the process with the
//! network, the receiver the one with the privilege.
//!
//! No text in here ends in a shell, and none but the title, the ids and the
//! program's arguments in a unit property; each is checked for that.

pub mod arguments;
mod attach;
mod disk;
mod error;
mod limits;
mod names;
pub mod paths;
mod port;
mod prefix;
mod sidecar;

pub use attach::{AttachError, AttachRequest, MAX_ATTACH_BYTES};
pub use disk::{BlockName, DiskSpec, FileSystem, InvalidBlockName};
pub use error::SpecError;
pub use limits::{Limits, PackageLimits};
pub use names::{JobId, PackageVersion, RelativePath, SnapshotName, sanitize_title};
pub use port::{AppPort, Workdir};
pub use prefix::{InvalidPrefix, Prefix};
pub use sidecar::SidecarSpec;

use crate::ids::{ServiceId, ServiceKey, UserKey};
use crate::image::{MAX_VOLUMES, StopSignal, is_image_folder, is_user_name, is_volume};
use crate::manifest::BeforeBackup;
use crate::permission::{DevicePath, GivenFolder, LanPort};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long systemd waits before it starts a failed service again, at first.
pub const RESTART_FIRST_DELAY: Duration = Duration::from_millis(200);
/// How long it waits at most, after [`RESTART_STEPS`] failures.
pub const RESTART_MAX_DELAY: Duration = Duration::from_secs(30);
/// Steps from the first delay to the last.
pub const RESTART_STEPS: u32 = 6;
/// So many starts in [`START_LIMIT_INTERVAL`] are tolerated; the next failure is final.
///
/// The delays of the first ten restarts add up to less than the interval, so a
/// service that fails at once ends in `failed` within about three minutes.
pub const START_LIMIT_BURST: u32 = 10;
/// See [`START_LIMIT_BURST`].
pub const START_LIMIT_INTERVAL: Duration = Duration::from_secs(300);
/// How long a sidecar may take from its start until it is ready.
pub const SIDECAR_READY_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a service may take to end after SIGTERM; then it gets SIGKILL.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long systemd may take to set up the unit and execute `atek-sandbox`.
pub const START_TIMEOUT: Duration = Duration::from_secs(45);
/// How long the command of a health check may take; then it is killed.
pub const HEALTH_COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// What `atek-sandbox` answers at [`paths::health_socket`] when the command ended well. Everything
/// else is what went wrong, for a person.
pub const HEALTHY: &str = "well";
/// How long `atek-sandbox` tries to hand its listeners to atekd.
pub const ATTACH_TIMEOUT: Duration = Duration::from_secs(30);

/// The name server of a service or build with a network of its own, and the machine's end of its
/// link. The first 256 link-local addresses are reserved (RFC 3927, 2.1): no device has it.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
/// How the names of the machine's ends of these links begin. They are no networks of the home.
pub const LINK_PREFIX: &str = "atek-";
/// Groups of the links whose service hears and speaks multicast DNS.
pub const MDNS_LINKS: RangeInclusive<u32> = 42_986..=42_988;
/// Where atekd hears what such services say to all, at [`NAME_SERVER`].
pub const MDNS_PORT: u16 = 5_354;

/// Devices of one service.
const MAX_DEVICES: usize = 32;
/// Folders of other apps of one service.
const MAX_FOLDERS: usize = 32;
/// Ports of the home's network of one service.
const MAX_LAN_PORTS: usize = 32;

/// Bytes of all configuration values and names together.
const CONFIG_MAX_BYTES: usize = 96 * 1024;

/// Everything needed to run a service as a transient unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSpec {
    /// Names the unit (`atek-app-ID.service`) and the journal entries.
    pub id: ServiceId,
    /// Names the state folder, the runtime folder, the token and the host socket.
    pub key: ServiceKey,
    /// Whose slice it runs in.
    pub owner: UserKey,
    /// A core service: runs in the core slice. One that comes with Atek runs in place from
    /// [`paths::CORE`]; one that the configuration put in the place of another is a package as
    /// those of apps.
    #[serde(default)]
    pub core: bool,
    /// For people, in `systemctl status`; see [`sanitize_title`].
    pub title: String,
    /// What to execute.
    pub program: Program,
    /// Where its files are.
    pub package: Package,
    /// The service's configuration, which becomes environment variables.
    /// It may hold secrets, so it never becomes part of a unit.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What it may reach.
    #[serde(default)]
    pub network: Network,
    /// Networks that the machine is on, closed to a service without permission for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub home: Vec<Prefix>,
    /// Devices of the machine that it may read and write, where they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DevicePath>,
    /// Folders of other services that it may use, where they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<GivenFolder>,
    /// Ports of the home's network that lead to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<LanPort>,
    /// Whether the program of a container image is shown that it is root.
    #[serde(default)]
    pub root: bool,
    /// Whether it hears and speaks multicast DNS in the home.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mdns: bool,
    /// The TCP port on which the program listens; `None`: it listens on its socket file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<AppPort>,
    /// The folder that the program is started in.
    #[serde(default, skip_serializing_if = "Workdir::is_package")]
    pub workdir: Workdir,
    /// The command of its health check: a program and arguments, taken literally; empty: it has
    /// none. A program with a slash is a file of the package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_command: Vec<String>,
    /// What it does before its state is copied for a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_backup: Option<BeforeBackup>,
    /// Differences from [`Limits::for_apps`] or [`Limits::for_core`], of all its processes
    /// together.
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    /// Its further processes, each behind those that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<SidecarSpec>,
}

/// What to execute, relative to the package's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "lowercase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Program {
    /// A script or module that Node runs.
    Node {
        /// The file.
        entry: RelativePath,
        /// Its arguments, taken literally.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// An executable file.
    Native {
        /// The file.
        path: RelativePath,
        /// Its arguments, taken literally.
        #[serde(default)]
        args: Vec<String>,
    },
    /// A WebAssembly component, which [`paths::WASM`] runs.
    Wasm {
        /// The component.
        path: RelativePath,
        /// Its arguments, taken literally.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// The program of a container image, whose files are the package's folder
    /// [`crate::image::root_folder`]: the service sees them as the root of the file system.
    Image {
        /// The program and its arguments, taken literally. A program without a slash is looked
        /// for in `PATH`.
        argv: Vec<String>,
        /// The folder that it is started in.
        workdir: String,
        /// Folders that are kept in the service's state; the others cannot be written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        volumes: Vec<String>,
        /// What its user is called; `None`: `app`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// By what it is asked to end; `None`: SIGTERM.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop_signal: Option<StopSignal>,
    },
    /// The script `start` of package.json, run as `npm start` runs it: by a shell that finds the
    /// programs of the package's dependencies, inside the service's confinement.
    Script {
        /// The shell's text.
        line: String,
        /// `name` of package.json.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// `version` of package.json.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        version: String,
        /// Arguments behind the script's own, taken literally.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
}

/// Where a service's files are, on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Package {
    /// The package's folder, which the service sees as `/app`, or as
    /// `/app/package` when there are `modules`.
    pub folder: PathBuf,
    /// The `node_modules` of a parent folder, which the service sees as `/app/node_modules`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<PathBuf>,
    /// Whether Node programs of the package run by its own Node, [`paths::OWN_NODE`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_node: bool,
}

impl Package {
    /// A folder that runs as it is, without a build.
    #[must_use]
    pub fn in_place(folder: PathBuf, modules: Option<PathBuf>) -> Self {
        Self {
            folder,
            modules,
            own_node: false,
        }
    }

    /// The folder as the service sees it; one that comes with Atek sees it in place.
    #[must_use]
    pub fn folder_inside(&self) -> PathBuf {
        match (self.is_built_in(), &self.modules) {
            (true, _) => self.folder.clone(),
            (false, None) => PathBuf::from(paths::APP),
            (false, Some(_)) => Path::new(paths::APP).join("package"),
        }
    }

    /// The program that runs its Node programs, as the service sees it.
    #[must_use]
    pub fn node_inside(&self) -> PathBuf {
        if self.own_node {
            self.folder_inside().join(paths::OWN_NODE)
        } else {
            PathBuf::from(paths::NODE)
        }
    }

    /// Whether it comes with Atek.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.folder.starts_with(paths::CORE)
    }
}

/// What a service, whose network namespace is its own, may reach beyond the host's own API:
/// `"none"`, `"hosts"` or `{"direct": {…}}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Network {
    /// Nothing: a network namespace of its own.
    #[default]
    None,
    /// Named hosts through the host's egress proxy; confined as [`Network::None`].
    Hosts,
    /// The internet, through a link between the service's network namespace and the machine's.
    Direct {
        /// Also devices at home.
        #[serde(default)]
        lan: bool,
    },
}

impl ServiceSpec {
    /// The limits in force: the spec's own, completed with the defaults.
    #[must_use]
    pub fn effective_limits(&self) -> Limits {
        let defaults = if self.core {
            Limits::for_core()
        } else {
            Limits::for_apps()
        };
        self.limits.merged(&defaults)
    }

    /// Checks what the types alone cannot.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong; the texts are for a person.
    pub fn validate(&self) -> Result<(), SpecError> {
        if self.core != self.id.is_core() {
            return Err(SpecError::CoreMismatch(self.id.clone()));
        }
        if self.title != sanitize_title(&self.title) || self.title.is_empty() {
            return Err(SpecError::Title);
        }
        self.validate_package()?;
        match &self.program {
            Program::Node { args, .. }
            | Program::Native { args, .. }
            | Program::Wasm { args, .. } => validate_arguments(args)?,
            Program::Image {
                argv,
                workdir,
                volumes,
                user,
                stop_signal: _,
            } => {
                self.validate_image(argv, workdir, volumes)?;
                if let Some(wrong) = user.as_deref().filter(|name| !is_user_name(name)) {
                    return Err(SpecError::ImageUser(sanitize_title(wrong)));
                }
            }
            Program::Script {
                line,
                name,
                version,
                args,
            } => {
                let texts = [line, name, version].map(String::clone);
                validate_arguments(&[&texts, args.as_slice()].concat())?;
            }
        }
        validate_arguments(&self.health_command)?;
        if let Some(hook) = &self.before_backup {
            validate_arguments(&hook.command)?;
        }
        check_prefixes(&self.home)?;
        if self.devices.len() > MAX_DEVICES {
            return Err(SpecError::TooManyDevices(self.devices.len()));
        }
        let own = |given: &GivenFolder| given.folder.service == self.key;
        if self.folders.len() > MAX_FOLDERS || self.folders.iter().any(own) {
            return Err(SpecError::Folders(self.folders.len()));
        }
        if self.listen.len() > MAX_LAN_PORTS {
            return Err(SpecError::TooManyLanPorts(self.listen.len()));
        }
        validate_config(&self.env)?;
        self.validate_sidecars()?;
        self.limits.validate()
    }

    /// Whether its network namespace has a link to the machine's.
    #[must_use]
    pub fn has_link(&self) -> bool {
        matches!(self.network, Network::Direct { .. }) || !self.listen.is_empty() || self.mdns
    }

    fn validate_image(
        &self,
        argv: &[String],
        workdir: &str,
        volumes: &[String],
    ) -> Result<(), SpecError> {
        validate_arguments(argv)?;
        if argv.first().is_none_or(String::is_empty) {
            return Err(SpecError::Arguments);
        }
        if self.core || self.package.modules.is_some() {
            return Err(SpecError::ForbiddenFolder(self.package.folder.clone()));
        }
        // The file that names its name server would be mounted over one that the image may not
        // have.
        if matches!(self.network, Network::Direct { .. }) {
            return Err(SpecError::ImageNetwork);
        }
        let folders = [workdir].into_iter().filter(|path| !is_image_folder(path));
        let volume = |path: &&str| !is_volume(path);
        let wrong = folders.chain(volumes.iter().map(String::as_str).filter(volume));
        if let Some(wrong) = wrong.map(sanitize_title).next() {
            return Err(SpecError::ImageFolder(wrong));
        }
        if volumes.len() > MAX_VOLUMES {
            return Err(SpecError::ImageFolder(format!("{} volumes", volumes.len())));
        }
        Ok(())
    }

    fn validate_package(&self) -> Result<(), SpecError> {
        let Package {
            folder, modules, ..
        } = &self.package;
        names::check_host_folder(folder)?;
        if self.package.is_built_in() && !self.core {
            return Err(SpecError::ForbiddenFolder(folder.clone()));
        }
        // A package that atekd installed belongs to one service, and only that one runs it.
        if folder.starts_with(paths::PACKAGES)
            && !folder.starts_with(paths::package_versions(&self.key))
        {
            return Err(SpecError::ForbiddenFolder(folder.clone()));
        }
        let Some(modules) = modules else {
            return Ok(());
        };
        names::check_host_folder(modules)?;
        let beside_a_parent = modules.file_name() == Some("node_modules".as_ref())
            && modules
                .parent()
                .is_some_and(|parent| folder.starts_with(parent) && folder != parent);
        if self.package.is_built_in() || !beside_a_parent {
            return Err(SpecError::Modules(modules.clone()));
        }
        Ok(())
    }
}

/// Everything needed to run a package job: the unit around `atek-package`.
///
/// What the job is to do goes over its channel, as a [`crate::package::Request`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PackageSpec {
    /// What the job does, which decides what it may reach.
    #[serde(default)]
    pub kind: JobKind,
    /// A folder of this machine that the job reads (`git+file://`), at its own path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_folder: Option<PathBuf>,
    /// Networks that the machine is on, closed to a build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub home: Vec<Prefix>,
    /// Bounds of the job.
    #[serde(default)]
    pub limits: PackageLimits,
}

/// A job of `atek-backup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackupSpec {
    /// The folder of this machine with the target, at its own path; of a disk [`paths::DISK`], of
    /// a server [`paths::LINE`].
    pub target: PathBuf,
    /// Whether the target is a server, which the job reaches by a socket of atekd's and no other
    /// way.
    #[serde(default)]
    pub line: bool,
    /// The disk that is mounted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskSpec>,
    /// Services of which the state is restored; of a backup none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restore: Vec<ServiceKey>,
    /// Whether more than states is restored: packages, and of a whole box the host's own files.
    #[serde(default)]
    pub whole: bool,
    /// Whether the target is only read.
    #[serde(default)]
    pub read: bool,
}

impl BackupSpec {
    /// Services that one job restores.
    pub const MAX_RESTORE: usize = 1_000;

    /// The unit of the job: one that only looks has one of its own, and runs beside a backup.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self.read && !self.whole && self.restore.is_empty() {
            true => paths::BACKUP_LOOK_UNIT,
            false => paths::BACKUP_UNIT,
        }
    }

    /// Checks what the types alone cannot.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong; the texts are for a person.
    pub fn validate(&self) -> Result<(), SpecError> {
        if self.line {
            let fits = self.target == Path::new(paths::LINE) && self.disk.is_none();
            return match fits && self.restore.len() <= Self::MAX_RESTORE {
                true => Ok(()),
                false => Err(SpecError::ForbiddenFolder(self.target.clone())),
            };
        }
        if let Some(disk) = &self.disk {
            // One that is looked at has no part in a restore, and nothing is written to it.
            let looks = !disk.look || (self.read && self.restore.is_empty() && !self.whole);
            let fits = self.target == Path::new(paths::DISK) && looks;
            return match fits && self.restore.len() <= Self::MAX_RESTORE {
                true => Ok(()),
                false => Err(SpecError::ForbiddenFolder(self.target.clone())),
            };
        }
        names::check_host_folder(&self.target)?;
        let of_system = ["/var", "/tmp", "/usr", "/"].map(Path::new);
        if of_system
            .iter()
            .any(|folder| match *folder == Path::new("/") {
                true => self.target == *folder,
                false => self.target.starts_with(folder),
            })
        {
            return Err(SpecError::ForbiddenFolder(self.target.clone()));
        }
        match self.restore.len() > Self::MAX_RESTORE {
            true => Err(SpecError::ForbiddenFolder(self.target.clone())),
            false => Ok(()),
        }
    }
}

/// The two kinds of package job: consent stands between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Reads a repository into a new staging folder. Runs no code of the package.
    #[default]
    Fetch,
    /// Installs and builds what a fetch left in the staging folder, with the package's own
    /// scripts, in a network of its own: the internet and nothing at home.
    Build,
    /// Makes native code of the component of an installed package, in a new staging folder and
    /// without any network. Runs no code of the package.
    Compile,
}

impl PackageSpec {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong; the texts are for a person.
    pub fn validate(&self) -> Result<(), SpecError> {
        if let Some(folder) = &self.source_folder
            && !self.may_read(folder)
        {
            names::check_host_folder(folder)?;
            if folder.starts_with(paths::STATE) {
                return Err(SpecError::ForbiddenFolder(folder.clone()));
            }
        }
        check_prefixes(&self.home)?;
        self.limits.validate()
    }

    /// Whether a folder of the host's own is what this kind of job is for.
    fn may_read(&self, folder: &Path) -> bool {
        match self.kind {
            JobKind::Fetch => paths::is_in_catalogue(folder),
            JobKind::Compile => paths::is_package_version(folder),
            JobKind::Build => false,
        }
    }
}

/// Whether `name` can be the name of a configured variable: `A-Z`, `0-9`, `_`, not starting
/// with a digit, and none of the host's own (`ATEK_…`).
#[must_use]
pub fn is_config_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name
            .bytes()
            .all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
        && !name.starts_with("ATEK_")
}

/// Checks a list of networks.
///
/// # Errors
///
/// [`SpecError::TooManyNetworks`].
pub fn check_prefixes(prefixes: &[Prefix]) -> Result<(), SpecError> {
    if prefixes.len() > prefix::MAX_PREFIXES {
        return Err(SpecError::TooManyNetworks(prefixes.len()));
    }
    Ok(())
}

fn validate_config(config: &BTreeMap<String, String>) -> Result<(), SpecError> {
    for (name, value) in config {
        if !is_config_name(name) {
            return Err(SpecError::ConfigName(sanitize_title(name)));
        }
        if value.contains('\0') {
            return Err(SpecError::ConfigValue(name.clone()));
        }
    }
    let bytes: usize = config
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    if bytes > CONFIG_MAX_BYTES {
        return Err(SpecError::ConfigTooLarge {
            bytes,
            max: CONFIG_MAX_BYTES,
        });
    }
    Ok(())
}

fn validate_arguments(args: &[String]) -> Result<(), SpecError> {
    let fits = args.len() <= 64 && args.iter().map(String::len).sum::<usize>() <= 8 * 1024;
    if fits && args.iter().all(|arg| arguments::is_argument(arg)) {
        Ok(())
    } else {
        Err(SpecError::Arguments)
    }
}

#[cfg(test)]
mod tests;
