//! Commands that need no host.

use crate::run::{command, finish};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn help_is_an_overview_with_exit_codes() {
    for args in [&["help"][..], &["--help"], &["-h"]] {
        let text = finish(&mut command(args)).ok();
        for part in [
            "Apps:",
            "Users:",
            "Data:",
            "install",
            "--json",
            "Exit codes:",
            "69",
            "systemctl status atekd",
        ] {
            assert!(
                text.contains(part),
                "{args:?}: {part} is missing in\n{text}"
            );
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
    }
}

#[test]
fn every_command_has_help_of_its_own() {
    for name in [
        "install",
        "uninstall",
        "update",
        "ls",
        "status",
        "get",
        "cfg",
        "start",
        "stop",
        "restart",
        "logs",
        "users",
        "mkuser",
        "moduser",
        "passwd",
        "deluser",
        "db",
        "completions",
        "run",
    ] {
        let text = finish(&mut command(&["help", name])).ok();
        assert!(text.contains("Usage: atek"), "{text}");
    }
}

#[test]
fn the_version_is_printed_as_the_original_did() {
    for flag in ["-v", "-V", "--version"] {
        assert_eq!(
            finish(&mut command(&[flag])).ok(),
            format!("atek {}\n", env!("CARGO_PKG_VERSION"))
        );
    }
}

#[test]
fn no_command_says_where_the_host_went() {
    let error = finish(&mut command(&[])).failed(2);
    assert!(
        error.contains("systemctl status atekd") && error.contains("atek help"),
        "{error}"
    );
}

#[test]
fn a_mistyped_command_is_suggested() {
    let error = finish(&mut command(&["instal"])).failed(2);
    assert!(error.contains("install"), "{error}");
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let text = finish(&mut command(&["completions", shell])).ok();
        assert!(
            text.contains("uninstall") && text.contains("atek"),
            "{shell}"
        );
    }
}

#[test]
fn run_becomes_the_daemon_of_the_same_installation() {
    // In the target folder, where a hard link to the program is possible.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (bin, lib) = (folder.path().join("bin"), folder.path().join("lib/atek"));
    std::fs::create_dir_all(&bin).unwrap();
    let atek = bin.join("atek");
    std::fs::hard_link(env!("CARGO_BIN_EXE_atek"), &atek).unwrap();
    let args = [
        "run",
        "--port",
        "4000",
        "--domain",
        "example.org",
        "--configDir",
        "/tmp/x",
    ];

    let error = finish(std::process::Command::new(&atek).args(args).env_clear()).failed(1);
    assert!(
        error.starts_with("error: cannot execute ") && error.contains("systemctl start atekd"),
        "{error}"
    );

    std::fs::create_dir_all(&lib).unwrap();
    let daemon = lib.join("atekd");
    std::fs::write(&daemon, "#!/bin/sh\necho \"$@\"\nexit 7\n").unwrap();
    std::fs::set_permissions(&daemon, std::fs::Permissions::from_mode(0o755)).unwrap();
    let done = finish(std::process::Command::new(&atek).args(args).env_clear());
    assert_eq!(done.code, Some(7), "{}", done.stderr);
    assert_eq!(
        done.stdout,
        "run --port 4000 --domain example.org --configDir /tmp/x\n"
    );
}
