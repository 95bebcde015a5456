//! Where things are. Spawnd, the sandbox and the units agree on these.

use super::names::{JobId, PackageVersion};
use crate::ids::ServiceKey;
use crate::manifest::SidecarName;
use crate::permission::AppFolder;
use std::path::{Component, Path, PathBuf};

/// What belongs to the box: configuration, packages, staging. Owned by atekd's user.
pub const STATE: &str = "/var/lib/atek";
/// Installed packages, `KEY/versions/V` and the link `KEY/current`. Owned by root.
pub const PACKAGES: &str = "/var/lib/atek/packages";
/// The catalogue that comes with the system.
pub const CATALOGUE: &str = "/usr/lib/atek/catalogue";
/// How the keys begin under which copies of other catalogues are kept, in [`PACKAGES`].
pub const CATALOGUE_KEY: &str = "catalogue-";
/// One folder for each package job that runs.
pub const STAGING: &str = "/var/lib/atek/staging";
/// One file for each service with what may run with its key (see atek-spawnd). Owned by root.
pub const ORIGINS: &str = "/var/lib/atek/origins";
/// Where a restore of the whole box puts what it fetched, until it is put in place:
/// `packages/KEY/VERSION` and, for atekd, `host`. Owned by root.
pub const RESTORE: &str = "/var/lib/atek/staging/restore";
/// Layers of container images that jobs which were ended had fetched, for the next one. Only jobs
/// that fetch see it.
pub const LAYERS: &str = "/var/lib/atek/staging/layers";
/// The folder in [`STAGING`]`/JOB` that becomes the package.
pub const STAGED_PACKAGE: &str = "package";
/// Services that belong to Atek itself, one folder each.
pub const CORE: &str = "/usr/lib/atek/core";
/// Of those, the database, in which the host keeps users, sessions and services.
pub const DATABASE: &str = "/usr/lib/atek/core/adb";
/// The program that confines itself and becomes the service.
pub const SANDBOX: &str = "/usr/lib/atek/atek-sandbox";
/// The program that gives a unit a link to the machine's network.
pub const NETWORK: &str = "/usr/lib/atek/atek-network";
/// The unit that loads the firewall of these links.
pub const NETWORK_UNIT: &str = "atek-network.service";
/// What a unit with such a link sees as `/etc/resolv.conf`.
pub const RESOLVERS: &str = "/usr/lib/atek/resolv.conf";
/// The program that fetches and builds packages.
pub const PACKAGER: &str = "/usr/lib/atek/atek-package";
/// The program that compiles and runs apps that are WebAssembly components.
pub const WASM: &str = "/usr/lib/atek/atek-wasm";
/// The folder of an installed package with its compiled component. It is made by the last step of
/// each build, and never taken from the package.
pub const COMPILED: &str = ".atek-wasm";
/// The Node of an installed package's own, in the package. It is made by the first step of a build
/// whose package needs a newer Node than the machine has.
pub const OWN_NODE: &str = ".atek-node/node";
/// The program that stores and restores backups.
pub const BACKUP: &str = "/usr/lib/atek/atek-backup";
/// Its unit: there is one at a time.
pub const BACKUP_UNIT: &str = "atek-backup.service";
/// The unit of a job that only looks at backups.
pub const BACKUP_LOOK_UNIT: &str = "atek-backup-look.service";
/// The unit of a job that lists disks.
pub const DISKS_UNIT: &str = "atek-disks.service";
/// What it runs (util-linux).
pub const LSBLK: &str = "/usr/bin/lsblk";
/// The unit that makes a disk one for the data of the box.
pub const DATA_DISK_UNIT: &str = "atek-data-disk.service";
/// What it runs (e2fsprogs).
pub const MKE2FS: &str = "/usr/sbin/mke2fs";
/// The request for a factory reset, in [`STATE`].
pub const FACTORY_RESET_NAME: &str = "factory-reset";
/// The request for a move of the data, in [`STATE`].
pub const MOVE_NAME: &str = "move";
/// Where a backup job mounts the disk that it was given. Only the job sees it.
pub const DISK: &str = "/run/atek-disk";
/// Where a backup job finds the socket that leads to a server with its target, and nowhere else.
pub const LINE: &str = "/run/atek-line";
/// The folder in which atekd listens for it, on a socket with the name of the job's unit.
pub const LINES: &str = "/run/atek/backup";
/// The interpreter of Node programs.
pub const NODE: &str = "/usr/bin/node";
/// The shell of start scripts (POSIX `sh`).
pub const SHELL: &str = "/bin/sh";
/// Runs a program with more variables (POSIX `env`).
pub const ENV: &str = "/usr/bin/env";
/// A service's package, as the service sees it.
pub const APP: &str = "/app";
/// In the folder of accounts, a link to the service's state.
pub const STATE_LINK: &str = "state";
/// That link, as the service sees it: links of a container image lead here.
pub const IMAGE_STATE: &str = "/run/atek-accounts/state";
/// The folder of that state with what the image's volumes keep, numbered from 0.
pub const VOLUMES: &str = "volumes";
/// What of the host a container image is given to confine it with: atek-sandbox and its libraries.
pub const IMAGE_TOOLS: &str = "/run/atek-sandbox";
/// Folder of the socket on which atekd takes the services' listeners.
pub const ATTACH_DIR: &str = "/run/atek/attach";
/// That socket.
pub const ATTACH_SOCKET: &str = "/run/atek/attach/attach.sock";
/// One file for each service with its bearer token; atekd writes it, only root and atekd read it.
pub const TOKENS: &str = "/run/atek/tokens";
/// One folder for each service with the files that systemd hands it: a copy of the
/// token, and the configuration (JSON). `atek-spawnd` writes them, only root reads
/// them, so that no other process chooses what systemd opens as root.
pub const CREDENTIALS: &str = "/run/atek/credentials";
/// In the folder of accounts, how the network of the service was made ready: empty until that is
/// known, then [`NETWORK_READY`] or the reason why not, and a line feed.
pub const NETWORK_OUTCOME: &str = "network";
/// What stands in it when all went well.
pub const NETWORK_READY: &str = "ready";
/// One folder for each process of a service with the `passwd`, `group` and, beside sidecars, the
/// `hosts` that it sees, [`STATE_LINK`] and [`NETWORK_OUTCOME`].
/// Owned by root; the process fills `passwd` and `group` before its program starts.
pub const ACCOUNTS: &str = "/run/atek-accounts";
/// One folder for each service with atekd's listener for it.
pub const HOST_DIRS: &str = "/run/atek/host";
/// Folders of other services, as a service sees those that it was given: `KEY/NAME`.
pub const FOLDERS: &str = "/run/atek-folders";
/// That listener, as the service sees it.
pub const HOST_SOCKET_INSIDE: &str = "/run/atek/host/host.sock";
/// The credential with the bearer token.
pub const TOKEN_CREDENTIAL: &str = "token";
/// The credential with the configuration.
pub const CONFIG_CREDENTIAL: &str = "config";
/// The group that lets atekd reach the services' sockets.
pub const APPS_GROUP: &str = "atek-apps";
/// The group that may use what the file system of the data keeps back (ext4's `resgid`), so that
/// people can sign in to a disk that apps have filled, and take one away.
pub const RESERVE_GROUP: &str = "atek-reserve";
/// The user that atekd runs as.
pub const HOST_USER: &str = "atek";
/// The user that builds packages.
pub const BUILD_USER: &str = "atek-build";

