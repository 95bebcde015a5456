//! Stories told by a browser: Chromium, driven by a scenario of `tests/web/scenarios/`, before a
//! booted host.
//!
//! The scenario runs in Node and holds the browser; this side holds the machine. The scenario tells
//! its steps as JSON lines on its standard output, and asks for what only the machine's
//! administrator can do ([`protocol::Ask`]); answers go to its standard input. What it saw is in
//! `out/web/NAME/`.

mod protocol;

use crate::git_remote::{GitRemote, SshKey};
use crate::host::Host;
use crate::paths;
use anyhow::{Context as _, bail};
use protocol::{Answer, Ask, Told};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin};

/// How long a story may take. One takes tens of seconds on two quiet cores.
const STORY: Duration = Duration::from_secs(600);

/// Debian's Firefox, for the stories that ask for it.
pub const FIREFOX: &str = "/usr/bin/firefox-esr";

/// What a scenario runs against.
#[derive(Debug)]
pub struct BrowserStory {
    /// The booted host.
    pub host: Host,
    remotes: BTreeMap<String, GitRemote>,
    /// The keys of authors who sign.
    authors: BTreeMap<String, SshKey>,
    /// Further addresses, by name.
    urls: BTreeMap<String, String>,
    /// Name and address of the box of another home.
    other: Option<Value>,
}

