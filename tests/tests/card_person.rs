//! The card before a person: the page while it starts, the light, a forgotten password.
//!
//! `console.log` of `out/emulated/person` has what its screen showed.

use anyhow::{Context as _, ensure};
use atek_image::card::Card;
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::host::{PASSWORD, SESSIONS, USERS};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};

const SETUP: &str = "atek.cloud/setup-api";
/// Pages are to be there within so many times of the boot, on a machine with nothing else to do.
const AIM: f64 = 1.2;
/// A busy machine lets one program of the emulated box wait longer than another.
const ON_A_BUSY_MACHINE: f64 = 1.5;
const NEW_PASSWORD: &str = "another horse battery";
const THIRD_PASSWORD: &str = "a third horse battery";

#[tokio::test]
async fn a_person_sees_that_the_box_starts_and_gets_back_in_with_a_file_on_the_card()
-> anyhow::Result<()> {
    let mut emulated = Emulated::new("person")?;
    emulated.keyboard = true;
    emulated.start()?;
    let first = says_that_it_starts(&mut emulated).await?;
    emulated.lets_in().await?;
    let light = Light::of_keyboard(&emulated).await?;
    light.shows("heartbeat").await?;
    let owner = emulated.claim().await?;
    let other = json!([{ "username": "alice", "password": PASSWORD }]);
    owner.call(USERS, "create", other).await?;
    light.shows("none").await?;
    ensure!(light.read("brightness").await? != "0", "the light is dark");
    emulated.exec("systemctl stop atekd.service").await?;
    light.shows("timer").await?;
    emulated.exec("systemctl start atekd.service").await?;
    light.shows("none").await?;

    // The card is taken out, and put back with the file.
    emulated.cut_power();
    Card::open(&emulated.card(), true)?.write("selector", "atek-reset.txt", b"owner\r\n")?;
    emulated.start()?;
    emulated.answers().await?;
    let second = pages_of_the_boot(&emulated).await?;
    println!("figure: pages wait for {first:.2} and {second:.2} times the boot; the aim is {AIM}");
    let code = reset_code(&emulated, "").await?;
    set_password(&emulated, &code, NEW_PASSWORD).await?;
    signs_in(&emulated, NEW_PASSWORD, PASSWORD).await?;
    keeps_its_people(&emulated).await?;
    let left = emulated.exec("ls /boot").await?;
    ensure!(
        !left.contains("atek-reset"),
        "the file is still there: {left}"
    );
    let kept = emulated.http().call(SETUP, "status", json!([])).await?;
    assert_eq!(
        kept,
        json!({ "needed": false }),
        "the box has lost its owner"
    );
    a_card_that_cannot_be_written_asks_once(&emulated, &code).await
}

/// The first thing that the box answers is a page for people, and it says to look again.
/// Returns when its pages were there, in times of the whole boot.
async fn says_that_it_starts(emulated: &mut Emulated) -> anyhow::Result<f64> {
    let (answer, first) = emulated.first_answer().await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 503, "{text}");
    for (name, value) in [("retry-after", "1"), ("refresh", "1")] {
        assert_eq!(answer.header(name), value, "{name}: {text}");
    }
    ensure!(text.contains("Atek is starting"), "the page is {text}");
    let page = emulated.answers().await?;
    println!(
        "figure: first answer {:.1} s and page {:.1} s after the start",
        first.as_secs_f32(),
        page.as_secs_f32()
    );
    pages_of_the_boot(emulated).await
}

/// When the host answered its pages, in times of the whole boot (`multi-user.target`), on the box's
/// own clock since the kernel began, however slow the emulator is.
async fn pages_of_the_boot(emulated: &Emulated) -> anyhow::Result<f64> {
    emulated.lets_in().await?;
    let said = emulated
        .exec(
            "systemctl is-system-running --wait >/dev/null; \
             until journalctl -b -o cat | grep -q 'the host is ready'; do sleep 1; done; \
             systemctl show -P ActiveEnterTimestampMonotonic multi-user.target atekd.service; \
             journalctl -b -o short-monotonic --no-pager | grep -m 1 -e 'the host answers its pages'; \
             journalctl -b -o short-monotonic --no-pager | grep -m 1 -e 'the host is ready'; \
             journalctl -b -o short-monotonic --no-pager | grep -m 1 -e 'DHCPv4 address'; \
             systemd-analyze critical-chain --no-pager multi-user.target atekd.service",
        )
        .await?;
    let multi_user = said.split_whitespace().next().context("no time")?;
    let multi_user = multi_user.parse::<f64>().context("no time")? / 1e6;
    let ratio = seconds_before(&said, "the host answers its pages")? / multi_user;
    let ready = seconds_before(&said, "the host is ready")? / multi_user;
    println!(
        "figure: pages at {ratio:.2} and the last core service at {ready:.2} of multi-user.target; {said}"
    );
    ensure!(
        ratio < ON_A_BUSY_MACHINE,
        "pages wait for {ratio:.2} times the boot: {said}"
    );
    Ok(ratio)
}

/// The time in seconds at the beginning of the journal's line with `words`: `[   12.345678] …`.
fn seconds_before(journal: &str, words: &str) -> anyhow::Result<f64> {
    let line = journal.lines().find(|line| line.contains(words));
    let time = line.and_then(|line| line.split(['[', ']']).nth(1));
    let time = time.with_context(|| format!("no line with {words:?} in {journal}"))?;
    time.trim().parse().context("no time")
}

/// A light of the kernel's: that of a keyboard, as no emulated board has one.
struct Light<'a> {
    emulated: &'a Emulated,
    name: String,
}

