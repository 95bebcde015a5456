//! What a service may touch, as a list. Pure; [`crate::landlock`] enforces it.
//!
//! systemd's mounts already hide most of the system. This list is the second wall, and the
//! only one for abstract sockets and signals.

use anyhow::Context as _;
use atek_api::ids::ServiceKey;
use atek_api::image::SEEDS_FOLDER;
use atek_api::manifest::SidecarName;
use atek_api::permission::{DevicePath, GivenFolder};
use atek_api::spec::paths;
use std::fs;
use std::path::{Path, PathBuf};

/// What may be done with a file or folder, and everything below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read, and nothing else.
    Read,
    /// Read, and execute files.
    Execute,
    /// Read and write a file that exists.
    Update,
    /// Read, write and control a device.
    Device,
    /// Read, write, create and remove; never execute, never make a device.
    Own,
}

/// One line of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
    /// If it does not exist, the service cannot run as intended, and does not start.
    pub(crate) required: bool,
}

/// Everything that a service may touch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) files: Vec<Rule>,
}

const REQUIRED: [(&str, Access); 11] = [
    ("/usr", Access::Execute),
    // Children of the service read their own folder, too, so it cannot be one process's.
    // Other users' processes are not there (ProtectProc=invisible).
    ("/proc", Access::Read),
    ("/dev/null", Access::Update),
    ("/dev/zero", Access::Update),
    ("/dev/full", Access::Update),
    ("/dev/random", Access::Read),
    ("/dev/urandom", Access::Read),
    ("/tmp", Access::Own),
    ("/var/tmp", Access::Own),
    // Of this service: they name its user, and root (see atek-spawnd).
    ("/etc/passwd", Access::Read),
    ("/etc/group", Access::Read),
];

/// Not on every system, or not for every service.
const WHERE_PRESENT: [(&str, Access); 17] = [
    // Core services run from /usr and have no package here.
    (paths::APP, Access::Execute),
    ("/bin", Access::Execute),
    ("/sbin", Access::Execute),
    ("/lib", Access::Execute),
    ("/lib64", Access::Execute),
    // The dynamic linker and the C library.
    ("/etc/ld.so.cache", Access::Read),
    ("/etc/nsswitch.conf", Access::Read),
    ("/etc/localtime", Access::Read),
    // Name resolution; without network it ends at `localhost`.
    ("/etc/hosts", Access::Read),
    ("/etc/host.conf", Access::Read),
    ("/etc/gai.conf", Access::Read),
    ("/etc/resolv.conf", Access::Read),
    ("/etc/services", Access::Read),
    ("/etc/protocols", Access::Read),
    // TLS of programs that do not bring their own certificates.
    ("/etc/ssl", Access::Read),
    ("/etc/ca-certificates", Access::Read),
    ("/etc/mime.types", Access::Read),
];

/// One process of a service: a sidecar, or its own.
type Process<'p> = (&'p ServiceKey, Option<&'p SidecarName>);

/// The policy of one process of a service. `cgroup` is its folder in `/sys/fs/cgroup`.
pub(crate) fn policy((key, sidecar): Process<'_>, cgroup: &Path) -> Policy {
    let rule = |required| {
        move |(path, access): (&str, Access)| Rule {
            path: path.into(),
            access,
            required,
        }
    };
    let mut files: Vec<Rule> = REQUIRED.into_iter().map(rule(true)).collect();
    files.extend(WHERE_PRESENT.into_iter().map(rule(false)));
    files.extend([
        Rule {
            path: paths::state_inside(key),
            access: Access::Own,
            required: true,
        },
        Rule {
            path: Path::new("/run").join(paths::runtime_name(key, sidecar)),
            access: Access::Own,
            required: true,
        },
        // Node sizes its heap by the unit's memory limit, which stands here. Without it,
        // V8 takes the whole machine's memory for its own and is killed instead of collecting.
        Rule {
            path: cgroup.to_owned(),
            access: Access::Read,
            required: true,
        },
    ]);
    Policy { files }
}

impl Policy {
    /// Adds the devices that the service was given, whether they are plugged in or not.
    pub(crate) fn give(&mut self, devices: &[DevicePath]) {
        self.files.extend(devices.iter().map(|device| Rule {
            path: device.as_path().to_owned(),
            access: Access::Device,
            required: false,
        }));
    }

    /// Adds `/run`, where programs that are root put files of their own. What systemd has mounted
    /// there cannot be written or removed.
    pub(crate) fn give_run(&mut self) {
        self.files.push(Rule {
            path: "/run".into(),
            access: Access::Own,
            required: true,
        });
    }

    /// Adds folders of other services, which are mounted by now.
    pub(crate) fn give_folders(&mut self, folders: &[GivenFolder]) {
        self.files.extend(folders.iter().map(|given| Rule {
            path: paths::folder_inside(&given.folder),
            access: if given.write {
                Access::Own
            } else {
                Access::Read
            },
            required: true,
        }));
    }
}

/// The policy of a service whose root is a container image's: all that the image has can be read
/// and executed, except what the host has mounted into it.
///
/// # Errors
///
/// A folder of the image that cannot be listed.
pub(crate) fn image_policy(process: Process<'_>, cgroup: &Path) -> anyhow::Result<Policy> {
    let mut policy = policy(process, cgroup);
    // Of the list for the host's file system only what every unit has.
    policy
        .files
        .retain(|rule| rule.required && rule.path != Path::new("/usr"));
    policy.files.extend(image_rules(Path::new("/"))?);
    Ok(policy)
}

