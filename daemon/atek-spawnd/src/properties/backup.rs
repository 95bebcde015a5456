//! The unit of a backup or restore.

use super::{Bind, Property, Version, binds, command, sandbox, text, texts};
use atek_api::moving::{FileSystemId, LABEL};
use atek_api::spec::{BackupSpec, BlockName, paths};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use zbus::{Fd, Variant};

/// Bits of the capability sets (`capabilities(7)`).
const CHOWN: u64 = 1 << 0;
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const FOWNER: u64 = 1 << 3;
const SYS_ADMIN: u64 = 1 << 21;

/// A first backup of a large disk over USB 2.
const LONGEST: Duration = Duration::from_secs(3 * 24 * 3600);

/// A disk that is asleep needs some seconds.
const LISTING: Duration = Duration::from_secs(60);
/// How long a file system may take to be made on a large disk.
pub(crate) const MAKING: Duration = Duration::from_secs(300);
/// What is asked of `lsblk`: with the first of them it prints a tree.
const COLUMNS: &str = "NAME,KNAME,TYPE,SIZE,RO,FSTYPE,LABEL,UUID,PTTYPE,VENDOR,MODEL,MOUNTPOINTS";

/// What a backup has no use for, beside what no confined process has. It reads whatever root may,
/// by paths, in a folder of atekd: a link that is put there while it reads leads to nothing.
const HIDDEN: [&str; 3] = ["/etc", "/run", "/var"];
const EMPTY: &str = "ro,mode=755,size=64k";

/// The properties of the unit in which `atek-backup` runs, with `input` and `output` as its
/// standard input and output. The spec must be valid.
///
/// It has no network; of a server, it has a socket of atekd's that leads to that server. It reads
/// the snapshots of states, and the host's own files; it writes the target, and of a restore the
/// folders with the snapshots of the services that are restored, for the whole box also the one
/// for packages and the host's own files. With a disk it has the right to mount until it has
/// mounted that one, and no other device is there.
pub(crate) fn backup(
    spec: &BackupSpec,
    version: Version,
    input: OwnedFd,
    output: OwnedFd,
) -> Vec<Property> {
    let target = spec.target.as_path();
    let restores = spec.whole || !spec.restore.is_empty();
    let capabilities = capabilities(spec, restores);
    let (read, mut written) = folders(spec);
    let of_people = ["/root", "/home"].map(Path::new);
    let homes = match of_people.iter().any(|folder| target.starts_with(folder)) {
        true => "no",
        false => "tmpfs",
    };
    let mut properties = sandbox::properties(version, &["AF_UNIX"], Some(target));
    if restores {
        // What `@privileged` took away and a restore of other users' files needs.
        let calls = vec!["@chown".to_owned()];
        properties.push(("SystemCallFilter", Variant::from((true, calls))));
    }
    let mut empty = HIDDEN.map(|folder| (folder, EMPTY)).to_vec();
    if let Some(disk) = &spec.disk {
        let device = disk.device.path();
        let rights = if disk.look { "r" } else { "rw" };
        written.push(Bind::new(&device, &device));
        empty.push((paths::DISK, EMPTY));
        let calls = ["mount", "capset"].map(str::to_owned).to_vec();
        properties.extend([
            (
                "DeviceAllow",
                Variant::from(vec![(device, rights.to_owned())]),
            ),
            ("SystemCallFilter", Variant::from((true, calls))),
        ]);
    }
    properties.extend([
        ("Description", text("Atek backup")),
        ("Slice", text("atek-build.slice")),
        ("Type", text("exec")),
        ("CollectMode", text("inactive-or-failed")),
        ("ExecStartEx", command(arguments(spec))),
        ("StandardInputFileDescriptor", Variant::Fd(Fd::from(input))),
        (
            "StandardOutputFileDescriptor",
            Variant::Fd(Fd::from(output)),
        ),
        // See the unit of package jobs (systemd#33851).
        ("StandardOutput", text("null")),
        ("StandardError", text("journal")),
        ("SyslogIdentifier", text("atek-backup")),
        ("CapabilityBoundingSet", Variant::from(capabilities)),
        ("UMask", Variant::from(0o077u32)),
        ("WorkingDirectory", text("/")),
        (
            "Environment",
            // A check holds a pack of 40 MiB, and what is in it, for each thread.
            texts(&["LANG=C.UTF-8", "RAYON_NUM_THREADS=4"]),
        ),
        ("ProtectHome", text(homes)),
        ("PrivateNetwork", Variant::from(true)),
        ("TemporaryFileSystem", Variant::from(empty)),
        ("BindReadOnlyPaths", binds(read)),
        ("MemoryMax", Variant::from(768u64 << 20)),
        ("TasksMax", Variant::from(256u64)),
        ("RuntimeMaxUSec", super::micros(LONGEST)),
        ("TimeoutStopUSec", super::micros(Duration::from_secs(10))),
        // Serving goes before storing.
        ("CPUWeight", Variant::from(20u64)),
        ("IOWeight", Variant::from(20u64)),
        ("OOMScoreAdjust", Variant::from(500i32)),
    ]);
    // systemd takes an empty list of either kind for "none of both".
    if !written.is_empty() {
        properties.push(("BindPaths", binds(written)));
    }
    properties
}

