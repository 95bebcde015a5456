//! A disk that warns of its end, and one that fails, on the emulated card: the box tells of it, and
//! goes on.
//!
//! The disk is an NVMe one of QEMU's, with a health record of its own and a sector that cannot be
//! read. `console.log` of `out/emulated/disks` has the screen.

#[path = "soak_card/used.rs"]
mod used;

use anyhow::{Context as _, ensure};
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::host::SETUP;
use atek_tests::plugged::DiskImage;
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::process::Command;
use used::{BACKUPS, OWNER, SYSTEM, sign_in};

const DISK: &str = "nvme0n1";
/// "Critical Warning" of the record: the spare memory is used up; heat; it can only be read.
const SPARE: u8 = 1;
const HEAT: u8 = 1 << 1;
const READ_ONLY: u8 = 1 << 3;

/// What the box tells administrators of the disk: kinds and texts.
async fn told(emulated: &Emulated) -> anyhow::Result<Vec<(String, String)>> {
    let owner = sign_in(emulated, OWNER).await?;
    let resources = owner.call(SYSTEM, "resources", json!([])).await?;
    let problems = resources["storage"].as_array().context("no list")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_disk = problems.iter().filter(|problem| problem["disk"] == DISK);
    Ok(of_disk
        .map(|problem| (text(&problem["kind"]), text(&problem["text"])))
        .collect())
}

/// Waits until the box tells this of the disk, on pages, by `atek` and by its light.
async fn tells(emulated: &Emulated, kind: &str, words: &str) -> anyhow::Result<()> {
    let found = wait_for("it is told", BOOT, async || {
        let found = told(emulated).await?;
        Ok(Seen::if_so(found, |found| {
            found
                .iter()
                .any(|(of, text)| of == kind && text.contains(words))
        }))
    })
    .await?;
    println!("figure: told of the disk: {found:?}");
    let status = emulated.exec("atek status").await?;
    ensure!(status.contains(DISK) && status.contains(words), "{status}");
    wait_for("the light shows it", BOOT, async || {
        let there = emulated.exec("ls /run/atek").await?;
        Ok(Seen::if_so(there, |there| there.contains("trouble")))
    })
    .await
    .map(drop)
}

/// Has the box ask its disks, as its timer does each hour.
async fn asks_disks(emulated: &Emulated) -> anyhow::Result<()> {
    let ask = "systemctl start atek-disk-health.service && cat /run/atek-disk-health/problems.json";
    let said = emulated.exec(ask).await?;
    println!("figure: the disks say {said}");
    Ok(())
}

/// The first sector of the largest file on a disk that is not plugged in.
fn sector_of_largest_file(disk: &DiskImage) -> anyhow::Result<u64> {
    let script = r#"
        at=$(mktemp -d); mount -o loop,ro,noload "$F" "$at"
        file=$(find "$at/atek-backup" -path '*/data/*' -type f -printf '%s %p\n' | sort -n | tail -n 1)
        filefrag -b512 -v "${file#* }"; umount "$at"; rmdir "$at""#;
    let done = Command::new("sh")
        .args(["-euc", script])
        .env("F", disk.path())
        .output()
        .context("cannot start sh")?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(done.status.success(), "{done:?}");
    // `   0:        0..   20479:     278528..    299007:  20480: last,eof`
    let first = said.lines().find(|line| line.trim().starts_with("0:"));
    let physical = first.and_then(|line| line.split(':').nth(2));
    let start = physical.and_then(|range| range.trim().split("..").next());
    let start = start.with_context(|| format!("no extent in {said}"))?;
    start.trim().parse().context("this is no sector")
}

#[tokio::test]
async fn a_disk_that_warns_of_its_end_or_cannot_be_read_is_told_and_the_box_goes_on()
-> anyhow::Result<()> {
    let Some(disk) = DiskImage::make("ext4", 1 << 30, "mke2fs -q -t ext4 $F")? else {
        return Ok(());
    };
    let mut emulated = Emulated::new("disks")?;
    emulated.disk = Some(disk.path());
    emulated.nvme = true;
    emulated.start()?;
    emulated.answers().await?;
    emulated.claim().await?;
    let db = used::by_two(&emulated).await?;
    used::is_backed_up(&emulated).await?;
    emulated.lets_in().await?;
    asks_disks(&emulated).await?;
    ensure!(told(&emulated).await?.is_empty(), "a disk that is well");

    // It warns: heat passes, the others do not.
    emulated.nvme_warns(HEAT).await?;
    asks_disks(&emulated).await?;
    ensure!(told(&emulated).await?.is_empty(), "a disk that is hot");
    emulated.nvme_warns(SPARE).await?;
    asks_disks(&emulated).await?;
    tells(&emulated, "worn", "spare memory").await?;
    emulated.nvme_warns(READ_ONLY).await?;
    asks_disks(&emulated).await?;
    tells(&emulated, "worn", "only be read").await?;
    used::is_shared(&emulated, &db).await?;

    // A block of a backup on it cannot be read.
    let owner = sign_in(&emulated, OWNER).await?;
    let well = owner.call(BACKUPS, "check", json!([true])).await?;
    ensure!(well["problems"] == json!([]), "{well}");
    emulated.exec("sync").await?;
    emulated.cut_power();
    emulated.bad_sector = Some(sector_of_largest_file(&disk)?);
    emulated.start()?;
    emulated.answers().await?;
    let status = emulated.http().call(SETUP, "status", json!([])).await?;
    ensure!(status["needed"] == false, "{status}");
    let owner = sign_in(&emulated, OWNER).await?;
    let check = owner.call(BACKUPS, "check", json!([true])).await;
    println!("figure: the check of the backups says {check:?}");
    let is_well = check.is_ok_and(|check| check["problems"] == json!([]));
    ensure!(!is_well, "a backup that cannot be read is well");
    emulated.lets_in().await?;
    tells(&emulated, "errors", "have failed").await?;
    used::is_shared(&emulated, &db).await
}
