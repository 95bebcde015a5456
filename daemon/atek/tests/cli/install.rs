//! Installing, with the permissions that an app asks for.

use crate::fake::{FakeHost, SERVICES};
use crate::run::{arg, atek, command, spawn, wait};
use crate::sample::{asking_service, log, service};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};

/// A host on which an installation ends in this service.
fn installing(result: Value) -> FakeHost {
    let host = FakeHost::new();
    host.result(SERVICES, "startInstall", json!({ "job": "j1" }));
    host.lines(
        "/_atek/jobs/j1",
        &[
            json!({ "event": "progress", "phase": "fetch", "message": "receiving objects", "percent": 10 }),
            json!({ "event": "progress", "phase": "fetch", "message": "receiving objects", "percent": 90 }),
            json!({ "event": "progress", "phase": "build", "message": "npm \u{1b}[31mci" }),
            json!({ "event": "done", "result": result }),
        ],
    );
    host
}

#[test]
fn an_app_is_installed_from_git_with_all_the_originals_flags() {
    let host = installing(service("rss", "running"));
    let args = "install https://example.org/rss --id rss --desiredVersion ^1 --user alice --config.KEY VAL --config A=1";
    let done = atek(&host, &args.split(' ').collect::<Vec<_>>());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.stdout, "installed rss (An App) v1.2.0, running\n");
    assert_eq!(done.stderr, "fetch: receiving objects\nbuild: npm ci\n");
    assert_eq!(
        host.calls_of("startInstall"),
        [json!([{
            "sourceUrl": "https://example.org/rss",
            "id": "rss",
            "desiredVersion": "^1",
            "user": "alice",
            "config": { "A": "1", "KEY": "VAL" }
        }])]
    );
}

#[test]
fn an_app_that_was_installed_and_did_not_run_was_a_success() {
    for state in ["failed", "restarting", "starting", "unavailable"] {
        let host = installing(service("rss", state));
        host.lines(
            "/_atek/logs?service=rss&lines=100",
            &[
                log("err", "Error: Cannot find \u{1b}[1mmodule 'x'"),
                log(
                    "info",
                    "atek-app-rss.service: Failed with result 'exit-code'.",
                ),
            ],
        );
        let done = atek(&host, &["install", "https://example.org/rss"]);
        assert_eq!(done.code, Some(4), "{state}: {}", done.stderr);
        assert!(done.stdout.starts_with("installed rss "), "{}", done.stdout);
        let log = "the last lines of its log (atek logs rss):\n  Error: Cannot find module 'x'\n";
        assert!(done.stderr.ends_with(log), "{state}: {}", done.stderr);
        let json = atek(&host, &["install", "https://example.org/rss", "--json"]);
        assert_eq!(json.code, Some(4));
        assert_eq!(json.stdout, format!("{}\n", service("rss", state)));
    }
}

#[test]
fn what_is_unusual_about_a_package_is_shown_once() {
    let warning = |code: &str, message: &str| json!({ "code": code, "message": message });
    let before = warning("no-lockfile", "the package has no lockfile");
    let mut installed = service("rss", "running");
    installed["settings"]["package"]["warnings"] =
        json!([before, warning("icon", "the icon is not there")]);
    let host = installing(installed);
    let mut looked_at = inspection(false);
    looked_at["warnings"] = json!([before]);
    host.result(SERVICES, "inspect", looked_at);
    let done = atek(&host, &["install", "https://example.org/rss"]);
    assert_eq!(
        done.stderr,
        "warning: the package has no lockfile\nfetch: receiving objects\nbuild: npm ci\n\
         warning: the icon is not there\n"
    );
    assert_eq!(done.code, Some(0));
}

#[test]
fn json_is_the_installed_service_and_nothing_else() {
    let host = installing(service("rss", "running"));
    let text = atek(&host, &["install", "https://example.org/rss", "--json"]).ok();
    assert_eq!(text, format!("{}\n", service("rss", "running")));
}

