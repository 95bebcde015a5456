//! Reads a package's folder on this machine: its manifest, and what to execute.

use atek_api::manifest::{self, Manifest, ManifestError};
use atek_api::package::{EntryError, Found, Warning, has_unusable_interpreter, program};
use atek_api::spec::{Program, SpecError};
use nix::fcntl::OFlag;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes of a program's start that tell whether its interpreter can be found.
const START_BYTES: u64 = 256;
/// Bytes of the largest package.json that is read.
const MAX_PACKAGE_JSON: u64 = 1 << 20;

/// A package on this machine cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not a folder that may run as a package.
    #[error(transparent)]
    Forbidden(#[from] SpecError),
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
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
    /// A file that is too large.
    #[error("{} is larger than {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        max: u64,
    },
    /// The manifest is wrong.
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
pub(super) struct PackageFolder {
    /// Its real path.
    pub(super) folder: PathBuf,
    /// The `node_modules` of the nearest parent that has one.
    pub(super) modules: Option<PathBuf>,
    pub(super) manifest: Option<Manifest>,
    pub(super) program: Program,
}

/// Reads a package. Blocks for as long as the disk does.
pub(super) fn read(folder: &Path) -> Result<PackageFolder, FolderError> {
    let folder = fs::canonicalize(folder).map_err(unreadable(folder))?;
    if !folder.is_dir() {
        return Err(FolderError::NotAFolder(folder));
    }
    let path = folder.join(manifest::FILE_NAME);
    let text = read_small(&path, manifest::MAX_BYTES as u64)?;
    let manifest = text
        .map(|text| Manifest::parse(&text))
        .transpose()
        .map_err(FolderError::Manifest)?;
    let program = find_program(&folder, manifest.as_ref())?;
    if let Program::Native { path, .. } = &program
        && has_unusable_interpreter(&start_of(&folder.join(path.as_str())))
    {
        return Err(EntryError::CarriageReturn(path.clone()).into());
    }
    let modules = match program {
        Program::Node { .. } | Program::Script { .. } => parent_modules(&folder),
        Program::Native { .. } | Program::Wasm { .. } | Program::Image { .. } => None,
    };
    Ok(PackageFolder {
        folder,
        modules,
        manifest,
        program,
    })
}

/// What may be wrong with a package that can run all the same: what a fetched one is warned of, as
/// far as it concerns a folder that is not built. Blocks for as long as the disk does.
pub(super) fn warnings(package: &PackageFolder) -> Result<Vec<Warning>, FolderError> {
    let folder = &package.folder;
    let manifest = read_small(
        &folder.join(manifest::FILE_NAME),
        manifest::MAX_BYTES as u64,
    )?;
    let mut warnings = Warning::of_keys(&manifest.unwrap_or_default());
    if let Some(icon) = package.manifest.as_ref().and_then(|m| m.icon.as_ref()) {
        let about = folder.join(icon.as_str()).symlink_metadata().ok();
        let found = about.map(|about| (about.is_file(), about.len()));
        warnings.extend(Warning::of_icon(icon, found));
    }
    let is_node = matches!(
        package.program,
        Program::Node { .. } | Program::Script { .. }
    );
    if is_node && package.modules.is_none() && !folder.join("node_modules").is_dir() {
        let package_json = read_small(&folder.join("package.json"), MAX_PACKAGE_JSON)?;
        let package_json = package_json.unwrap_or_default();
        warnings.extend(Warning::of_missing_dependencies(&package_json));
    }
    Ok(Warning::bounded(warnings))
}

