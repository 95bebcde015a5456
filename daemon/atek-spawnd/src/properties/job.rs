//! The unit of a package job.

use super::{Bind, Property, Version, binds, command, sandbox, text, texts};
use atek_api::spec::{JobId, PackageSpec, paths};
use std::os::fd::OwnedFd;
use std::time::Duration;
use zbus::{Fd, Variant};

/// The properties of the unit in which `atek-package` runs, with `input` and `output` as its
/// standard input and output. The spec must be valid.
///
/// It has the network and runs the package's own build scripts, so it sees nothing of
/// the host but programs, and writes nothing but its staging folder.
pub(crate) fn job(
    job: &JobId,
    spec: &PackageSpec,
    version: Version,
    input: OwnedFd,
    output: OwnedFd,
) -> Vec<Property> {
    let staging = paths::staging(job).to_string_lossy().into_owned();
    let limits = &spec.limits;
    // Name resolution asks over netlink which kinds of addresses there are.
    let families = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"];
    let mut properties = sandbox::properties(version, &families);
    let empty = |path: &str| (path.to_owned(), "ro,mode=755,size=64k".to_owned());
    let mut read = vec![
        Bind::optional("/run/systemd/resolve/stub-resolv.conf"),
        Bind::optional("/run/systemd/resolve/resolv.conf"),
    ];
    if let Some(folder) = &spec.source_folder {
        read.push(Bind::new(folder, folder));
    }
    properties.extend([
        ("Description", text(format!("Atek package job {job}"))),
        ("Slice", text("atek-build.slice")),
        ("Type", text("exec")),
        ("CollectMode", text("inactive-or-failed")),
        ("ExecStartEx", command(vec![paths::PACKAGER.to_owned()])),
        ("StandardInputFileDescriptor", Variant::Fd(Fd::from(input))),
        (
            "StandardOutputFileDescriptor",
            Variant::Fd(Fd::from(output)),
        ),
        ("StandardError", text("journal")),
        ("SyslogIdentifier", text("atek-package")),
        ("User", text(paths::BUILD_USER)),
        ("UMask", Variant::from(0o022u32)),
        ("WorkingDirectory", text(staging.as_str())),
        (
            "Environment",
            texts(&[&format!("HOME={staging}"), "LANG=C.UTF-8"]),
        ),
        // tmpfs instead of inaccessible: the source folder may be below.
        ("ProtectHome", text("tmpfs")),
        ("PrivateUsers", Variant::from(true)),
        (
            "TemporaryFileSystem",
            Variant::from(vec![empty("/run"), empty("/var")]),
        ),
        ("BindPaths", binds(vec![Bind::new(&staging, &staging)])),
        ("BindReadOnlyPaths", binds(read)),
        ("MemoryMax", Variant::from(limits.memory_max)),
        ("TasksMax", Variant::from(limits.tasks_max)),
        ("LimitFSIZE", Variant::from(limits.file_max)),
        (
            "RuntimeMaxUSec",
            super::micros(Duration::from_secs(limits.runtime_secs)),
        ),
        ("TimeoutStopUSec", super::micros(Duration::from_secs(5))),
        // Serving goes before building.
        ("CPUWeight", Variant::from(30u64)),
        ("OOMScoreAdjust", Variant::from(500i32)),
    ]);
    properties
}
