//! [`Machine`]: what a test holds.
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! use atek_tests::Machine;
//!
//! let machine = Machine::boot_with_atek("answers").await?;
//! machine.exec(["systemctl", "is-active", "atekd.service"]).await?;
//! assert_eq!(machine.http().get("/_atek/login/").await?.status, 200);
//! # Ok(())
//! # }
//! ```
//!
//! A machine ends with its value, and with the test process however that ends. What it said is in
//! `out/machines/NAME/`: `console.log` while it runs, `journal.txt` when it has ended.

mod builder;
mod execute;
mod power;

pub use builder::Builder;
pub use execute::Output;

use crate::http::Client;
use crate::store::Stored;
use crate::supervisor::protocol::{OUTSIDE, Spec};
use anyhow::Context as _;
use power::Running;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A booted machine with systemd as PID 1.
#[derive(Debug)]
pub struct Machine {
    spec: Spec,
    running: Option<Running>,
    boot_time: Duration,
    /// Where the logs of this name go.
    logs: PathBuf,
    /// Held, so that the files of the machine are not removed.
    _lower: Vec<Stored>,
    /// Held, so that a persistent machine's data lives as long as this value.
    _data: Option<tempfile::TempDir>,
}

impl Machine {
    /// Boots a bare machine. `name` is its host name, and the name of its logs: use the test's.
    ///
    /// # Errors
    ///
    /// When it does not come up within two minutes; the message has the console's last lines.
    pub async fn boot(name: &str) -> anyhow::Result<Self> {
        Self::builder(name).boot().await
    }

    /// Boots a machine with Atek installed as an image would.
    ///
    /// # Errors
    ///
    /// As [`Machine::boot`], and when Atek is not built.
    pub async fn boot_with_atek(name: &str) -> anyhow::Result<Self> {
        Self::builder(name).install_atek().boot().await
    }

    /// Says what machine is wanted, before it boots.
    #[must_use]
    pub fn builder(name: &str) -> Builder {
        Builder::new(name)
    }

    /// The machine's host name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// How long the last boot took, from the wish to systemd's "startup finished".
    #[must_use]
    pub fn boot_time(&self) -> Duration {
        self.boot_time
    }

    /// The machine's address, as the outer machine reaches it.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub fn address(&self) -> anyhow::Result<Ipv4Addr> {
        Ok(self.running()?.address)
    }

    /// The outer machine's address, as the machine reaches it: where a test's own servers listen.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub fn gateway(&self) -> anyhow::Result<Ipv4Addr> {
        Ok(self.running()?.gateway)
    }

    /// The URL of a server of the outer machine as one of the internet. Builds and apps with the
    /// internet reach it; they do not reach [`Machine::gateway`], which is of the home. For a
    /// machine with the internet or a registry.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub fn outside(&self, url: &str) -> anyhow::Result<String> {
        Ok(url.replacen(&self.gateway()?.to_string(), &OUTSIDE.to_string(), 1))
    }

    /// The machine's PID 1, as the outer machine numbers it.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub fn pid(&self) -> anyhow::Result<i32> {
        Ok(self.running()?.pid)
    }

    /// The PID of the process that keeps the machine.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub fn keeper_pid(&self) -> anyhow::Result<u32> {
        Ok(self.running()?.keeper_pid())
    }

    /// A client of whatever serves HTTP on the machine's port 80, as a neighbour on its network.
    ///
    /// # Panics
    ///
    /// When the machine is off.
    #[must_use]
    pub fn http(&self) -> Client {
        self.http_on(80)
    }

    /// The same for another port.
    ///
    /// # Panics
    ///
    /// When the machine is off.
    #[must_use]
    pub fn http_on(&self, port: u16) -> Client {
        let address = self.address().expect("the machine is on");
        Client::tcp(SocketAddr::from((address, port)))
    }

    /// A client of an HTTP server on a Unix socket of the machine, as its administrator.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub fn http_unix(&self, path: &str) -> anyhow::Result<Client> {
        Ok(Client::unix(self.outer_path(path)?))
    }

    /// Connects to a Unix socket of the machine, as its administrator.
    ///
    /// # Errors
    ///
    /// When the machine is off, or there is no listener.
    pub async fn connect_unix(&self, path: &str) -> anyhow::Result<tokio::net::UnixStream> {
        let outer = self.outer_path(path)?;
        tokio::net::UnixStream::connect(&outer)
            .await
            .with_context(|| format!("cannot connect to {path}"))
    }

    /// A path of the machine as the outer machine sees it. A link with an absolute target on the
    /// way leads astray; use [`Machine::read`] for files.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub fn outer_path(&self, path: &str) -> anyhow::Result<PathBuf> {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()?));
        Ok(root.join(path.trim_start_matches('/')))
    }

    /// The folder with this machine's logs.
    #[must_use]
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    fn running(&self) -> anyhow::Result<&Running> {
        self.running
            .as_ref()
            .with_context(|| format!("the machine {} is off", self.name()))
    }
}
