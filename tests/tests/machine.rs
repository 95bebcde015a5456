//! The harness itself: machines boot, do not disturb each other, leave nothing, and keep what they should.

use atek_tests::{Machine, Seen, wait_for};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[tokio::test]
async fn a_machine_boots_to_running_without_a_failed_unit() -> anyhow::Result<()> {
    let machine = Machine::boot("boots").await?;
    println!("booted in {:?}", machine.boot_time());
    assert_eq!(
        machine
            .exec(["systemctl", "is-system-running", "--wait"])
            .await?
            .trim(),
        "running"
    );
    assert_eq!(
        machine
            .exec(["systemctl", "--failed", "--no-legend"])
            .await?,
        ""
    );
    assert_eq!(
        machine.exec(["cat", "/proc/1/comm"]).await?.trim(),
        "systemd"
    );
    assert_eq!(
        machine
            .exec(["hostname"])
            .await
            .or(machine.read("/etc/hostname").await)?
            .trim(),
        "boots"
    );
    Ok(())
}
