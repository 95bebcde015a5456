//! The move of the card's data to a disk (`atek system move`): everything is there after the start
//! from it, and the power may be cut anywhere.
//!
//! The move is held at a moment of its work, and the emulator is killed. `console.log` of
//! `out/emulated/move` has the screen.

#[path = "soak_card/hold.rs"]
mod hold;
mod images;
#[path = "soak_card/used.rs"]
mod used;

use anyhow::{Context as _, ensure};
use atek_tests::emulated::{BOOT, Emulated};
use atek_tests::host::SETUP;
use atek_tests::plugged::DiskImage;
use atek_tests::registry::Registry;
use atek_tests::{GitRemote, Seen, wait_for};
use images::registry_for;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use used::since_now;

const UNIT: &str = "atek-move.service";
const CARD: &str = "/dev/vda6";
const DISK: &str = "/dev/vdb";

/// Holds the move when its progress names this phase, and so many of a hundred bytes are done, or
/// more; or (`decided`) when the card names the disk. What was written is on the disk then, or not,
/// by the third word.
const HOLD: &str = r#"
[ "$1" = before ] && exit
phase=$1 part=$2 written=$3
is_there() {
  if [ "$phase" = decided ]; then [ -e /var/atek-moved-to ] && said=decided; return; fi
  read -r said < /run/atek-move/progress.json || [ -n "$said" ] || return 1
  case $said in *\"$phase\"*) ;; *) return 1 ;; esac
  done=${said#*\"done\":} done=${done%%[,\}]*} total=${said#*\"total\":} total=${total%%[,\}]*}
  [ $((done * 100)) -ge $((total * part)) ]
}
until [ -e "$group/cgroup.freeze" ]; do :; done
while [ -e "$group/cgroup.freeze" ]; do
  if is_there 2>/dev/null; then
    hold || continue
    [ "$written" = written ] && sync
    held "$said"
  fi
done
over "the move has ended"
"#;

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut copy = Command::new("cp");
    let done = copy.arg("--sparse=always").arg(from).arg(to).status();
    let done = done.context("cannot start cp")?;
    ensure!(done.success(), "cannot copy {}", from.display());
    Ok(())
}

/// The box, its disk, and what it was before.
struct Box {
    emulated: Emulated,
    disk: DiskImage,
    db: String,
    before: Value,
    files: String,
    count: u32,
}

/// Digests of every file of the apps that no program writes to while it runs.
const FILES: &str =
    "cd /var/lib/private && find . -path '*/album/*' -type f -exec sha256sum {} + | sort
    find . -path '*/album*' -printf '%p %y %m %U %G %n %s %T@ %l\\n' | sort";

impl Box {
    async fn used(
        registry: &Registry,
        remote: &GitRemote,
        disk: DiskImage,
    ) -> anyhow::Result<Self> {
        let mut emulated = Emulated::new("move")?;
        emulated.disk = Some(disk.path());
        emulated.start()?;
        emulated.answers().await?;
        emulated.claim().await?;
        let db = used::by_two(&emulated).await?;
        emulated.lets_in().await?;
        used::program_of_image(&emulated, registry).await?;
        used::app_of_git(&emulated, remote).await?;
        // 40 MiB, and files of every kind.
        let files = "cd \"$(dirname \"$(grep -rl 'written by hello' /var/lib/private/*/note)\")\"
            mkdir -p album/deep && head -c 40M /dev/urandom >album/bytes && truncate -s 300M album/sparse
            ln -s nowhere album/link; chmod 640 album/bytes
            i=0; while [ $i -lt 500 ]; do echo $i >album/deep/$i; i=$((i + 1)); done
            ln album/deep/7 album/again; touch -d '2001-02-03 04:05:06.789' album/deep/7; chown -hR --reference=note album; sync";
        emulated.exec(files).await?;
        hold::put(&emulated, UNIT, HOLD).await?;
        let (before, files) = (
            used::remembered(&emulated, &db).await?,
            emulated.exec(FILES).await?,
        );
        ensure!(files.lines().count() > 1000, "{files}");
        Ok(Self {
            emulated,
            disk,
            db,
            before,
            files,
            count: 0,
        })
    }

