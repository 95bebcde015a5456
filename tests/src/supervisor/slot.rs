//! Slots: small numbers that tell concurrent machines apart.
//!
//! A slot's number names the machine's folder, cgroup and network link, and chooses its address.
//! Its lock is held by the supervisor alone, so it is free as soon as the supervisor is gone, even
//! by `kill -9`. The process that leases a slot first removes what a predecessor left.

use super::cgroup;
use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The folder for all machines' state.
const MACHINES: &str = "/run/atek-machines";

/// How many machines can run at the same time.
const SLOTS: u8 = 250;

/// A leased slot.
#[derive(Debug)]
pub(super) struct Slot {
    number: u8,
    name: String,
    dir: PathBuf,
    _lock: File,
}

impl Slot {
    /// Leases the lowest free slot, and sweeps the free ones that have leftovers.
    pub(super) fn lease() -> anyhow::Result<Self> {
        let machines = Path::new(MACHINES);
        fs::create_dir_all(machines).with_context(|| format!("cannot make {MACHINES}"))?;
        let mut leased = None;
        for number in 0..SLOTS {
            let dir = machines.join(number.to_string());
            if leased.is_some() && !dir.exists() {
                continue;
            }
            let Some(lock) = try_lock(&machines.join(format!("{number}.lock")))? else {
                continue;
            };
            let slot = Self {
                number,
                name: format!("atek-machine-{number}"),
                dir,
                _lock: lock,
            };
            slot.sweep()?;
            if leased.is_none() {
                leased = Some(slot);
            }
        }
        let Some(slot) = leased else {
            bail!("all {SLOTS} slots for test machines are in use")
        };
        fs::create_dir(&slot.dir).with_context(|| format!("cannot make {}", slot.dir.display()))?;
        Ok(slot)
    }

    pub(super) fn number(&self) -> u8 {
        self.number
    }

    /// The name of whatever belongs to the machine and stands in a namespace of the outer machine.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn make_dir(&self, name: &str) -> anyhow::Result<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(dir)
    }

    /// Removes the folder; the lock goes with this value.
    pub(super) fn release(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.dir)
            .with_context(|| format!("cannot remove {}", self.dir.display()))
    }

    /// Removes what a supervisor that was killed left: its folder, and the cgroup of the same name.
    ///
    /// Its processes died with it, its mounts with its namespace, its link with the machine's, and
    /// its NAT table with the process that owned it.
    fn sweep(&self) -> anyhow::Result<()> {
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir)
                .with_context(|| format!("cannot remove {}", self.dir.display()))?;
            let mount_at = self.make_dir_all("cgroup")?;
            cgroup::Cgroup::create(&mount_at, &self.name)?.destroy()?;
            fs::remove_dir_all(&self.dir)
                .with_context(|| format!("cannot remove {}", self.dir.display()))?;
        }
        Ok(())
    }

    fn make_dir_all(&self, name: &str) -> anyhow::Result<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(dir)
    }
}

fn try_lock(path: &Path) -> anyhow::Result<Option<File>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
