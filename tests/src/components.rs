//! A WebAssembly component of a real program, made of a fixture app by tools that know nothing of
//! Atek: `componentize-js` of the Bytecode Alliance, with SpiderMonkey inside, and the framework
//! Hono. It is made once and cached.

use crate::store::{Store, Stored};
use crate::{command, paths};
use anyhow::Context as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bumped when [`make`] changes what it does.
const REVISION: u32 = 1;
const APP: &str = "tests/apps/hono-wasm";
const FILES: [&str; 3] = ["app.js", "package.json", "world.wit"];
/// The versions of WASI's interfaces: those of wasmtime, which has their text, and those of
/// componentize-js. Both are of WASI 0.2, in which a later one takes programs for an earlier one.
const WASI: [&str; 2] = ["0.2.12", "0.2.10"];

/// The component of the app `hono-wasm`, made now if this machine has none yet (half a minute).
/// `None` where there is no npm.
///
/// # Errors
///
/// When it cannot be made: no registry.
pub fn hono() -> anyhow::Result<Option<Vec<u8>>> {
    if Command::new("npm").arg("--version").output().is_err() {
        return Ok(None);
    }
    let store = Store::open(paths::cache())?;
    let stored: Stored = store.get("component", &key()?, make)?;
    let file = stored.path.join("app.wasm");
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Some(bytes))
}

fn source(name: &str) -> PathBuf {
    paths::repository().join(APP).join(name)
}

fn key() -> anyhow::Result<String> {
    let mut recipe = REVISION.to_string().into_bytes();
    for name in FILES {
        let file = source(name);
        recipe.extend(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    Ok(hex::encode(&Sha256::digest(recipe)[..8]))
}

fn make(aside: &Path) -> anyhow::Result<()> {
    eprintln!("making a WebAssembly component (once; half a minute)");
    let work = aside.join("work");
    let wit = work.join("wit");
    fs::create_dir_all(wit.join("deps")).context("cannot make a folder")?;
    for name in FILES {
        fs::copy(source(name), work.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    fs::rename(work.join("world.wit"), wit.join("world.wit")).context("cannot move world.wit")?;
    for entry in fs::read_dir(interfaces()?.join("deps")).context("cannot list WASI")? {
        let entry = entry.context("cannot list WASI")?;
        let text = fs::read_to_string(entry.path()).context("cannot read WASI")?;
        let to = wit.join("deps").join(entry.file_name());
        fs::write(to, text.replace(WASI[0], WASI[1])).context("cannot write WASI")?;
    }
    command::run(
        Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
            .arg("--cache")
            .arg(paths::cache().join("npm"))
            .current_dir(&work),
    )?;
    let program = "node_modules/@bytecodealliance/componentize-js/src/cli.js";
    command::run(
        Command::new("node")
            .args([program, "--wit", "wit", "-n", "app", "-o", "../app.wasm"])
            .arg("app.js")
            .current_dir(&work),
    )?;
    fs::remove_dir_all(&work).context("cannot remove the tools")
}

/// The text of WASI's interfaces, as wasmtime's crate brings it.
fn interfaces() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--locked", "--format-version=1"])
        .arg(format!(
            "--filter-platform={}-unknown-linux-gnu",
            std::env::consts::ARCH
        ))
        .current_dir(paths::repository())
        .output()
        .context("cannot run cargo")?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata says no JSON")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest = packages
        .filter(|package| package["name"] == "wasmtime-wasi-http")
        .find_map(|package| package["manifest_path"].as_str())
        .context("wasmtime-wasi-http is no dependency")?;
    let folder = Path::new(manifest).parent().context("no folder")?;
    Ok(folder.join("wit"))
}
