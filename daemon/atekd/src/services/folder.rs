//! What stands in a package's folder on this machine: its manifest, and what to execute.

use atek_api::manifest::{self, Manifest, ManifestError};
use atek_api::package::{EntryError, Found, program};
use atek_api::spec::{Program, SpecError};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes of the largest package.json that is read.
const MAX_PACKAGE_JSON: u64 = 1 << 20;

/// What is wrong with a package on this machine.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not a folder that may run as a package.
    #[error(transparent)]
    Forbidden(#[from] SpecError),
    /// It cannot be looked at.
    #[error("cannot look at {}", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file where a folder is needed.
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A file beyond reason.
    #[error("{} is larger than {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        max: u64,
    },
    /// A manifest that is present and wrong.
    #[error("{0}")]
    Manifest(ManifestError),
    /// Nothing to execute.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// It was not installed from here, or not completely.
    #[error("no version of the package is installed")]
    NoVersion,
}

/// A package on this machine.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    /// Its real path.
    pub(super) folder: PathBuf,
    /// The `node_modules` of the nearest parent that has one.
    pub(super) modules: Option<PathBuf>,
    pub(super) manifest: Option<Manifest>,
    pub(super) program: Program,
}

/// Looks at a package. Blocks for as long as the disk does.
pub(super) fn look(folder: &Path) -> Result<Looked, FolderError> {
    let folder = fs::canonicalize(folder).map_err(unreadable(folder))?;
    if !folder.is_dir() {
        return Err(FolderError::NotAFolder(folder));
    }
    let path = folder.join(manifest::FILE_NAME);
    let text = read(&path, manifest::MAX_BYTES as u64)?;
    let manifest = text
        .map(|text| Manifest::parse(&text))
        .transpose()
        .map_err(FolderError::Manifest)?;
    let program = look_program(&folder, manifest.as_ref())?;
    let modules = match program {
        Program::Node { .. } => parent_modules(&folder),
        Program::Native { .. } => None,
    };
    Ok(Looked {
        folder,
        modules,
        manifest,
        program,
    })
}

/// What a package with this manifest executes.
pub(super) fn look_program(
    folder: &Path,
    manifest: Option<&Manifest>,
) -> Result<Program, FolderError> {
    let package_json = read(&folder.join("package.json"), MAX_PACKAGE_JSON)?;
    let found = |path: &atek_api::spec::RelativePath| match folder.join(path.as_str()).metadata() {
        Ok(about) if !about.is_file() => Found::Nothing,
        Ok(about) if about.permissions().mode() & 0o111 != 0 => Found::Executable,
        Ok(_) => Found::File,
        Err(_) => Found::Nothing,
    };
    Ok(program(manifest, package_json.as_deref(), found)?)
}

fn parent_modules(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .skip(1)
        .map(|parent| parent.join("node_modules"))
        // A link would lead elsewhere than its name says.
        .find(|modules| modules.symlink_metadata().is_ok_and(|about| about.is_dir()))
}

/// A small regular file; `None` if there is none.
fn read(path: &Path, max: u64) -> Result<Option<Vec<u8>>, FolderError> {
    // A pipe of this name would never end.
    match path.metadata() {
        Ok(about) if about.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path)(error)),
    }
    let file = File::open(path).map_err(unreadable(path))?;
    let mut content = Vec::new();
    file.take(max + 1)
        .read_to_end(&mut content)
        .map_err(unreadable(path))?;
    if content.len() as u64 > max {
        return Err(FolderError::TooLarge {
            path: path.to_owned(),
            max,
        });
    }
    Ok(Some(content))
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Read {
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn entry(looked: &Looked) -> &str {
        match &looked.program {
            Program::Node { entry, .. } => entry.as_str(),
            Program::Native { path, .. } => path.as_str(),
        }
    }

    #[test]
    fn a_package_is_its_manifest_and_its_program() {
        let with_main = package(&[
            ("package.json", r#"{"main":"lib/x.js"}"#),
            ("lib/x.js", ""),
            ("index.js", ""),
        ]);
        assert_eq!(entry(&look(with_main.path()).unwrap()), "lib/x.js");
        let plain = package(&[("index.js", ""), ("atek.json", r#"{"name":"News"}"#)]);
        let looked = look(plain.path()).unwrap();
        assert_eq!(entry(&looked), "index.js");
        assert_eq!(looked.manifest.unwrap().name.as_deref(), Some("News"));
    }

    #[test]
    fn what_cannot_run_says_why() {
        let empty = package(&[]);
        let error = look(empty.path()).unwrap_err().to_string();
        assert!(
            error.contains("neither package.json \"main\" nor /index.js"),
            "{error}"
        );
        let wrong = package(&[("index.js", ""), ("atek.json", "{\n \"frame\": 1}")]);
        let error = look(wrong.path()).unwrap_err().to_string();
        assert!(error.starts_with("atek.json, line 2"), "{error}");
        let huge = package(&[("index.js", ""), ("atek.json", &" ".repeat(70_000))]);
        assert!(matches!(
            look(huge.path()),
            Err(FolderError::TooLarge { .. })
        ));
        assert!(matches!(
            look(Path::new("/nonexistent")),
            Err(FolderError::Read { .. })
        ));
        let file = package(&[("a", "")]);
        assert!(matches!(
            look(&file.path().join("a")),
            Err(FolderError::NotAFolder(_))
        ));
    }

    #[test]
    fn modules_of_a_parent_folder_are_found_and_a_link_is_not_followed() {
        let workspace = package(&[("apps/one/index.js", ""), ("node_modules/x/index.js", "")]);
        let root = fs::canonicalize(workspace.path()).unwrap();
        let looked = look(&root.join("apps/one")).unwrap();
        assert_eq!(looked.modules, Some(root.join("node_modules")));
        let linked = package(&[("apps/one/index.js", "")]);
        std::os::unix::fs::symlink(&root, linked.path().join("apps/node_modules")).unwrap();
        assert_eq!(look(&linked.path().join("apps/one")).unwrap().modules, None);
    }
}
