//! The box itself: the SD card that `./image/build --board virt` made, booted in an emulated
//! machine.
//!
//! Slower than [`Machine`](crate::Machine) by a factor of thirty, and the only one with a kernel, a
//! card and a first boot of its own. A test reaches it as its owner does: over the network, on its
//! screen (the serial console), and with an ssh key that was left on the card.

use crate::command::{last_lines, run};
use crate::git_remote::GitRemote;
use crate::host::{PASSWORD, SERVICES, cookie_named};
use crate::http::{Client, Response};
use crate::paths;
use crate::wait::{Seen, wait_for};
use anyhow::{Context as _, bail};
use atek_image::assemble::Board;
use atek_image::card::Card;
use atek_image::pack::Files;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// How long anything on the box may take: a boot takes half a minute here, and some machines have
/// one slow processor for everything. Only what will never happen is waited for that long.
pub const BOOT: Duration = Duration::from_secs(900);

/// A processor that is emulated on a busy machine may stand still for longer than a Pi's watchdog
/// waits.
const WATCHDOG: &str = "systemd.watchdog_sec=5min";

/// This machine, as the box sees it.
pub const GATEWAY: &str = "10.0.2.2";

/// How long the emulator may take to answer a command of its own.
const ANSWER: Duration = Duration::from_secs(60);

const SETUP: &str = "atek.cloud/setup-api";

/// The size of the card: larger than the image, as every real one is.
const CARD: u64 = 4 << 30;

/// The card under test: the one that `$ATEK_CARD` names, by whichever route it was built, else this
/// checkout's own.
///
/// # Errors
///
/// When there is no such file.
pub fn built_card() -> anyhow::Result<PathBuf> {
    let given = std::env::var_os("ATEK_CARD").filter(|card| !card.is_empty());
    let card = given.map_or_else(
        || Files::of(&paths::output(), Board::Virt).card,
        PathBuf::from,
    );
    if !card.is_file() {
        bail!(
            "there is no card {}: run `./image/build --board virt --no-pack --quick`, or set ATEK_CARD",
            card.display()
        );
    }
    Ok(card)
}

/// Whether the card under test was not built from this checkout by the Debian route.
#[must_use]
pub fn is_given_card() -> bool {
    std::env::var_os("ATEK_CARD").is_some_and(|card| !card.is_empty())
}

/// A card in an emulated machine.
#[derive(Debug)]
pub struct Emulated {
    home: PathBuf,
    port: u16,
    ssh_port: u16,
    emulator: Option<Child>,
    /// When it was started last.
    pub started: Instant,
    /// What its screen had shown before that, in bytes.
    shown_before: usize,
    /// Words for the kernel's command line, from the next start on.
    pub append: String,
    /// Whether the firmware starts the slot on trial, from the next start on.
    pub tryboot: bool,
    /// Whether another card is in a reader, from the next start on: a new one.
    pub reader: bool,
    /// A second disk (a file), from the next start on: what the box writes stays on it.
    pub disk: Option<PathBuf>,
    /// Whether that disk is an NVMe one, from the next start on.
    pub nvme: bool,
    /// A sector of that disk that cannot be read, from the next start on.
    pub bad_sector: Option<u64>,
    /// Whether a keyboard is plugged in, from the next start on.
    pub keyboard: bool,
}

