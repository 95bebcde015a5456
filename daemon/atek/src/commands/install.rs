//! `atek install`: from a source to a running app, with the permissions that the person grants.

use super::job::{self, Task};
use super::{grants, logs, search};
use crate::ask;
use crate::cli::apps::Install;
use crate::error::Failure;
use crate::host::Host;
use crate::text::source::{Given, given, looks_like_a_host};
use crate::text::table::{Tone, state_word};
use crate::text::{clean, words};
use atek_api::manifest::{Manifest, Runtime};
use atek_api::package::{SourceToken, Warning};
use atek_api::permission::Permissions;
use atek_api::services::{ConfigureParams, Inspected, InstallParams, ServiceInfo, State};
use atek_api::spec::Limits;
use serde_json::Value;
use std::io;
use std::path::Path;

/// Lines of the log that are shown of an app that does not run.
const LOG_LINES: usize = 20;
/// Lines that are read for them: systemd adds several of its own for each start.
const READ_LINES: u32 = 100;

/// What became of the permissions that the app asks for.
enum Consent {
    /// The person has not been asked, because there was nothing to ask for.
    Open,
    /// Asked for and granted.
    Given(Permissions),
    /// Asked for and not granted.
    Refused,
}

pub(super) async fn run(host: &Host, args: Install) -> Result<(), Failure> {
    let source_url = match search::named(host, &args.source).await? {
        Some(source_url) => source_url,
        None => source_url(host, &args.source)?,
    };
    let token = args.source_token.as_deref().map(ask::source_token);
    let token = token.transpose()?;
    let Looked {
        consent,
        limits,
        inspected,
        warnings,
    } = ask_before(host, &args, &source_url, token.clone()).await?;
    let params = InstallParams {
        adopt_data: args.adopt_data.clone(),
        fresh: args.fresh,
        source_url,
        id: args.id,
        desired_version: args.desired_version,
        user: args.user,
        config: (!args.config.is_empty()).then(|| args.config.into_iter().collect()),
        grant: match &consent {
            Consent::Given(permissions) => Some(permissions.clone()),
            Consent::Open | Consent::Refused => None,
        },
        limits,
        inspected,
        source_token: token,
        port: None,
    };
    let task = Task {
        method: "startInstall",
        action: "install",
        subject: &args.source,
        is_service: false,
    };
    let mut result = job::run(host, task, (params,)).await?;
    let mut info = read_info(&result)?;
    let id = info.settings.id.to_string();
    if !matches!(consent, Consent::Refused) && ask_after(host, &info, args.yes).await? {
        // The record has changed since the job ended.
        let (now, answer) = host.service("show", &id).await?;
        info = now;
        result = serde_json::from_str(answer.get()).map_err(|source| Failure::BadAnswer {
            method: "get",
            source,
        })?;
    }
    // The build, or another package than the one that was looked at, may have added some.
    let new = &info.settings.package.warnings;
    show_warnings(
        host,
        new.iter().filter(|warning| !warnings.contains(warning)),
    );
    if grants::missing(&info.settings).is_some() {
        host.out.note(&format!(
            "not everything is granted; grant it with: atek cfg {id} --grant"
        ));
    }
    if host.out.json {
        job::print_result(host, &result)?;
    } else {
        report(host, &info)?;
    }
    if is_up(info.state) {
        return Ok(());
    }
    show_log(host, &id).await;
    Err(Failure::NotRunning)
}

/// Whether an app that was installed does what it should; a starting one is not there yet.
fn is_up(state: State) -> bool {
    match state {
        State::Running | State::Sleeping => true,
        State::Starting
        | State::Restarting
        | State::Failed
        | State::Stopped
        | State::Unavailable => false,
    }
}

/// Shows the last lines of the log of an app that does not run.
async fn show_log(host: &Host, id: &str) {
    // An app whose log cannot be read is down all the same.
    let Ok(mut lines) = logs::newest(host, id, READ_LINES).await else {
        return;
    };
    let unit = format!("atek-app-{id}.service");
    lines.retain(|line| !line.message.contains(&unit));
    lines.drain(..lines.len().saturating_sub(LOG_LINES));
    if !lines.is_empty() {
        host.out
            .note(&format!("the last lines of its log (atek logs {id}):"));
    }
    for line in lines {
        host.out.note(&format!("  {}", clean::line(&line.message)));
    }
}

fn show_warnings<'w>(host: &Host, warnings: impl IntoIterator<Item = &'w Warning>) {
    for warning in warnings {
        host.out
            .note(&format!("warning: {}", clean::line(&warning.message)));
    }
}

/// Shows which further processes run beside the app.
fn show_services(host: &Host, manifest: &Manifest) {
    for (name, sidecar) in &manifest.services {
        let what = match &sidecar.runtime {
            Runtime::Image { runtime } => runtime.image.to_string(),
            Runtime::Native { .. } | Runtime::Wasm { .. } | Runtime::Node { .. } => {
                "a program of the package".to_owned()
            }
        };
        host.out.note(&format!("beside it runs {name}: {what}"));
    }
}

