//! The machine's own cgroup, in a cgroup2 mount of the supervisor's own: how the outer machine lays
//! out `/sys/fs/cgroup` does not matter.

use anyhow::{Context as _, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long killed processes may take to leave.
const LEAVING: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Cgroup {
    mount: PathBuf,
    group: PathBuf,
}

impl Cgroup {
    /// Mounts the hierarchy at `at`, and makes the group `name` in it (or takes over one that is
    /// there).
    pub(super) fn create(at: &Path, name: &str) -> anyhow::Result<Self> {
        mount(
            Some("cgroup2"),
            at,
            Some("cgroup2"),
            MsFlags::empty(),
            None::<&str>,
        )
        .context("cannot mount cgroup2")?;
        // Limits of apps need these; where the outer machine keeps them for itself, the machine
        // runs without.
        for controller in ["cpu", "memory", "pids"] {
            let _ = fs::write(at.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        let group = at.join(name);
        if !group.is_dir() {
            fs::create_dir(&group).with_context(|| format!("cannot make the cgroup {name}"))?;
        }
        Ok(Self {
            mount: at.to_owned(),
            group,
        })
    }

    pub(super) fn add(&self, pid: Pid) -> anyhow::Result<()> {
        fs::write(self.group.join("cgroup.procs"), pid.to_string())
            .context("cannot move into the cgroup")
    }

    /// Kills what is in the group, removes it with its children, and unmounts.
    pub(super) fn destroy(self) -> anyhow::Result<()> {
        fs::write(self.group.join("cgroup.kill"), "1").context("cannot kill the cgroup")?;
        let started = Instant::now();
        while let Err(error) = remove(&self.group) {
            if started.elapsed() > LEAVING {
                bail!("cannot remove the cgroup {}: {error}", self.group.display());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        umount2(&self.mount, MntFlags::MNT_DETACH).context("cannot unmount cgroup2")
    }
}

/// Removes a group and those below. It fails while a process is in one of them.
fn remove(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
