//! A package that a recipe describes: the program is run as atekd runs it.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a job in a new staging folder; returns the folder and the last line of the answer.
fn run(request: &Value) -> (tempfile::TempDir, Value) {
    let staging = tempfile::tempdir().unwrap();
    let mut job = Command::new(env!("CARGO_BIN_EXE_atek-package"))
        .current_dir(staging.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(job.stdin.take().unwrap(), "{request}").unwrap();
    let output = job.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let last = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    (staging, last)
}

fn shipped(name: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = top
        .canonicalize()
        .unwrap()
        .join("image/catalogue/recipes")
        .join(name);
    format!("recipe+file://{}", folder.display())
}

#[test]
fn a_recipes_files_become_a_package_that_is_built_from_its_lockfile() {
    let request = json!({ "request": "fetch", "source": shipped("tiddlywiki") });
    let (staging, last) = run(&request);
    let package = &last["result"]["package"];
    assert_eq!(package["release"]["tag"], "5.3.6", "{last}");
    assert_eq!(package["build"], json!(["npm ci"]), "{last}");
    assert_eq!(package["manifest"]["name"], "TiddlyWiki");
    assert_eq!(package["commit"].as_str().map(str::len), Some(64));
    let files = staging.path().join("package");
    assert!(files.join("package-lock.json").exists() && files.join("icon.svg").exists());
    assert!(
        !files.join("recipe.json").exists(),
        "it is about the app, and no part of it"
    );

    let listed = run(&json!({ "request": "listTags", "source": shipped("tiddlywiki") })).1;
    assert_eq!(listed["result"]["releases"][0]["tag"], "5.3.6", "{listed}");
}

#[test]
fn a_version_that_the_recipe_does_not_have_is_refused() {
    for wanted in [
        json!({ "by": "newest", "range": "^6" }),
        json!({ "by": "tag", "tag": "5.3.5" }),
    ] {
        let source = shipped("tiddlywiki");
        let request = json!({ "request": "fetch", "source": source, "wanted": wanted });
        let last = run(&request).1;
        assert_eq!(last["code"], "no-matching-release", "{last}");
        assert!(
            last["message"].as_str().unwrap().contains("5.3.6"),
            "{last}"
        );
    }
}

#[test]
fn a_recipe_that_breaks_the_rules_says_which() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("recipe.json"), "{}").unwrap();
    let source = format!("recipe+file://{}", folder.path().display());
    let last = run(&json!({ "request": "fetch", "source": source })).1;
    assert_eq!(last["event"], "failed", "{last}");
    let message = last["message"].as_str().unwrap();
    assert!(
        message.contains("title") && message.contains("atek.json is missing"),
        "{message}"
    );
}
