//! `atek system`: what the box is, and what it has left.

use crate::cli::{System, SystemAction};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone, fields};
use crate::text::{clean, size, span};
use atek_api::system::{API, Resources, Security, SystemInfo};
use std::time::Duration;

pub(super) async fn run(host: &Host, args: &System) -> Result<(), Failure> {
    match &args.action {
        Some(SystemAction::Reset { keep_network, yes }) => {
            return super::reset::run(host, *keep_network, *yes).await;
        }
        Some(SystemAction::Move(wanted)) => return super::moving::run(host, wanted).await,
        None => {}
    }
    if args.security {
        return scores(host).await;
    }
    let action = "look at the box";
    let info = host.call(API, "info", [(); 0], action).await?;
    let left = host.call(API, "resources", [(); 0], action).await?;
    if host.out.json {
        let both = serde_json::json!({ "info": info, "resources": left });
        let both = serde_json::value::to_raw_value(&both);
        return host
            .out
            .print_json(&both.map_err(|source| Failure::BadAnswer {
                method: "info",
                source,
            })?);
    }
    host.out
        .print(&describe(&read("info", &info)?, &read("resources", &left)?))
}

fn describe(info: &SystemInfo, left: &Resources) -> String {
    let clean = |text: &str| clean::line(text).into_owned();
    let mut rows = vec![
        ("Name", clean(&info.name)),
        ("Atek", clean(&info.version)),
        (
            "System",
            format!(
                "{}, Linux {} on {}",
                clean(&info.os),
                clean(&info.kernel),
                clean(&info.arch)
            ),
        ),
    ];
    if let Some(model) = &info.model {
        rows.push(("Model", clean(model)));
    }
    rows.push(("Up for", span::format(Duration::from_secs(info.uptime_sec))));
    rows.push(("Time zone", clean(&info.timezone)));
    rows.push(("Disk", part(left.disk.free_bytes, left.disk.total_bytes)));
    rows.push((
        "Memory",
        part(left.memory.available_bytes, left.memory.total_bytes),
    ));
    if left.swap.total_bytes > 0 {
        rows.push(("Swap", part(left.swap.free_bytes, left.swap.total_bytes)));
    }
    let [one, five, fifteen] = left.load;
    rows.push((
        "Load",
        format!("{one:.2} {five:.2} {fifteen:.2} on {} CPUs", left.cpus),
    ));
    if let Some(celsius) = left.temperature_c {
        rows.push(("Temperature", format!("{celsius:.0} °C")));
    }
    for url in &info.urls {
        rows.push(("Open", clean(url)));
    }
    fields(&rows)
}

fn part(free: u64, total: u64) -> String {
    format!("{} free of {}", size::bytes(free), size::bytes(total))
}

async fn scores(host: &Host) -> Result<(), Failure> {
    let answer = host
        .call(API, "security", [(); 0], "score the sandboxes")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let report: Security = read("security", &answer)?;
    let mut table = Columns::new(host.out.look(), &["UNIT", ">EXPOSURE", "MEANS"]);
    for unit in &report.units {
        let tone = match unit.exposure {
            ..=2.0 => Tone::Good,
            ..=5.0 => Tone::Warn,
            _ => Tone::Bad,
        };
        table.row([
            (clean::line(&unit.unit).as_ref(), Tone::Strong),
            (&format!("{:.1}", unit.exposure), tone),
            (&clean::line(&unit.words), Tone::Plain),
        ]);
    }
    host.out.print(&table.render())
}
