//! Backups in a browser: the page of backups, and the restore of a box on the setup page of a new
//! one.

use atek_tests::Machine;
use atek_tests::browser::BrowserStory;
use atek_tests::host::{Host, PASSWORD, SOON};
use atek_tests::{Seen, wait_for};
use serde_json::json;
use std::process::Command;

#[tokio::test]
async fn backups_are_set_up_made_and_looked_into() -> anyhow::Result<()> {
    let host = Host::boot("web-backups").await?;
    BrowserStory::new(host).run("backups").await
}

#[tokio::test]
async fn a_new_box_becomes_the_old_one_on_its_setup_page() -> anyhow::Result<()> {
    let old = Host::on(Machine::builder("web-restore-old")).await?;
    let anna = old.person("anna", "admin").await?;
    old.install("hello-node", "anna").await?;
    let words = wait_for("the box has words", SOON, async || {
        let asked = json!([{ "password": PASSWORD }]);
        let told = anna
            .client
            .call("atek.cloud/keys-api", "words", asked)
            .await;
        let words: Vec<String> = match told {
            Ok(told) => serde_json::from_value(told["words"].clone()).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        Ok(Seen::if_so(words, |words| words.len() == 24))
    })
    .await?;
    // The restored box has the old one's name, at which the page goes on.
    let renamed = json!(["web-restore-new"]);
    old.system()?
        .call("atek.cloud/system-api", "setName", renamed)
        .await?;
    old.machine
        .shell(
            "mkdir -p /mnt/disk && atek backup target /mnt/disk --every never && atek backup now",
        )
        .await?;
    let disk = tempfile::tempdir()?;
    let copied = Command::new("cp")
        .arg("--archive")
        .arg(old.machine.outer_path("/mnt/disk")?)
        .arg(disk.path())
        .status()?;
    assert!(copied.success());
    drop(old);

    let new = Host::on(Machine::builder("web-restore-new")).await?;
    // An app that runs in place needs its folder.
    new.machine.place_app("hello-node").await?;
    new.machine
        .copy_in(&disk.path().join("disk"), "/root/disk")
        .await?;
    new.machine.write("/root/words", words.join(" ")).await?;
    new.machine
        .shell(
            "mkdir -p /mnt/disk && mount -t tmpfs disk /mnt/disk && cp -a /root/disk/. /mnt/disk",
        )
        .await?;
    BrowserStory::new(new).run("restore").await
}
