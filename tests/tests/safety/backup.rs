//! A backup of a box, copied to where it outlives the box.

use atek_tests::Machine;
use std::path::Path;
use std::process::Command;

/// Makes a backup in a folder of the machine, and copies it into `into`, as `disk`. Returns the
/// password that opens it.
pub async fn copied(machine: &Machine, into: &Path) -> anyhow::Result<String> {
    let script =
        "mkdir -p /mnt/disk && atek backup target /mnt/disk --every never && atek backup now";
    machine.shell(script).await?;
    let copied = Command::new("cp")
        .arg("--archive")
        .arg(machine.outer_path("/mnt/disk")?)
        .arg(into)
        .status()?;
    anyhow::ensure!(copied.success(), "the disk cannot be copied");
    let password = machine.shell("atek backup password").await?;
    Ok(password.lines().next().unwrap_or_default().to_owned())
}
