//! `atek status`: the whole box, or one service as `systemctl status` shows a unit.

use super::list::{in_order, owner};
use super::{claim, keys, logs};
use crate::cli::apps::Status;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone, fields, state_word};
use crate::text::{clean, size, span, time, words};
use atek_api::services::{self, ServiceInfo, ServiceStatus, State};
use atek_api::spec::Limits;
use atek_api::system::{self, Resources};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

pub(super) async fn run(host: &Host, args: &Status) -> Result<(), Failure> {
    match &args.id {
        Some(id) => one(host, id, args.lines).await,
        None => all(host).await,
    }
}

/// One service, with its newest log lines.
async fn one(host: &Host, id: &str, lines: u32) -> Result<(), Failure> {
    let answer = host.on_service("status", (id,), "show", id).await?;
    let status: ServiceStatus = read("status", &answer)?;
    if host.out.json {
        host.out.print_json(&answer)?;
    } else {
        let (info, _) = host.service("show", id).await?;
        host.out.print(&describe(host, &info, &status))?;
        if lines > 0 {
            print_log(host, id, lines).await?;
        }
    }
    if is_up(status.state) {
        Ok(())
    } else {
        Err(Failure::NotRunning)
    }
}

/// A sleeping service answers its next call: it is as good as running.
fn is_up(state: State) -> bool {
    match state {
        State::Running | State::Sleeping => true,
        State::Stopped
        | State::Starting
        | State::Restarting
        | State::Failed
        | State::Unavailable => false,
    }
}

/// The log is an extra: that it cannot be read does not hide the status.
async fn print_log(host: &Host, id: &str, lines: u32) -> Result<(), Failure> {
    match logs::newest(host, id, lines).await {
        Ok(entries) if entries.is_empty() => Ok(()),
        Ok(entries) => {
            let text: String = entries
                .iter()
                .map(|entry| logs::format(host, entry))
                .collect();
            host.out.print(&format!("\n{text}"))
        }
        Err(failure) => {
            host.out.note(&format!("({})", failure.account()));
            Ok(())
        }
    }
}

fn describe(host: &Host, info: &ServiceInfo, status: &ServiceStatus) -> String {
    let (tone, settings) = (Tone::of(status.state), &info.settings);
    let name = settings.package.title.as_deref().unwrap_or_default();
    let mut text = format!(
        "{} {}",
        host.out.paint(tone, "●"),
        host.out.paint(Tone::Strong, settings.id.as_str())
    );
    if !name.is_empty() && name != settings.id.as_str() {
        text.push_str(&format!(" - {}", clean::line(name)));
    }
    text.push('\n');

    let mut state = host.out.paint(tone, state_word(status.state));
    if let Some(reason) = &status.reason {
        state.push_str(&format!(" ({})", clean::line(reason)));
    }
    if let Some(since) = &status.since {
        state.push_str(&format!(
            " since {}",
            time::with_age(since, host.now(), &host.zone)
        ));
    }
    let mut rows = vec![
        ("State", state),
        ("Version", words::version(settings)),
        ("Source", clean::line(&settings.source_url).into_owned()),
        ("Owner", clean::line(owner(info)).into_owned()),
        ("Unit", clean::line(&status.unit).into_owned()),
    ];
    if let Some(pid) = status.pid {
        rows.push(("Main PID", pid.to_string()));
    }
    if let Some(bytes) = status.memory_bytes {
        rows.push((
            "Memory",
            with_limit(
                size::bytes(bytes),
                status.limits.memory_max.map(size::limit),
            ),
        ));
    }
    if let Some(micros) = status.cpu_usec {
        let quota = status.limits.cpu_quota.map(|percent| format!("{percent}%"));
        rows.push(("CPU", with_limit(span::format_cpu(micros), quota)));
    }
    // Those with a reading of their own have been told beside it.
    let others = Limits {
        memory_max: None,
        cpu_quota: None,
        ..status.limits
    };
    let others = words::limits(&others);
    if !others.is_empty() {
        rows.push(("Limits", others.join(", ")));
    }
    if status.restarts > 0 {
        rows.push(("Restarts", status.restarts.to_string()));
    }
    if let Some(exit) = &status.last_exit {
        rows.push(("Last exit", clean::line(exit).into_owned()));
    }
    text.push_str(&indented(&fields(&rows)));
    text
}

