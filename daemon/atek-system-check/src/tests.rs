//! A root that has everything, and the same with each need taken away.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

const FEATURES: &str = "+PAM +AUDIT +SELINUX +SECCOMP +ZSTD";

pub(crate) fn put(root: &Path, path: &str, text: &str, mode: u32) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn systemctl(root: &Path, version: &str, features: &str) {
    let script = format!("#!/bin/sh\nprintf 'systemd {version}\\n{features}\\n'\n");
    put(root, "/usr/bin/systemctl", &script, 0o755);
}

pub(crate) fn a_whole_system() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    systemctl(root, "257 (257.13-1)", FEATURES);
    for program in FATAL_PROGRAMS.iter().chain(TOOLS) {
        put(root, program, "", 0o755);
    }
    for (path, text) in [
        ("/proc/sys/kernel/osrelease", "6.12.48+deb13-arm64\n"),
        ("/proc/sys/kernel/seccomp/actions_avail", "kill allow\n"),
        ("/sys/kernel/security/lsm", "capability,landlock,yama\n"),
        (
            "/usr/lib/modules/6.12.48+deb13-arm64/modules.dep",
            "kernel/drivers/net/veth.ko.xz:\n\
             kernel/net/netfilter/nft_chain_nat.ko.xz: kernel/net/netfilter/nf_nat.ko.xz\n\
             kernel/net/netfilter/nft_connlimit.ko.xz:\nkernel/net/netfilter/nft_ct.ko.xz:\n\
             kernel/net/netfilter/nft_fib_inet.ko.xz:\nkernel/net/netfilter/nft_hash.ko.xz:\n\
             kernel/net/netfilter/nft_masq.ko.xz:\nkernel/net/netfilter/nft_nat.ko.xz:\n\
             kernel/net/netfilter/nft_reject_inet.ko.xz:\n",
        ),
        (
            "/usr/lib/modules/6.12.48+deb13-arm64/modules.builtin",
            "kernel/net/netfilter/nf-tables.ko\n",
        ),
        (
            "/sys/fs/cgroup/cgroup.controllers",
            "cpuset cpu io memory pids\n",
        ),
        ("/run/dbus/system_bus_socket", ""),
        ("/usr/share/dbus-1/system.d/cloud.atek.Spawn1.conf", "x"),
        (
            "/usr/share/dbus-1/system-services/cloud.atek.Spawn1.service",
            "x",
        ),
        (
            "/etc/passwd",
            "root:x:0:0\natek:x:961:961\natek-build:x:962:962\n",
        ),
        ("/etc/group", "atek-apps:x:963:\natek-reserve:x:964:\n"),
        ("/etc/ssl/certs/ca-certificates.crt", "-----BEGIN"),
        ("/usr/share/zoneinfo/Europe/London", "TZif"),
    ] {
        put(root, path, text, 0o644);
    }
    folder
}

/// Takes something away, and returns the one need that is then missing.
fn without(take_away: impl FnOnce(&Path)) -> Miss {
    with_landlock(OLDEST_LANDLOCK, take_away)
}

/// The same on a kernel that answers with `interface` when it is asked for Landlock.
fn with_landlock(interface: u8, take_away: impl FnOnce(&Path)) -> Miss {
    let folder = a_whole_system();
    take_away(folder.path());
    let mut report = check_with(folder.path(), interface);
    assert_eq!(report.missing.len(), 1, "{:?}", report.missing);
    report.missing.remove(0)
}

fn without_file(path: &str) -> Miss {
    without(|root| fs::remove_file(root.join(path.trim_start_matches('/'))).unwrap())
}

fn assert_said(miss: &Miss, severity: Severity, problem: &str, advice: &str) {
    assert_eq!(miss.severity, severity, "{miss:?}");
    assert!(miss.problem.contains(problem), "{miss:?}");
    assert!(miss.advice.contains(advice), "{miss:?}");
}

#[test]
fn a_system_with_everything_lacks_nothing() {
    let folder = a_whole_system();
    let report = check_with(folder.path(), OLDEST_LANDLOCK);
    assert_eq!(report.missing, []);
    assert!(report.is_usable() && report.met.len() == 14, "{report:?}");
}

#[test]
fn a_systemd_built_without_seccomp_is_named() {
    let miss = without(|root| systemctl(root, "258 (258.7)", "+PAM -SECCOMP +ZSTD"));
    assert_eq!(miss.need, "systemd-seccomp");
    assert_said(
        &miss,
        Severity::Fatal,
        "built without seccomp",
        "BR2_PACKAGE_LIBSECCOMP",
    );
}

#[test]
fn an_old_systemd_is_named() {
    let miss = without(|root| systemctl(root, "247 (247.3-7)", FEATURES));
    assert_said(
        &miss,
        Severity::Fatal,
        "systemd 247 is too old",
        "252 or newer",
    );
}

#[test]
fn a_system_without_systemd_is_told_so() {
    let miss = without_file("/usr/bin/systemctl");
    assert_said(
        &miss,
        Severity::Degraded,
        "systemd does not answer",
        "Install systemd",
    );
}

#[test]
fn a_kernel_without_seccomp_is_named() {
    let miss = without_file("/proc/sys/kernel/seccomp/actions_avail");
    assert_said(
        &miss,
        Severity::Fatal,
        "no seccomp filters",
        "CONFIG_SECCOMP_FILTER",
    );
}

