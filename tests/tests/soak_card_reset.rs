//! The factory reset of the card: nothing of people is left, and the power may be cut anywhere.
//!
//! The reset is held when a part of what it removes is gone, and the emulator is killed. The same
//! used card is taken for each cut. `console.log` of `out/emulated/reset` has the screen.

#[path = "soak_card/hold.rs"]
mod hold;
mod images;
#[path = "soak_card/used.rs"]
mod used;

use anyhow::{Context as _, bail, ensure};
use atek_image::card::Card;
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::host::SETUP;
use atek_tests::registry::Registry;
use atek_tests::{GitRemote, Seen, wait_for};
use images::registry_for;
use serde_json::json;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use used::{OWNER, sign_in, since_now};

const UNIT: &str = "atek-erase.service";

/// Holds the reset when only so many of a hundred entries are left: after the first has gone it is
/// let go on for a moment again and again. What is gone is on the card then, or not, by the
/// second word.
const HOLD: &str = r#"
wanted=$1 written=$2
left() { find /var/lib/private /var/lib/atek* /var/log/journal /var/home /var/roothome 2>/dev/null | wc -l; }
[ "$1" = before ] && left > /run/test-hold && exit
read -r all < /run/test-hold
until [ "$(left)" -lt "$all" ]; do :; done
while hold 2>/dev/null; do
  now=$(left)
  if [ $((now * 100)) -le $((all * wanted)) ]; then
    [ "$written" = written ] && sync
    held "$now of $all entries are left"
  fi
  free
done
over "the reset has ended"
"#;

/// Makes two thousand files of an app, and a few of a person.
const MANY: &str = "cd \"$(dirname \"$(grep -rl 'written by hello' /var/lib/private/*/note)\")\"
    mkdir many; i=0; while [ $i -lt 2000 ]; do echo rye and caraway >many/$i; i=$((i + 1)); done
    chown -R --reference=note many
    mkdir -p /var/home/anna && echo leek and parsnip >/var/home/anna/letter; sync";

/// Follows the host's folder and stops the host when the request is there: `PID`.
const FOLLOW: &str = r#"
const fs = require('fs')
const wish = '/var/lib/atek/factory-reset'
const look = () => {
  if (!fs.existsSync(wish)) return
  process.kill(Number(process.argv[2]), 'SIGSTOP')
  console.log('there')
  process.exit(0)
}
fs.watch('/var/lib/atek', look)
require('child_process').spawn('atek', ['system', 'reset', '--yes'], { stdio: 'inherit' })
"#;

/// Runs a program of this machine.
fn run(program: &str, words: &[&str]) -> anyhow::Result<String> {
    let done = Command::new(program).args(words).output();
    let done = done.with_context(|| format!("cannot start {program}"))?;
    ensure!(done.status.success(), "{program} {words:?}: {done:?}");
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (from, to) = (from.display().to_string(), to.display().to_string());
    run("cp", &["--sparse=always", &from, &to]).map(drop)
}

/// Searches the data partition of a card that is off for what was of people, in every file and
/// name.
fn left_on(card: &Path, of_people: &str) -> anyhow::Result<String> {
    let (start, length) = {
        let data = Card::open(card, false)?;
        let data = data.part("atek-data")?;
        (data.start, data.length)
    };
    let at = tempfile::tempdir()?;
    let folder = at.path().display().to_string();
    // Writable: the journal of the file system is played back first, as by a start.
    let options = format!("loop,offset={start},sizelimit={length}");
    let card = card.display().to_string();
    run("mount", &["-t", "ext4", "-o", &options, &card, &folder])?;
    let search = format!(
        "cd {folder} && find . -name test-hold -prune -o -print | grep -E '{of_people}|atek-app-' | grep -v atek-app-core || :
         grep -rlE --exclude=test-hold '{of_people}' . || :"
    );
    let found = run("sh", &["-c", &search]);
    run("umount", &[&folder])?;
    found
}

/// What a box is after a start.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Is {
    Whole,
    New,
}

/// A box between a reset and the same box without it.
struct Drill {
    emulated: Emulated,
    /// What is remembered of the used box, and its database.
    before: serde_json::Value,
    db: String,
}

impl Drill {
    /// Starts the box as it is, without anything that holds it. It is whole or new; nothing else.
    async fn comes_back(&mut self) -> anyhow::Result<Is> {
        self.emulated.append.clear();
        self.emulated.start()?;
        self.emulated.answers().await?;
        let status = self
            .emulated
            .http()
            .call(SETUP, "status", json!([]))
            .await?;
        if status["needed"] == true {
            self.is_new().await?;
            return Ok(Is::New);
        }
        let now = used::remembered(&self.emulated, &self.db).await?;
        ensure!(now == self.before, "half a box: {now}");
        used::is_shared(&self.emulated, &self.db).await?;
        used::count(&self.emulated).await?;
        Ok(Is::Whole)
    }