/// What is the unit's own in the root of an image.
const NOT_OF_IMAGE: [&str; 6] = ["proc", "sys", "dev", "run", "tmp", SEEDS_FOLDER];
/// Folders with something of the unit's inside: what else they have is named one by one.
const SHARED: [&str; 2] = ["var", "var/lib"];

fn image_rules(root: &Path) -> anyhow::Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for folder in [""].into_iter().chain(SHARED) {
        let path = root.join(folder);
        // What is a link has its rule where it leads.
        if !path.symlink_metadata().is_ok_and(|about| about.is_dir()) {
            continue;
        }
        let cannot = || format!("cannot list {}", path.display());
        for entry in fs::read_dir(&path).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let inside = Path::new(folder).join(name.as_ref());
            let is_units = match folder {
                "" => NOT_OF_IMAGE.contains(&name.as_ref()),
                "var" => name == "tmp",
                _ => name == "private" || name.starts_with("atek-app-"),
            };
            let is_shared = SHARED.iter().any(|shared| inside == Path::new(shared));
            let kind = entry.file_type().with_context(cannot)?;
            if is_units || is_shared || kind.is_symlink() {
                continue;
            }
            rules.push(Rule {
                path: entry.path(),
                access: Access::Execute,
                required: false,
            });
        }
    }
    Ok(rules)
}

/// This process's folder in `/sys/fs/cgroup`.
pub(crate) fn own_cgroup() -> anyhow::Result<PathBuf> {
    let text =
        std::fs::read_to_string("/proc/self/cgroup").context("cannot read /proc/self/cgroup")?;
    cgroup_folder(&text).context("/proc/self/cgroup names no cgroup of version 2")
}

/// Takes the `0::/PATH` line apart.
fn cgroup_folder(text: &str) -> Option<PathBuf> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // A cgroup outside the namespace starts with `..`; its folder is not in the mount.
    let inside = !path.is_empty() && !path.split('/').any(|part| part == "..");
    inside.then(|| Path::new("/sys/fs/cgroup").join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str) -> Policy {
        let mut policy = policy(
            (&key.parse().unwrap(), None),
            Path::new("/sys/fs/cgroup/x.service"),
        );
        policy.give(&["/dev/ttyUSB0".parse().unwrap()]);
        policy
    }

    #[test]
    fn only_the_services_own_folders_and_scratch_are_writable() {
        let writable: Vec<_> = of("k1")
            .files
            .into_iter()
            .filter(|rule| rule.access == Access::Own)
            .map(|rule| rule.path.to_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            writable,
            [
                "/tmp",
                "/var/tmp",
                "/var/lib/atek-app-k1",
                "/run/atek-app-k1"
            ]
        );
    }

    #[test]
    fn a_sidecar_has_the_data_of_its_app_and_a_runtime_folder_of_its_own() {
        let (key, name) = ("k1".parse().unwrap(), "db".parse().unwrap());
        let policy = policy((&key, Some(&name)), Path::new("/sys/fs/cgroup/x.service"));
        let own = |path: &str| {
            let mut rules = policy.files.iter();
            rules.any(|rule| rule.path == Path::new(path) && rule.access == Access::Own)
        };
        assert!(own("/var/lib/atek-app-k1") && own("/run/atek-app-k1@db"));
        assert!(!own("/run/atek-app-k1"));
    }

    #[test]
    fn nothing_writable_is_executable_and_no_broad_folder_is_named() {
        let policy = of("k1");
        for rule in &policy.files {
            let path = rule.path.to_str().unwrap();
            assert!(!matches!(
                path,
                "/" | "/etc" | "/run" | "/var" | "/var/lib" | "/dev" | "/sys"
            ));
            assert!(
                !policy
                    .files
                    .iter()
                    .any(|other| other.access == Access::Execute
                        && rule.access == Access::Own
                        && rule.path.starts_with(&other.path))
            );
        }
    }

    #[test]
    fn of_an_image_what_the_unit_has_of_its_own_is_not_its() {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "usr/bin",
            "etc",
            "opt",
            "run/atek-sandbox",
            "proc",
            "tmp",
            ".atek-volumes/0",
            "var/log",
            "var/tmp",
            "var/lib/dpkg",
            "var/lib/private/atek-app-k1",
            "var/lib/atek-app-k1",
        ] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("entry.sh"), "").unwrap();
        std::os::unix::fs::symlink("run", root.path().join("link")).unwrap();
        let mut found: Vec<_> = image_rules(root.path())
            .unwrap()
            .into_iter()
            .map(|rule| {
                assert_eq!(rule.access, Access::Execute);
                let inside = rule.path.strip_prefix(root.path()).unwrap();
                inside.to_string_lossy().into_owned()
            })
            .collect();
        found.sort();
        assert_eq!(
            found,
            ["entry.sh", "etc", "opt", "usr", "var/lib/dpkg", "var/log"]
        );
    }

    #[test]
    fn the_cgroup_is_the_one_of_version_2() {
        for (text, expected) in [
            (
                "0::/atek.slice/a.service\n",
                Some("/sys/fs/cgroup/atek.slice/a.service"),
            ),
            ("1:name=x:/y\n0::/z\n", Some("/sys/fs/cgroup/z")),
            ("0::/\n", None),
            ("0::/../other\n", None),
            ("3:memory:/x\n", None),
        ] {
            assert_eq!(cgroup_folder(text), expected.map(PathBuf::from), "{text:?}");
        }
    }
}