fn read_info(result: &Value) -> Result<ServiceInfo, Failure> {
    serde_json::from_value(result.clone()).map_err(|source| Failure::BadAnswer {
        method: "install",
        source,
    })
}

/// What is known of a package before it is installed.
struct Looked {
    consent: Consent,
    /// Higher limits that the person allowed.
    limits: Option<Limits>,
    inspected: Option<Inspected>,
    /// Those that were shown.
    warnings: Vec<Warning>,
}

/// Looks at the package, shows what is unusual about it and what it asks for, and asks.
async fn ask_before(
    host: &Host,
    args: &Install,
    source_url: &str,
    token: Option<SourceToken>,
) -> Result<Looked, Failure> {
    let range = args.desired_version.as_deref();
    let action = format!("install {}", args.source);
    let looking = job::Progress::quiet(host, "inspect", "looking at the package");
    let inspection = grants::inspect(host, source_url, range, token, &action).await;
    looking.clear();
    let Some(inspection) = inspection? else {
        return Ok(Looked {
            consent: Consent::Open,
            limits: None,
            inspected: None,
            warnings: Vec::new(),
        });
    };
    let inspected = grants::inspected(&inspection);
    let warnings = inspection.warnings;
    show_warnings(host, &warnings);
    if let Some(signer) = &inspection.signer {
        let signer = clean::line(&signer.to_string()).into_owned();
        host.out
            .note(&format!("signed with {signer}; updates must be, too"));
    }
    if let Some(manifest) = &inspection.manifest {
        show_services(host, manifest);
    }
    let name = inspection
        .manifest
        .as_ref()
        .and_then(|manifest| manifest.name.as_deref())
        .unwrap_or(&args.source);
    let consent = if inspection.asks.is_empty() {
        Consent::Open
    } else if args.yes || grants::ask(host, name, &inspection.asks).await? {
        Consent::Given(inspection.asks)
    } else {
        Consent::Refused
    };
    let wanted = inspection.limits;
    let allowed =
        !wanted.is_default() && (args.yes || grants::ask_limits(host, name, &wanted).await?);
    Ok(Looked {
        consent,
        limits: allowed.then_some(wanted),
        inspected,
        warnings,
    })
}

/// Asks for what the installed package wants and the person was not asked about: it is not the
/// one that was looked at before, or the host could not look. Tells whether anything was granted.
async fn ask_after(host: &Host, info: &ServiceInfo, yes: bool) -> Result<bool, Failure> {
    let settings = &info.settings;
    let Some(missing) = grants::missing(settings) else {
        return Ok(false);
    };
    let id = settings.id.as_str();
    let name = settings.package.title.as_deref().unwrap_or(id);
    if !yes && !grants::ask(host, name, &missing).await? {
        return Ok(false);
    }
    let change = ConfigureParams {
        grant: Some(grants::asked(settings)),
        ..ConfigureParams::default()
    };
    host.on_service("configure", (id, change), "grant this to", id)
        .await?;
    Ok(true)
}

fn report(host: &Host, info: &ServiceInfo) -> Result<(), Failure> {
    let settings = &info.settings;
    let title = settings.package.title.as_deref().unwrap_or_default();
    let mut text = format!(
        "installed {}",
        host.out.paint(Tone::Strong, settings.id.as_str())
    );
    if !title.is_empty() && title != settings.id.as_str() {
        text.push_str(&format!(" ({})", clean::line(title)));
    }
    if settings.package.installed_version.is_some() {
        text.push_str(&format!(" {}", words::version(settings)));
    }
    let state = state_word(info.state);
    text.push_str(&format!(
        ", {}",
        host.out.paint(Tone::of(info.state), state)
    ));
    if let Some(reason) = &info.reason {
        text.push_str(&format!(": {}", clean::line(reason)));
    }
    host.out.done(&text)
}

/// The source as the host takes it: a folder becomes a `file://` URL.
pub(super) fn source_url(host: &Host, source: &str) -> Result<String, Failure> {
    let path = match given(source) {
        Given::Url(url) => return Ok(url.to_owned()),
        Given::Path(path) => Path::new(path),
    };
    let absolute = if host.is_local {
        std::fs::canonicalize(path)
    } else {
        std::path::absolute(path)
    };
    let absolute = absolute.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if looks_like_a_host(source) => Failure::Usage(format!(
            "there is no folder {source}; did you mean https://{source}?"
        )),
        _ => Failure::File {
            action: "find the folder",
            path: path.to_owned(),
            source: error,
        },
    })?;
    if host.is_local && !absolute.is_dir() {
        return Err(Failure::Usage(format!("{source} is not a folder")));
    }
    url::Url::from_file_path(&absolute)
        .map(String::from)
        .map_err(|()| Failure::Usage(format!("{source} is not an absolute path")))
}
