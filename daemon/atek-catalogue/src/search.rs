//! Finding recipes in several catalogues.

use atek_api::catalogue::{Entry, Index, Name, SearchParams};

/// A recipe and the catalogue that it is in.
pub type Found<'i> = (&'i Name, &'i Name, &'i Entry);

/// The recipes that have all the words, best first: those whose name or title begins with the
/// first word, then by title. Catalogues are given in the order of their rank, which decides
/// between recipes of the same title.
#[must_use]
pub fn search<'i>(
    catalogues: impl IntoIterator<Item = (&'i Name, &'i Index)>,
    params: &SearchParams,
) -> Vec<Found<'i>> {
    let words: Vec<String> = params.words.split_whitespace().map(fold).collect();
    let mut found: Vec<Found<'i>> = catalogues
        .into_iter()
        .flat_map(|(catalogue, index)| {
            let recipes = index.recipes.iter();
            recipes.map(move |(name, entry)| (catalogue, name, entry))
        })
        .filter(|(_, name, entry)| {
            params
                .name
                .as_ref()
                .is_none_or(|wanted| wanted == name.as_str())
                && params
                    .category
                    .is_none_or(|wanted| entry.recipe.categories.contains(&wanted))
                && has_words(name, entry, &words)
        })
        .collect();
    // The sort is stable, and so keeps the order of the catalogues.
    found.sort_by_cached_key(|(_, name, entry)| {
        let title = fold(&entry.recipe.title);
        let begins = words.first().is_some_and(|word| {
            title.starts_with(word.as_str()) || name.as_str().starts_with(word)
        });
        (!begins, title)
    });
    found
}

fn has_words(name: &Name, entry: &Entry, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let recipe = &entry.recipe;
    let mut text = format!("{name} {}", recipe.title);
    let categories = recipe.categories.iter().map(|category| category.as_str());
    for part in recipe
        .summary
        .values()
        .map(String::as_str)
        .chain(categories)
    {
        text.push(' ');
        text.push_str(part);
    }
    let text = fold(&text);
    words.iter().all(|word| text.contains(word.as_str()))
}

/// Lower case, with the German letters as people type them on other keyboards.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'ä' => folded.push('a'),
            'ö' => folded.push('o'),
            'ü' => folded.push('u'),
            'ß' => folded.push_str("ss"),
            'é' | 'è' | 'ê' => folded.push('e'),
            _ => folded.push(c),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn index(recipes: &[(&str, &str, &str, &str)]) -> Index {
        let recipes: serde_json::Map<_, _> = recipes
            .iter()
            .map(|(name, title, summary, category)| {
                let entry = json!({
                    "title": title, "summary": { "en": summary, "de": "Für Gäste" },
                    "categories": [category], "version": "1.0.0",
                    "upstream": { "npm": name }, "files": {},
                });
                ((*name).to_owned(), entry)
            })
            .collect();
        let index = json!({ "format": 1, "title": "T", "serial": 1, "recipes": recipes });
        serde_json::from_value(index).unwrap()
    }

    #[test]
    fn all_words_are_found_wherever_they_stand_and_the_best_comes_first() {
        let first = index(&[
            (
                "node-red",
                "Node-RED",
                "Connects things with flows.",
                "automation",
            ),
            (
                "tiddlywiki",
                "TiddlyWiki",
                "A notebook of small notes.",
                "notes",
            ),
            ("serve", "Serve", "Nodes of a folder as pages.", "files"),
        ]);
        let second = index(&[("node-red", "Node-RED", "Another one.", "automation")]);
        let (a, b): (Name, Name) = ("a".parse().unwrap(), "b".parse().unwrap());
        let names = |params: serde_json::Value| -> Vec<String> {
            let params = serde_json::from_value(params).unwrap();
            search([(&a, &first), (&b, &second)], &params)
                .into_iter()
                .map(|(catalogue, name, _)| format!("{catalogue}/{name}"))
                .collect()
        };
        let all = ["a/node-red", "b/node-red", "a/serve", "a/tiddlywiki"];
        assert_eq!(names(json!({})), all);
        assert_eq!(
            names(json!({ "words": " node " })),
            ["a/node-red", "b/node-red", "a/serve"]
        );
        assert_eq!(names(json!({ "words": "SERVE" })), ["a/serve"]);
        assert_eq!(names(json!({ "words": "notebook wiki" })), ["a/tiddlywiki"]);
        assert_eq!(names(json!({ "words": "gaste" })), all);
        assert_eq!(names(json!({ "words": "notebook flows" })), [""; 0]);
        assert_eq!(names(json!({ "category": "notes" })), ["a/tiddlywiki"]);
        assert_eq!(
            names(json!({ "name": "node-red" })),
            ["a/node-red", "b/node-red"]
        );
        assert_eq!(names(json!({ "name": "node" })), [""; 0]);
    }
}