#[test]
fn a_unit_that_may_not_see_the_kernels_settings_called_the_kernel_unusable() {
    let folder = a_whole_system();
    fs::remove_dir_all(folder.path().join("proc/sys")).unwrap();
    assert_eq!(check_with(folder.path(), OLDEST_LANDLOCK).missing, []);
}

#[test]
fn a_kernel_without_a_firewall_is_named_and_one_whose_parts_are_not_listed_is_not_judged() {
    let folder = "/usr/lib/modules/6.12.48+deb13-arm64";
    let miss = without_file(&format!("{folder}/modules.builtin"));
    assert_said(&miss, Severity::Degraded, "nf_tables", "linux.fragment");
    let root = a_whole_system();
    fs::remove_dir_all(root.path().join(folder.trim_start_matches('/'))).unwrap();
    let report = check_with(root.path(), OLDEST_LANDLOCK);
    assert_eq!(report.missing, []);
    assert!(!report.met.contains(&"network-modules"), "{report:?}");
}

#[test]
fn a_kernel_without_landlock_is_named() {
    let lsm = "/sys/kernel/security/lsm";
    let miss = with_landlock(0, |root| put(root, lsm, "capability,yama\n", 0o644));
    assert_said(
        &miss,
        Severity::Fatal,
        "Landlock is not among",
        "CONFIG_SECURITY_LANDLOCK",
    );
}

#[test]
fn a_kernel_whose_landlock_is_too_old_is_named_whatever_its_version() {
    for interface in 1..OLDEST_LANDLOCK {
        let miss = with_landlock(interface, |_| ());
        assert_said(
            &miss,
            Severity::Fatal,
            &format!("too old (version {interface} of its interface)"),
            "6.7 or newer",
        );
    }
}

#[test]
fn a_kernel_that_does_not_let_itself_be_asked_is_not_called_unusable() {
    // A filter on system calls refuses the question; the list of security modules has Landlock.
    let miss = with_landlock(0, |_| ());
    assert_said(&miss, Severity::Degraded, "may not ask", "as root");
    let gone = |root: &Path| fs::remove_file(root.join("sys/kernel/security/lsm")).unwrap();
    let miss = with_landlock(0, gone);
    assert_said(&miss, Severity::Degraded, "not known", "securityfs");
}

#[test]
fn control_groups_of_version_1_are_named() {
    let miss = without_file("/sys/fs/cgroup/cgroup.controllers");
    assert_said(
        &miss,
        Severity::Fatal,
        "control groups",
        "unified_cgroup_hierarchy",
    );
}

#[test]
fn a_missing_controller_is_named() {
    let miss = without(|root| {
        put(
            root,
            "/sys/fs/cgroup/cgroup.controllers",
            "cpu pids\n",
            0o644,
        )
    });
    assert_said(
        &miss,
        Severity::Degraded,
        "limits of memory",
        "cgroup_enable=memory",
    );
}

#[test]
fn a_system_without_d_bus_is_told_so() {
    let miss = without_file("/run/dbus/system_bus_socket");
    assert_said(&miss, Severity::Fatal, "D-Bus does not run", "dbus.socket");
}

#[test]
fn a_missing_d_bus_policy_or_name_is_named() {
    for file in [
        "/usr/share/dbus-1/system.d/cloud.atek.Spawn1.conf",
        "/usr/share/dbus-1/system-services/cloud.atek.Spawn1.service",
    ] {
        assert_said(
            &without_file(file),
            Severity::Fatal,
            "cloud.atek.Spawn1",
            "units/dbus-1",
        );
    }
}

#[test]
fn missing_users_are_named() {
    let miss = without(|root| put(root, "/etc/passwd", "root:x:0:0\natek:x:961:961\n", 0o644));
    assert_said(&miss, Severity::Fatal, "atek-build", "systemd-sysusers");
    let miss = without(|root| put(root, "/etc/group", "atek-apps:x:963:\n", 0o644));
    assert_said(&miss, Severity::Fatal, "atek-reserve", "systemd-sysusers");
}

#[test]
fn missing_programs_are_named() {
    let miss = without_file("/usr/lib/atek/atek-sandbox");
    assert_said(
        &miss,
        Severity::Fatal,
        "/usr/lib/atek/atek-sandbox",
        "Install Atek",
    );
    let miss = without_file("/usr/bin/node");
    assert_said(&miss, Severity::Degraded, "/usr/bin/node", "packages.list");
}

#[test]
fn missing_certificates_are_named() {
    let miss = without_file("/etc/ssl/certs/ca-certificates.crt");
    assert_said(&miss, Severity::Degraded, "https", "ca-certificates");
}

#[test]
fn missing_time_zones_are_named() {
    let miss = without_file("/usr/share/zoneinfo/Europe/London");
    assert_said(&miss, Severity::Degraded, "time zones", "tzdata");
}

#[test]
fn what_is_fatal_is_told_first() {
    let folder = a_whole_system();
    fs::remove_file(folder.path().join("usr/share/zoneinfo/Europe/London")).unwrap();
    systemctl(folder.path(), "258", "-SECCOMP");
    let report = check(folder.path());
    assert!(!report.is_usable());
    assert_eq!(report.missing[0].need, "systemd-seccomp");
}
