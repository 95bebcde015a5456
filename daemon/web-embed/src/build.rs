//! For build scripts: finds a bundle, or has it made, and writes it as Rust.

use crate::kinds::kind_of;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The folder of finished bundles; where it is missing, they are made from `daemon/web`.
const DIST: &str = "ATEK_WEB_DIST";

/// What the bundles are made of, below `daemon/web`. `daemon/web/build` looks at the same.
const SOURCES: &[&str] = &[
    "src",
    "public",
    "build",
    "packages.sh",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.shared.ts",
    "vite.host.ts",
    "vite.lonestar.ts",
];

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cargo did not say something that it always says.
    #[error("{0} is not set: this is for cargo's build scripts")]
    NoVariable(&'static str),
    /// The folder has no such bundle.
    #[error("{0} is no folder: {DIST} must name the `dist` that daemon/web/build makes")]
    NoBundle(PathBuf),
    /// A file or folder could not be used.
    #[error("cannot {verb} {path}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that no browser could be told the kind of.
    #[error("{0} is of a kind that is not known (daemon/web-embed/src/kinds.rs)")]
    UnknownKind(PathBuf),
    /// The command that makes the bundles said no; its own words stand above.
    #[error(
        "daemon/web/build failed ({0}); it needs node 20.19 or newer and npm: apt install nodejs npm"
    )]
    Build(std::process::ExitStatus),
}

/// Embeds a bundle (`host` or `lonestar`) in the crate whose build script this is.
/// The crate includes it by [`bundle!()`](crate::bundle).
///
/// # Errors
///
/// When the bundle is neither there nor can be made.
pub fn embed(name: &str) -> Result<(), Error> {
    println!("cargo:rerun-if-env-changed={DIST}");
    let dist = match env::var_os(DIST).filter(|dist| !dist.is_empty()) {
        Some(dist) => {
            let dist = PathBuf::from(dist);
            println!("cargo:rerun-if-changed={}", dist.join(name).display());
            dist
        }
        None => made(&folder("CARGO_MANIFEST_DIR")?.join("../web"))?,
    };
    let bundle = dist.join(name);
    if !bundle.is_dir() {
        return Err(Error::NoBundle(bundle));
    }
    write(&bundle, &folder("OUT_DIR")?)
}

fn folder(variable: &'static str) -> Result<PathBuf, Error> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or(Error::NoVariable(variable))
}

/// Has the bundles made, and returns their folder.
fn made(web: &Path) -> Result<PathBuf, Error> {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", web.join(source).display());
    }
    let build = web.join("build");
    let status = Command::new(&build)
        // What cargo tells its children is not meant for npm's.
        .env_remove("NODE_OPTIONS")
        .status()
        .map_err(|source| Error::Io {
            verb: "run",
            path: build,
            source,
        })?;
    if !status.success() {
        return Err(Error::Build(status));
    }
    Ok(web.join("dist"))
}

/// Writes `OUT/web_bundle.rs` and the compressed files beside it.
fn write(bundle: &Path, out: &Path) -> Result<(), Error> {
    let packed = out.join("web");
    // What an earlier build left is not embedded again.
    match fs::remove_dir_all(&packed) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &packed)(source));
        }
        _ => {}
    }
    fs::create_dir_all(&packed).map_err(io_error("make", &packed))?;
    let mut table = String::from("&[\n");
    for (number, path) in files(bundle)?.iter().enumerate() {
        let from = bundle.join(path);
        let kind = kind_of(path).ok_or_else(|| Error::UnknownKind(from.clone()))?;
        let bytes = fs::read(&from).map_err(io_error("read", &from))?;
        let plain = packed.join(number.to_string());
        fs::write(&plain, &bytes).map_err(io_error("write", &plain))?;
        let small = packed.join(format!("{number}.gz"));
        let gzip = compressed(&bytes).map_err(io_error("compress", &from))?;
        let gzip = if gzip.len() < bytes.len() {
            fs::write(&small, &gzip).map_err(io_error("write", &small))?;
            format!("Some(include_bytes!({small:?}))")
        } else {
            "None".to_owned()
        };
        // Vite gives a hash to the names of what it puts there, and to nothing else.
        let immutable = path.starts_with("assets/");
        let etag = format!("\"{}\"", etag(&bytes));
        // Writing to a text does not fail.
        let _ = writeln!(
            table,
            "    ::atek_web_embed::File {{ path: {path:?}, kind: {kind:?}, etag: {etag:?}, immutable: {immutable}, \
             plain: include_bytes!({plain:?}), gzip: {gzip} }},"
        );
    }
    table.push_str("]\n");
    let to = out.join("web_bundle.rs");
    fs::write(&to, table).map_err(io_error("write", &to))
}

fn io_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { verb, path, source }
}

/// The files below a folder, as paths from it, sorted as [`Bundle`](crate::Bundle) wants them.
fn files(bundle: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(prefix) = folders.pop() {
        let folder = bundle.join(&prefix);
        let entries = fs::read_dir(&folder).map_err(io_error("list", &folder))?;
        for entry in entries {
            let entry = entry.map_err(io_error("list", &folder))?;
            let kind = entry
                .file_type()
                .map_err(io_error("look at", &entry.path()))?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if kind.is_dir() {
                folders.push(format!("{path}/"));
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn etag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_becomes_a_sorted_table() {
        let dir = tempfile::tempdir().unwrap();
        let (bundle, out) = (dir.path().join("host"), dir.path().join("out"));
        fs::create_dir_all(bundle.join("assets")).unwrap();
        fs::write(bundle.join("index.html"), "<p>".repeat(100)).unwrap();
        fs::write(bundle.join("assets/z-1.js"), "1").unwrap();
        fs::write(bundle.join("assets/a-1.css"), "a{}").unwrap();
        write(&bundle, &out).unwrap();

        let table = fs::read_to_string(out.join("web_bundle.rs")).unwrap();
        let place = |path: &str| table.find(path).unwrap();
        assert!(place("assets/a-1.css") < place("assets/z-1.js"));
        assert!(place("assets/z-1.js") < place("index.html"));
        assert_eq!(table.matches("immutable: true").count(), 2);
        // Only what gets smaller is kept twice.
        assert_eq!(table.matches("gzip: Some").count(), 1);
    }

    #[test]
    fn a_file_of_an_unknown_kind_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("host");
        fs::create_dir(&bundle).unwrap();
        fs::write(bundle.join("notes.doc"), "").unwrap();
        let error = write(&bundle, &dir.path().join("out")).unwrap_err();
        assert!(error.to_string().contains("notes.doc"), "{error}");
    }
}
