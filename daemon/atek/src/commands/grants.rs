//! What apps ask for and what they were granted.

use crate::ask;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::clean;
use atek_api::manifest::{Manifest, Runtime, Transport};
use atek_api::package::SourceToken;
use atek_api::permission::Permissions;
use atek_api::services::{self, Inspected, Inspection, InstallParams, ServiceSettings};
use atek_api::spec::Limits;
use atek_rpc::client::CallError;

const METHOD: &str = "inspect";

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
pub(super) async fn ask(host: &Host, name: &str, asked: &Permissions) -> Result<bool, Failure> {
    host.out.note(&format!("{name} asks to:"));
    for line in asked.describe() {
        host.out.note(&format!("  - {line}"));
    }
    if !ask::somebody_is_there() {
        host.out
            .note("there is no terminal to ask at, so this is not granted");
        return Ok(false);
    }
    ask::confirm("Grant this?").await
}

/// Shows which higher limits an app wants, and asks whether to allow them.
///
/// As [`ask()`] without a terminal.
pub(super) async fn ask_limits(host: &Host, name: &str, limits: &Limits) -> Result<bool, Failure> {
    host.out
        .note(&format!("{name} wants more of the box than usual, to:"));
    for line in limits.describe() {
        host.out.note(&format!("  - {line}"));
    }
    if !ask::somebody_is_there() {
        host.out
            .note("there is no terminal to ask at, so this is not allowed");
        return Ok(false);
    }
    ask::confirm("Allow this?").await
}

/// What to install, and nothing else; none of a folder, or from a host that is too old to
/// promise it.
pub(super) fn inspected(inspection: &Inspection) -> Option<Inspected> {
    Some(Inspected {
        version: inspection.version.clone()?,
        commit: inspection.commit.clone()?,
    })
}

/// Looks at a package without installing it; none if the host is too old to do that.
pub(super) async fn inspect(
    host: &Host,
    source_url: &str,
    range: Option<&str>,
    token: Option<SourceToken>,
    action: &str,
) -> Result<Option<Inspection>, Failure> {
    let params = InstallParams {
        adopt_data: None,
        fresh: false,
        source_url: source_url.to_owned(),
        id: None,
        desired_version: range.map(str::to_owned),
        user: None,
        config: None,
        grant: None,
        limits: None,
        inspected: None,
        source_token: token,
        port: None,
    };
    match host.client.call(services::API, METHOD, (params,)).await {
        Ok(answer) => read(METHOD, &answer).map(Some),
        Err(CallError::Rpc(error)) if error.message == format!("Method not found: {METHOD}") => {
            Ok(None)
        }
        Err(source) => Err(Failure::Call {
            action: action.to_owned(),
            source: Box::new(source),
        }),
    }
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

/// What the manifest tells about the app. Ids of Atek's own are provided by core services alone.
pub(super) fn manifest_rows(
    manifest: &Manifest,
    is_core: bool,
    granted: &Permissions,
    rows: &mut Vec<(&str, String)>,
) {
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
        Runtime::Wasm { .. } => "WebAssembly",
        Runtime::Image { .. } => "container image",
    };
    rows.push(("Runtime", runtime.to_owned()));
    for export in &manifest.exports {
        let transport = match export.transport() {
            Transport::Rpc => "rpc",
            Transport::Proxy => "proxy",
        };
        let text = format!("{} ({transport}, {})", export.api(), export.path());
        let is_chosen = granted.provides.contains(export.api());
        let is_provided = is_core || is_chosen || !export.api().is_core();
        let name = if is_provided {
            "Provides"
        } else {
            "Not provided"
        };
        rows.push((name, clean::line(&text).into_owned()));
    }
}
