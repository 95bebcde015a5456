//! `atek search`, and finding an app by its name.

use crate::cli::catalogue::Search;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::table::{Columns, Tone};
use crate::text::{clean, source};
use atek_api::catalogue::{API, RecipeInfo, SearchParams};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Answer {
    recipes: Vec<RecipeInfo>,
}

pub(super) async fn run(host: &Host, args: &Search) -> Result<(), Failure> {
    let params = SearchParams {
        words: args.words.join(" "),
        ..SearchParams::default()
    };
    let answer = host
        .call(API, "search", (params,), "search the catalogues")
        .await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let found = read::<Answer>("search", &answer)?.recipes;
    if found.is_empty() {
        host.out
            .note("no app was found; atek search without a word lists all");
        return Ok(());
    }
    let mut table = Columns::new(host.out.look(), &["NAME", "VERSION", "CATALOGUE", "ABOUT"]);
    for recipe in &found {
        let about = recipe.summary.get("en").map_or("", String::as_str);
        table.row([
            (recipe.name.as_str(), Tone::Strong),
            (&recipe.version.to_string(), Tone::Plain),
            (recipe.catalogue.as_str(), Tone::Plain),
            (&clean::line(about), Tone::Plain),
        ]);
    }
    host.out.print(&table.render())?;
    host.out.note("install one with: atek install NAME");
    Ok(())
}

/// The app of a catalogue that a person means by a bare name; none if it is not a name, or that
/// of a folder here.
pub(super) async fn named(host: &Host, text: &str) -> Result<Option<String>, Failure> {
    let Some(name) = source::name(text) else {
        return Ok(None);
    };
    if host.is_local && Path::new(text).exists() {
        return Ok(None);
    }
    let params = SearchParams {
        name: Some(name.to_string()),
        ..SearchParams::default()
    };
    let answer = host
        .call(API, "search", (params,), "search the catalogues")
        .await?;
    let found = read::<Answer>("search", &answer)?.recipes;
    match found.as_slice() {
        [] => Err(Failure::Usage(format!(
            "no catalogue has an app {name}, and there is no folder of this name; look for one with: atek search"
        ))),
        [recipe] => Ok(Some(recipe.source_url.clone())),
        several => {
            let sources: Vec<_> = several.iter().map(|it| it.source_url.as_str()).collect();
            Err(Failure::Usage(format!(
                "several catalogues have an app {name}; say which one: {}",
                sources.join(", ")
            )))
        }
    }
}
