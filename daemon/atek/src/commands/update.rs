//! `atek update`: look for new releases, and install them.

use super::grants;
use super::job::{self, Task};
use super::lifecycle::all_or_several;
use super::list::in_order;
use crate::cli::apps::Update;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::clean;
use crate::text::table::{Columns, Tone};
use atek_api::services::{
    ConfigureParams, ServiceInfo, SourceType, UpdateCheck, UpdateDone, UpdateParams,
};
use atek_api::spec::Limits;
use atek_api::updates::UpdatePlan;
use serde_json::value::RawValue;

const LOOK: &str = "look for an update of";
const UPDATE: Task<'static> = Task {
    method: "startUpdate",
    action: "update",
    subject: "",
    is_service: true,
};

pub(super) async fn run(host: &Host, args: Update) -> Result<(), Failure> {
    match args.id {
        Some(id) if args.check => check_one(host, &id).await,
        Some(id) => {
            let wanted = UpdateParams {
                to: args.to,
                signer: args.signer,
                ..UpdateParams::default()
            };
            if args.dry_run {
                return plan(host, &id, wanted).await;
            }
            update_one(host, &id, wanted, args.yes).await
        }
        None => many(host, args.all && !args.check, args.yes).await,
    }
}

async fn check(host: &Host, id: &str) -> Result<(UpdateCheck, Box<RawValue>), Failure> {
    let answer = host
        .on_service("checkForPackageUpdates", (id,), LOOK, id)
        .await?;
    Ok((read("checkForPackageUpdates", &answer)?, answer))
}

async fn check_one(host: &Host, id: &str) -> Result<(), Failure> {
    let (check, answer) = check(host, id).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let (installed, latest) = (
        clean::line(&check.installed_version),
        clean::line(&check.latest_version),
    );
    let text = if check.has_update {
        format!("{id} {installed} can be updated to {latest}: atek update {id}\n")
    } else {
        format!("{id} {installed} is up to date\n")
    };
    host.out.print(&text)
}

/// Tells what an update would do.
async fn plan(host: &Host, id: &str, wanted: UpdateParams) -> Result<(), Failure> {
    let answer = host
        .on_service("planUpdate", (id, wanted), LOOK, id)
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let plan: UpdatePlan = read("planUpdate", &answer)?;
    let (from, to) = (clean::line(&plan.from), clean::line(&plan.to));
    let mut text = if from == to {
        format!("{id} {to} is installed\n")
    } else {
        format!("{id} would be updated from {from} to {to}\n")
    };
    text.push_str(&format!("commit: {}\n", clean::line(&plan.commit)));
    if let Some(signer) = &plan.signer {
        text.push_str(&format!(
            "signed with: {}\n",
            clean::line(&signer.to_string())
        ));
    }
    for command in &plan.build {
        text.push_str(&format!("build: {}\n", clean::line(command)));
    }
    for more in &plan.asks_for_more {
        text.push_str(&format!("asks for more: {}\n", clean::line(more)));
    }
    for line in plan.notes.iter().flat_map(|notes| notes.lines()) {
        text.push_str(&format!("  {}\n", clean::line(line)));
    }
    host.out.print(&text)
}

async fn update_one(host: &Host, id: &str, wanted: UpdateParams, yes: bool) -> Result<(), Failure> {
    let task = Task {
        subject: id,
        ..UPDATE
    };
    let params = || match wanted == UpdateParams::default() {
        true => vec![serde_json::json!(id)],
        false => vec![serde_json::json!(id), serde_json::json!(wanted)],
    };
    let result = match job::run(host, task, params()).await {
        // The host's words are all there is to tell this refusal from others; should they
        // change, the person is not asked and the refusal is shown.
        Err(Failure::Job { action, source }) if source.0.contains("asks for more") => {
            if !grant_new(host, id, yes).await? {
                return Err(Failure::Job { action, source });
            }
            job::run(host, task, params()).await?
        }
        other => other?,
    };
    if host.out.json {
        return job::print_result(host, &result);
    }
    let done: UpdateDone = serde_json::from_value(result).map_err(|source| Failure::BadAnswer {
        method: "updatePackage",
        source,
    })?;
    let (old, new) = (
        clean::line(&done.old_version),
        clean::line(&done.installed_version),
    );
    if old == new {
        host.out.done(&format!("{id} {new} is up to date"))
    } else {
        host.out.done(&format!("updated {id} from {old} to {new}"))
    }
}

