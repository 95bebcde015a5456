//! `buildroot/`: what can be said of it without building anything.
//!
//! Most of it needs no Buildroot. What does is in [`release`], and runs with `BUILDROOT_DIR` set.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

#[path = "image_buildroot/build.rs"]
mod build;
#[path = "image_buildroot/config.rs"]
mod config;
#[path = "image_buildroot/package.rs"]
mod package;
#[path = "image_buildroot/release.rs"]
mod release;
#[path = "image_buildroot/scripts.rs"]
mod scripts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The boards, by the names of their configurations.
const BOARDS: &[&str] = &["atek_rpi4_64", "atek_rpi5_64", "atek_qemu_aarch64_virt"];

/// The external tree.
fn tree() -> PathBuf {
    checkout().join("buildroot")
}

fn checkout() -> &'static Path {
    atek_tests::paths::repository()
}

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn configuration(board: &str) -> PathBuf {
    tree().join(format!("configs/{board}_defconfig"))
}

/// The settings of a Kconfig file, in its order: name and value; `n` for `is not set`.
fn settings(text: &str) -> Vec<(String, String)> {
    let setting = |line: &str| {
        if let Some(name) = line
            .strip_prefix("# ")
            .and_then(|line| line.strip_suffix(" is not set"))
        {
            return Some((name.to_owned(), "n".to_owned()));
        }
        if line.starts_with('#') || line.trim().is_empty() {
            return None;
        }
        let (name, value) = line
            .split_once('=')
            .unwrap_or_else(|| panic!("neither a setting nor a comment: {line:?}"));
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    text.lines().filter_map(setting).collect()
}

/// The settings of a board's Buildroot configuration, each of which may be named once.
fn buildroot_settings(board: &str) -> BTreeMap<String, String> {
    unique(&settings(&text(configuration(board))), board)
}

/// The settings of a board's kernel: of all its fragments together, each of which may be named
/// once.
fn kernel_settings(board: &str) -> BTreeMap<String, String> {
    let all: Vec<_> = fragments(board)
        .iter()
        .flat_map(|path| settings(&text(path)))
        .collect();
    unique(&all, board)
}

fn unique(settings: &[(String, String)], what: &str) -> BTreeMap<String, String> {
    let mut unique = BTreeMap::new();
    for (name, value) in settings {
        let before = unique.insert(name.clone(), value.clone());
        assert_eq!(before, None, "{what}: {name} is named twice");
    }
    unique
}

fn fragments(board: &str) -> Vec<PathBuf> {
    words(
        &buildroot_settings(board),
        "BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES",
    )
}

/// The paths of a setting, as Buildroot resolves them.
fn words(settings: &BTreeMap<String, String>, name: &str) -> Vec<PathBuf> {
    settings[name]
        .split_whitespace()
        .map(|word| {
            PathBuf::from(word.replace("$(BR2_EXTERNAL_ATEK_PATH)", tree().to_str().unwrap()))
        })
        .collect()
}
