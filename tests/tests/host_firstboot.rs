//! What happens around the host at a boot: settings from the card, and the claim on the screens.

use atek_tests::host::{Host, PASSWORD, SETUP, SOON};
use atek_tests::{Machine, Seen, wait_for};
use serde_json::{Value, json};

const PRESEED: &str = r#"config_version = "1.0"
[system]
hostname = "kitchen"
[user]
name = "alice"
password = "$y$j9T$abcdefgh$0123456789"
password_encrypted = true
[ssh]
enabled = true
authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice"]
[wlan]
ssid = "home"
password = "correct-horse-battery"
country = "AT"
[locale]
timezone = "Europe/Vienna"
"#;

/// Waits until the file at `path` says, or no longer says, something.
async fn says(machine: &Machine, path: &str, words: &str, wanted: bool) -> anyhow::Result<String> {
    let what = format!("{path} to have {words:?}: {wanted}");
    wait_for(&what, SOON, async || {
        let text = machine.read(path).await.unwrap_or_default();
        Ok(Seen::if_so(text, |text| text.contains(words) == wanted))
    })
    .await
}

#[tokio::test]
async fn settings_of_the_card_are_applied_before_the_host_starts() -> anyhow::Result<()> {
    let builder = Machine::builder("settings").persistent();
    let mut host = Host::on(builder.file("/boot/rpi-preseed.toml", PRESEED, 0o644)).await?;
    let machine = &host.machine;
    assert_eq!(
        machine.exec(["uname", "--nodename"]).await?.trim(),
        "kitchen"
    );
    assert_eq!(machine.read("/etc/hostname").await?, "kitchen\n");
    let zone = machine.exec(["readlink", "/etc/localtime"]).await?;
    assert_eq!(zone.trim(), "../usr/share/zoneinfo/Europe/Vienna");
    let listed = machine
        .shell("cd /var/lib/atek-firstboot && stat -c '%a %U %n' . *")
        .await?;
    let modes = [
        "700 root .",
        "600 root applied.json",
        "600 root authorized_keys",
        "600 root wifi.conf",
    ];
    assert_eq!(listed.lines().collect::<Vec<_>>(), modes);
    let wifi = machine.read("/var/lib/atek-firstboot/wifi.conf").await?;
    assert!(wifi.contains("psk=\"correct-horse-battery\""), "{wifi}");
    let problems = machine.read("/run/atek-firstboot/problems.json").await?;
    assert_eq!(problems, "[]");

    let journal = machine
        .exec(["journalctl", "--boot", "--no-pager", "--output=cat"])
        .await?;
    assert!(
        journal.contains("settings of the card were applied: the name kitchen"),
        "{journal}"
    );
    assert!(
        !journal.contains("correct-horse-battery"),
        "a secret is in the journal"
    );
    assert!(!journal.contains("ordering cycle"), "{journal}");
    let order = "systemctl show --value -p ExecMainExitTimestampMonotonic atek-firstboot.service; \
        systemctl show --value -p ExecMainStartTimestampMonotonic atekd.service";
    let times = machine.shell(order).await?;
    let times: Vec<u64> = times.lines().map(str::parse).collect::<Result<_, _>>()?;
    assert!(times[0] > 0 && times[0] < times[1], "{times:?}");
    assert_eq!(
        machine
            .exec(["systemctl", "--failed", "--no-legend"])
            .await?,
        ""
    );

    // What was applied once is not applied again: the record is on the data partition, which stays.
    host.machine.reboot().await?;
    host.ready().await?;
    let journal = host.machine.journal("atek-firstboot.service").await?;
    assert!(
        !journal.contains("settings of the card were applied"),
        "{journal}"
    );
    Ok(())
}

