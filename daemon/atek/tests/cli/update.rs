//! Looking for updates, and installing them.

use crate::fake::{FakeHost, SERVICES};
use crate::run::atek;
use crate::sample::{list, service};
use serde_json::{Value, json};

fn check(has_update: bool, latest: &str) -> Value {
    json!({ "hasUpdate": has_update, "installedVersion": "v1.2.0", "latestVersion": latest })
}

#[test]
fn update_shows_what_can_be_updated_and_changes_nothing() {
    let host = FakeHost::new();
    let mut folder = service("here", "running");
    folder["settings"]["package"] = json!({ "sourceType": "file" });
    let services = [
        service("rss", "running"),
        service("core.adb", "running"),
        folder,
        service("a", "running"),
    ];
    host.result(SERVICES, "list", list(&services));
    host.result(SERVICES, "checkForPackageUpdates", check(false, "v1.2.0"));
    host.result(SERVICES, "checkForPackageUpdates", check(true, "v1.3.0"));
    let done = atek(&host, &["update"]);
    assert_eq!(
        done.stdout,
        "ID   INSTALLED  LATEST  UPDATE\n\
         a    v1.2.0     v1.2.0  no\n\
         rss  v1.2.0     v1.3.0  yes\n"
    );
    assert_eq!(
        done.stderr,
        "install the new releases with: atek update --all\n"
    );
    assert_eq!(
        host.calls_of("checkForPackageUpdates"),
        [json!(["a"]), json!(["rss"])]
    );
    assert!(host.calls_of("startUpdate").is_empty());
}

#[test]
fn update_follows_the_job_and_tells_both_versions() {
    let host = FakeHost::new();
    host.result(SERVICES, "startUpdate", json!({ "job": "j1" }));
    let result = json!({ "installedVersion": "v1.3.0", "oldVersion": "v1.2.0" });
    host.lines(
        "/_atek/jobs/j1",
        &[
            json!({ "event": "progress", "phase": "fetch", "message": "fetching tags" }),
            json!({ "event": "done", "result": result }),
        ],
    );
    let done = atek(&host, &["update", "rss"]);
    assert_eq!(done.stdout, "updated rss from v1.2.0 to v1.3.0\n");
    assert_eq!(done.stderr, "fetch: fetching tags\n");
    assert_eq!(
        atek(&host, &["update", "rss", "--json"]).ok(),
        format!("{result}\n")
    );
    host.result(SERVICES, "checkForPackageUpdates", check(true, "v1.3.0"));
    assert_eq!(
        atek(&host, &["update", "rss", "--check"]).ok(),
        "rss v1.2.0 can be updated to v1.3.0: atek update rss\n"
    );
}

#[test]
fn update_all_goes_on_after_a_failure() {
    let host = FakeHost::new();
    host.result(
        SERVICES,
        "list",
        list(&[
            service("a", "running"),
            service("b", "running"),
            service("c", "running"),
        ]),
    );
    host.error(
        SERVICES,
        "checkForPackageUpdates",
        -32003,
        "the repository cannot be reached",
    );
    host.result(SERVICES, "checkForPackageUpdates", check(true, "v1.3.0"));
    host.result(SERVICES, "startUpdate", json!({ "job": "j1" }))
        .result(SERVICES, "startUpdate", json!({ "job": "j2" }));
    host.lines(
        "/_atek/jobs/j1",
        &[json!({ "event": "failed", "error": { "code": -32003, "message": "npm failed:\nline 1\nline 2" } })],
    );
    host.lines(
        "/_atek/jobs/j2",
        &[json!({ "event": "done", "result": { "installedVersion": "v1.3.0", "oldVersion": "v1.2.0" } })],
    );
    let done = atek(&host, &["update", "--all"]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(1), "updated c from v1.2.0 to v1.3.0\n")
    );
    assert_eq!(
        done.stderr,
        "error: cannot look for an update of a: the repository cannot be reached\n\
         error: cannot update b: npm failed:\nline 1\nline 2\n\
         error: 2 of 3 failed\n"
    );
}

#[test]
fn a_release_that_asks_for_more_is_installed_after_a_yes() {
    let with_answers = || {
        let host = FakeHost::new();
        host.result(SERVICES, "startUpdate", json!({ "job": "j1" }))
            .result(SERVICES, "startUpdate", json!({ "job": "j2" }));
        let refusal = "rss v1.3.0 asks for more permissions than v1.2.0 has";
        host.lines(
            "/_atek/jobs/j1",
            &[json!({ "event": "failed", "error": { "code": -32003, "message": refusal } })],
        );
        let result = json!({ "installedVersion": "v1.3.0", "oldVersion": "v1.2.0" });
        host.lines(
            "/_atek/jobs/j2",
            &[json!({ "event": "done", "result": result })],
        );
        host.result(SERVICES, "get", service("rss", "running"));
        host.result(
            SERVICES,
            "inspect",
            json!({ "id": "rss", "asks": { "network": "direct" }, "manifest": null }),
        );
        host.result(SERVICES, "configure", Value::Null);
        host
    };
    let host = with_answers();
    let done = atek(&host, &["update", "rss"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        done.stderr,
        "the new release of rss asks to:\n  - connect to any computer on the internet, but not to devices in your home\n\
         there is no terminal to ask at, so this is not granted\n\
         error: cannot update rss: rss v1.3.0 asks for more permissions than v1.2.0 has\n"
    );
    assert!(host.calls_of("configure").is_empty());

    let host = with_answers();
    assert_eq!(
        atek(&host, &["update", "rss", "--yes"]).ok(),
        "updated rss from v1.2.0 to v1.3.0\n"
    );
    assert_eq!(
        host.calls_of("configure"),
        [json!(["rss", { "grant": { "network": "direct" } }])]
    );
    assert_eq!(host.calls_of("startUpdate").len(), 2);
}
