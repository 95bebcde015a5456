//! Installing and building Node packages, with the real npm and without a registry.

#![allow(clippy::unwrap_used, reason = "the helpers of tests, too")]

mod support;

use atek_api::package::{Event, FailureCode, FetchLimits, Phase, Warning, WarningCode};
use std::process::Command;
use std::time::{Duration, Instant};
use support::Bench;
use support::repo::Repo;

/// Whether this machine has npm; says so where it has not.
fn has_npm() -> bool {
    let found = Command::new("npm")
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("skipped, because npm is not installed");
    }
    found
}

fn package_json(scripts: &str, dependencies: &str) -> String {
    format!(
        r#"{{"name":"app","version":"1.0.0","scripts":{scripts},"dependencies":{dependencies}}}"#
    )
}

/// An app whose one dependency is a packed module in its own repository.
fn with_dependency() -> Repo {
    let repo = Repo::new();
    repo.write(
        "vendor/greet/package.json",
        r#"{"name":"greet","version":"1.0.0","main":"i.js"}"#,
    )
    .write("vendor/greet/i.js", "module.exports = 'hello'\n")
    .write(
        "package.json",
        package_json("{}", r#"{"greet":"file:vendor/greet-1.0.0.tgz"}"#),
    )
    .write("index.js", "console.log(require('greet'))\n");
    let packed = Command::new("npm")
        .args(["pack", "--silent", "--pack-destination", "..", "--offline"])
        .current_dir(repo.path().join("vendor/greet"))
        .env("HOME", repo.path().join("vendor"))
        .status()
        .unwrap();
    assert!(packed.success());
    repo
}

fn built_with(script: &str) -> Repo {
    let repo = Repo::new();
    let script = serde_json::to_string(script).unwrap();
    repo.write("index.js", "")
        .write(
            "package.json",
            package_json(&format!(r#"{{"build":{script}}}"#), "{}"),
        )
        .release("v1.0.0");
    repo
}

#[test]
fn dependencies_are_installed_by_the_lockfile() {
    if !has_npm() {
        return;
    }
    let repo = with_dependency();
    let locked = Command::new("npm")
        .args([
            "install",
            "--package-lock-only",
            "--silent",
            "--offline",
            "--no-audit",
        ])
        .current_dir(repo.path())
        .env("HOME", repo.path().join("vendor"))
        .status()
        .unwrap();
    assert!(locked.success());
    repo.release("v1.0.0");
    let bench = Bench::new();
    let run = bench.fetch_and_build(&repo.source(), FetchLimits::default());
    assert!(run.package().warnings.is_empty(), "{run:?}");
    assert_eq!(
        bench.read("node_modules/greet/i.js"),
        "module.exports = 'hello'\n"
    );
    let told = run.events.iter().any(|event| {
        matches!(event, Event::Progress(p) if p.phase == Phase::Install && p.message == "npm ci")
    });
    assert!(told, "{run:?}");
    // A lockfile that does not fit is npm's refusal, with npm's words.
    repo.write(
        "package.json",
        package_json("{}", r#"{"other":"file:vendor/greet-1.0.0.tgz"}"#),
    );
    repo.release("v1.1.0");
    let run = Bench::new().fetch_and_build(&repo.source(), FetchLimits::default());
    run.assert_failed(FailureCode::NpmFailed, "npm ci failed (exit code 1)\n");
    assert!(
        run.failure().message.contains("package-lock.json"),
        "{run:?}"
    );
}

#[test]
fn without_a_lockfile_they_are_installed_with_a_warning() {
    if !has_npm() {
        return;
    }
    let repo = with_dependency();
    repo.release("v1.0.0");
    let bench = Bench::new();
    let run = bench.fetch_and_build(&repo.source(), FetchLimits::default());
    assert_eq!(run.package().warnings.len(), 1);
    assert!(bench.package().join("node_modules/greet/i.js").exists());
    assert!(!bench.package().join("package-lock.json").exists());
}

#[test]
fn a_package_is_built_in_a_bare_environment_and_may_make_its_entry() {
    if !has_npm() {
        return;
    }
    let repo = Repo::new();
    let script = "mkdir dist && env > dist/env && echo '{\\\"entry\\\":\\\"dist/env\\\"}' > atek.json && echo x > dist/a.js";
    repo.write("atek.json", r#"{"entry":"dist/a.js"}"#)
        .write(
            "package.json",
            package_json(&format!(r#"{{"build":"{script}"}}"#), "{}"),
        )
        .release("v1.0.0");
    let bench = Bench::new();
    let run = bench.fetch_and_build(&repo.source(), FetchLimits::default());
    assert_eq!(
        serde_json::to_value(&run.package().program).unwrap(),
        serde_json::json!({"kind": "node", "entry": "dist/a.js"}),
        "the manifest that was fetched is in force"
    );
    let warnings = &run.package().warnings;
    let is_told = |warning: &Warning| warning.code == WarningCode::ManifestChanged;
    assert!(warnings.iter().any(is_told), "{warnings:?}");
    let env = bench.read("dist/env");
    let home = format!("HOME={}", bench.staging().join("home").display());
    assert!(env.lines().any(|line| line == home), "{env}");
    assert!(!env.contains("CARGO"), "{env}");
    assert!(
        run.stderr.contains("build"),
        "the journal shows npm's output"
    );
}

#[test]
fn a_build_that_fails_shows_its_last_lines_and_no_secret() {
    if !has_npm() {
        return;
    }
    let repo = built_with(
        "for i in $(seq 100); do echo line $i; done; echo 'to https://me:hunter2@example.org/' >&2; exit 7",
    );
    let run = Bench::new().fetch_and_build(&repo.source(), FetchLimits::default());
    run.assert_failed(
        FailureCode::BuildFailed,
        "npm run build failed (exit code 7)\n",
    );
    let message = &run.failure().message;
    assert!(
        message.contains("\nline 100\n") && !message.contains("line 50\n"),
        "{message}"
    );
    assert!(
        message.contains("https://***@example.org/") && !message.contains("hunter2"),
        "{message}"
    );
    assert!(message.lines().count() <= 42, "{message}");
}

#[test]
fn a_build_that_never_ends_is_ended_with_all_its_processes() {
    if !has_npm() {
        return;
    }
    // One in the group, one that left it, one that ignores signals.
    let mark = format!("31{}", std::process::id());
    let repo = built_with(&format!(
        "sleep {mark} & setsid sleep {mark} & trap '' TERM HUP INT; sleep {mark}; sleep {mark}"
    ));
    let limits = FetchLimits {
        build_secs: 3,
        ..FetchLimits::default()
    };
    let started = Instant::now();
    let run = Bench::new().fetch_and_build(&repo.source(), limits);
    run.assert_failed(
        FailureCode::Timeout,
        "npm run build was not finished within 3 s",
    );
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(!is_running(&mark), "a process of the build survived");
}

#[test]
fn a_daemon_that_a_build_leaves_behind_is_ended() {
    if !has_npm() {
        return;
    }
    let mark = format!("32{}", std::process::id());
    let repo = built_with(&format!("setsid sleep {mark} > /dev/null 2>&1 & sleep 0.3"));
    Bench::new()
        .fetch_and_build(&repo.source(), FetchLimits::default())
        .package();
    assert!(!is_running(&mark), "a process of the build survived");
}

/// Whether a process has `mark` among its arguments.
fn is_running(mark: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|b| *b == 0)
            .any(|argument| argument == mark.as_bytes())
    })
}

#[test]
fn a_build_that_writes_too_much_is_ended() {
    if !has_npm() {
        return;
    }
    let limits = FetchLimits {
        package_bytes: 2_000_000,
        ..FetchLimits::default()
    };
    for (script, words) in [
        (
            "while true; do head -c 100000 /dev/zero >> big; sleep 0.02; done",
            "of files",
        ),
        ("i=0; while true; do i=$((i+1)); : > f$i; done", "files"),
        (
            "while true; do head -c 100000 /dev/zero >> $HOME/big; sleep 0.02; done",
            "of files",
        ),
        // Fast enough to end before anybody looks.
        ("head -c 3000000 /dev/zero > big", "of files"),
    ] {
        let limits = FetchLimits {
            package_files: 500,
            ..limits
        };
        let run = Bench::new().fetch_and_build(&built_with(script).source(), limits);
        run.assert_failed(FailureCode::TooBig, words);
    }
}

#[test]
fn what_a_build_leaves_must_stay_in_the_package() {
    if !has_npm() {
        return;
    }
    for (script, words) in [
        ("ln -s /etc/passwd stolen", "points to \"/etc/passwd\""),
        ("ln -s ../.. out", "points to \"../..\""),
        ("mkfifo pipe", "neither a file, a folder nor a link"),
        ("rm index.js && ln -s /etc/passwd index.js", "points to"),
    ] {
        let run =
            Bench::new().fetch_and_build(&built_with(script).source(), FetchLimits::default());
        run.assert_failed(FailureCode::BadPath, words);
    }
    let repo = built_with("mkfifo atek.json.fifo && rm atek.json.fifo");
    let run = Bench::new().fetch_and_build(&repo.source(), FetchLimits::default());
    run.package();
}

#[test]
fn install_scripts_run_and_their_failure_is_told() {
    if !has_npm() {
        return;
    }
    let repo = Repo::new();
    repo.write("index.js", "")
        .write(
            "package.json",
            package_json(r#"{"postinstall":"echo sorry >&2; exit 5"}"#, "{}"),
        )
        .release("v1.0.0");
    let run = Bench::new().fetch_and_build(&repo.source(), FetchLimits::default());
    run.assert_failed(FailureCode::NpmFailed, "npm install failed (exit code 5)");
    assert!(run.failure().message.contains("sorry"), "{run:?}");
}
