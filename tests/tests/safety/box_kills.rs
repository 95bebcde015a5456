//! Kills while a new box becomes the one of a backup: it stays new, or becomes that one whole.

use crate::backup;
use crate::note::{HELLO, box_with_note};
use anyhow::Context as _;
use atek_tests::Machine;
use atek_tests::host::{Host, PASSWORD, SETUP, SOON};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// What can be seen of a restore in the folders of the box, in this order.
pub const MOMENTS: [(&str, &str); 7] = [
    ("it fetches", "[ -d staging/restore ]"),
    (
        "a state is fetched",
        "ls -d ../private/atek-snapshots/*/restored",
    ),
    (
        "the host's own files are fetched",
        "[ -d staging/restore/host ]",
    ),
    ("it is decided", "[ -e restore.json ]"),
    (
        "the host's own files are taken over",
        "[ -e restore.json ] && ! [ -e staging/restore/host/config.json ]",
    ),
    (
        "the app's state is in place",
        "[ -e restore.json ] && ! ls -d ../private/atek-snapshots/*/restored | grep -v /core",
    ),
    (
        "all is in place",
        "[ -e restore.json ] && ! ls -d ../private/atek-snapshots/*/restored",
    ),
];

/// The backup of a used box, and what opens it.
async fn backup(name: &str, into: &Path) -> anyhow::Result<String> {
    let old = box_with_note(name).await?;
    old.person("anna", "admin").await?;
    backup::copied(&old.machine, into).await
}

/// Whether the box has no owner yet; asked until the host answers.
async fn is_new(host: &Host) -> anyhow::Result<bool> {
    host.ready().await?;
    let status = host.stranger().call(SETUP, "status", json!([])).await?;
    Ok(status["needed"] == true)
}

/// Kills at these moments, each in a new box.
pub async fn survive(name: &str, moments: &[(&str, &str)]) -> anyhow::Result<()> {
    let disk = tempfile::tempdir()?;
    let password = backup(&format!("{name}-old"), disk.path()).await?;
    for (number, (what, seen)) in moments.iter().enumerate() {
        let host = Host::on(Machine::builder(&format!("{name}-{number}"))).await?;
        let shell = async |script: &str| host.machine.shell(script).await;
        host.machine.place_app("hello-node").await?;
        host.machine
            .copy_in(&disk.path().join("disk"), "/mnt/disk")
            .await?;
        host.machine.write("/root/password", &password).await?;
        let script = format!(
            "(atek restore --box /mnt/disk < /root/password > /tmp/said 2>&1 && echo whole || echo new) > /tmp/end & restore=$!
            cd /var/lib/atek
            until {{ {seen}; }} > /dev/null 2>&1 || ! kill -0 $restore 2> /dev/null; do :; done
            systemctl kill --signal=KILL atekd.service atek-backup.service atek-spawnd.service 2> /dev/null || true
            wait $restore; cat /tmp/end /tmp/said"
        );
        let begun = Instant::now();
        let said = host
            .machine
            .exec_within(SOON * 4, ["sh", "-c", &script], b"")
            .await?;
        let (end, said) = said.stdout.split_once('\n').context("no end")?;
        println!(
            "figure: killed when {what}: {end} after {:?}",
            begun.elapsed()
        );
        // The command says which of the two it is, and it is so.
        assert_eq!(is_new(&host).await?, end == "new", "{what}: {said}");
        if end == "new" {
            // Or the host was killed before it could answer at all.
            let told = said.contains("the box is as new");
            assert!(told || !said.contains("restoring"), "{what}: {said}");
            let again = "atek restore --box /mnt/disk < /root/password";
            let done = host
                .machine
                .exec_within(SOON * 4, ["sh", "-c", again], b"")
                .await?;
            assert!(
                done.status.success(),
                "{what}: {}{}",
                done.stdout,
                done.stderr
            );
        }
        host.sign_in("anna", PASSWORD).await?;
        host.service_is("hello-node", "running").await?;
        let note = host.system()?.call(HELLO, "get", json!(["note"])).await?;
        assert_eq!(note, Value::from("precious"), "{what}");
        let left = "ls -A /var/lib/atek/staging; ls -d /var/lib/atek/restore.json /var/lib/private/atek-snapshots/*/restored*";
        let left = shell(&format!("({left}) 2>/dev/null || true")).await?;
        assert_eq!(left.trim(), "", "{what}");
        let said = shell("atek backup now").await?;
        assert!(said.contains("made the backup"), "{what}: {said}");
    }
    Ok(())
}
