//! `atek logs`.

use crate::fake::{FakeHost, SERVICES};
use crate::run::{DEADLINE, atek, command, spawn, wait};
use crate::sample::{list, log, service};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::sync::mpsc;

#[test]
fn a_log_is_shown_with_local_times_and_without_escape_sequences() {
    let host = FakeHost::new();
    host.lines(
        "/_atek/logs?service=rss&lines=100",
        &[
            log("info", "\u{1b}[32mready\u{1b}[0m"),
            log("err", "no\tgood"),
        ],
    );
    assert_eq!(
        atek(&host, &["logs", "rss"]).ok(),
        "Aug 05 09:57:00 ready\nAug 05 09:57:00 no\tgood\n"
    );
}

#[test]
fn lines_for_programs_are_the_hosts_own() {
    let host = FakeHost::new();
    host.lines(
        "/_atek/logs?service=rss&lines=100",
        &[log("info", "a"), log("info", "b")],
    );
    assert_eq!(
        atek(&host, &["logs", "rss", "--json"]).ok(),
        format!("{}\n{}\n", log("info", "a"), log("info", "b"))
    );
}

#[test]
fn flags_become_the_hosts_query() {
    for (flags, query) in [
        (&["-n", "5"][..], "lines=5"),
        (&["--since", "1h"], "since=-3600"),
        (
            &["--since", "2021-08-05 10:00", "-n", "7"],
            "since=2021-08-05T10%3A00%3A00Z&lines=7",
        ),
        (&["--level", "warn"], "level=warning&lines=100"),
        (&["--level", "3"], "level=err&lines=100"),
    ] {
        let host = FakeHost::new();
        host.lines(&format!("/_atek/logs?service=rss&{query}"), &[]);
        let done = atek(&host, &[&["logs", "rss"], flags].concat());
        assert_eq!(
            done.code,
            Some(0),
            "{flags:?}: {} {:?}",
            done.stderr,
            host.requests()
        );
    }
}

#[test]
fn a_time_that_cannot_be_read_is_a_usage_error() {
    let host = FakeHost::new();
    let error = atek(&host, &["logs", "rss", "--since", "sometime"]).failed(2);
    assert!(
        error.starts_with("error: --since: expected a time such as 1h"),
        "{error}"
    );
    assert!(host.requests().is_empty());
}

#[test]
fn the_log_of_a_service_that_does_not_exist_is_code_3() {
    let host = FakeHost::new();
    host.error(SERVICES, "get", -32003, "Not authorized")
        .result(SERVICES, "list", list(&[service("rss", "running")]));
    host.status(
        "/_atek/logs?service=rsss&lines=100",
        404,
        json!({ "error": true, "message": "Not found" }),
    );
    assert_eq!(
        atek(&host, &["logs", "rsss"]).failed(3),
        "error: no service has the id rsss\n hint: did you mean rss?\n"
    );
}

#[test]
fn following_prints_lines_as_they_come_and_ends_at_ctrl_c() {
    let host = FakeHost::new();
    host.endless_lines(
        "/_atek/logs?service=rss&lines=100&follow=true",
        &[log("info", "first"), log("info", "second")],
    );
    let mut child = spawn(
        command(&["logs", "-f", "rss"])
            .env("ATEK_CONTROL_SOCKET", host.socket())
            .stdin(Stdio::null()),
    );
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let got: Vec<String> = lines.by_ref().take(2).map(Result::unwrap).collect();
        sender.send(got).unwrap();
        // Keeps the pipe open until the program ends.
        lines.count()
    });
    let got = receiver.recv_timeout(DEADLINE).unwrap();
    assert_eq!(got, ["Aug 05 09:57:00 first", "Aug 05 09:57:00 second"]);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let done = wait(child);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_reader_that_has_seen_enough_is_not_a_failure() {
    let host = FakeHost::new();
    let lines: Vec<_> = (0..5000)
        .map(|n| log("info", &format!("line {n} {}", "x".repeat(100))))
        .collect();
    host.lines("/_atek/logs?service=rss&lines=5000", &lines);
    let mut child =
        spawn(command(&["logs", "rss", "-n", "5000"]).env("ATEK_CONTROL_SOCKET", host.socket()));
    let mut first = [0; 15];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let done = wait(child);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_followed_log_that_ends_means_that_the_host_went_away() {
    let host = FakeHost::new();
    host.lines(
        "/_atek/logs?service=rss&lines=100&follow=true",
        &[log("info", "last words")],
    );
    let done = atek(&host, &["logs", "-f", "rss"]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(69), "Aug 05 09:57:00 last words\n")
    );
    assert!(
        done.stderr
            .starts_with("error: the host ended the log\n hint: "),
        "{}",
        done.stderr
    );
}
