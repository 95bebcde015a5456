//! The machine's root file system: an overlay of read-only folders, with everything that changes on
//! a tmpfs (or, for `/var`, in a folder that outlives the machine).

use super::Boot;
use super::protocol::PlacedFile;
use crate::command;
use anyhow::Context as _;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};
use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where systemd finds the socket on which it says that it is up; nspawn's place for it.
pub(super) const NOTIFY: &str = "/run/host/notify";

/// Where the kernel makes random ids.
const RANDOM_ID: &str = "/proc/sys/kernel/random/uuid";

/// The certificate authorities that programs trust.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// There is one clock, and it is the outer machine's: the first time zone that a program tells
/// the kernel (as timedated does) moves it by the zone's offset.
const NO_CLOCK: &str = "[Manager]\nCapabilityBoundingSet=~CAP_SYS_TIME\n";

/// Device nodes that a machine shares with the outer one.
const DEVICES: &[&str] = &["full", "null", "random", "tty", "urandom", "zero"];

/// Builds the tree under `boot.scratch`.
pub(super) fn assemble(boot: &Boot) -> anyhow::Result<()> {
    let scratch = &boot.scratch;
    mount_new("tmpfs", scratch, MsFlags::empty(), "mode=755")?;
    let [upper, work, root] = ["upper", "work", "root"].map(|name| scratch.join(name));
    for dir in [&upper, &work, &root] {
        make_dir(dir, 0o755)?;
    }
    let lower: Vec<_> = boot
        .spec
        .lower
        .iter()
        .map(|dir| dir.display().to_string())
        .collect();
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        upper.display(),
        work.display()
    );
    mount_new("overlay", &root, MsFlags::empty(), &layers)?;

    mount_var(boot, &root)?;
    mount_kernel_interfaces(&root, scratch)?;
    make_dev(&root)?;
    mount_new(
        "tmpfs",
        &root.join("run"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=755",
    )?;
    mount_new(
        "tmpfs",
        &root.join("tmp"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=1777",
    )?;
    let notify = root.join(NOTIFY.trim_start_matches('/'));
    make_dir(&root.join("run/host"), 0o755)?;
    bind_file(&boot.notify, &notify)?;

    write(&root.join("etc/hostname"), &format!("{}\n", boot.spec.name))?;
    write(&root.join("etc/machine-id"), &machine_id(boot)?)?;
    if boot.spec.internet {
        write(&root.join("etc/resolv.conf"), &resolvers()?)?;
        // The registry may be a mirror with a certificate authority that only the outer machine
        // knows.
        if let Ok(trusted) = fs::read_to_string(TRUSTED) {
            write(&root.join(TRUSTED.trim_start_matches('/')), &trusted)?;
        }
    }
    let capabilities = root.join("etc/systemd/system.conf.d");
    fs::create_dir_all(&capabilities)
        .with_context(|| format!("cannot make {}", capabilities.display()))?;
    write(&capabilities.join("50-machine.conf"), NO_CLOCK)?;
    for file in &boot.spec.files {
        place(&root, file)?;
    }
    Ok(())
}

/// Makes the tree this process's `/`; the outer one is gone from its sight.
pub(super) fn enter(scratch: &Path) -> anyhow::Result<()> {
    let root = scratch.join("root");
    chdir(&root).context("cannot go to the new root")?;
    pivot_root(".", ".").context("cannot make the new root the root")?;
    umount2(".", MntFlags::MNT_DETACH).context("cannot let go of the outer root")?;
    chdir("/").context("cannot go to the root")?;
    // As after a real boot. Without it the files of `LoadCredential=` do not reach the unit.
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SHARED, none)
        .context("cannot make the root shared")
}

/// `/var` never lies on the overlay: id-mapped mounts (`StateDirectory=` with `DynamicUser=`) do
/// not work there.
fn mount_var(boot: &Boot, root: &Path) -> anyhow::Result<()> {
    let at = root.join("var");
    let var = boot
        .spec
        .data
        .as_deref()
        .unwrap_or(&boot.scratch)
        .join("var");
    if !var.exists() {
        let aside = var.with_extension("partial");
        if aside.exists() {
            fs::remove_dir_all(&aside)
                .with_context(|| format!("cannot remove {}", aside.display()))?;
        }
        command::run(Command::new("cp").arg("--archive").arg(&at).arg(&aside))?;
        fs::rename(&aside, &var)
            .with_context(|| format!("cannot put {} in place", var.display()))?;
    }
    bind(&var, &at)
}

