//! What machine is wanted.

use super::Machine;
use crate::store::Store;
use crate::supervisor::protocol::{PlacedFile, Registry, Spec};
use crate::{layer, npm, paths, rootfs};
use anyhow::Context as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A machine that does not run yet.
#[derive(Debug)]
pub struct Builder {
    name: String,
    atek: bool,
    internet: bool,
    registry: bool,
    data: Data,
    files: Vec<PlacedFile>,
}

/// Where `/var` lies.
#[derive(Debug)]
enum Data {
    Memory,
    Temporary,
    Folder(PathBuf),
}

impl Builder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            atek: false,
            internet: false,
            registry: false,
            data: Data::Memory,
            files: Vec::new(),
        }
    }

    /// Installs Atek as an image would: programs, units, users, policies, and what is enabled.
    #[must_use]
    pub fn install_atek(mut self) -> Self {
        self.atek = true;
        self
    }

    /// Lets the machine reach the networks that this one reaches, such as a package registry.
    #[must_use]
    pub fn internet(mut self, wanted: bool) -> Self {
        self.internet = wanted;
        self
    }

    /// Gives the machine's npm a registry that keeps what it gave in the cache, beside the root
    /// file system. What was fetched once needs no network; the rest comes with `internet`.
    #[must_use]
    pub fn npm_registry(mut self) -> Self {
        self.registry = true;
        let npmrc = format!("registry=http://{}/\n", Registry::ADDRESS);
        self.file("/usr/etc/npmrc", npmrc, 0o644)
    }

    /// Keeps `/var` on disk until the value is dropped, so that it outlives a power cut. The
    /// default is memory.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.data = Data::Temporary;
        self
    }

    /// Keeps `/var` in a folder of the caller's, which is made if absent and never removed.
    #[must_use]
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Data::Folder(folder.into());
        self
    }

    /// Puts a file of root's in place before the first process starts, e.g.
    /// `/etc/atek/config.json`.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl Into<String>, mode: u32) -> Self {
        self.files.push(PlacedFile {
            path: path.into(),
            content: content.into(),
            mode,
        });
        self
    }

    /// Boots it, and returns when systemd has finished its first transaction.
    ///
    /// # Errors
    ///
    /// When it does not come up within two minutes; the message has the console's last lines.
    pub async fn boot(self) -> anyhow::Result<Machine> {
        let mut machine = self.assemble().await?;
        machine.power_on().await?;
        Ok(machine)
    }

    async fn assemble(self) -> anyhow::Result<Machine> {
        let atek = self.atek;
        let (wanted, internet) = (self.registry, self.internet);
        // Seconds of work when the cache is cold.
        let lower = tokio::task::spawn_blocking(move || {
            let store = Store::open(paths::cache())?;
            let rootfs = rootfs::get(&store, &|step| eprintln!("{step}"))?;
            let mut lower = vec![];
            if atek {
                lower.push(layer::get(&store, &rootfs)?);
            }
            lower.push(rootfs);
            let registry = wanted.then(|| npm::kept_registry(internet)).transpose()?;
            anyhow::Ok((lower, registry))
        });
        let (lower, registry) = lower
            .await
            .context("the making of the root file system panicked")??;
        let (data, temporary) = match self.data {
            Data::Memory => (None, None),
            Data::Folder(folder) => (Some(folder), None),
            Data::Temporary => {
                // Not in /tmp, which may be a tmpfs: this is about what a disk keeps.
                let folder = tempfile::Builder::new()
                    .prefix("machine-data-")
                    .tempdir_in(paths::cache());
                let folder = folder.context("cannot make the data folder")?;
                (Some(folder.path().to_owned()), Some(folder))
            }
        };
        if let Some(folder) = &data {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let logs = paths::output().join("machines").join(&self.name);
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let spec = Spec {
            name: self.name,
            lower: lower.iter().map(|stored| stored.path.clone()).collect(),
            data,
            files: self.files,
            internet: self.internet,
            registry,
            console: logs.join("console.log"),
        };
        Ok(Machine {
            spec,
            running: None,
            boot_time: Duration::ZERO,
            logs,
            _lower: lower,
            _data: temporary,
        })
    }
}
