//! A box with a card and a disk: two files behind loop devices, of which one is its `/var`, as
//! atek-init would choose it.

use anyhow::Context as _;
use atek_tests::host::{Host, SOON};
use atek_tests::plugged::DiskImage;
use atek_tests::{Machine, Seen, skip, wait_for};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the card's partition says when the data are elsewhere.
const POINTER: &str = "atek-moved-to";
pub const HELD: &str = "/run/atek-move/held";
const FAULT: &str = "fault";
pub const APPS: [&str; 3] = ["one", "two", "three"];
pub const OWNER: &str = "quirina";
const HELLO: &str = "example.test/hello";

/// Something at a loop device of this machine, until it is dropped.
struct Loop {
    device: String,
    image: DiskImage,
}

impl Loop {
    fn of(image: DiskImage) -> anyhow::Result<Option<Self>> {
        let made = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(image.path())
            .output()?;
        if !made.status.success() {
            skip("there are no loop devices here");
            return Ok(None);
        }
        let device = String::from_utf8(made.stdout)?.trim().to_owned();
        Ok(Some(Self { device, image }))
    }

    fn name(&self) -> &str {
        self.device.trim_start_matches("/dev/")
    }

    /// A script by which a machine has its device.
    fn node(&self) -> anyhow::Result<String> {
        let number = std::fs::read_to_string(format!("/sys/class/block/{}/dev", self.name()))?;
        let number = number.trim().replace(':', " ");
        let device = &self.device;
        Ok(format!(
            "test -e {device} || mknod -m 600 {device} b {number}"
        ))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.device)
            .status();
    }
}

/// The box, its card and its disk.
pub struct TwoDisks {
    pub host: Host,
    card: Loop,
    disk: Loop,
    data: tempfile::TempDir,
    other: tempfile::TempDir,
    mounted: bool,
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let done = Command::new(program).args(arguments).output()?;
    anyhow::ensure!(done.status.success(), "{program} {arguments:?}: {done:?}");
    Ok(())
}

impl TwoDisks {
    /// One with three apps whose files are of every kind. None where it cannot be had here.
    pub async fn new(name: &str) -> anyhow::Result<Option<Self>> {
        let card = DiskImage::make("card", 2 << 30, "mke2fs -q -t ext4 $F")?.and_then_loop()?;
        let disk =
            DiskImage::make("disk", 3 << 30, "mke2fs -q -t ext4 -d $D $F")?.and_then_loop()?;
        let (Some(card), Some(disk)) = (card, disk) else {
            return Ok(None);
        };
        unshare(CloneFlags::CLONE_NEWNS).context("no mount namespace")?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
        let data = tempfile::tempdir_in(atek_tests::paths::cache())?;
        let other = tempfile::tempdir_in(atek_tests::paths::cache())?;
        let nodes = format!(
            "{}; {}; mkdir -p /dev/atek; ln -sf {} /dev/atek/atek-data",
            card.node()?,
            disk.node()?,
            card.device
        );
        // A unit of its own: the one of the move may make no devices.
        let udev = format!("[Service]\nType=oneshot\nExecStart=/bin/sh -ec '{nodes}'\n");
        let drop_in = format!(
            "[Unit]\nRequires=test-udev.service\nAfter=test-udev.service\n[Service]\nEnvironmentFile=-/var/{FAULT}\n"
        );
        let builder = Machine::builder(name)
            .data_dir(data.path())
            .file("/usr/lib/atek/etc.keep", "", 0o644)
            .file("/etc/systemd/system/test-udev.service", udev, 0o644)
            .file(
                "/etc/systemd/system/atek-move.service.d/test.conf",
                drop_in,
                0o644,
            );
        let mut this = Self {
            host: Host::on(builder).await?,
            card,
            disk,
            data,
            other,
            mounted: false,
        };
        this.used().await?;
        this.onto_card().await?;
        Ok(Some(this))
    }

