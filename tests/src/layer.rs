//! Atek's layer: the files of an installation, its users and its enabled units, over a root file
//! system.
//!
//! It is made the way an image is: files are copied, then the root file system's own tools work on
//! the folder (`systemd-sysusers --root`, `systemctl --root preset`). Nothing is left to do at
//! boot.

use crate::install::{self, File};
use crate::store::{Store, Stored};
use crate::{command, paths};
use anyhow::Context as _;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

/// Bumped when this module makes something else of the same files.
const REVISION: u32 = 1;

/// The layer of what is built now, over `rootfs`.
///
/// # Errors
///
/// When a program is not built, or one of systemd's tools refuses a file.
pub fn get(store: &Store, rootfs: &Stored) -> anyhow::Result<Stored> {
    let files = install::plan(&paths::program, node_arch())?;
    store.get("atek", &key(&files, &rootfs.path)?, |aside| {
        fs::create_dir(aside).context("cannot make the folder")?;
        install::copy(&files, aside, "strip")?;
        copy_accounts(&rootfs.path, aside)?;
        within(&rootfs.path, aside, &["systemd-sysusers", "--root=/mnt"])?;
        let units = enableable(&files);
        if !units.is_empty() {
            let mut preset = vec!["systemctl", "--root=/mnt", "preset"];
            preset.extend(units.iter().map(String::as_str));
            within(&rootfs.path, aside, &preset)?;
        }
        Ok(())
    })
}

/// What Node calls the architecture of this machine.
pub(crate) fn node_arch() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    }
}

/// The same files over the same root file system have the same key. Contents are known by time and
/// size.
fn key(files: &[File], rootfs: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    hash.update(format!("{REVISION} {}\n", rootfs.display()));
    for file in files {
        let meta = file
            .from
            .metadata()
            .with_context(|| format!("cannot look at {}", file.from.display()))?;
        let (seconds, nanoseconds, size) = (meta.mtime(), meta.mtime_nsec(), meta.size());
        hash.update(format!("{file:?} {seconds}.{nanoseconds} {size}\n"));
    }
    Ok(hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// systemd-sysusers adds to the account files that it finds: those of the root file system.
fn copy_accounts(rootfs: &Path, layer: &Path) -> anyhow::Result<()> {
    let etc = layer.join("etc");
    fs::create_dir_all(&etc).context("cannot make etc")?;
    for name in ["passwd", "group", "shadow", "gshadow"] {
        let from = rootfs.join("etc").join(name);
        if from.exists() {
            let preserving = Command::new("cp")
                .arg("--archive")
                .arg(&from)
                .arg(&etc)
                .spawn();
            let status = preserving
                .and_then(|mut child| child.wait())
                .context("cannot run cp")?;
            anyhow::ensure!(status.success(), "cannot copy {}", from.display());
        }
    }
    Ok(())
}

/// The installed units that can be enabled by name: not slices, not templates.
fn enableable(files: &[File]) -> Vec<String> {
    // Not what lies in a folder there: a drop-in.
    let folder = Path::new("/usr/lib/systemd/system");
    let in_units = files.iter().filter(|file| file.to.parent() == Some(folder));
    let names = in_units.filter_map(|file| file.to.file_name()?.to_str());
    names
        .filter(|name| !name.ends_with(".slice") && !name.contains('@'))
        .map(str::to_owned)
        .collect()
}

/// Runs a tool of `rootfs` inside it, with `layer` at `/mnt`, seen by this tool only.
fn within(rootfs: &Path, layer: &Path, tool: &[&str]) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        // A mount namespace belongs to a thread: this one's ends with it, mount and all.
        let tool = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS)
                .context("cannot make a mount namespace: the tests run as root")?;
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
                .context("cannot make / private")?;
            let at = rootfs.join("mnt");
            mount(Some(layer), &at, none, MsFlags::MS_BIND, none)
                .with_context(|| format!("cannot mount {} at {}", layer.display(), at.display()))?;
            command::run(Command::new("chroot").arg(rootfs).args(tool))
        });
        tool.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_templates_are_not_enabled_by_name() {
        let file = |to: &str| File {
            from: "x".into(),
            to: to.into(),
            mode: 0o644,
            program: false,
        };
        let files = [
            file("/usr/lib/systemd/system/atekd.socket"),
            file("/usr/lib/systemd/system/atek@.service"),
            file("/usr/lib/systemd/system/atek-apps.slice"),
            file("/usr/share/dbus-1/system-services/x.service"),
        ];
        assert_eq!(enableable(&files), ["atekd.socket"]);
    }
}
