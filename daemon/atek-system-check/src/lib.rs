//! Checks that the system Atek runs on has what Atek needs: systemd and its features, the kernel,
//! D-Bus, users, programs, certificates, time zones.
//!
//! A system that lacks one of them looks healthy: systemd says `running`, and no service ever
//! starts. So each need is checked by itself, and a missing one is named with what to do about it.
//! `atek check-system` prints the result, the screens show what is missing at every boot. A root
//! that does not run yet, such as one that a card is made of, is looked at by [`check_installed`].
//!
//! Reads files below a root, runs one program of it (`systemctl --version`), and asks the kernel
//! for Landlock; changes nothing.

#![forbid(unsafe_code)]

mod installed;
mod kernel_landlock;

pub use installed::check_installed;

use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest systemd whose transient units have every property that services are given.
pub const OLDEST_SYSTEMD: u32 = 252;
/// The oldest interface of Landlock that will do (Linux 6.7): the first with rules for TCP ports.
/// atek-sandbox starts nothing without it.
pub const OLDEST_LANDLOCK: u8 = 4;

/// What a missing need means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No service can start.
    Fatal,
    /// Something does not work, or is confined less than it should be.
    Degraded,
}

/// A need that the system does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Miss {
    /// A short name, stable for programs: `systemd-seccomp`.
    pub need: &'static str,
    /// What it means for the box.
    pub severity: Severity,
    /// What is missing, in one sentence.
    pub problem: String,
    /// What to do about it, in one sentence.
    pub advice: String,
}

/// The result of all checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The needs that are met, by their names.
    pub met: Vec<&'static str>,
    /// Those that are not, the fatal ones first.
    pub missing: Vec<Miss>,
}

impl Report {
    /// Whether services can start.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.missing
            .iter()
            .all(|miss| miss.severity != Severity::Fatal)
    }

    fn note(&mut self, need: &'static str, found: Result<(), Wrong>) {
        match found {
            Ok(()) => self.met.push(need),
            Err(Wrong(severity, problem, advice)) => self.missing.push(Miss {
                need,
                severity,
                problem,
                advice: advice.to_owned(),
            }),
        }
    }
}

