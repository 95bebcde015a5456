//! Listing, showing, configuring, starting, stopping and removing.

use crate::fake::{FakeHost, SERVICES};
use crate::run::{atek, atek_with_input};
use crate::sample::{asking_service, list, service};
use serde_json::{Value, json};

#[test]
fn ls_shows_a_line_for_each_service_core_first() {
    let host = FakeHost::new();
    let mut broken = service("notes", "failed");
    broken["reason"] = json!("exit code 1");
    let mut core = service("core.adb", "running");
    core["owner"] = json!("system");
    host.result(
        SERVICES,
        "list",
        list(&[service("rss", "running"), broken, core]),
    );
    assert_eq!(
        atek(&host, &["ls"]).ok(),
        "ID        STATE    VERSION  OWNER   SOURCE                        REASON\n\
         core.adb  running  v1.2.0   system  https://example.org/core.adb  -\n\
         notes     failed   v1.2.0   alice   https://example.org/notes     exit code 1\n\
         rss       running  v1.2.0   alice   https://example.org/rss       -\n"
    );
}

#[test]
fn ls_says_how_to_begin_when_nothing_is_installed() {
    let host = FakeHost::new();
    host.result(SERVICES, "list", list(&[]));
    assert_eq!(
        atek(&host, &["ls"]).ok(),
        "nothing is installed, start with: atek install URL\n"
    );
}

#[test]
fn json_is_the_hosts_own_answer() {
    let host = FakeHost::new();
    let answer = list(&[service("rss", "running")]);
    host.result(SERVICES, "list", answer.clone());
    host.result(SERVICES, "get", service("rss", "running"));
    assert_eq!(atek(&host, &["ls", "--json"]).ok(), format!("{answer}\n"));
    assert_eq!(
        atek(&host, &["--json", "get", "rss"]).ok(),
        format!("{}\n", service("rss", "running"))
    );
}

#[test]
fn what_an_app_says_cannot_steer_the_terminal() {
    let host = FakeHost::new();
    let mut evil = service("rss", "running");
    evil["reason"] = json!("\u{1b}[2Jgone\u{7}");
    evil["settings"]["package"]["title"] = json!("a\u{1b}]0;title\u{7}b");
    evil["settings"]["sourceUrl"] = json!("x\u{202e}y\nz");
    evil["settings"]["config"]["GREETING"] = json!("\u{1b}[31mred");
    host.result(SERVICES, "list", list(&[evil.clone()]))
        .result(SERVICES, "get", evil);
    for args in [&["ls"][..], &["get", "rss"], &["cfg", "rss"]] {
        let text = atek(&host, args).ok();
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{args:?}: {text:?}"
        );
    }
}

#[test]
fn get_shows_everything_about_one_service() {
    let host = FakeHost::new();
    let mut info = asking_service("rss", false);
    info["settings"]["desiredVersion"] = json!("^1");
    info["settings"]["limits"] = json!({ "memoryMax": 268_435_456 });
    host.result(SERVICES, "get", info);
    assert_eq!(
        atek(&host, &["get", "rss"]).ok(),
        "rss (running)\n\
        \x20      Name: An App\n\
        \x20       Key: k-rss\n\
        \x20     Owner: alice\n\
        \x20    Source: https://example.org/rss\n\
        \x20   Version: v1.2.0 (pinned to ^1)\n\
        \x20 Installed: from git\n\
        \x20      Unit: atek-app-rss.service\n\
        Description: Does things\n\
        \x20   Runtime: node\n\
        \x20  Provides: example.org/things-api (rpc, /_api)\n\
        Not granted: connect to feeds.example.org\n\
        \x20    Limits: memory 256 MiB\n\
        \x20   Setting: GREETING=hello\n"
    );
}