    async fn used(&self) -> anyhow::Result<()> {
        self.host.person(OWNER, "admin").await?;
        self.host.machine.place_app("hello-node").await?;
        // Only what is in /var outlives a power cut here.
        let script = "mkdir /var/apps && cp -a /srv/apps/hello-node /var/apps/";
        self.host.machine.shell(script).await?;
        let source = "file:///var/apps/hello-node";
        for id in APPS {
            let app = json!({ "sourceUrl": source, "id": id, "user": "system" });
            let app = self.host.install_from(app).await?;
            let key = app["key"].as_str().context("a key")?;
            let script = format!(
                "cd /var/lib/private/atek-app-{key}
                 head -c 3000000 /dev/urandom > bytes; truncate -s 50M sparse; printf end >> sparse
                 mkdir -p deep/er; echo {id} > deep/er/note; ln deep/er/note again; ln -s nowhere link; mkfifo pipe
                 chmod 640 bytes; chmod 500 deep/er; touch -d '2001-02-03 04:05:06.789' bytes
                 chown -hR --reference=. bytes sparse deep again link pipe"
            );
            self.host.machine.shell(&script).await?;
        }
        self.put("precious").await
    }

    pub async fn put(&self, text: &str) -> anyhow::Result<()> {
        let system = self.host.system()?;
        system
            .call(HELLO, "put", json!(["note", text]))
            .await
            .map(drop)
    }

    pub async fn note(&self) -> anyhow::Result<Value> {
        self.host
            .system()?
            .call(HELLO, "get", json!(["note"]))
            .await
    }

    /// The files of the three apps: names, modes, owners, times and bytes.
    pub async fn states(&self) -> anyhow::Result<Vec<String>> {
        let mut states = Vec::new();
        for id in APPS {
            states.push(self.host.state_of(id).await?);
        }
        Ok(states)
    }

    /// What was a folder so far lies on the card from now on.
    async fn onto_card(&mut self) -> anyhow::Result<()> {
        self.host.machine.power_off().await?;
        let first = self.data.path().join("first");
        std::fs::rename(self.var(), &first)?;
        std::fs::create_dir(self.var())?;
        self.mount_var(&self.card.device.clone())?;
        let (from, to) = (
            format!("{}/.", first.display()),
            self.var().display().to_string(),
        );
        run("cp", &["--archive", &from, &to])?;
        std::fs::remove_dir_all(&first)?;
        self.host.machine.power_on().await?;
        self.host.ready().await
    }

    pub fn var(&self) -> PathBuf {
        self.data.path().join("var")
    }

    fn mount_var(&mut self, device: &str) -> anyhow::Result<()> {
        let at = self.var().display().to_string();
        run("mount", &["-t", "ext4", device, &at])?;
        self.mounted = true;
        Ok(())
    }

    fn unmount_var(&mut self) -> anyhow::Result<()> {
        if self.mounted {
            run("umount", &[&self.var().display().to_string()])?;
            self.mounted = false;
        }
        Ok(())
    }

    /// Does something with the card or the disk while the box is off.
    fn looked<T>(
        &self,
        device: &str,
        look: impl FnOnce(&Path) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let at = self.other.path().display().to_string();
        run("mount", &["-t", "ext4", device, &at])?;
        let found = look(self.other.path());
        run("umount", &[&at])?;
        found
    }

    pub fn on_card<T>(&self, look: impl FnOnce(&Path) -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.looked(&self.card.device, look)
    }

