//! The fixture apps (`apps/`), staged as packages: what an author's folder holds when it is tagged.

use crate::{command, paths};
use anyhow::Context as _;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Copies the fixture app `name` into the folder `to`, which may hold an older one: that goes.
///
/// A native app gets its executable: the built program that the manifest's `entry` names, without
/// debugging data.
///
/// # Errors
///
/// When there is no such app, or its program is not built.
pub fn stage(name: &str, to: &Path) -> anyhow::Result<()> {
    let from = paths::repository().join("tests/apps").join(name);
    empty(to)?;
    command::run(
        Command::new("cp")
            .arg("--recursive")
            .arg("--no-target-directory")
            .arg(&from)
            .arg(to),
    )
    .with_context(|| format!("cannot stage the app {name}"))?;
    let manifest = from.join("atek.json");
    // The original's apps need none.
    if !manifest.exists() {
        return Ok(());
    }
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is not JSON", manifest.display()))?;
    if manifest["runtime"] == "native" {
        let entry = manifest["entry"]
            .as_str()
            .with_context(|| format!("the native app {name} has no entry"))?;
        let program = paths::fixture_program(entry)?;
        command::run(
            Command::new("strip")
                .arg("-o")
                .arg(to.join(entry))
                .arg(program),
        )?;
    }
    Ok(())
}

/// Makes `folder` an empty one, except for `.git`.
fn empty(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry
            .with_context(|| format!("cannot list {}", folder.display()))?
            .path();
        if path.file_name() != Some(".git".as_ref()) {
            let gone = if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            gone.with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}