impl Emulated {
    /// Writes a card and puts an ssh key on it, as Raspberry Pi Imager does. It is not started yet.
    ///
    /// # Errors
    ///
    /// When no card was built.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let home = paths::output().join("emulated").join(name);
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let built = built_card()?;
        let this = Self {
            port: free_port()?,
            ssh_port: free_port()?,
            emulator: None,
            started: Instant::now(),
            shown_before: 0,
            append: String::new(),
            tryboot: false,
            reader: false,
            disk: None,
            nvme: false,
            bad_sector: None,
            keyboard: false,
            home,
        };
        run(Command::new("cp")
            .args(["--sparse=always"])
            .arg(&built)
            .arg(this.card()))?;
        let card = File::options()
            .write(true)
            .open(this.card())
            .context("cannot open the card")?;
        card.set_len(CARD).context("cannot enlarge the card")?;
        let key = this.home.join("key");
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key))?;
        let public =
            fs::read_to_string(key.with_extension("pub")).context("cannot read the ssh key")?;
        let settings = format!("#cloud-config\nssh_authorized_keys:\n  - {public}");
        Card::open(&this.card(), true)?.write("selector", "user-data", settings.as_bytes())?;
        Ok(this)
    }

    /// The card's file. Not to be written while the machine runs.
    #[must_use]
    pub fn card(&self) -> PathBuf {
        self.home.join("card.img")
    }

    /// The socket of the emulator's own commands.
    fn monitor(&self) -> PathBuf {
        self.home.join("monitor")
    }

    /// Has the NVMe disk warn from now on: bits of "Critical Warning" of its health record.
    ///
    /// # Errors
    ///
    /// When the emulator does not take it.
    pub async fn nvme_warns(&self, bits: u8) -> anyhow::Result<()> {
        let warning = json!({ "path": "/machine/peripheral/nvme", "property": "smart_critical_warning", "value": bits });
        let command = json!({ "execute": "qom-set", "arguments": warning, "id": "asked" });
        let socket = self.monitor();
        let answer = tokio::time::timeout(ANSWER, ask_monitor(&socket, &command));
        let answer = answer.await.context("the emulator does not answer")??;
        if answer["error"].is_object() {
            bail!("the emulator says {answer}");
        }
        Ok(())
    }

    /// Switches it on.
    ///
    /// # Errors
    ///
    /// When the emulator cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.cut_power();
        self.shown_before = self.console().len();
        let console = File::options()
            .create(true)
            .append(true)
            .open(self.home.join("console.log"));
        let console = console.context("cannot open console.log")?;
        let mut command = Command::new("setpriv");
        command
            // However the test ends, the emulator ends with it.
            .args(["--pdeathsig", "KILL"])
            .arg(paths::fixture_program("atek-image")?)
            .args(["run", "--keep", "--card"])
            .arg(self.card())
            .args([
                "--port",
                &self.port.to_string(),
                "--ssh-port",
                &self.ssh_port.to_string(),
            ])
            .arg(format!("--append={WATCHDOG} {}", self.append))
            .arg("--monitor")
            .arg(self.monitor())
            .args(self.tryboot.then_some("--tryboot"))
            .args(self.keyboard.then_some("--keyboard"))
            .stdin(Stdio::null())
            .stderr(
                console
                    .try_clone()
                    .context("cannot open console.log twice")?,
            )
            .stdout(console);
        if self.reader {
            command.arg("--reader").arg(built_card()?);
        }
        if let Some(disk) = &self.disk {
            command.arg("--disk").arg(disk);
            command.args(self.nvme.then_some("--nvme"));
        }
        if let Some(sector) = self.bad_sector {
            command.args(["--bad-sector", &sector.to_string()]);
        }
        self.emulator = Some(command.spawn().context("cannot start the emulator")?);
        self.started = Instant::now();
        Ok(())
    }

    /// Pulls the plug: nothing is written any more.
    pub fn cut_power(&mut self) {
        if let Some(mut emulator) = self.emulator.take() {
            let _ = emulator.kill();
            let _ = emulator.wait();
            let _ = fs::remove_file(self.home.join("ssh"));
        }
    }

    /// Whether the machine still runs: a kernel that panicked ends it.
    ///
    /// # Errors
    ///
    /// When the emulator's state cannot be read.
    pub fn is_on(&mut self) -> anyhow::Result<bool> {
        match &mut self.emulator {
            None => Ok(false),
            Some(emulator) => Ok(emulator
                .try_wait()
                .context("cannot look at the emulator")?
                .is_none()),
        }
    }

    /// Everything that its screen has shown, at every start.
    #[must_use]
    pub fn console(&self) -> String {
        let bytes = fs::read(self.home.join("console.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What its screen has shown since it was started last.
    #[must_use]
    pub fn screen(&self) -> String {
        let console = self.console();
        console
            .get(self.shown_before..)
            .unwrap_or_default()
            .to_owned()
    }

    /// The claim code that its screen shows.
    ///
    /// # Errors
    ///
    /// When none is shown since its last start.
    pub fn claim_code(&self) -> anyhow::Result<String> {
        let console = self.screen();
        let is_code = |word: &&str| {
            let parts: Vec<&str> = word.split('-').collect();
            parts.len() == 2
                && parts.iter().all(|part| {
                    part.len() == 4
                        && part
                            .chars()
                            .all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
                })
        };
        // Others look like one, and a guess that is wrong is held up: the kernel's "2005-2007".
        let line = console.lines().rfind(|line| line.contains("Claim code"));
        let found = line.and_then(|line| line.split_whitespace().rfind(is_code));
        let found = found.map(str::to_owned);
        found.with_context(|| {
            format!(
                "the screen shows no claim code: {}",
                last_lines(&console, 10)
            )
        })
    }

    /// Sets the box up, as its owner does who reads the claim code on the screen.
    ///
    /// # Errors
    ///
    /// When it is set up already, or shows no code that counts.
    pub async fn claim(&self) -> anyhow::Result<Client> {
        // Pages are there a moment before the code is on the screen.
        let code = wait_for("the claim code on the screen", BOOT, async || {
            let code = match self.claim_code() {
                Ok(code) => code,
                Err(error) => return Ok(Seen::other(format!("{error:#}"))),
            };
            let params = json!([code]);
            match self.http().call(SETUP, "checkClaim", params).await {
                Ok(_) => Ok(Seen::Wanted(code)),
                Err(error) => Ok(Seen::other(format!("{code}: {error:#}"))),
            }
        })
        .await?;
        let wish = json!({
            "code": code, "name": "atek", "username": "owner", "password": PASSWORD, "timezone": "Europe/Berlin",
        });
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "complete", "params": [wish] });
        let path = format!("/_atek/gateway?api={SETUP}");
        let response = self.http().post_json(&path, &request).await?;
        let answer = response.json()?;
        if answer["result"]["isActive"] != true {
            bail!("setup answered {answer}");
        }
        let cookie = cookie_named("session", response.header("set-cookie"))?;
        Ok(self.http().header("cookie", &format!("session={cookie}")))
    }

    /// Installs the app of a remote on this machine, and waits until it runs. An emulated processor
    /// may be too slow for the time that an app has to listen: then it is started again.
    ///
    /// # Errors
    ///
    /// When it is refused, or does not run in time.
    pub async fn install(
        &self,
        owner: &Client,
        remote: &GitRemote,
        id: &str,
    ) -> anyhow::Result<()> {
        let url = remote.url().replace("127.0.0.1", GATEWAY);
        owner
            .call(SERVICES, "install", json!([{ "sourceUrl": url, "id": id }]))
            .await?;
        Self::runs(owner, id).await
    }

    /// Waits until an app runs. An emulated processor may be too slow for the time that an app has
    /// to listen: then it is started again.
    ///
    /// # Errors
    ///
    /// When it does not run in time.
    pub async fn runs(owner: &Client, id: &str) -> anyhow::Result<()> {
        wait_for(&format!("{id} to be running"), BOOT, async || {
            let service = owner.call(SERVICES, "get", json!([id])).await?;
            if service["state"] == "failed" {
                owner.call(SERVICES, "start", json!([id])).await?;
            }
            Ok(Seen::if_so(service, |service| {
                service["state"] == "running"
            }))
        })
        .await
        .map(drop)
    }

    /// A client of the box's web server, that follows no redirect.
    #[must_use]
    pub fn http(&self) -> Client {
        Client::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).patient(BOOT)
    }

    /// Waits until the web server answers `/` and the host its calls; returns the time since the
    /// start.
    ///
    /// # Errors
    ///
    /// When it does not in time, or the machine ended; with the screen's last lines.
    pub async fn answers(&mut self) -> anyhow::Result<Duration> {
        let deadline = Instant::now() + BOOT;
        loop {
            let asked = tokio::time::timeout(Duration::from_secs(10), self.look()).await;
            if let Ok(Ok(())) = &asked {
                return Ok(self.started.elapsed());
            }
            if Instant::now() > deadline || !self.is_on()? {
                bail!(
                    "the box does not answer ({asked:?}); its screen:\n{}",
                    last_lines(&self.console(), 40)
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits for the first answer of the web server, whatever it says; returns it with the time
    /// since the start.
    ///
    /// # Errors
    ///
    /// When there is none in time, or the machine ended.
    pub async fn first_answer(&mut self) -> anyhow::Result<(Response, Duration)> {
        let browser = self.http().header("accept", "text/html");
        loop {
            let asked = tokio::time::timeout(Duration::from_secs(10), browser.get("/")).await;
            if let Ok(Ok(answer)) = asked {
                return Ok((answer, self.started.elapsed()));
            }
            if self.started.elapsed() > BOOT || !self.is_on()? {
                bail!(
                    "nothing answers; its screen:\n{}",
                    last_lines(&self.console(), 40)
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn look(&self) -> anyhow::Result<()> {
        // As a browser: a box without an owner leads only people to setup.
        let page = self.http().header("accept", "text/html").get("/").await?;
        if page.status >= 500 {
            bail!("the page answers {}", page.status);
        }
        // While it starts, the host answers pages before calls.
        self.http().call(SETUP, "status", json!([])).await.map(drop)
    }

    /// Runs a command on the box as root, over ssh; returns what it prints.
    ///
    /// # Errors
    ///
    /// When it fails, or the box does not let the key in.
    pub async fn exec(&self, script: &str) -> anyhow::Result<String> {
        self.exec_within(BOOT, script).await
    }

    /// The same for a script that takes its time.
    ///
    /// # Errors
    ///
    /// As [`Emulated::exec`], or when it takes longer than `limit`.
    pub async fn exec_within(&self, limit: Duration, script: &str) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::new("ssh");
        let option = |name: &str, value: &OsStr| {
            let mut word = std::ffi::OsString::from(format!("-o{name}="));
            word.push(value);
            word
        };
        command
            .args(["-q", "-p", &self.ssh_port.to_string(), "-i"])
            .arg(self.home.join("key"))
            .arg(option("ControlPath", self.home.join("ssh").as_os_str()))
            .args([
                "-oControlMaster=auto",
                "-oControlPersist=600",
                "-oConnectTimeout=60",
                "-oBatchMode=yes",
            ])
            .args([
                "-oStrictHostKeyChecking=no",
                "-oUserKnownHostsFile=/dev/null",
                "root@127.0.0.1",
                script,
            ])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        // The connection that is kept must not hold these pipes open: a file instead.
        let (out, err) = (self.home.join("exec.out"), self.home.join("exec.err"));
        command.stdout(File::create(&out).context("cannot make a file")?);
        command.stderr(File::create(&err).context("cannot make a file")?);
        let status = tokio::time::timeout(limit, command.status())
            .await
            .with_context(|| format!("{script:?} did not end"))?
            .context("cannot start ssh")?;
        let text = |path| fs::read_to_string(path).context("cannot read what ssh printed");
        let printed = text(&out)?;
        if !status.success() {
            bail!("{script:?} ended with {status}: {printed}{}", text(&err)?);
        }
        Ok(printed)
    }

    /// Waits until the box lets the key in.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn lets_in(&self) -> anyhow::Result<()> {
        wait_for("the box to let the ssh key in", BOOT, async || {
            match self.exec("true").await {
                Ok(_) => Ok(Seen::Wanted(())),
                Err(error) => Ok(Seen::other(format!("{error:#}"))),
            }
        })
        .await
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        self.cut_power();
        // What it said stays for people to read; the card is large.
        let _ = fs::remove_file(self.card());
    }
}

/// Gives the emulator a command with the id `asked`, and returns its answer.
async fn ask_monitor(socket: &Path, command: &Value) -> anyhow::Result<Value> {
    let doing = "cannot talk to the emulator";
    let socket = UnixStream::connect(socket).await.context(doing)?;
    let mut socket = BufReader::new(socket);
    let ready = json!({ "execute": "qmp_capabilities" });
    let lines = format!("{ready}\n{command}\n");
    socket.write_all(lines.as_bytes()).await.context(doing)?;
    let mut said = String::new();
    // A greeting and events come before the answer.
    while socket.read_line(&mut said).await.context(doing)? > 0 {
        let answer: Value = serde_json::from_str(&said).context(doing)?;
        if answer["id"] == "asked" {
            return Ok(answer);
        }
        said.clear();
    }
    bail!("the emulator is gone")
}

/// A port without a listener, which the kernel gives to no outgoing connection: there is a while
/// before the emulator takes it, and another at every power cut.
fn free_port() -> anyhow::Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    // Where to begin: two tests that look at the same time begin apart.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let at = std::process::id().wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + (at % u32::from(COUNT)) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("every port from {FIRST} on is taken")
}
