//! The original's npm clients, unmodified, drive a bare ADB.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

mod common;

use common::Adb;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const PACKAGES: [&str; 2] = ["@atek-cloud/adb-api@2", "@atek-cloud/adb-tables@2"];

/// The folder with the packages, installed once; why not, where there is no npm or no registry.
fn installed() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("adb-clients");
    if folder.join("node_modules/@atek-cloud/adb-tables").exists() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("package.json"),
        r#"{"private": true, "type": "module"}"#,
    )
    .unwrap();
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
        .args(PACKAGES)
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("npm cannot be run: {error}"))?;
    if output.status.success() {
        Ok(folder)
    } else {
        Err(text(&output))
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn the_originals_clients_work_unmodified() {
    let folder = match tokio::task::spawn_blocking(installed).await.unwrap() {
        Ok(folder) => folder,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let adb = Adb::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm.mjs");
    let child = tokio::process::Command::new("node")
        .arg(script)
        .args([adb.socket(), folder])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(120), child)
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(
        text(&output).matches("\nok ").count() + 1,
        6,
        "{}",
        text(&output)
    );
}
