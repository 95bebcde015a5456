//! Atek's programs for the box, compiled inside the toolbox.

use super::toolbox::seen;
use crate::{command, install, paths};
use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-gnu";
const FLAGS: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS";

/// How programs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// As they are published.
    Release,
    /// In a third of the time, for tests: without optimisation across crates.
    Quick,
}

impl Speed {
    /// cargo's profile.
    pub(super) fn profile(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Quick => "quick",
        }
    }
}

/// Compiles every program of the install list, and the static atek-init for the initramfs.
///
/// # Errors
///
/// When cargo fails; it has shown why.
pub(super) fn build(speed: Speed) -> anyhow::Result<()> {
    let programs = install::programs()?;
    let mut fetch = cargo("cross");
    command::show(fetch.args(["fetch", "--locked", "--target", TARGET]))?;
    let flags = registries_have_one_name(Path::new(seen::CARGO))?;
    let build = [
        "build",
        "--locked",
        "--target",
        TARGET,
        "--profile",
        speed.profile(),
    ];
    let mut dynamic = cargo("cross");
    dynamic
        .args(build)
        .args(programs.iter().flat_map(|name| ["--bin", name]))
        .env(FLAGS, &flags);
    command::show(&mut dynamic)?;
    let fixed = "-C target-feature=+crt-static -C relocation-model=static";
    let mut alone = cargo("cross-static");
    alone
        .args(build)
        .args(["--bin", "atek-init"])
        .env(FLAGS, format!("{fixed} {flags}"));
    command::show(&mut alone)
}

/// The compiler's flags with which crates have one name in what it makes, whatever registry or
/// mirror of it this machine takes them from.
fn registries_have_one_name(home: &Path) -> anyhow::Result<String> {
    let sources = home.join("registry/src");
    let Ok(entries) = fs::read_dir(&sources) else {
        return Ok(String::new());
    };
    let mut flags = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", sources.display()))?
            .path();
        flags.push(format!("--remap-path-prefix={}=/crates", path.display()));
    }
    flags.sort();
    Ok(flags.join(" "))
}

/// cargo, as it is in the toolbox: all it sees has the same name on every machine.
fn cargo(folder: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(seen::CHECKOUT)
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            "aarch64-linux-gnu-gcc",
        )
        .env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc")
        .env("PKG_CONFIG_ALLOW_CROSS", "1")
        .env("PKG_CONFIG_PATH", "/usr/lib/aarch64-linux-gnu/pkgconfig")
        .env("CARGO_HOME", seen::CARGO)
        .env("CARGO_TARGET_DIR", Path::new(seen::CACHE).join(folder))
        .env("CARGO_INCREMENTAL", "0")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO");
    // Bundles that were built outside, where Node is.
    let web = Path::new(seen::CHECKOUT).join("daemon/web/dist");
    if web.is_dir() && std::env::var_os("ATEK_WEB_DIST").is_none() {
        cargo.env("ATEK_WEB_DIST", web);
    }
    cargo
}

fn target(folder: &str) -> PathBuf {
    paths::cache().join(folder)
}

/// A program that [`build`] built.
///
/// # Errors
///
/// When it is not there.
pub(super) fn program(speed: Speed, name: &str) -> anyhow::Result<PathBuf> {
    existing(
        &target("cross")
            .join(TARGET)
            .join(speed.profile())
            .join(name),
    )
}

/// The static atek-init.
///
/// # Errors
///
/// When it is not there.
pub(super) fn init(speed: Speed) -> anyhow::Result<PathBuf> {
    existing(
        &target("cross-static")
            .join(TARGET)
            .join(speed.profile())
            .join("atek-init"),
    )
}

fn existing(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_file() {
        bail!("{} was not built", path.display());
    }
    path.canonicalize()
        .with_context(|| format!("cannot follow {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_any_registry_have_the_same_name_in_what_is_compiled() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(registries_have_one_name(home.path()).unwrap(), "");
        for mirror in ["b-2", "a-1"] {
            fs::create_dir_all(home.path().join("registry/src").join(mirror)).unwrap();
        }
        let home = home.path().display();
        assert_eq!(
            registries_have_one_name(home.to_string().as_ref()).unwrap(),
            format!(
                "--remap-path-prefix={home}/registry/src/a-1=/crates --remap-path-prefix={home}/registry/src/b-2=/crates"
            )
        );
    }
}
