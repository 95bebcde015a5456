//! Backups of a booted box: apps go on, an app gets its files back, and Debian's `restic` reads
//! what was stored.

#[path = "safety/note.rs"]
mod note;

use atek_tests::host::{Host, PASSWORD, Person, SOON, refusal};
use atek_tests::{Seen, wait_for};
use note::{box_with_note, note, put};
use serde_json::json;
use std::io::Write as _;
use std::process::Stdio;

const KEYS: &str = "atek.cloud/keys-api";
const BACKUPS: &str = "atek.cloud/backups-api";

#[tokio::test]
async fn an_app_gets_its_files_back_from_a_backup() -> anyhow::Result<()> {
    let host = box_with_note("backup-app").await?;
    let system = host.system()?;
    let none = refusal(system.call(BACKUPS, "backUp", json!([])).await);
    assert_eq!(none.data["reason"], "no-target");

    // A disk that is not there is no target.
    let elsewhere = json!([{ "target": { "kind": "folder", "path": "/mnt/unplugged" } }]);
    refusal(system.call(BACKUPS, "configure", elsewhere).await);

    let shell = async |script: &str| host.machine.shell(script).await;
    let said = shell("atek backup target /mnt/disk --every never").await?;
    assert!(said.contains("/mnt/disk/atek-backup"), "{said}");
    let done = system.call(BACKUPS, "backUp", json!([])).await?;
    assert!(done["proven"].as_u64() >= Some(1), "{done}");
    put(&host, "spoilt").await?;
    let second = shell("atek backup now").await?;
    assert!(second.contains("made the backup"), "{second}");

    let said = shell("atek backup list").await?;
    assert_eq!(said.matches("yes").count(), 2, "{said}");
    let first = done["run"].as_str().unwrap_or_default();
    let said = shell(&format!("atek restore hello-node --backup {first} --yes")).await?;
    assert!(said.contains(first), "{said}");
    assert_eq!(note(&host).await?, "precious");
    shell("atek restore hello-node --yes").await?;
    assert_eq!(note(&host).await?, "spoilt");

    let said = shell("atek backup verify").await?;
    assert!(said.contains("is whole"), "{said}");
    let status = system.call(BACKUPS, "status", json!([])).await?;
    assert!(status["lastProven"].is_string(), "{status}");
    assert!(status["lastChecked"].is_string(), "{status}");
    assert_eq!(status["missed"], false, "{status}");
    assert!(status["longestPauseMs"].as_u64() <= Some(1_000), "{status}");
    // Debian's restic of this machine reads what the box stored.
    let password = shell("atek backup password").await?;
    let disk = host.machine.outer_path("/mnt/disk/atek-backup")?;
    match std::process::Command::new("restic")
        .args(["--no-cache", "--repo"])
        .arg(&disk)
        .args(["check", "--read-data"])
        .env(
            "RESTIC_PASSWORD",
            password.lines().next().unwrap_or_default(),
        )
        .output()
    {
        Ok(checked) => assert!(checked.status.success(), "{checked:?}"),
        Err(_) => atek_tests::skip("Debian's restic is not installed"),
    }
    // Nothing beside the folder of the backups was touched.
    let said =
        shell("cat /mnt/disk/other; ls -A /mnt/disk; ls -A /var/lib/private/atek-snapshots/*")
            .await?;
    assert!(said.starts_with("mine\n"), "{said}");
    assert!(
        !said.contains("restored") && !said.contains("backup.new"),
        "{said}"
    );
    Ok(())
}

