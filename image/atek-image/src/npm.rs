//! npm, with which the box installs what its apps need.

use crate::command;
use anyhow::Context as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// npm as its own registry package: Debian's package of it pulls in hundreds of others.
/// A version that runs on Debian's Node.
pub const NPM: &str = "npm@10.9.9";

/// Files without use on a box, relative to npm's folder.
const LEFT_OUT: [&str; 2] = ["docs", "man"];

/// Adds npm to a root file system. Takes it from the registry, with this machine's npm.
///
/// # Errors
///
/// When the registry cannot be reached, or something cannot be written.
pub fn add(root: &Path) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let packed = command::run(
        Command::new("npm")
            .args(["pack", "--silent", NPM])
            .current_dir(scratch.path()),
    )?;
    let tarball = scratch.path().join(packed.trim());
    let home = root.join("usr/lib/node_modules/npm");
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    command::run(
        Command::new("tar")
            .args([
                "--extract",
                "--strip-components=1",
                "--no-same-owner",
                "--file",
            ])
            .arg(&tarball)
            .arg("--directory")
            .arg(&home),
    )?;
    for name in LEFT_OUT {
        let _ = fs::remove_dir_all(home.join(name));
    }
    fs::create_dir_all(root.join("usr/bin")).context("cannot make /usr/bin")?;
    for tool in ["npm", "npx"] {
        let link = root.join("usr/bin").join(tool);
        symlink(format!("../lib/node_modules/npm/bin/{tool}-cli.js"), &link)
            .with_context(|| format!("cannot make {}", link.display()))?;
    }
    Ok(())
}
