//! The move of a booted box's data to a disk and back: the same bytes, also after power cuts
//! between its steps; and a box whose disk is missing.

#[path = "safety/moving.rs"]
mod moving;

use anyhow::Context as _;
use atek_tests::host::{Host, PASSWORD, SETUP, SOON, refusal};
use atek_tests::{Machine, Seen, wait_for};
use moving::{APPS, OWNER, TwoDisks};
use serde_json::{Value, json};

const SYSTEM: &str = "atek.cloud/system-api";

/// The box as it was: its people, its apps and each byte of theirs.
async fn is_the_same(moved: &TwoDisks, states: &[String]) -> anyhow::Result<()> {
    let host = &moved.host;
    host.ready().await?;
    for id in APPS {
        host.service_is(id, "running").await?;
    }
    host.sign_in(OWNER, PASSWORD).await?;
    assert_eq!(moved.note().await?, Value::from("precious"));
    assert_eq!(moved.states().await?, states);
    Ok(())
}

/// While data are moved, nothing but a page about that is served, and no app runs.
async fn serves_only_its_page(host: &Host) -> anyhow::Result<()> {
    wait_for("the page of the move", SOON, async || {
        let page = host.stranger().get("/").await?;
        let is_it = page.status == 503 && page.text().contains("moves its data");
        Ok(Seen::if_so(page.text(), |_| is_it))
    })
    .await?;
    let units = "systemctl list-units --no-legend --state=active 'atek-app-*' | wc -l";
    assert_eq!(host.machine.shell(units).await?.trim(), "0");
    Ok(())
}

#[tokio::test]
async fn the_data_of_three_apps_are_the_same_on_a_disk_whenever_the_power_was_cut()
-> anyhow::Result<()> {
    let Some(mut moved) = TwoDisks::new("move").await? else {
        return Ok(());
    };
    moved.plug().await?;
    let states = moved.states().await?;
    let untouched = moved.disk_digest()?;
    refuses_what_was_not_confirmed(&moved).await?;
    assert_eq!(moved.disk_digest()?, untouched, "the disk was changed");

    let disk = moved.disk().to_owned();
    moved.asked(&[&disk]).await?;
    // One whose process is ended is given up, and told.
    moved.hold(Some(4))?;
    assert_eq!(moved.start().await?, "card");
    assert!(moved.is_held().await?);
    serves_only_its_page(&moved.host).await?;
    moved
        .host
        .machine
        .shell("systemctl kill --kill-whom=main --signal=KILL atek-move.service")
        .await?;
    moved.hold(None)?;
    is_the_same(&moved, &states).await?;
    let told = moved.host.machine.shell("atek system move").await?;
    assert!(told.contains("The last move failed"), "{told}");

    moved.plug().await?;
    moved.asked(&[&disk]).await?;
    let cuts = moved.cut_at(1..60, "disk").await?;
    println!("figure: the power was cut {cuts} times in one move");
    assert!(cuts >= 9, "{cuts}");
    is_the_same(&moved, &states).await?;
    let told = moved.host.machine.shell("atek system move").await?;
    assert!(
        told.contains("are on the disk") && told.contains("--remove-old"),
        "{told}"
    );

    // What was on the card is there still, and a reset would leave it to the next owner.
    let reset = moved
        .host
        .machine
        .try_exec(["atek", "system", "reset", "--yes"])
        .await?;
    assert!(reset.stderr.contains("--remove-old"), "{reset:?}");
    moved.put("of the disk").await?;
    moved.host.machine.power_off().await?;
    moved.on_card(|card| {
        let private = std::fs::read_dir(card.join("lib/private"))?;
        let mut notes = 0;
        for app in private {
            notes += usize::from(app?.path().join("deep/er/note").exists());
        }
        assert_eq!(notes, APPS.len());
        Ok(())
    })
}

