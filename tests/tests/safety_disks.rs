//! Backups on a disk that the box mounts itself, and disks of strangers.

#[path = "safety/note.rs"]
mod note;
#[path = "safety/strangers.rs"]
mod strangers;

use anyhow::Context as _;
use atek_tests::host::{Host, PASSWORD, SOON, refusal};
use atek_tests::plugged::DiskImage;
use atek_tests::{Machine, Seen, skip, wait_for};
use note::{box_with_note, note, put};
use serde_json::{Value, json};
use std::process::Command;

const BACKUPS: &str = "atek.cloud/backups-api";

#[tokio::test]
async fn disks_of_strangers_stay_as_they_are() -> anyhow::Result<()> {
    let kinds = strangers::few();
    assert_eq!(kinds.len(), 9);
    strangers::stay_as_they_are("disks-strangers", kinds).await
}

/// The id of the file system on a device, as the box lists it.
async fn id_of(host: &Host, device: &str) -> anyhow::Result<String> {
    let told = host.system()?.call(BACKUPS, "places", json!([])).await?;
    let disks = told["disks"].as_array().cloned().unwrap_or_default();
    let disk = disks.iter().find(|disk| disk["device"] == device);
    let id = disk.and_then(|disk| disk["id"].as_str());
    Ok(id
        .with_context(|| format!("{device} in {told}"))?
        .to_owned())
}

/// Runs a program of this machine, which knows nothing of the box, and returns what it prints.
fn outside(program: &str, arguments: &[&str], password: &str) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .env("RESTIC_PASSWORD", password)
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Waits until no job of the box has the disk mounted.
async fn free(host: &Host) -> anyhow::Result<()> {
    wait_for("no job uses the disk", SOON, async || {
        let running = host
            .machine
            .shell("systemctl list-units --no-legend 'atek-backup*' | wc -l")
            .await?;
        Ok(Seen::if_so(running, |running| running.trim() == "0"))
    })
    .await?;
    Ok(())
}

/// What Debian's own programs find on the disk of a box: a file system without an error, the files
/// of its owner as they were, and backups that `restic` reads.
fn judged_from_outside(image: &DiskImage, password: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, at) = (image.path(), folder.path().to_owned());
    let (file, at) = (
        file.to_str().unwrap_or_default(),
        at.to_str().unwrap_or_default(),
    );
    outside("mount", &["-o", "loop,ro", file, at], "")?;
    let judged = (|| {
        assert_eq!(
            std::fs::read_to_string(folder.path().join("letter.txt"))?,
            "dear box\n"
        );
        assert_eq!(
            std::fs::read(folder.path().join("photos/one.jpg"))?,
            vec![7; 100_000]
        );
        let mut names: Vec<String> = std::fs::read_dir(folder.path())?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<std::io::Result<_>>()?;
        names.retain(|name| name != "lost+found");
        names.sort();
        assert_eq!(names, ["atek-backup", "letter.txt", "photos"]);
        if outside("restic", &["version"], "").is_err() {
            skip("Debian's restic is not installed");
            return Ok(());
        }
        let backups = format!("{at}/atek-backup");
        let check = [
            "--no-cache",
            "--no-lock",
            "--repo",
            &backups,
            "check",
            "--read-data",
        ];
        outside("restic", &check, password).map(drop)
    })();
    outside("umount", &[at], "")?;
    judged
}