/// The folders that a job reads, and those that it writes, but for a disk.
fn folders(spec: &BackupSpec) -> (Vec<Bind>, Vec<Bind>) {
    let snapshots = Path::new("/var/lib/private").join(paths::SNAPSHOTS_NAME);
    let target = spec.target.as_path();
    let mut written = Vec::new();
    for key in &spec.restore {
        let folder = snapshots.join(key.as_str());
        written.push(Bind::new(&folder, &folder));
    }
    if spec.whole {
        written.push(Bind::new(paths::RESTORE, paths::RESTORE));
    }
    let mut read = vec![
        Bind::new(&snapshots, &snapshots),
        Bind::new(paths::STATE, paths::STATE),
    ];
    match spec.read {
        _ if spec.disk.is_some() => {}
        _ if spec.line => {
            read.push(Bind::new(Path::new(paths::LINES).join(spec.unit()), target));
            // By which a server's certificate is checked.
            read.push(Bind::optional("/etc/ssl/certs"));
        }
        true => read.push(Bind::new(target, target)),
        false => written.push(Bind::new(target, target)),
    }
    (read, written)
}

/// The capabilities that a job needs at some time of its run.
fn capabilities(spec: &BackupSpec, restores: bool) -> u64 {
    let mut needed = match restores {
        false => DAC_READ_SEARCH,
        true => DAC_READ_SEARCH | CHOWN | DAC_OVERRIDE | FOWNER,
    };
    if let Some(disk) = &spec.disk {
        needed |= SYS_ADMIN;
        // The first folder of a disk may belong to anyone.
        if !disk.look {
            needed |= DAC_OVERRIDE;
        }
    }
    needed
}

fn arguments(spec: &BackupSpec) -> Vec<String> {
    let mut arguments = vec![paths::BACKUP.to_owned()];
    if let Some(disk) = &spec.disk {
        let access = match (disk.look, spec.read) {
            (true, _) => "look",
            (false, true) => "read",
            (false, false) => "write",
        };
        let words = ["--disk", disk.device.as_str(), disk.kind.driver(), access];
        arguments.extend(words.map(str::to_owned));
    }
    arguments
}

/// The properties of the unit in which `lsblk` lists the disks to `output`. It reads what is on
/// them to tell what that is: no device but disks is there for it, and none to be written to.
pub(crate) fn disks(version: Version, output: OwnedFd) -> Vec<Property> {
    let mut properties = sandbox::properties(version, &["AF_UNIX"], None);
    properties.retain(|(name, _)| *name != "PrivateDevices");
    let allowed = vec![("block-*".to_owned(), "r".to_owned())];
    let argv = [paths::LSBLK, "--json", "--bytes", "--output", COLUMNS];
    properties.extend([
        ("Description", text("Atek looks for disks")),
        ("Slice", text("atek-build.slice")),
        ("Type", text("exec")),
        ("CollectMode", text("inactive-or-failed")),
        ("ExecStartEx", command(argv.map(str::to_owned).to_vec())),
        (
            "StandardOutputFileDescriptor",
            Variant::Fd(Fd::from(output)),
        ),
        ("StandardOutput", text("null")),
        ("StandardError", text("journal")),
        ("SyslogIdentifier", text("atek-disks")),
        ("UMask", Variant::from(0o077u32)),
        ("WorkingDirectory", text("/")),
        ("Environment", texts(&["LANG=C.UTF-8"])),
        ("PrivateNetwork", Variant::from(true)),
        ("DeviceAllow", Variant::from(allowed)),
        ("MemoryMax", Variant::from(64u64 << 20)),
        ("TasksMax", Variant::from(8u64)),
        ("RuntimeMaxUSec", super::micros(LISTING)),
        ("TimeoutStopUSec", super::micros(Duration::from_secs(5))),
    ]);
    properties
}

/// The properties of the unit in which `mke2fs` makes a whole disk one for the data of the box. No
/// other device is there for it. As on the card, 1 % is kept back for the host.
pub(crate) fn data_disk(version: Version, device: &BlockName, id: &FileSystemId) -> Vec<Property> {
    let path = device.path();
    let argv = [
        paths::MKE2FS,
        "-q",
        "-F",
        "-t",
        "ext4",
        "-m",
        "1",
        "-L",
        LABEL,
        "-U",
        id.as_str(),
        "--",
        &path,
    ];
    let mut properties = sandbox::properties(version, &["AF_UNIX"], None);
    properties.extend([
        ("Description", text("Atek makes a disk for its data")),
        ("Slice", text("atek-build.slice")),
        ("Type", text("oneshot")),
        ("CollectMode", text("inactive-or-failed")),
        ("ExecStartEx", command(argv.map(str::to_owned).to_vec())),
        ("StandardOutput", text("journal")),
        ("StandardError", text("journal")),
        ("SyslogIdentifier", text("atek-data-disk")),
        ("UMask", Variant::from(0o077u32)),
        ("WorkingDirectory", text("/")),
        ("Environment", texts(&["LANG=C.UTF-8"])),
        ("PrivateNetwork", Variant::from(true)),
        ("BindPaths", binds(vec![Bind::new(&path, &path)])),
        (
            "DeviceAllow",
            Variant::from(vec![(path.clone(), "rw".to_owned())]),
        ),
        ("MemoryMax", Variant::from(256u64 << 20)),
        ("TasksMax", Variant::from(8u64)),
        ("TimeoutStartUSec", super::micros(MAKING)),
        ("TimeoutStopUSec", super::micros(Duration::from_secs(10))),
    ]);
    properties
}
