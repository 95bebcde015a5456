//! The root file system of the test machine: Debian with systemd, D-Bus and Node, made once.

use crate::store::{Store, Stored};
use crate::{command, paths};
use anyhow::Context as _;
use atek_image::npm::{self, NPM};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const SUITE: &str = "trixie";

/// Units that make no sense in a machine without a console, modules or a clock of its own.
const MASKED: &[&str] = &[
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "getty.target",
    "systemd-modules-load.service",
];

/// Left out: what no program reads.
const EXCLUDED: &[&str] = &[
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/doc/*",
    "/usr/share/info/*",
];

/// Bumped when [`tidy`] or [`npm::add`] change what they do.
const REVISION: u32 = 1;

/// The root file system, made now if this machine has none yet (20 to 90 s; `say` is told).
///
/// # Errors
///
/// When it cannot be made: no network, no `mmdebstrap`, not root.
pub fn get(store: &Store, say: &dyn Fn(&str)) -> anyhow::Result<Stored> {
    let packages = packages()?;
    store.get("rootfs", &key(&packages), |aside| {
        say("making the machine's root file system (once; 20 to 90 s)");
        bootstrap(&packages, aside)?;
        say("adding npm");
        npm::add(aside)?;
        tidy(aside)
    })
}

/// The Debian packages that Atek needs at run time (`image/packages.list`).
fn packages() -> anyhow::Result<Vec<String>> {
    let list = paths::repository().join("image/packages.list");
    let text =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

fn key(packages: &[String]) -> String {
    let recipe = format!(
        "{REVISION} {SUITE} {NPM} {packages:?} {MASKED:?} {EXCLUDED:?} {}",
        std::env::consts::ARCH
    );
    Sha256::digest(recipe)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn bootstrap(packages: &[String], root: &Path) -> anyhow::Result<()> {
    // No mirror is named: the tool knows the archive, and the administrator may have set another.
    command::run(
        Command::new("mmdebstrap")
            .arg("--variant=minbase")
            .arg(format!("--include={}", packages.join(",")))
            .args(
                EXCLUDED
                    .iter()
                    .map(|path| format!("--dpkgopt=path-exclude={path}")),
            )
            .arg(SUITE)
            .arg(root),
    )?;
    Ok(())
}

/// Takes out what belongs to the building machine or to a package manager, and masks [`MASKED`].
fn tidy(root: &Path) -> anyhow::Result<()> {
    for file in [
        "etc/resolv.conf",
        "etc/hostname",
        "etc/machine-id",
        "var/lib/dbus/machine-id",
    ] {
        let path = root.join(file);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).with_context(|| format!("cannot remove {}", path.display()));
        }
    }
    for folder in ["var/cache", "var/lib/apt", "var/lib/dpkg"] {
        let path = root.join(folder);
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    fs::create_dir(root.join("var/cache")).context("cannot make var/cache")?;
    for unit in MASKED {
        let link = root.join("etc/systemd/system").join(unit);
        symlink("/dev/null", &link).with_context(|| format!("cannot mask {unit}"))?;
    }
    Ok(())
}
