//! A disk that is plugged into a machine: a file of the outer machine behind a loop device.

use crate::{Machine, paths};
use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The file of a disk, and what was put on it.
#[derive(Debug)]
pub struct DiskImage {
    folder: TempDir,
}

impl DiskImage {
    /// A file of so many bytes, made by a shell script with its path in `$F`, and in `$D` a folder
    /// with a few files. None where the script lacks a program (exit code 127), which is recorded
    /// as a skip.
    ///
    /// # Errors
    ///
    /// When the script fails otherwise; the message has its last words.
    pub fn make(name: &str, bytes: u64, script: &str) -> anyhow::Result<Option<Self>> {
        // Not in /tmp, which may be in memory.
        fs::create_dir_all(paths::cache()).context("cannot make the cache")?;
        let folder = tempfile::Builder::new()
            .prefix("plugged-")
            .tempdir_in(paths::cache())
            .context("cannot make a folder for the disk")?;
        let disk = Self { folder };
        let files = disk.folder.path().join("files");
        fs::create_dir_all(files.join("photos"))?;
        fs::write(files.join("letter.txt"), "dear box\n")?;
        fs::write(files.join("photos/one.jpg"), vec![7; 100_000])?;
        File::create(disk.path())?.set_len(bytes)?;
        let made = Command::new("sh")
            .args(["-euc", script])
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
            .env("F", disk.path())
            .env("D", &files)
            .current_dir(disk.folder.path())
            .output()
            .context("cannot start sh")?;
        if made.status.code() == Some(127) {
            crate::skip(&format!(
                "a disk with {name}: {}",
                String::from_utf8_lossy(&made.stderr).trim()
            ));
            return Ok(None);
        }
        anyhow::ensure!(
            made.status.success(),
            "cannot make a disk with {name}: {}{}",
            String::from_utf8_lossy(&made.stdout),
            String::from_utf8_lossy(&made.stderr)
        );
        Ok(Some(disk))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// A number that each bit of it decides.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn digest(&self) -> anyhow::Result<String> {
        let mut hash = Sha256::new();
        let mut file = File::open(self.path())?;
        let mut block = vec![0; 1 << 20];
        loop {
            match std::io::Read::read(&mut file, &mut block)? {
                0 => return Ok(hex::encode(hash.finalize())),
                read => hash.update(&block[..read]),
            }
        }
    }

    /// Plugs it into a machine. None where there are no loop devices, which is recorded as a skip.
    ///
    /// # Errors
    ///
    /// When the machine cannot be given its device.
    pub async fn plug(
        &self,
        machine: &Machine,
        read_only: bool,
    ) -> anyhow::Result<Option<Plugged>> {
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show", "--partscan"]);
        if read_only {
            losetup.arg("--read-only");
        }
        let made = losetup.arg(self.path()).output();
        let made = made.context("cannot start losetup")?;
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            crate::skip(&format!("there are no loop devices here: {why}"));
            return Ok(None);
        }
        let device = String::from_utf8(made.stdout)?;
        let device = device.trim().trim_start_matches("/dev/").to_owned();
        let mut plugged = Plugged {
            device,
            nodes: Vec::new(),
        };
        // A kernel without parsers of partition tables is told what they say.
        let _ = Command::new("partx")
            .args(["--add", &format!("/dev/{}", plugged.device)])
            .output();
        let folder = Path::new("/sys/class/block").join(&plugged.device);
        let mut parts = vec![folder.clone()];
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.join("partition").exists() {
                parts.push(path);
            }
        }
        for part in parts {
            let name = part
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let number = fs::read_to_string(part.join("dev"))?;
            let number = number.trim().replace(':', " ");
            let make = format!("rm -f /dev/{name}; mknod -m 600 /dev/{name} b {number}");
            machine.shell(&make).await?;
            plugged.nodes.push(name);
        }
        Ok(Some(plugged))
    }
}

/// A disk while it is plugged in.
#[derive(Debug)]
pub struct Plugged {
    device: String,
    nodes: Vec<String>,
}

impl Plugged {
    /// The name of its device.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Its device, and its partitions.
    #[must_use]
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// Pulls it out, whatever uses it.
    ///
    /// # Errors
    ///
    /// When the machine is off.
    pub async fn pull(self, machine: &Machine) -> anyhow::Result<()> {
        for node in &self.nodes {
            machine.shell(&format!("rm -f /dev/{node}")).await?;
        }
        Ok(())
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        // One that is mounted still is detached by the kernel when it is not any more.
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(format!("/dev/{}", self.device))
            .status();
    }
}
