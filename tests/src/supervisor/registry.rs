//! The npm registry of a machine: a server of the outer machine that keeps what it fetched, at an
//! address that looks to the machine like one of the internet.

use crate::paths;
use anyhow::{Context as _, ensure};
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::protocol::Registry;

/// Where it listens at the outer end of the machine's link.
pub(super) const PORT: u16 = 4873;
/// What the outer machine trusts: its registry may be a mirror with an authority of its own.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The server; it ends with this value, and with this process.
#[derive(Debug)]
pub(super) struct Server(Child);

impl Server {
    /// Starts it, and returns when it listens.
    pub(super) fn start(registry: &Registry, at: Ipv4Addr) -> anyhow::Result<Self> {
        let script: PathBuf = paths::repository().join("tests/registry/registry.mjs");
        let mut command = Command::new("node");
        command
            .arg(script)
            .arg(&registry.folder)
            .arg(registry.upstream.as_deref().unwrap_or("-"))
            .arg(at.to_string())
            .arg(PORT.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if Path::new(TRUSTED).exists() {
            command.env("NODE_EXTRA_CA_CERTS", TRUSTED);
        }
        let mut server = Self(command.spawn().context("cannot start node")?);
        let stdout = server.0.stdout.take().context("node has no output")?;
        let mut said = String::new();
        BufReader::new(stdout)
            .read_line(&mut said)
            .context("cannot read what the registry says")?;
        ensure!(said.trim() == "ready", "the registry did not start");
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
