//! Which file of a package is executed.

use crate::manifest::{Manifest, Runtime};
use crate::spec::{Program, RelativePath};

/// Why nothing can be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The original's words.
    #[error("Package issue: neither package.json \"main\" nor /index.js could be found.")]
    NoNodeEntry,
    /// The manifest names a file that is not there.
    #[error("the package has no file {0}, which its atek.json names as \"entry\"")]
    Missing(RelativePath),
    /// The file of a native app is not executable.
    #[error(
        "the file {0} of the package is not executable: set its mode to 755 in git (git update-index --chmod=+x {0})"
    )]
    NotExecutable(RelativePath),
    /// package.json is not a JSON object, or its `main` not a text.
    #[error("package.json: {0}")]
    PackageJson(String),
}

/// What the caller found at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No regular file.
    Nothing,
    /// A file.
    File,
    /// A file that may be executed.
    Executable,
}

/// The program of a package: the manifest's entry, or else package.json's `main`, or
/// else `index.js`. `look` tells what stands at a path of the package.
///
/// # Errors
///
/// See [`EntryError`]; a `main` that names no file is passed over, as the original does.
pub fn program(
    manifest: Option<&Manifest>,
    package_json: Option<&[u8]>,
    look: impl Fn(&RelativePath) -> Found,
) -> Result<Program, EntryError> {
    match manifest.map(|manifest| &manifest.runtime) {
        Some(Runtime::Native { entry, args }) => match look(entry) {
            Found::Nothing => Err(EntryError::Missing(entry.clone())),
            Found::File => Err(EntryError::NotExecutable(entry.clone())),
            Found::Executable => Ok(Program::Native {
                path: entry.clone(),
                args: args.clone(),
            }),
        },
        Some(Runtime::Node { entry: Some(entry) }) => match look(entry) {
            Found::Nothing => Err(EntryError::Missing(entry.clone())),
            Found::File | Found::Executable => Ok(Program::Node {
                entry: entry.clone(),
            }),
        },
        Some(Runtime::Node { entry: None }) | None => {
            let main = package_json.map(main_of).transpose()?.flatten();
            let candidates = main.iter().flat_map(|main| {
                // As Node resolves a script that is given without its ending.
                [
                    main.clone(),
                    format!("{main}.js"),
                    format!("{main}/index.js"),
                ]
            });
            candidates
                .chain(["index.js".to_owned()])
                .filter_map(|path| path.parse().ok())
                .find(|path| look(path) != Found::Nothing)
                .map(|entry| Program::Node { entry })
                .ok_or(EntryError::NoNodeEntry)
        }
    }
}

fn main_of(package_json: &[u8]) -> Result<Option<String>, EntryError> {
    let text = package_json
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(package_json);
    let package: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(text).map_err(|error| EntryError::PackageJson(error.to_string()))?;
    match package.get("main") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(main)) => Ok(Some(main.clone())),
        Some(_) => Err(EntryError::PackageJson(
            "\"main\" must be a text".to_owned(),
        )),
    }
}
