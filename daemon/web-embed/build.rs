//! Builds the bundles of `daemon/web`, or takes finished ones from the folder that `ATEK_WEB_DIST`
//! names.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names a folder with finished bundles, for machines without node.
const DIST: &str = "ATEK_WEB_DIST";

/// What the bundles are made of, relative to `daemon/web`.
const SOURCES: &[&str] = &[
    "src",
    "public",
    "build",
    "packages.sh",
    ".npmrc",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.shared.ts",
    "vite.host.ts",
    "vite.lonestar.ts",
];

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-env-changed={DIST}");
    let dist = match env::var_os(DIST).filter(|dist| !dist.is_empty()) {
        Some(dist) => PathBuf::from(dist),
        None => build(&web()?)?,
    };
    for bundle in ["host", "lonestar"] {
        let folder = dist.join(bundle);
        if !folder.is_dir() {
            return Err(format!(
                "{} is not a folder: {DIST} must name the `dist` that daemon/web/build makes",
                folder.display()
            ));
        }
        println!("cargo:rerun-if-changed={}", folder.display());
    }
    // The derive macros of lib.rs read it.
    println!("cargo:rustc-env={DIST}={}", dist.display());
    Ok(())
}

/// The folder of the browser code. Asked for at run time: checkouts may share a target folder, in
/// which this program was compiled for another of them.
fn web() -> Result<PathBuf, String> {
    let own = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo did not name the crate's folder")?;
    Ok(Path::new(&own).join("../web"))
}

/// Runs `daemon/web/build` and returns the folder of its bundles.
fn build(web: &Path) -> Result<PathBuf, String> {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", web.join(source).display());
    }
    let status = Command::new(web.join("build"))
        // Options for cargo's children are not meant for npm's.
        .env_remove("NODE_OPTIONS")
        .status()
        .map_err(|error| format!("cannot run daemon/web/build: {error}"))?;
    if !status.success() {
        return Err(format!(
            "daemon/web/build failed ({status}); it needs node 20.19 or newer and npm: apt install nodejs npm"
        ));
    }
    Ok(web.join("dist"))
}
