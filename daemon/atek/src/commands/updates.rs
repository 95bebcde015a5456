//! `atek outdated`, `rollback`, `pin`, `hold`, `snapshot` and `restore`.

use super::job::{self, Task};
use crate::ask;
use crate::cli::updates::{Hold, Mode, Outdated, Pin, Restore, Rollback, Snapshot};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, size, time};
use atek_api::services::{API, ConfigureParams, UpdateDone};
use atek_api::updates::{
    SnapshotInfo, UpdateChanges, UpdateMode, UpdateOutcome, UpdateSettings, UpdateStatus,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Answer {
    updates: Vec<UpdateStatus>,
}

pub(super) async fn outdated(host: &Host, args: &Outdated) -> Result<(), Failure> {
    let answer = host
        .call(API, "updates", (args.look,), "list the updates")
        .await?;
    let mut updates = read::<Answer>("updates", &answer)?.updates;
    updates.sort_by(|a, b| a.id.cmp(&b.id));
    let Some(id) = &args.id else {
        if host.out.json {
            return host.out.print_json(&answer);
        }
        return list(host, &updates);
    };
    match updates.iter().find(|status| status.id == *id) {
        Some(status) => one(host, status),
        None => {
            // The service's own failure says whether it exists.
            host.service("look for updates of", id).await?;
            host.out
                .done(&format!("{id} does not come from a git repository"))
        }
    }
}

fn list(host: &Host, updates: &[UpdateStatus]) -> Result<(), Failure> {
    if updates.is_empty() {
        return host.out.done("no app comes from a git repository");
    }
    let headings = ["ID", "INSTALLED", "NEW", "WHEN", "LAST UPDATE", "LOOKED"];
    let mut table = Columns::new(host.out.look(), &headings);
    for status in updates {
        let installed = clean::line(status.installed_version.as_deref().unwrap_or("-"));
        let new = status.available.as_ref();
        let new = new.map_or_else(
            || "-".to_owned(),
            |new| clean::line(&new.version).into_owned(),
        );
        let last = status
            .history
            .first()
            .map_or("-", |entry| outcome(entry.outcome));
        table.row([
            (status.id.as_str(), Tone::Strong),
            (installed.as_ref(), Tone::Plain),
            (
                &new,
                if status.available.is_some() {
                    Tone::Good
                } else {
                    Tone::Dim
                },
            ),
            (&when(status), Tone::Plain),
            (last, Tone::Plain),
            (
                &time::age_of(status.checked_at.as_deref(), host.now()),
                Tone::Plain,
            ),
        ]);
    }
    host.out.print(&table.render())?;
    if updates.iter().any(|status| status.available.is_some()) {
        host.out
            .note("install the new releases with: atek update --all");
    }
    Ok(())
}

/// When a new release will be installed.
fn when(status: &UpdateStatus) -> String {
    match &status.available {
        None => "-".to_owned(),
        Some(new) if new.asks_for_more => "asks for more permissions".to_owned(),
        Some(new) => match &new.automatic_at {
            Some(at) => clean::line(at).into_owned(),
            None if new.major => "after a yes (major version)".to_owned(),
            None => "after a yes".to_owned(),
        },
    }
}

fn outcome(outcome: UpdateOutcome) -> &'static str {
    match outcome {
        UpdateOutcome::Updated => "updated",
        UpdateOutcome::RolledBack => "rolled back",
        UpdateOutcome::Failed => "failed",
        UpdateOutcome::Interrupted => "interrupted",
        UpdateOutcome::WentBack => "went back",
    }
}

fn one(host: &Host, status: &UpdateStatus) -> Result<(), Failure> {
    if host.out.json {
        let text = serde_json::value::to_raw_value(status);
        let text = text.map_err(|source| Failure::BadAnswer {
            method: "updates",
            source,
        })?;
        return host.out.print_json(&text);
    }
    let mut lines = Vec::new();
    if let Some(new) = &status.available {
        lines.push(format!("new: {} ({})", new.version, when(status)));
        lines.extend(
            new.notes
                .iter()
                .flat_map(|notes| notes.lines())
                .map(|line| format!("  {line}")),
        );
    }
    if let Some(problem) = &status.problem {
        lines.push(format!("the last look failed: {problem}"));
    }
    for refused in &status.refused {
        lines.push(format!("refused: {} ({})", refused.tag, refused.reason));
    }
    for entry in &status.history {
        let reason = entry.reason.as_ref().map(|reason| format!(": {reason}"));
        lines.push(format!(
            "{} {} -> {} {}{}",
            entry.at,
            entry.from,
            entry.to,
            outcome(entry.outcome),
            reason.unwrap_or_default()
        ));
        lines.extend(entry.log.iter().map(|line| format!("  {line}")));
    }
    if lines.is_empty() {
        return host.out.done(&format!("{} is up to date", status.id));
    }
    let text: String = lines
        .iter()
        .map(|line| format!("{}\n", clean::line(line)))
        .collect();
    host.out.print(&text)
}

pub(super) async fn rollback(host: &Host, args: &Rollback) -> Result<(), Failure> {
    let id = args.id.as_str();
    let question = if args.keep_data {
        format!("Go back to the version of {id} before the last update?")
    } else {
        format!("Go back to the version of {id} before the last update, and to its files of then?")
    };
    ask::confirm_or_flag(args.yes, &question).await?;
    let task = Task {
        method: "startRollback",
        action: "roll back",
        subject: id,
        is_service: true,
    };
    let result = job::run(host, task, (id, args.keep_data)).await?;
    if host.out.json {
        return job::print_result(host, &result);
    }
    let done: UpdateDone = serde_json::from_value(result).map_err(|source| Failure::BadAnswer {
        method: "startRollback",
        source,
    })?;
    host.out.done(&format!(
        "{id} went back from {} to {}",
        clean::line(&done.old_version),
        clean::line(&done.installed_version)
    ))
}

