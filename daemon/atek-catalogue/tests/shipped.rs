//! The catalogue of this checkout: its index is current, fits the published schema, and is
//! installed whole.

use atek_api::catalogue::Index;
use atek_catalogue::folder;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn index() -> Index {
    folder::verify(&top().join("image/catalogue"), None)
        .unwrap_or_else(|error| panic!("{error}; run: atek catalogue index image/catalogue"))
}

#[test]
fn the_index_lists_what_is_there() {
    let index = index();
    assert!(index.recipes.len() >= 15, "{}", index.recipes.len());
    let again = folder::make_index(&top().join("image/catalogue")).unwrap();
    assert_eq!(again, index, "run: atek catalogue index image/catalogue");
}

#[test]
fn every_recipe_speaks_german_has_a_picture_and_was_tested() {
    for (name, entry) in &index().recipes {
        let recipe = &entry.recipe;
        assert!(
            recipe.summary.contains_key("de"),
            "{name} has no German sentence"
        );
        assert!(recipe.icon.is_some(), "{name} has no icon");
        assert!(recipe.tested.is_some(), "{name} was not tested");
    }
}

#[test]
fn the_index_fits_the_published_schema() {
    let schema = fs::read_to_string(top().join("docs/catalogue.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let text = fs::read_to_string(top().join("image/catalogue/index.json")).unwrap();
    let mut index: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    if let Err(error) = validator.validate(&index) {
        panic!("{}: {error}", error.instance_path());
    }
    index["recipes"]["tiddlywiki"]["categories"] = serde_json::json!(["games"]);
    assert!(!validator.is_valid(&index), "the schema accepts anything");
}

#[test]
fn the_install_list_has_every_recipe() {
    let list = fs::read_to_string(top().join("image/install.list")).unwrap();
    for name in index().recipes.keys() {
        let source = format!("image/catalogue/recipes/{name}/*");
        let line = list.lines().find(|line| line.starts_with(&source));
        let line = line.unwrap_or_else(|| panic!("no line for {name}"));
        let target = format!("/usr/lib/atek/catalogue/recipes/{name}/");
        assert!(line.contains(&target), "{line}");
    }
}
