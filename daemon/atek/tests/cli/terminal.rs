//! What a person at a terminal sees and is asked.

use crate::fake::{FakeHost, SERVICES, USERS};
use crate::run::atek_on_terminal;
use crate::sample::{asking_service, list, service};
use serde_json::{Value, json};

#[test]
fn colours_are_for_terminals_that_want_them() {
    let host = FakeHost::new();
    host.result(SERVICES, "list", list(&[service("rss", "running")]));
    let coloured = atek_on_terminal(&host, &["ls"], "").stdout;
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    let plain = atek_on_terminal(&host, &["ls", "--no-color"], "").stdout;
    assert!(
        !plain.contains('\u{1b}') && plain.contains("rss"),
        "{plain:?}"
    );
}

#[test]
fn a_new_password_is_asked_for_twice() {
    let host = FakeHost::new();
    host.result(USERS, "create", json!({ "key": "u3", "username": "carol" }));
    let done = atek_on_terminal(
        &host,
        &["mkuser"],
        "carol\nfirst try\nfrist try\ncorrect horse\ncorrect horse\n",
    );
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    assert!(
        done.stdout.contains("the two are not the same"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("created the user carol"),
        "{}",
        done.stdout
    );
    assert_eq!(
        host.calls_of("create"),
        [json!([{ "username": "carol", "password": "correct horse" }])]
    );
}

#[test]
fn permissions_are_granted_by_a_yes() {
    for (answer, granted) in [("y\n", true), ("n\n", false), ("\n", false)] {
        let host = FakeHost::new();
        host.result(SERVICES, "startInstall", json!({ "job": "j1" }));
        host.lines(
            "/_atek/jobs/j1",
            &[json!({ "event": "done", "result": asking_service("rss", false) })],
        );
        host.result(SERVICES, "configure", Value::Null)
            .result(SERVICES, "restart", Value::Null)
            .result(SERVICES, "get", asking_service("rss", true));
        let done = atek_on_terminal(&host, &["install", "https://example.org/rss"], answer);
        assert_eq!(done.code, Some(0), "{}", done.stdout);
        assert!(
            done.stdout.contains("- connect to feeds.example.org"),
            "{}",
            done.stdout
        );
        assert!(done.stdout.contains("Grant this? [y/N]"), "{}", done.stdout);
        assert_eq!(
            host.calls_of("configure").len(),
            usize::from(granted),
            "{answer:?}"
        );
        assert_eq!(
            done.stdout.contains("atek cfg rss --grant"),
            !granted,
            "{}",
            done.stdout
        );
    }
}

#[test]
fn a_folder_whose_permissions_are_refused_is_installed_without_them_and_not_asked_again() {
    let host = FakeHost::new();
    let folder = host.folder().join("rss");
    std::fs::create_dir(&folder).unwrap();
    let manifest = json!({ "name": "An App", "permissions": { "network": "direct" } });
    std::fs::write(folder.join("atek.json"), manifest.to_string()).unwrap();
    host.result(SERVICES, "startInstall", json!({ "job": "j1" }));
    host.lines(
        "/_atek/jobs/j1",
        &[json!({ "event": "done", "result": asking_service("rss", false) })],
    );
    let done = atek_on_terminal(&host, &["install", folder.to_str().unwrap()], "no\n");
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    assert_eq!(
        done.stdout.matches("Grant this?").count(),
        1,
        "{}",
        done.stdout
    );
    assert_eq!(host.calls_of("startInstall")[0][0]["grant"], Value::Null);
    assert!(host.calls_of("configure").is_empty());
}

#[test]
fn nothing_is_removed_without_a_yes() {
    let host = FakeHost::new();
    host.result(SERVICES, "get", service("rss", "running"))
        .result(SERVICES, "uninstall", Value::Null);
    let done = atek_on_terminal(&host, &["uninstall", "rss"], "n\n");
    assert_eq!(done.code, Some(130), "{}", done.stdout);
    assert!(
        done.stdout
            .contains("Uninstall rss, and delete its data? [y/N]"),
        "{}",
        done.stdout
    );
    assert!(host.calls_of("uninstall").is_empty());
    let done = atek_on_terminal(&host, &["uninstall", "rss"], "yes\n");
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    assert_eq!(host.calls_of("uninstall").len(), 1);
}