#[test]
fn a_folder_becomes_a_file_url() {
    let host = installing(service("app", "running"));
    let folder = host.folder().join("my app");
    std::fs::create_dir(&folder).unwrap();
    let real = std::fs::canonicalize(&folder).unwrap();
    atek(&host, &["-q", "install", arg(&folder)]).ok();
    let done = {
        let mut relative = command(&["-q", "install", "./my app"]);
        relative
            .current_dir(host.folder())
            .env("ATEK_CONTROL_SOCKET", host.socket());
        wait(spawn(&mut relative))
    };
    done.ok();
    let url = format!("file://{}", real.display()).replace(' ', "%20");
    assert_eq!(
        host.calls_of("startInstall"),
        [json!([{ "sourceUrl": url }]), json!([{ "sourceUrl": url }])]
    );
}

#[test]
fn a_folder_that_is_not_there_is_told_from_a_forgotten_scheme() {
    let host = FakeHost::new();
    let error = atek(&host, &["install", "github.com/a/b"]).failed(2);
    assert_eq!(
        error,
        "error: there is no folder github.com/a/b; did you mean https://github.com/a/b?\n"
    );
    let error = atek(&host, &["install", "./nowhere"]).failed(1);
    assert_eq!(
        error,
        "error: cannot find the folder ./nowhere: No such file or directory (os error 2)\n"
    );
    let error = atek(&host, &["install", "/etc/passwd"]).failed(2);
    assert_eq!(error, "error: /etc/passwd is not a folder\n");
    assert!(host.calls().is_empty());
}

fn inspection(asks: bool) -> Value {
    let asks = if asks {
        json!({ "network": { "hosts": ["feeds.example.org"] } })
    } else {
        json!({})
    };
    json!({
        "id": "rss", "version": "v1.2.0", "manifest": { "name": "An App" }, "asks": asks, "asksInWords": []
    })
}

#[test]
fn what_an_app_asks_for_is_not_granted_without_somebody_to_ask() {
    let host = installing(asking_service("rss", false));
    host.result(SERVICES, "inspect", inspection(true));
    let done = atek(
        &host,
        &["install", "https://example.org/rss", "--version", "^1"],
    );
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(0), "installed rss (An App) v1.2.0, running\n")
    );
    assert_eq!(
        done.stderr,
        "An App asks to:\n  - connect to feeds.example.org\n\
         there is no terminal to ask at, so this is not granted\n\
         fetch: receiving objects\nbuild: npm ci\n\
         not everything is granted; grant it with: atek cfg rss --grant\n"
    );
    let expected = json!([{ "sourceUrl": "https://example.org/rss", "desiredVersion": "^1" }]);
    assert_eq!(host.calls_of("inspect")[0], expected);
    assert_eq!(host.calls_of("startInstall")[0], expected);
    assert!(host.calls_of("configure").is_empty());
}

#[test]
fn yes_grants_what_the_app_asks_for_at_once_and_installs_what_was_looked_at() {
    let host = installing(asking_service("rss", true));
    let mut looked_at = inspection(true);
    looked_at["commit"] = json!("5f1d");
    host.result(SERVICES, "inspect", looked_at);
    let text = atek(
        &host,
        &["install", "https://example.org/rss", "--yes", "--json"],
    )
    .ok();
    assert_eq!(text, format!("{}\n", asking_service("rss", true)));
    let grant = json!({ "network": { "hosts": ["feeds.example.org"] } });
    assert_eq!(
        host.calls_of("startInstall"),
        [json!([{
            "sourceUrl": "https://example.org/rss",
            "grant": grant,
            "inspected": { "version": "v1.2.0", "commit": "5f1d" },
        }])]
    );
    assert!(host.calls_of("configure").is_empty());
}

#[test]
fn a_package_that_asks_for_more_than_when_it_was_looked_at_is_asked_about_again() {
    let host = installing(asking_service("rss", false));
    host.result(SERVICES, "inspect", inspection(false))
        .result(SERVICES, "configure", Value::Null)
        .result(SERVICES, "get", asking_service("rss", true));
    let text = atek(
        &host,
        &["install", "https://example.org/rss", "--grant", "--json"],
    )
    .ok();
    assert_eq!(text, format!("{}\n", asking_service("rss", true)));
    let grant = json!({ "network": { "hosts": ["feeds.example.org"] } });
    assert_eq!(
        host.calls_of("configure"),
        [json!(["rss", { "grant": grant }])]
    );
}