async fn refuses_what_was_not_confirmed(moved: &TwoDisks) -> anyhow::Result<()> {
    let host = &moved.host;
    let told = host
        .system()?
        .call(SYSTEM, "moveTargets", json!([]))
        .await?;
    let disks = told["disks"].as_array().context("disks")?;
    let disk = disks.iter().find(|disk| disk["device"] == moved.disk());
    let disk = disk.with_context(|| format!("{told}"))?;
    assert_eq!(disk["holds"], json!(["ext4"]), "{told}");
    assert!(
        disk["refused"].is_null() && told["disk"].is_null(),
        "{told}"
    );
    let asked = host
        .machine
        .try_exec(["atek", "system", "move", moved.disk()])
        .await?;
    assert!(
        asked.stderr.contains("is lost") && asked.stderr.contains("add --yes"),
        "{asked:?}"
    );
    let wanted = json!({ "to": "disk", "disk": disk["id"] });
    let anna = host.sign_in(OWNER, PASSWORD).await?;
    let anna = host.stranger().header("cookie", &format!("session={anna}"));
    let anna = anna.header("origin", "http://localhost");
    refusal(anna.call(SYSTEM, "moveData", json!([wanted])).await);
    let bob = host
        .person("bob", "")
        .await?
        .client
        .header("origin", "http://localhost");
    let with_password = json!([{ "to": "disk", "disk": disk["id"], "password": PASSWORD }]);
    refusal(bob.call(SYSTEM, "moveData", with_password).await);
    for wrong in [
        json!({ "to": "disk", "disk": "0000" }),
        json!({ "to": "card" }),
        json!({ "to": "nowhere" }),
    ] {
        refusal(
            host.system()?
                .call(SYSTEM, "moveData", json!([wrong]))
                .await,
        );
    }
    host.machine
        .exec(["test", "!", "-e", "/var/lib/atek/move"])
        .await
        .map(drop)
}

#[tokio::test]
async fn old_data_go_when_a_person_says_so_and_everything_comes_back_to_the_card()
-> anyhow::Result<()> {
    let Some(mut moved) = TwoDisks::new("move-back").await? else {
        return Ok(());
    };
    moved.plug().await?;
    let states = moved.states().await?;
    let disk = moved.disk().to_owned();
    moved.asked(&[&disk]).await?;
    moved.cut_at(0..0, "disk").await?;
    is_the_same(&moved, &states).await?;

    moved.asked(&["--remove-old"]).await?;
    assert_eq!(moved.start().await?, "disk");
    assert!(!moved.is_held().await?);
    moved.on_card(|card| {
        let mut left: Vec<_> = std::fs::read_dir(card)?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<std::io::Result<_>>()?;
        left.sort();
        assert_eq!(left, ["atek-moved-to", "lost+found"]);
        Ok(())
    })?;
    assert_eq!(moved.start().await?, "disk");
    is_the_same(&moved, &states).await?;

    moved.asked(&["card"]).await?;
    let cuts = moved.cut_at((2..60).step_by(3), "card").await?;
    assert!(cuts >= 3, "{cuts}");
    is_the_same(&moved, &states).await?;
    let told = moved.host.machine.shell("atek system move").await?;
    assert!(
        told.contains("are on the card") && told.contains("moved back"),
        "{told}"
    );
    Ok(())
}

#[tokio::test]
async fn a_box_whose_disk_is_missing_is_no_new_one_and_starts_again_when_it_comes()
-> anyhow::Result<()> {
    let problem = "the data of this box are on the disk ACME, which is not plugged in\n";
    let builder = Machine::builder("move-missing").install_atek();
    let mut machine = builder
        .file("/run/atek-init/data-problem", problem, 0o644)
        .boot()
        .await?;
    let page = wait_for("the page", SOON, async || {
        let page = machine.http().get("/").await?;
        let text = page.text();
        Ok(Seen::if_so(text, |text| {
            text.contains("cannot reach its data")
        }))
    })
    .await?;
    assert!(page.contains("ACME, which is not plugged in"), "{page}");
    // It cannot be claimed.
    let claim = machine.http().call(SETUP, "status", json!([])).await;
    assert!(claim.is_err(), "{claim:?}");
    machine
        .exec(["test", "!", "-e", "/run/atek/claim-code"])
        .await?;
    machine.shell("touch /run/atek-init/data-came").await?;
    assert!(machine.turned_off().await?, "it does not start again");
    Ok(())
}
