//! `atek kept`: data of uninstalled apps.

use crate::ask;
use crate::cli::apps::Kept;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, time};
use atek_api::services::{API, KeptData};
use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    kept: Vec<KeptData>,
}

pub(super) async fn run(host: &Host, args: &Kept) -> Result<(), Failure> {
    match &args.remove {
        Some(key) => remove(host, key.as_str(), args.yes).await,
        None => list(host).await,
    }
}

async fn list(host: &Host) -> Result<(), Failure> {
    let answer = host
        .call(API, "keptData", [(); 0], "list the kept data")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let kept = read::<Answer>("keptData", &answer)?.kept;
    if kept.is_empty() {
        return host.out.done("no data of uninstalled apps is kept");
    }
    let mut table = Columns::new(host.out.look(), &["KEY", "WAS", "OWNER", "KEPT", "SOURCE"]);
    for kept in &kept {
        table.row([
            (kept.key.as_str(), Tone::Strong),
            (kept.id.as_str(), Tone::Plain),
            (
                &clean::line(kept.owner.as_deref().unwrap_or_default()),
                Tone::Plain,
            ),
            (&time::age_of(Some(&kept.kept_at), host.now()), Tone::Plain),
            (&clean::line(&kept.source_url), Tone::Plain),
        ]);
    }
    host.out.print(&table.render())?;
    host.out
        .note("take it over with: atek install SOURCE --adopt-data KEY");
    Ok(())
}

async fn remove(host: &Host, key: &str, yes: bool) -> Result<(), Failure> {
    ask::confirm_or_flag(yes, &format!("Delete the data kept under {key} for good?")).await?;
    let action = format!("delete the data kept under {key}");
    let answer = host.call(API, "removeKept", (key,), &action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.done(&format!("deleted the data kept under {key}"))
}
