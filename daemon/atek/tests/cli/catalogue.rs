//! Finding apps in catalogues, and installing them by name.

use crate::fake::FakeHost;
use crate::run::{atek, command, spawn, wait};
use crate::sample::service;
use serde_json::{Value, json};
use std::fs;

const CATALOGUE: &str = "atek.cloud/catalogue-api";
const SERVICES: &str = "atek.cloud/services-api";

fn recipe(catalogue: &str, name: &str) -> Value {
    json!({
        "sourceUrl": format!("catalogue:{catalogue}/{name}"), "catalogue": catalogue, "name": name,
        "title": "Notes", "summary": { "en": "Small \u{1b}[31mnotes." }, "categories": ["notes"],
        "version": "1.2.3", "permissions": {},
    })
}

fn host_with(recipes: &[Value]) -> FakeHost {
    let host = FakeHost::new();
    host.result(CATALOGUE, "search", json!({ "recipes": recipes }));
    host
}

#[test]
fn what_was_found_is_a_table_without_terminal_sequences() {
    let host = host_with(&[recipe("atek", "notes")]);
    let found = atek(&host, &["-q", "search", "small", "notes"]).ok();
    assert!(found.contains("notes  1.2.3    atek"), "{found}");
    assert!(
        found.contains("Small notes.") && !found.contains('\u{1b}'),
        "{found:?}"
    );
    assert_eq!(
        host.calls_of("search"),
        [json!([{ "words": "small notes" }])]
    );
}

#[test]
fn an_app_is_installed_by_a_name_that_means_one() {
    let host = host_with(&[recipe("atek", "notes")]);
    host.result(SERVICES, "startInstall", json!({ "job": "j1" }));
    let done = json!({ "event": "done", "result": service("notes", "running") });
    host.lines("/_atek/jobs/j1", &[done]);
    atek(&host, &["-q", "install", "notes"]).ok();
    assert_eq!(host.calls_of("search"), [json!([{ "name": "notes" }])]);
    assert_eq!(
        host.calls_of("startInstall")[0][0]["sourceUrl"],
        "catalogue:atek/notes"
    );
}

#[test]
fn a_name_that_means_no_app_or_several_installs_nothing() {
    let host = host_with(&[recipe("atek", "notes"), recipe("garden", "notes")]);
    let error = atek(&host, &["install", "notes"]).failed(2);
    assert!(
        error.contains("catalogue:atek/notes, catalogue:garden/notes"),
        "{error}"
    );
    let host = host_with(&[]);
    let error = atek(&host, &["install", "notes"]).failed(2);
    assert!(error.contains("no catalogue has an app notes"), "{error}");
}

#[test]
fn a_folder_is_not_shadowed_by_an_app_of_its_name() {
    let here = tempfile::tempdir().unwrap();
    fs::create_dir(here.path().join("notes")).unwrap();
    let host = host_with(&[recipe("atek", "notes")]);
    host.result(SERVICES, "startInstall", json!({ "job": "j1" }));
    let done = json!({ "event": "done", "result": service("notes", "running") });
    host.lines("/_atek/jobs/j1", &[done]);
    let mut install = command(&["-q", "install", "notes"]);
    install
        .current_dir(here.path())
        .env("ATEK_CONTROL_SOCKET", host.socket());
    wait(spawn(&mut install)).ok();
    assert!(host.calls_of("search").is_empty());
    let source = host.calls_of("startInstall")[0][0]["sourceUrl"].to_string();
    assert!(
        source.contains("file:///") && source.contains("/notes"),
        "{source}"
    );
}
