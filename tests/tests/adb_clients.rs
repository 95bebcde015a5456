//! Client libraries of the database: the original's, against a bare ADB, and the module of schemas.

use anyhow::Context as _;
use atek_tests::host::original_clients;
use atek_tests::{Seen, paths, skip, wait_for};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// How long one library's checks take at the most, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a program to its end. Returns what it wrote, and whether it succeeded.
async fn run(command: &mut Command) -> anyhow::Result<(bool, String)> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::time::timeout(LIMIT, output).await??;
    let text = [stdout, stderr].concat();
    Ok((
        status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

#[tokio::test]
async fn the_original_clients_of_the_database_work_unmodified() -> anyhow::Result<()> {
    let Some(clients) = original_clients() else {
        skip("the original's clients of the database: the npm registry cannot be reached");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("socket");
    let _adb = Command::new(paths::program("atek-adb")?)
        .arg("--data")
        .arg(folder.path().join("data"))
        .env("ATEK_ASSIGNED_SOCKET_FILE", &socket)
        .env("ATEK_ASSIGNED_SERVICE_KEY", "adb-key")
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start atek-adb")?;
    wait_for("ADB listens", LIMIT, async || {
        let connected = tokio::net::UnixStream::connect(&socket).await;
        Ok(Seen::if_so(connected, Result::is_ok))
    })
    .await??;
    let (succeeded, said) = run(Command::new("node")
        .arg(clients.join("adb.mjs"))
        .arg(&socket))
    .await?;
    assert!(succeeded, "{said}");
    let held = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(held, 6, "{said}");
    Ok(())
}

#[tokio::test]
async fn the_module_of_schemas_gives_the_verdicts_of_the_shared_cases() -> anyhow::Result<()> {
    let module = paths::repository().join("daemon/adb-schema");
    let installed = run(Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&module))
    .await?;
    if !installed.0 {
        skip("the module of schemas: the npm registry cannot be reached");
        return Ok(());
    }
    let (succeeded, said) = run(Command::new("node")
        .args(["--test", "--test-reporter=tap", "test.js"])
        .current_dir(&module))
    .await?;
    assert!(succeeded, "{said}");
    assert!(said.contains("# pass 5"), "{said}");
    Ok(())
}
