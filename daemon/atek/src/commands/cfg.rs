//! `atek cfg`: show or change a service's settings.

use super::{grants, install};
use crate::ask;
use crate::cli::apps::Cfg;
use crate::error::Failure;
use crate::host::Host;
use crate::text::table::fields;
use crate::text::{clean, words};
use atek_api::permission::Permissions;
use atek_api::secret::Secret;
use atek_api::services::{ConfigureParams, ServiceInfo, ServiceSettings};
use atek_api::spec::Limits;
use std::collections::BTreeMap;

const ACTION: &str = "configure";

pub(super) async fn run(host: &Host, args: Cfg) -> Result<(), Failure> {
    if args.port.is_some() {
        host.out
            .note("--port has no effect: the host gives every app its address");
    }
    let id = args.service.clone();
    let wants_grant = args.grant;
    let (allow, deny) = (args.allow.clone(), args.deny.clone());
    let Some(mut change) = change(host, args)? else {
        let (info, answer) = host.service("show", &id).await?;
        return if host.out.json {
            host.out.print_json(&answer)
        } else {
            host.out.print(&describe(&info))
        };
    };
    if wants_grant {
        let (info, _) = host.service("show", &id).await?;
        change.grant = Some(grants::asked(&info.settings));
        for line in grants::missing(&info.settings)
            .iter()
            .flat_map(Permissions::describe)
        {
            host.out.note(&format!("granted: {line}"));
        }
    }
    if !allow.is_empty() || !deny.is_empty() {
        let (info, _) = host.service("show", &id).await?;
        let allowed = allow
            .iter()
            .fold(info.settings.granted, |granted, more| granted.union(more));
        let left = deny
            .iter()
            .fold(allowed, |granted, less| granted.new_beyond(less));
        change.grant = Some(left);
    }
    // Limits, grants and a new id take effect at once; the environment as in the original.
    let needs_restart = change.config.is_some();
    let new_id = change.id.clone();
    let answer = host
        .on_service("configure", (&id, change), ACTION, &id)
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    if needs_restart {
        let id = new_id.unwrap_or(id);
        host.out.note(&format!(
            "takes effect at the next start: atek restart {id}"
        ));
    }
    Ok(())
}

/// What the flags change; none when there are none.
fn change(host: &Host, args: Cfg) -> Result<Option<ConfigureParams>, Failure> {
    let limits = Limits {
        memory_max: args.memory,
        tasks_max: args.tasks,
        cpu_quota: args.cpu,
        cpu_weight: args.cpu_weight,
    };
    let mut config: BTreeMap<String, Option<String>> = args
        .config
        .into_iter()
        .map(|(key, value)| (key, Some(value)))
        .collect();
    for key in args.unset {
        if config.insert(key.clone(), None).is_some() {
            return Err(Failure::Usage(format!("{key} is both set and unset")));
        }
    }
    let source_url = args
        .source_url
        .map(|source| install::source_url(host, &source))
        .transpose()?;
    let change = ConfigureParams {
        id: args.id,
        source_url,
        // Here the host takes the empty text for "the newest release".
        desired_version: args.desired_version.map(|range| {
            if range == "latest" {
                String::new()
            } else {
                range
            }
        }),
        config: (!config.is_empty()).then_some(config),
        limits: (!limits.is_default()).then_some(limits),
        grant: args.revoke.then(Permissions::default),
        source_token: match &args.source_token {
            Some(file) => Some(Secret::from(ask::source_token(file)?)),
            None => args.no_source_token.then(|| Secret::new("")),
        },
        port: None,
    };
    let is_empty = change.id.is_none()
        && change.source_url.is_none()
        && change.desired_version.is_none()
        && change.config.is_none()
        && change.limits.is_none()
        && change.grant.is_none()
        && change.source_token.is_none()
        && !args.grant
        && args.allow.is_empty()
        && args.deny.is_empty();
    Ok(if is_empty { None } else { Some(change) })
}

/// The settings that can be changed, and the environment in a form that shells read.
fn describe(info: &ServiceInfo) -> String {
    let settings: &ServiceSettings = &info.settings;
    let limits = words::limits(&settings.limits);
    let range = settings
        .desired_version
        .as_deref()
        .filter(|range| !range.is_empty());
    let mut rows = vec![
        ("Id", settings.id.to_string()),
        ("Source", clean::line(&settings.source_url).into_owned()),
        (
            "Desired version",
            clean::line(range.unwrap_or("latest")).into_owned(),
        ),
        (
            "Limits",
            if limits.is_empty() {
                "default".to_owned()
            } else {
                limits.join(", ")
            },
        ),
    ];
    rows.extend(grants::rows(settings));
    let mut text = fields(&rows);
    let config = settings.config.iter().flatten();
    let lines: String = config
        .map(|(key, value)| format!("{}={}\n", clean::line(key), clean::line(value)))
        .collect();
    if !lines.is_empty() {
        text.push('\n');
        text.push_str(&lines);
    }
    text
}