    /// Starts without anything that holds it, and waits until the box serves its people from
    /// `device`: a move may be carried out first, after which the machine starts again.
    async fn is_whole_on(&mut self, device: &str) -> anyhow::Result<()> {
        self.emulated.append.clear();
        self.emulated.start()?;
        wait_for("the box to serve its people", BOOT, async || {
            if !self.emulated.is_on()? {
                self.emulated.start()?;
            }
            used::sign_in(&self.emulated, used::OWNER)
                .await
                .map(Seen::Wanted)
        })
        .await?;
        self.emulated.answers().await?;
        let now = used::remembered(&self.emulated, &self.db).await?;
        ensure!(now == self.before, "half a box: {now}");
        used::is_shared(&self.emulated, &self.db).await?;
        self.count += 1;
        ensure!(
            used::count(&self.emulated).await? == self.count,
            "the image has lost its volume"
        );
        self.emulated.lets_in().await?;
        let files = self.emulated.exec(FILES).await?;
        ensure!(files == self.files, "files differ: {files}");
        let mounted = self
            .emulated
            .exec("grep ' / /var ' /proc/self/mountinfo")
            .await?;
        ensure!(
            mounted.contains(device),
            "the data are elsewhere: {mounted}"
        );
        Ok(())
    }

    /// Copies of card and disk, in a folder.
    fn kept(&self, folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
        let (card, disk) = (folder.join("card.img"), folder.join("disk.img"));
        copy(&self.emulated.card(), &card)?;
        copy(&self.disk.path(), &disk)?;
        Ok((card, disk))
    }
}

/// Asks for the move, by which the machine turns itself off.
async fn asked(emulated: &mut Emulated) -> anyhow::Result<()> {
    let listed = emulated.exec("atek system move").await?;
    ensure!(
        listed.contains("vdb") && listed.contains("can take the data"),
        "{listed}"
    );
    // The connection ends with the machine.
    let _ = emulated.exec("atek system move vdb --yes").await;
    wait_for("the box to restart", BOOT, async || {
        Ok(Seen::if_so(emulated.is_on()?, |on| !on))
    })
    .await?;
    emulated.cut_power();
    Ok(())
}

/// A start without the disk on which the data are: no new box, and it says what is missing.
async fn misses_its_disk(moved: &mut Box) -> anyhow::Result<()> {
    moved.emulated.cut_power();
    moved.emulated.disk = None;
    moved.emulated.append.clear();
    moved.emulated.start()?;
    wait_for("the page about the disk", BOOT, async || {
        let page = moved.emulated.http().get("/").await?;
        Ok(Seen::if_so(page.text(), |text| {
            text.contains("which is not plugged in")
        }))
    })
    .await?;
    let status = moved.emulated.http().call(SETUP, "status", json!([])).await;
    ensure!(status.is_err(), "it can be claimed: {status:?}");
    moved.emulated.cut_power();
    moved.emulated.disk = Some(moved.disk.path());
    Ok(())
}

#[tokio::test]
async fn the_data_of_a_card_are_on_a_disk_or_on_the_card_wherever_the_power_was_cut()
-> anyhow::Result<()> {
    let Some(registry) = registry_for(&["arm64"])? else {
        return Ok(());
    };
    // An empty disk: nothing is installed for it.
    let disk = DiskImage::make("nothing", 6 << 30, ":")?.context("no disk")?;
    let remote = GitRemote::new("hello", Ipv4Addr::LOCALHOST)?;
    let told = since_now();
    let mut moved = Box::used(&registry, &remote, disk).await?;
    told("the card of two people with two apps");
    asked(&mut moved.emulated).await?;
    told("the move is asked for");

    let aside = tempfile::tempdir_in(atek_tests::paths::cache())?;
    let mut cuts = 0;
    for (moment, written) in [
        ("prepares 0", "written"),
        ("copies 50", "lost"),
        ("copies 80", "written"),
        ("compares 50", "lost"),
        ("decided 0", "lost"),
    ] {
        hold::at(&mut moved.emulated, UNIT, &format!("{moment} {written}"))?;
        let seen = hold::start(&mut moved.emulated).await?;
        let seen = seen.with_context(|| format!("it was over before {moment}"))?;
        moved.emulated.cut_power();
        cuts += 1;
        told(&format!("cut {cuts} at {moment} ({written}): {seen}"));
        if moment == "copies 80" {
            // The disk breaks now: the card is the box as it was.
            let (card, disk) = moved.kept(aside.path())?;
            moved.emulated.disk = None;
            moved.is_whole_on(CARD).await?;
            let last = moved.emulated.exec("atek system move").await?;
            ensure!(last.contains("The last move failed"), "{last}");
            told("without the disk the box is whole on the card");
            moved.emulated.cut_power();
            copy(&card, &moved.emulated.card())?;
            copy(&disk, &moved.disk.path())?;
            moved.emulated.disk = Some(moved.disk.path());
            moved.count = 0;
        }
    }
    moved.is_whole_on(DISK).await?;
    told("the box is whole on the disk");
    println!("figure: the power was cut {cuts} times in one move");
    let last = moved.emulated.exec("atek system move").await?;
    ensure!(
        last.contains("are on the disk") && last.contains("--remove-old"),
        "{last}"
    );

    misses_its_disk(&mut moved).await?;
    moved.is_whole_on(DISK).await?;
    told("the box is whole again with its disk, after a start without it");
    Ok(())
}
