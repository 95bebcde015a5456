//! Mail of a booted box, to a mail server of Debian: a missed backup arrives, once, also after the
//! network was away; and what is wrong with the settings is said.

#[path = "safety/mailbox.rs"]
mod mailbox;
#[allow(dead_code, reason = "other suites look at the note")]
#[path = "safety/note.rs"]
mod note;

use atek_tests::host::{Host, SOON, refusal};
use atek_tests::{Seen, wait_for};
use mailbox::{Mailbox, SECRET, USER};
use note::box_with_note;
use serde_json::{Value, json};

const SYSTEM: &str = "atek.cloud/system-api";
const BACKUPS: &str = "atek.cloud/backups-api";

fn settings(mailbox: &Mailbox, security: &str) -> Value {
    json!({ "server": mailbox.address.to_string(), "port": mailbox.port, "security": security,
        "user": USER, "from": "box@example.org", "to": ["anna@example.org"] })
}

/// Has the box trust a server's authority.
async fn trust(host: &Host, mailbox: &Mailbox) -> anyhow::Result<()> {
    let file = "/root/authority.pem";
    host.machine.write(file, mailbox.authority()?).await?;
    host.machine
        .shell(&format!("atek authorities --add {file}"))
        .await?;
    Ok(())
}

/// Sets the server by the command line.
async fn set(host: &Host, mailbox: &Mailbox, flags: &str) -> anyhow::Result<String> {
    host.machine
        .write("/root/secret", format!("{SECRET}\n"))
        .await?;
    let set = format!(
        "atek mail set {} --port {} --user {USER} --password /root/secret --from box@example.org --to anna@example.org {flags}",
        mailbox.address, mailbox.port
    );
    host.machine.shell(&set).await
}

#[tokio::test]
async fn a_test_mail_arrives_or_says_what_is_wrong() -> anyhow::Result<()> {
    let host = Host::boot("mail-test").await?;
    let at = host.machine.gateway()?;
    let (Some(mut mailbox), Some(encrypted)) =
        (Mailbox::begin(at, "starttls")?, Mailbox::begin(at, "tls")?)
    else {
        return Ok(());
    };
    let system = host.system()?;
    let none = refusal(system.call(SYSTEM, "testMail", json!([])).await);
    assert_eq!(none.data["reason"], "mail-not-set", "{none:?}");
    let tried = async |settings: Value, password: &str| {
        let changes = json!([{ "settings": settings, "password": password }]);
        let refused = refusal(system.call(SYSTEM, "testMail", changes).await);
        assert!(!format!("{refused:?}").contains(SECRET), "{refused:?}");
        (refused.data["reason"].clone(), refused.message)
    };
    let good = settings(&mailbox, "starttls");
    let with = |member: &str, value: Value| {
        let mut changed = good.clone();
        changed[member] = value;
        changed
    };
    let (reason, said) = tried(good.clone(), SECRET).await;
    assert_eq!(reason, "mail-certificate", "{said}");
    let (reason, said) = tried(settings(&encrypted, "tls"), SECRET).await;
    assert_eq!(reason, "mail-certificate", "{said}");

    trust(&host, &mailbox).await?;
    for (settings, password, expected) in [
        (good.clone(), "wrong", "mail-login"),
        (with("user", json!("bob")), SECRET, "mail-login"),
        (
            with("server", json!("nowhere.invalid")),
            SECRET,
            "mail-unreachable",
        ),
        (with("port", json!(1)), SECRET, "mail-unreachable"),
        (with("security", json!("tls")), SECRET, "mail-encryption"),
        (
            with("to", json!(["nobody@example.org"])),
            SECRET,
            "mail-refused",
        ),
        (with("to", json!(["no address"])), SECRET, "mail-settings"),
        (with("security", json!("none")), SECRET, "mail-settings"),
        (good.clone(), "", "mail-password"),
        // Another authority's certificate.
        (settings(&encrypted, "tls"), SECRET, "mail-certificate"),
    ] {
        let (reason, said) = tried(settings.clone(), password).await;
        assert_eq!(reason, expected, "{settings}: {said}");
    }
    // A name that is not in the certificate.
    host.machine
        .shell(&format!("echo '{at} mail.test' >> /etc/hosts"))
        .await?;
    let (reason, said) = tried(with("server", json!("mail.test")), SECRET).await;
    assert_eq!(reason, "mail-certificate", "{said}");
    assert!(mailbox.mails()?.is_empty());

    set(&host, &mailbox, "").await?;
    let said = host.machine.shell("atek mail test && atek mail").await?;
    assert!(said.contains("took the mail"), "{said}");
    let mails = mailbox.mails()?;
    let [mail] = &mails[..] else {
        anyhow::bail!("{mails:?}");
    };
    assert_eq!(mail["encrypted"], true, "{mail}");
    assert_eq!(mail["to"], json!(["anna@example.org"]), "{mail}");
    assert_eq!(
        mail["headers"]["auto-submitted"], "auto-generated",
        "{mail}"
    );
    trust(&host, &encrypted).await?;
    let changes = json!([{ "settings": settings(&encrypted, "tls"), "password": SECRET }]);
    system.call(SYSTEM, "testMail", changes).await?;
    assert_eq!(encrypted.mails()?.len(), 1);

    // The password is the host's alone.
    let seen = "atek mail --json; atek mail; journalctl --no-pager; systemctl show atekd; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' ' '";
    assert!(!host.machine.shell(seen).await?.contains(SECRET));
    let mode = "stat -c %a:%U /var/lib/atek/mail.json /var/lib/atek/mail-outbox.json";
    assert_eq!(host.machine.shell(mode).await?, "600:atek\n600:atek\n");
    let carol = host.person("carol", "").await?;
    let refused = refusal(carol.client.call(SYSTEM, "mail", json!([])).await);
    assert_eq!(refused.code, -32003);

    mailbox.stop();
    let gone = refusal(system.call(SYSTEM, "testMail", json!([])).await);
    assert_eq!(gone.data["reason"], "mail-unreachable", "{gone:?}");
    host.machine.shell("atek mail off").await?;
    assert_eq!(
        host.machine
            .shell("ls /var/lib/atek | grep -c mail.json || true")
            .await?
            .trim(),
        "0"
    );
    Ok(())
}