#[test]
fn a_package_that_cannot_be_looked_at_is_not_installed() {
    let host = FakeHost::new();
    host.error(
        SERVICES,
        "inspect",
        -32003,
        "No release (git tag) has been set for https://example.org/rss",
    );
    let error = atek(&host, &["install", "https://example.org/rss", "--yes"]).failed(1);
    assert_eq!(
        error,
        "error: cannot install https://example.org/rss: \
         No release (git tag) has been set for https://example.org/rss\n"
    );
    assert!(host.calls_of("startInstall").is_empty());
}

#[test]
fn a_failed_installation_tells_why_in_the_jobs_words() {
    let host = FakeHost::new();
    host.result(SERVICES, "startInstall", json!({ "job": "j 1" }));
    let message = "No release (git tag) has been set for https://example.org/rss";
    host.lines(
        "/_atek/jobs/j+1",
        &[json!({ "event": "failed", "error": { "code": -32003, "message": message } })],
    );
    let error = atek(&host, &["install", "https://example.org/rss"]).failed(1);
    assert_eq!(
        error,
        format!("error: cannot install https://example.org/rss: {message}\n")
    );
}

#[test]
fn a_refused_installation_is_not_taken_for_a_missing_service() {
    let host = FakeHost::new();
    host.error(SERVICES, "startInstall", -32003, "Not authorized");
    let error = atek(&host, &["install", "https://example.org/rss"]).failed(1);
    assert_eq!(
        error,
        "error: cannot install https://example.org/rss: Not authorized\n"
    );
}

#[test]
fn a_host_that_goes_away_during_an_installation_is_noticed() {
    let host = FakeHost::new();
    host.result(SERVICES, "startInstall", json!({ "job": "j1" }));
    host.lines(
        "/_atek/jobs/j1",
        &[json!({ "event": "progress", "phase": "fetch", "message": "x" })],
    );
    let done = atek(&host, &["-q", "install", "https://example.org/rss"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(
        done.stderr,
        "error: cannot install https://example.org/rss: the host stopped telling about it, see: atek ls; journalctl -u atekd\n"
    );
}

#[test]
fn ctrl_c_leaves_the_installation_to_the_host_and_says_so() {
    let host = FakeHost::new();
    host.result(SERVICES, "startInstall", json!({ "job": "j1" }));
    let progress = json!({ "event": "progress", "phase": "fetch", "message": "receiving" });
    host.endless_lines("/_atek/jobs/j1", &[progress]);
    let mut command = command(&["install", "https://example.org/rss"]);
    let mut child = spawn(command.env("ATEK_CONTROL_SOCKET", host.socket()));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "fetch: receiving\n");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let done = wait(child);
    assert_eq!((done.code, done.stdout.as_str()), (Some(130), ""));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(
        rest,
        "error: interrupted; the host goes on with it, see: atek ls\n"
    );
}

#[test]
fn higher_limits_are_allowed_only_with_a_yes() {
    let mut looked_at = inspection(false);
    looked_at["limits"] = json!({ "memoryMax": 1u64 << 30, "tasksMax": 500 });
    let install = |more: &[&str]| {
        let host = installing(service("rss", "running"));
        host.result(SERVICES, "inspect", looked_at.clone());
        let done = atek(
            &host,
            &[&["install", "https://example.org/rss"], more].concat(),
        );
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let sent = host.calls_of("startInstall").remove(0);
        (done.stderr, sent[0]["limits"].clone())
    };
    let (said, sent) = install(&[]);
    assert_eq!(sent, Value::Null, "silence is not consent");
    assert!(
        said.starts_with(
            "An App wants more of the box than usual, to:\n\
             \x20 - use up to 1024 MiB of memory (usually 512 MiB)\n\
             \x20 - run up to 500 processes and threads (usually 128)\n\
             there is no terminal to ask at, so this is not allowed\n"
        ),
        "{said}"
    );
    assert_eq!(install(&["--yes"]).1, looked_at["limits"]);
}
