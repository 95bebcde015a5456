//! Keys with which authors sign their releases.

use crate::command;
use anyhow::Context as _;
use std::process::Command;

/// An SSH key of an author, until the value is dropped.
#[derive(Debug)]
pub struct SshKey {
    folder: tempfile::TempDir,
    fingerprint: String,
}

impl SshKey {
    /// A new one.
    ///
    /// # Errors
    ///
    /// When `ssh-keygen` fails.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let file = folder.path().join("key").display().to_string();
        let make = ["-q", "-t", "ed25519", "-N", "", "-f", &file];
        command::run(Command::new("ssh-keygen").args(make))?;
        let shown = command::run(Command::new("ssh-keygen").args(["-lf", &file]))?;
        let fingerprint = shown.split(' ').nth(1).context("a fingerprint")?.to_owned();
        Ok(Self {
            folder,
            fingerprint,
        })
    }

    /// As `ssh-keygen -l` shows it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// git's arguments to sign with it.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        let mut settings = Vec::from(["-c", "gpg.format=ssh", "-c"].map(str::to_owned));
        let file = self.folder.path().join("key");
        settings.push(format!("user.signingKey={}", file.display()));
        settings
    }
}
