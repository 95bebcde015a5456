//! Kills while a booted box makes a backup, restores an app or makes one from a backup: what was
//! whole stays whole, and of what was begun there is all or nothing.

use crate::note::{box_with_note, note};
use crate::tree::Chance;
use atek_tests::host::{Host, SOON};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};

const BACKUPS: &str = "atek.cloud/backups-api";
const SERVICES: &str = "atek.cloud/services-api";

/// Who is killed.
const VICTIMS: [&str; 3] = [
    "atek-backup.service",
    "atekd.service",
    "atek-spawnd.service",
];

/// What is under way.
const WORK: [&str; 3] = [
    "atek backup now",
    "atek restore hello-node --yes",
    "atek restore hello-node --copy beside",
];

/// Waits until the host answers and does nothing.
async fn quiet(host: &Host) -> anyhow::Result<()> {
    host.ready().await?;
    wait_for("the backups are left alone", SOON, async || {
        let status = host.system()?.call(BACKUPS, "status", json!([])).await;
        let running = status.map_or(Value::from("unknown"), |status| status["running"].clone());
        Ok(Seen::if_so(running, Value::is_null))
    })
    .await?;
    Ok(())
}

/// Kills so many times, in a box of this name.
pub async fn survive(name: &str, kills: u64) -> anyhow::Result<()> {
    let host = box_with_note(name).await?;
    let shell = async |script: &str| host.machine.shell(script).await;
    shell("atek backup target /mnt/disk --every never && atek backup now").await?;
    let mut chance = Chance::new(kills);
    let (mut done, mut cut) = (0, 0);
    for kill in 0..kills {
        let work = WORK[(kill % 3) as usize];
        let victim = VICTIMS[(kill / 3 % 3) as usize];
        // Some take a second, some three.
        let moment = chance.below(2_500);
        let said = shell(&format!(
            "({work} > /tmp/said 2>&1 && echo 0 > /tmp/ended || echo 1 > /tmp/ended) &
            sleep {}.{:03}; systemctl kill --signal=KILL {victim} 2>/dev/null || true
            wait; cat /tmp/ended",
            moment / 1000,
            moment % 1000
        ))
        .await?;
        match said.trim() {
            "0" => done += 1,
            _ => cut += 1,
        }
        let what = format!("kill {kill}: {work}, {victim} after {moment} ms");
        quiet(&host).await?;
        host.service_is("hello-node", "running").await?;
        assert_eq!(note(&host).await?, "precious", "{what}");
        // The copy is all there, or not at all.
        let list = host.system()?.call(SERVICES, "list", json!([])).await?;
        if list.to_string().contains("\"beside\"") {
            host.service_is("beside", "running").await?;
            shell("atek uninstall beside --yes").await?;
        }
        let left = shell("ls /var/lib/atek/uninstalls /var/lib/atek/paused 2>/dev/null || true");
        assert!(!left.await?.contains(".json"), "{what}");
        let whole = shell("atek backup verify --quick").await?;
        assert!(whole.contains("fit together"), "{what}: {whole}");
    }
    println!("figure: {kills} kills, {cut} in the middle, {done} too late");
    // All of it can be read, the first backup is there, and the next one is made.
    let said = shell("atek backup verify && atek backup now && atek backup list").await?;
    assert!(
        said.contains("is whole") && said.contains("made the backup"),
        "{said}"
    );
    shell("atek restore hello-node --yes").await?;
    assert_eq!(note(&host).await?, "precious");
    Ok(())
}