/// Name of the state and of the runtime folder of a service, below `/var/lib` and `/run`.
#[must_use]
pub fn directory_name(key: &ServiceKey) -> String {
    format!("atek-app-{key}")
}

/// The folder for a service's state, as the service sees it.
#[must_use]
pub fn state_inside(key: &ServiceKey) -> PathBuf {
    Path::new("/var/lib").join(directory_name(key))
}

/// The folder for a service's state on the host. Only root gets there.
#[must_use]
pub fn state_on_host(key: &ServiceKey) -> PathBuf {
    Path::new("/var/lib/private").join(directory_name(key))
}

/// A folder of another service, as a service sees it that was given it.
#[must_use]
pub fn folder_inside(folder: &AppFolder) -> PathBuf {
    let service = Path::new(FOLDERS).join(folder.service.as_str());
    service.join(folder.name.as_str())
}

/// The folder, beside the services' state, with the snapshots of it. Only root gets there.
pub const SNAPSHOTS_NAME: &str = "atek-snapshots";

/// The snapshot of a service's state that a restore makes, before it is put in place.
pub const RESTORED_SNAPSHOT: &str = "restored";

/// The folder with a service's socket, the same inside and on the host.
#[must_use]
pub fn runtime(key: &ServiceKey) -> PathBuf {
    Path::new("/run").join(directory_name(key))
}

/// What names the folders of one process of a service: of its own, or of a sidecar.
#[must_use]
pub fn process(key: &ServiceKey, sidecar: Option<&SidecarName>) -> String {
    match sidecar {
        None => key.to_string(),
        Some(name) => format!("{key}@{name}"),
    }
}

/// The name of the runtime folder of one process of a service, below `/run`.
#[must_use]
pub fn runtime_name(key: &ServiceKey, sidecar: Option<&SidecarName>) -> String {
    format!("atek-app-{}", process(key, sidecar))
}

/// The folder in a service's state with what its sidecars keep, one folder each.
pub const SIDECARS_STATE: &str = ".atek-services";