#[test]
fn an_api_of_atek_s_name_is_provided_where_an_administrator_chose_the_app() {
    let api = "atek.cloud/greetings-api";
    for (granted, expected) in [
        (
            json!({}),
            "Not provided: atek.cloud/greetings-api (rpc, /)\n",
        ),
        (
            json!({ "provides": [api] }),
            "Provides: atek.cloud/greetings-api (rpc, /)\n",
        ),
    ] {
        let host = FakeHost::new();
        let mut info = service("rss", "running");
        info["settings"]["manifest"]["exports"] = json!([{ "api": api }]);
        info["settings"]["granted"] = granted;
        host.result(SERVICES, "get", info);
        let shown = atek(&host, &["get", "rss"]).ok();
        assert!(shown.contains(expected), "{shown}");
    }
}

#[test]
fn a_service_that_does_not_exist_is_code_3_with_the_nearest_names() {
    for args in [
        &["get", "rs"][..],
        &["start", "rs"],
        &["status", "rs"],
        &["cfg", "rs", "--memory", "64M"],
        &["update", "rs"],
    ] {
        let host = FakeHost::new();
        host.result(
            SERVICES,
            "list",
            list(&[service("rss", "running"), service("notes", "running")]),
        );
        for method in ["get", "start", "status", "configure", "startUpdate"] {
            host.error(SERVICES, method, -32003, "Not authorized");
        }
        assert_eq!(
            atek(&host, args).failed(3),
            "error: no service has the id rs\n hint: did you mean rss?\n",
            "{args:?}"
        );
    }
}

#[test]
fn a_refusal_about_a_service_that_exists_stays_a_refusal() {
    let host = FakeHost::new();
    host.result(SERVICES, "list", list(&[service("rss", "running")]));
    host.error(SERVICES, "stop", -32003, "Not authorized");
    assert_eq!(
        atek(&host, &["stop", "rss"]).failed(1),
        "error: cannot stop rss: Not authorized\n"
    );
}

#[test]
fn start_stop_and_restart_are_silent_and_go_through_all_ids() {
    let host = FakeHost::new();
    for verb in ["start", "stop", "restart"] {
        host.result(SERVICES, verb, Value::Null);
        assert_eq!(atek(&host, &[verb, "a", "b"]).ok(), "");
        assert_eq!(host.calls_of(verb), [json!(["a"]), json!(["b"])]);
    }
    assert_eq!(atek(&host, &["--json", "start", "a"]).ok(), "");
}

#[test]
fn one_failure_does_not_keep_the_other_services_from_starting() {
    let host = FakeHost::new();
    host.error(
        SERVICES,
        "start",
        -32000,
        "it does not listen on its socket",
    );
    host.result(SERVICES, "start", Value::Null);
    assert_eq!(
        atek(&host, &["start", "a", "b"]).failed(1),
        "error: cannot start a: it does not listen on its socket\n hint: see what it printed: atek logs a\n\
         error: 1 of 2 failed\n"
    );
    assert_eq!(host.calls_of("start"), [json!(["a"]), json!(["b"])]);
}

#[test]
fn cfg_without_flags_prints_the_settings() {
    let host = FakeHost::new();
    host.result(SERVICES, "get", service("rss", "running"));
    assert_eq!(
        atek(&host, &["cfg", "rss"]).ok(),
        "             Id: rss\n\
        \x20        Source: https://example.org/rss\n\
         Desired version: latest\n\
        \x20        Limits: default\n\
         \n\
         GREETING=hello\n"
    );
}