/// Severity, problem, advice.
struct Wrong(Severity, String, &'static str);

fn fatal(problem: impl Into<String>, advice: &'static str) -> Wrong {
    Wrong(Severity::Fatal, problem.into(), advice)
}

fn degraded(problem: impl Into<String>, advice: &'static str) -> Wrong {
    Wrong(Severity::Degraded, problem.into(), advice)
}

/// Checks the running system, whose files are below `root`: `/`, or a folder that stands for it.
#[must_use]
pub fn check(root: &Path) -> Report {
    check_with(root, kernel_landlock::interface())
}

/// The same, with what the kernel answered about Landlock: the version of its interface, 0 for
/// none.
fn check_with(root: &Path, landlock_interface: u8) -> Report {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    let mut report = Report::default();
    let systemd = Systemd::of(&at("/usr/bin/systemctl"));
    report.note("systemd", systemd_version(systemd.as_ref()));
    if let Some(systemd) = &systemd {
        report.note("systemd-seccomp", seccomp_feature(systemd));
    }
    // A unit with ProcSubset=pid sees nothing of /proc/sys, whatever the kernel has.
    if at("/proc/sys/kernel").is_dir() {
        report.note(
            "seccomp",
            kernel_seccomp(&at("/proc/sys/kernel/seccomp/actions_avail")),
        );
    }
    let release = fs::read_to_string(at("/proc/sys/kernel/osrelease")).unwrap_or_default();
    if let Some(modules) = modules(&at("/usr/lib/modules").join(release.trim())) {
        report.note("network-modules", network_modules(&modules));
    }
    let modules = fs::read_to_string(at("/sys/kernel/security/lsm")).ok();
    report.note("landlock", landlock(landlock_interface, modules.as_deref()));
    let controllers = fs::read_to_string(at("/sys/fs/cgroup/cgroup.controllers"));
    report.note("cgroup2", cgroup2(controllers.as_deref().ok()));
    if let Ok(controllers) = &controllers {
        report.note("controllers", limits(controllers));
    }
    report.note("d-bus", dbus(&at("/run/dbus/system_bus_socket")));
    note_files(&mut report, root);
    report.missing.sort_by_key(|miss| miss.severity);
    report
}

/// The needs that files of the root meet, whether or not it runs.
fn note_files(report: &mut Report, root: &Path) {
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    let named = |folder: &str, file: &str| at(folder).join(file).is_file();
    report.note(
        "launcher",
        launcher(
            named("/usr/share/dbus-1/system.d", "cloud.atek.Spawn1.conf"),
            named(
                "/usr/share/dbus-1/system-services",
                "cloud.atek.Spawn1.service",
            ),
        ),
    );
    report.note("users", users(&at("/etc/passwd"), &at("/etc/group")));
    report.note("programs", programs(root, FATAL_PROGRAMS, Severity::Fatal));
    report.note("tools", programs(root, TOOLS, Severity::Degraded));
    report.note(
        "certificates",
        certificates(&at("/etc/ssl/certs/ca-certificates.crt")),
    );
    report.note(
        "time-zones",
        time_zones(&at("/usr/share/zoneinfo/Europe/London")),
    );
}

/// Programs without which nothing starts.
const FATAL_PROGRAMS: &[&str] = &[
    "/usr/lib/atek/atekd",
    "/usr/lib/atek/atek-spawnd",
    "/usr/lib/atek/atek-sandbox",
    "/usr/lib/atek/atek-network",
    "/usr/lib/atek/atek-package",
    "/usr/lib/atek/core/adb/atek-adb",
    "/usr/lib/atek/core/lonestar/lonestar",
    "/usr/lib/atek/core/keys/atek-keys",
];

/// Programs that units and the host call.
const TOOLS: &[&str] = &[
    // Apps that are WebAssembly components.
    "/usr/lib/atek/atek-wasm",
    "/usr/bin/journalctl",
    "/usr/bin/systemd-analyze",
    "/usr/bin/node",
    "/usr/bin/npm",
    // Dependencies that are repositories.
    "/usr/bin/git",
    // OpenPGP signatures of releases.
    "/usr/bin/gpgv",
    "/usr/sbin/ip",
    "/usr/sbin/nft",
];

/// Modules of the kernel with which apps with the internet, and builds, get a network of their own.
const NETWORK_MODULES: [&str; 10] = [
    "veth",
    "nf_tables",
    "nft_chain_nat",
    "nft_connlimit",
    "nft_ct",
    "nft_fib_inet",
    "nft_hash",
    "nft_masq",
    "nft_nat",
    "nft_reject_inet",
];

/// What `systemctl --version` says.
struct Systemd {
    version: u32,
    features: Vec<String>,
}

impl Systemd {
    /// `None` when the program is missing, fails, or says something else.
    fn of(systemctl: &Path) -> Option<Self> {
        let output = Command::new(systemctl)
            .arg("--version")
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// `systemd 257 (257.13-1)`, then a line of features: `+PAM -SELINUX …`.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let version = lines.next()?.strip_prefix("systemd ")?;
        let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
        let features = lines.next().unwrap_or_default().split_whitespace();
        Some(Self {
            version: digits.parse().ok()?,
            features: features.map(str::to_owned).collect(),
        })
    }
}

fn systemd_version(systemd: Option<&Systemd>) -> Result<(), Wrong> {
    match systemd {
        // Not fatal: the caller may not be allowed to start programs.
        None => Err(degraded(
            "systemd does not answer: `systemctl --version` failed",
            "Install systemd 252 or newer.",
        )),
        Some(systemd) if systemd.version < OLDEST_SYSTEMD => Err(fatal(
            format!("systemd {} is too old", systemd.version),
            "Install systemd 252 or newer.",
        )),
        Some(_) => Ok(()),
    }
}

fn seccomp_feature(systemd: &Systemd) -> Result<(), Wrong> {
    if systemd.features.iter().any(|feature| feature == "+SECCOMP") {
        return Ok(());
    }
    Err(fatal(
        "systemd was built without seccomp, so it refuses to start any service",
        "Build systemd with libseccomp (Buildroot: BR2_PACKAGE_LIBSECCOMP=y), then build the card again.",
    ))
}

fn kernel_seccomp(actions: &Path) -> Result<(), Wrong> {
    if actions.exists() {
        return Ok(());
    }
    Err(fatal(
        "the kernel has no seccomp filters, so no service can start",
        "Use a kernel with CONFIG_SECCOMP_FILTER=y.",
    ))
}

/// Names of the kernel's parts, built in or loadable; `None` where no list of them is there, as in
/// a container.
fn modules(folder: &Path) -> Option<Vec<String>> {
    let lists = ["modules.builtin", "modules.dep"].map(|list| folder.join(list));
    let texts: Vec<String> = lists
        .iter()
        .filter_map(|list| fs::read_to_string(list).ok())
        .collect();
    let name = |line: &str| {
        let path = line.split(':').next()?;
        let file = path.rsplit('/').next()?;
        Some(file.split('.').next()?.replace('-', "_"))
    };
    let names = texts.iter().flat_map(|text| text.lines().filter_map(name));
    (!texts.is_empty()).then(|| names.collect())
}

fn network_modules(modules: &[String]) -> Result<(), Wrong> {
    let missing: Vec<&str> = NETWORK_MODULES
        .into_iter()
        .filter(|wanted| !modules.iter().any(|name| name == wanted))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(degraded(
        format!(
            "apps with the internet cannot start, and nothing can be built: the kernel lacks {}",
            missing.join(", ")
        ),
        "Use a kernel with veth and nftables, with the options that buildroot/board/common/linux.fragment names.",
    ))
}

/// `interface` is what the kernel answered, `modules` its list of security modules.
fn landlock(interface: u8, modules: Option<&str>) -> Result<(), Wrong> {
    if interface >= OLDEST_LANDLOCK {
        return Ok(());
    }
    if interface > 0 {
        return Err(fatal(
            format!(
                "the kernel's Landlock is too old (version {interface} of its interface), so no service can start"
            ),
            "Use Linux 6.7 or newer.",
        ));
    }
    match modules {
        // The list says yes: a filter on this program's system calls refused the question.
        Some(list) if list.trim().split(',').any(|name| name == "landlock") => Err(degraded(
            "whether the kernel's Landlock is new enough is not known: this program may not ask",
            "Run `atek check-system` as root.",
        )),
        Some(_) => Err(fatal(
            "Landlock is not among the kernel's security modules, so no service can start",
            "Use a kernel with CONFIG_SECURITY_LANDLOCK=y and add landlock to CONFIG_LSM, or to lsm= on its command line.",
        )),
        None => Err(degraded(
            "whether the kernel has Landlock is not known: it did not answer, and /sys/kernel/security/lsm cannot be read",
            "Use Linux 6.7 or newer with CONFIG_SECURITY_LANDLOCK=y, and mount securityfs at /sys/kernel/security.",
        )),
    }
}

fn cgroup2(controllers: Option<&str>) -> Result<(), Wrong> {
    if controllers.is_some() {
        return Ok(());
    }
    Err(fatal(
        "control groups of version 2 are not mounted at /sys/fs/cgroup",
        "Remove systemd.unified_cgroup_hierarchy=0 and cgroup_no_v1= from the kernel's command line.",
    ))
}

fn limits(controllers: &str) -> Result<(), Wrong> {
    let missing: Vec<&str> = ["cpu", "memory", "pids"]
        .into_iter()
        .filter(|wanted| !controllers.split_whitespace().any(|name| name == *wanted))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(degraded(
        format!(
            "apps have no limits of {}: the kernel does not control them",
            missing.join(", ")
        ),
        "On a Raspberry Pi add cgroup_enable=memory to the kernel's command line; else use a kernel with CONFIG_MEMCG, CONFIG_CFS_BANDWIDTH and CONFIG_CGROUP_PIDS.",
    ))
}

fn dbus(socket: &Path) -> Result<(), Wrong> {
    if socket.exists() {
        return Ok(());
    }
    Err(fatal(
        "the system bus of D-Bus does not run: /run/dbus/system_bus_socket is missing",
        "Install dbus, and start dbus.socket.",
    ))
}

fn launcher(policy: bool, service: bool) -> Result<(), Wrong> {
    if policy && service {
        return Ok(());
    }
    Err(fatal(
        "D-Bus does not know the launcher cloud.atek.Spawn1, so no service can start",
        "Install the files of units/dbus-1 in /usr/share/dbus-1, then restart dbus.",
    ))
}

fn users(passwd: &Path, group: &Path) -> Result<(), Wrong> {
    let names = |file: &Path| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
            .collect::<Vec<_>>()
    };
    let (users, groups) = (names(passwd), names(group));
    let missing: Vec<&str> = ["atek", "atek-build"]
        .into_iter()
        .filter(|name| !users.iter().any(|user| user == name))
        .chain(
            ["atek-apps", "atek-reserve"]
                .into_iter()
                .filter(|name| !groups.iter().any(|group| group == name)),
        )
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(fatal(
        format!("users or groups are missing: {}", missing.join(", ")),
        "Run systemd-sysusers with units/sysusers.d/atek.conf installed in /usr/lib/sysusers.d.",
    ))
}

fn programs(root: &Path, wanted: &[&str], severity: Severity) -> Result<(), Wrong> {
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|path| !is_program(&root.join(path.trim_start_matches('/'))))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Wrong(
        severity,
        format!("programs are missing: {}", missing.join(", ")),
        "Install Atek and the packages of image/packages.list again.",
    ))
}

/// Whether it is a file that can be run, or a link (which may lead elsewhere below another root).
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let meta: Option<fs::Metadata> = PathBuf::from(path).symlink_metadata().ok();
    meta.is_some_and(|meta| {
        meta.is_symlink() || (meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

fn certificates(bundle: &Path) -> Result<(), Wrong> {
    if fs::metadata(bundle).is_ok_and(|meta| meta.len() > 0) {
        return Ok(());
    }
    Err(degraded(
        "there are no certificates of authorities, so nothing can be installed from https addresses",
        "Install ca-certificates.",
    ))
}

fn time_zones(zone: &Path) -> Result<(), Wrong> {
    if zone.is_file() {
        return Ok(());
    }
    Err(degraded(
        "there are no time zones, so the clock stays at UTC",
        "Install tzdata.",
    ))
}

#[cfg(test)]
mod tests;