pub(super) async fn pin(host: &Host, args: &Pin) -> Result<(), Failure> {
    let id = args.id.as_str();
    let range = if args.range == "latest" {
        ""
    } else {
        args.range.as_str()
    };
    let change = ConfigureParams {
        desired_version: Some(range.to_owned()),
        ..ConfigureParams::default()
    };
    let answer = host
        .on_service("configure", (id, change), "pin", id)
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    if range.is_empty() {
        host.out.done(&format!("{id} takes every release"))
    } else {
        host.out
            .done(&format!("{id} takes the releases of {range}"))
    }
}

pub(super) async fn hold(host: &Host, args: &Hold) -> Result<(), Failure> {
    let id = args.id.clone().unwrap_or_default();
    let changes = UpdateChanges {
        mode: args
            .mode
            .map(|mode| match mode {
                Mode::Ask => UpdateMode::Ask,
                Mode::Automatic => UpdateMode::Automatic,
                Mode::Never => UpdateMode::Never,
            })
            .map(Some),
        delay_hours: args.delay_hours.map(Some),
        hold_until: match &args.until {
            Some(until) => Some(Some(until.clone())),
            None => args.end.then_some(None),
        },
    };
    let action = "decide about the updates of";
    let answer = if id.is_empty() {
        let action = format!("{action} all apps");
        host.call(API, "setUpdates", (&id, changes), &action)
            .await?
    } else {
        host.on_service("setUpdates", (&id, changes), action, &id)
            .await?
    };
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let settings: UpdateSettings = read("setUpdates", &answer)?;
    let mode = match settings.mode {
        None => "as decided for all apps",
        Some(UpdateMode::Ask) => "after a yes",
        Some(UpdateMode::Automatic) => "by themselves",
        Some(UpdateMode::Never) => "only when asked for",
    };
    let hold = settings
        .hold_until
        .map(|until| format!(", not before {}", clean::line(&until)));
    let subject = if id.is_empty() {
        "all apps"
    } else {
        id.as_str()
    };
    host.out.done(&format!(
        "new releases of {subject} are installed {mode}{}",
        hold.unwrap_or_default()
    ))
}

pub(super) async fn snapshot(host: &Host, args: &Snapshot) -> Result<(), Failure> {
    let id = args.id.as_str();
    if let Some(name) = &args.remove {
        let action = "delete a copy of the files of";
        host.on_service("removeSnapshot", (id, name), action, id)
            .await?;
        return host.out.done(&format!("deleted the copy {name}"));
    }
    if args.list {
        return snapshots(host, id).await;
    }
    let answer = host
        .on_service("createSnapshot", (id,), "copy the files of", id)
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let made: SnapshotInfo = read("createSnapshot", &answer)?;
    host.out.done(&format!(
        "copied the files of {id} ({}): atek restore {id} {}",
        size::bytes(made.bytes),
        made.name
    ))
}

async fn snapshots(host: &Host, id: &str) -> Result<(), Failure> {
    let answer = host
        .on_service("updateStatus", (id,), "list the copies of", id)
        .await?;
    let snapshots = read::<UpdateStatus>("updateStatus", &answer)?.snapshots;
    if snapshots.is_empty() {
        return host
            .out
            .done(&format!("there is no copy of the files of {id}"));
    }
    let mut table = Columns::new(host.out.look(), &["NAME", "MADE", "VERSION", "SIZE", "BY"]);
    for snapshot in &snapshots {
        let version = clean::line(snapshot.version.as_deref().unwrap_or("-"));
        let by = if snapshot.automatic {
            "an update"
        } else {
            "a person"
        };
        table.row([
            (snapshot.name.as_str(), Tone::Strong),
            (&time::age_of(Some(&snapshot.at), host.now()), Tone::Plain),
            (&version, Tone::Plain),
            (&size::bytes(snapshot.bytes), Tone::Plain),
            (by, Tone::Plain),
        ]);
    }
    host.out.print(&table.render())
}

pub(super) async fn restore(host: &Host, args: &Restore) -> Result<(), Failure> {
    let backup = args.backup.as_deref();
    let id = match (&args.whole, &args.id) {
        (Some(folder), _) => {
            return super::restore_box::run(host, folder, &args.server, backup).await;
        }
        (None, id) => id.as_deref().unwrap_or_default(),
    };
    if let Some(database) = &args.database {
        return super::restore_parts::database(host, database, args).await;
    }
    if let Some(user) = &args.user {
        return super::restore_parts::user(host, user, backup).await;
    }
    if let Some(copy) = &args.copy {
        return super::restore_parts::app(host, id, copy, backup).await;
    }
    if let Some(path) = &args.file {
        return super::restore_parts::file(host, id, path, args).await;
    }
    let Some(name) = args.snapshot.as_deref() else {
        return super::restore_parts::files(host, id, backup, args.yes).await;
    };
    let question =
        format!("Put the files of {id} back as {name} has them? What came since is lost.");
    ask::confirm_or_flag(args.yes, &question).await?;
    let action = "restore the files of";
    let answer = host
        .on_service("restoreSnapshot", (id, name), action, id)
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    host.out.done(&format!("restored the files of {id}"))
}