/// Waits until the host says for the light on the board whether something is wrong.
async fn trouble(host: &Host, wanted: bool) -> anyhow::Result<()> {
    let what = format!("there is trouble: {wanted}");
    wait_for(&what, SOON * 3, async || {
        let there = host
            .machine
            .try_exec(["test", "-e", "/run/atek/trouble"])
            .await?;
        Ok(Seen::if_so(there.status.success(), |there| {
            *there == wanted
        }))
    })
    .await
    .map(drop)
}

/// What a light would do that is told so: a folder in the place of the kernel's.
async fn trigger(host: &Host) -> anyhow::Result<String> {
    let script = "cd /root && mkdir -p board/sys/class/leds/ACT board/run/atek board/run/atek-firstboot
        echo '[]' > board/run/atek-firstboot/problems.json
        echo 'none timer heartbeat' > board/sys/class/leds/ACT/trigger
        echo 255 > board/sys/class/leds/ACT/max_brightness; echo 0 > board/sys/class/leds/ACT/brightness
        rm -f board/run/atek/*; cp /run/atek/host-state board/run/atek; cp /run/atek/trouble board/run/atek 2>/dev/null || true
        /usr/lib/atek/atek-firstboot --root board led && head -c 4 board/sys/class/leds/ACT/trigger";
    host.machine.shell(script).await
}

#[tokio::test]
async fn a_missed_backup_is_mailed_once_also_after_the_network_was_away_and_shown_by_the_light()
-> anyhow::Result<()> {
    let host = box_with_note("mail-missed").await?;
    let Some(mut mailbox) = Mailbox::begin(host.machine.gateway()?, "starttls")? else {
        return Ok(());
    };
    let system = host.system()?;
    let shell = async |script: &str| host.machine.shell(script).await;
    trust(&host, &mailbox).await?;
    set(&host, &mailbox, "").await?;
    shell("atek backup target /mnt/disk --every hourly").await?;
    wait_for("the first backup", SOON * 3, async || {
        let status = system.call(BACKUPS, "status", json!([])).await?;
        Ok(Seen::if_so(status, |status| status["lastGood"].is_string()))
    })
    .await?;
    trouble(&host, false).await?;
    assert_eq!(trigger(&host).await?, "none");

    // The disk is unplugged for four hours, and the mail server is away.
    mailbox.stop();
    shell(
        "systemctl stop atekd; mv /mnt/disk/atek-backup /mnt/unplugged
        then=$(($(date +%s) - 14400))
        sed -i \"s/\\\"since\\\": [0-9]*/\\\"since\\\": $then/; s/\\\"lastGood\\\": [0-9]*/\\\"lastGood\\\": $then/; s/\\\"lastTry\\\": [0-9]*/\\\"lastTry\\\": $then/\" /var/lib/atek/backups.json
        chown atek:atek /var/lib/atek/backups.json; systemctl start atekd",
    )
    .await?;
    host.ready().await?;
    let waiting = async || system.call(SYSTEM, "mail", json!([])).await;
    let told = wait_for("the notices wait", SOON * 6, async || {
        let told = waiting().await?;
        Ok(Seen::if_so(told, |told| {
            told["waiting"].as_u64() >= Some(3) && told["problem"].is_string()
        }))
    })
    .await?;
    assert!(told["problem"].to_string().contains("reached"), "{told}");
    trouble(&host, true).await?;
    assert_eq!(trigger(&host).await?, "hear");

    // It is back: what waited comes by itself, in one mail.
    mailbox.start()?;
    wait_for("the mail arrives", SOON * 12, async || {
        Ok(Seen::if_so(mailbox.mails()?, |mails| !mails.is_empty()))
    })
    .await?;
    let mails = mailbox.mails()?;
    let text = mails[0]["text"].to_string();
    assert!(text.contains("backups are missing"), "{text}");
    assert!(text.contains("a backup went wrong"), "{text}");
    assert!(text.contains("/mnt/disk"), "{text}");
    let subject = mails[0]["headers"]["subject"].to_string();
    assert!(subject.contains("mail-missed: "), "{subject}");

    // The same is not told again, by a host that was started again neither.
    shell("systemctl restart atekd").await?;
    host.ready().await?;
    trouble(&host, true).await?;
    let told = waiting().await?;
    assert_eq!(told["waiting"], 0, "{told}");
    shell("mv /mnt/unplugged /mnt/disk/atek-backup").await?;
    system.call(BACKUPS, "backUp", json!([])).await?;
    trouble(&host, false).await?;
    assert_eq!(trigger(&host).await?, "none");
    assert_eq!(mailbox.mails()?.len(), 1);
    Ok(())
}
