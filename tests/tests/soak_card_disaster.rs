//! Disaster drill: the card of a used box is gone, and a new card becomes the box, by the words and
//! the disk with the backups, in setup. How long each part takes here is a figure.
//!
//! `console.log` of `out/emulated/drill-old` and `drill-new` has what their screens showed.

mod images;
#[path = "soak_card/used.rs"]
mod used;

use anyhow::ensure;
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::host::{SETUP, refusal};
use atek_tests::plugged::DiskImage;
use atek_tests::{Seen, npm, skip, wait_for};
use images::registry_for;
use serde_json::json;
use std::time::Instant;
use used::{BACKUPS, OWNER, id_of, sign_in};

/// Tells how long a part took.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn tell(&mut self, what: &str) {
        let minutes = self.0.elapsed().as_secs_f64() / 60.0;
        println!("figure: {what} took {minutes:.1} minutes");
        self.0 = Instant::now();
    }
}

/// A claim code that counts, of the screen of a new box.
async fn claim_code(emulated: &Emulated) -> anyhow::Result<String> {
    wait_for("the claim code on the screen", BOOT, async || {
        let code = emulated.claim_code()?;
        let check = json!([code]);
        let checked = emulated.http().call(SETUP, "checkClaim", check).await;
        Ok(match checked {
            Ok(_) => Seen::Wanted(code),
            Err(error) => Seen::other(format!("{code}: {error:#}")),
        })
    })
    .await
}

/// Makes a new box the one of the disk, as its setup page does; returns when it is.
async fn becomes_the_old_one(emulated: &Emulated, words: &str) -> anyhow::Result<()> {
    let anybody = emulated.http();
    let code = claim_code(emulated).await?;
    let places = anybody.call(SETUP, "backupPlaces", json!([code])).await?;
    let id = id_of(&places)?;
    ensure!(places["disks"][0]["found"]["hasBackup"] == true, "{places}");
    let wish = |words: &str| {
        let target = json!({ "kind": "disk", "id": id });
        json!([{ "code": code, "words": words, "target": target }])
    };
    let wrong = wish(&format!("{}art", "abandon ".repeat(23)));
    let refused = refusal(anybody.call(SETUP, "restoreBox", wrong).await);
    ensure!(refused.message.contains("do not fit"), "{refused:?}");
    let begun = anybody.call(SETUP, "restoreBox", wish(words)).await?;
    ensure!(begun["apps"] == 3, "{begun}");
    // The host starts again in between, and does not answer then.
    wait_for("the box to have its people again", BOOT, async || {
        if let Ok(status) = anybody.call(SETUP, "restoreStatus", json!([])).await {
            assert!(status["problem"].is_null(), "{status}");
        }
        sign_in(emulated, OWNER).await.map(Seen::Wanted)
    })
    .await
    .map(drop)
}

#[tokio::test]
async fn a_new_card_becomes_the_box_whose_card_died_by_the_words_and_a_disk() -> anyhow::Result<()>
{
    let package = json!({ "name": "recipe", "version": "1.0.0", "private": true,
        "dependencies": { "json-server": "0.17.4" } });
    let lockfile = npm::lockfile("json-server-0.17.4", &package.to_string())?;
    let disk = DiskImage::make("ext4", 2 << 30, "mke2fs -q -t ext4 $F")?;
    let (Some(_), Some(disk)) = (lockfile, disk) else {
        skip("the npm registry or mke2fs is not here");
        return Ok(());
    };
    let Some(registry) = registry_for(&["arm64"])? else {
        return Ok(());
    };
    let mut clock = Clock::start();
    let mut old = Emulated::new("drill-old")?;
    old.disk = Some(disk.path());
    old.start()?;
    old.answers().await?;
    old.claim().await?;
    clock.tell("the first boot and setup");
    let db = used::by_two(&old).await?;
    used::program_of_image(&old, &registry).await?;
    used::programs_of_npm(&old).await?;
    clock.tell("use: two people, a database, three apps of registries");
    let words = used::words(&old).await?;
    let npm = used::of_npm(&old).await?;
    let shown = npm["swagger"] == true && npm.to_string().contains(used::BREAD);
    ensure!(shown, "{npm}");
    ensure!(used::count(&old).await? == 1);
    let before = used::remembered(&old, &db).await?;
    ensure!(
        before["soup"] == json!([used::SOUP, used::SOUP]),
        "{before}"
    );
    clock = Clock::start();
    used::is_backed_up(&old).await?;
    clock.tell("the first backup, to a disk");

    // The disk and the words are all that is left: the power goes, and the card with it.
    old.cut_power();
    std::fs::remove_file(old.card())?;
    drop(old);
    drop(registry);

    let whole = Instant::now();
    let mut new = Emulated::new("drill-new")?;
    new.disk = Some(disk.path());
    new.start()?;
    new.answers().await?;
    clock.tell("the first boot of the new card");
    becomes_the_old_one(&new, &words).await?;
    clock.tell("the restore in setup, until people can sign in");
    ensure!(used::of_npm(&new).await? == npm, "{npm}");
    ensure!(
        used::count(&new).await? == 2,
        "the image has lost its volume"
    );
    clock.tell("from there until all three apps answer");
    println!(
        "figure: the box was itself again {:.1} minutes after its new card was put in",
        whole.elapsed().as_secs_f64() / 60.0
    );
    assert_eq!(used::remembered(&new, &db).await?, before);
    used::is_shared(&new, &db).await?;
    // Backups go on where they were.
    let owner = sign_in(&new, OWNER).await?;
    let done = owner.call(BACKUPS, "backUp", json!([])).await?;
    ensure!(done["proven"].as_u64() >= Some(1), "{done}");
    clock.tell("the next backup, on the new card");
    let runs = owner.call(BACKUPS, "list", json!([])).await?;
    ensure!(runs["runs"].as_array().map(Vec::len) == Some(2), "{runs}");
    Ok(())
}
