//! `atek status`.

use crate::fake::{FakeHost, SERVICES};
use crate::run::atek;
use crate::sample::{list, log, service, status};
use serde_json::json;

/// Ages depend on the day of the test.
fn without_ages(text: &str) -> String {
    text.lines()
        .map(|line| match line.split_once("; ") {
            Some((before, age)) if age.ends_with(" ago") => format!("{before}; AGE ago\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn a_running_service_is_shown_as_systemctl_would() {
    let host = FakeHost::new();
    host.result(SERVICES, "status", status("rss", "running"))
        .result(SERVICES, "get", service("rss", "running"));
    host.lines(
        "/_atek/logs?service=rss&lines=2",
        &[log("info", "up"), log("err", "oh\u{1b}[2J no")],
    );
    assert_eq!(
        without_ages(&atek(&host, &["status", "rss", "-n", "2"]).ok()),
        "● rss - An App\n\
        \x20      State: running since Thu 2021-08-05 09:57:00 UTC; AGE ago\n\
        \x20    Version: v1.2.0\n\
        \x20     Source: https://example.org/rss\n\
        \x20      Owner: alice\n\
        \x20       Unit: atek-app-rss.service\n\
        \x20   Main PID: 4242\n\
        \x20     Memory: 12.9 MB (limit 256 MiB)\n\
        \x20        CPU: 1.234s\n\
        \x20     Limits: tasks 128\n\
         \n\
         Aug 05 09:57:00 up\n\
         Aug 05 09:57:00 oh no\n"
    );
}

#[test]
fn a_service_that_does_not_run_is_code_4_and_says_why() {
    for (state, code) in [
        ("running", 0),
        ("sleeping", 0),
        ("stopped", 4),
        ("failed", 4),
        ("starting", 4),
        ("unavailable", 4),
    ] {
        let host = FakeHost::new();
        host.result(SERVICES, "status", status("rss", state))
            .result(SERVICES, "get", service("rss", state));
        let done = atek(&host, &["status", "rss", "-n", "0"]);
        assert_eq!(
            (done.code, done.stderr.as_str()),
            (Some(code), ""),
            "{state}"
        );
        assert!(
            done.stdout.contains(&format!("State: {state}")),
            "{}",
            done.stdout
        );
        if state == "failed" {
            assert!(
                done.stdout
                    .contains("failed (it used more memory than it may) since"),
                "{}",
                done.stdout
            );
            assert!(done.stdout.contains("Restarts: 3\n"), "{}", done.stdout);
            assert!(
                done.stdout.contains("Last exit: oom-kill\n"),
                "{}",
                done.stdout
            );
        }
        let done = atek(&host, &["status", "rss", "--json"]);
        assert_eq!(
            (done.code, done.stdout),
            (Some(code), format!("{}\n", status("rss", state)))
        );
    }
}

#[test]
fn a_log_that_cannot_be_read_does_not_hide_the_status() {
    let host = FakeHost::new();
    host.result(SERVICES, "status", status("rss", "running"))
        .result(SERVICES, "get", service("rss", "running"));
    host.status(
        "/_atek/logs?service=rss&lines=10",
        500,
        json!({ "message": "the journal cannot be opened" }),
    );
    let done = atek(&host, &["status", "rss"]);
    assert_eq!(done.code, Some(0));
    assert!(done.stdout.contains("State: running"), "{}", done.stdout);
    assert!(
        done.stderr.contains("the journal cannot be opened"),
        "{}",
        done.stderr
    );
}

#[test]
fn the_whole_box_is_shown_with_what_each_service_uses() {
    let host = FakeHost::new();
    host.result(
        SERVICES,
        "list",
        list(&[service("rss", "failed"), service("core.adb", "running")]),
    );
    host.result(SERVICES, "status", status("core.adb", "running"))
        .result(SERVICES, "status", status("rss", "failed"));
    let text = atek(&host, &["status"]).ok();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "● Atek is degraded: 2 services (1 failed, 1 running)"
    );
    let row = |index: usize| lines[index].split_whitespace().collect::<Vec<_>>();
    assert_eq!(
        row(2),
        [
            "ID", "STATE", "SINCE", "MEMORY", "CPU", "RESTARTS", "REASON"
        ]
    );
    assert_eq!(row(3)[..2], ["core.adb", "running"]);
    assert_eq!(row(3)[4..], ["12.9", "MB", "1.234s", "0", "-"]);
    assert_eq!(row(4)[..2], ["rss", "failed"]);
    assert_eq!(
        row(4)[4..],
        [
            "12.9", "MB", "1.234s", "3", "it", "used", "more", "memory", "than", "it", "may"
        ]
    );
}

#[test]
fn the_whole_box_for_programs_is_a_list_of_statuses() {
    let host = FakeHost::new();
    host.result(SERVICES, "list", list(&[service("rss", "running")]));
    host.result(SERVICES, "status", status("rss", "running"));
    assert_eq!(
        atek(&host, &["status", "--json"]).ok(),
        format!("[{}]\n", status("rss", "running"))
    );
}
