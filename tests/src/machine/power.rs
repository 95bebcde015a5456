//! Power: on, off, cut.

use super::{Machine, execute};
use crate::paths;
use crate::supervisor::protocol::Event;
use anyhow::{Context as _, bail};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// How long a boot may take. A quiet machine needs two seconds.
const BOOTING: Duration = Duration::from_secs(120);

/// How long an orderly power-off may take: systemd's own limit for stopping a unit is 90 s.
const POWERING_OFF: Duration = Duration::from_secs(120);

/// A machine that is on: its supervisor, and what the supervisor said.
#[derive(Debug)]
pub(super) struct Running {
    supervisor: Child,
    /// Its end cuts the power.
    lifeline: Option<ChildStdin>,
    events: UnboundedReceiver<Event>,
    pub(super) pid: i32,
    pub(super) address: Ipv4Addr,
    pub(super) gateway: Ipv4Addr,
}

impl Machine {
    /// Boots the machine again after [`Machine::power_off`] or [`Machine::cut_power`]. What was not
    /// in `/var` of a persistent machine is as new.
    ///
    /// # Errors
    ///
    /// When it is on already, or does not come up within two minutes.
    pub async fn power_on(&mut self) -> anyhow::Result<()> {
        if self.running.is_some() {
            bail!("the machine {} is on already", self.name());
        }
        let started = Instant::now();
        let mut running =
            Running::start(&serde_json::to_string(&self.spec).context("cannot write the spec")?)?;
        let Ok(booted) = tokio::time::timeout(BOOTING, running.until_booted()).await else {
            self.running = Some(running);
            let jobs = self
                .try_exec(["systemctl", "--no-pager", "list-jobs"])
                .await
                .map(|output| output.stdout);
            self.keep_journal();
            self.running = None;
            bail!(
                "{} did not boot within {BOOTING:?} (see {}): {jobs:?}",
                self.name(),
                self.logs.display()
            );
        };
        booted?;
        self.boot_time = started.elapsed();
        self.running = Some(running);
        Ok(())
    }

    /// Turns the machine off in order, as its button would.
    ///
    /// # Errors
    ///
    /// When it is off, or does not end within two minutes (its power is cut then).
    pub async fn power_off(&mut self) -> anyhow::Result<()> {
        self.keep_journal();
        // The tool may be killed with the machine: what counts is the machine's end.
        let asked = self.try_exec(["systemctl", "--no-block", "poweroff"]).await;
        let off = self.turned_off().await;
        off.with_context(|| format!("it was asked to: {asked:?}"))?;
        Ok(())
    }

    /// Waits until the machine has turned itself off, and returns whether it did so to start again.
    ///
    /// # Errors
    ///
    /// When it is off already, or does not end within two minutes (its power is cut then).
    pub async fn turned_off(&mut self) -> anyhow::Result<bool> {
        let mut running = self
            .running
            .take()
            .with_context(|| format!("the machine {} is off", self.name()))?;
        let ended = tokio::time::timeout(POWERING_OFF, running.until_ended()).await;
        ended.with_context(|| format!("{} did not power off in {POWERING_OFF:?}", self.name()))?
    }

    /// Ends every process at once and throws away what is not in `/var` of a persistent machine.
    ///
    /// # Errors
    ///
    /// When it is off, or something of it cannot be removed.
    pub async fn cut_power(&mut self) -> anyhow::Result<()> {
        let mut running = self
            .running
            .take()
            .with_context(|| format!("the machine {} is off", self.name()))?;
        running.lifeline = None;
        let ended = tokio::time::timeout(BOOTING, running.until_ended()).await;
        ended.with_context(|| format!("the machine {} did not die", self.name()))??;
        Ok(())
    }

    /// Cuts the power and boots again.
    ///
    /// # Errors
    ///
    /// When nothing of the machine would be left, or as [`Machine::power_on`].
    pub async fn reboot(&mut self) -> anyhow::Result<()> {
        if self.spec.data.is_none() {
            bail!(
                "the machine {} keeps nothing over a reboot: build it with `persistent()`",
                self.name()
            );
        }
        self.cut_power().await?;
        self.power_on().await
    }

    /// Writes the journal down for people. It is for reading only, so a failure is not worth an
    /// error.
    pub(super) fn keep_journal(&self) {
        let Some(running) = &self.running else { return };
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "10"]);
        command.args(execute::enter(running.pid)).args([
            "journalctl",
            "--boot",
            "--no-pager",
            "--output=short-precise",
        ]);
        if let Ok(output) = command.stdin(Stdio::null()).output() {
            let _ = fs::write(self.logs.join("journal.txt"), output.stdout);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.keep_journal();
        if self.running.is_some() && std::thread::panicking() {
            eprintln!(
                "the machine's console and journal are in {}",
                self.logs.display()
            );
        }
    }
}

impl Running {
    fn start(spec: &str) -> anyhow::Result<Self> {
        let mut supervisor = Command::new(paths::helper()?)
            .arg("keep")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the machine's supervisor")?;
        let mut lifeline = supervisor
            .stdin
            .take()
            .context("the supervisor has no standard input")?;
        let stdout = supervisor
            .stdout
            .take()
            .context("the supervisor has no standard output")?;
        let (send, events) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line)
                    && send.send(event).is_err()
                {
                    break;
                }
            }
        });
        let unknown = Ipv4Addr::UNSPECIFIED;
        let told = writeln!(lifeline, "{spec}");
        let running = Self {
            supervisor,
            lifeline: Some(lifeline),
            events,
            pid: 0,
            address: unknown,
            gateway: unknown,
        };
        told.context("cannot tell the supervisor what machine is wanted")?;
        Ok(running)
    }

    pub(super) fn keeper_pid(&self) -> u32 {
        self.supervisor.id()
    }

    async fn until_booted(&mut self) -> anyhow::Result<()> {
        loop {
            match self.events.recv().await {
                Some(Event::Started {
                    pid,
                    address,
                    gateway,
                }) => {
                    (self.pid, self.address, self.gateway) = (pid, address, gateway);
                }
                Some(Event::Booted) => return Ok(()),
                Some(Event::Failed { message }) => bail!("{message}"),
                Some(Event::Ended { .. }) => bail!("the machine powered off before it was up"),
                None => bail!("the machine's supervisor is gone"),
            }
        }
    }

    /// Returns whether the machine ended to be started again.
    async fn until_ended(&mut self) -> anyhow::Result<bool> {
        loop {
            match self.events.recv().await {
                Some(Event::Ended { restarts }) => return Ok(restarts),
                Some(Event::Failed { message }) => bail!("{message}"),
                Some(Event::Started { .. } | Event::Booted) => {}
                None => bail!("the machine's supervisor is gone"),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lifeline = None;
        // It removes everything first: a test that has ended has left nothing.
        let _ = self.supervisor.wait();
    }
}
