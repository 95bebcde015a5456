//! `atek logs`: what a service printed, from the journal.

use crate::cli::apps::Logs;
use crate::error::Failure;
use crate::host::Host;
use crate::text::table::Tone;
use crate::text::{clean, time};
use atek_api::services::LogEntry;
use futures_util::StreamExt as _;
use serde_json::value::RawValue;

/// Lines shown when neither a number nor a time is given.
const DEFAULT_LINES: u32 = 100;

pub(super) async fn run(host: &Host, args: &Logs) -> Result<(), Failure> {
    let path = query(host, args)?;
    let printing = print_stream(host, &args.id, &path);
    if !args.follow {
        return printing.await;
    }
    tokio::select! {
        result = printing => result.and(Err(Failure::LogEnded)),
        // The usual way to end it.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// The newest lines of a service, for `status`.
pub(super) async fn newest(host: &Host, id: &str, lines: u32) -> Result<Vec<LogEntry>, Failure> {
    let mut query = query_builder();
    let path = query
        .append_pair("service", id)
        .append_pair("lines", &lines.to_string())
        .finish();
    let failed = |source| Failure::Service {
        action: "read the log of",
        id: id.to_owned(),
        source: Box::new(source),
    };
    let mut stream = host.client.lines::<LogEntry>(&path).await.map_err(failed)?;
    let mut entries = Vec::new();
    while let Some(entry) = stream.next().await {
        entries.push(entry.map_err(failed)?);
    }
    Ok(entries)
}

fn query_builder() -> url::form_urlencoded::Serializer<'static, String> {
    const ROUTE: &str = "/_atek/logs?";
    url::form_urlencoded::Serializer::for_suffix(ROUTE.to_owned(), ROUTE.len())
}

fn query(host: &Host, args: &Logs) -> Result<String, Failure> {
    let since = args
        .since
        .as_deref()
        .map(|text| time::parse_since(text, host.now(), &host.zone));
    let since = since
        .transpose()
        .map_err(|problem| Failure::Usage(format!("--since: {problem}")))?;
    let lines = args.lines.or(if since.is_some() {
        None
    } else {
        Some(DEFAULT_LINES)
    });
    let mut query = query_builder();
    query.append_pair("service", &args.id);
    if let Some(since) = &since {
        query.append_pair("since", since);
    }
    if let Some(level) = args.level {
        query.append_pair("level", level.name());
    }
    if let Some(lines) = lines {
        query.append_pair("lines", &lines.to_string());
    }
    if args.follow {
        query.append_pair("follow", "true");
    }
    Ok(query.finish())
}

async fn print_stream(host: &Host, id: &str, path: &str) -> Result<(), Failure> {
    const ACTION: &str = "read the log of";
    let mut stream = match host.client.lines::<Box<RawValue>>(path).await {
        Ok(stream) => stream,
        Err(source) => return Err(refused(host, id, source).await),
    };
    while let Some(line) = stream.next().await {
        let line = line.map_err(|source| Failure::Service {
            action: ACTION,
            id: id.to_owned(),
            source: Box::new(source),
        })?;
        if host.out.json {
            host.out.print_json(&line)?;
        } else {
            let entry: LogEntry = crate::host::read("logs", &line)?;
            host.out.print(&format(host, &entry))?;
        }
    }
    Ok(())
}

/// The log's route refuses by HTTP status; ask the API to learn whether the service exists.
async fn refused(host: &Host, id: &str, source: atek_rpc::client::CallError) -> Failure {
    use atek_rpc::client::CallError;
    let is_refusal = matches!(&source, CallError::Status { status, .. }
        if matches!(*status, http::StatusCode::NOT_FOUND | http::StatusCode::FORBIDDEN));
    if is_refusal
        && let Err(failure @ Failure::NoService { .. }) = host.service("read the log of", id).await
    {
        return failure;
    }
    Failure::Service {
        action: "read the log of",
        id: id.to_owned(),
        source: Box::new(source),
    }
}

/// `Aug 05 14:30:15 message`, in the colour of its level.
pub(super) fn format(host: &Host, entry: &LogEntry) -> String {
    let tone = match entry.level.as_str() {
        "emerg" | "alert" | "crit" | "err" => Tone::Bad,
        "warning" => Tone::Warn,
        "notice" => Tone::Strong,
        "debug" => Tone::Dim,
        _ => Tone::Plain,
    };
    let stamp = host
        .out
        .paint(Tone::Dim, &time::log_stamp(&entry.time, &host.zone));
    format!(
        "{stamp} {}\n",
        host.out.paint(tone, &clean::line(&entry.message))
    )
}