/// Where one process of a service keeps its data, as it sees it. All processes see the state of
/// the service.
#[must_use]
pub fn process_state(key: &ServiceKey, sidecar: Option<&SidecarName>) -> PathBuf {
    let state = state_inside(key);
    match sidecar {
        None => state,
        Some(name) => state.join(SIDECARS_STATE).join(name.as_str()),
    }
}

/// The name of the file in [`CREDENTIALS`]`/KEY` with the configuration of one process.
#[must_use]
pub fn config_file(sidecar: Option<&SidecarName>) -> String {
    match sidecar {
        None => CONFIG_CREDENTIAL.to_owned(),
        Some(name) => format!("{CONFIG_CREDENTIAL}@{name}"),
    }
}

/// The socket a service listens on (`ATEK_ASSIGNED_SOCKET_FILE`), the same inside and on the host.
#[must_use]
pub fn app_socket(key: &ServiceKey) -> PathBuf {
    runtime(key).join("app.sock")
}

/// The socket at which `atek-sandbox` runs the health check of a service that has a command for
/// it, the same inside and on the host.
#[must_use]
pub fn health_socket(key: &ServiceKey) -> PathBuf {
    process_health_socket(key, None)
}

/// The same of one process of a service.
#[must_use]
pub fn process_health_socket(key: &ServiceKey, sidecar: Option<&SidecarName>) -> PathBuf {
    let runtime = Path::new("/run").join(runtime_name(key, sidecar));
    runtime.join("health.sock")
}

/// The socket at which `atek-sandbox` runs what one process of a service does before a backup, the
/// same inside and on the host.
#[must_use]
pub fn backup_socket(key: &ServiceKey, sidecar: Option<&SidecarName>) -> PathBuf {
    let runtime = Path::new("/run").join(runtime_name(key, sidecar));
    runtime.join("backup.sock")
}

/// The file with a service's bearer token.
#[must_use]
pub fn token(key: &ServiceKey) -> PathBuf {
    Path::new(TOKENS).join(key.as_str())
}

/// The folder with what systemd hands a service.
#[must_use]
pub fn credentials(key: &ServiceKey) -> PathBuf {
    Path::new(CREDENTIALS).join(key.as_str())
}

/// The folder with the `passwd` and `group` that a process of a service sees.
#[must_use]
pub fn accounts(key: &ServiceKey, sidecar: Option<&SidecarName>) -> PathBuf {
    Path::new(ACCOUNTS).join(process(key, sidecar))
}

/// The folder of atekd's listener for one service, on the host.
#[must_use]
pub fn host_dir(key: &ServiceKey) -> PathBuf {
    Path::new(HOST_DIRS).join(key.as_str())
}

/// atekd's listener for one service, on the host.
#[must_use]
pub fn host_socket(key: &ServiceKey) -> PathBuf {
    host_dir(key).join("host.sock")
}

/// Everything installed for one service.
#[must_use]
pub fn package(key: &ServiceKey) -> PathBuf {
    Path::new(PACKAGES).join(key.as_str())
}

/// Whether a folder lies in a catalogue of this host, which anyone may see.
#[must_use]
pub fn is_in_catalogue(folder: &Path) -> bool {
    let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if !folder.is_absolute() || !folder.components().all(is_plain) {
        return false;
    }
    let copy = folder.strip_prefix(PACKAGES).ok();
    let key = copy.and_then(|inside| inside.iter().next()?.to_str());
    folder.starts_with(CATALOGUE) || key.is_some_and(|key| key.starts_with(CATALOGUE_KEY))
}

/// The installed versions of one service.
#[must_use]
pub fn package_versions(key: &ServiceKey) -> PathBuf {
    package(key).join("versions")
}

/// One installed version.
#[must_use]
pub fn package_version(key: &ServiceKey, version: &PackageVersion) -> PathBuf {
    package_versions(key).join(version.as_str())
}

/// Whether a folder is one installed version of a service.
#[must_use]
pub fn is_package_version(folder: &Path) -> bool {
    let inside = folder.strip_prefix(PACKAGES).ok().and_then(Path::to_str);
    let parts: Vec<&str> = inside.unwrap_or_default().split('/').collect();
    match parts[..] {
        [key, "versions", version] => {
            key.parse::<ServiceKey>().is_ok() && version.parse::<PackageVersion>().is_ok()
        }
        _ => false,
    }
}

/// The link to the version that runs.
#[must_use]
pub fn package_current(key: &ServiceKey) -> PathBuf {
    package(key).join("current")
}

/// The folder of one package job.
#[must_use]
pub fn staging(job: &JobId) -> PathBuf {
    Path::new(STAGING).join(job.as_str())
}
