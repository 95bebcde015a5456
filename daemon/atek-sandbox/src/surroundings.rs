//! Checks that the unit is what atek-spawnd asked systemd for.
//!
//! systemd mounts folders by their paths, and the owner of a parent folder may put a link in
//! place of one between atek-spawnd's check and the mount. The folder that is mounted has the
//! device and inode of the folder that was checked, or the service does not start.

use crate::args::Mount;
use anyhow::{Context as _, ensure};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Requires that each mounted folder is the one that was checked.
pub(crate) fn require_mounts(mounts: &[Mount]) -> anyhow::Result<()> {
    for Mount {
        path,
        device,
        inode,
    } in mounts
    {
        let found = fs::symlink_metadata(path)
            .with_context(|| format!("cannot examine {}", path.display()))?;
        ensure!(
            found.is_dir() && (found.dev(), found.ino()) == (*device, *inode),
            "{} is not the folder that was checked: it was exchanged while the service started",
            path.display()
        );
    }
    Ok(())
}

/// Requires that this network namespace has no interface but the loopback and, where there is to be
/// one, the link that atek-network made.
///
/// Everything may listen on the loopback, so no other program may be here.
pub(crate) fn require_network(link: bool) -> anyhow::Result<()> {
    let text = fs::read_to_string("/proc/self/net/dev").context("cannot list the interfaces")?;
    let found: Vec<&str> = interfaces(&text).filter(|name| *name != "lo").collect();
    let expected: &[&str] = if link { &["eth0"] } else { &[] };
    ensure!(
        found == expected,
        "the network namespace has other interfaces than it was to have: [{}], not [{}]",
        found.join(", "),
        expected.join(", ")
    );
    Ok(())
}

/// Names of the interfaces in the text of `/proc/net/dev`, which begins with two lines of titles.
fn interfaces(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn mount(path: &Path, of: &Path) -> Mount {
        let checked = fs::metadata(of).unwrap();
        Mount {
            path: path.to_owned(),
            device: checked.dev(),
            inode: checked.ino(),
        }
    }

    #[test]
    fn a_folder_that_was_exchanged_after_the_check_stops_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["checked", "other"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        std::os::unix::fs::symlink("checked", path.join("link")).unwrap();
        let checked = path.join("checked");
        require_mounts(&[mount(&checked, &checked)]).unwrap();
        for exchanged in ["other", "link", "missing"] {
            let mounts = [mount(&path.join(exchanged), &checked)];
            assert!(require_mounts(&mounts).is_err(), "{exchanged}");
        }
    }

    #[test]
    fn interfaces_are_read_from_the_kernels_table() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 0 0\n  eth0: 1 2\nwlan0:5 6\n";
        let names: Vec<_> = interfaces(text).collect();
        assert_eq!(names, ["lo", "eth0", "wlan0"]);
    }
}
