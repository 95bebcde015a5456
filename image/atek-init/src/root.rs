//! From the initramfs to the root.

use crate::cmdline::{Table, Words};
use crate::devices::Partition;
use crate::medium::{self, Medium};
use crate::{devices, dm, initramfs};
use anyhow::Context as _;
use rustix::mount::{MountFlags, mount, mount_move};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the root is mounted until it becomes `/`.
const ASIDE: &str = "/sysroot";

/// Waits for the root's partition and puts verity over it. Returns the device to mount.
///
/// # Errors
///
/// When the partition does not appear or the kernel refuses the table.
pub(crate) fn prepare(words: &Words) -> anyhow::Result<PathBuf> {
    let uuid = words
        .root_partition
        .as_deref()
        .context("the kernel's command line has no dm-mod.waitfor=")?;
    let create = words
        .create
        .as_ref()
        .context("the kernel's command line has no dm-mod.create=")?;
    let said = fs::read(medium::SAID).ok();
    let partition = devices::wait_for(uuid, said.as_deref().and_then(Medium::said))?;
    let table = resolved(&create.table, uuid, &partition);
    dm::create_read_only(&create.name, &table)?;
    Ok(PathBuf::from("/dev/dm-0"))
}

/// The table with the partition by number: device-mapper knows no `PARTUUID`.
fn resolved(table: &Table, uuid: &str, partition: &Partition) -> Table {
    let name = format!("PARTUUID={uuid}");
    Table {
        parameters: table.parameters.replace(&name, &partition.number),
        ..table.clone()
    }
}

/// Mounts the root and makes it `/`, with the kernel's own mounts in it.
///
/// # Errors
///
/// When it is no file system of the type that the command line names, or a mount is refused.
pub(crate) fn enter(device: &Path, words: &Words) -> anyhow::Result<()> {
    let kind = words
        .root_type
        .as_deref()
        .context("the kernel's command line has no rootfstype=")?;
    fs::create_dir_all(ASIDE).with_context(|| format!("cannot make {ASIDE}"))?;
    mount(device, ASIDE, kind, MountFlags::RDONLY, None)
        .with_context(|| format!("cannot mount {} ({kind})", device.display()))?;
    for folder in ["/dev", "/proc", "/sys"] {
        let to = format!("{ASIDE}{folder}");
        mount_move(folder, &to).with_context(|| format!("cannot move {folder} to {to}"))?;
    }
    initramfs::forget();
    std::env::set_current_dir(ASIDE).with_context(|| format!("cannot enter {ASIDE}"))?;
    mount_move(".", "/").context("cannot make the root /")?;
    rustix::process::chroot(".").context("cannot make the root /")?;
    std::env::set_current_dir("/").context("cannot enter /")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_devices_of_the_table_become_numbers() {
        let words = crate::cmdline::parse(
            "dm-mod.create=\"r,,,ro,0 8 verity 1 PARTUUID=ab PARTUUID=ab 4096 PARTUUIDs\" dm-mod.waitfor=PARTUUID=ab",
        )
        .unwrap();
        let partition = Partition::for_tests("vda4", "254:4");
        let table = resolved(&words.create.unwrap().table, "ab", &partition);
        assert_eq!(table.parameters, "1 254:4 254:4 4096 PARTUUIDs");
    }
}