    /// The owner of the time before cannot sign in, the screen shows a code that counts, and the
    /// card has
    /// nothing of the time before.
    async fn is_new(&mut self) -> anyhow::Result<()> {
        let refused = format!("{:?}", sign_in(&self.emulated, OWNER).await.err());
        ensure!(refused.contains("is refused"), "the owner: {refused}");
        wait_for("a claim code that counts", BOOT, async || {
            let code = self.emulated.claim_code()?;
            let check = json!([code]);
            let checked = self.emulated.http().call(SETUP, "checkClaim", check).await;
            Ok(match checked {
                Ok(_) => Seen::Wanted(()),
                Err(error) => Seen::other(format!("{code}: {error:#}")),
            })
        })
        .await?;
        self.emulated.cut_power();
        // A used card has what is looked for (see the test's begin).
        let left = left_on(&self.emulated.card(), OF_PEOPLE)?;
        ensure!(left.is_empty(), "this is left: {left}");
        Ok(())
    }
}

/// Words of what people had: the other person's name, the shared documents, the apps.
const OF_PEOPLE: &str =
    "leek and parsnip|rye and caraway|written by hello|recipes/soup|example.test/hello|cgi-bin";

/// A card of a used box, off, with the script that holds the reset.
async fn used_card(registry: &Registry, remote: &GitRemote) -> anyhow::Result<Drill> {
    let mut emulated = Emulated::new("reset")?;
    emulated.start()?;
    emulated.answers().await?;
    emulated.claim().await?;
    let db = used::by_two(&emulated).await?;
    emulated.lets_in().await?;
    used::program_of_image(&emulated, registry).await?;
    used::app_of_git(&emulated, remote).await?;
    used::count(&emulated).await?;
    hold::put(&emulated, UNIT, HOLD).await?;
    let before = used::remembered(&emulated, &db).await?;
    emulated.exec(MANY).await?;
    Ok(Drill {
        emulated,
        before,
        db,
    })
}

/// Asks for the reset, and cuts the power when the request is on the card.
async fn cut_when_asked(emulated: &mut Emulated) -> anyhow::Result<()> {
    let script = format!(
        "cat >/run/follow.cjs <<'END'\n{FOLLOW}\nEND\n\
         node /run/follow.cjs $(systemctl show -P MainPID atekd.service)"
    );
    let said = emulated.exec(&script).await?;
    ensure!(said.contains("there"), "{said}");
    emulated.cut_power();
    Ok(())
}

#[tokio::test]
async fn a_reset_card_is_new_or_whole_wherever_the_power_was_cut() -> anyhow::Result<()> {
    let Some(registry) = registry_for(&["arm64"])? else {
        return Ok(());
    };
    let remote = GitRemote::new("hello", Ipv4Addr::LOCALHOST)?;
    let told = since_now();
    let mut drill = used_card(&registry, &remote).await?;
    told("the card of two people with two apps");

    let (card, asked) = (
        drill.emulated.card(),
        tempfile::tempdir_in(atek_tests::paths::cache())?,
    );
    let asked = asked.path().join("card.img");
    // Asked for, and the power is cut before the machine restarts. A request that was not on the
    // card yet leaves the box whole.
    let mut cuts = 0;
    loop {
        cut_when_asked(&mut drill.emulated).await?;
        cuts += 1;
        copy(&card, &asked)?;
        ensure!(
            !left_on(&card, OF_PEOPLE)?.is_empty(),
            "the search finds nothing on a used card"
        );
        let is = drill.comes_back().await?;
        told(&format!("cut {cuts} before the restart: {is:?}"));
        match is {
            Is::New => break,
            Is::Whole => ensure!(cuts < 3, "the request never comes onto the card"),
        }
        drill.emulated.lets_in().await?;
    }

    // Each row is one reset: cut at its first moment, at the next start at its second, and so on.
    for row in [
        &[(95, "written")][..],
        &[(60, "written"), (60, "written"), (60, "lost")],
        &[(10, "written")],
    ] {
        copy(&asked, &card)?;
        for (part, written) in row {
            hold::at(&mut drill.emulated, UNIT, &format!("{part} {written}"))?;
            let Some(seen) = hold::start(&mut drill.emulated).await? else {
                bail!("the reset was over before {part} of a hundred were left");
            };
            drill.emulated.cut_power();
            cuts += 1;
            told(&format!("cut {cuts} when {seen} ({written})"));
        }
        let is = drill.comes_back().await?;
        ensure!(is == Is::New, "the reset was given up");
        told("the box is new");
    }
    println!("figure: the power was cut {cuts} times in resets");

    // The power went once more when the new box had just started (`is_new`): it is set up all the
    // same, with keys and databases.
    drill.emulated.start()?;
    drill.emulated.answers().await?;
    drill.emulated.claim().await?;
    used::by_two(&drill.emulated).await?;
    told("the box is set up again");
    Ok(())
}
