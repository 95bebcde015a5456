//! What is unusual about a package, found by reading its files: nothing of it runs.

use crate::error::JobError;
use crate::job::{read_manifest_bytes, staging_of};
use crate::npm::read_small;
use atek_api::manifest::Manifest;
use atek_api::package::{
    EntryError, Found, Warning, WarningCode, has_unusable_interpreter, program,
};
use atek_api::spec::{Program, RelativePath};
use atek_api::version::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

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

/// Warns where package.json asks for another version of Node than this machine has.
pub(crate) fn engine(wanted: Option<&str>) -> Option<Warning> {
    let wanted = wanted?;
    let range: Range = wanted.parse().ok()?;
    let installed = node_version()?;
    if range.is_any() || range.matches(&installed) {
        return None;
    }
    let wanted: String = wanted
        .chars()
        .filter(|c| !c.is_control())
        .take(60)
        .collect();
    let message = format!(
        "the package asks for Node {wanted}, and this machine has {installed}: it may fail to start"
    );
    Some(Warning::new(WarningCode::Engines, message))
}

fn node_version() -> Option<semver::Version> {
    let output = Command::new("node")
        .arg("--version")
        .env_clear()
        .env("PATH", crate::npm::PATH)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().strip_prefix('v')?.parse().ok()
}