fn mount_kernel_interfaces(root: &Path, scratch: &Path) -> anyhow::Result<()> {
    let hardened = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_new("proc", &root.join("proc"), hardened, "")?;
    mount_new("sysfs", &root.join("sys"), hardened, "")?;
    mount_new("cgroup2", &root.join("sys/fs/cgroup"), hardened, "")?;
    // One kernel, many boots: each has an id of its own, or the journal would take them for one.
    let boot_id = scratch.join("boot-id");
    write(
        &boot_id,
        &fs::read_to_string(RANDOM_ID).context("cannot make a boot id")?,
    )?;
    bind(&boot_id, &root.join("proc/sys/kernel/random/boot_id"))?;
    // Not every kernel has these two; systemd does without.
    let _ = mount_new(
        "securityfs",
        &root.join("sys/kernel/security"),
        hardened,
        "",
    );
    let _ = mount_new("bpf", &root.join("sys/fs/bpf"), hardened, "mode=700");
    Ok(())
}

fn make_dev(root: &Path) -> anyhow::Result<()> {
    let dev = root.join("dev");
    mount_new("tmpfs", &dev, MsFlags::MS_NOSUID, "mode=755")?;
    for name in DEVICES {
        bind_file(&Path::new("/dev").join(name), &dev.join(name))?;
    }
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    make_dir(&dev.join("pts"), 0o755)?;
    mount_new(
        "devpts",
        &dev.join("pts"),
        quiet,
        "newinstance,ptmxmode=0666,mode=620,gid=5",
    )?;
    make_dir(&dev.join("shm"), 0o755)?;
    mount_new(
        "tmpfs",
        &dev.join("shm"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=1777",
    )?;
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(link)).with_context(|| format!("cannot make /dev/{link}"))?;
    }
    Ok(())
}

/// The machine's identity: kept with its data, so that a second boot finds its own journal.
fn machine_id(boot: &Boot) -> anyhow::Result<String> {
    let fresh = || -> anyhow::Result<String> {
        let uuid = fs::read_to_string(RANDOM_ID).context("cannot make a machine id")?;
        Ok(uuid.replace('-', ""))
    };
    let Some(kept) = boot.spec.data.as_ref().map(|data| data.join("machine-id")) else {
        return fresh();
    };
    if !kept.exists() {
        write(&kept, &fresh()?)?;
    }
    fs::read_to_string(&kept).with_context(|| format!("cannot read {}", kept.display()))
}

/// The outer machine's name servers; those of a local stub do not answer from another namespace.
fn resolvers() -> anyhow::Result<String> {
    let behind_stub = Path::new("/run/systemd/resolve/resolv.conf");
    let file = if behind_stub.exists() {
        behind_stub
    } else {
        Path::new("/etc/resolv.conf")
    };
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn place(root: &Path, file: &PlacedFile) -> anyhow::Result<()> {
    let path = root.join(file.path.strip_prefix("/").unwrap_or(&file.path));
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(&path, &file.content)?;
    fs::set_permissions(&path, Permissions::from_mode(file.mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn make_dir(dir: &PathBuf, mode: u32) -> anyhow::Result<()> {
    let made = DirBuilder::new().mode(mode).create(dir);
    made.with_context(|| format!("cannot make {}", dir.display()))
}

fn mount_new(kind: &str, at: &Path, flags: MsFlags, options: &str) -> anyhow::Result<()> {
    mount(Some(kind), at, Some(kind), flags, Some(options))
        .with_context(|| format!("cannot mount {kind} at {} ({options})", at.display()))
}

fn bind(from: &Path, at: &Path) -> anyhow::Result<()> {
    mount(
        Some(from),
        at,
        None::<&str>,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        None::<&str>,
    )
    .with_context(|| format!("cannot mount {} at {}", from.display(), at.display()))
}

fn bind_file(from: &Path, at: &Path) -> anyhow::Result<()> {
    File::create(at).with_context(|| format!("cannot make {}", at.display()))?;
    bind(from, at)
}