#[test]
fn cfg_sends_what_the_flags_change_and_nothing_else() {
    for (flags, expected) in [
        (
            &["--config.INTERVAL", "60"][..],
            json!({ "config": { "INTERVAL": "60" } }),
        ),
        (
            &["--config", "A=b=c", "--unset", "OLD"],
            json!({ "config": { "A": "b=c", "OLD": null } }),
        ),
        (&["--id", "feeds"], json!({ "id": "feeds" })),
        (
            &["--sourceUrl", "https://example.org/b"],
            json!({ "sourceUrl": "https://example.org/b" }),
        ),
        (
            &["--desiredVersion", "^2"],
            json!({ "desiredVersion": "^2" }),
        ),
        (
            &["--desiredVersion", "latest"],
            json!({ "desiredVersion": "" }),
        ),
        (
            &[
                "--memory",
                "256M",
                "--tasks",
                "64",
                "--cpu",
                "50%",
                "--cpu-weight",
                "200",
            ],
            json!({ "limits": { "memoryMax": 268_435_456, "tasksMax": 64, "cpuQuota": 50, "cpuWeight": 200 } }),
        ),
        (
            &["--memory", "default"],
            json!({ "limits": { "memoryMax": 0 } }),
        ),
        (&["--revoke"], json!({ "grant": {} })),
        (
            &["--grant"],
            json!({ "grant": { "network": { "hosts": ["feeds.example.org"] } } }),
        ),
        (
            &[
                "--allow",
                "api.example.org:8443",
                "--allow",
                "atek.cloud/users-api",
            ],
            json!({ "grant": {
                "network": { "hosts": ["api.example.org:8443"] },
                "hostApis": ["atek.cloud/users-api"],
            } }),
        ),
        (
            &["--allow", "internet"],
            json!({ "grant": { "network": "direct" } }),
        ),
        (
            &["--allow", "home"],
            json!({ "grant": { "network": { "direct": { "lan": true } } } }),
        ),
        (
            &["--allow", "a.test", "--allow", "b.test", "--deny", "a.test"],
            json!({ "grant": { "network": { "hosts": ["b.test"] } } }),
        ),
    ] {
        let host = FakeHost::new();
        host.result(SERVICES, "get", asking_service("rss", false))
            .result(SERVICES, "configure", Value::Null);
        let done = atek(&host, &[&["cfg", "rss"], flags].concat());
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(0), ""),
            "{flags:?}: {}",
            done.stderr
        );
        assert_eq!(
            host.calls_of("configure"),
            [json!(["rss", expected])],
            "{flags:?}"
        );
    }
}

#[test]
fn cfg_says_when_a_change_takes_effect() {
    let host = FakeHost::new();
    host.result(SERVICES, "configure", Value::Null);
    let done = atek(&host, &["cfg", "rss", "--config.A", "1", "--id", "feeds"]);
    assert_eq!(
        done.stderr,
        "takes effect at the next start: atek restart feeds\n"
    );
    assert_eq!(
        atek(&host, &["-q", "cfg", "rss", "--config.A", "1"]).ok(),
        ""
    );
    assert_eq!(atek(&host, &["cfg", "rss", "--memory", "64M"]).ok(), "");
}

#[test]
fn settings_that_make_no_sense_are_usage_errors() {
    let host = FakeHost::new();
    for flags in [
        &["--config", "NOVALUE"][..],
        &["--config.A"],
        &["--config", "A=1", "--unset", "A"],
        &["--memory", "lots"],
        &["--tasks", "0"],
        &["--grant", "--revoke"],
        &["--allow", "internet", "--revoke"],
        &["--allow", "no host"],
        &["--deny", "atek/api/"],
    ] {
        let done = atek(&host, &[&["cfg", "rss"], flags].concat());
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(2), ""),
            "{flags:?}"
        );
        assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
    }
    assert!(host.calls().is_empty());
}

#[test]
fn uninstall_needs_a_yes() {
    let host = FakeHost::new();
    host.result(SERVICES, "get", service("rss", "running"))
        .result(SERVICES, "uninstall", Value::Null);
    assert_eq!(
        atek(&host, &["uninstall", "rss"]).failed(2),
        "error: Uninstall rss, and delete its data? There is no terminal to ask on: add --yes\n"
    );
    // A script that pipes "y" into it has not read the question.
    assert_eq!(
        atek_with_input(&host, &["uninstall", "rss"], "y\n").code,
        Some(2)
    );
    assert!(host.calls_of("uninstall").is_empty());

    assert_eq!(
        atek(&host, &["uninstall", "rss", "--yes"]).ok(),
        "uninstalled rss\n"
    );
    atek(&host, &["uninstall", "rss", "--keep-data", "--yes"]).ok();
    assert_eq!(
        host.calls_of("uninstall"),
        [json!(["rss"]), json!(["rss", true])]
    );
}