/// The host refuses a release that asks for more than was granted: shows what, and asks.
/// Tells whether it was granted, so that another try is worth it.
async fn grant_new(host: &Host, id: &str, yes: bool) -> Result<bool, Failure> {
    // If something cannot be looked at, the first failure says why.
    let Ok((info, _)) = host.service("update", id).await else {
        return Ok(false);
    };
    let settings = &info.settings;
    let range = settings.desired_version.as_deref();
    let inspection = grants::inspect(
        host,
        &settings.source_url,
        range,
        None,
        &format!("update {id}"),
    )
    .await;
    let Ok(Some(inspection)) = inspection else {
        return Ok(false);
    };
    let new = inspection.asks.new_beyond(&settings.granted);
    let higher = inspection
        .limits
        .beyond(&settings.limits.merged(&Limits::for_apps()));
    if new.is_empty() && higher.is_default() {
        return Ok(false);
    }
    let name = format!("the new release of {id}");
    if !yes && !new.is_empty() && !grants::ask(host, &name, &new).await? {
        return Ok(false);
    }
    if !yes && !higher.is_default() && !grants::ask_limits(host, &name, &higher).await? {
        return Ok(false);
    }
    let change = ConfigureParams {
        grant: (!new.is_empty()).then_some(inspection.asks),
        limits: (!higher.is_default()).then_some(higher),
        ..ConfigureParams::default()
    };
    host.on_service("configure", (id, change), "grant this to", id)
        .await?;
    Ok(true)
}

/// Checks everything that comes from git; with `install`, updates what can be.
async fn many(host: &Host, install: bool, yes: bool) -> Result<(), Failure> {
    let mut list: Vec<ServiceInfo> = host.services().await?;
    list.retain(|service| {
        service.settings.package.source_type == SourceType::Git && !service.settings.id.is_core()
    });
    in_order(&mut list);
    let mut failures = Vec::new();
    let mut checks = Vec::new();
    for service in &list {
        let id = service.settings.id.as_str();
        match check(host, id).await {
            Ok((check, answer)) => checks.push((id, check, answer)),
            Err(failure) => failures.push(failure),
        }
    }
    if install {
        for (id, check, _) in &checks {
            if check.has_update
                && let Err(failure) = update_one(host, id, UpdateParams::default(), yes).await
            {
                failures.push(failure);
            }
        }
        if failures.is_empty() && !checks.iter().any(|(_, check, _)| check.has_update) {
            host.out.done("everything is up to date")?;
        }
    } else {
        show(host, &checks)?;
    }
    // The failures are told one by one even if there is only one app.
    let total = list.len().max(2);
    all_or_several(host, failures, total)
}

type Checked<'a> = (&'a str, UpdateCheck, Box<RawValue>);

fn show(host: &Host, checks: &[Checked<'_>]) -> Result<(), Failure> {
    if host.out.json {
        let by_id: std::collections::BTreeMap<_, _> =
            checks.iter().map(|(id, _, answer)| (*id, answer)).collect();
        let object =
            serde_json::value::to_raw_value(&by_id).map_err(|source| Failure::BadAnswer {
                method: "checkForPackageUpdates",
                source,
            })?;
        return host.out.print_json(&object);
    }
    if checks.is_empty() {
        return host.out.done("no app comes from a git repository");
    }
    let mut table = Columns::new(host.out.look(), &["ID", "INSTALLED", "LATEST", "UPDATE"]);
    for (id, check, _) in checks {
        let (word, tone) = if check.has_update {
            ("yes", Tone::Good)
        } else {
            ("no", Tone::Dim)
        };
        table.row([
            (*id, Tone::Strong),
            (&clean::line(&check.installed_version), Tone::Plain),
            (&clean::line(&check.latest_version), Tone::Plain),
            (word, tone),
        ]);
    }
    host.out.print(&table.render())?;
    if checks.iter().any(|(_, check, _)| check.has_update) {
        host.out
            .note("install the new releases with: atek update --all");
    }
    Ok(())
}