#[tokio::test]
async fn wrong_settings_do_not_stop_the_boot_and_are_told() -> anyhow::Result<()> {
    let bomb: String = (0..40)
        .map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1))
        .collect();
    let builder = Machine::builder("wrong-settings")
        .file(
            "/boot/rpi-preseed.toml",
            "config_version = \"1.0\"\n[wlan",
            0o644,
        )
        .file(
            "/boot/user-data",
            "#cloud-config\nhostname: not a name\n",
            0o644,
        )
        .file("/boot/network-config", bomb, 0o644)
        .file(
            "/boot/firstrun.sh",
            "#!/bin/sh\ntouch /run/was-run\n\0\u{1}",
            0o755,
        );
    let host = Host::on(builder).await?;
    let machine = &host.machine;
    let problems: Value =
        serde_json::from_str(&machine.read("/run/atek-firstboot/problems.json").await?)?;
    let listed = problems.as_array().into_iter().flatten();
    let files: Vec<&str> = listed
        .filter_map(|problem| problem["file"].as_str())
        .collect();
    assert_eq!(
        files,
        [
            "rpi-preseed.toml",
            "user-data",
            "network-config",
            "firstrun.sh"
        ]
    );
    let status = host.stranger().call(SETUP, "status", json!([])).await?;
    assert_eq!(status["problems"], problems, "setup tells the same");
    let readable = [
        "runuser",
        "-u",
        "atek",
        "--",
        "cat",
        "/run/atek-firstboot/problems.json",
    ];
    machine.exec(readable).await?;
    says(
        machine,
        "/run/issue.d/50-atek.issue",
        "rpi-preseed.toml: line 2: this is no valid TOML",
        true,
    )
    .await?;
    assert!(machine.read("/run/was-run").await.is_err());
    assert_eq!(
        machine
            .exec(["systemctl", "--failed", "--no-legend"])
            .await?,
        ""
    );
    Ok(())
}

#[tokio::test]
async fn the_claim_code_is_on_the_screens_until_the_box_has_an_owner() -> anyhow::Result<()> {
    let host = Host::boot("claim").await?;
    let machine = &host.machine;
    let (issue, card) = ("/run/issue.d/50-atek.issue", "/boot/atek-claim.txt");
    // It is shown a moment after the host is ready.
    let code = says(machine, "/run/atek/claim-code", "-", true).await?;
    let code = code.trim();
    let shown = "/run/atek-firstboot/shown";
    says(machine, shown, &format!("Claim code   {code}"), true).await?;
    let text = machine.read(issue).await?;
    assert!(text.contains(&format!("Claim code   {code}")), "{text}");
    // The code does not wait for an address.
    says(
        machine,
        issue,
        &format!("http://{}\n", machine.address()?),
        true,
    )
    .await?;
    let seen = ["stat", "-c", "%a", shown];
    assert_eq!(machine.exec(seen).await?.trim(), "600");

    // The card is read-only but for the moment of a write; a new name is such a moment.
    let read_only = "mount -t tmpfs -o ro,nosuid,nodev,noexec,mode=700 card /boot";
    machine.shell(read_only).await?;
    machine.shell("echo cellar >/etc/hostname").await?;
    says(machine, issue, "http://cellar.local", true).await?;
    says(machine, card, &format!("Claim code: {code}\r\n"), true).await?;
    // The file is there a moment before the card is read-only again.
    wait_for("the card to be read-only again", SOON, async || {
        let options = ["findmnt", "-no", "FS-OPTIONS", "/boot"];
        let options = machine.exec(options).await?;
        Ok(Seen::if_so(options, |options| options.starts_with("ro")))
    })
    .await?;
    assert!(
        machine.write("/boot/other", "").await.is_err(),
        "the card stayed writable"
    );

    let wish = json!({
        "code": code, "name": "attic", "username": "alice", "password": PASSWORD, "timezone": "Europe/Vienna",
    });
    host.stranger()
        .call(SETUP, "complete", json!([wish]))
        .await?;
    let text = says(machine, issue, code, false).await?;
    assert!(!text.contains("Claim"), "{text}");
    says(machine, issue, "http://attic.local", true).await?;
    wait_for("the card's file to be gone", SOON, async || {
        let there = machine.try_exec(["test", "-e", card]).await?;
        Ok(Seen::if_so(there.status.success(), |there| !there))
    })
    .await?;
    let failed = machine
        .exec(["systemctl", "--failed", "--no-legend"])
        .await?;
    assert_eq!(failed, "");
    Ok(())
}
