//! `atek backup disks`, and which disk a person means.

use crate::cli::server::Server;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, size};
use atek_api::backup::{API, BackupPlaces, Disk, Target};
use serde_json::value::RawValue;

async fn places(host: &Host) -> Result<Box<RawValue>, Failure> {
    host.call(API, "places", [(); 0], "list the disks").await
}

pub(super) async fn list(host: &Host) -> Result<(), Failure> {
    let answer = places(host).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let BackupPlaces { places, disks } = read("places", &answer)?;
    if places.is_empty() && disks.is_empty() {
        return host.out.done("no disk is plugged in");
    }
    let mut table = Columns::new(host.out.look(), &["DISK", "NAME", "SIZE", "WHAT"]);
    for place in &places {
        let state = match (place.has_backup, place.read_only) {
            (true, _) => "mounted, with backups",
            (false, true) => "mounted, can only be read",
            (false, false) => "mounted",
        };
        table.row([
            (clean::line(&place.path).as_ref(), Tone::Strong),
            ("", Tone::Plain),
            (&format!("{} free", size::bytes(place.free)), Tone::Plain),
            (state, Tone::Plain),
        ]);
    }
    for disk in &disks {
        let (of, tone) = match &disk.id {
            Some(id) => (id.to_string(), Tone::Strong),
            None => (clean::line(&disk.device).into_owned(), Tone::Dim),
        };
        table.row([
            (of.as_str(), tone),
            (clean::line(&disk.name).as_ref(), Tone::Plain),
            (&size::bytes(disk.size), Tone::Plain),
            (&what(disk), Tone::Plain),
        ]);
    }
    host.out.print(&table.render())
}

/// What a disk is, in a few words.
fn what(disk: &Disk) -> String {
    if let Some(problem) = &disk.problem {
        return clean::line(problem).into_owned();
    }
    if let Some(refused) = disk.refused {
        return refused.to_string();
    }
    match disk.found {
        Some(found) if found.has_backup => "has backups".to_owned(),
        Some(found) if found.others == 0 => "empty".to_owned(),
        Some(found) => format!("has {} files and folders of its own", found.others),
        None => "the backups of this box are kept on it".to_owned(),
    }
}

/// The target that a person names: a server by its address, a folder by its path, a disk by its
/// id, its name or its device.
pub(super) async fn target(host: &Host, named: &str, flags: &Server) -> Result<Target, Failure> {
    if let Some(server) = super::backup_server::named(named, flags)? {
        return Ok(server);
    }
    if named.contains('/') {
        return Ok(Target::Folder { path: named.into() });
    }
    let answer = places(host).await?;
    let disks = read::<BackupPlaces>("places", &answer)?.disks;
    let is_named = |disk: &&Disk| {
        let id = disk.id.as_ref().map(|id| id.as_str());
        id.is_some_and(|id| id.eq_ignore_ascii_case(named))
            || disk.name == named
            || disk.device == named
    };
    let found: Vec<&Disk> = disks.iter().filter(is_named).collect();
    let named = clean::line(named);
    match found.as_slice() {
        [] => Err(Failure::Usage(format!(
            "no disk is called {named}: atek backup disks lists those that are plugged in"
        ))),
        [disk] => match &disk.id {
            Some(id) => Ok(Target::Disk {
                id: id.clone(),
                name: String::new(),
            }),
            None => Err(Failure::Usage(format!(
                "{named} cannot be used: {}",
                what(disk)
            ))),
        },
        _ => Err(Failure::Usage(format!(
            "several disks are called {named}: name one by its id, as atek backup disks lists it"
        ))),
    }
}