impl BrowserStory {
    /// A story on `host`, without git remotes.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self {
            host,
            remotes: BTreeMap::new(),
            authors: BTreeMap::new(),
            urls: BTreeMap::new(),
            other: None,
        }
    }

    /// Adds a git remote that the box can reach, without a version yet.
    ///
    /// # Errors
    ///
    /// When the machine is off, or git cannot be started.
    pub fn with_remote(mut self, name: &str) -> anyhow::Result<Self> {
        let remote = GitRemote::new(name, self.host.machine.gateway()?)?;
        self.remotes.insert(name.to_owned(), remote);
        Ok(self)
    }

    /// Tells the story an address of something that the test made, as it does those of remotes.
    #[must_use]
    pub fn with_url(mut self, name: &str, url: String) -> Self {
        self.urls.insert(name.to_owned(), url);
        self
    }

    /// Tells the story of the box of another home, whose pages its people can open.
    ///
    /// # Errors
    ///
    /// When that machine is off.
    pub fn with_other(mut self, host: &Host) -> anyhow::Result<Self> {
        let address = host.machine.address()?.to_string();
        self.other = Some(json!({ "name": host.machine.name(), "address": address }));
        Ok(self)
    }

    /// Runs `scenarios/NAME.mjs` to its end. Its steps and figures are printed as they happen.
    ///
    /// # Errors
    ///
    /// When a step fails (the message names it and the pictures), the browser's side cannot be
    /// started, or the story takes more than ten minutes.
    pub async fn run(&mut self, name: &str) -> anyhow::Result<()> {
        let mut teller = self.start(name)?;
        let told = tokio::time::timeout(STORY, self.listen(name, &mut teller)).await;
        // It has closed its browser by now, or is stuck: it gets no longer than this.
        let ended = tokio::time::timeout(Duration::from_secs(60), teller.wait()).await;
        if ended.is_err() {
            // Its group, that is: Chromium with it.
            end_group(&teller);
        }
        told.with_context(|| format!("the story {name} was not told within {STORY:?}"))?
    }

    fn start(&self, name: &str) -> anyhow::Result<Child> {
        let web = paths::repository().join("tests/web");
        let machine = &self.host.machine;
        let remotes: BTreeMap<_, _> = self
            .remotes
            .iter()
            .map(|(name, remote)| (name, remote.url()))
            .chain(self.urls.iter().map(|(name, url)| (name, url.clone())))
            .collect();
        let mut node = Command::new("node");
        node.arg(web.join("scenarios").join(format!("{name}.mjs")))
            .env("BOX_NAME", machine.name())
            .env("BOX_ADDRESS", machine.address()?.to_string())
            .env("BOX_REMOTES", json!(remotes).to_string())
            .env("STORY_OUT", output(name))
            .env("CHROMIUM", chromium()?)
            .env("FIREFOX", FIREFOX)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        if let Some(other) = &self.other {
            node.env("BOX_OTHER", other.to_string());
        }
        std::os::unix::process::CommandExt::process_group(&mut node, 0);
        tokio::process::Command::from(node)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start node (./tests/run web installs what the stories need)")
    }

    async fn listen(&mut self, name: &str, teller: &mut Child) -> anyhow::Result<()> {
        let stdout = teller.stdout.take().context("node has no output")?;
        let mut answers = teller.stdin.take().context("node has no input")?;
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines
            .next_line()
            .await
            .context("cannot read what node says")?
        {
            let told = serde_json::from_str(&line)
                .with_context(|| format!("the story {name} said {line:?}"))?;
            match told {
                Told::Step { step, ms } => println!("{name}: {step} ({ms} ms)"),
                Told::Figure { figure, value } => println!("{name}: {figure}: {value}"),
                Told::Failed {
                    failed,
                    message,
                    pictures,
                } => bail!(
                    "{name}: {failed}:\n{message}\n\nsee {}",
                    pictures.join("\n    ")
                ),
                Told::Done { .. } => return Ok(()),
                Told::Ask(ask) => self.answer(ask, &mut answers).await?,
            }
        }
        bail!("the story {name} broke off; node says why above")
    }

    async fn answer(&mut self, ask: Ask, to: &mut ChildStdin) -> anyhow::Result<()> {
        let answer = match self.act(ask).await {
            Ok(answer) => Answer::Answer(answer),
            Err(error) => Answer::Refused(format!("{error:#}")),
        };
        let line = serde_json::to_string(&answer).context("cannot write an answer")?;
        to.write_all(format!("{line}\n").as_bytes())
            .await
            .context("node does not listen any more")
    }

    async fn act(&mut self, ask: Ask) -> anyhow::Result<Value> {
        let machine = &mut self.host.machine;
        match ask {
            Ask::Run { words, input } => {
                let limit = Duration::from_secs(120);
                let output = machine.exec_within(limit, &words, input.as_bytes()).await?;
                if !output.status.success() {
                    bail!("{words:?} ended with {}: {}", output.status, output.stderr);
                }
                return Ok(output.stdout.into());
            }
            Ask::Call {
                api,
                method,
                params,
            } => return self.host.system()?.call(&api, &method, params).await,
            Ask::PlaceApp { app } => return Ok(machine.place_app(&app).await?.into()),
            Ask::Publish {
                remote,
                tag,
                app,
                files,
                notes,
                signer,
            } => {
                let known = self.remotes.get(&remote);
                let remote = known.with_context(|| format!("the test has no remote {remote}"))?;
                crate::apps::stage(&app, &remote.work())?;
                remote.write("VERSION", &tag)?;
                for (path, content) in files {
                    remote.write(&path, content)?;
                }
                let Some(name) = signer else {
                    remote.tag_with(&tag, &notes)?;
                    return Ok(Value::Null);
                };
                let key = match self.authors.entry(name) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(SshKey::new()?),
                };
                remote.tag_signed(&tag, &notes, key)?;
                return Ok(key.fingerprint().into());
            }
            Ask::CutPower => machine.cut_power().await?,
            Ask::PowerOn => {
                machine.power_on().await?;
                self.host.ready().await?;
                return Ok(self.host.machine.address()?.to_string().into());
            }
            Ask::Ready => self.host.ready().await?,
            Ask::TurnedOff => {
                machine.turned_off().await?;
            }
        }
        Ok(Value::Null)
    }
}

/// The folder for what a story leaves for people to look at.
fn output(name: &str) -> PathBuf {
    paths::output().join("web").join(name)
}

/// Debian's Chromium.
fn chromium() -> anyhow::Result<PathBuf> {
    let program = Path::new("/usr/bin/chromium");
    if !program.exists() {
        bail!("chromium is not installed: run ./tests/run web, which installs it");
    }
    Ok(program.to_owned())
}

/// Kills a story that does not end, and its browser.
fn end_group(teller: &Child) {
    let group = teller.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = group {
        // It may be gone already, which is what is wanted.
        let _ = nix::sys::signal::killpg(
            nix::unistd::Pid::from_raw(group),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
}
