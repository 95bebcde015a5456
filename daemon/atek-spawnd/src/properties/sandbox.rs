//! What services and package jobs are confined by alike.

use super::{Property, Version, text, texts};
use std::path::Path;
use zbus::Variant;

/// System calls of ordinary programs, and those with which one confines itself further.
const CALLS: [&str; 5] = [
    "@system-service",
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
    "seccomp",
];

/// Of those, what takes privilege, reaches into other processes, or is kernel surface
/// that nothing here needs.
const NOT_CALLS: [&str; 13] = [
    "@privileged",
    "@resources",
    "@keyring",
    "@aio",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "process_vm_readv",
    "process_vm_writev",
    "userfaultfd",
    "kcmp",
    "name_to_handle_at",
    "memfd_secret",
];

/// What is allowed of those after all. Programs choose the ordinary way of being scheduled that
/// they have already (every one that uses ZeroMQ); `RestrictRealtime` refuses the others.
const CALLS_AFTER_ALL: [&str; 1] = ["sched_setscheduler"];

/// Folders that no confined process has business in; missing ones are fine.
const HIDDEN: [&str; 12] = [
    "-/boot",
    "-/efi",
    "-/media",
    "-/mnt",
    "-/opt",
    "-/srv",
    "-/dev/shm",
    "-/dev/mqueue",
    "-/sys/fs/bpf",
    "-/sys/firmware",
    "-/sys/kernel/security",
    // What it names would be loaded into every program, atek-sandbox in a container image too.
    "-/etc/ld.so.preload",
];

/// Of these, folders of the machine, which a container image may have for itself.
const OF_MACHINE: [&str; 6] = ["/boot", "/efi", "/media", "/mnt", "/opt", "/srv"];

/// Everything but the user, the network, the mounts of its own and the limits.
///
/// `shown` is a folder that will be mounted at its own path, so nothing above it is closed; nor is
/// anything below the root, which is then a container image's.
pub(super) fn properties(
    version: Version,
    families: &[&str],
    shown: Option<&Path>,
) -> Vec<Property> {
    let hidden: Vec<&str> = HIDDEN
        .into_iter()
        .filter(|hidden| {
            let hidden = hidden.trim_start_matches('-');
            match shown {
                Some(shown) if shown == Path::new("/") => !OF_MACHINE.contains(&hidden),
                Some(shown) => !shown.starts_with(hidden),
                None => true,
            }
        })
        .collect();
    let on = || Variant::from(true);
    let families: Vec<String> = families.iter().map(|family| (*family).to_owned()).collect();
    let calls = |names: &[&str]| {
        names
            .iter()
            .map(|n| (*n).to_owned())
            .collect::<Vec<String>>()
    };
    let mut properties: Vec<Property> = vec![
        ("NoNewPrivileges", on()),
        ("CapabilityBoundingSet", Variant::from(0u64)),
        ("AmbientCapabilities", Variant::from(0u64)),
        ("ProtectSystem", text("strict")),
        ("PrivateDevices", on()),
        ("DevicePolicy", text("closed")),
        ("PrivateIPC", on()),
        ("RemoveIPC", on()),
        ("ProtectKernelTunables", on()),
        ("ProtectKernelModules", on()),
        ("ProtectKernelLogs", on()),
        ("ProtectControlGroups", on()),
        ("ProtectClock", on()),
        ("ProtectHostname", on()),
        ("ProtectProc", text("invisible")),
        // "pid" would hide /proc/cpuinfo, and Node would see no CPU.
        ("ProcSubset", text("all")),
        ("KeyringMode", text("private")),
        ("InaccessiblePaths", texts(&hidden)),
        // A mask of what is allowed: no kind of namespace. systemd 257 loses it in a
        // daemon-reload; atek-sandbox denies the same.
        ("RestrictNamespaces", Variant::from(0u64)),
        ("RestrictSUIDSGID", on()),
        ("RestrictRealtime", on()),
        ("LockPersonality", on()),
        ("RestrictAddressFamilies", Variant::from((true, families))),
        ("SystemCallArchitectures", texts(&["native"])),
        // Messages to one property: the allow-list, what to take from it, what to put back.
        ("SystemCallFilter", Variant::from((true, calls(&CALLS)))),
        (
            "SystemCallFilter",
            Variant::from((false, calls(&NOT_CALLS))),
        ),
        (
            "SystemCallFilter",
            Variant::from((true, calls(&CALLS_AFTER_ALL))),
        ),
        ("SystemCallErrorNumber", Variant::from(nix::libc::EPERM)),
        ("LimitCORE", Variant::from(0u64)),
        ("KillMode", text("control-group")),
        ("MemoryAccounting", on()),
        ("CPUAccounting", on()),
        ("TasksAccounting", on()),
        // Whatever uses it up is not worth the swap of the others.
        ("MemorySwapMax", Variant::from(0u64)),
        ("LogRateLimitIntervalUSec", Variant::from(30_000_000u64)),
        ("LogRateLimitBurst", Variant::from(5_000u32)),
    ];
    properties.push(if version >= Version::PRIVATE_TMP_EX {
        // A /tmp in memory, which counts against the unit's limit and is not on the disk.
        ("PrivateTmpEx", text("disconnected"))
    } else {
        ("PrivateTmp", on())
    });
    properties
}