    /// Switches it on with the `/var` that atek-init would mount, and says which that is.
    pub async fn start(&mut self) -> anyhow::Result<&'static str> {
        self.unmount_var()?;
        let pointer = self.on_card(|card| Ok(std::fs::read_to_string(card.join(POINTER)).ok()))?;
        let (device, name) = match &pointer {
            Some(_) => (self.disk.device.clone(), "disk"),
            None => (self.card.device.clone(), "card"),
        };
        if let Some(pointer) = pointer {
            let id = Command::new("dumpe2fs").arg("-h").arg(&device).output()?;
            let id = String::from_utf8_lossy(&id.stdout).into_owned();
            let named = pointer.lines().next().unwrap_or_default();
            assert!(named.len() == 36 && id.contains(named), "{pointer}: {id}");
        }
        self.mount_var(&device)?;
        self.host.machine.power_on().await?;
        Ok(name)
    }

    /// Cuts the power at these steps of a move, one after the other, until it is over. Returns how
    /// often. The box runs then, with this one as its `/var`.
    pub async fn cut_at(
        &mut self,
        steps: impl Iterator<Item = u32>,
        wanted: &str,
    ) -> anyhow::Result<u32> {
        let mut cuts = 0;
        for step in steps {
            self.hold(Some(step))?;
            if self.start().await? == wanted {
                self.hold(None)?;
                return Ok(cuts);
            }
            if !self.is_held().await? {
                break;
            }
            self.host.machine.cut_power().await?;
            cuts += 1;
        }
        self.hold(None)?;
        while self.start().await? != wanted {
            assert!(!self.is_held().await?, "it is held without a wish");
        }
        self.hold(None)?;
        Ok(cuts)
    }

    /// Has the move of the next start held at its Nth step; none: it is not.
    pub fn hold(&self, step: Option<u32>) -> anyhow::Result<()> {
        let fault = self.var().join(FAULT);
        match step {
            Some(step) => std::fs::write(fault, format!("ATEK_FAULT=move:{step}\n"))?,
            None if fault.exists() => std::fs::remove_file(fault)?,
            None => {}
        }
        Ok(())
    }

    /// Waits until the move is held; false: it was over before, and the box starts again.
    pub async fn is_held(&mut self) -> anyhow::Result<bool> {
        let script = format!(
            "if [ -e {HELD} ]; then echo held; elif grep -q restarts /run/atek-move/progress.json; then echo over
             elif [ -e /run/atek-move/looked ]; then cat /var/lib/atek-move/outcome.json; else echo under way; fi"
        );
        let seen = wait_for("the move", SOON * 3, async || {
            let said = self.host.machine.try_exec(["sh", "-c", &script]).await;
            let said = said
                .map(|said| said.stdout.trim().to_owned())
                .unwrap_or_default();
            Ok(Seen::if_so(said, |said| said != "under way"))
        })
        .await?;
        if seen == "held" {
            return Ok(true);
        }
        anyhow::ensure!(!seen.contains('{'), "it was given up: {seen}");
        assert!(
            self.host.machine.turned_off().await?,
            "it does not start again"
        );
        Ok(false)
    }

    /// The disk, as its device is called.
    pub fn disk(&self) -> &str {
        self.disk.name()
    }

    pub fn disk_digest(&self) -> anyhow::Result<String> {
        self.disk.image.digest()
    }

    /// Gives the machine what a box has, and a Debian without it lacks: the disk's device, and the
    /// program that makes file systems.
    pub async fn plug(&self) -> anyhow::Result<()> {
        let machine = &self.host.machine;
        machine.shell(&self.disk.node()?).await?;
        let program = "/usr/sbin/mke2fs";
        let needs = Command::new("ldd").arg(program).output()?;
        let needs = String::from_utf8(needs.stdout)?;
        let libraries = needs
            .split_whitespace()
            .filter(|word| word.starts_with("/lib"));
        for path in libraries.chain([program]) {
            let there = machine.try_exec(["test", "-e", path]).await?;
            if !there.status.success() {
                machine.copy_in(&std::fs::canonicalize(path)?, path).await?;
            }
        }
        Ok(())
    }

    /// Asks for a move, after which the machine turns itself off.
    pub async fn asked(&mut self, words: &[&str]) -> anyhow::Result<()> {
        let command = ["atek", "system", "move"]
            .iter()
            .chain(words)
            .chain(&["--yes"]);
        let said = self.host.machine.try_exec(command).await?;
        let off = self.host.machine.turned_off().await;
        assert!(off.with_context(|| format!("{said:?}"))?, "{said:?}");
        Ok(())
    }
}

impl Drop for TwoDisks {
    fn drop(&mut self) {
        let _ = self.unmount_var();
    }
}

trait AndThenLoop {
    fn and_then_loop(self) -> anyhow::Result<Option<Loop>>;
}

impl AndThenLoop for Option<DiskImage> {
    fn and_then_loop(self) -> anyhow::Result<Option<Loop>> {
        match self {
            Some(image) => Loop::of(image),
            None => Ok(None),
        }
    }
}