/// What a program of this machine says, which knows nothing of the box.
fn outside(
    program: &std::path::Path,
    arguments: &[&str],
    password: &str,
    input: &str,
) -> anyhow::Result<String> {
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .env("RESTIC_PASSWORD", password)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut typed) = child.stdin.take() {
        typed.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    anyhow::ensure!(output.status.success(), "{program:?} {arguments:?} failed");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An administrator, the recovery words that their signing in made, and the password of backups.
async fn with_words(host: &Host) -> anyhow::Result<(Person, String, String)> {
    let anna = host.person("anna", "admin").await?;
    let system = host.system()?;
    let told = wait_for("the box has words", SOON, async || {
        let told = system.call(BACKUPS, "password", json!([])).await?;
        Ok(Seen::if_so(told, |told| told["ofWords"] == true))
    })
    .await?;
    let params = json!([{ "password": PASSWORD }]);
    let words = anna.client.call(KEYS, "words", params).await?;
    let words: Vec<String> = serde_json::from_value(words["words"].clone())?;
    let password = told["password"].as_str().unwrap_or_default().to_owned();
    Ok((anna, words.join(" "), password))
}

#[tokio::test]
async fn the_recovery_words_alone_open_a_backup_on_another_machine() -> anyhow::Result<()> {
    let host = box_with_note("backup-words").await?;
    let system = host.system()?;
    let shell = async |script: &str| host.machine.shell(script).await;
    shell("atek backup target /mnt/disk --every never").await?;
    shell("atek backup now").await?;
    let random = shell("atek backup password").await?;
    let random = random.lines().next().unwrap_or_default().to_owned();
    let (_, words, password) = with_words(&host).await?;
    assert_ne!(random, password);
    // What was begun before the box had words is gone on with.
    shell("atek backup now").await?;
    let runs = system.call(BACKUPS, "list", json!([])).await?;
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(2), "{runs}");

    let atek = atek_tests::paths::program("atek")?;
    let from_words = ["backup", "password", "--from-words"];
    let typed = format!("{}\n", words.to_uppercase());
    assert_eq!(outside(&atek, &from_words, "", &typed)?.trim(), password);
    let wrong = words.replacen(' ', " zoo ", 1);
    assert!(outside(&atek, &from_words, "", &wrong).is_err());

    let disk = host.machine.outer_path("/mnt/disk/atek-backup")?;
    let disk = disk.to_str().unwrap_or_default();
    let restic = std::path::Path::new("restic");
    if outside(restic, &["version"], "", "").is_err() {
        atek_tests::skip("Debian's restic is not installed");
        return Ok(());
    }
    let check = ["--no-cache", "--repo", disk, "check", "--read-data"];
    outside(restic, &check, &password, "")?;
    outside(restic, &check, &random, "")?;
    // A new target is begun with the words' password, and the random one opens nothing there.
    shell("mkdir -p /mnt/other && atek backup target /mnt/other && atek backup now").await?;
    let disk = host.machine.outer_path("/mnt/other/atek-backup")?;
    let disk = disk.to_str().unwrap_or_default();
    let check = ["--no-cache", "--repo", disk, "check", "--read-data"];
    outside(restic, &check, &password, "")?;
    assert!(outside(restic, &check, &random, "").is_err());
    Ok(())
}

#[tokio::test]
async fn a_pause_that_a_backup_left_is_ended_and_one_of_a_person_is_not() -> anyhow::Result<()> {
    let host = box_with_note("backup-pause").await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    let unit = "atek-app-hello-node.service";
    let frozen = async || shell(&format!("systemctl show -P FreezerState {unit}")).await;
    shell(&format!("systemctl freeze {unit}; systemctl restart atekd")).await?;
    // From then on the host ends no pause.
    let starts = "journalctl -u atekd -o cat | grep -c 'backups are made as they are due' || true";
    wait_for("the second start", SOON, async || {
        Ok(Seen::if_so(shell(starts).await?, |count| {
            count.trim() == "2"
        }))
    })
    .await?;
    assert_eq!(frozen().await?.trim(), "frozen");
    // As a host that was killed while it copied leaves it.
    shell("install -o atek -m 600 /dev/null /var/lib/atek/paused; systemctl restart atekd").await?;
    wait_for("the service goes on", SOON, async || {
        Ok(Seen::if_so(frozen().await?, |state| {
            state.trim() == "running"
        }))
    })
    .await?;
    assert_eq!(note(&host).await?, "precious");
    assert_eq!(
        shell("ls /var/lib/atek | grep -c paused || true")
            .await?
            .trim(),
        "0"
    );
    Ok(())
}

#[tokio::test]
async fn a_job_of_a_backup_is_confined() -> anyhow::Result<()> {
    let host = box_with_note("backup-confined").await?;
    let system = host.system()?;
    for refused in [
        "/",
        "/etc",
        "/var/lib/atek",
        "/usr/share",
        "relative",
        "/mnt/../etc",
    ] {
        let changes = json!([{ "target": { "kind": "folder", "path": refused } }]);
        refusal(system.call(BACKUPS, "configure", changes).await);
    }
    let person = host.person("carol", "").await?;
    let refused = refusal(person.client.call(BACKUPS, "status", json!([])).await);
    assert_eq!(refused.code, -32003);
    host.machine
        .shell("atek backup target /mnt/disk --every never")
        .await?;
    // As many files as it takes for the job to be seen at work.
    let fill = "head -c 300000000 /dev/urandom > /var/lib/private/atek-app-$(atek get hello-node --json | sed -n 's/.*\"key\":\"\\([^\"]*\\)\".*/\\1/p' | head -n 1)/large
        (atek backup now > /tmp/said 2>&1; echo $? > /tmp/ended) &
        job=$!
        until systemctl is-active --quiet atek-backup.service || [ -e /tmp/ended ]; do :; done
        systemd-analyze security atek-backup.service --no-pager | tail -n 1
        systemctl show atek-backup.service -p CapabilityBoundingSet -p PrivateNetwork
        wait $job
        cat /tmp/ended /tmp/said";
    let said = host.machine.shell(fill).await?;
    assert!(said.contains("PrivateNetwork=yes"), "{said}");
    assert!(
        said.contains("CapabilityBoundingSet=cap_dac_read_search\n"),
        "{said}"
    );
    let level = said
        .split("exposure level for atek-backup.service: ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|level| level.parse::<f32>().ok());
    assert!(level.is_some_and(|level| level <= 2.0), "{said}");
    assert!(said.contains("made the backup"), "{said}");
    Ok(())
}
