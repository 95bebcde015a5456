//! `atek get`: everything about one service.

use super::grants;
use super::list::owner;
use crate::error::Failure;
use crate::host::Host;
use crate::text::table::{Tone, fields, state_word};
use crate::text::{clean, words};
use atek_api::services::{ServiceInfo, SourceType};

pub(super) async fn run(host: &Host, id: &str) -> Result<(), Failure> {
    let (info, answer) = host.service("show", id).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.print(&describe(host, &info))
}

fn describe(host: &Host, info: &ServiceInfo) -> String {
    let settings = &info.settings;
    // The original's first line.
    let mut text = format!(
        "{} ({})\n",
        host.out.paint(Tone::Strong, settings.id.as_str()),
        host.out.paint(Tone::of(info.state), state_word(info.state))
    );
    let clean = |text: &str| clean::line(text).into_owned();
    let mut rows = vec![
        ("Key", info.key.to_string()),
        ("Owner", clean(owner(info))),
        ("Source", clean(&settings.source_url)),
        ("Version", words::version(settings)),
        (
            "Installed",
            match settings.package.source_type {
                SourceType::File => "in place".to_owned(),
                SourceType::Git => match settings.source_url.strip_prefix("catalogue:") {
                    Some(place) => {
                        let name = place.split('/').next().unwrap_or(place);
                        format!("from the catalogue {}", clean(name))
                    }
                    None => "from git".to_owned(),
                },
            },
        ),
        ("Unit", settings.id.unit()),
    ];
    if let Some(signer) = &settings.package.signer {
        rows.push(("Signed with", clean(&signer.to_string())));
    }
    if let Some(reason) = &info.reason {
        rows.insert(0, ("Reason", clean(reason)));
    }
    if let Some(title) = &settings.package.title {
        rows.insert(0, ("Name", clean(title)));
    }
    if let Some(manifest) = &settings.manifest {
        let is_core = info.key.as_str().starts_with("core.");
        grants::manifest_rows(manifest, is_core, &settings.granted, &mut rows);
    }
    rows.extend(grants::rows(settings));
    let limits = words::limits(&settings.limits);
    if !limits.is_empty() {
        rows.push(("Limits", limits.join(", ")));
    }
    if settings.stopped {
        rows.push((
            "Stays stopped",
            format!("until: atek start {}", settings.id),
        ));
    }
    for (key, value) in settings.config.iter().flatten() {
        rows.push(("Setting", format!("{}={}", clean(key), clean(value))));
    }
    text.push_str(&fields(&rows));
    text
}
