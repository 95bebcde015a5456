//! `/var`: the data partition, or the disk to which its data were moved.

use crate::console;
use crate::devices::Partition;
use crate::elsewhere;
use anyhow::{Context as _, bail};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The partition's name in the partition table.
const NAME: &str = "atek-data";

/// Where others read why `/var` is only in memory: one line.
const PROBLEM: &str = "/run/atek-init/data-problem";

/// Mounts the data partition of the root's own disk, or the disk that it names, checked and, where
/// it was damaged, repaired.
///
/// # Errors
///
/// When there is none, or it cannot be mounted even then. A disk that is named and is not there
/// leaves nothing mounted: the data that stayed on the card are not those of the box.
pub(crate) fn mount_var(root: &Partition) -> anyhow::Result<()> {
    mount_checked(&root.sibling(NAME)?.node())?;
    let named = elsewhere::named(Path::new("/var"));
    if matches!(named, Ok(None)) {
        return Ok(());
    }
    unmount("/var", UnmountFlags::empty()).context("cannot unmount the data partition")?;
    let Some(disk) = named? else {
        return Ok(());
    };
    mount_checked(&disk.node()?)
}

fn mount_checked(node: &Path) -> anyhow::Result<()> {
    // Its answer does not decide: what can be mounted is worth more than a check that failed.
    if let Err(error) = check(node) {
        console::say(&format!("{error:#}"));
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME | MountFlags::LAZYTIME;
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let options = CString::new(options(&groups)).context("a group with a zero in it")?;
    mount(node, "/var", "ext4", flags, options.as_c_str())
        .with_context(|| format!("cannot mount the data partition {}", node.display()))
}

/// How the data partition is mounted.
///
/// What the file system keeps back (1 %) is for the host and its database as well as for root: when
/// apps have filled the rest, people can still sign in and take one of them away.
fn options(groups: &str) -> String {
    let reserve = groups.lines().find_map(|line| {
        line.strip_prefix("atek-reserve:")?
            .split(':')
            .nth(1)?
            .parse::<u32>()
            .ok()
    });
    match reserve {
        Some(gid) => format!("errors=remount-ro,resgid={gid}"),
        None => "errors=remount-ro".to_owned(),
    }
}

/// What `e2fsck` did, by its exit status.
#[derive(Debug, PartialEq, Eq)]
enum Checked {
    Sound,
    Repaired,
    /// It wants a person, or could not work.
    Not,
}

fn verdict(status: Option<i32>) -> Checked {
    match status {
        Some(0) => Checked::Sound,
        // 2: something that is mounted was repaired; nothing is.
        Some(1..=3) => Checked::Repaired,
        _ => Checked::Not,
    }
}

/// Replays the journal and repairs what is safe to repair; if that does not do, all that can be
/// repaired.
fn check(node: &Path) -> anyhow::Result<()> {
    for how in ["-p", "-y"] {
        let status = Command::new("/usr/sbin/e2fsck")
            .arg(how)
            .arg(node)
            .status()
            .context("cannot start e2fsck")?;
        match verdict(status.code()) {
            Checked::Sound => return Ok(()),
            Checked::Repaired => {
                console::say("the data partition was damaged, and is repaired");
                return Ok(());
            }
            Checked::Not => {}
        }
    }
    bail!("e2fsck could not repair the data partition")
}

/// A `/var` in memory, and a word about why.
///
/// # Errors
///
/// When not even that can be mounted.
pub(crate) fn live_without(problem: &anyhow::Error) -> anyhow::Result<()> {
    let line = format!("{problem:#}").replace('\n', " ");
    console::say(&format!("the box runs without its data: {line}"));
    mount(
        "tmpfs",
        "/var",
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        c"mode=0755,size=25%",
    )
    .context("cannot mount a /var in memory")?;
    let told = Path::new(PROBLEM);
    if let Some(folder) = told.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(told, line + "\n").with_context(|| format!("cannot write {PROBLEM}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_disk_keeps_back_is_the_hosts() {
        let groups = "root:x:0:\natek-apps:x:963:atek\natek-reserve:x:964:atek\n";
        assert_eq!(options(groups), "errors=remount-ro,resgid=964");
        assert_eq!(options("root:x:0:\n"), "errors=remount-ro");
    }

    #[test]
    fn only_a_check_that_repaired_all_it_found_counts() {
        for (status, expected) in [
            (Some(0), Checked::Sound),
            (Some(1), Checked::Repaired),
            (Some(2), Checked::Repaired),
            (Some(4), Checked::Not),
            (Some(5), Checked::Not),
            (Some(8), Checked::Not),
            (None, Checked::Not),
        ] {
            assert_eq!(verdict(status), expected, "{status:?}");
        }
    }
}
