//! `atek ls`: one line a service.

use crate::error::Failure;
use crate::host::{Host, ServiceList, read};
use crate::text::clean;
use crate::text::table::{Columns, Tone, state_word};
use atek_api::services::{self, ServiceInfo, SourceType};

pub(super) async fn run(host: &Host) -> Result<(), Failure> {
    let answer = host
        .call(services::API, "list", [(); 0], "list the services")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let mut list = read::<ServiceList>("list", &answer)?.services;
    if list.is_empty() {
        return host
            .out
            .done("nothing is installed, start with: atek install URL");
    }
    in_order(&mut list);
    let mut table = Columns::new(
        host.out.look(),
        &["ID", "STATE", "VERSION", "OWNER", "SOURCE", "REASON"],
    );
    for service in &list {
        let settings = &service.settings;
        table.row([
            (settings.id.as_str(), Tone::Strong),
            (state_word(service.state), Tone::of(service.state)),
            (&clean::line(&version(service)), Tone::Plain),
            (&clean::line(owner(service)), Tone::Plain),
            (&clean::line(&settings.source_url), Tone::Plain),
            (
                &clean::line(service.reason.as_deref().unwrap_or_default()),
                Tone::Dim,
            ),
        ]);
    }
    host.out.print(&table.render())
}

/// Core services first, then by name.
pub(super) fn in_order(list: &mut [ServiceInfo]) {
    list.sort_by(|a, b| {
        let rank = |service: &ServiceInfo| {
            (
                !service.settings.id.is_core(),
                service.settings.id.to_string(),
            )
        };
        rank(a).cmp(&rank(b))
    });
}

fn version(service: &ServiceInfo) -> String {
    let package = &service.settings.package;
    match (&package.installed_version, package.source_type) {
        (Some(version), _) => version.clone(),
        (None, SourceType::File) if !service.settings.id.is_core() => "in place".to_owned(),
        (None, _) => String::new(),
    }
}

/// The owner's name, else the key.
pub(super) fn owner(service: &ServiceInfo) -> &str {
    service
        .owner
        .as_deref()
        .unwrap_or(service.settings.owning_user_key.as_str())
}
