//! A disk that is small enough to be filled: an ext4 file system in a file, in a mount namespace of
//! the test's.

use crate::command::{last_lines, run};
use crate::paths;
use anyhow::Context as _;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The number of the group `atek-reserve` (`units/sysusers.d/atek.conf`).
const RESERVE_GROUP: u32 = 964;

/// What the file system keeps back, in percent.
const KEPT_BACK: u32 = 10;

/// A mounted small disk.
///
/// Only the thread that made it, and what that starts, see it mounted: so it is gone with the test,
/// however that ends. Use it in a test of one thread (`#[tokio::test]` as it is).
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Makes one of so many MiB, with a reserve for the host, as the card's data partition has;
    /// `None` where no file can be mounted, which is recorded as a skip.
    ///
    /// # Errors
    ///
    /// When it cannot be made for another reason.
    pub fn new(mib: u64) -> anyhow::Result<Option<Self>> {
        // Not in /tmp, which may be in memory: what a disk keeps is looked for here.
        std::fs::create_dir_all(paths::cache()).context("cannot make the cache")?;
        let folder = tempfile::Builder::new()
            .prefix("small-disk-")
            .tempdir_in(paths::cache())
            .context("cannot make a folder for the disk")?;
        let disk = Self { folder };
        let file = disk.folder.path().join("ext4");
        File::create(&file)
            .and_then(|file| file.set_len(mib << 20))
            .context("cannot make the disk's file")?;
        let kept_back = KEPT_BACK.to_string();
        run(Command::new("mke2fs")
            .args([
                "-q", "-t", "ext4", "-b", "4096", "-i", "16384", "-J", "size=8",
            ])
            .args(["-m", &kept_back])
            .arg(&file))?;
        std::fs::create_dir(disk.path()).context("cannot make the disk's folder")?;
        if let Err(reason) = mount_here(&file, &disk.path()) {
            crate::skip(&format!("a file cannot be mounted here: {reason:#}"));
            return Ok(None);
        }
        // The mount holds it; so it is gone with the test, too.
        std::fs::remove_file(&file).context("cannot unlink the disk's file")?;
        Ok(Some(disk))
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// Bytes that an app could still write.
    ///
    /// # Errors
    ///
    /// When the kernel does not say.
    pub fn free(&self) -> anyhow::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.path()).context("cannot ask for free room")?;
        Ok(stat.blocks_available() * stat.fragment_size())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A folder that something is mounted on cannot be removed. Without a mount this fails, and
        // may.
        let _ = umount2(&self.path(), MntFlags::MNT_DETACH);
    }
}

fn mount_here(file: &Path, folder: &Path) -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("no mount namespace")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("cannot keep mounts private")?;
    let output = Command::new("mount")
        .args(["-t", "ext4", "-o"])
        .arg(format!("loop,nosuid,nodev,resgid={RESERVE_GROUP}"))
        .arg(file)
        .arg(folder)
        .output()
        .context("cannot start mount")?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        last_lines(&String::from_utf8_lossy(&output.stderr), 3)
    );
    Ok(())
}
