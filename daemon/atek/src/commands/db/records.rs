//! Records: list, read, write, delete.

use super::{API, find};
use crate::cli::db::{List, Put, Record};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::clean;
use crate::text::table::Tone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::io::Read as _;

/// A record, without what this program does not show.
#[derive(Debug, Deserialize)]
struct Shown {
    path: String,
    value: Value,
}

/// One page of `recordList`.
#[derive(Debug, Deserialize)]
struct Page {
    records: Vec<Box<RawValue>>,
    /// Missing at the end.
    #[serde(default)]
    cursor: Option<String>,
}

/// Records asked for at once when no number is given.
const PAGE: u32 = 1000;

/// ListOpts of `recordList`.
#[derive(Debug, Default, Serialize)]
struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    gt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lt: Option<&'a str>,
    limit: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reverse: bool,
    /// Empty at first.
    cursor: String,
}

/// Lists page by page, however many records there are.
pub(super) async fn list(host: &Host, args: &List) -> Result<(), Failure> {
    let id = find::id(host, &args.db).await?;
    let action = format!("list the records of {}", args.db);
    let mut left = args.limit;
    let mut cursor = String::new();
    let mut all: Vec<Box<RawValue>> = Vec::new();
    loop {
        let options = Options {
            gt: args.after.as_deref(),
            lt: args.before.as_deref(),
            limit: left.unwrap_or(PAGE).min(PAGE),
            reverse: args.reverse,
            cursor,
        };
        let answer = host
            .call(API, "recordList", (&id, &args.path, options), &action)
            .await?;
        let page: Page = read("recordList", &answer)?;
        let count = u32::try_from(page.records.len()).unwrap_or(u32::MAX);
        if host.out.json {
            all.extend(page.records);
        } else {
            print_page(host, &page.records)?;
        }
        left = left.map(|left| left.saturating_sub(count));
        match page.cursor {
            Some(next) if left != Some(0) => cursor = next,
            _ => break,
        }
    }
    if !host.out.json {
        return Ok(());
    }
    #[derive(Serialize)]
    struct Answer {
        records: Vec<Box<RawValue>>,
    }
    let answer = serde_json::value::to_raw_value(&Answer { records: all }).map_err(|source| {
        Failure::BadAnswer {
            method: "recordList",
            source,
        }
    })?;
    host.out.print_json(&answer)
}

fn print_page(host: &Host, records: &[Box<RawValue>]) -> Result<(), Failure> {
    let mut text = String::new();
    for record in records {
        let record: Shown = read("recordList", record)?;
        let path = host.out.paint(Tone::Strong, &clean::line(&record.path));
        text.push_str(&format!(
            "{path} {}\n",
            clean::line(&record.value.to_string())
        ));
    }
    host.out.print(&text)
}

pub(super) async fn get(host: &Host, args: &Record) -> Result<(), Failure> {
    let id = find::id(host, &args.db).await?;
    let action = format!("read {} of {}", args.path, args.db);
    let answer = host
        .call(API, "recordGet", (&id, &args.path), &action)
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let record: Shown = read("recordGet", &answer)?;
    host.out.print(&format!(
        "{}\n",
        clean::block(&format!("{:#}", record.value))
    ))
}

pub(super) async fn put(host: &Host, args: Put) -> Result<(), Failure> {
    let (text, place) = match args.value {
        Some(value) if value != "-" => (value, "VALUE"),
        _ => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(Failure::Prompt)?;
            (text, "standard input")
        }
    };
    // Checked here, so that the shell's quoting is not blamed on the host.
    let value: Box<RawValue> =
        serde_json::from_str(text.trim()).map_err(|source| Failure::BadJson(place, source))?;
    if !value.get().starts_with('{') {
        return Err(Failure::Usage(
            "a record's value must be a JSON object, such as {\"a\": 1}".to_owned(),
        ));
    }
    let id = find::id(host, &args.db).await?;
    let action = format!("write {} of {}", args.path, args.db);
    let answer = host
        .call(API, "recordPut", (&id, &args.path, value), &action)
        .await?;
    if host.out.json {
        host.out.print_json(&answer)
    } else {
        Ok(())
    }
}

pub(super) async fn delete(host: &Host, args: &Record) -> Result<(), Failure> {
    let id = find::id(host, &args.db).await?;
    let action = format!("delete {} of {}", args.path, args.db);
    let answer = host
        .call(API, "recordDelete", (&id, &args.path), &action)
        .await?;
    if host.out.json {
        host.out.print_json(&answer)
    } else {
        Ok(())
    }
}
