//! `atek top`: which service uses how much, busiest first.

use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::size;
use crate::text::table::{Columns, Tone};
use atek_api::ids::ServiceId;
use atek_api::metrics::{MetricsOptions, Series, ServiceSample};
use atek_api::services::State;
use serde::Serialize;

/// Milliseconds: the host samples every ten seconds, so this has the newest one.
const RECENT: i64 = 25_000;

#[derive(Serialize)]
struct Row {
    id: ServiceId,
    #[serde(flatten)]
    sample: ServiceSample,
}

pub(super) async fn run(host: &Host) -> Result<(), Failure> {
    let since = Some(host.now().as_millisecond() - RECENT);
    let mut rows = Vec::new();
    for service in host.services().await? {
        if service.state != State::Running {
            continue;
        }
        let id = service.settings.id;
        let params = (id.as_str(), MetricsOptions { since });
        // A service can go while this asks for one after the other.
        let Ok(answer) = host
            .on_service("metrics", params, "measure", id.as_str())
            .await
        else {
            continue;
        };
        let series: Series<ServiceSample> = read("metrics", &answer)?;
        if let Some(sample) = series.samples.last().copied() {
            rows.push(Row { id, sample });
        }
    }
    let busy = |row: &Row| {
        (
            row.sample.cpu_percent.unwrap_or_default(),
            row.sample.memory_bytes,
        )
    };
    rows.sort_by(|a, b| {
        let (a, b) = (busy(a), busy(b));
        b.0.total_cmp(&a.0).then(b.1.cmp(&a.1))
    });
    if host.out.json {
        let rows = serde_json::value::to_raw_value(&rows);
        return host
            .out
            .print_json(&rows.map_err(|source| Failure::BadAnswer {
                method: "metrics",
                source,
            })?);
    }
    if rows.is_empty() {
        return host
            .out
            .done("nothing is measured yet, try again in ten seconds");
    }
    let mut table = Columns::new(host.out.look(), &["ID", ">CPU", ">MEMORY", ">TASKS"]);
    for Row { id, sample } in &rows {
        let number = |value: Option<String>| value.unwrap_or_default();
        table.row([
            (id.as_str(), Tone::Strong),
            (
                &number(sample.cpu_percent.map(|cpu| format!("{cpu:.1}%"))),
                Tone::Plain,
            ),
            (&number(sample.memory_bytes.map(size::bytes)), Tone::Plain),
            (
                &number(sample.tasks.map(|tasks| tasks.to_string())),
                Tone::Plain,
            ),
        ]);
    }
    host.out.print(&table.render())
}
