//! The mounts that a first program starts with.

use anyhow::Context as _;
use rustix::mount::{MountFlags, mount};
use std::ffi::CStr;
use std::fs;
use std::path::Path;

/// Where the kernel is spoken to. The kernel may have mounted some of it already.
///
/// # Errors
///
/// When one cannot be mounted.
pub(crate) fn kernel_interfaces() -> anyhow::Result<()> {
    let hidden = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    unless_there("devtmpfs", "/dev", MountFlags::NOSUID, c"mode=0755")?;
    unless_there("proc", "/proc", hidden, c"")?;
    unless_there("sysfs", "/sys", hidden, c"")
}

/// `/run`, as systemd would mount it.
///
/// # Errors
///
/// When it cannot be mounted.
pub(crate) fn run() -> anyhow::Result<()> {
    unless_there(
        "tmpfs",
        "/run",
        MountFlags::NOSUID | MountFlags::NODEV,
        c"mode=0755,size=20%,nr_inodes=800k",
    )
}

fn unless_there(kind: &str, at: &str, flags: MountFlags, options: &CStr) -> anyhow::Result<()> {
    if is_mount_point(Path::new(at)) {
        return Ok(());
    }
    // On a read-only root the folder is there already, and cannot be made.
    if !Path::new(at).is_dir() {
        fs::create_dir(at).with_context(|| format!("cannot make {at}"))?;
    }
    mount(kind, at, kind, flags, options).with_context(|| format!("cannot mount {kind} at {at}"))
}

/// Whether something else is mounted at this folder than at the one above.
fn is_mount_point(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    device(folder).is_some() && device(folder) != device(&folder.join(".."))
}
