//! What apps ask for and what they were granted.

use crate::error::Failure;
use crate::text::clean;
use crate::{ask, host::Host};
use atek_api::manifest::{FILE_NAME, MAX_BYTES, Manifest, Runtime};
use atek_api::permission::Permissions;
use atek_api::services::ServiceSettings;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Everything that the app's manifest asks for.
pub(super) fn asked(settings: &ServiceSettings) -> Permissions {
    settings
        .manifest
        .as_ref()
        .map(|manifest| manifest.permissions.clone())
        .unwrap_or_default()
}

/// What it asks for and was not granted; none when there is nothing.
pub(super) fn missing(settings: &ServiceSettings) -> Option<Permissions> {
    let missing = asked(settings).new_beyond(&settings.granted);
    (!missing.is_empty()).then_some(missing)
}

/// Shows what an app asks for, and asks whether to grant it.
///
/// Without a terminal nothing is granted: silence is not consent.
pub(super) fn ask(host: &Host, name: &str, asked: &Permissions) -> Result<bool, Failure> {
    host.out.note(&format!("{name} asks to:"));
    for line in asked.describe() {
        host.out.note(&format!("  - {line}"));
    }
    if !ask::somebody_is_there() {
        host.out
            .note("there is nobody to ask, so this is not granted");
        return Ok(false);
    }
    ask::confirm("Grant this?")
}

/// The manifest of a package in a folder of this machine.
///
/// Only to ask the person before anything is installed: none where it cannot be
/// read, and the host, which reads it again, says what is wrong with it.
pub(super) fn of_folder(folder: &Path) -> Option<Manifest> {
    let path = folder.join(FILE_NAME);
    // A pipe or device of that name would be read for ever.
    if !std::fs::metadata(&path).ok()?.is_file() {
        return None;
    }
    let limit = u64::try_from(MAX_BYTES).ok()?.saturating_add(1);
    let mut bytes = Vec::new();
    File::open(&path)
        .ok()?
        .take(limit)
        .read_to_end(&mut bytes)
        .ok()?;
    Manifest::parse(&bytes).ok()
}

/// Asked and granted permissions, a row each.
pub(super) fn rows(settings: &ServiceSettings) -> Vec<(&'static str, String)> {
    let granted = settings
        .granted
        .describe()
        .into_iter()
        .map(|line| ("Granted", line));
    let missing = missing(settings)
        .map(|missing| missing.describe())
        .unwrap_or_default();
    let missing = missing.into_iter().map(|line| ("Not granted", line));
    granted
        .chain(missing)
        .map(|(name, line)| (name, clean::line(&line).into_owned()))
        .collect()
}

/// What the manifest tells about the app.
pub(super) fn manifest_rows(manifest: &Manifest, rows: &mut Vec<(&str, String)>) {
    let texts = [
        ("Description", &manifest.description),
        ("Author", &manifest.author),
        ("License", &manifest.license),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            rows.push((name, clean::line(text).into_owned()));
        }
    }
    let runtime = match manifest.runtime {
        Runtime::Node { .. } => "node",
        Runtime::Native { .. } => "native",
    };
    rows.push(("Runtime", runtime.to_owned()));
    for export in &manifest.exports {
        let transport = match export.transport() {
            atek_api::manifest::Transport::Rpc => "rpc",
            atek_api::manifest::Transport::Proxy => "proxy",
        };
        let text = format!("{} ({transport}, {})", export.api(), export.path());
        rows.push(("Provides", clean::line(&text).into_owned()));
    }
}