/// A box is backed up to a disk, which is pulled out and plugged in again, and read from outside.
async fn used(name: &str, mib: u64, script: &str) -> anyhow::Result<()> {
    let Some(image) = DiskImage::make(name, mib << 20, script)? else {
        return Ok(());
    };
    let host = box_with_note(&format!("disk-{name}")).await?;
    let system = host.system()?;
    let shell = async |script: &str| host.machine.shell(script).await;
    let Some(disk) = image.plug(&host.machine, false).await? else {
        return Ok(());
    };
    let id = id_of(&host, disk.device()).await?;
    // Files of another: only a yes makes it a target.
    let wanted = json!([{ "target": { "kind": "disk", "id": id } }]);
    let refused = refusal(system.call(BACKUPS, "configure", wanted).await);
    assert_eq!(refused.data["reason"], "has-files", "{refused:?}");
    assert!(refused.message.contains("2 other files"), "{refused:?}");
    shell(&format!(
        "! atek backup target {id} --every never </dev/null"
    ))
    .await?;
    let said = shell(&format!("atek backup target {id} --every never --yes")).await?;
    assert!(said.contains(&id), "{said}");
    let said = shell("atek backup now").await?;
    assert!(said.contains("made the backup"), "{said}");
    // It is not mounted where others see it.
    assert_eq!(
        shell("grep -c /dev/loop /proc/mounts || true")
            .await?
            .trim(),
        "0"
    );

    put(&host, "spoilt").await?;
    free(&host).await?;
    disk.pull(&host.machine).await?;
    let gone = refusal(system.call(BACKUPS, "backUp", json!([])).await);
    assert_eq!(gone.data["reason"], "no-target", "{gone:?}");
    assert!(gone.message.contains("not plugged in"), "{gone:?}");
    let status = system.call(BACKUPS, "status", json!([])).await?;
    assert!(status["problem"].is_string(), "{status}");

    // In another socket it has another name.
    let spare = DiskImage::make("nothing", 1 << 20, ":")?.context("no disk")?;
    let first = spare.plug(&host.machine, false).await?;
    let disk = image
        .plug(&host.machine, false)
        .await?
        .context("no loop device")?;
    let done = system.call(BACKUPS, "backUp", json!([])).await?;
    assert!(done["proven"].as_u64() >= Some(1), "{done}");
    let runs = system.call(BACKUPS, "list", json!([])).await?;
    let runs = runs["runs"].as_array().cloned().unwrap_or_default();
    assert_eq!(runs.len(), 2, "{runs:?}");
    let run = runs[1]["run"].as_str().unwrap_or_default();
    shell(&format!("atek restore hello-node --backup {run} --yes")).await?;
    assert_eq!(note(&host).await?, "precious");
    shell("atek backup verify").await?;

    let password = shell("atek backup password").await?;
    free(&host).await?;
    disk.pull(&host.machine).await?;
    drop(first);
    judged_from_outside(&image, password.lines().next().unwrap_or_default())
}

#[tokio::test]
async fn a_box_is_backed_up_to_a_disk_with_other_files_that_is_pulled_out_in_between()
-> anyhow::Result<()> {
    used("ext4", 192, "mke2fs -q -t ext4 -d $D $F").await
}

#[tokio::test]
async fn a_disk_with_btrfs_keeps_backups() -> anyhow::Result<()> {
    if !has_driver("btrfs")? {
        return Ok(());
    }
    used("btrfs", 320, "mkfs.btrfs -q --rootdir $D $F").await
}

/// Whether the kernel of this machine has a driver; otherwise a skip is recorded.
fn has_driver(name: &str) -> anyhow::Result<bool> {
    let drivers = std::fs::read_to_string("/proc/filesystems")?;
    let found = drivers
        .lines()
        .any(|line| line.split('\t').next_back() == Some(name));
    if !found {
        skip(&format!("the kernel has no driver for {name}"));
    }
    Ok(found)
}

#[tokio::test]
async fn a_new_box_becomes_the_old_one_from_a_disk_that_was_not_unmounted() -> anyhow::Result<()> {
    let Some(image) = DiskImage::make("ext4", 192 << 20, "mke2fs -q -t ext4 $F")? else {
        return Ok(());
    };
    let (password, id) = {
        let old = box_with_note("disk-old").await?;
        old.person("anna", "admin").await?;
        let Some(disk) = image.plug(&old.machine, false).await? else {
            return Ok(());
        };
        let id = id_of(&old, disk.device()).await?;
        // An empty disk needs no yes.
        old.machine
            .shell(&format!(
                "atek backup target {id} --every never && atek backup now"
            ))
            .await?;
        let password = old.machine.shell("atek backup password").await?;
        let password = password.lines().next().unwrap_or_default().to_owned();
        free(&old).await?;
        disk.pull(&old.machine).await?;
        (password, id)
    };
    // As after a power cut: the journal has to be played back.
    let jobs = image.path().with_file_name("jobs");
    std::fs::write(&jobs, "jo\njw -b 40000 /dev/zero\njc\n")?;
    let (jobs, file) = (
        jobs.display().to_string(),
        image.path().display().to_string(),
    );
    outside("debugfs", &["-w", "-f", &jobs, &file], "")?;
    let features = outside("dumpe2fs", &["-h", &file], "")?;
    assert!(features.contains("needs_recovery"), "{features}");

    let new = Host::on(Machine::builder("disk-new")).await?;
    new.machine.place_app("hello-node").await?;
    let disk = image
        .plug(&new.machine, false)
        .await?
        .context("no loop device")?;
    let said = new.machine.shell("atek backup disks").await?;
    assert!(said.contains(&id) && said.contains("has backups"), "{said}");
    new.machine.write("/root/password", &password).await?;
    let restore = format!("atek restore --box {id} < /root/password");
    let said = new
        .machine
        .exec_within(SOON * 3, ["sh", "-c", &restore], b"")
        .await?;
    assert!(said.status.success(), "{}{}", said.stdout, said.stderr);
    new.sign_in("anna", PASSWORD).await?;
    let status = new.system()?.call(BACKUPS, "status", json!([])).await?;
    assert_eq!(
        status["settings"]["target"]["id"],
        Value::from(id),
        "{status}"
    );
    drop(disk);
    Ok(())
}