fn with_limit(value: String, limit: Option<String>) -> String {
    match limit {
        Some(limit) => format!("{value} (limit {limit})"),
        None => value,
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// All services with what they use.
async fn all(host: &Host) -> Result<(), Failure> {
    let answer = host
        .call(services::API, "list", [(); 0], "list the services")
        .await?;
    let mut list = read::<crate::host::ServiceList>("list", &answer)?.services;
    in_order(&mut list);
    if host.out.json {
        return print_all_json(host, &list).await;
    }
    host.out.print(&summary(host, &list))?;
    if let Some(how) = claim::how(host).await {
        host.out.print(&how)?;
    }
    for line in storage(host).await {
        host.out.print(&line)?;
    }
    if let Some(line) = keys::reminder(host).await {
        let mark = host.out.paint(Tone::Warn, "!");
        host.out.print(&format!("{mark} {line}\n"))?;
    }
    if list.is_empty() {
        return Ok(());
    }
    let mut table = Columns::new(
        host.out.look(),
        &[
            "ID",
            "STATE",
            "SINCE",
            ">MEMORY",
            ">CPU",
            ">RESTARTS",
            "REASON",
        ],
    );
    for service in &list {
        let id = service.settings.id.as_str();
        // A service can go while this asks for one after the other.
        let Ok(answer) = host.on_service("status", (id,), "show", id).await else {
            continue;
        };
        let status: ServiceStatus = read("status", &answer)?;
        table.row([
            (id, Tone::Strong),
            (state_word(status.state), Tone::of(status.state)),
            (
                &time::age_of(status.since.as_deref(), host.now()),
                Tone::Plain,
            ),
            (
                &status.memory_bytes.map(size::bytes).unwrap_or_default(),
                Tone::Plain,
            ),
            (
                &status.cpu_usec.map(span::format_cpu).unwrap_or_default(),
                Tone::Plain,
            ),
            (
                &status.restarts.to_string(),
                if status.restarts > 0 {
                    Tone::Warn
                } else {
                    Tone::Plain
                },
            ),
            (
                &clean::line(status.reason.as_deref().unwrap_or_default()),
                Tone::Dim,
            ),
        ]);
    }
    host.out.print(&format!("\n{}", table.render()))
}

/// What is wrong with disks, for those who may know.
async fn storage(host: &Host) -> Vec<String> {
    let action = "look at the disks";
    let Ok(answer) = host.call(system::API, "resources", [(); 0], action).await else {
        return Vec::new();
    };
    let problems = read::<Resources>("resources", &answer).map(|found| found.storage);
    let lines = problems.unwrap_or_default().into_iter().map(|problem| {
        let mark = host.out.paint(Tone::Bad, "!");
        let (disk, text) = (clean::line(&problem.disk), clean::line(&problem.text));
        format!("{mark} {disk}: {text}\n")
    });
    lines.collect()
}

/// `● Atek is running: 5 services, 4 running, 1 failed`
fn summary(host: &Host, list: &[ServiceInfo]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for service in list {
        *counts.entry(state_word(service.state)).or_default() += 1;
    }
    let failed = list.iter().any(|service| service.state == State::Failed);
    let (tone, word) = if failed {
        (Tone::Bad, "degraded")
    } else {
        (Tone::Good, "running")
    };
    let counts: Vec<String> = counts
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let mut text = format!(
        "{} Atek is {}: {}",
        host.out.paint(tone, "●"),
        host.out.paint(tone, word),
        words::count(list.len(), "service")
    );
    if !counts.is_empty() {
        text.push_str(&format!(" ({})", counts.join(", ")));
    }
    text.push('\n');
    text
}

/// A JSON array of what `status` answers for each service.
async fn print_all_json(host: &Host, list: &[ServiceInfo]) -> Result<(), Failure> {
    let mut answers: Vec<Box<RawValue>> = Vec::new();
    for service in list {
        let id = service.settings.id.as_str();
        if let Ok(answer) = host.on_service("status", (id,), "show", id).await {
            answers.push(answer);
        }
    }
    let array = serde_json::value::to_raw_value(&answers).map_err(|source| Failure::BadAnswer {
        method: "status",
        source,
    })?;
    host.out.print_json(&array)
}
