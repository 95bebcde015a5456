//! `atek system move`: the data of the box go to another disk, or back.

use crate::ask;
use crate::cli::MoveArgs;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, size};
use atek_api::moving::{MoveDisk, MoveTargets};
use atek_api::system::API;
use serde_json::{Value, json};

/// The word for the way back.
const CARD: &str = "card";

pub(super) async fn run(host: &Host, wanted: &MoveArgs) -> Result<(), Failure> {
    let action = "look at the disks";
    let answer = host.call(API, "moveTargets", [(); 0], action).await?;
    let targets: MoveTargets = read("moveTargets", &answer)?;
    match wanted.disk.as_deref() {
        None if wanted.remove_old => remove_old(host, &targets, wanted.yes).await,
        None if host.out.json => host.out.print_json(&answer),
        None => host.out.print(&shown(host, &targets)),
        Some(CARD) => back(host, &targets, wanted.yes).await,
        Some(device) => {
            let device = device.trim_start_matches("/dev/");
            match targets.disks.iter().find(|disk| disk.device == device) {
                Some(disk) => to_disk(host, disk, wanted.yes).await,
                None => {
                    let text = format!("there is no disk {device}: atek system move lists them");
                    Err(Failure::Usage(text))
                }
            }
        }
    }
}

fn shown(host: &Host, targets: &MoveTargets) -> String {
    let place = match &targets.disk {
        Some(disk) => format!("on the disk {}", clean::line(disk)),
        None => "on the card".to_owned(),
    };
    let mut text = format!("The data are {place}, {}.\n", size::bytes(targets.used));
    if targets.old_data {
        text += "Data from before the move are on the card: atek system move --remove-old\n";
    }
    if let Some(last) = &targets.last {
        let how = match last.done {
            true => "Last move",
            false => "The last move failed",
        };
        text += &format!("{how}: {}\n", clean::line(&last.text));
    }
    if targets.disks.is_empty() {
        return text + "No other disk is plugged in.\n";
    }
    let mut table = Columns::new(host.out.look(), &["DISK", "NAME", ">SIZE", "HOLDS", "NOTE"]);
    for disk in &targets.disks {
        let (note, tone) = match &disk.refused {
            Some(reason) => (reason.as_str(), Tone::Plain),
            None => ("can take the data", Tone::Good),
        };
        table.row([
            (clean::line(&disk.device).as_ref(), Tone::Strong),
            (clean::line(&disk.name).as_ref(), Tone::Plain),
            (&size::bytes(disk.size), Tone::Plain),
            (clean::line(&holds(disk)).as_ref(), Tone::Plain),
            (clean::line(note).as_ref(), tone),
        ]);
    }
    text + &table.render()
}

fn holds(disk: &MoveDisk) -> String {
    match disk.holds.is_empty() {
        true => "nothing known".to_owned(),
        false => disk.holds.join(", "),
    }
}

async fn to_disk(host: &Host, disk: &MoveDisk, yes: bool) -> Result<(), Failure> {
    let device = clean::line(&disk.device).into_owned();
    if let Some(reason) = &disk.refused {
        let text = format!("{device} cannot be used: {}", clean::line(reason));
        return Err(Failure::Usage(text));
    }
    host.out.note(&format!(
        "everything on {device} ({}, {}) is lost; on it: {}",
        clean::line(&disk.name),
        size::bytes(disk.size),
        clean::line(&holds(disk))
    ));
    let prompt = format!("Type the name of the disk, {device}, to go on: ");
    agreed(prompt, &device, yes).await?;
    ask_host(host, json!({ "to": "disk", "disk": disk.id })).await?;
    host.out.done(
        "the box starts again and moves its data: its page shows how far it is, and atek system move how it ended",
    )
}

async fn back(host: &Host, targets: &MoveTargets, yes: bool) -> Result<(), Failure> {
    if targets.old_data {
        host.out
            .note("the data from before the move, which are on the card, are replaced");
    }
    let prompt = "Type card to move the data back to the card: ".to_owned();
    agreed(prompt, CARD, yes).await?;
    ask_host(host, json!({ "to": "card" })).await?;
    host.out
        .done("the box starts again and moves its data back; what is on the disk stays there")
}

async fn remove_old(host: &Host, targets: &MoveTargets, yes: bool) -> Result<(), Failure> {
    if let Some(disk) = &targets.disk {
        host.out.note(&format!(
            "the data on the card, as they were before the move, are removed; those on the disk {} stay",
            clean::line(disk)
        ));
    }
    agreed("Type remove to go on: ".to_owned(), "remove", yes).await?;
    ask_host(host, json!({ "to": "nowhere" })).await?;
    host.out
        .done("the box starts again and removes the old data from the card")
}

async fn ask_host(host: &Host, options: Value) -> Result<(), Failure> {
    let asked = host.call(API, "moveData", (options,), "move the data");
    asked.await.map(drop)
}

/// Has a word typed.
async fn agreed(prompt: String, word: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !ask::somebody_is_there() {
        let text = "there is no terminal to ask on: add --yes";
        return Err(Failure::Usage(text.to_owned()));
    }
    let typed = tokio::task::spawn_blocking(move || ask::line(&prompt)).await;
    let typed = typed.map_err(|error| Failure::Prompt(error.into()))??;
    match typed == word {
        true => Ok(()),
        false => Err(Failure::Interrupted("nothing was changed")),
    }
}
