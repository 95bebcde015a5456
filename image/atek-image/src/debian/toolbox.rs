//! The tools of one Debian release, whatever this machine runs: a root file system made once,
//! entered in a mount namespace of this process.

use super::{SUITE, key, names};
use crate::steps::Steps;
use crate::store::{Store, Stored};
use crate::{command, paths};
use anyhow::Context as _;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What no tool reads.
const UNREAD: [&str; 3] = ["man", "locale", "info"];

/// The toolbox, made now if this machine has none yet.
///
/// # Errors
///
/// When it cannot be made: no network, no `mmdebstrap`, not root.
pub fn get(store: &Store, steps: &Steps) -> anyhow::Result<Stored> {
    let packages = names("debian/tools.list")?.join(",");
    store.get("toolbox", &key(&[SUITE, &packages]), |aside| {
        steps.step(
            "toolbox: compilers, file system tools, emulator (once)",
            || {
                command::run(
                    mmdebstrap()
                        .arg("--dpkgopt=path-exclude=/usr/share/doc/*")
                        .args(["--variant=apt", "--architectures=amd64,arm64"])
                        .arg(format!("--include={packages}"))
                        .arg(SUITE)
                        .arg(aside),
                )
                .map(drop)
            },
        )
    })
}

/// `mmdebstrap`, told to leave out manuals and translations.
pub(super) fn mmdebstrap() -> Command {
    let mut command = Command::new("mmdebstrap");
    command.args(UNREAD.map(|folder| format!("--dpkgopt=path-exclude=/usr/share/{folder}/*")));
    command
}

/// Where programs are compiled, as the compiler sees it: the same on every machine, because it
/// writes the names of source files into what it makes.
pub(super) mod seen {
    /// The checkout.
    pub(in crate::debian) const CHECKOUT: &str = "/build/atek";
    /// The cache.
    pub(in crate::debian) const CACHE: &str = "/build/cache";
    /// Cargo's home.
    pub(in crate::debian) const CARGO: &str = "/build/cargo";
}

/// Makes the toolbox this process's root. The checkout, the cache, cargo's home and `also` are
/// where they were; the first three are at [`seen`] as well.
///
/// Only for a process of one thread; there is no way back.
///
/// # Errors
///
/// When this machine does not let root mount.
pub fn enter(toolbox: &Stored, also: &[&Path]) -> anyhow::Result<()> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS).context("cannot make a mount namespace: run this as root")?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("cannot make / private")?;
    let scratch = tempfile::tempdir()
        .context("cannot make a temporary folder")?
        .keep();
    mount(
        Some("tmpfs"),
        &scratch,
        Some("tmpfs"),
        MsFlags::empty(),
        none,
    )
    .context("cannot mount a tmpfs")?;
    let at = |name: &str| scratch.join(name);
    for name in ["upper", "work", "root"] {
        fs::create_dir(at(name)).with_context(|| format!("cannot make the folder {name}"))?;
    }
    let (lower, root) = (&toolbox.path, at("root"));
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        at("upper").display(),
        at("work").display()
    );
    mount(
        Some("overlay"),
        &root,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .with_context(|| format!("cannot lay a folder over {}", lower.display()))?;
    let mut shared: Vec<PathBuf> = ["/proc", "/sys", "/dev", "/tmp"]
        .map(PathBuf::from)
        .to_vec();
    let (checkout, cache, cargo) = (paths::repository().to_owned(), paths::cache(), cargo_home());
    shared.extend([checkout.clone(), cache.clone(), cargo.clone()]);
    shared.extend(also.iter().map(|path| path.to_path_buf()));
    let mut mounts: Vec<(&PathBuf, &Path)> =
        shared.iter().map(|path| (path, path.as_path())).collect();
    mounts.extend([
        (&checkout, Path::new(seen::CHECKOUT)),
        (&cache, Path::new(seen::CACHE)),
        (&cargo, Path::new(seen::CARGO)),
    ]);
    for (path, place) in mounts {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let to = root.join(place.strip_prefix("/").unwrap_or(place));
        fs::create_dir_all(&to).with_context(|| format!("cannot make {}", to.display()))?;
        mount(
            Some(path),
            &to,
            none,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            none,
        )
        .with_context(|| format!("cannot mount {} in the toolbox", path.display()))?;
    }
    for file in ["etc/resolv.conf", "etc/hosts"] {
        let _ = fs::remove_file(root.join(file));
        fs::copy(Path::new("/").join(file), root.join(file))
            .with_context(|| format!("cannot copy /{file}"))?;
    }
    nix::unistd::chroot(&root).context("cannot enter the toolbox")?;
    std::env::set_current_dir(paths::repository()).context("cannot enter the checkout")
}

/// Where cargo keeps what it has downloaded, shared with the builds outside.
fn cargo_home() -> PathBuf {
    let home =
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}
