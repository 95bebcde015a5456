//! The factory reset of a booted box: nothing of people is left, also after power cuts between its
//! steps, and the backup elsewhere makes the new box the old one again.

#[path = "safety/backup.rs"]
mod backup;

use atek_tests::host::{Host, PASSWORD, SETUP, SOON, refusal};
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};
use std::path::Path;

const HELLO: &str = "example.test/hello";
const OWNER: &str = "quirina";
const NOTE: &str = "precious words";
const SYSTEM: &str = "atek.cloud/system-api";

/// What Raspberry Pi Imager left on the card.
const PRESEED: &str = "config_version = \"1.0\"\n[wlan]\nssid = \"home\"\n\
    password = \"secret-of-the-network\"\ncountry = \"AT\"\n";
const CARD_FILE: &str = "/boot/rpi-preseed.toml";
const WIFI: &str = "/var/lib/atek-firstboot/wifi.conf";

/// Lets the test end the program at one of its steps.
const FAULT: &str = "[Service]\nEnvironmentFile=-/var/fault\n";

async fn box_on(name: &str, data: &Path) -> anyhow::Result<Host> {
    let builder = Machine::builder(name).data_dir(data);
    let builder = builder.file(CARD_FILE, PRESEED, 0o644).file(
        "/etc/systemd/system/atek-erase.service.d/fault.conf",
        FAULT,
        0o644,
    );
    let host = Host::on(builder).await?;
    host.person(OWNER, "admin").await?;
    let source = host.machine.place_app("hello-node").await?;
    let app = json!({ "sourceUrl": source, "id": "hello-node", "user": "system" });
    host.install_from(app).await?;
    let note = json!(["note", NOTE]);
    host.system()?.call(HELLO, "put", note).await?;
    Ok(host)
}

/// How the reset of this boot ended.
async fn outcome(machine: &Machine) -> anyhow::Result<String> {
    wait_for("the reset of this boot", SOON, async || {
        let script = "systemctl show --value -p ActiveState atek-erase.service";
        let state = machine.shell(script).await?.trim().to_owned();
        Ok(Seen::if_so(state, |state| {
            state == "active" || state == "failed"
        }))
    })
    .await
}

/// Boots, and ends the reset after one step, then after two, until it has no more. Returns how
/// often.
async fn cut_between_steps(machine: &mut Machine, var: &Path) -> anyhow::Result<u32> {
    for step in 1.. {
        std::fs::write(var.join("fault"), format!("ATEK_FAULT=erase:{step}\n"))?;
        machine.power_on().await?;
        if outcome(machine).await? == "active" {
            return Ok(step - 1);
        }
        // A part of a box is none.
        let host = ["systemctl", "is-active", "atekd.service"];
        let host = machine.try_exec(host).await?;
        assert_ne!(host.stdout.trim(), "active", "half a box is served");
        machine.cut_power().await?;
        assert!(var.join("lib/atek/factory-reset").exists(), "{step}");
    }
    unreachable!("it is returned")
}

