//! WebAssembly components, made of fixture apps by tools that know nothing of Atek, those of the
//! Bytecode Alliance: a real program on the framework Hono with SpiderMonkey inside
//! (`componentize-js`), and one of five kilobytes (`jco`), which an emulated processor compiles in
//! a moment. They are made once and cached.

use crate::store::{Store, Stored};
use crate::{command, paths};
use anyhow::Context as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bumped when [`Recipe::make`] changes what it does.
const REVISION: u32 = 3;
/// The versions of WASI's interfaces: those of wasmtime, which has their text, and those of the
/// components. Both are of WASI 0.2, in which a later one takes programs for an earlier one.
const WASI: [&str; 2] = ["0.2.12", "0.2.10"];

/// How a component is made of a folder of `tests/apps`.
struct Recipe {
    app: &'static str,
    /// What is needed of the folder.
    files: &'static [&'static str],
    /// Programs for Node, one after the other; the last one writes `../app.wasm`.
    steps: &'static [&'static [&'static str]],
}

const HONO: Recipe = Recipe {
    app: "hono-wasm",
    files: &["app.js", "package.json", "world.wit"],
    steps: &[&[
        "node_modules/@bytecodealliance/componentize-js/src/cli.js",
        "--wit",
        "wit",
        "-n",
        "app",
        "-o",
        "../app.wasm",
        "app.js",
    ]],
};

const JCO: &str = "node_modules/@bytecodealliance/jco/src/jco.js";
const SMALL: Recipe = Recipe {
    app: "small-wasm",
    files: &["app.wat", "package.json", "world.wit"],
    steps: &[
        &[JCO, "parse", "app.wat", "-o", "core.wasm"],
        &[
            JCO,
            "embed",
            "core.wasm",
            "--wit",
            "wit",
            "--world-name",
            "app",
            "-o",
            "typed.wasm",
        ],
        &[JCO, "new", "typed.wasm", "-o", "../app.wasm"],
    ],
};

/// The component of the app `hono-wasm`, made now if this machine has none yet (half a minute).
/// `None` where there is no npm.
///
/// # Errors
///
/// When it cannot be made: no registry.
pub fn hono() -> anyhow::Result<Option<Vec<u8>>> {
    HONO.get()
}

/// The component of the app `small-wasm`, as [`hono`].
///
/// # Errors
///
/// As [`hono`].
pub fn small() -> anyhow::Result<Option<Vec<u8>>> {
    SMALL.get()
}

impl Recipe {
    fn get(&self) -> anyhow::Result<Option<Vec<u8>>> {
        if Command::new("npm").arg("--version").output().is_err() {
            return Ok(None);
        }
        let store = Store::open(paths::cache())?;
        let stored: Stored = store.get("component", &self.key()?, |aside| self.make(aside))?;
        let file = stored.path.join("app.wasm");
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Some(bytes))
    }

    fn source(&self, name: &str) -> PathBuf {
        let apps = paths::repository().join("tests/apps");
        apps.join(self.app).join(name)
    }

    fn key(&self) -> anyhow::Result<String> {
        let mut recipe = format!("{REVISION} {:?}", self.steps).into_bytes();
        for name in self.files {
            let file = self.source(name);
            let bytes = fs::read(&file);
            recipe.extend(bytes.with_context(|| format!("cannot read {}", file.display()))?);
        }
        Ok(hex::encode(&Sha256::digest(recipe)[..8]))
    }

    fn make(&self, aside: &Path) -> anyhow::Result<()> {
        eprintln!("making the component {} (once; half a minute)", self.app);
        let work = aside.join("work");
        let wit = work.join("wit");
        fs::create_dir_all(wit.join("deps")).context("cannot make a folder")?;
        for name in self.files {
            let to = work.join(name);
            fs::copy(self.source(name), to).with_context(|| format!("cannot copy {name}"))?;
        }
        let world = wit.join("world.wit");
        fs::rename(work.join("world.wit"), world).context("cannot move world.wit")?;
        for entry in fs::read_dir(interfaces()?.join("deps")).context("cannot list WASI")? {
            let entry = entry.context("cannot list WASI")?;
            let text = fs::read_to_string(entry.path()).context("cannot read WASI")?;
            let to = wit.join("deps").join(entry.file_name());
            fs::write(to, stable(&text)).context("cannot write WASI")?;
        }
        command::run(
            Command::new("npm")
                .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
                .arg("--cache")
                .arg(paths::cache().join("npm"))
                .current_dir(&work),
        )?;
        for step in self.steps {
            command::run(Command::new("node").args(*step).current_dir(&work))?;
        }
        fs::remove_dir_all(&work).context("cannot remove the tools")
    }
}

/// A text of WASI's interfaces in the components' version. Some tools do not know that time zones
/// are not stable yet, and miss them where they are used.
fn stable(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| line.trim() != "@unstable(feature = clocks-timezone)");
    let lines: Vec<_> = lines.map(|line| line.replace(WASI[0], WASI[1])).collect();
    lines.join("\n")
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
