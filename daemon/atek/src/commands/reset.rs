//! `atek system reset`: the box becomes a new one.

use crate::ask;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::{clean, time};
use atek_api::backup::{self, BackupStatus};
use atek_api::system::{API, SystemInfo};
use serde_json::json;

pub(super) async fn run(host: &Host, keep_network: bool, yes: bool) -> Result<(), Failure> {
    let action = "reset the box";
    let info = host.call(API, "info", [(); 0], action).await?;
    let info: SystemInfo = read("info", &info)?;
    if !yes {
        agreed(host, &info.name, keep_network).await?;
    }
    let options = json!({ "keepNetwork": keep_network });
    host.call(API, "factoryReset", (options,), action).await?;
    host.out
        .done("the box restarts, and is a new one then: its screen and `atek claim` show a new claim code")
}

/// Says what goes and what stays, and has the name of the box typed.
async fn agreed(host: &Host, name: &str, keep_network: bool) -> Result<(), Failure> {
    let networks = match keep_network {
        true => "",
        false => ", the passwords of networks",
    };
    host.out.note(&format!(
        "this removes all users, apps with their files, databases, keys, settings, logs{networks}"
    ));
    host.out.note(&backups(host).await?);
    if !ask::somebody_is_there() {
        let text = "there is no terminal to ask on: add --yes to reset the box";
        return Err(Failure::Usage(text.to_owned()));
    }
    let prompt = format!("Type the name of the box, {name}, to go on: ");
    let typed = tokio::task::spawn_blocking(move || ask::line(&prompt)).await;
    let typed = typed.map_err(|error| Failure::Prompt(error.into()))??;
    match typed == name {
        true => Ok(()),
        false => Err(Failure::Interrupted("nothing was changed")),
    }
}

/// What can be restored afterwards.
async fn backups(host: &Host) -> Result<String, Failure> {
    let action = "look at the backups";
    let answer = host.call(backup::API, "status", [(); 0], action).await?;
    let status: BackupStatus = read("status", &answer)?;
    Ok(match (&status.settings.target, &status.last_good) {
        (Some(target), Some(last)) => format!(
            "the backups on {} stay, the last one of {}: the recovery words, or the password that `atek backup password` shows, open them",
            clean::line(&target.to_string()),
            time::with_age(last, host.now(), &host.zone)
        ),
        _ => "there is no backup: nothing of it can be brought back".to_owned(),
    })
}
