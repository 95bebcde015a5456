//! What a person at a terminal sees and is asked.

use crate::fake::{FakeHost, SERVICES, USERS};
use crate::run::{atek_answering, atek_on_narrow_terminal, atek_on_terminal};
use crate::sample::{asking_service, list, service, status};
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
fn no_word_is_broken_and_no_line_too_long_on_a_narrow_terminal() {
    let ids = ["rss", "the-notes-of-the-family", "photo-album"];
    let states = ["running", "restarting", "failed"];
    let host = FakeHost::new();
    let services: Vec<Value> = ids
        .iter()
        .zip(states)
        .map(|(id, state)| service(id, state))
        .collect();
    host.result(SERVICES, "list", list(&services)).result(
        SERVICES,
        "status",
        status("photo-album", "failed"),
    );
    for columns in [40, 50, 60, 80] {
        for command in ["ls", "status"] {
            let shown = atek_on_narrow_terminal(&host, columns, &[command, "--no-color"]).stdout;
            for word in ids.iter().chain(&states) {
                assert!(
                    shown.contains(word),
                    "{word}, {columns}, {command}:\n{shown}"
                );
            }
            if command == "status" {
                assert!(shown.contains("12.9 MB"), "{columns}:\n{shown}");
            }
            for line in shown.lines() {
                let length = line.trim_end().chars().count();
                // The summary is a sentence, which a terminal may wrap; an address has no better
                // place.
                let may_wrap = line.starts_with('●') || line.contains("SOURCE: ");
                assert!(
                    length <= columns || may_wrap,
                    "{columns}, {command}:\n{shown}"
                );
            }
        }
    }
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
fn permissions_are_granted_by_a_yes_and_asked_for_once() {
    for (answer, granted) in [("y\n", true), ("n\n", false), ("\n", false)] {
        let host = FakeHost::new();
        let asks = json!({ "network": { "hosts": ["feeds.example.org"] } });
        let inspection = json!({ "id": "rss", "version": "v1.2.0", "manifest": { "name": "An App" }, "asks": asks });
        host.result(SERVICES, "inspect", inspection).result(
            SERVICES,
            "startInstall",
            json!({ "job": "j1" }),
        );
        host.lines(
            "/_atek/jobs/j1",
            &[json!({ "event": "done", "result": asking_service("rss", granted) })],
        );
        let done = atek_on_terminal(&host, &["install", "https://example.org/rss"], answer);
        assert_eq!(done.code, Some(0), "{}", done.stdout);
        assert!(
            done.stdout.contains("- connect to feeds.example.org"),
            "{}",
            done.stdout
        );
        assert_eq!(
            done.stdout.matches("Grant this? [y/N]").count(),
            1,
            "{}",
            done.stdout
        );
        let grant = if granted { asks } else { Value::Null };
        assert_eq!(
            host.calls_of("startInstall")[0][0]["grant"],
            grant,
            "{answer:?}"
        );
        assert_eq!(
            done.stdout.contains("atek cfg rss --grant"),
            !granted,
            "{}",
            done.stdout
        );
        assert!(host.calls_of("configure").is_empty());
    }
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

#[test]
fn ctrl_c_at_a_question_ends_the_command() {
    let host = FakeHost::new();
    let asks = json!({ "network": "direct" });
    host.result(
        SERVICES,
        "inspect",
        json!({ "id": "rss", "manifest": null, "asks": asks }),
    );
    // What the terminal makes a SIGINT of.
    let done = atek_answering(
        &host,
        &["install", "https://example.org/rss"],
        "Grant this? [y/N]",
        "\u{3}",
    );
    assert_eq!(done.code, Some(130), "{}", done.stdout);
    assert!(done.stdout.contains("interrupted"), "{}", done.stdout);
    assert!(host.calls_of("startInstall").is_empty());
}
