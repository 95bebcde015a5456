//! The unit of a package job.

use super::link::{self, Reach};
use super::{Bind, Property, Version, binds, command, mounted, sandbox, text, texts};
use crate::files::Identity;
use atek_api::spec::{JobId, JobKind, PackageSpec, paths};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use zbus::{Fd, Variant};

/// The properties of the unit in which `atek-package` runs, with `input` and `output` as its
/// standard input and output. The spec must be valid, and `checked` its source folder.
///
/// It sees nothing of the host but programs, and writes nothing but its staging folder, and a fetch
/// the folder of layers. A build,
/// which runs the package's own scripts, has a network of its own: it reaches the internet, and
/// nothing at home or on this machine. A fetch runs no code of the package and reaches what atekd
/// let it.
pub(crate) fn job(
    job: &JobId,
    spec: &PackageSpec,
    checked: Option<Identity>,
    version: Version,
    input: OwnedFd,
    output: OwnedFd,
) -> Vec<Property> {
    let staging = paths::staging(job).to_string_lossy().into_owned();
    let limits = &spec.limits;
    // Name resolution asks over netlink which kinds of addresses there are.
    let families = ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"];
    let source = spec.source_folder.as_deref();
    let mut properties = sandbox::properties(version, &families, source);
    let mut read = match spec.kind {
        JobKind::Fetch => vec![
            Bind::optional("/run/systemd/resolve/stub-resolv.conf"),
            Bind::optional("/run/systemd/resolve/resolv.conf"),
        ],
        JobKind::Build => vec![link::names()],
        JobKind::Compile => Vec::new(),
    };
    read.extend(source.map(|folder| Bind::new(folder, folder)));
    let mut written = vec![Bind::new(&staging, &staging)];
    // What runs code of a package puts nothing there.
    if spec.kind == JobKind::Fetch {
        written.push(Bind::new(paths::LAYERS, paths::LAYERS));
    }
    let (homes, emptied) = surroundings(source);
    let kind = match spec.kind {
        // A job that compiles runs nothing of the package either.
        JobKind::Fetch | JobKind::Compile => "fetch",
        JobKind::Build => "build",
    };
    let mut argv = vec![paths::SANDBOX.to_owned(), kind.to_owned()];
    let mount = source.zip(checked);
    argv.extend(mount.map(|(folder, checked)| mounted(folder, checked)));
    argv.extend(["--", paths::PACKAGER].map(str::to_owned));
    properties.extend([
        ("Description", text(format!("Atek package job {job}"))),
        ("Slice", text("atek-build.slice")),
        ("Type", text("exec")),
        // Why a job failed stays readable until it is dropped.
        ("CollectMode", text("inactive")),
        ("ExecStartEx", command(argv)),
        ("StandardInputFileDescriptor", Variant::Fd(Fd::from(input))),
        (
            "StandardOutputFileDescriptor",
            Variant::Fd(Fd::from(output)),
        ),
        // Beside the descriptor, since systemd gives standard error the descriptor of standard
        // output when both settings are equal, as they are by default (systemd#33851).
        ("StandardOutput", text("null")),
        ("StandardError", text("journal")),
        ("SyslogIdentifier", text("atek-package")),
        ("User", text(paths::BUILD_USER)),
        ("UMask", Variant::from(0o022u32)),
        ("WorkingDirectory", text(staging.as_str())),
        (
            "Environment",
            texts(&[&format!("HOME={staging}"), "LANG=C.UTF-8"]),
        ),
        ("ProtectHome", text(homes)),
        ("PrivateUsers", Variant::from(true)),
        ("TemporaryFileSystem", Variant::from(emptied)),
        ("BindPaths", binds(written)),
        ("BindReadOnlyPaths", binds(read)),
        ("MemoryMax", Variant::from(limits.memory_max)),
        // Of a build that takes too much the kernel ends one process, usually the one that
        // does; atek-package must live to say so.
        ("OOMPolicy", text("continue")),
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
    if spec.kind != JobKind::Fetch {
        properties.push(("PrivateNetwork", Variant::from(true)));
    }
    if spec.kind == JobKind::Build {
        properties.push(link::attach_before(Reach::Internet));
        properties.extend(link::firewall());
        properties.extend(link::wall(Reach::Internet, &spec.home, false));
    }
    properties
}

/// Folders with files of people or of the machine, which are empty for a job.
const OF_PEOPLE: [&str; 6] = ["/root", "/home", "/srv", "/mnt", "/media", "/opt"];

/// `ProtectHome`, and the folders that are empty but for what is mounted below them: the
/// source folder may be anywhere, and its neighbours are none of the job's business.
fn surroundings(source: Option<&Path>) -> (&'static str, Vec<(String, String)>) {
    let above = |folder: &str| source.is_some_and(|source| source.starts_with(folder));
    // systemd's own empty /root can be searched by root alone.
    let (homes, of_people) = match above("/root") {
        true => ("no", &OF_PEOPLE[..]),
        false => ("tmpfs", &OF_PEOPLE[2..]),
    };
    let emptied = of_people
        .iter()
        .filter(|folder| above(folder) || homes == "no" && **folder == "/home");
    let emptied = ["/run", "/var"].into_iter().chain(emptied.copied());
    (
        homes,
        emptied
            .map(|path| (path.to_owned(), "ro,mode=755,size=64k".to_owned()))
            .collect(),
    )
}