impl<'a> Light<'a> {
    /// Makes the keyboard's light the one that the box uses, as `atek-led.service` uses a Pi's.
    async fn of_keyboard(emulated: &'a Emulated) -> anyhow::Result<Self> {
        let name = wait_for("the keyboard's lights", BOOT, async || {
            let list = emulated.exec("ls /sys/class/leds").await?;
            let name = list.lines().find(|name| name.ends_with("::capslock"));
            Ok(name.map_or_else(
                || Seen::other(list.clone()),
                |name| Seen::Wanted(name.to_owned()),
            ))
        })
        .await?;
        let unit = format!(
            "[Unit]\nConditionPathExists=\n[Service]\nEnvironment=ATEK_LED={name}\n\
             ReadWritePaths=\nReadWritePaths=/sys/class/leds/{name}\n"
        );
        // The rule for a Pi's light loads the trigger, where it is a module.
        emulated
            .exec(&format!(
                "d=/run/systemd/system/atek-led.service.d; mkdir -p $d; printf '{}' > $d/50-test.conf; \
                 modprobe ledtrig-timer; systemctl daemon-reload; systemctl start atek-led.service",
                unit.replace('\n', "\\n")
            ))
            .await?;
        Ok(Self { emulated, name })
    }

    async fn read(&self, attribute: &str) -> anyhow::Result<String> {
        let path = format!("/sys/class/leds/{}/{attribute}", self.name);
        let text = self.emulated.exec(&format!("cat '{path}'")).await?;
        Ok(text.trim().to_owned())
    }

    /// Waits until the kernel uses this trigger, which is the one in brackets.
    async fn shows(&self, trigger: &str) -> anyhow::Result<()> {
        let wanted = format!("[{trigger}]");
        wait_for(&format!("the light to show {trigger}"), BOOT, async || {
            let list = self.read("trigger").await?;
            Ok(Seen::if_so(list, |list| list.contains(&wanted)))
        })
        .await
        .map(drop)
    }
}

/// The code that is on the screen after `atek-reset.txt` was found: another one than `before`,
/// which the screen still shows of an earlier request.
async fn reset_code(emulated: &Emulated, before: &str) -> anyhow::Result<String> {
    wait_for("the reset code on the screen", BOOT, async || {
        let status = emulated
            .http()
            .call(SETUP, "resetStatus", json!([]))
            .await?;
        let console = emulated.console();
        let shown = console.rsplit_once("Reset code");
        let code = shown.and_then(|(_, rest)| rest.split_whitespace().next());
        match code.filter(|code| *code != before && status["pending"] == true) {
            Some(code) => Ok(Seen::Wanted(code.to_owned())),
            None => Ok(Seen::other(status.to_string())),
        }
    })
    .await
}

async fn set_password(emulated: &Emulated, code: &str, password: &str) -> anyhow::Result<()> {
    let wish = json!([{ "code": code, "password": password }]);
    let done = emulated.http().call(SETUP, "resetPassword", wish).await?;
    assert_eq!(done["username"], "owner");
    Ok(())
}

async fn signs_in(emulated: &Emulated, password: &str, old: &str) -> anyhow::Result<()> {
    let login = async |password: &str| {
        let wish = json!([{ "username": "owner", "password": password }]);
        emulated.http().call(SESSIONS, "login", wish).await
    };
    login(password).await.context("the new password")?;
    ensure!(login(old).await.is_err(), "the old password is still good");
    Ok(())
}

/// What was there before the new password is still there.
async fn keeps_its_people(emulated: &Emulated) -> anyhow::Result<()> {
    let status = emulated.http().call(SETUP, "status", json!([])).await?;
    assert_eq!(status, json!({ "needed": false }), "the box lost its owner");
    let wish = json!([{ "username": "alice", "password": PASSWORD }]);
    let alice = emulated.http().call(SESSIONS, "login", wish).await;
    alice.map(drop).context("another person cannot sign in")
}

/// The file stays on a card whose file system is write-protected. It asks once, and a boot later
/// the box says what to do about it.
async fn a_card_that_cannot_be_written_asks_once(
    emulated: &Emulated,
    before: &str,
) -> anyhow::Result<()> {
    // What a boot does with the card: `settings`, then the host.
    const AS_AT_A_BOOT: &str =
        "systemctl restart atek-firstboot.service && systemctl restart atekd.service";
    if emulated.exec("command -v blockdev").await.is_err() {
        // Buildroot's busybox is built without it.
        atek_tests::skip("the card has no program that write-protects a partition");
        return Ok(());
    }
    emulated
        .exec(
            "mount -o remount,rw /boot && echo owner > /boot/atek-reset.txt && sync && \
             mount -o remount,ro /boot && blockdev --setro /dev/atek/selector && \
             ! mount -o remount,rw /boot 2>/dev/null",
        )
        .await
        .context("the card could still be written")?;
    emulated.exec(AS_AT_A_BOOT).await?;
    let code = reset_code(emulated, before).await?;
    set_password(emulated, &code, THIRD_PASSWORD).await?;
    signs_in(emulated, THIRD_PASSWORD, NEW_PASSWORD).await?;

    emulated.exec(AS_AT_A_BOOT).await?;
    let status = wait_for("the host to answer again", BOOT, async || {
        match emulated.http().call(SETUP, "resetStatus", json!([])).await {
            Ok(status) => Ok(Seen::Wanted(status)),
            Err(error) => Ok(Seen::other(format!("{error:#}"))),
        }
    })
    .await?;
    assert_eq!(status["pending"], Value::Bool(false), "it asks again");
    let problems = emulated
        .exec("cat /run/atek-firstboot/problems.json")
        .await?;
    ensure!(problems.contains("delete it on a computer"), "{problems}");
    Ok(())
}