/// That the box is as new, and has nothing of the time before.
async fn is_new(host: &Host) -> anyhow::Result<()> {
    host.ready().await?;
    let status = host.stranger().call(SETUP, "status", json!([])).await?;
    assert_eq!(status["needed"], true, "{status}");
    let said = host
        .machine
        .shell("atek claim; cat /run/atek/claim-code")
        .await?;
    assert!(
        said.lines()
            .any(|line| line.len() == 9 && line.contains('-')),
        "{said}"
    );
    let search = format!(
        "grep -rlE '{NOTE}|{OWNER}|secret-of-the-network' /var/lib/atek* /var/lib/private || true"
    );
    assert_eq!(host.machine.shell(&search).await?.trim(), "");
    let private = host.machine.shell("ls /var/lib/private").await?;
    let only_core = private
        .lines()
        .all(|name| name.starts_with("atek-app-core.") || name == "atek-snapshots");
    assert!(only_core, "{private}");
    wait_for("the settings on the card to be gone", SOON, async || {
        let there = host
            .machine
            .shell(&format!("ls {CARD_FILE} {WIFI} 2>/dev/null || true"))
            .await?;
        Ok(Seen::if_so(there, |there| there.trim().is_empty()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_reset_box_is_new_whenever_the_power_was_cut_and_its_backup_brings_it_back()
-> anyhow::Result<()> {
    let (data, disk) = (tempfile::tempdir_in("/var/tmp")?, tempfile::tempdir()?);
    let mut host = box_on("reset", data.path()).await?;
    let password = backup::copied(&host.machine, disk.path()).await?;
    host.machine.exec(["test", "-e", WIFI]).await?;

    // Not with a session alone, and not for others.
    let anna = host.sign_in(OWNER, PASSWORD).await?;
    let anna = host.stranger().header("cookie", &format!("session={anna}"));
    let anna = anna.header("origin", "http://localhost");
    for wrong in [json!([]), json!([{ "password": "wrong" }])] {
        refusal(anna.call(SYSTEM, "factoryReset", wrong).await);
    }
    let bob = host.person("bob", "").await?;
    let with_password = json!([{ "password": PASSWORD }]);
    let bob = bob.client.header("origin", "http://localhost");
    refusal(bob.call(SYSTEM, "factoryReset", with_password).await);
    let asked = host.machine.try_exec(["atek", "system", "reset"]).await?;
    assert!(asked.stderr.contains("add --yes"), "{}", asked.stderr);
    assert!(
        asked.stderr.contains("the backups on /mnt/disk"),
        "{}",
        asked.stderr
    );
    host.machine
        .exec(["test", "!", "-e", "/var/lib/atek/factory-reset"])
        .await?;

    host.machine
        .try_exec(["atek", "system", "reset", "--yes"])
        .await?;
    assert!(host.machine.turned_off().await?, "it does not start again");
    let cuts = cut_between_steps(&mut host.machine, &data.path().join("var")).await?;
    println!("figure: the power was cut {cuts} times in one factory reset");
    assert!(cuts > 3, "{cuts}");
    is_new(&host).await?;

    host.machine.place_app("hello-node").await?;
    host.machine
        .copy_in(&disk.path().join("disk"), "/mnt/disk")
        .await?;
    host.machine.write("/root/password", &password).await?;
    let restore = "atek restore --box /mnt/disk < /root/password";
    let done = host
        .machine
        .exec_within(SOON * 4, ["sh", "-c", restore], b"")
        .await?;
    assert!(done.status.success(), "{}{}", done.stdout, done.stderr);
    host.sign_in(OWNER, PASSWORD).await?;
    host.service_is("hello-node", "running").await?;
    let note = host.system()?.call(HELLO, "get", json!(["note"])).await?;
    assert_eq!(note, Value::from(NOTE));
    Ok(())
}

#[tokio::test]
async fn a_host_that_was_ended_after_the_request_restarts_the_machine() -> anyhow::Result<()> {
    let data = tempfile::tempdir_in("/var/tmp")?;
    let mut host = box_on("reset-asked", data.path()).await?;
    let script = "printf '{\"keepNetwork\":true}' > /var/lib/atek/factory-reset && chown atek: /var/lib/atek/factory-reset
        systemctl kill --signal=KILL atekd.service";
    host.machine.try_exec(["sh", "-c", script]).await?;
    assert!(host.machine.turned_off().await?, "it does not start again");
    host.machine.power_on().await?;
    host.ready().await?;
    let status = host.stranger().call(SETUP, "status", json!([])).await?;
    assert_eq!(status["needed"], true, "{status}");
    let wifi = host.machine.read(WIFI).await?;
    assert!(wifi.contains("secret-of-the-network"), "{wifi}");
    host.machine.exec(["test", "-e", CARD_FILE]).await?;
    Ok(())
}