/// What a package with this manifest executes.
pub(super) fn find_program(
    folder: &Path,
    manifest: Option<&Manifest>,
) -> Result<Program, FolderError> {
    let package_json = read_small(&folder.join("package.json"), MAX_PACKAGE_JSON)?;
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

/// The first bytes of a file; nothing of one that cannot be read.
fn start_of(path: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    let flags = OFlag::O_NONBLOCK.bits();
    let file = File::options().read(true).custom_flags(flags).open(path);
    if let Ok(file) = file
        && file.metadata().is_ok_and(|about| about.is_file())
    {
        // What was read until then is looked at.
        let _ = file.take(START_BYTES).read_to_end(&mut start);
    }
    start
}

/// A small regular file; `None` if there is none.
fn read_small(path: &Path, max: u64) -> Result<Option<Vec<u8>>, FolderError> {
    // A link could lead to a file that only the host may read; a pipe would never end.
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = match File::options().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path)(error)),
    };
    if !file.metadata().map_err(unreadable(path))?.is_file() {
        return Ok(None);
    }
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
    use atek_api::package::WarningCode;

    fn package(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn entry(found: &PackageFolder) -> &str {
        match &found.program {
            Program::Node { entry, .. } => entry.as_str(),
            Program::Native { path, .. } | Program::Wasm { path, .. } => path.as_str(),
            Program::Script { line, .. } => line,
            Program::Image { argv, .. } => &argv[0],
        }
    }

    #[test]
    fn a_package_is_its_manifest_and_its_program() {
        let with_main = package(&[
            ("package.json", r#"{"main":"lib/x.js"}"#),
            ("lib/x.js", ""),
            ("index.js", ""),
        ]);
        assert_eq!(entry(&read(with_main.path()).unwrap()), "lib/x.js");
        let plain = package(&[("index.js", ""), ("atek.json", r#"{"name":"News"}"#)]);
        let found = read(plain.path()).unwrap();
        assert_eq!(entry(&found), "index.js");
        assert_eq!(found.manifest.unwrap().name.as_deref(), Some("News"));
    }

    #[test]
    fn what_cannot_run_says_why() {
        let empty = package(&[]);
        let error = read(empty.path()).unwrap_err().to_string();
        assert!(
            error.contains("neither package.json \"main\" nor /index.js"),
            "{error}"
        );
        let wrong = package(&[("index.js", ""), ("atek.json", "{\n \"frame\": 1}")]);
        let error = read(wrong.path()).unwrap_err().to_string();
        assert!(error.starts_with("atek.json, line 2"), "{error}");
        let huge = package(&[("index.js", ""), ("atek.json", &" ".repeat(70_000))]);
        assert!(matches!(
            read(huge.path()),
            Err(FolderError::TooLarge { .. })
        ));
        assert!(matches!(
            read(Path::new("/nonexistent")),
            Err(FolderError::Read { .. })
        ));
        let linked = package(&[("index.js", ""), ("other.json", r#"{"name":"News"}"#)]);
        std::os::unix::fs::symlink("other.json", linked.path().join("atek.json")).unwrap();
        assert!(matches!(read(linked.path()), Err(FolderError::Read { .. })));
        let file = package(&[("a", "")]);
        assert!(matches!(
            read(&file.path().join("a")),
            Err(FolderError::NotAFolder(_))
        ));
    }

    #[test]
    fn a_folder_is_warned_of_as_a_release_would_be() {
        let codes = |files: &[(&str, &str)]| {
            let folder = package(files);
            let found = warnings(&read(folder.path()).unwrap()).unwrap();
            found.iter().map(|warning| warning.code).collect::<Vec<_>>()
        };
        let needs = r#"{"main":"index.js","dependencies":{"ws":"8"}}"#;
        for (files, expected) in [
            (&[("index.js", "")][..], &[][..]),
            (
                &[
                    ("index.js", ""),
                    ("atek.json", r#"{"permisions":{},"icon":"icon.png"}"#),
                ],
                &[WarningCode::UnknownKey, WarningCode::Icon],
            ),
            (
                &[
                    ("index.js", ""),
                    ("atek.json", r#"{"icon":"icon.svg"}"#),
                    ("icon.svg", "<svg/>"),
                ],
                &[],
            ),
            (
                &[("index.js", ""), ("package.json", needs)],
                &[WarningCode::DependenciesMissing],
            ),
            (
                &[
                    ("index.js", ""),
                    ("package.json", needs),
                    ("node_modules/ws/index.js", ""),
                ],
                &[],
            ),
        ] {
            assert_eq!(codes(files), expected, "{files:?}");
        }
    }

    #[test]
    fn a_program_with_line_ends_of_windows_is_named() {
        let folder = package(&[
            ("atek.json", r#"{"runtime":"native","entry":"run"}"#),
            ("run", "#!/bin/sh\r\nexec sleep 1\r\n"),
        ]);
        let run = folder.path().join("run");
        fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            read(folder.path()),
            Err(FolderError::Entry(EntryError::CarriageReturn(_)))
        ));
    }

    #[test]
    fn modules_of_a_parent_folder_are_found_and_a_link_is_not_followed() {
        let workspace = package(&[("apps/one/index.js", ""), ("node_modules/x/index.js", "")]);
        let root = fs::canonicalize(workspace.path()).unwrap();
        let found = read(&root.join("apps/one")).unwrap();
        assert_eq!(found.modules, Some(root.join("node_modules")));
        let linked = package(&[("apps/one/index.js", "")]);
        std::os::unix::fs::symlink(&root, linked.path().join("apps/node_modules")).unwrap();
        assert_eq!(read(&linked.path().join("apps/one")).unwrap().modules, None);
    }
}
