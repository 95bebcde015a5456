//! Atek's programs for the box, compiled inside the toolbox.

use super::toolbox;
use crate::{command, install, paths};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-gnu";

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
    let mut cargo = cargo(speed, "cross");
    cargo.args(programs.iter().flat_map(|name| ["--bin", name]));
    command::show(&mut cargo)?;
    let mut cargo = self::cargo(speed, "cross-static");
    cargo.args(["--bin", "atek-init"]).env(
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
        "-C target-feature=+crt-static -C relocation-model=static",
    );
    command::show(&mut cargo)
}

fn cargo(speed: Speed, folder: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "build",
            "--locked",
            "--target",
            TARGET,
            "--profile",
            speed.profile(),
        ])
        .current_dir(paths::repository())
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            "aarch64-linux-gnu-gcc",
        )
        .env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc")
        .env("PKG_CONFIG_ALLOW_CROSS", "1")
        .env("PKG_CONFIG_PATH", "/usr/lib/aarch64-linux-gnu/pkgconfig")
        .env("CARGO_HOME", toolbox::cargo_home())
        .env("CARGO_TARGET_DIR", target(folder))
        .env("CARGO_INCREMENTAL", "0")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO");
    // Bundles that were built outside, where Node is.
    let web = paths::repository().join("daemon/web/dist");
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
