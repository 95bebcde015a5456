//! `atek catalogue`: the catalogues of a box, and the tools of their maintainers.

mod check;
mod visit;

pub(super) use check::check;
pub(super) use visit::Visitor;

use crate::cli::catalogue::Catalogue;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::out::Out;
use crate::text::table::{Columns, Tone};
use crate::text::{clean, time};
use atek_api::catalogue::{API, AddParams, CatalogueInfo};
use atek_catalogue::folder::{self, INDEX};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::Path;

#[derive(Deserialize)]
struct Answer {
    catalogues: Vec<CatalogueInfo>,
}

pub(super) async fn run(host: &Host, command: Catalogue) -> Result<(), Failure> {
    match command {
        Catalogue::Ls => list(host).await,
        Catalogue::Add(args) => {
            let action = format!("add the catalogue {}", args.url);
            let params = AddParams {
                url: args.url,
                key: args.key,
                name: args.name,
            };
            let answer = host.call(API, "add", (params,), &action).await?;
            report(host, "added", &answer)
        }
        Catalogue::Refresh { name } => {
            let action = format!("refresh the catalogue {name}");
            let answer = host.call(API, "refresh", (name,), &action).await?;
            report(host, "refreshed", &answer)
        }
        Catalogue::Remove { name } => {
            let action = format!("remove the catalogue {name}");
            let answer = host.call(API, "remove", (&name,), &action).await?;
            if host.out.json {
                return host.out.print_json(&answer);
            }
            host.out.done(&format!("removed the catalogue {name}"))
        }
        // Handled before a host was looked for.
        Catalogue::Index { .. } | Catalogue::Check(_) => Ok(()),
    }
}

fn report(host: &Host, done: &str, answer: &RawValue) -> Result<(), Failure> {
    if host.out.json {
        return host.out.print_json(answer);
    }
    let info: CatalogueInfo = read("add", answer)?;
    host.out.done(&format!(
        "{done} {} ({}): {} apps",
        info.name,
        clean::line(&info.title),
        info.recipes
    ))
}

async fn list(host: &Host) -> Result<(), Failure> {
    let answer = host
        .call(API, "list", [(); 0], "list the catalogues")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let catalogues = read::<Answer>("list", &answer)?.catalogues;
    let mut table = Columns::new(host.out.look(), &["NAME", "APPS", "CHECKED", "FROM"]);
    for it in &catalogues {
        let from = it.url.as_deref().unwrap_or("part of Atek");
        table.row([
            (it.name.as_str(), Tone::Strong),
            (&it.recipes.to_string(), Tone::Plain),
            (
                &time::age_of(it.checked_at.as_deref(), host.now()),
                Tone::Plain,
            ),
            (&clean::line(from), Tone::Plain),
        ]);
    }
    host.out.print(&table.render())?;
    for it in &catalogues {
        if let Some(problem) = &it.problem {
            let name = &it.name;
            let problem = clean::line(problem);
            host.out
                .note(&format!("{name} was not refreshed: {problem}"));
        }
    }
    Ok(())
}

/// Writes the index of a catalogue's folder.
pub(super) fn index(folder: &Path, out: &Out) -> Result<(), Failure> {
    let index = folder::make_index(folder)?;
    let path = folder.join(INDEX);
    let mut text = serde_json::to_string_pretty(&index).unwrap_or_default();
    text.push('\n');
    std::fs::write(&path, text).map_err(|source| Failure::File {
        action: "write",
        path: path.clone(),
        source,
    })?;
    out.done(&format!(
        "wrote {} with {} recipes, serial {}; sign it with: minisign -S -m {0}",
        path.display(),
        index.recipes.len(),
        index.serial
    ))
}
