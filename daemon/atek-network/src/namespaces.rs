//! The two network namespaces that are joined: the unit's and the machine's.

use anyhow::{Context as _, ensure};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

/// Both namespaces, of which this process is in one at a time.
pub(crate) struct Namespaces {
    own: File,
    machine: File,
}

impl Namespaces {
    /// Those of this process and of the machine, which must be two.
    pub(crate) fn of_unit() -> anyhow::Result<Self> {
        let namespace = |process: &str| {
            let path = format!("/proc/{process}/ns/net");
            File::open(&path).with_context(|| format!("cannot open {path}"))
        };
        let (own, machine) = (namespace("self")?, namespace("1")?);
        let number = |file: &File| file.metadata().map(|about| (about.dev(), about.ino()));
        ensure!(
            number(&own)? != number(&machine)?,
            "the unit has no network namespace of its own"
        );
        Ok(Self { own, machine })
    }

    pub(crate) fn enter_own(&self) -> anyhow::Result<()> {
        enter(&self.own)
    }

    pub(crate) fn enter_machine(&self) -> anyhow::Result<()> {
        enter(&self.machine)
    }
}

fn enter(namespace: &File) -> anyhow::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")
}
