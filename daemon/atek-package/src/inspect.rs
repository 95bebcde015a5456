//! What is unusual about a package, found by reading its files: nothing of it runs.

use crate::error::JobError;
use crate::job::{read_manifest_bytes, staging_of};
use crate::npm::read_small;
use atek_api::manifest::Manifest;
use atek_api::package::{EntryError, Found, Warning, has_unusable_interpreter, program};
use atek_api::spec::{Program, RelativePath};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Bytes of a file's start that tell whether its interpreter can be found.
const START_BYTES: u64 = 256;

/// What `package` executes.
pub(crate) fn find_program(
    package: &Path,
    manifest: Option<&Manifest>,
    package_json: Option<&[u8]>,
) -> Result<Program, JobError> {
    let look = |path: &RelativePath| look(&package.join(path.as_str()));
    let program = program(manifest, package_json, look)?;
    if let Program::Native { path, .. } = &program {
        let start = read_small(&package.join(path.as_str()), START_BYTES)
            .map_err(staging_of("read the program"))?;
        if start.is_some_and(|start| has_unusable_interpreter(&start)) {
            return Err(EntryError::CarriageReturn(path.clone()).into());
        }
    }
    Ok(program)
}

fn look(path: &Path) -> Found {
    // Follows links: all of them stay inside.
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => {
            if metadata.permissions().mode() & 0o111 == 0 {
                Found::File
            } else {
                Found::Executable
            }
        }
        _ => Found::Nothing,
    }
}

/// Warns of keys of atek.json that look misspelt.
pub(crate) fn misspelt_keys(package: &Path) -> Result<Vec<Warning>, JobError> {
    let Some(bytes) = read_manifest_bytes(package)? else {
        return Ok(Vec::new());
    };
    Ok(Warning::of_keys(&bytes))
}

/// Warns of an icon that cannot be shown.
pub(crate) fn icon(package: &Path, manifest: Option<&Manifest>) -> Option<Warning> {
    let icon = manifest?.icon.as_ref()?;
    let about = package.join(icon.as_str()).symlink_metadata().ok();
    Warning::of_icon(icon, about.map(|about| (about.is_file(), about.len())))
}
